"""Processes inside: started so that nothing can hide from its killer, and without any privilege."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import marshal
import os
import resource
import signal
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from typing import Any, NoReturn

    from macrohard.sandbox.guest.jobs import Job

_PR_SET_DUMPABLE, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 4, 15, 36
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 22, 38, 2
_CAP_KILL, _CAP_SETGID, _CAP_SETUID = 5, 6, 7
_CAPABILITY_VERSION = 0x20080522
_LENGTH, _STREAMS = struct.Struct("!I"), struct.Struct("3i")
NO_ROOM = 0x100 | 126
"""Reported instead of an exit code when there was no room for the command's process."""
FREE = 0x200
"""Reported when nothing of the command is left."""
_C = ctypes.CDLL(None)
_prctl, _capset = _C.prctl, _C.capset


class User:
    """The unprivileged user who runs every command, and the limits of each of their processes."""

    def __init__(self, number: int, rlimits: dict[str, int]) -> None:
        self.number = number
        self._rlimits = [(getattr(resource, "RLIMIT_" + name.upper()), value) for name, value in rlimits.items()]

    def prepare(self) -> None:
        """Be in the user's group and limits already, as root; for good."""
        for limit, value in self._rlimits:
            resource.setrlimit(limit, (value, value))
        os.setgroups([])
        os.setresgid(self.number, self.number, self.number)

    def become(self) -> None:
        """Be the user, for good."""
        os.setresuid(self.number, self.number, self.number)


def give_back() -> None:
    """Return to the kernel what reading the program took: every sandbox that waits has it."""
    gc.collect()
    _C.malloc_trim(0)


def protect() -> None:
    """Close this process's memory and descriptors to all others, and give up what was only needed to get here."""
    _prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    _prctl(_PR_SET_NAME, b"guest", 0, 0, 0)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    kept = sum(1 << capability for capability in (_CAP_KILL, _CAP_SETGID, _CAP_SETUID))
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    if _capset(header, struct.pack("6I", kept, kept, 0, 0, 0, 0)):
        raise OSError("the guest lacks its own capabilities")


def filter_system_calls(program: bytes) -> None:
    """Refuse, from here on and in every process to come, what a compiled seccomp profile does not allow."""
    instructions = ctypes.create_string_buffer(program, len(program))
    count = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(instructions))
    if _prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, count, 0, 0):
        raise OSError("the kernel takes no list of system calls")


class Supervisor:
    """A process above one command at a time, or one of our own actions.

    As a subreaper it inherits what the command leaves behind, also after a double fork and a new session. It is free
    for another command only when the last descendant of this one is dead.

    Raises:
        OSError: there is no room for another process.
    """

    def __init__(self, user: User, act: Callable[[dict[str, Any]], int]) -> None:
        self.job: Job | None = None
        self.open = True
        self._socket, theirs = socket.socketpair()
        try:
            self.pid = os.fork()
        except OSError:
            self._socket.close()
            theirs.close()
            raise
        if self.pid == 0:
            _Supervising(user, act, theirs.detach()).serve()
        theirs.close()
        self.reports = self._socket.fileno()

    def start(self, order: dict[str, Any], descriptors: tuple[int, int, int]) -> bool:
        """Have an order carried out with these as its standard streams; false if the supervisor has died."""
        text = marshal.dumps(order)
        text = _LENGTH.pack(len(text)) + text
        try:
            sent = socket.send_fds(self._socket, [text], descriptors)
            self._socket.sendall(text[sent:])
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def report(self) -> list[int]:
        """What it says now: an exit code, `NO_ROOM`, `FREE`; nothing once it has died."""
        try:
            said = self._socket.recv(1 << 10, socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionResetError):
            return []
        return [int.from_bytes(said[at : at + 4], "big") for at in range(0, len(said), 4)]

    def close(self) -> None:
        """It ends by this if it is free."""
        self._socket.close()
        self.open = False


