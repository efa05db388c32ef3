"""The mirror of the host on this sandbox's loopback: every connection goes on to the host's socket, unread."""

from __future__ import annotations

import contextlib
import os
import socket

from macrohard.sandbox.guest.loop import READ, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from macrohard.sandbox.guest.loop import Loop

_CONNECTIONS = 32
"""At once; more wait until one ends. The host has the same limit, for those who go around this."""
_CHUNK = 1 << 16


class Bridge:
    """Listens on 127.0.0.1; in process 1, so that no command can end it or listen in its place."""

    def __init__(self, loop: Loop, port: int, path: str) -> None:
        self._loop, self._path, self._open = loop, path, 0
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setblocking(False)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(128)
        loop.watch(self._listener.fileno(), READ, self._accept)

    def _accept(self) -> None:
        try:
            near, _ = self._listener.accept()
        except OSError:
            return
        far = socket.socket(socket.AF_UNIX)
        try:
            far.setblocking(False)
            far.connect(self._path)
        except OSError:
            # The host takes no more, or is gone.
            near.close()
            far.close()
            return
        near.setblocking(False)
        self._open += 1
        if self._open == _CONNECTIONS:
            self._loop.unwatch(self._listener.fileno(), READ)
        Crossing(self._loop, near, far, self._ended)

    def _ended(self) -> None:
        if self._open == _CONNECTIONS:
            self._loop.watch(self._listener.fileno(), READ, self._accept)
        self._open -= 1


class Crossing:
    """Two connected sockets, each given what the other receives."""

    def __init__(self, loop: Loop, near: socket.socket, far: socket.socket, ended: Callable[[], None]) -> None:
        self._ends, self._ended = (near, far), ended
        self._ways = [Way(loop, near, far, self._settle), Way(loop, far, near, self._settle)]

    def _settle(self, *, broken: bool) -> None:
        if not broken and any(way.open for way in self._ways):
            return
        for way in self._ways:
            way.stop()
        for end in self._ends:
            end.close()
        self._ended()


class Way:
    """One direction; at most one chunk of it is held here."""

    def __init__(self, loop: Loop, source: socket.socket, sink: socket.socket, settle: Callable[..., None]) -> None:
        self.open = True
        self._loop, self._source, self._sink, self._settle = loop, source, sink, settle
        self._held = b""
        loop.watch(source.fileno(), READ, self._readable)

    def stop(self) -> None:
        """No longer wait for either end."""
        if not self.open:
            return
        self.open = False
        if self._held:
            self._loop.unwatch(self._sink.fileno(), WRITE)
        else:
            self._loop.unwatch(self._source.fileno(), READ)

    def _readable(self) -> None:
        try:
            self._held = os.read(self._source.fileno(), _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._settle(broken=True)
            return
        if self._held:
            self._loop.unwatch(self._source.fileno(), READ)
            self._loop.watch(self._sink.fileno(), WRITE, self._writable)
            return
        self.stop()
        with contextlib.suppress(OSError):
            self._sink.shutdown(socket.SHUT_WR)
        self._settle(broken=False)

    def _writable(self) -> None:
        try:
            sent = os.write(self._sink.fileno(), self._held)
        except BlockingIOError:
            return
        except OSError:
            self._settle(broken=True)
            return
        self._held = self._held[sent:]
        if not self._held:
            self._loop.unwatch(self._sink.fileno(), WRITE)
            self._loop.watch(self._source.fileno(), READ, self._readable)
