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
)
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Limits:
    """The sandbox's limits, as far as they can be watched from inside."""

    def __init__(self, folders: Sequence[str], *, memory_bytes: int, pids: int, own_kernel: bool) -> None:
        self._folders, self._memory_bytes, self._pids, self._own_kernel = folders, memory_bytes, pids, own_kernel
        self._seen = {"memory": 0, "pids": 0}
        self._counters = [
            (name, word, path) for name, word, paths in _COUNTERS for path in paths if os.path.exists(path)
        ]

    def counters(self) -> dict[str, int]:
        """How often each limit was hit so far."""
        found = dict(self._seen)
        for name, word, path in self._counters:
            with open(path, "rb") as file:
                fields = dict(line.split(None, 1) for line in file)
            found[name] += int(fields.get(word, 0))
        return found

    def hits(self, before: dict[str, int], *, pids: bool) -> list[str]:
        """The limits hit since then, that on processes if known to be, and the folders that are full."""
        counters = self.counters()
        hits = [name for name in counters if counters[name] > before[name] or (pids and name == "pids")]
        for folder in self._folders:
            space = os.statvfs(folder)
            if space.f_bavail * space.f_frsize < _PAGE or space.f_favail == 0 < space.f_files:
                hits.append(folder)
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
