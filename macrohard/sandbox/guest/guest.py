"""Process 1 of every sandbox: runs commands, moves files and opens connections for the host, over two pipes.

Standard library only, because it runs on the Python of the image.
Everything that a command prints travels as counted data inside frames: nothing is ever parsed from output.

A frame is a kind, a channel number and a length, then that many bytes. The host opens a channel with OPEN (JSON);
the guest ends it with RESULT (JSON). In between DATA, ERRORS and END carry the streams, CREDIT hands back room in a
stream's window.
"""

import ctypes
import errno
import json
import os
import resource
import selectors
import signal
import socket
import stat
import struct
import sys
import time
from collections import deque

HEADER = struct.Struct("!BII")
ENTRY = struct.Struct("!HI")
CREDIT_BODY = struct.Struct("!BI")
OPEN, DATA, ERRORS, END, CREDIT, RESULT, CONNECTED = range(1, 8)
CHUNK = 1 << 16
FRAME_LIMIT = 1 << 20
WINDOW = 1 << 20
DRAIN_SECONDS = 0.05
KILL_SECONDS = 5.0
WATCH_SECONDS = 0.25

PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 4, 15, 36
libc = ctypes.CDLL(None)
config = json.loads(sys.argv[2])


class Link:
    """The two pipes to the host. Never blocks; what cannot be sent yet waits, bounded by the streams' windows."""

    def __init__(self):
        self.source, self.sink = os.dup(0), os.dup(1)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        os.close(null)
        os.set_blocking(self.source, False)
        os.set_blocking(self.sink, False)
        self.incoming, self.outgoing, self.waiting = bytearray(), deque(), False
        watch(self.source, selectors.EVENT_READ, self.readable)

    def send(self, kind, channel, body=b""):
        self.outgoing.append(HEADER.pack(kind, channel, len(body)) + body)
        if not self.waiting:
            self.writable()

    def answer(self, channel, **fields):
        self.send(RESULT, channel, json.dumps(fields).encode())

    def writable(self):
        while self.outgoing:
            try:
                sent = os.write(self.sink, self.outgoing[0])
            except BlockingIOError:
                sent = 0
            except BrokenPipeError:
                os._exit(0)
            if sent < len(self.outgoing[0]):
                self.outgoing[0] = memoryview(self.outgoing[0])[sent:]
                break
            self.outgoing.popleft()
        if bool(self.outgoing) != self.waiting:
            self.waiting = not self.waiting
            if self.waiting:
                watch(self.sink, selectors.EVENT_WRITE, self.writable)
            else:
                unwatch(self.sink, selectors.EVENT_WRITE)

    def readable(self):
        try:
            received = os.read(self.source, 4 * CHUNK)
        except BlockingIOError:
            return
        if not received:
            # The host is gone, by whatever death. With process 1 the kernel ends everything else in here.
            os._exit(0)
        self.incoming += received
        while len(self.incoming) >= HEADER.size:
            kind, channel, size = HEADER.unpack_from(self.incoming)
            if size > FRAME_LIMIT:
                os._exit(70)
            if len(self.incoming) < HEADER.size + size:
                break
            body = bytes(self.incoming[HEADER.size : HEADER.size + size])
            del self.incoming[: HEADER.size + size]
            handle(kind, channel, body)


class Inlet:
    """Feeds what the host sends into a file descriptor, and tells the host as it goes out."""

    def __init__(self, channel, target, close):
        self.channel, self.target, self.close = channel, target, close
        self.queue, self.ending, self.closed, self.waiting = deque(), False, False, False
        os.set_blocking(target, False)

    def put(self, data):
        if self.closed:
            link.send(CREDIT, self.channel, CREDIT_BODY.pack(0, len(data)))
            return
        self.queue.append(data)
        if not self.waiting:
            self.writable()

    def end(self):
        self.ending = True
        if not self.waiting:
            self.writable()

    def writable(self):
        while self.queue and not self.closed:
            try:
                sent = os.write(self.target, self.queue[0])
            except BlockingIOError:
                break
            except OSError:
                # Nobody reads any more: as for a shell pipeline, the rest is dropped.
                self.shut()
                return
            link.send(CREDIT, self.channel, CREDIT_BODY.pack(0, sent))
            if sent < len(self.queue[0]):
                self.queue[0] = self.queue[0][sent:]
            else:
                self.queue.popleft()
        if bool(self.queue) != self.waiting:
            self.waiting = not self.waiting
            if self.waiting:
                watch(self.target, selectors.EVENT_WRITE, self.writable)
            else:
                unwatch(self.target, selectors.EVENT_WRITE)
        if self.ending and not self.queue:
            self.shut()

    def shut(self):
        if self.closed:
            return
        self.closed = True
        if self.waiting:
            unwatch(self.target, selectors.EVENT_WRITE)
        dropped = sum(len(data) for data in self.queue)
        self.queue.clear()
        if dropped:
            link.send(CREDIT, self.channel, CREDIT_BODY.pack(0, dropped))
        self.close()


