"""The program that is process 1 inside every sandbox: how it is started, and how it gets its text.

The text goes over the wire before anything else, so that both ends always come from the same installation and that a
list of processes inside stays readable.
"""

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Final

_BOOT: Final = """\
import os, sys
text = b""
while len(text) < int(sys.argv[1]):
    text += os.read(0, int(sys.argv[1]) - len(text)) or sys.exit()
exec(compile(text, "guest", "exec"))
"""


@cache
def program() -> bytes:
    """What the guest has to be sent first."""
    return resources.files(__name__).joinpath("guest.py").read_bytes()


def command_line(
    *,
    user: int,
    lifetime_seconds: int,
    folders: Sequence[PurePosixPath],
    rlimits: dict[str, int],
    watch_memory_bytes: int = 0,
) -> list[str]:
    """How to start the guest, which then waits for `program()`.

    Args:
        folders: those whose being full is a limit worth telling.
        rlimits: per process, for every command.
        watch_memory_bytes: of all processes together, where no control group sees to it; 0 where one does.
    """
    config = {
        "uid": user,
        "lifetime_seconds": lifetime_seconds,
        "folders": [str(folder) for folder in folders],
        "rlimits": rlimits,
        "watch_memory_bytes": watch_memory_bytes,
    }
    return ["/usr/bin/python3", "-I", "-S", "-B", "-c", _BOOT, str(len(program())), json.dumps(config)]
