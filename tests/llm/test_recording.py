"""What is recorded of the traffic with models, and what is not."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from macrohard.domain import JsonObject
from macrohard.llm.recording.cassette import Cassette, read_cassette
from macrohard.llm.recording.recorder import Recording, Traffic
from macrohard.llm.redaction import MARK, Redactor
from macrohard.llm.transport import Answer, Request, TransportFailed

KEY = "canary-4f1e9c7a2b6d8035"
SAYS = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\ndata: [DONE]\n\n'


class Canned:
    """An endpoint that answers everything alike."""

    def __init__(self, *chunks: bytes, status: int = 200, breaks: bool = False, unreachable: bool = False) -> None:
        self._chunks, self._status = chunks or (SAYS,), status
        self._breaks, self._unreachable = breaks, unreachable

    @asynccontextmanager
    async def post(self, request: Request) -> AsyncIterator[Answer]:
        if self._unreachable:
            raise TransportFailed("connection refused")
        headers = {"content-type": "text/event-stream", "x-ratelimit-remaining-requests": "9", "set-cookie": "a=b"}
        yield Answer(status=self._status, headers=headers, chunks=self._come())

    async def _come(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
        if self._breaks:
            raise TransportFailed("reset by peer")

    async def close(self) -> None:
        """Nothing is open."""


def request(
    messages: Sequence[JsonObject], *, session: str = "r-20261122-abcd/0/analyse/analyst", **more: object
) -> Request:
    body = orjson.dumps({"model": "grok", "messages": list(messages), "tools": [{"name": "read"}], **more})
    return Request(endpoint="xai", path="/chat/completions", headers={}, body=body, session_id=session)


async def ask(transport: Recording, asked: Request) -> bytes:
    async with transport.post(asked) as answer:
        return b"".join([chunk async for chunk in answer.chunks])


async def leave(transport: Recording, asked: Request, leaving: BaseException) -> None:
    """Go in the middle of the answer."""
    async with transport.post(asked) as answer:
        await anext(answer.chunks)
        raise leaving


def conversation(answers: int) -> list[JsonObject]:
    messages: list[JsonObject] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Begin."}]
    for number in range(answers):
        messages.append({"role": "assistant", "content": f"answer {number}"})
        messages.append({"role": "user", "content": f"and then {number}?"})
    return messages


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "r-20261122-abcd" / "traffic.jsonl"


def text_of(path: Path) -> str:
    return path.read_text()


def state_of(path: Path) -> os.stat_result:
    return path.stat()


def tear(path: Path) -> None:
    """What a kill in the middle of writing leaves."""
    path.write_bytes(path.read_bytes()[:-40])


async def recorded(path: Path, *requests: Request, inner: Canned | None = None, keys: Sequence[str] = ()) -> Cassette:
    traffic = Traffic(path, redactor=Redactor(keys))
    recording = Recording(inner or Canned(), traffic)
    for each in requests:
        await ask(recording, each)
    traffic.close()
    return read_cassette(path)


async def test_a_conversation_is_written_once_and_read_whole(path: Path) -> None:
    requests = [request(conversation(answers), temperature=0.7) for answers in range(4)]
    cassette = await recorded(path, *requests)
    assert [list(each.messages) for each in cassette.exchanges] == [conversation(answers) for answers in range(4)]
    assert [each.exchange.call for each in cassette.exchanges] == [0, 1, 2, 3]
    assert {each.settings["temperature"] for each in cassette.exchanges} == {0.7}
    assert all(each.tools == [{"name": "read"}] for each in cassette.exchanges)
    text = text_of(path)
    assert text.count("Be brief.") == text.count("answer 0") == text.count('"temperature"') == 1
    assert state_of(path).st_mode & 0o777 == 0o600


async def test_what_came_back_is_kept_to_the_byte_with_its_chunks_and_chosen_headers(path: Path) -> None:
    chunks = (b": comment\n\n", SAYS[:20], SAYS[20:])
    first = (await recorded(path, request(conversation(0)), inner=Canned(*chunks))).exchanges[0]
    assert first.body() == b"".join(chunks)
    assert first.exchange.sizes == [len(chunk) for chunk in chunks]
    assert first.exchange.headers == {"content-type": "text/event-stream", "x-ratelimit-remaining-requests": "9"}
    assert (first.exchange.status, first.exchange.ended) == (200, "complete")
    assert first.exchange.seconds >= first.exchange.first_seconds >= 0


async def test_bytes_that_are_no_text_are_kept_too(path: Path) -> None:
    garbage = b"data: \xff\xfe\x00\n\n"
    cassette = await recorded(path, request(conversation(0)), inner=Canned(garbage))
    assert cassette.exchanges[0].body() == garbage


async def test_a_history_that_was_changed_is_written_anew(path: Path) -> None:
    shortened: list[JsonObject] = [*conversation(0), {"role": "user", "content": "Summary of what was said."}]
    cassette = await recorded(path, request(conversation(3)), request(shortened), request(shortened, temperature=0.1))
    assert [list(each.messages) for each in cassette.exchanges] == [conversation(3), shortened, shortened]
    assert [each.exchange.call for each in cassette.exchanges] == [3, 0, 0]
    assert [each.settings.get("temperature") for each in cassette.exchanges] == [None, None, 0.1]


async def test_answers_of_the_responses_wire_are_counted_as_answers(path: Path) -> None:
    items = [
        {"role": "user", "content": "Begin."},
        {"type": "reasoning", "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "1", "name": "read", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "text"},
        {"type": "message", "role": "assistant", "content": "Done?"},
        {"role": "user", "content": "No."},
    ]
    asked = [
        Request(
            endpoint="xai",
            path="/responses",
            headers={},
            body=orjson.dumps({"input": items[:many], "model": "grok"}),
            session_id="r/0/plan/planner",
        )
        for many in (1, 4, 6)
    ]
    cassette = await recorded(path, *asked)
    assert [each.exchange.call for each in cassette.exchanges] == [0, 1, 2]
    assert [len(each.messages) for each in cassette.exchanges] == [1, 4, 6]


async def test_attempts_are_told_apart_and_so_is_how_they_ended(path: Path) -> None:
    traffic = Traffic(path, redactor=Redactor(()))
    asked = request(conversation(1))
    refusing = Recording(Canned(b'{"error":"slow down"}', status=429), traffic)
    assert await ask(refusing, asked) == b'{"error":"slow down"}'
    for failing in (Canned(unreachable=True), Canned(SAYS[:30], breaks=True)):
        with pytest.raises(TransportFailed):
            await ask(Recording(failing, traffic), asked)
    for leaving in (asyncio.CancelledError(), ValueError("garbled")):
        with pytest.raises(type(leaving)):
            await leave(Recording(Canned(SAYS, SAYS), traffic), asked, leaving)
    await ask(Recording(Canned(), traffic), asked)
    traffic.close()
    exchanges = [each.exchange for each in read_cassette(path).exchanges]
    assert [exchange.attempt for exchange in exchanges] == [1, 2, 3, 4, 5, 6]
    assert [exchange.status for exchange in exchanges] == [429, None, 200, 200, 200, 200]
    assert [exchange.ended for exchange in exchanges] == [
        "complete", "broken", "broken", "cancelled", "complete", "complete",
    ]  # fmt: skip
    assert exchanges[1].problem == "connection refused"
    assert exchanges[2].answer == SAYS[:30].decode()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b'data: {"error":"bad key ' + KEY.encode() + b'"}\n\n', id="whole"),
        pytest.param(
            b"".join(
                b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % KEY[at : at + 5].encode()
                for at in range(0, len(KEY), 5)
            ),
            id="spread over events",
        ),
    ],
)
async def test_keys_do_not_reach_the_recording(path: Path, answer: bytes) -> None:
    told: JsonObject = {"role": "user", "content": f"My key is {KEY} and another xai-abcdefghij0123456789."}
    cassette = await recorded(path, request([told]), inner=Canned(answer), keys=[KEY])
    text = text_of(path)
    assert KEY not in text
    assert "xai-abcdefghij" not in text
    assert MARK in text
    said = "".join(
        str(orjson.loads(line[5:]).get("choices", [{"delta": {"content": ""}}])[0]["delta"]["content"])
        for line in cassette.exchanges[0].exchange.answer.split("\n")
        if line.startswith("data: {")
    )
    assert not any(KEY[at : at + 8] in said for at in range(len(KEY) - 8))


async def test_a_line_cut_off_by_a_kill_is_left_out_and_the_next_one_stands_by_itself(path: Path) -> None:
    await recorded(path, request(conversation(0)), request(conversation(1)))
    tear(path)
    cassette = await recorded(path, request(conversation(1)))
    assert cassette.torn == 1
    assert [each.exchange.call for each in cassette.exchanges] == [0, 1]
    assert list(cassette.exchanges[1].messages) == conversation(1)


WRITES_FOREVER = """
import asyncio, sys
from pathlib import Path
from macrohard.llm.recording.recorder import Recording, Traffic
from macrohard.llm.redaction import Redactor
from tests.llm.test_recording import Canned, ask, conversation, request

