"""The host's end of the wire to a guest: many calls over one pair of byte streams, each within a window."""

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar

from pydantic import ValidationError

from macrohard.domain import Value
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import guest
from macrohard.sandbox.guest.frames import (
    CHUNK,
    CONNECTED,
    CREDIT,
    CREDIT_BODY,
    DATA,
    END,
    ERRORS,
    FRAME_LIMIT,
    HEADER,
    OPEN,
    RESULT,
    STDERR,
    STDOUT,
    WINDOW,
)

ANSWER_LIMIT_BYTES: Final = 1 << 12
"""Of what a guest answers. Text costs many times its length once it is read, and no answer is long."""
LATE_BYTES: Final = 16 * WINDOW
"""How much may still come for a call that was forgotten before its end: two windows, in frames of whatever size."""


class Hello(Value):
    """What a guest sees of the room it is in."""

    uid_map: list[str]
    """Of the kernel: inside, outside, and how many."""
    kernel: str
    python: str


Answer = TypeVar("Answer", bound=Value)


def understood(kind: type[Answer], answer: dict[str, Any]) -> Answer:
    """An answer of a guest as what it should be.

    Raises:
        SandboxUnavailable: it is something else.
    """
    try:
        return kind.model_validate(answer, strict=True)
    except ValidationError as error:
        raise SandboxUnavailable(f"the sandbox broke the protocol: {error}") from error


class Inflow:
    """One stream of bytes from the guest; at most a window of it waits here."""

    def __init__(self, grant: Callable[[int], None] | None) -> None:
        # One piece of memory, because a window of single bytes must cost no more than a window of large pieces.
        self._waiting = bytearray()
        self._arrived = asyncio.Event()
        self._grant = grant
        self.ended = False

    def feed(self, data: bytes) -> None:
        """
        Raises:
            ValueError: the guest must not send this.
        """
        if not data or self.ended:
            raise ValueError("data of no length, or after the end")
        if len(self._waiting) + len(data) > WINDOW:
            raise ValueError("more data than the window allows")
        self._waiting += data
        self._arrived.set()

    def end(self) -> None:
        self.ended = True
        self._arrived.set()

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        while not self._waiting:
            if self.ended:
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        return self.take()

    def take(self) -> bytes:
        """What has arrived so far, which may be nothing."""
        data = bytes(self._waiting)
        self._waiting.clear()
        if data and self._grant and not self.ended:
            self._grant(len(data))
        return data


class Call:
    """One request to the guest and what comes back."""

    def __init__(self, wire: "Wire", number: int, *, counted: bool) -> None:
        self.number = number
        self._wire = wire
        self._room = WINDOW
        self._room_grew = asyncio.Event()
        self._result: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._connected = asyncio.Event()
        self.streams = tuple(Inflow(None if counted else self._grant(stream)) for stream in (STDOUT, STDERR))
        self.on_errors: Callable[[bytes], None] | None = None

    def _grant(self, stream: int) -> Callable[[int], None]:
        return lambda room: self._wire.send(CREDIT, self.number, CREDIT_BODY.pack(stream, room))

    async def send(self, data: bytes) -> None:
        """Hand data to the guest as its window allows; what the other side no longer wants is dropped.

        Raises:
            SandboxUnavailable: the sandbox is gone.
        """
        view = memoryview(data)
        while view and not self.finished:
            if self._room == 0:
                self._room_grew.clear()
                await self._room_grew.wait()
                continue
            piece = view[: min(CHUNK, self._room)]
            self._room -= len(piece)
            self._wire.send(DATA, self.number, bytes(piece))
            await self._wire.drain()
            view = view[len(piece) :]
        if self._result.done():
            self._result.result()

    def send_end(self) -> None:
        """No more data will follow."""
        self._wire.send(END, self.number)

    @property
    def finished(self) -> bool:
        return self._result.done()

    async def connected(self) -> dict[str, Any] | None:
        """Wait for a connection; the guest's reason if there is none."""
        await self._connected.wait()
        return self._result.result() if self._result.done() else None

    async def result(self) -> dict[str, Any]:
        """Wait for the guest's answer.

        Raises:
            SandboxUnavailable: the sandbox is gone.
        """
        return await asyncio.shield(self._result)

    def receive(self, kind: int, body: bytes) -> None:
        """
        Raises:
            ValueError, IndexError, struct.error: the guest must not send this.
        """
        match kind:
            case _ if kind == DATA:
                self.streams[STDOUT].feed(body)
            case _ if kind == ERRORS:
                self.streams[STDERR].feed(body)
                if self.on_errors:
                    self.on_errors(self.streams[STDERR].take())
            case _ if kind == END:
                if self.streams[body[0]].ended:
                    raise ValueError("two ends of one stream")
                self.streams[body[0]].end()
            case _ if kind == CREDIT:
                room = CREDIT_BODY.unpack(body)[1]
                if not 0 < room <= WINDOW - self._room:
                    raise ValueError("credit for what was not sent")
                self._room += room
                self._room_grew.set()
            case _ if kind == CONNECTED:
                if self._connected.is_set():
                    raise ValueError("connected twice")
                self._connected.set()
            case _ if kind == RESULT:
                answer = _answer(body)
                if self._result.done():
                    raise ValueError("two answers")
                self._result.set_result(answer)
                if "error" in answer:
                    self._end_streams()
                self._wake()
            case _:
                raise ValueError(f"frame of kind {kind}")

    def lose(self, error: SandboxUnavailable) -> None:
        if not self._result.done():
            self._result.set_exception(error)
            # Not everybody waits for the result of every call.
            self._result.exception()
        self._end_streams()
        self._wake()

    def _end_streams(self) -> None:
        for stream in self.streams:
            stream.end()

    def _wake(self) -> None:
        self._room_grew.set()
        self._connected.set()


