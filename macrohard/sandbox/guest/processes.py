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

    Action = Callable[[], int]
    """Runs as the user, in a process of its own whose exit code it returns, if it returns."""

_PR_SET_DUMPABLE, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 4, 15, 36
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAP_KILL, _CAP_SETGID, _CAP_SETUID = 5, 6, 7
_CAPABILITY_VERSION = 0x20080522
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


def supervise(user: User, action: Action, stdin: int, stdout: int, stderr: int, status: int) -> NoReturn:
    """Be the process above one command: start it, report its exit code, and stay until its last descendant is dead.

    As a subreaper it inherits what the command leaves behind, also after a double fork and a new session.
    """
    for end, number in ((stdin, 0), (stdout, 1), (stderr, 2)):
        os.dup2(end, number)
    os.dup2(status, 3, inheritable=False)
    os.closerange(4, 1 << 16)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _prctl(_PR_SET_NAME, b"supervisor", 0, 0, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    try:
        main = os.fork()
    except OSError as error:
        os.write(2, f"cannot start: {error.strerror}\n".encode())
        os.write(3, (126).to_bytes(4, "big"))
        os._exit(0)
    if main == 0:
        os.close(3)
        _be_main(user, action)
    # Held open here, these would keep the other ends from ever seeing their end.
    os.closerange(0, 3)
    while True:
        try:
            pid, ended = os.wait()
        except ChildProcessError:
            os._exit(0)
        if pid == main:
            code = os.waitstatus_to_exitcode(ended)
            os.write(3, (code if code >= 0 else 128 - code).to_bytes(4, "big"))
            os.close(3)


def _be_main(user: User, action: Action) -> NoReturn:
    try:
        os.setsid()
        # The first to go when memory runs out; written before the change of user, which takes away the right to.
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
            score.write("900")
        user.become()
        os._exit(action())
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


def kill_descendants(root: int) -> None:
    """Freeze first: what is stopped cannot fork, and keeps its place under the limit, so that this ends."""
    frozen: set[int] = set()
    while True:
        family, known = {root}, dict(live_processes())
        while grown := {pid for pid, parent in known.items() if parent in family and pid not in family}:
            family |= grown
        fresh = family - frozen - {root}
        if not fresh:
            break
        for pid in fresh:
            signal_to(pid, signal.SIGSTOP)
        frozen |= fresh
    for pid in frozen:
        signal_to(pid, signal.SIGKILL)


def signal_to(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
