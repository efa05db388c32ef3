"""A guest that has gone over to the enemy can neither hold the host up nor bring it down."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox.channel import Wire
from macrohard.sandbox.guest.frames import CREDIT, DATA, END, HEADER, RESULT


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
    "two answers": frame(RESULT, 1, b"{}") * 2,
    "short credit": frame(CREDIT, 1, b"xy"),
    "unknown stream": frame(END, 1, b"\x09"),
    "no stream": frame(END, 1),
    "more than the window": frame(DATA, 1, b"x" * (1 << 20)) * 3,
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


async def test_frames_for_nobody_are_ignored(enemy: Enemy) -> None:
    call = enemy.wire.open("ping")
    enemy.say(frame(RESULT, 77, b"{}") + frame(DATA, 0xFFFFFFFF, b"x" * 1000) + frame(RESULT, call.number, b"{}"))
    assert await call.result() == {}


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
