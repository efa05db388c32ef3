"""Answering from recordings: in order, as it came, and with a word on every departure."""

from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from macrohard.domain import JsonObject
from macrohard.errors import RequestError
from macrohard.llm.recording.alike import Likeness
from macrohard.llm.recording.cassette import NotRecorded, OnDeparture, Replaying, read_cassette
from macrohard.llm.recording.fragments import Change, rewritten
from macrohard.llm.recording.recorder import Recording, Traffic
from macrohard.llm.redaction import Redactor
from macrohard.llm.transport import Request, TransportFailed
from tests.llm.test_recording import SAYS, Canned, conversation, request

OLD, NEW = "0a1b2c3d4e5f60718293a4b5c6d7e8f901234567", "fedcba9876543210fedcba9876543210fedcba98"


async def recorded(path: Path, *exchanges: tuple[Request, Canned], keys: Sequence[str] = ()) -> Path:
    traffic = Traffic(path, redactor=Redactor(keys))
    for asked, inner in exchanges:
        async with Recording(inner, traffic).post(asked) as answer:
            try:
                _ = [chunk async for chunk in answer.chunks]
            except TransportFailed:
                continue
    traffic.close()
    return path


def replaying(path: Path, *, on_departure: OnDeparture = "go-on") -> Replaying:
    return Replaying(read_cassette(path), redactor=Redactor(()), on_departure=on_departure)


async def chunks_of(transport: Replaying, asked: Request) -> list[bytes]:
    async with transport.post(asked) as answer:
        return [chunk async for chunk in answer.chunks]


def in_another_run(messages: Sequence[JsonObject], **more: object) -> Request:
    return request(messages, session="r-20261123-wxyz/0/analyse/analyst", **more)


async def test_another_run_hears_what_was_recorded_chunk_by_chunk(tmp_path: Path) -> None:
    exchanges = [(request(conversation(n)), Canned(SAYS[: n + 5], SAYS[n + 5 :])) for n in range(3)]
    tape = replaying(await recorded(tmp_path / "t.jsonl", *exchanges))
    for number in range(3):
        heard = await chunks_of(tape, in_another_run(conversation(number)))
        assert heard == [SAYS[: number + 5], SAYS[number + 5 :]]
    assert tape.departures == []
    assert tape.unused() == {}


async def test_failed_attempts_come_again_in_order_and_calls_nobody_heard_do_not(tmp_path: Path) -> None:
    path, asked = tmp_path / "t.jsonl", request(conversation(0))
    await recorded(path, (asked, Canned(b"slow down", status=429)), (asked, Canned(SAYS[:9], breaks=True)))
    # The process is killed after the answer came and before it was made use of; the next one asks again.
    await recorded(path, (asked, Canned(b"lost")))
    await recorded(path, (asked, Canned(b"kept")), (request(conversation(1)), Canned(b"next")))
    tape = replaying(path)
    async with tape.post(in_another_run(conversation(0))) as answer:
        assert answer.status == 429
    with pytest.raises(TransportFailed, match="reset by peer"):
        await chunks_of(tape, in_another_run(conversation(0)))
    assert await chunks_of(tape, in_another_run(conversation(0))) == [b"kept"]
    assert await chunks_of(tape, in_another_run(conversation(1))) == [b"next"]
    assert tape.departures == []


@pytest.mark.parametrize(
    ("messages", "more", "what", "place"),
    [
        pytest.param(
            [*conversation(0)[:1], {"role": "user", "content": "Begin now."}], {}, "message 1 (user)", "content",
            id="text",
        ),
        pytest.param([*conversation(0), {"role": "user", "content": "!"}], {}, "the number of messages", "", id="more"),
        pytest.param(conversation(0), {"temperature": 0.3}, "settings of the request", "temperature", id="settings"),
        pytest.param(conversation(0), {"tools": [{"name": "write"}]}, "tools", "0.name", id="tools"),
    ],
)  # fmt: skip
async def test_what_is_asked_otherwise_is_said_and_answered_all_the_same(
    tmp_path: Path, messages: list[JsonObject], more: dict[str, object], what: str, place: str
) -> None:
    path = await recorded(tmp_path / "t.jsonl", (request(conversation(0)), Canned(b"yes")))
    asked = in_another_run(messages)
    asked = Request(
        asked.endpoint, asked.path, {}, orjson.dumps({**orjson.loads(asked.body), **more}), asked.session_id
    )
    tape = replaying(path)
    assert await chunks_of(tape, asked) == [b"yes"]
    (departure,) = tape.departures
    assert (departure.session, departure.call, departure.what, departure.place) == (
        "0/analyse/analyst", 0, what, place,
    )  # fmt: skip
    with pytest.raises(NotRecorded, match=r"0/analyse/analyst, call 0: .* not as recorded"):
        await chunks_of(replaying(path, on_departure="stop"), asked)


