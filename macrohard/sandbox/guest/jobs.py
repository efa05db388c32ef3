"""What the host has running in here: commands and connections, each on a channel of its own."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from functools import partial

from macrohard.sandbox.guest.frames import CONNECTED, DATA, END, ERRORS, STDERR, STDOUT, WINDOW
from macrohard.sandbox.guest.link import Inlet, Outlet
from macrohard.sandbox.guest.loop import READ, WRITE
from macrohard.sandbox.guest.processes import NO_ROOM, Prepared, kill_under

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from macrohard.sandbox.guest.limits import Limits
    from macrohard.sandbox.guest.link import Link
    from macrohard.sandbox.guest.loop import Loop
    from macrohard.sandbox.guest.processes import User

_DRAIN_SECONDS = 0.05
"""How long after the end of a command its output may still come, if something it left behind holds it open."""


class Context:
    """What all jobs share."""

    def __init__(self, loop: Loop, user: User, limits: Limits, act: Callable[[bytes], int]) -> None:
        self.loop, self.limits = loop, limits
        self._user, self._act = user, act
        self._prepared: Prepared | None = None
        self.jobs: dict[int, Job | Connection] = {}
        self.supervisors: dict[int, Job] = {}
        self.link: Link

    def look(self) -> None:
        """Check the limits that nothing else checks."""
        self.limits.look(self.supervisors)

    def prepare(self) -> None:
        """Have a process ready for the next job; without room for one, the job will say so."""
        if self._prepared is None:
            with contextlib.suppress(OSError):
                self._prepared = Prepared(self._user, self._act)

    def take_prepared(self, order: bytes) -> Prepared:
        """A process that is now carrying out the order.

        Raises:
            OSError: there is no room for another process.
        """
        prepared, self._prepared = self._prepared, None
        if prepared is None or not prepared.tell(order):
            prepared = Prepared(self._user, self._act)
            prepared.tell(order)
        return prepared


class Job:
    """One command, or one of our own actions, under a supervisor.

    `counting` output is cut at the window and answered together with the exit code; other output flows as the host
    takes it.
    """

    def __init__(
        self, context: Context, channel: int, order: bytes, *, window: int, counting: bool, seconds: float | None
    ):
        self._context, self._channel, self._counting = context, channel, counting
        self._exit_code: int | None = None
        self._answered, self._dead, self._timed_out = False, False, False
        self._killers: list[int | None] = []
        self._before = context.limits.counters()
        try:
            self._process = context.take_prepared(order)
        except OSError as error:
            context.link.answer(channel, error=error.strerror, errno=error.errno)
            return
        process = self._process
        context.jobs[channel] = context.supervisors[process.supervisor] = self
        self.inlet = Inlet(context.loop, context.link, channel, process.stdin, close=lambda: os.close(process.stdin))
        self.streams = [
            Outlet(
                context.loop,
                context.link,
                channel,
                end,
                kind=kind,
                window=window,
                counting=counting,
                closed=partial(self._stream_closed, number, end),
            )
            for number, end, kind in ((STDOUT, process.stdout, DATA), (STDERR, process.stderr, ERRORS))
        ]
        context.loop.watch(process.status, READ, self._main_ended)
        self._alarm = None if seconds is None else context.loop.at(seconds, self._expire)

    def kill(self, killer: int | None) -> None:
        """Kill the command and all its descendants; the killer's channel is answered when they are dead."""
        if not self._dead:
            self._killers.append(killer)
            kill_under(self._process.supervisor)
        elif killer is not None:
            self._context.link.answer(killer)

    def supervisor_ended(self) -> None:
        self._dead = True
        del self._context.supervisors[self._process.supervisor]
        if self._exit_code is None:
            self._main_ended()
        self._settle()
        for killer in self._killers:
            if killer is not None:
                self._context.link.answer(killer)

    def _expire(self) -> None:
        self._timed_out = True
        self._context.look()
        self.kill(None)

    def _stream_closed(self, number: int, end: int) -> None:
        os.close(end)
        if not self._counting:
            self._context.link.send(END, self._channel, bytes([number]))
        self._settle()

    def _main_ended(self) -> None:
        self._context.loop.unwatch(self._process.status, READ)
        report = os.read(self._process.status, 4)
        os.close(self._process.status)
        # A supervisor that was killed itself reports nothing.
        self._exit_code = int.from_bytes(report, "big") if len(report) == 4 else 137
        self._context.loop.cancel(self._alarm)
        if self._counting:
            self._alarm = self._context.loop.at(_DRAIN_SECONDS, self._answer)
        self._settle()

    def _settle(self) -> None:
        complete = not any(stream.open for stream in self.streams)
        if self._exit_code is not None and (complete or not self._counting):
            self._answer()
        if self._dead and complete:
            self._context.jobs.pop(self._channel, None)

    def _answer(self) -> None:
        """Tell the end of the command, once: after a kill, when all of it is dead."""
        if self._answered or self._exit_code is None or (self._killers and not self._dead):
            return
        self._answered = True
        self._context.loop.cancel(self._alarm)
        self._context.look()
        if self._counting:
            for stream in self.streams:
                stream.drain()
                stream.muted = True
        self._context.link.answer(
            self._channel,
            code=137 if self._timed_out else self._exit_code & 0xFF,
            dropped=sum(stream.dropped for stream in self.streams),
            timed_out=self._timed_out,
            hits=self._context.limits.hits(self._before, pids=self._exit_code == NO_ROOM),
        )
        self._context.loop.at(0, self._context.prepare)
        self.inlet.shut()


