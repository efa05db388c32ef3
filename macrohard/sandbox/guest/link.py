"""The guest's end of the wire, and the streams that flow over it; none of it ever blocks."""

from __future__ import annotations

import json
import os
from collections import deque

from macrohard.sandbox.guest.frames import CHUNK, CREDIT, CREDIT_BODY, FRAME_LIMIT, HEADER, RESULT
from macrohard.sandbox.guest.loop import READ, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from macrohard.sandbox.guest.loop import Loop

NOTHING = 0
"""/dev/null, once there is a link."""


class Link:
    """The two pipes to the host. What cannot be sent yet waits here, bounded by the streams' windows."""

    def __init__(self, loop: Loop, handle: Callable[[int, int, bytes], None]) -> None:
        # Away from 0 and 1, where a stray print would end up between frames.
        self._source, self._sink = os.dup(0), os.dup(1)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, NOTHING)
        os.dup2(null, 1)
        os.close(null)
        os.set_blocking(self._source, False)
        os.set_blocking(self._sink, False)
        self._loop, self._handle = loop, handle
        self._incoming, self._outgoing, self._waiting = bytearray(), deque[bytes](), False
        self._arrived = memoryview(bytearray(CHUNK))
        loop.watch(self._source, READ, self._readable)

    def send(self, kind: int, channel: int, body: bytes = b"") -> None:
        self._outgoing.append(HEADER.pack(kind, channel, len(body)) + body)
        if not self._waiting:
            self._writable()

    def answer(self, channel: int, **fields: object) -> None:
        self.send(RESULT, channel, json.dumps(fields).encode())

    def _writable(self) -> None:
        while self._outgoing:
            try:
                sent = os.write(self._sink, self._outgoing[0])
            except BlockingIOError:
                break
            except BrokenPipeError:
                os._exit(0)
            if sent < len(self._outgoing[0]):
                self._outgoing[0] = self._outgoing[0][sent:]
            else:
                self._outgoing.popleft()
        if self._waiting != bool(self._outgoing):
            self._waiting = not self._waiting
            if self._waiting:
                self._loop.watch(self._sink, WRITE, self._writable)
            else:
                self._loop.unwatch(self._sink, WRITE)

    def _readable(self) -> None:
        try:
            size = os.readv(self._source, (self._arrived,))
        except BlockingIOError:
            return
        if not size:
            # The host is gone, by whatever death. With process 1 the kernel ends everything else in here.
            os._exit(0)
        self._incoming += self._arrived[:size]
        while len(self._incoming) >= HEADER.size:
            kind, channel, size = HEADER.unpack_from(self._incoming)
            if size > FRAME_LIMIT:
                os._exit(70)
            if len(self._incoming) < HEADER.size + size:
                break
            body = bytes(self._incoming[HEADER.size : HEADER.size + size])
            del self._incoming[: HEADER.size + size]
            self._handle(kind, channel, body)


class Inlet:
    """Feeds what the host sends into a descriptor, and gives the host credit as it goes out."""

    def __init__(self, loop: Loop, link: Link, channel: int, target: int, *, close: Callable[[], None]) -> None:
        self.closed = False
        self._loop, self._link, self._channel, self._target, self._close = loop, link, channel, target, close
        self._queue, self._ending, self._waiting = deque[bytes](), False, False
        os.set_blocking(target, False)

    def put(self, data: bytes) -> None:
        if self.closed:
            # Nobody reads any more: as in a shell's pipeline, the rest is dropped.
            self._credit(len(data))
            return
        self._queue.append(data)
        if not self._waiting:
            self._writable()

    def end(self) -> None:
        self._ending = True
        if not self._waiting:
            self._writable()

    def shut(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._waiting:
            self._loop.unwatch(self._target, WRITE)
        self._credit(sum(len(data) for data in self._queue))
        self._queue.clear()
        self._close()

    def _credit(self, room: int) -> None:
        if room:
            self._link.send(CREDIT, self._channel, CREDIT_BODY.pack(0, room))

    def _writable(self) -> None:
        while self._queue:
            try:
                sent = os.write(self._target, self._queue[0])
            except BlockingIOError:
                break
            except OSError:
                self.shut()
                return
            self._credit(sent)
            if sent < len(self._queue[0]):
                self._queue[0] = self._queue[0][sent:]
            else:
                self._queue.popleft()
        if self._waiting != bool(self._queue):
            self._waiting = not self._waiting
            if self._waiting:
                self._loop.watch(self._target, WRITE, self._writable)
            else:
                self._loop.unwatch(self._target, WRITE)
        if self._ending and not self._queue:
            self.shut()


class Outlet:
    """Sends what can be read from a descriptor, within the window that the host grants.

    With a full window it either holds the writer up, or (`counting`) drops and counts.
    """

    def __init__(
        self,
        loop: Loop,
        link: Link,
        channel: int,
        source: int,
        *,
        kind: int,
        window: int,
        counting: bool,
        closed: Callable[[], None],
    ) -> None:
        self.open, self.muted, self.dropped = True, False, 0
        self._loop, self._link, self._channel, self._source, self._kind = loop, link, channel, source, kind
        self._window, self._counting, self._closed, self._paused = window, counting, closed, False
        os.set_blocking(source, False)
        loop.watch(source, READ, self._readable)

    def drain(self) -> None:
        """Take what is in the pipe now, at most about one pipe full."""
        for _ in range(4):
            if not self.open or not self._take():
                break

    def grant(self, room: int) -> None:
        self._window += room
        if self._paused and self.open:
            self._paused = False
            self._loop.watch(self._source, READ, self._readable)

    def stop(self) -> None:
        if not self.open:
            return
        self.open = False
        if not self._paused:
            self._loop.unwatch(self._source, READ)
        self._closed()

    def _readable(self) -> None:
        self._take()

    def _take(self) -> bool:
        try:
            data = os.read(self._source, CHUNK if self._counting else min(CHUNK, self._window))
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.stop()
            return False
        if self.muted:
            # What still runs in the background neither blocks nor breaks on an output that nobody wants.
            return True
        if self._counting:
            self.dropped += max(0, len(data) - self._window)
            data = data[: self._window]
        if data:
            self._window -= len(data)
            self._link.send(self._kind, self._channel, data)
        if not self._counting and self._window == 0:
            self._paused = True
            self._loop.unwatch(self._source, READ)
        return True