class Outlet:
    """Sends what can be read from a file descriptor, within the window that the host grants.

    With a full window it either holds the writer up, or (`counting`) drops and counts.
    """

    def __init__(self, owner, number, source, *, kind, window, counting):
        self.owner, self.number, self.source, self.kind = owner, number, source, kind
        self.window, self.counting, self.dropped = window, counting, 0
        self.open, self.paused, self.muted = True, False, False
        os.set_blocking(source, False)
        watch(source, selectors.EVENT_READ, self.readable)

    def readable(self):
        try:
            data = os.read(self.source, CHUNK if self.counting else max(1, min(CHUNK, self.window)))
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
        if self.counting:
            self.dropped += max(0, len(data) - self.window)
            data = data[: self.window]
        if data:
            self.window -= len(data)
            link.send(self.kind, self.owner.channel, data)
        if not self.counting and self.window == 0:
            self.paused = True
            unwatch(self.source, selectors.EVENT_READ)
        return True

    def drain(self):
        """Take what is in the pipe now, at most about one pipe full."""
        for _ in range(4):
            if not self.open or not self.readable():
                break

    def grant(self, room):
        self.window += room
        if self.paused and self.open:
            self.paused = False
            watch(self.source, selectors.EVENT_READ, self.readable)

    def stop(self):
        if not self.open:
            return
        self.open = False
        if not self.paused:
            unwatch(self.source, selectors.EVENT_READ)
        self.owner.stream_closed(self)


class Job:
    """One supervised command.

    Its supervisor is a subreaper: whatever the command starts stays its descendant, also after a double fork and a
    new session, so that nothing can hide from `kill`.
    """

    def __init__(self, channel, action, request):
        self.channel, self.counting = channel, request["counting"]
        self.exit_code, self.answered, self.dead, self.timed_out, self.killers = None, False, False, False, []
        self.before = limit_counters()
        inner_in, outer_in = os.pipe()
        outer_out, inner_out = os.pipe()
        outer_err, inner_err = os.pipe()
        self.status, inner_status = os.pipe()
        try:
            self.supervisor = os.fork()
        except OSError as error:
            for end in (outer_in, outer_out, outer_err, self.status, inner_in, inner_out, inner_err, inner_status):
                os.close(end)
            link.answer(channel, error=error.strerror, errno=error.errno)
            return
        if self.supervisor == 0:
            supervise(action, inner_in, inner_out, inner_err, inner_status)
        for end in (inner_in, inner_out, inner_err, inner_status):
            os.close(end)
        jobs[channel] = supervisors[self.supervisor] = self
        self.inlet = Inlet(channel, outer_in, lambda: os.close(outer_in))
        self.streams = [
            Outlet(self, number, end, kind=kind, window=request["window"], counting=self.counting)
            for number, end, kind in ((0, outer_out, DATA), (1, outer_err, ERRORS))
        ]
        watch(self.status, selectors.EVENT_READ, self.main_ended)
        self.alarm = None if request["seconds"] is None else at(request["seconds"], self.expire)

    def stream_closed(self, stream):
        os.close(stream.source)
        if not self.answered or not self.counting:
            link.send(END, self.channel, bytes([stream.number]))
        self.settle()

    def main_ended(self):
        unwatch(self.status, selectors.EVENT_READ)
        report = os.read(self.status, 4)
        os.close(self.status)
        # A supervisor that was killed itself reports nothing.
        self.exit_code = int.from_bytes(report, "big") if len(report) == 4 else 137
        cancel(self.alarm)
        at(DRAIN_SECONDS, self.answer)
        self.settle()

    def expire(self):
        self.timed_out = True
        self.kill(None)

    def kill(self, killer):
        self.killers.append(killer)
        kill_descendants(self.supervisor)

    def supervisor_ended(self):
        self.dead = True
        del supervisors[self.supervisor]
        if self.exit_code is None:
            self.main_ended()
        self.settle()
        for killer in self.killers:
            if killer is not None:
                link.answer(killer)

    def settle(self):
        complete = not any(stream.open for stream in self.streams)
        if self.exit_code is not None and (complete or not self.counting):
            self.answer()
        if self.dead and complete:
            jobs.pop(self.channel, None)

    def answer(self):
        """Tell the end of the command: with its whole output if that is counted, and after a kill once all is dead."""
        if self.answered or (self.killers and not self.dead):
            return
        self.answered = True
        if self.counting:
            for stream in self.streams:
                stream.drain()
        hits = [name for name, count in limit_counters().items() if count > self.before.get(name, 0)]
        link.answer(
            self.channel,
            code=137 if self.timed_out else self.exit_code,
            dropped=sum(stream.dropped for stream in self.streams),
            timed_out=self.timed_out,
            hits=hits + full_folders(),
        )
        if self.counting:
            for stream in self.streams:
                stream.muted = True
        self.inlet.shut()


