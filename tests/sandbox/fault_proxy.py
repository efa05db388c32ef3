"""A stand-in for the engine's socket that passes everything on to the real one, but for the faults it is told."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from docker.constants import DEFAULT_UNIX_SOCKET

REAL = DEFAULT_UNIX_SOCKET.removeprefix("http+unix://")
ENDED = (ConnectionError, asyncio.IncompleteReadError)


@dataclass
class Fault:
    """What happens to requests whose first line matches."""

    request: str
    kind: Literal["hang", "reset", "answer", "lose", "tamper", "alter"]
    """`lose`: the engine does it, but its answer never comes. `alter`: the engine is asked for something else."""
    status: int = 500
    message: str = "boom"
    after: int = 0
    """So many such requests go through first."""
    tamper: Callable[[Any], None] = lambda found: None
    """Changes the engine's JSON in place; with `alter` that which it is sent."""
    met: asyncio.Event = field(default_factory=asyncio.Event)


class FaultProxy:
    """One socket before another; `faults` can be changed at any time."""

    def __init__(self, real: str) -> None:
        self._real = real
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            await self._exchange(reader, writer)
        except (*ENDED, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line = head.partition(b"\r\n")[0].decode()
        self.requests.append(line)
        fault = next((each for each in self.faults if re.search(each.request, line)), None)
        if fault and fault.after > 0:
            fault.after -= 1
            fault = None
        if fault:
            fault.met.set()
        if fault and fault.kind == "hang":
            await asyncio.Event().wait()
        if fault and fault.kind == "reset":
            return
        if fault and fault.kind == "answer":
            # Read first, or the client is cut off while it still speaks.
            await _body(reader, head)
            writer.write(_answer(fault.status, {"message": fault.message}))
            await writer.drain()
            return
        theirs, ours = await asyncio.open_unix_connection(self._real, limit=1 << 24)
        try:
            if fault is None:
                ours.write(_for_one(head))
                await _both_ways(reader, writer, theirs, ours)
                return
            # HTTP/1.0 gets an answer in one piece that ends with the connection.
            asked = await _body(reader, head)
            if fault.kind == "alter":
                wanted = json.loads(asked)
                fault.tamper(wanted)
                asked = json.dumps(wanted).encode()
                head = re.sub(rb"(?i)(\r\ncontent-length: *)\d+", rb"\g<1>%d" % len(asked), head)
            ours.write(_for_one(head).replace(b"HTTP/1.1", b"HTTP/1.0", 1) + asked)
            answer, _, body = (await theirs.read()).partition(b"\r\n\r\n")
            if fault.kind == "lose":
                return
            found = json.loads(body)
            if fault.kind == "tamper":
                fault.tamper(found)
            writer.write(_answer(int(answer.split()[1]), found))
            await writer.drain()
        finally:
            ours.close()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def fault_proxy(folder: Path, *, real: str = REAL) -> AsyncIterator[tuple[FaultProxy, str]]:
    """A proxy before the socket at `real`, and the `DOCKER_HOST` by which it is reached."""
    proxy = FaultProxy(real)
    path = folder / "engine.sock"
    server = await asyncio.start_unix_server(proxy.serve, path, limit=1 << 20)
    try:
        yield proxy, f"unix://{path}"
    finally:
        server.close()
        await proxy.close()


def _for_one(head: bytes) -> bytes:
    """The request so that the engine hangs up after it, unless it is to become a stream."""
    if b"\r\nupgrade:" in head.lower():
        return head
    return re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", head)[:-2] + b"Connection: close\r\n\r\n"


def _answer(status: int, body: object) -> bytes:
    content = json.dumps(body).encode()
    return (
        f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    ).encode() + content


async def _body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    size = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return await reader.readexactly(int(size[1])) if size else b""


async def _both_ways(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, theirs: asyncio.StreamReader, ours: asyncio.StreamWriter
) -> None:
    there = asyncio.create_task(_pass_on(reader, ours))
    try:
        await _pass_on(theirs, writer)
    finally:
        there.cancel()
        await asyncio.wait([there])


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(*ENDED):
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
