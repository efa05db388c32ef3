"""What the host has running in here: commands and connections, each on a channel of its own."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
from functools import partial

from macrohard.sandbox.guest.frames import CONNECTED, DATA, END, ERRORS, STDERR, STDOUT, WINDOW
from macrohard.sandbox.guest.limits import Ending
from macrohard.sandbox.guest.link import NOTHING, Inlet, Outlet
from macrohard.sandbox.guest.loop import READ, WRITE
from macrohard.sandbox.guest.processes import FREE, NO_ROOM, Supervisor, kill_strays, kill_under

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from macrohard.sandbox.guest.limits import Limits
    from macrohard.sandbox.guest.link import Link
    from macrohard.sandbox.guest.loop import Loop
    from macrohard.sandbox.guest.processes import User

_DRAIN_SECONDS = 0.05
"""How long after the end of a command its output may still come, if something it left behind holds it open."""
_KEPT = 2
"""The supervisors kept free."""
_KILL_AGAIN_SECONDS = 0.05
_KILLED = 128 + signal.SIGKILL


class Context:
    """What all jobs share."""

    def __init__(self, loop: Loop, user: User, limits: Limits, act: Callable[[dict[str, Any]], int]) -> None:
        self.loop, self.limits = loop, limits
        self._user, self._act = user, act
        self.jobs: dict[int, Job | Connection] = {}
        self._supervisors: dict[int, Supervisor] = {}
        self._free: list[Supervisor] = []
        self.link: Link

    def look(self) -> None:
        """Check the limits that nothing else checks."""
        self.limits.look(self._supervisors)

    def supervise(self, job: Job, order: dict[str, Any], descriptors: tuple[int, int, int]) -> Supervisor:
        """The supervisor under which the order is now carried out.

        Raises:
            OSError: there is no room for another process.
        """
        while self._free:
            supervisor = self._free.pop()
            if supervisor.start(order, descriptors):
                break
        else:
            supervisor = self._supervisor()
            supervisor.start(order, descriptors)
        supervisor.job = job
        return supervisor

    def _supervisor(self) -> Supervisor:
        supervisor = Supervisor(self._user, self._act)
        self._supervisors[supervisor.pid] = supervisor
        self.loop.watch(supervisor.reports, READ, partial(self._reported, supervisor))
        return supervisor

    def _reported(self, supervisor: Supervisor) -> None:
        words = supervisor.report()
        if not words:
            # It died, and will be reaped.
            self._forget(supervisor)
            return
        for word in words:
            job = supervisor.job
            if word != FREE:
                if job:
                    job.main_ended(word)
                continue
            supervisor.job = None
            # Whoever killed a command may have killed its supervisor with it, after this word: it may be dying.
            if len(self._free) < _KEPT and not (job and job.kill_sent):
                self._free.append(supervisor)
            else:
                self._forget(supervisor)
            if job:
                job.nothing_left()

    def died(self, pid: int) -> None:
        """A child of process 1 did: a supervisor, or an orphan of a supervisor that was killed."""
        supervisor = self._supervisors.pop(pid, None)
        if supervisor is None:
            return
        if supervisor.open:
            # Its last word may be there.
            self._reported(supervisor)
        self._forget(supervisor)
        if supervisor.job:
            job, supervisor.job = supervisor.job, None
            # What it was above must not live on without anyone to kill it.
            self._kill_strays()
            job.nothing_left()

    def _forget(self, supervisor: Supervisor) -> None:
        if supervisor in self._free:
            self._free.remove(supervisor)
        if supervisor.open:
            self.loop.unwatch(supervisor.reports, READ)
            supervisor.close()

    def _kill_strays(self) -> None:
        if kill_strays(self._supervisors):
            self.loop.at(_KILL_AGAIN_SECONDS, self._kill_strays)


class Job:
    """One command, or one of our own actions, under a supervisor.

    `counting` output is cut at the window and answered together with the exit code; other output flows as the host
    takes it.
    """

    def __init__(
        self,
        context: Context,
        channel: int,
        order: dict[str, Any],
        *,
        window: int,
        counting: bool,
        seconds: float | None,
        input: bool = True,
    ) -> None:
        self._context, self._channel, self._counting = context, channel, counting
        self._exit_code: int | None = None
        self._answered, self._dead, self._timed_out = False, False, False
        self._killers: list[int | None] = []
        self._seconds, self._before = seconds, context.limits.counters()
        stdin, stdin_end = os.pipe() if input else (os.dup(NOTHING), None)
        (stdout_end, stdout), (stderr_end, stderr) = os.pipe(), os.pipe()
        try:
            self._supervisor = context.supervise(self, order, (stdin, stdout, stderr))
        except OSError as error:
            for end in (stdout_end, stderr_end, *(() if stdin_end is None else (stdin_end,))):
                os.close(end)
            context.link.answer(channel, error=error.strerror, errno=error.errno)
            return
        finally:
            for end in (stdin, stdout, stderr):
                os.close(end)
        context.jobs[channel] = self
        self.inlet: Inlet | None = None
        if stdin_end is not None:
            self.inlet = Inlet(context.loop, context.link, channel, stdin_end, close=partial(os.close, stdin_end))
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
            for number, end, kind in ((STDOUT, stdout_end, DATA), (STDERR, stderr_end, ERRORS))
        ]
        self._alarm = None if seconds is None else context.loop.at(seconds, self._expire)

    def kill(self, killer: int | None) -> None:
        """Kill the command and all its descendants; the killer's channel is answered when they are dead."""
        if not self._dead:
            self._killers.append(killer)
            self._kill()
        elif killer is not None:
            self._context.link.answer(killer)

    @property
    def kill_sent(self) -> bool:
        """Whether anybody wanted it dead while it lived."""
        return bool(self._killers)

    def _kill(self) -> None:
        if not self._dead:
            kill_under(self._supervisor.pid)
            # A fork that was under way may have come to its end after all was killed that could be seen.
            self._context.loop.at(_KILL_AGAIN_SECONDS, self._kill)

    def nothing_left(self) -> None:
        """Nothing of it is alive."""
        self._dead = True
        if self._exit_code is None:
            # Its supervisor was killed and said nothing.
            self.main_ended(_KILLED)
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

    def main_ended(self, code: int) -> None:
        """Its first process is dead."""
        self._exit_code = code
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
        ending = Ending(
            no_room=self._exit_code == NO_ROOM,
            killed=self._exit_code == _KILLED and not self._killers,
            timed_out_after=self._seconds or 0.0 if self._timed_out else 0.0,
        )
        self._context.link.answer(
            self._channel,
            code=_KILLED if self._timed_out else self._exit_code & 0xFF,
            dropped=sum(stream.dropped for stream in self.streams),
            timed_out=self._timed_out,
            hits=self._context.limits.hits(self._before, ending),
        )
        if self.inlet:
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
        # The other side may have closed it altogether; what it said before that is still to be read.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        self._settle()

    def _no_more_to_receive(self) -> None:
        self._context.link.send(END, self._channel, bytes([STDOUT]))
        self._settle()

    def _settle(self) -> None:
        if self.inlet.closed and not self.streams[STDOUT].open and self._channel in self._context.jobs:
            del self._context.jobs[self._channel]
            self._socket.close()
            self._context.link.answer(self._channel)
