"""What limits were hit, read where the kernel counts it; and a watch over memory where no control group does."""

from __future__ import annotations

import os
import signal

from macrohard.sandbox.guest.processes import signal_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_COUNTERS = (
    ("memory", b"oom_kill", ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")),
    ("pids", b"max", ("/sys/fs/cgroup/pids.events", "/sys/fs/cgroup/pids/pids.events")),
    ("cpus", b"nr_throttled", ("/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/cpu/cpu.stat")),
)
"""Of control groups, second and first version."""
_PERIOD_SECONDS = 0.1
"""For so long at most a group is held up each time, by the kernel's default and that of every engine."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Ending:
    """What of a command's end may be the doing of a limit."""

    def __init__(self, *, no_room: bool, killed: bool, timed_out_after: float) -> None:
        """
        Args:
            no_room: it could not start, for want of a process.
            killed: by none of us.
            timed_out_after: so many seconds; 0 if it was not.
        """
        self.no_room, self.killed, self.timed_out_after = no_room, killed, timed_out_after


class Limits:
    """The sandbox's limits, as far as they can be watched from inside."""

    def __init__(self, folders: Sequence[str], *, memory_bytes: int, pids: int, own_kernel: bool) -> None:
        self._folders, self._memory_bytes, self._pids, self._own_kernel = folders, memory_bytes, pids, own_kernel
        self._seen = {"memory": 0, "pids": 0, "cpus": 0}
        # Held open, because they are read before and after each command.
        self._counters = [
            (name, word, os.open(path, os.O_RDONLY))
            for name, word, paths in _COUNTERS
            for path in paths
            if os.path.exists(path)
        ]
        self._read: dict[int, tuple[bytes, int]] = {}
        self._sees_memory = memory_bytes > 0 or any(name == "memory" for name, _, _ in self._counters)

    def counters(self) -> dict[str, int]:
        """How often each limit was hit so far."""
        found = dict(self._seen)
        for name, word, file in self._counters:
            text = os.pread(file, 4096, 0)
            known, count = self._read.get(file, (None, 0))
            if text != known:
                fields = dict(line.split(None, 1) for line in text.splitlines())
                count = int(fields.get(word, 0))
                self._read[file] = text, count
            found[name] += count
        return found

    def hits(self, before: dict[str, int], ending: Ending) -> list[str]:
        """The limits hit since then: "memory", "pids" and "cpus" where that is known and explains the end; "unknown";
        and each folder that is full, followed by how many files it may hold if it is full of those."""
        since = {name: count - before[name] for name, count in self.counters().items()}
        hits = []
        if since["memory"]:
            hits.append("memory")
        elif ending.killed and not self._sees_memory:
            hits.append("unknown")
        if since["pids"] or ending.no_room:
            hits.append("pids")
        if ending.timed_out_after and since["cpus"] * _PERIOD_SECONDS > ending.timed_out_after / 2:
            hits.append("cpus")
        for folder in self._folders:
            space = os.statvfs(folder)
            if space.f_bavail * space.f_frsize < _PAGE:
                hits.append(folder)
            elif space.f_favail == 0 < space.f_files:
                hits.append(f"{folder} {space.f_files}")
        return hits

    def look(self, spared: Collection[int]) -> None:
        """Where nothing else does: kill the largest process when all together use too much, and notice when no more
        may be started."""
        if not self._pids:
            return
        sizes, tasks = [], 0
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == 1 or int(name) in spared:
                continue
            try:
                with open(f"/proc/{name}/statm", "rb") as file:
                    fields = file.read().split()
                # Zombies too have their place under the limit.
                tasks += len(os.listdir(f"/proc/{name}/task"))
            except OSError:
                continue
            sizes.append(((int(fields[1]) - int(fields[2])) * _PAGE, int(name)))
        # A kernel of our own knows of all memory at once; its sizes of processes count twice what they share.
        in_use = _anonymous_bytes() if self._own_kernel else sum(size for size, _ in sizes)
        if in_use > self._memory_bytes and sizes:
            self._seen["memory"] += 1
            signal_to(max(sizes)[1], signal.SIGKILL)
        if tasks >= self._pids * 0.95:
            self._seen["pids"] += 1


def _anonymous_bytes() -> int:
    with open("/proc/meminfo", "rb") as file:
        return next((int(line.split()[1]) * 1024 for line in file if line.startswith(b"AnonPages:")), 0)
