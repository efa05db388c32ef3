"""Whose a sandbox is: a process, told apart from any other that ever had its number."""

import hashlib
import os
from pathlib import Path

from macrohard.domain import Value


class Owner(Value):
    """A process of one boot of one machine."""

    boot: str
    namespace: str
    """Of process numbers: in another one the number says nothing."""
    pid: int
    started: str
    """In the kernel's ticks since boot."""

    @property
    def lease(self) -> str:
        return f"{self.boot}/{self.namespace}/{self.pid}/{self.started}"

    @property
    def dead(self) -> bool:
        """Known to be gone; an owner in a container beside this one is not."""
        here = this_process()
        if self.boot != here.boot:
            return True
        return self.namespace == here.namespace and _started(self.pid) != self.started


def this_process() -> Owner:
    pid = os.getpid()
    return Owner(
        boot=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        namespace=os.readlink("/proc/self/ns/pid").strip("pid:[]"),
        pid=pid,
        started=_started(pid) or "",
    )


def owner_of(lease: str) -> Owner | None:
    """The owner a label names; None if it is not one of ours."""
    match lease.split("/"):
        case [boot, namespace, pid, started] if pid.isdigit():
            return Owner(boot=boot, namespace=namespace, pid=int(pid), started=started)
        case _:
            return None


def installation(home: Path) -> str:
    """A short name for this installation on this machine, so that others' sandboxes are never touched."""
    machine = Path("/etc/machine-id")
    identity = machine.read_text().strip() if machine.is_file() else os.uname().nodename
    return hashlib.sha256(f"{identity}\0{home.resolve()}".encode()).hexdigest()[:12]


def _started(pid: int) -> str | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in ("Z", "X") else fields[19]