class _Supervising:
    """The supervisor's own side."""

    def __init__(self, user: User, act: Callable[[dict[str, Any]], int], end: int) -> None:
        # Nothing else of process 1 may stay open here: not its way to the host, and no end of another command's pipes.
        os.dup2(0, 2)
        os.dup2(end, 3, inheritable=False)
        os.closerange(4, 1 << 16)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        _prctl(_PR_SET_NAME, b"supervisor", 0, 0, 0)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        # What it would find are copies of what process 1 has open, closed here by numbers that mean something else now.
        gc.disable()
        self._user, self._act, self._socket = user, act, socket.socket(fileno=3)
        self._environment = dict(os.environ)
        self._score: int | None = None
        with contextlib.suppress(OSError):
            self._score = os.open("/proc/self/oom_score_adj", os.O_RDWR)
            self._own_score = os.read(self._score, 16)

    def serve(self) -> NoReturn:
        try:
            self._user.prepare()
            while True:
                order, descriptors = self._next()
                main = self._start(order, descriptors)
                for descriptor in descriptors:
                    os.close(descriptor)
                self._outlive(main)
        finally:
            os._exit(0)

    def _next(self) -> tuple[dict[str, Any], tuple[int, ...]]:
        text, sent, _, _ = self._socket.recvmsg(1 << 16, socket.CMSG_LEN(_STREAMS.size), socket.MSG_CMSG_CLOEXEC)
        if not text:
            os._exit(0)
        descriptors = _STREAMS.unpack(sent[0][2])
        missing = _LENGTH.size + _LENGTH.unpack_from(text)[0] - len(text)
        while missing:
            more = self._socket.recv(missing)
            text, missing = text + more, missing - len(more)
        return marshal.loads(text[_LENGTH.size :]), descriptors

    def _start(self, order: dict[str, Any], descriptors: tuple[int, ...]) -> int | None:
        try:
            self._set_score(b"900")
            if "words" in order:
                return self._spawn(order, descriptors)
            main = os.fork()
        except (OSError, ValueError) as error:
            reason, number = str(error), None
            if isinstance(error, OSError):
                reason, number = f"{error.strerror}{f': {error.filename}' if error.filename else ''}", error.errno
            os.write(descriptors[2], f"cannot start: {reason}\n".encode("utf-8", "surrogateescape"))
            no_program = isinstance(error, FileNotFoundError) and error.filename == order["words"][0]
            self._say(NO_ROOM if number == errno.EAGAIN else 127 if no_program else 126)
            return None
        finally:
            self._set_score(self._own_score)
        if main == 0:
            self._be_main(order, descriptors)
        return main

    def _spawn(self, order: dict[str, Any], descriptors: tuple[int, ...]) -> int:
        """Start a command without a fork, which would copy most of this process's memory.

        The kernel lets a child that shares our memory drop to the real user, so that is the user for this moment: the
        only one in which a command can signal a supervisor, and then it is its own or one that starts its neighbour.
        """
        user = self._user.number
        environment = self._environment | order["environment"]
        try:
            # As the user, who may go where root without its privileges may not.
            os.setresuid(user, user, 0)
            os.chdir(order["directory"])
            program = _found(order["words"][0], environment)
            os.setresuid(user, 0, 0)
            return os.posix_spawn(
                program,
                order["words"],
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, their, number) for number, their in enumerate(descriptors)],
                resetids=True,
                setsid=True,
            )
        finally:
            os.setresuid(0, 0, 0)

    def _be_main(self, order: dict[str, Any], descriptors: tuple[int, ...]) -> NoReturn:
        try:
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
            os.closerange(3, 1 << 16)
            os.setsid()
            self._user.become()
            os._exit(self._act(order))
        finally:
            os._exit(126)

    def _set_score(self, score: bytes) -> None:
        """Let commands be the first to go when memory runs out: it is inherited, and the user may not lower it."""
        if self._score is not None:
            os.pwrite(self._score, score, 0)

    def _outlive(self, main: int | None) -> None:
        """Wait until nothing is left; say the exit code as soon as it is known."""
        code, patience = None, 0
        while True:
            try:
                pid, ended = os.waitpid(-1, patience)
            except ChildProcessError:
                break
            if pid == 0:
                self._say(code)
                code, patience = None, 0
            elif pid == main:
                code, patience = os.waitstatus_to_exitcode(ended), os.WNOHANG
                code = code if code >= 0 else 128 - code
        self._say(code, FREE)

    def _say(self, *words: int | None) -> None:
        self._socket.sendall(b"".join(word.to_bytes(4, "big") for word in words if word is not None))


def _found(program: str, environment: dict[str, str]) -> str:
    """Where the real user has a program of this name.

    Raises:
        FileNotFoundError: nowhere.
    """
    if "/" in program:
        return program
    for folder in environment.get("PATH", os.defpath).split(":"):
        path = f"{folder or '.'}/{program}"
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)


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
    """Kill all that a supervisor is above."""
    signal_to(supervisor, signal.SIGSTOP)
    killed = _kill_below({supervisor})
    # One that is above nothing has not come to start it.
    signal_to(supervisor, signal.SIGCONT if killed else signal.SIGKILL)


def kill_strays(supervisors: Collection[int]) -> bool:
    """Kill what has no supervisor any more, and all below that; whether there was any."""
    return _kill_below({os.getpid()}, spared=supervisors)


def _kill_below(tops: set[int], *, spared: Collection[int] = ()) -> bool:
    """Freeze first: what is stopped cannot fork, and keeps its place under the limit, so that this ends."""
    frozen: set[int] = set()
    while True:
        family = set(tops)
        known = {pid: parent for pid, parent in live_processes() if pid not in spared and parent not in spared}
        while grown := {pid for pid, parent in known.items() if parent in family and pid not in family}:
            family |= grown
        fresh = family - frozen - tops
        if not fresh:
            break
        for pid in fresh:
            signal_to(pid, signal.SIGSTOP)
        frozen |= fresh
    for pid in frozen:
        signal_to(pid, signal.SIGKILL)
    return bool(frozen)


def signal_to(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
