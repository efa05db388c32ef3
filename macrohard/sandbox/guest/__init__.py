"""The program that is process 1 inside every sandbox: how it is started, and how it gets its text.

Its modules are standard library only, because they run on the Python of the image. Their text goes over the wire
before anything else, so that both ends always come from the same installation.
"""

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Final

_MODULES: Final = ("frames", "loop", "link", "bridge", "processes", "limits", "files", "archive", "jobs", "main")
"""Each after those that it imports."""

_BOOT: Final = """\
import json, os, sys, types
size, text = int(sys.argv[1]), b""
while len(text) < size:
    text += os.read(0, size - len(text)) or sys.exit()
for name, source in json.loads(text):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
module.main(json.loads(sys.argv[2]))
"""


@cache
def program() -> bytes:
    """What the guest has to be sent first."""
    packages = [".".join(__name__.split(".")[: depth + 1]) for depth in range(__name__.count(".") + 1)]
    files = resources.files(__name__)
    return json.dumps(
        [(package, "__path__ = []") for package in packages]
        + [(f"{__name__}.{module}", files.joinpath(f"{module}.py").read_text()) for module in _MODULES]
    ).encode()


def command_line(
    *,
    user: int,
    lifetime_seconds: int,
    folders: Sequence[PurePosixPath],
    rlimits: dict[str, int],
    own: Sequence[PurePosixPath] = (),
    watch_memory_bytes: int = 0,
    watch_pids: int = 0,
    own_kernel: bool = False,
    bridge: tuple[int, str] | None = None,
    filter: bytes = b"",
) -> list[str]:
    """How to start the guest, which then waits for `program()`.

    Args:
        folders: those whose being full is a limit worth telling.
        rlimits: per process, for every command.
        own: folders to be given to the user.
        watch_memory_bytes: of all processes together, where no control group sees to it; 0 where one does.
        watch_pids: likewise, for telling that the limit was reached.
        own_kernel: whether the kernel inside serves this sandbox alone, so that its count of memory in use is ours.
        bridge: a port of the loopback, and the socket of the host that connections to it lead to.
        filter: a compiled seccomp profile for all in it, where what starts the sandbox applies none.
    """
    config = {
        "user": user,
        "lifetime_seconds": lifetime_seconds,
        "folders": [str(folder) for folder in folders],
        "rlimits": rlimits,
        "own": [str(folder) for folder in own],
        "watch_memory_bytes": watch_memory_bytes,
        "watch_pids": watch_pids,
        "own_kernel": own_kernel,
        "bridge": bridge,
        "filter": filter.hex(),
    }
    return ["/usr/bin/python3", "-I", "-S", "-B", "-c", _BOOT, str(len(program())), json.dumps(config)]
