"""Processes inside: started so that nothing can hide from its killer, and without any privilege."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import NoReturn

_PR_SET_DUMPABLE, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 4, 15, 36
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAP_KILL, _CAP_SETGID, _CAP_SETUID = 5, 6, 7
_CAPABILITY_VERSION = 0x20080522
NO_ROOM = 0x100 | 126
"""Reported instead of an exit code when there was no room for the command's process."""
_prctl, _capset = ctypes.CDLL(None).prctl, ctypes.CDLL(None).capset


class User:
    """The unprivileged user who runs every command, and the limits of each of their processes."""

    def __init__(self, number: int, rlimits: dict[str, int]) -> None:
        self._number = number
        self._rlimits = [(getattr(resource, "RLIMIT_" + name.upper()), value) for name, value in rlimits.items()]

    def become(self) -> None:
        for limit, value in self._rlimits:
            resource.setrlimit(limit, (value, value))
        os.setgroups([])
        os.setresgid(self._number, self._number, self._number)
        os.setresuid(self._number, self._number, self._number)


def protect() -> None:
    """Close this process's memory and descriptors to all others, and give up what was only needed to get here."""
    _prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    _prctl(_PR_SET_NAME, b"guest", 0, 0, 0)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    kept = sum(1 << capability for capability in (_CAP_KILL, _CAP_SETGID, _CAP_SETUID))
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    if _capset(header, struct.pack("6I", kept, kept, 0, 0, 0, 0)):
        raise OSError("the guest lacks its own capabilities")


class Prepared:
    """A command that has still to be told what it is, made before it is needed because making it takes time.

    Its supervisor stays above it. As a subreaper it inherits what the command leaves behind, also after a double fork
    and a new session, reports the exit code on `status`, and ends when its last descendant is dead.

    Raises:
        OSError: there is no room for another process.
    """

    def __init__(self, user: User, act: Callable[[bytes], int]) -> None:
        stdin, self.stdin = os.pipe()
        self.stdout, stdout = os.pipe()
        self.stderr, stderr = os.pipe()
        self.status, status = os.pipe()
        order, self._order = os.pipe()
        theirs = (stdin, stdout, stderr, status, order)
        try:
            self.supervisor = os.fork()
        except OSError:
            self._close((*theirs, self.stdin, self.stdout, self.stderr, self.status, self._order))
            raise
        if self.supervisor == 0:
            _supervise(user, act, theirs)
        self._close(theirs)

    def tell(self, order: bytes) -> bool:
        """Let it go; false if it has died in the meantime."""
        try:
            while order:
                order = order[os.write(self._order, order) :]
        except BrokenPipeError:
            self._close((self.stdin, self.stdout, self.stderr, self.status, self._order))
            return False
        os.close(self._order)
        return True

    @staticmethod
    def _close(descriptors: tuple[int, ...]) -> None:
        for descriptor in descriptors:
            os.close(descriptor)


def _supervise(user: User, act: Callable[[bytes], int], descriptors: tuple[int, ...]) -> NoReturn:
    # All are above 4: lower numbers belong to what process 1 opened first and never closes.
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number, inheritable=number <= 2)
    os.closerange(5, 1 << 16)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _prctl(_PR_SET_NAME, b"supervisor", 0, 0, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    try:
        main = os.fork()
    except OSError as error:
        os.write(2, f"cannot start: {error.strerror}\n".encode())
        os.write(3, NO_ROOM.to_bytes(4, "big"))
        os._exit(0)
    if main == 0:
        os.close(3)
        _be_main(user, act)
    # Held open here, these would keep the other ends from ever seeing their end.
    os.closerange(0, 3)
    os.close(4)
    while True:
        try:
            pid, ended = os.wait()
        except ChildProcessError:
            os._exit(0)
        if pid == main:
            code = os.waitstatus_to_exitcode(ended)
            os.write(3, (code if code >= 0 else 128 - code).to_bytes(4, "big"))
            os.close(3)


def _be_main(user: User, act: Callable[[bytes], int]) -> NoReturn:
    try:
        os.setsid()
        # The first to go when memory runs out; written before the change of user, which takes away the right to.
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
            score.write("900")
        order = bytearray()
        while data := os.read(4, 1 << 16):
            order += data
        os.close(4)
        user.become()
        os._exit(act(bytes(order)))
    except OSError as error:
        what = f": {error.filename}" if error.filename else ""
        os.write(2, f"cannot start: {error.strerror}{what}\n".encode("utf-8", "surrogateescape"))
    finally:
        os._exit(126)


def live_processes() -> Iterator[tuple[int, int]]:
    """Every process that is not a zombie, with its parent."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] not in (b"Z", b"X"):
                yield int(name), int(fields[1])


def kill_under(supervisor: int) -> None:
    """Kill all that a supervisor is above; it then ends by itself.

    Freeze first: what is stopped cannot fork, and keeps its place under the limit, so that this ends.
    """
    signal_to(supervisor, signal.SIGSTOP)
    frozen: set[int] = set()
    while True:
        family, known = {supervisor}, dict(live_processes())
        while grown := {pid for pid, parent in known.items() if parent in family and pid not in family}:
            family |= grown
        fresh = family - frozen - {supervisor}
        if not fresh:
            break
        for pid in fresh:
            signal_to(pid, signal.SIGSTOP)
        frozen |= fresh
    for pid in frozen:
        signal_to(pid, signal.SIGKILL)
    # One that is above nothing has not come to start it.
    signal_to(supervisor, signal.SIGCONT if frozen else signal.SIGKILL)


def signal_to(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