def _answer(body: bytes) -> dict[str, Any]:
    if len(body) > ANSWER_LIMIT_BYTES:
        raise ValueError(f"an answer of {len(body)} bytes")
    try:
        answer = json.loads(body)
    except RecursionError as error:
        raise ValueError("an answer too deep") from error
    if not isinstance(answer, dict):
        raise ValueError("an answer that is no object")
    return answer


class Source(Protocol):
    """Where a guest's frames come from."""

    async def readexactly(self, n: int, /) -> bytes:
        """Raises `asyncio.IncompleteReadError` or `ConnectionError` once the guest is gone."""


class Wire:
    """Calls to one guest. A guest that breaks the protocol is treated as lost: it holds nobody up and nothing down."""

    def __init__(self, reader: Source, writer: asyncio.StreamWriter, *, explain: Callable[[], Awaitable[str]]) -> None:
        self._reader, self._writer, self._explain = reader, writer, explain
        self._calls: dict[int, Call] = {}
        self._last_number = 0
        self._late_bytes = 0
        self._lost: SandboxUnavailable | None = None
        self._hello = Call(self, 0, counted=True)
        self._calls[0] = self._hello
        self._writer.write(guest.program())
        self._task = asyncio.create_task(self._receive(), name="sandbox-wire")

    @property
    def lost(self) -> SandboxUnavailable | None:
        """Why no more calls are possible."""
        return self._lost

    async def ended(self) -> None:
        """Wait until no more calls are possible."""
        await asyncio.wait([self._task])

    async def hello(self) -> Hello:
        """What the guest says of itself when it has started."""
        return understood(Hello, await self._hello.result())

    def open(self, op: str, *, counted: bool = False, **arguments: object) -> Call:
        """Start a call.

        Raises:
            SandboxUnavailable: the sandbox is gone.
        """
        if self._lost:
            raise self._lost
        self._last_number += 1
        call = Call(self, self._last_number, counted=counted)
        self._calls[call.number] = call
        self.send(OPEN, call.number, json.dumps({"op": op, **arguments}).encode())
        return call

    def forget(self, call: Call) -> None:
        """The caller has what it wanted; frames that still come for the call are ignored, within reason."""
        if self._calls.pop(call.number, None):
            self._late_bytes += LATE_BYTES

    def send(self, kind: int, number: int, body: bytes = b"") -> None:
        if not self._lost:
            self._writer.write(HEADER.pack(kind, number, len(body)) + body)

    async def drain(self) -> None:
        try:
            await self._writer.drain()
        except ConnectionError:
            # The reader sees the end too and tells everybody.
            await asyncio.sleep(0)

    async def _receive(self) -> None:
        reason = "it ended"
        try:
            while True:
                kind, number, size = HEADER.unpack(await self._reader.readexactly(HEADER.size))
                if size > FRAME_LIMIT:
                    raise ValueError(f"frame of {size} bytes")
                body = await self._reader.readexactly(size)
                if call := self._calls.get(number):
                    call.receive(kind, body)
                else:
                    self._ignore(number, size)
        except (asyncio.IncompleteReadError, ConnectionError):
            reason = await self._explain() or reason
        except (ValueError, struct.error, IndexError) as error:
            reason = f"it broke the protocol: {error}"
        self._lose(SandboxUnavailable(f"the sandbox is gone: {reason}"))

    def _ignore(self, number: int, size: int) -> None:
        if number > self._last_number:
            raise ValueError("a frame for a call that was never made")
        # Also one without content takes time to read.
        self._late_bytes -= size + 1
        if self._late_bytes < 0:
            raise ValueError("a flood for calls that have ended")

    def _lose(self, error: SandboxUnavailable) -> None:
        self._lost = self._lost or error
        for call in list(self._calls.values()):
            call.lose(self._lost)
        self._calls.clear()

    async def close(self) -> None:
        """Hang up; the guest ends itself on that."""
        self._lose(SandboxUnavailable("the sandbox is closed"))
        self._writer.close()
        self._task.cancel()
        await asyncio.wait([self._task])