class Connection:
    """A TCP connection to a port on the sandbox's own loopback."""

    def __init__(self, context: Context, channel: int, port: int) -> None:
        self._context, self._channel, self._socket = context, channel, socket.socket()
        self._socket.setblocking(False)
        self._descriptor = self._socket.fileno()
        self._connecting = True
        context.jobs[channel] = self
        problem = self._socket.connect_ex(("127.0.0.1", port))
        if problem in (0, errno.EINPROGRESS):
            context.loop.watch(self._descriptor, WRITE, self._connected)
        else:
            self._fail(problem)

    def kill(self, killer: int | None) -> None:
        """Close both directions."""
        if self._connecting:
            self._context.loop.unwatch(self._descriptor, WRITE)
            self._fail(errno.ECONNABORTED)
        else:
            self.inlet.shut()
            self.streams[STDOUT].stop()
        if killer is not None:
            self._context.link.answer(killer)

    def _fail(self, problem: int) -> None:
        self._socket.close()
        del self._context.jobs[self._channel]
        self._context.link.answer(self._channel, error=os.strerror(problem), errno=problem)

    def _connected(self) -> None:
        self._context.loop.unwatch(self._descriptor, WRITE)
        problem = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            self._fail(problem)
            return
        self._connecting = False
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop, link = self._context.loop, self._context.link
        link.send(CONNECTED, self._channel)
        self.inlet = Inlet(loop, link, self._channel, self._descriptor, close=self._no_more_to_send)
        self.streams = [
            Outlet(
                loop,
                link,
                self._channel,
                self._descriptor,
                kind=DATA,
                window=WINDOW,
                counting=False,
                closed=self._no_more_to_receive,
            )
        ]

    def _no_more_to_send(self) -> None:
        # The other side may have closed it altogether.
        if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.streams[STDOUT].stop()
        self._settle()

    def _no_more_to_receive(self) -> None:
        self._context.link.send(END, self._channel, bytes([STDOUT]))
        self._settle()

    def _settle(self) -> None:
        if self.inlet.closed and not self.streams[STDOUT].open and self._channel in self._context.jobs:
            del self._context.jobs[self._channel]
            self._socket.close()
            self._context.link.answer(self._channel)