class Connection:
    """A TCP connection to a port on the sandbox's own loopback."""

    def __init__(self, channel, port):
        self.channel = channel
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.inlet = self.outlet = None
        jobs[channel] = self
        problem = self.socket.connect_ex(("127.0.0.1", port))
        if problem not in (0, errno.EINPROGRESS):
            self.fail(problem)
        else:
            watch(self.socket.fileno(), selectors.EVENT_WRITE, self.connected)

    def fail(self, problem):
        self.socket.close()
        del jobs[self.channel]
        link.answer(self.channel, error=os.strerror(problem), errno=problem)

    def connected(self):
        descriptor = self.socket.fileno()
        unwatch(descriptor, selectors.EVENT_WRITE)
        problem = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            self.fail(problem)
            return
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.send(CONNECTED, self.channel)
        self.inlet = Inlet(self.channel, descriptor, self.inlet_closed)
        self.outlet = Outlet(self, 0, descriptor, kind=DATA, window=WINDOW, counting=False)
        self.streams = [self.outlet]

    def inlet_closed(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.settle()

    def stream_closed(self, stream):
        link.send(END, self.channel, bytes([stream.number]))
        self.settle()

    def settle(self):
        if self.inlet.closed and not self.outlet.open and self.channel in jobs:
            del jobs[self.channel]
            self.socket.close()
            link.answer(self.channel)

    def kill(self, killer):
        if self.inlet is None:
            unwatch(self.socket.fileno(), selectors.EVENT_WRITE)
            self.fail(errno.ECONNABORTED)
        else:
            self.inlet.shut()
            self.outlet.stop()
        link.answer(killer)


def handle(kind, channel, body):
    """Act on one frame of the host."""
    if kind == OPEN:
        request = json.loads(body)
        OPERATIONS[request["op"]](channel, request)
        return
    job = jobs.get(channel)
    if job is None:
        return
    if kind == DATA:
        job.inlet.put(body)
    elif kind == END:
        job.inlet.end()
    elif kind == CREDIT:
        stream, room = CREDIT_BODY.unpack(body)
        job.streams[stream].grant(room)


def run(channel, request):
    environment = {**os.environ, **request["environment"]}

    def action():
        os.chdir(request["directory"])
        os.execve("/bin/bash", ["bash", "-c", request["command"]], environment)

    Job(channel, action, request)


def write(channel, request):
    Job(channel, write_files, request)


def read(channel, request):
    Job(channel, lambda: read_file(request["path"], request["limit"]), request)


def connect(channel, request):
    Connection(channel, request["port"])


def ping(channel, request):
    link.answer(channel)


def kill(channel, request):
    """Kill one job with all its descendants; answers when they are dead."""
    job = jobs.get(request["channel"])
    if job is None:
        link.answer(channel)
    else:
        job.kill(channel)


def kill_all(channel, request):
    """Kill every process but this one; answers when none is left."""
    deadline = time.monotonic() + KILL_SECONDS
    while True:
        try:
            # One call under the kernel's lock on processes: no fork slips through. And it needs no process of its
            # own, for which there may be no room.
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
        reap()
        if not any(pid > 1 for pid, _ in processes()):
            link.answer(channel)
            return
        if time.monotonic() > deadline:
            link.answer(channel, error="some processes do not die", errno=errno.EBUSY)
            return
        time.sleep(0.001)


OPERATIONS = {
    "run": run,
    "write": write,
    "read": read,
    "connect": connect,
    "ping": ping,
    "kill": kill,
    "kill_all": kill_all,
}


def supervise(action, stdin, stdout, stderr, status):
    """Fork the command, report its exit code, and stay until its last descendant is dead. Never returns."""
    for end, number in ((stdin, 0), (stdout, 1), (stderr, 2)):
        os.dup2(end, number)
    os.dup2(status, 3, inheritable=False)
    os.closerange(4, 1 << 16)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_NAME, b"supervisor", 0, 0, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        main = os.fork()
    except OSError as error:
        os.write(2, f"cannot start a process: {error.strerror}\n".encode())
        os.write(3, (126).to_bytes(4, "big"))
        os._exit(0)
    if main == 0:
        os.close(3)
        os.setsid()
        try:
            # Before the change of user, which would take away the right to write it.
            with open("/proc/self/oom_score_adj", "w") as score:
                score.write("900")
        except OSError:
            pass
        become_user()
        try:
            os._exit(action() or 0)
        except OSError as error:
            what = f": {error.filename}" if error.filename else ""
            os.write(2, f"cannot start: {error.strerror}{what}\n".encode("utf-8", "surrogateescape"))
            os._exit(126)
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


def become_user():
    for name, value in config["rlimits"].items():
        number = getattr(resource, "RLIMIT_" + name.upper())
        resource.setrlimit(number, (value, value))
    if os.getuid() == 0 and config["uid"] != 0:
        os.setgroups([])
        os.setresgid(config["uid"], config["uid"], config["uid"])
        os.setresuid(config["uid"], config["uid"], config["uid"])


def write_files():
    """Take files from standard input; as the user, so that it can do nothing that a command could not."""
    source = os.fdopen(0, "rb", buffering=1 << 18)
    path = b""
    try:
        while header := source.read(ENTRY.size):
            length, size = ENTRY.unpack(header)
            path = source.read(length)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o644)
            if not stat.S_ISREG(os.fstat(target).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            while size:
                data = memoryview(source.read(min(size, CHUNK)))
                size -= len(data)
                if not data:
                    raise OSError(errno.EPIPE, "the files ended early")
                while data:
                    data = data[os.write(target, data) :]
            os.close(target)
    except OSError as error:
        os.write(1, path + b": " + (error.strerror or "cannot be written").encode())
        return 1
    return 0


def read_file(path, limit):
    """Give a file on standard output; the exit code is the error number."""
    try:
        source = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        found = os.fstat(source)
        if stat.S_ISDIR(found.st_mode):
            return errno.EISDIR
        if not stat.S_ISREG(found.st_mode):
            return errno.EINVAL
        if found.st_size > limit:
            return errno.EFBIG
        while limit >= 0 and (data := os.read(source, min(CHUNK, limit + 1))):
            limit -= len(data)
            while data:
                data = data[os.write(1, data) :]
        return errno.EFBIG if limit < 0 else 0
    except OSError as error:
        return error.errno


def processes():
    """Every live process in the sandbox with its parent."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields[0] not in (b"Z", b"X"):
                yield int(name), int(fields[1])


def kill_descendants(root):
    """Freeze first: what is stopped cannot fork, and keeps its place under the limit, so that this ends."""
    frozen = set()
    while True:
        family, known = {root}, dict(processes())
        while grown := {pid for pid, parent in known.items() if parent in family and pid not in family}:
            family |= grown
        if not (fresh := family - frozen - {root}):
            break
        for pid in fresh:
            signal_to(pid, signal.SIGSTOP)
        frozen |= fresh
    for pid in frozen:
        signal_to(pid, signal.SIGKILL)


def signal_to(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def limit_counters():
    """How often each limit was hit so far."""
    counters = dict(watched)
    for name, word, paths in (
        ("memory", b"oom_kill", ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")),
        ("pids", b"max", ("/sys/fs/cgroup/pids.events", "/sys/fs/cgroup/pids/pids.events")),
    ):
        for path in paths:
            try:
                with open(path, "rb") as file:
                    lines = [line.split() for line in file]
            except OSError:
                continue
            counters[name] = counters.get(name, 0) + sum(int(line[1]) for line in lines if line[0] == word)
            break
    return counters


def full_folders():
    full = []
    for folder in config["folders"]:
        space = os.statvfs(folder)
        if space.f_bavail * space.f_frsize < 4096 or space.f_favail == 0 < space.f_files:
            full.append(folder)
    return full


def watch_memory():
    """Where no control group limits all processes together: kill the largest one when their sum is too much."""
    at(WATCH_SECONDS, watch_memory)
    sizes = []
    for pid, _ in processes():
        if pid > 1 and pid not in supervisors:
            try:
                with open(f"/proc/{pid}/statm", "rb") as file:
                    fields = file.read().split()
            except OSError:
                continue
            sizes.append(((int(fields[1]) - int(fields[2])) * 4096, pid))
    if sum(size for size, _ in sizes) > config["watch_memory_bytes"]:
        watched["memory"] = watched.get("memory", 0) + 1
        signal_to(max(sizes)[1], signal.SIGKILL)


def watch(descriptor, event, callback):
    """Call back when the descriptor is ready; reading and writing of one descriptor are watched independently."""
    callbacks = ready.setdefault(descriptor, {})
    callbacks[event] = callback
    update(descriptor, callbacks, known=len(callbacks) > 1)


def unwatch(descriptor, event):
    callbacks = ready[descriptor]
    del callbacks[event]
    if callbacks:
        update(descriptor, callbacks, known=True)
    else:
        del ready[descriptor]
        selector.unregister(descriptor)


def update(descriptor, callbacks, known):
    (selector.modify if known else selector.register)(descriptor, sum(callbacks), None)


def at(seconds, callback):
    alarm = [time.monotonic() + seconds, callback]
    alarms.append(alarm)
    return alarm


def cancel(alarm):
    if alarm in alarms:
        alarms.remove(alarm)


def reap():
    """Collect every child that died: supervisors of ours, and orphans of a supervisor that was killed."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in supervisors:
            supervisors[pid].supervisor_ended()


def hello():
    with open("/proc/self/uid_map") as file:
        mapping = file.read().split()
    with open("/proc/version") as file:
        kernel = file.read().strip()
    link.answer(0, uid_map=mapping, kernel=kernel, uid=os.getuid(), python=sys.version.split()[0])


jobs, supervisors, ready, alarms, watched = {}, {}, {}, [], {}
selector = selectors.DefaultSelector()
libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
libc.prctl(PR_SET_NAME, b"guest", 0, 0, 0)
os.umask(0o022)
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
signal.signal(signal.SIGCHLD, lambda *_: None)
wake_reader, wake_writer = os.pipe()
os.set_blocking(wake_reader, False)
os.set_blocking(wake_writer, False)
signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
link = Link()
watch(wake_reader, selectors.EVENT_READ, lambda: (os.read(wake_reader, 4096), reap()))
at(config["lifetime_seconds"], lambda: os._exit(0))
if config["watch_memory_bytes"]:
    watch_memory()
hello()
while True:
    events = selector.select(max(0.0, min(alarm[0] for alarm in alarms) - time.monotonic()))
    for key, mask in events:
        for event, callback in list(ready.get(key.fd, {}).items()):
            # A callback before this one may have closed the descriptor.
            if mask & event and ready.get(key.fd, {}).get(event) is callback:
                callback()
    now = time.monotonic()
    for alarm in [alarm for alarm in alarms if alarm[0] <= now]:
        cancel(alarm)
        alarm[1]()
