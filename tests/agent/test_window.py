"""Sessions longer than their model's window: they go on, finish their work, and survive a kill wherever it comes."""

import json
import re
from collections.abc import Sequence

import pytest
from pydantic import JsonValue

from macrohard.agent.compaction import NOTES_OPENING, SUMMARISE_NAME
from macrohard.agent.conversation import Conversation, tokens_of
from macrohard.agent.session import REFUSALS_AT_MOST
from macrohard.agent.transcript import Entry
from macrohard.domain import JsonObject
from macrohard.errors import ContextExceeded, ModelUnavailable, StoreUnavailable
from macrohard.events import ModelCalled, Progress
from macrohard.llm import ModelRole, Reply
from macrohard.workspace import Repository
from tests.agent.scripted import (
    ASSIGNMENT,
    MemoryArtifacts,
    MemoryTranscripts,
    OpenBench,
    Told,
    calls,
    carry_out,
    coder,
)

STEPS = 16
STEP = re.compile(r"step (\d+) is done")


class Worker:
    """Does one step after the other and remembers nothing: what comes next it reads in the request.

    Counts its tokens, and refuses what is longer than it reads.
    """

    def __init__(self, *, window: int = 6_000, reads: int | None = None, steps: int = STEPS) -> None:
        self.window, self.reads, self.steps = window, reads or window, steps
        self.requests: list[list[JsonObject]] = []
        self.notes_asked = 0
        self.fails_at: dict[int, Exception] = {}
        """By the number of the request for notes."""

    def context_tokens(self, role: ModelRole) -> int:
        return self.window

    def prompt_tokens(self, role: ModelRole) -> int:
        return int(0.75 * self.window)

    def sees(self, role: ModelRole) -> bool:
        return False

    async def reply(
        self, messages: Sequence[JsonObject], *, role: ModelRole, tools: Sequence[JsonObject], session_id: str
    ) -> Reply:
        tokens = sum(tokens_of(message) for message in [*messages, *tools])
        if tokens > self.reads:
            raise ContextExceeded(f"{tokens} of {self.reads}")
        reply = self._notes(messages) if tools[0]["function"]["name"] == SUMMARISE_NAME else self._step(messages)  # type: ignore[call-overload, index]  # a tool's form is fixed
        return reply.model_copy(update={"usage": reply.usage.model_copy(update={"input_tokens": tokens})})

    def _step(self, messages: Sequence[JsonObject]) -> Reply:
        self.requests.append(list(messages))
        done = last_step(messages)
        if done == self.steps:
            return calls(("finish", {"summary": f"{done} steps"}))
        step = done + 1
        content = f"STEP = {step}\n" * 80
        command = f"test $(head -1 app/s{step}.py | tr -dc 0-9) = {step} && seq 300 && echo step {step} is done"
        return calls(("write", {"path": f"app/s{step}.py", "content": content}), ("shell", {"command": command}))

    def _notes(self, messages: Sequence[JsonObject]) -> Reply:
        self.notes_asked += 1
        if (problem := self.fails_at.pop(self.notes_asked, None)) is not None:
            raise problem
        done = last_step(messages)
        notes: dict[str, JsonValue] = {name: [] for name in ("files", "failed_attempts", "open_failures")}
        return calls((SUMMARISE_NAME, {**notes, "decisions": [f"step {done} is done"], "next_steps": [str(done + 1)]}))


def last_step(messages: Sequence[JsonObject]) -> int:
    """The last step that was done, as a mind without memory would find it."""
    return max((int(found) for found in STEP.findall(json.dumps(list(messages)))), default=0)


def conversation_of(entries: Sequence[Entry], tools: Sequence[JsonObject] = ()) -> Conversation:
    conversation = Conversation(tools)
    for entry in entries:
        conversation.recall(entry)
    return conversation


def assert_whole(entries: Sequence[Entry], requests: Sequence[Sequence[JsonObject]]) -> None:
    """Every request was what its entries say, and grew at its end only, but where an entry shortened it."""
    asked = iter(requests)
    previous: list[JsonObject] = []
    shortened = True
    for number, entry in enumerate(entries):
        shortened = shortened or entry.compaction is not None
        if not entry.messages or entry.messages[0]["role"] != "assistant":
            continue
        request = list(next(asked))
        assert request == conversation_of(entries[:number]).messages
        assert shortened or request[: len(previous)] == previous
        assert request[:2] == list(entries[0].messages)
        previous, shortened = request, False
    assert next(asked, None) is None


