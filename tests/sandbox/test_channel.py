"""A guest that has gone over to the enemy can neither hold the host up nor bring it down."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox.channel import Wire
from macrohard.sandbox.guest.frames import CONNECTED, CREDIT, CREDIT_BODY, DATA, END, ERRORS, HEADER, RESULT


class Enemy:
    """The other end of a wire, to say anything with."""

    def __init__(self, reader: asyncio.StreamReader, wire: Wire) -> None:
        self._reader, self.wire = reader, wire

    def say(self, data: bytes) -> None:
        self._reader.feed_data(data)

    def hang_up(self) -> None:
        self._reader.feed_eof()


class Hole(asyncio.Transport):
    """Swallows everything."""

    closed = False

    def write(self, data: object) -> None:
        return

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


@asynccontextmanager
async def hostile_wire() -> AsyncIterator[Enemy]:
    """A wire with the enemy at its other end."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    writer = asyncio.StreamWriter(Hole(), protocol, reader, asyncio.get_running_loop())

    async def explain() -> str:
        return "the guest said so"

    wire = Wire(reader, writer, explain=explain)
    yield Enemy(reader, wire)
    await wire.close()


@pytest.fixture
async def enemy() -> AsyncIterator[Enemy]:
    async with hostile_wire() as there:
        yield there


def frame(kind: int, channel: int, body: bytes = b"") -> bytes:
    return HEADER.pack(kind, channel, len(body)) + body


NONSENSE = {
    "four gigabytes announced": HEADER.pack(DATA, 1, 1 << 31),
    "unknown kind": frame(99, 1),
    "not JSON": frame(RESULT, 1, b"{not json"),
    "too deep": frame(RESULT, 1, b"[" * 4000),
    "too long an answer": frame(RESULT, 1, b'{"x": "' + b"x" * 5000 + b'"}'),
    "a number for an answer": frame(RESULT, 1, b"5"),
    "nothing for an answer": frame(RESULT, 1, b"null"),
    "not JSON for a hello": frame(RESULT, 0, b"["),
    "two answers": frame(RESULT, 1, b"{}") * 2,
    "a call never made": frame(DATA, 77, b"x"),
    "an answer to a call never made": frame(RESULT, 0xFFFFFFFF, b"{}"),
    "short credit": frame(CREDIT, 1, b"xy"),
    "credit for nothing": frame(CREDIT, 1, CREDIT_BODY.pack(0, 1)),
    "no credit": frame(CREDIT, 1, CREDIT_BODY.pack(0, 0)),
    "no data": frame(DATA, 1),
    "data after its end": frame(END, 1, b"\0") + frame(DATA, 1, b"x"),
    "two ends": frame(END, 1, b"\0") * 2,
    "connected twice": frame(CONNECTED, 1) * 2,
    "unknown stream": frame(END, 1, b"\x09"),
    "no stream": frame(END, 1),
    "more than the window": frame(DATA, 1, b"x" * (1 << 20)) * 2,
    "more errors than the window": frame(ERRORS, 1, b"x" * 60_000) * 20,
}


@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense_ends_the_sandbox(enemy: Enemy, nonsense: bytes) -> None:
    call = enemy.wire.open("run")
    enemy.say(nonsense)
    async with asyncio.timeout(5):
        await enemy.wire.ended()
    with pytest.raises(SandboxUnavailable, match="broke the protocol"):
        enemy.wire.open("ping")
    if not call.finished:
        with pytest.raises(SandboxUnavailable, match="broke the protocol"):
            await call.result()


async def test_what_comes_late_for_a_call_is_ignored_but_not_for_ever(enemy: Enemy) -> None:
    late, call = enemy.wire.open("run"), enemy.wire.open("ping")
    enemy.wire.forget(late)
    enemy.say(frame(DATA, late.number, b"x" * 1000) + frame(RESULT, late.number) + frame(RESULT, call.number, b"{}"))
    assert await call.result() == {}
    flood = frame(DATA, late.number, b"x" * (1 << 20))
    async with asyncio.timeout(30):
        for _ in range(100):
            enemy.say(flood)
            await asyncio.sleep(0)
            if enemy.wire.lost:
                break
        await enemy.wire.ended()
    assert "flood" in str(enemy.wire.lost)


async def test_an_end_in_the_middle_of_a_frame_is_an_end(enemy: Enemy) -> None:
    call = enemy.wire.open("run")
    enemy.say(frame(DATA, call.number, b"partial")[:-2])
    enemy.hang_up()
    with pytest.raises(SandboxUnavailable, match="the guest said so"):
        await call.result()
    with pytest.raises(SandboxUnavailable):
        await call.send(b"x" * (4 << 20))
    assert await call.streams[0].read() == b""


async def test_sending_stops_at_the_window(enemy: Enemy) -> None:
    call = enemy.wire.open("run")
    sending = asyncio.create_task(call.send(b"x" * (3 << 20)))
    await asyncio.sleep(0.05)
    assert not sending.done()
    enemy.say(frame(RESULT, call.number, json.dumps({"code": 0}).encode()))
    await sending