async def test_a_request_without_an_answer_is_named(tmp_path: Path) -> None:
    tape = replaying(await recorded(tmp_path / "t.jsonl", (request(conversation(0)), Canned())))
    await chunks_of(tape, in_another_run(conversation(0)))
    with pytest.raises(NotRecorded, match="no further answer for session 0/analyse/analyst"):
        await chunks_of(tape, in_another_run(conversation(1)))
    assert [departure.what for departure in tape.departures] == ["no answer is recorded (4 messages)"]


async def test_commits_are_called_by_their_present_names_in_answers_that_were_recorded(tmp_path: Path) -> None:
    told: JsonObject = {"role": "user", "content": f"Merge {OLD} of r-20261122-abcd, made 2026-11-22T10:00:00Z."}
    events = b"".join(
        b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":%b}}]}}]}\n\n'
        % orjson.dumps(piece)
        for piece in ('{"command": "git merge ', OLD[:5], OLD[5:12], ' --no-ff"}')
    )
    path = await recorded(tmp_path / "t.jsonl", (request([told]), Canned(events)))
    tape = replaying(path)
    now: JsonObject = {"role": "user", "content": f"Merge {NEW} of r-20261123-wxyz, made 2026-11-23T11:30:00Z."}
    answer = b"".join(await chunks_of(tape, in_another_run([now]))).decode()
    lines = [orjson.loads(line[5:]) for line in answer.split("\n") if line.startswith("data:")]
    said = "".join(
        line["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for line in lines
    )  # fmt: skip
    assert said == f'{{"command": "git merge {NEW[:12]} --no-ff"}}'
    assert tape.departures == []
    assert tape.likeness.taken_as_equal == {"commit": 1, "run": 1, "time": 1}


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        pytest.param("at 2026-11-22 10:11:12", "at 2026-11-23 01:02:03", True, id="times"),
        pytest.param("Ran 12 tests in 0.034s", "Ran 12 tests in 1.2s", True, id="durations"),
        pytest.param("Ran 12 tests in 0.034s", "Ran 11 tests in 0.034s", False, id="numbers"),
        pytest.param("http://localhost:4711/a", "http://localhost:4712/a", True, id="ports"),
        pytest.param("/tmp/tmpab12/x", "/tmp/tmpcd34/x", True, id="folders"),
        pytest.param("due 2026-11-22", "due 2026-11-23", True, id="days"),
        pytest.param("from 2026-11-22 to 2026-11-22", "from 2026-11-23 to 2026-11-24", False, id="days apart"),
        pytest.param(f"{OLD} {OLD[:8]}", f"{NEW} {NEW[:8]}", True, id="short commits"),
        pytest.param(f"{OLD} {OLD[:8]}", f"{NEW} {OLD[:8]}", False, id="another short commit"),
        pytest.param(f"{OLD} {OLD}", f"{NEW} {OLD}", False, id="another commit"),
        pytest.param("1000000 bees", "2000000 bees", False, id="large numbers"),
        pytest.param({"a": [1, True]}, {"a": [1, 1]}, False, id="types"),
        pytest.param({"a": 1}, {"a": 1, "b": 2}, False, id="more"),
    ],
)
def test_what_must_differ_between_runs_is_alike_and_nothing_else(one: object, other: object, alike: bool) -> None:
    difference = Likeness().difference(one, other)  # type: ignore[arg-type]  # JSON, all of it
    assert (difference is None) == alike


def test_a_difference_is_shown_with_what_stands_around_it() -> None:
    difference = Likeness().difference(
        {"content": "x" * 500 + "the green door" + "y" * 500}, {"content": "x" * 500 + "the red door" + "y" * 500}
    )
    assert difference is not None
    assert difference.place == "content"
    assert "the green door" in difference.recorded
    assert "the red door" in difference.now
    assert max(len(difference.recorded), len(difference.now)) < 100


def test_pieces_of_other_texts_are_not_put_together() -> None:
    answer = "\n".join(
        f"data: {orjson.dumps({'type': 'd', 'output_index': index, 'delta': piece}).decode()}"
        for index, piece in ((0, "ab"), (1, "x"), (0, "cd"), (1, "bc"))
    )

    def upper(text: str) -> list[Change]:
        at = text.find("bc")
        return [Change(at, at + 2, "BC!")] if at >= 0 else []

    pieces = [orjson.loads(line[5:])["delta"] for line in rewritten(answer, upper).split("\n")]
    assert pieces == ["aBC!", "x", "d", "BC!"]
    assert rewritten(answer, lambda text: []) == answer


def test_a_line_that_is_none_of_a_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    with pytest.raises(RequestError, match="there is no recording"):
        read_cassette(path)
    path.write_text('{"type": "exchange", "session": "s"}\n')
    with pytest.raises(RequestError, match=r"t\.jsonl, line 1: .*endpoint"):
        read_cassette(path)
    path.write_text('{"session":"s","endpoint":"e","model":"m","path":"/p","answer":"","earlier":3}\n')
    with pytest.raises(RequestError, match="goes on from a line that is missing"):
        read_cassette(path)
