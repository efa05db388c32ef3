"""Whatever becomes of a stream on its way: the same answer, another one that holds together, or a failure."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from macrohard.domain import JsonObject
from macrohard.llm import Reply
from macrohard.llm.endpoint import Endpoint
from macrohard.llm.failures import CallFailed
from macrohard.llm.target import EndpointSettings, Target
from macrohard.llm.transport import Answer, Request, TransportFailed
from macrohard.llm.wire import WIRES
from macrohard.llm.wire.stream import EventDecoder, Unreadable, mended
from tests.llm.speaking import DONE, PRICE, QUESTION, TOOLS, call_chunk, chunk, usage_chunk

STREAMS = {path.name.removesuffix(".sse"): path.read_bytes() for path in Path(__file__).with_name("streams").iterdir()}
STREAMS["many"] = b"".join(
    [
        chunk({"role": "assistant", "content": "I write “ä” and 😀."}),
        call_chunk("", id="c1", name="write"),
        call_chunk('{"path": "a.py", "content": "', index=0),
        call_chunk('{"path": "b"}', index=1, id="c2", name="read"),
        call_chunk("print({1: [2, 3]})\\n", index=0),
        call_chunk("# ende: ä\\n", index=0),
        call_chunk('"}', index=0),
        call_chunk("", index=2, id="c2", name="list"),
        chunk({}, "tool_calls"),
        usage_chunk(prompt_tokens=50, completion_tokens=10, total_tokens=60),
        DONE,
    ]
)
FAMILIES = sorted(STREAMS)


class Canned:
    """A way in on which these bytes come, and then the end or a broken connection."""

    def __init__(self, chunks: Sequence[bytes], *, broken: bool = False) -> None:
        self._chunks, self._broken = chunks, broken

    @asynccontextmanager
    async def post(self, request: Request) -> AsyncIterator[Answer]:
        yield Answer(status=200, headers={}, chunks=self._read())

    async def _read(self) -> AsyncIterator[bytes]:
        for part in self._chunks:
            yield part
        if self._broken:
            raise TransportFailed("reset")

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def wire_of(family: str) -> Literal["chat", "responses"]:
    return "responses" if "responses" in family else "chat"


def attempt(loop: asyncio.Runner, family: str, chunks: Sequence[bytes], *, broken: bool = False) -> Reply | CallFailed:
    """What the endpoint makes of it; anything but these two is a mistake."""
    asked = EndpointSettings(name="test", base_url="https://openrouter.ai/api/v1", wire=wire_of(family))
    endpoint = Endpoint(Target(endpoint=asked, model="m", price=PRICE), Canned(chunks, broken=broken))
    call = endpoint.prepare(QUESTION, TOOLS, session_id="s")
    try:
        reply = loop.run(endpoint.complete(call))
    except CallFailed as failure:
        return failure
    return reply.model_copy(update={"usage": reply.usage.model_copy(update={"seconds": 0.0})})


def cut_at(content: bytes, places: Sequence[float]) -> list[bytes]:
    """The bytes in pieces; places are shares of the whole."""
    ends = sorted({0, len(content), *(int(place * len(content)) for place in places)})
    return [content[start:stop] for start, stop in pairwise(ends)]


def said(reply: Reply) -> tuple[str, list[tuple[str, str]]]:
    return reply.text, [(call.name, call.arguments) for call in reply.tool_calls]


SHARES = st.lists(st.floats(0, 1), max_size=40)


@given(family=st.sampled_from(FAMILIES), places=SHARES)
def test_it_does_not_matter_how_bytes_arrive(loop: asyncio.Runner, family: str, places: list[float]) -> None:
    content = STREAMS[family]
    assert attempt(loop, family, cut_at(content, places)) == attempt(loop, family, [content])


@pytest.mark.parametrize("family", FAMILIES)
def test_byte_by_byte(loop: asyncio.Runner, family: str) -> None:
    content = STREAMS[family]
    whole = attempt(loop, family, [content])
    assert isinstance(whole, Reply)
    assert whole.tool_calls
    assert attempt(loop, family, [bytes([byte]) for byte in content]) == whole


@given(family=st.sampled_from(FAMILIES), share=st.floats(0, 1), broken=st.booleans())
@settings(max_examples=300)
def test_a_stream_that_ends_anywhere_gives_all_of_it_or_nothing(
    loop: asyncio.Runner, family: str, share: float, broken: bool
) -> None:
    content = STREAMS[family]
    whole = attempt(loop, family, [content])
    cut = attempt(loop, family, [content[: int(share * len(content))]], broken=broken)
    assert isinstance(whole, Reply)
    assert isinstance(cut, CallFailed) or said(cut) == said(whole)


NOISE = [*range(32), *range(127, 256)]
"""A letter in the place of another cannot be told from what was meant."""


def mutated(content: bytes, seed: int, times: int) -> bytes:
    """Events dropped, doubled, cut, garbled, moved, and comments between them."""
    chance = random.Random(seed)
    events = [block + b"\n\n" for block in content.split(b"\n\n") if block]
    for _ in range(times):
        at = chance.randrange(len(events))
        what = chance.randrange(6)
        if what == 0 and len(events) > 1:
            del events[at]
        elif what == 1:
            events.insert(at, events[at])
        elif what == 2:
            events[at] = events[at][: chance.randrange(len(events[at]))]
        elif what == 3:
            place = chance.randrange(len(events[at]))
            events[at] = events[at][:place] + bytes([chance.choice(NOISE)]) + events[at][place + 1 :]
        elif what == 4:
            chance.shuffle(events)
        else:
            events.insert(at, b": still here\n\n")
        events = [event for event in events if event] or [b"\n"]
    return b"".join(events)


def told(content: bytes) -> str:
    """All texts and arguments of the stream, in every order in which a call's pieces can be put together."""
    decoder = EventDecoder()
    events = [*decoder.feed(content), *decoder.close()]
    pieces: dict[object, list[str]] = {}

    def collect(value: Any, place: object) -> None:
        if isinstance(value, dict):
            place = value.get("index", value.get("output_index", place))
            for key, inner in value.items():
                if key in ("arguments", "delta") and isinstance(inner, str):
                    for name in (repr(place), "all"):
                        pieces.setdefault(name, []).append(inner)
                collect(inner, place)
        elif isinstance(value, list):
            for inner in value:
                collect(inner, place)

    for event in events:
        collect(event.data, None)
    return "\n".join(mended("".join(parts)) for parts in pieces.values())


