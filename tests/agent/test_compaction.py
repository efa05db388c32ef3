"""Shortening any conversation: what stays, what is replaced, and that a resumed session sees the same."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from macrohard.agent.compaction import NOTES_OPENING, OPENING, REQUESTS_AT_MOST, SUMMARISE, compacted, room_for
from macrohard.agent.conversation import Conversation, pictures_in, tokens_of
from macrohard.agent.outputs import Outputs
from macrohard.agent.repair import LEFT_OUT
from macrohard.agent.transcript import Compaction, Entry, Output
from macrohard.domain import JsonObject
from macrohard.errors import ContextExceeded
from macrohard.llm import Reply
from tests.agent.scripted import MemoryArtifacts, calls, says

SYSTEM: JsonObject = {"role": "system", "content": "You write."}
ASSIGNED: JsonObject = {"role": "user", "content": "Your assignment: write it.\n\n```json\n{}\n```"}
NOTES: dict[str, JsonValue] = {
    "decisions": ["storage is SQLite, because data must survive a kill"],
    "files": ["app/a.py: routes, finished"],
    "failed_attempts": ["port 80 is taken"],
    "open_failures": ["pytest -q: 1 failed"],
    "next_steps": ["mend test_a"],
}

texts = st.one_of(
    st.text(max_size=30),
    st.integers(1, 3000).map(lambda size: "line of text\n" * (size // 13) + "end"),
    st.integers(1, 40).map(lambda number: f"{'x' * 40}\n" * number + f"exit code {number % 3}"),
)
made_calls = st.one_of(
    st.builds(lambda text: ("shell", json.dumps({"command": text[:600]})), texts),
    st.builds(lambda text: ("write", json.dumps({"path": "app/a.py", "content": text})), texts),
    st.just(("read", '{"path": "app/a.py"}')),
    st.just(("look", "{}")),
    st.just(("shell", "{oops")),
)


@st.composite
def rounds(draw: st.DrawFn) -> tuple[tuple[JsonObject, ...], ...]:
    """One answer of the model with what followed it, as two entries; ids need not be unique in a session."""
    made = draw(st.lists(made_calls, max_size=5))
    ids = [draw(st.sampled_from(["call_0", f"call_{number}"])) for number in range(len(made))]
    message: JsonObject = {"role": "assistant", "content": draw(st.none() | texts)}
    if draw(st.booleans()):
        message["provider"] = {"endpoint": "xai", "items": [{"encrypted_content": draw(texts)}]}
    if not made:
        return (message,), ({"role": "user", "content": "Go on."},)
    message["tool_calls"] = [
        {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for id, (name, arguments) in zip(ids, made, strict=True)
    ]
    answers: list[JsonObject] = [{"role": "tool", "tool_call_id": id, "content": draw(texts)} for id in ids]
    if draw(st.booleans()):
        answers.append(picture(draw(st.integers(0, 9))))
    return (message,), tuple(answers)


def picture(number: int) -> JsonObject:
    part: JsonObject = {"type": "image", "artifact": f"{number}" * 64, "media_type": "image/jpeg"}
    return {"role": "user", "content": [{"type": "text", "text": "The window."}, part]}


def conversation_of(entries: Sequence[Entry]) -> Conversation:
    conversation = Conversation(())
    for entry in entries:
        conversation.recall(entry)
    return conversation


def entries_of(spoken: Sequence[tuple[tuple[JsonObject, ...], ...]]) -> list[Entry]:
    return [Entry(messages=(SYSTEM, ASSIGNED)), *(Entry(messages=half) for one in spoken for half in one)]


class Mind:
    """Answers a request for notes; refuses what is longer than it reads."""

    def __init__(self, reply: Reply, *, reads_tokens: int = 10**9) -> None:
        self.reply, self.reads_tokens = reply, reads_tokens
        self.requests: list[list[JsonObject]] = []

    async def __call__(self, messages: list[JsonObject], tools: tuple[JsonObject, ...]) -> Reply:
        assert tools == (SUMMARISE,)
        self.requests.append(messages)
        if sum(tokens_of(message) for message in messages) > self.reads_tokens:
            raise ContextExceeded("too long")
        return self.reply


async def changed() -> str:
    return "3\t1\tapp/a.py"


async def shortened(
    conversation: Conversation, mind: Mind, *, prompt_tokens: int, artifacts: MemoryArtifacts | None = None
) -> Entry:
    room = room_for(conversation, prompt_tokens=prompt_tokens, context_tokens=2 * prompt_tokens, refusals=0)
    assert room is not None
    outputs = Outputs(artifacts or MemoryArtifacts(), conversation.outputs, limit_characters=1_000)
    entry, _ = await compacted(conversation, room, outputs=outputs, changes=changed, ask=mind)
    return Entry.model_validate_json(entry.model_dump_json(exclude_defaults=True))


def pairs(messages: Sequence[JsonObject]) -> list[tuple[str, str]]:
    """Every answer with the name of what it answers; fails if one has no call, or a call no answer."""
    found, waiting = [], list[tuple[str, str]]()
    for message in messages:
        if message["role"] == "tool":
            id = str(message["tool_call_id"])
            name = next(name for called, name in waiting if called == id)
            waiting.remove((id, name))
            found.append((id, name))
            continue
        assert not waiting, "calls without an answer"
        made = message.get("tool_calls", [])
        assert isinstance(made, list)
        for call in made:
            assert isinstance(call, dict)
            function = call["function"]
            assert isinstance(function, dict)
            waiting.append((str(call["id"]), str(function["name"])))
    assert not waiting, "calls without an answer"
    return found


@settings(max_examples=150, deadline=None)
@given(spoken=st.lists(rounds(), max_size=25), prompt_tokens=st.integers(1_500, 12_000), notes=st.booleans())
async def test_what_is_left_is_whole_in_order_and_small_enough(
    spoken: list[tuple[tuple[JsonObject, ...], ...]], prompt_tokens: int, notes: bool
) -> None:
    entries = entries_of(spoken)
    conversation = conversation_of(entries)
    before = conversation.messages
    room = room_for(conversation, prompt_tokens=prompt_tokens, context_tokens=2 * prompt_tokens, refusals=0)
    assert room is not None
    mind = Mind(calls(("summarise", NOTES)) if notes else says(""))
    entry = await shortened(conversation, mind, prompt_tokens=prompt_tokens)
    conversation.recall(entry)
    after = conversation.messages
    assert after[:OPENING] == [SYSTEM, ASSIGNED]
    assert entry.compaction is not None
    assert conversation.tokens <= (room.goal if entry.compaction.by == "notes" else room.enough)
    assert conversation.tokens == sum(tokens_of(message) for message in after)
    assert pairs(after) == pairs(before)[len(pairs(before)) - len(pairs(after)) :]
    assert sum(len(pictures_in(message)) for message in after) <= 2
    for request in mind.requests:
        pairs(request)
        assert request[:OPENING] == [SYSTEM, ASSIGNED]
        assert sum(tokens_of(message) for message in request) <= room.limit
    for message in after:
        if message not in before:
            assert "provider" not in message
    resumed = conversation_of([*entries, entry])
    assert resumed.messages == after
    assert (resumed.tokens, resumed.outputs, resumed.failures) == (
        conversation.tokens,
        conversation.outputs,
        conversation.failures,
    )


def worked(number: int, *, lines: int = 40, code: int = 0) -> tuple[tuple[JsonObject, ...], ...]:
    """A round that writes a file and runs a command."""
    reply = calls(
        ("write", {"path": f"app/a{number}.py", "content": f"A = {number}\n" * 100}),
        ("shell", {"command": f"check {number}"}),
    )
    output = f"check {number} says\n" + "all is well\n" * lines + f"exit code {code}"
    return (
        ({**reply.message, "provider": {"endpoint": "xai", "items": []}},),
        (
            {"role": "tool", "tool_call_id": "c0", "content": f"wrote app/a{number}.py (100 lines)"},
            {"role": "tool", "tool_call_id": "c1", "content": output},
        ),
    )


async def test_old_answers_and_files_become_lines_that_say_where_they_are() -> None:
    artifacts = MemoryArtifacts()
    conversation = conversation_of(entries_of([worked(number) for number in range(6)]))
    whole = conversation.messages
    entry = await shortened(conversation, Mind(says("")), prompt_tokens=3_500, artifacts=artifacts)
    assert entry.compaction is not None
    assert entry.compaction.by == "stubs"
    assert entry.compaction.tokens_before == conversation.tokens
    conversation.recall(entry)
    assert entry.compaction.tokens_after == conversation.tokens
    assert conversation.messages[-3:] == whole[-3:]
    written = json.dumps(conversation.messages[2])
    assert f"{LEFT_OUT}100 lines, 600 characters; `read` shows what the file holds now]" in written
    assert "app/a0.py" in written
    assert "provider" not in written
    assert conversation.messages[3] == whole[3]
    assert conversation.messages[4]["content"] == (
        "(shell: exit code 0; 42 lines, left out here → output-1, read it with `more`)"
    )
    assert artifacts.kept[conversation.outputs[0]].decode() == whole[4]["content"]
    assert len(conversation.outputs) == 6


async def test_notes_facts_and_the_last_rounds_open_the_shorter_conversation() -> None:
    spoken = [worked(number, code=int(number == 3)) for number in range(12)]
    conversation = conversation_of(entries_of(spoken))
    mind = Mind(calls(("summarise", NOTES)))
    entry = await shortened(conversation, mind, prompt_tokens=1_800)
    assert entry.compaction is not None
    assert entry.compaction.by == "notes"
    assert entry.calls == 1
    assert entry.cost_usd == 0.25
    last = conversation.messages[-3:]
    conversation.recall(entry)
    system, assigned, notes, facts, *rest = conversation.messages
    assert (system, assigned) == (SYSTEM, ASSIGNED)
    assert [notes["role"], facts["role"]] == ["assistant", "user"]
    assert "storage is SQLite, because data must survive a kill" in str(notes["content"])
    assert "Next:\n- mend test_a" in str(notes["content"])
    assert "app/a.py" in str(facts["content"])
    assert "$ check 3\n" in str(facts["content"])
    assert "exit code 1" in str(facts["content"])
    assert "output-1 to output-12" in str(facts["content"])
    assert rest[-3:] == last
    assert str(mind.requests[0][-1]["content"]).count("summarise") == 1


async def test_notes_are_replaced_by_later_notes() -> None:
    spoken = [worked(number) for number in range(12)]
    conversation = conversation_of(entries_of(spoken))
    conversation.recall(await shortened(conversation, Mind(calls(("summarise", NOTES))), prompt_tokens=1_800))
    for number in range(12, 22):
        for half in worked(number):
            conversation.recall(Entry(messages=half))
    mind = Mind(calls(("summarise", {**NOTES, "next_steps": ["hand in"]})))
    conversation.recall(await shortened(conversation, mind, prompt_tokens=1_800))
    assert "mend test_a" in json.dumps(mind.requests[0])
    assert "mend test_a" not in json.dumps(conversation.messages)
    assert sum(NOTES_OPENING in str(message["content"]) for message in conversation.messages) == 1


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        pytest.param(says("SQLite it is; next: test_a"), "SQLite it is; next: test_a", id="words instead of a call"),
        pytest.param(calls(("summarise", {"next": "mend it"})), '{"next": "mend it"}', id="another schema"),
        pytest.param(calls(("summarise", '{"decisions": ["SQLite')), '{"decisions": ["SQLite', id="cut off"),
        pytest.param(says(""), "- shell check 11: exit code 0", id="nothing at all"),
    ],
)
async def test_whatever_the_model_answers_serves_as_notes(reply: Reply, said: str) -> None:
    conversation = conversation_of(entries_of([worked(number) for number in range(12)]))
    conversation.recall(await shortened(conversation, Mind(reply), prompt_tokens=1_800))
    assert said in str(conversation.messages[OPENING]["content"])


async def test_a_model_that_cannot_read_even_that_is_asked_with_less_and_then_not_at_all() -> None:
    conversation = conversation_of(entries_of([worked(number) for number in range(12)]))
    mind = Mind(says("never"), reads_tokens=0)
    entry = await shortened(conversation, mind, prompt_tokens=3_000)
    lengths = [len(json.dumps(request)) for request in mind.requests]
    assert len(lengths) == REQUESTS_AT_MOST or entry.compaction is not None
    assert lengths == sorted(lengths, reverse=True)


@pytest.mark.parametrize(
    ("head_tokens", "refusals", "limit", "goal"),
    [
        pytest.param(5_000, 0, 80_000, 42_500, id="usual"),
        pytest.param(60_000, 0, 89_280, 74_640, id="a long assignment may have more"),
        pytest.param(5_000, 2, 80_000, 23_750, id="refused again: half the goal"),
    ],
)
def test_how_long_a_conversation_may_be(head_tokens: int, refusals: int, limit: int, goal: int) -> None:
    conversation = conversation_of([Entry(messages=({"role": "system", "content": "x" * (4 * head_tokens - 50)},))])
    room = room_for(conversation, prompt_tokens=80_000, context_tokens=128_000, refusals=refusals)
    assert room is not None
    assert abs(room.limit - limit) < 50
    assert abs(room.goal - goal) < 50


def test_an_endpoints_count_goes_before_the_estimate() -> None:
    conversation = conversation_of([Entry(messages=({"role": "system", "content": "x" * 4_000},))])
    assert 1_000 <= conversation.tokens <= 1_020
    conversation.recall(Entry(messages=({"role": "assistant", "content": ""},), calls=1, input_tokens=2_030))
    assert 2_030 <= conversation.tokens <= 2_080
    conversation.recall(Entry(messages=({"role": "user", "content": ""},), calls=1, input_tokens=10**9))
    assert conversation.tokens <= 5_000, "nobody counts so many in so few letters"


def test_a_name_of_an_output_stays_with_its_message() -> None:
    conversation = conversation_of(
        [
            Entry(messages=(SYSTEM, ASSIGNED)),
            Entry(messages=(calls(("shell", {"command": "a"})).message,)),
            Entry(
                messages=({"role": "tool", "tool_call_id": "c0", "content": "head … tail"},),
                outputs=(Output(message=0, digest="d" * 64),),
            ),
            Entry(
                compaction=Compaction(
                    parts=(0, 1, 2, 3), head=2, by="stubs", replaced=0, tokens_before=9, tokens_after=9
                )
            ),
        ]
    )
    assert conversation.outputs == ["d" * 64]
    assert conversation.said[3].output == "output-1"