async def forever():
    recording = Recording(Canned(b"x" * 5000), Traffic(Path(sys.argv[1]), redactor=Redactor(())))
    answers = 0
    while True:
        await ask(recording, request(conversation(answers)))
        answers += 1

asyncio.run(forever())
"""


def test_kill_9_leaves_a_file_that_can_be_read(path: Path, repository_root: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository_root)}
    writer = subprocess.Popen([sys.executable, "-c", WRITES_FOREVER, str(path)], env=environment, cwd=repository_root)
    while not path.exists() or path.stat().st_size < 200_000:
        assert writer.poll() is None
        time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    cassette = read_cassette(path)
    assert cassette.torn <= 1
    assert [each.exchange.call for each in cassette.exchanges] == list(range(len(cassette.exchanges)))
    assert list(cassette.exchanges[-1].messages) == conversation(len(cassette.exchanges) - 1)


async def test_recording_a_long_conversation_does_not_encode_or_parse_it_again(path: Path) -> None:
    long = conversation(100)
    for message in long:
        message["content"] = str(message["content"]) * 200
    traffic = Traffic(path, redactor=Redactor([KEY]))
    recording = Recording(Canned(), traffic)
    await ask(recording, request(long))
    before = state_of(path).st_size
    more: list[JsonObject] = [*long, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "go on"}]
    await ask(recording, request(more))
    traffic.close()
    assert before > 300_000
    assert state_of(path).st_size - before < 2_000
    assert list(read_cassette(path).exchanges[1].messages) == more


async def test_sessions_side_by_side_do_not_mix(path: Path) -> None:
    traffic = Traffic(path, redactor=Redactor(()))
    recording = Recording(Canned(), traffic)

    async def session(name: str) -> None:
        for answers in range(5):
            messages: list[JsonObject] = [*conversation(answers), {"role": "user", "content": name}]
            await ask(recording, request(messages, session=f"r-20261122-abcd/1/implement/{name}"))
            await asyncio.sleep(0)

    await asyncio.gather(*(session(f"T-{number}") for number in range(8)))
    traffic.close()
    for session_name, exchanges in read_cassette(path).that_counted().items():
        name = session_name.rpartition("/")[2]
        wanted = [[*conversation(answers), {"role": "user", "content": name}] for answers in range(5)]
        assert [list(each.messages) for each in exchanges] == wanted