async def test_a_long_session_in_a_small_window_finishes_its_work(bench: OpenBench, repository: Repository) -> None:
    model, transcripts, artifacts, told = Worker(window=7_000), MemoryTranscripts(), MemoryArtifacts(), Told()
    result = await carry_out(
        bench, model, transcripts=transcripts, artifacts=artifacts, agent=coder(turns=60), told=told
    )
    assert result.outcome == "finished"
    assert result.commit is not None
    files = await repository.files(result.commit)
    assert sorted(files) == sorted(f"app/s{step}.py" for step in range(1, STEPS + 1))
    assert_whole(transcripts.entries, model.requests)
    shortenings = [entry.compaction for entry in transcripts.entries if entry.compaction is not None]
    assert {shortening.by for shortening in shortenings} == {"stubs", "notes"}
    for shortening in shortenings:
        assert shortening.tokens_after < shortening.tokens_before
    assert len([event for event in told.events if isinstance(event, Progress)]) == len(shortenings)
    # Nothing is lost: steps are asked for once each, and all that was said is in the transcript.
    assert len(model.requests) == STEPS + 1
    assert result.model_calls == STEPS + 1 + model.notes_asked
    assert len([event for event in told.events if isinstance(event, ModelCalled)]) == result.model_calls
    assert sum(len(entry.messages) for entry in transcripts.entries) == 2 + 3 * STEPS + 2
    kept = [artifacts.kept[output.digest].decode() for entry in transcripts.entries for output in entry.outputs]
    assert any("step 1 is done" in text and "\n299\n" in text for text in kept)


@pytest.mark.parametrize(
    "problem", [pytest.param(ModelUnavailable("down"), id="the model"), pytest.param(None, id="the store")]
)
async def test_a_session_that_dies_while_it_is_shortened_goes_on_as_if_nothing_had_happened(
    room: OpenBench, problem: Exception | None
) -> None:
    class Dying(MemoryTranscripts):
        async def append(self, session_id: str, entry: Entry) -> None:
            if problem is None and entry.compaction is not None and entry.compaction.by == "notes" and not self.died:
                self.died = True
                raise StoreUnavailable("the disk is full")
            await super().append(session_id, entry)

        died = False

    model, transcripts, artifacts = Worker(steps=12), Dying(), MemoryArtifacts()
    if problem is not None:
        model.fails_at[1] = problem
    agent = coder(turns=60)
    with pytest.raises((ModelUnavailable, StoreUnavailable)):
        await carry_out(room, model, transcripts=transcripts, artifacts=artifacts, agent=agent)
    asked = len(model.requests)
    result = await carry_out(room, model, transcripts=transcripts, artifacts=artifacts, agent=agent)
    assert result.outcome == "finished"
    assert 0 < asked < len(model.requests) == 13
    assert_whole(transcripts.entries, model.requests)


async def test_a_session_that_was_shortened_goes_on_identically_after_a_kill(room: OpenBench) -> None:
    transcripts, artifacts, agent = MemoryTranscripts(), MemoryArtifacts(), coder(turns=60)
    whole = Worker(steps=12)
    await carry_out(room, whole, transcripts=transcripts, artifacts=artifacts, agent=agent)
    places = [number for number, entry in enumerate(transcripts.entries) if entry.compaction is not None]
    cut = MemoryTranscripts(transcripts.entries[: places[-1] + 1])
    resumed = Worker(steps=12)
    await carry_out(room, resumed, transcripts=cut, artifacts=artifacts, agent=agent)
    assert resumed.requests == whole.requests[-len(resumed.requests) :]
    assert NOTES_OPENING in str(resumed.requests[0][2]["content"])


async def test_a_model_that_reads_less_than_it_says_is_given_less(room: OpenBench) -> None:
    model, transcripts = Worker(window=12_000, reads=4_500, steps=12), MemoryTranscripts()
    result = await carry_out(room, model, transcripts=transcripts, agent=coder(turns=60))
    assert result.outcome == "finished"
    ceilings = [entry.compaction.ceiling for entry in transcripts.entries if entry.compaction is not None]
    assert ceilings[0] is not None
    assert ceilings[0] < 12_000 * 0.75
    assert_whole(transcripts.entries, model.requests)


async def test_an_assignment_that_does_not_fit_ends_at_a_limit_that_says_so(room: OpenBench) -> None:
    model = Worker()
    assignment = ASSIGNMENT.model_copy(update={"material": {"specification": "word " * 6_000}})
    result = await carry_out(room, model, assignment=assignment)
    assert result.outcome == "limit"
    assert re.search(r"the assignment alone takes about \d,\d{3} tokens", result.problem)
    assert "reads 6,000 at once" in result.problem
    assert model.requests == []


async def test_a_model_that_finds_everything_too_long_is_not_asked_for_ever(room: OpenBench) -> None:
    model = Worker(window=100_000, steps=12)
    model.reads = 1
    result = await carry_out(room, model)
    assert result.outcome == "limit"
    assert model.requests == []
    assert REFUSALS_AT_MOST < 10
