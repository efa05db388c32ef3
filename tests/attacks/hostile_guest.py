"""What a guest that has gone over to the enemy can do to the host, and a host beside ours that is careless.

Run: python -m tests.attacks.hostile_guest (ours|careless) ATTACK. Prints one JSON line: by how many bytes the host's
memory grew, whether it called the guest lost, and what else broke. A process of its own, because memory is measured.
"""

import asyncio
import itertools
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox.channel import Wire
from macrohard.sandbox.guest.frames import CONNECTED, CREDIT, CREDIT_BODY, DATA, END, ERRORS, HEADER, RESULT

SENT_BYTES = 64 << 20
GROWTH_BYTES = 16 << 20
"""What a host may need for one guest."""
PIECE = 1 << 16
HANGS_SECONDS = 30.0


def frame(kind: int, number: int, body: bytes = b"") -> bytes:
    return HEADER.pack(kind, number, len(body)) + body


def _endless(piece: bytes) -> Iterator[bytes]:
    block = piece * max(1, PIECE // len(piece))
    return itertools.repeat(block, SENT_BYTES // len(block))


def _attacks() -> Mapping[str, Iterator[bytes]]:
    call = 1
    return {
        "four gigabytes announced": itertools.chain([HEADER.pack(DATA, call, 0xFFFFFFFF)], _endless(b"x")),
        "a flood for nobody": _endless(frame(DATA, 77, b"x" * 60_000)),
        "a flood beyond the window": _endless(frame(DATA, call, b"x" * 60_000)),
        "a flood of errors": _endless(frame(ERRORS, call, b"x" * 60_000)),
        "crumbs": _endless(frame(DATA, call, b"xy")),
        "empty frames": _endless(frame(DATA, call)),
        "credit without end": _endless(frame(CREDIT, call, CREDIT_BODY.pack(0, 0xFFFFFFFF))),
        "connected without end": _endless(frame(CONNECTED, call)),
        "ends without end": _endless(frame(END, call, b"\0")),
        "answers for nobody": _endless(frame(RESULT, 78, b"{}")),
        "an answer in a million brackets": iter([frame(RESULT, call, b"[" * 1_000_000)]),
        "a number for an answer": iter([frame(RESULT, call, b"5")]),
        "nothing for an answer": iter([frame(RESULT, call, b"null")]),
        "a large answer": iter([frame(RESULT, call, b'{"x": "' + b"x" * 900_000 + b'"}')]),
        "a hello in a million brackets": iter([frame(RESULT, 0, b"[" * 1_000_000)]),
    }


ATTACKS = tuple(_attacks())


class _Guest:
    """The enemy's end: as much as he has, as fast as it is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._buffer = pieces, bytearray()

    async def readexactly(self, n: int, /) -> bytes:
        while len(self._buffer) < n:
            piece = next(self._pieces, b"")
            if not piece:
                raise asyncio.IncompleteReadError(bytes(self._buffer), n)
            self._buffer += piece
            await asyncio.sleep(0)
        data = bytes(self._buffer[:n])
        del self._buffer[:n]
        return data


class _Swallows(asyncio.Transport):
    def write(self, data: object) -> None:
        return

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        return


async def _ours(guest: _Guest) -> bool:
    async def explain() -> str:
        return ""

    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    writer = asyncio.StreamWriter(_Swallows(), protocol, None, asyncio.get_running_loop())
    wire = Wire(guest, writer, explain=explain)
    call = wire.open("run", counted=True)
    async with asyncio.timeout(HANGS_SECONDS):
        await wire.ended()
    if not call.finished:
        raise AssertionError("the call still waits")
    try:
        answer = await call.result()
    except SandboxUnavailable:
        answer = {}
    if not isinstance(answer, dict):
        raise AssertionError(f"an answer that is none: {answer!r}")
    return wire.lost is not None


async def _careless(guest: _Guest) -> bool:
    """Reads whatever length is announced and keeps what it reads."""
    kept = []
    try:
        while True:
            kind, _, size = HEADER.unpack(await guest.readexactly(HEADER.size))
            body = await guest.readexactly(size)
            kept.append(json.loads(body) if kind == RESULT else body)
    except asyncio.IncompleteReadError as error:
        kept.append(error.partial)
        return True


def _used() -> int:
    """The most memory so far; not `ru_maxrss`, which begins with that of whoever started this process."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


async def main(host: str, attack: str) -> dict[str, object]:
    """Let the enemy loose on this host."""
    guest = _Guest(_attacks()[attack])
    before, broken, lost = _used(), "", False
    try:
        lost = await (_ours if host == "ours" else _careless)(guest)
    except (RecursionError, TypeError, TimeoutError, AssertionError) as error:
        broken = f"{type(error).__name__}: {error}"
    return {"grew": _used() - before, "lost": lost, "broken": broken}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
