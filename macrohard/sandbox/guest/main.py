"""Process 1 of every sandbox: does what the host asks for, and ends with the host or at its own deadline."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time

from macrohard.sandbox.guest.archive import pack, unpack
from macrohard.sandbox.guest.bridge import Bridge
from macrohard.sandbox.guest.files import read_file, write_files
from macrohard.sandbox.guest.frames import CREDIT, CREDIT_BODY, DATA, END, OPEN
from macrohard.sandbox.guest.jobs import Connection, Context, Job
from macrohard.sandbox.guest.limits import Limits
from macrohard.sandbox.guest.link import Link
from macrohard.sandbox.guest.loop import READ, Loop
from macrohard.sandbox.guest.processes import (
    User,
    filter_system_calls,
    give_back,
    live_processes,
    protect,
    signal_to,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_KILL_SECONDS = 30.0
_SWEEP_SECONDS = 0.003
_WATCH_SECONDS = 0.1


class Guest:
    """Answers the host's frames."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._context = Context(
            Loop(),
            User(config["user"], config["rlimits"]),
            Limits(
                config["folders"],
                memory_bytes=config["watch_memory_bytes"],
                pids=config["watch_pids"],
                own_kernel=config["own_kernel"],
            ),
            act,
        )
        self._watched = config["watch_memory_bytes"] > 0
        self._bridge = config["bridge"]
        self._lifetime_seconds = config["lifetime_seconds"]
        self._context.loop.at(self._lifetime_seconds, self._expire)
        self._operations: dict[str, Callable[..., None]] = {
            "start": self._start,
            "connect": self._connect,
            "kill": self._kill,
            "kill_all": self._kill_all,
        }

    def serve(self) -> NoReturn:
        loop = self._context.loop
        self._awake, wake = os.pipe()
        os.set_blocking(self._awake, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        loop.watch(self._awake, READ, self._child_ended)
        self._context.link = Link(loop, self._handle)
        if self._watched:
            self._watch()
        if self._bridge:
            Bridge(loop, *self._bridge)
        self._hello()
        loop.run()
        raise AssertionError

    def _hello(self) -> None:
        with open("/proc/self/uid_map") as file:
            mapping = file.read().split()
        with open("/proc/version") as file:
            kernel = file.read().strip()
        self._context.link.answer(0, uid_map=mapping, kernel=kernel, python=sys.version.split()[0])

    def _expire(self) -> None:
        os.write(2, f"its lifetime of {self._lifetime_seconds} s is over".encode())
        os._exit(0)

    def _handle(self, kind: int, channel: int, body: bytes) -> None:
        if kind == OPEN:
            request = json.loads(body)
            self._operations[request.pop("op")](channel, **request)
            return
        job = self._context.jobs.get(channel)
        if job is None:
            return
        if kind == DATA:
            if job.inlet:
                job.inlet.put(body)
        elif kind == END:
            if job.inlet:
                job.inlet.end()
        elif kind == CREDIT:
            stream, room = CREDIT_BODY.unpack(body)
            job.streams[stream].grant(room)

    def _start(self, channel: int, *, order: dict[str, Any], **output: Any) -> None:
        Job(self._context, channel, order, **output)

    def _connect(self, channel: int, *, port: int) -> None:
        Connection(self._context, channel, port)

    def _kill(self, channel: int, *, target: int) -> None:
        job = self._context.jobs.get(target)
        if job is None:
            self._context.link.answer(channel)
        else:
            job.kill(channel)

    def _kill_all(self, channel: int) -> None:
        self._sweep(channel, time.monotonic() + _KILL_SECONDS)

    def _sweep(self, channel: int, deadline: float) -> None:
        # One call under the kernel's lock on processes: no fork slips through. And it needs no process of its own,
        # for which there may be no room.
        signal_to(-1, signal.SIGKILL)
        self._reap()
        if not any(pid > 1 for pid, _ in live_processes()):
            self._context.link.answer(channel)
        elif time.monotonic() > deadline:
            self._context.link.answer(channel, error="some processes do not die", errno=errno.EBUSY)
        else:
            self._context.loop.at(_SWEEP_SECONDS, lambda: self._sweep(channel, deadline))

    def _child_ended(self) -> None:
        os.read(self._awake, 4096)
        self._reap()

    def _reap(self) -> None:
        """Collect every child that died: supervisors, and orphans of a supervisor that was killed."""
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._context.died(pid)

    def _watch(self) -> None:
        self._context.loop.at(_WATCH_SECONDS, self._watch)
        self._context.look()


def act(order: dict[str, Any]) -> int:
    """Carry out an order of the host that is no command, as the user and in a process of its own; its exit code."""
    match order:
        case {"write": True}:
            return write_files()
        case {"read": path, "limit": limit}:
            return read_file(path, limit)
        case {"pack": folders, "files_limit": limit}:
            return pack(folders, limit)
        case {"unpack": folders}:
            return unpack(folders)
    return 126


def main(config: dict[str, Any]) -> NoReturn:
    for folder in config["own"]:
        os.chown(folder, config["user"], config["user"])
    protect()
    if config["filter"]:
        filter_system_calls(bytes.fromhex(config["filter"]))
    os.umask(0o022)
    give_back()
    Guest(config).serve()