@given(family=st.sampled_from(FAMILIES), seed=st.integers(0, 2**32), times=st.integers(1, 6))
@settings(max_examples=400)
@example(family="many", seed=0, times=1)
def test_whatever_happens_to_a_stream_the_answer_holds_together(
    loop: asyncio.Runner, family: str, seed: int, times: int
) -> None:
    content = mutated(STREAMS[family], seed, times)
    reply = attempt(loop, family, [content])
    if isinstance(reply, CallFailed):
        assert "test" in str(reply)
        assert reply.spent is None or reply.spent.cost_usd > 0
        return
    ids = [call.id for call in reply.tool_calls]
    assert len(set(ids)) == len(ids)
    assert all(ids)
    assert all(call.name for call in reply.tool_calls)
    assert reply.text.strip() or reply.tool_calls or reply.finish != "stop"
    try:
        there = told(content)
    except Unreadable:
        there = None  # Noise after a complete answer.
    for call in reply.tool_calls:
        assert there is None or call.arguments == "{}" or call.arguments in there
    # And the conversation goes on, with arguments that every server can parse.
    answers: list[JsonObject] = [{"role": "tool", "tool_call_id": id, "content": "ok"} for id in ids]
    endpoint = EndpointSettings(name="other", base_url="http://x/v1")
    for wire in WIRES.values():
        _, body = wire.encode(
            Target(endpoint=endpoint, model="m"), [*QUESTION, reply.message, *answers], TOOLS, session_id="s"
        )
        for arguments in found(json.loads(body), "arguments"):
            assert isinstance(json.loads(arguments), dict)


def found(tree: Any, key: str) -> Iterator[Any]:
    """Everything under that key, however deep."""
    if isinstance(tree, dict):
        yield from (value for name, value in tree.items() if name == key)
        tree = list(tree.values())
    if isinstance(tree, list):
        for branch in tree:
            yield from found(branch, key)
