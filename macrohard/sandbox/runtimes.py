"""What an engine starts containers with, how strong that was seen to be, and what is known to be wrong with it."""

import os
import re
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from macrohard.domain import Tier
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox.broker import EngineFacts
from macrohard.sandbox.channel import Hello

PROBE_SECONDS: Final = 20.0
"""What a runtime may take to start a sandbox when it is tried; one that hangs must not hold a person up."""

GVISOR_ADVICE: Final = (
    'install runsc (Debian 12: from bookworm-backports), put "runtimes": {"runsc": {"path": "/usr/bin/runsc", '
    '"runtimeArgs": ["--network=host", "--host-uds=open"]}} into /etc/docker/daemon.json, and systemctl reload docker'
)
USERNS_ADVICE: Final = (
    'put "userns-remap": "default" into /etc/docker/daemon.json, systemctl restart docker, and macrohard sandboxes '
    "build; the engine then has a new, empty store of images"
)
NOTICES: Final[dict[Tier, str]] = {
    "runc": (
        "Sandboxes are plain containers (runc): a hole in this machine's kernel or in runc is enough to get out, and "
        "what gets out is root. macrohard doctor says how to get stronger ones."
    ),
}

# The marks of gVisor's own kernel in /proc/version: its build date has been the same in all releases.
_GVISOR: Final = re.compile(r"-gvisor|Sun Jan 10 15:06:54 PST 2016")
# CVE-2024-21626, and CVE-2025-31133, -52565, -52881; from the advisories of opencontainers/runc.
_LEAK: Final = ("CVE-2024-21626", "1.1.12")
_MASKS: Final = ("CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881", "1.2.8, 1.3.3 or 1.4.0")
_ENGINE_MAINTAINED: Final = 25


def candidates(facts: EngineFacts, asked: str | None) -> Sequence[str]:
    """The names of the runtimes to try, strongest first.

    Raises:
        SandboxUnavailable: the engine does not have the one that was asked for.
    """
    if asked is not None:
        # Those that a shim provides need no registration, and stand in no list.
        if asked not in facts.runtimes and not asked.startswith("io.containerd."):
            there = ", ".join(sorted(facts.runtimes)) or "none"
            raise SandboxUnavailable(
                f'the Docker engine has no runtime {asked!r}; it has {there}. Register it under "runtimes" in '
                "/etc/docker/daemon.json, or take `runtime` out of [sandboxes]"
            )
        return (asked,)
    gvisor = [name for name, path in facts.runtimes.items() if "runsc" in name or "runsc" in Path(path).name]
    return tuple(dict.fromkeys([*sorted(gvisor), facts.default_runtime]))


def tier_of(hello: Hello, facts: EngineFacts, runtime: str) -> Tier:
    """What a started sandbox shows of its walls.

    Raises:
        SandboxUnavailable: not what the runtime's name promises.
    """
    if _GVISOR.search(hello.kernel):
        return "gvisor"
    if "runsc" in runtime:
        raise SandboxUnavailable(f"runtime {runtime!r} started a sandbox without gVisor's kernel in it")
    release = hello.kernel.split()[2] if len(hello.kernel.split()) > 2 else ""
    if release not in (facts.kernel, os.uname().release):
        return "microvm"
    if not _shares_kernel(runtime, facts):
        raise SandboxUnavailable(
            f"runtime {runtime!r} is no micro virtual machine: what it starts runs on this machine's kernel ({release})"
        )
    return "runc" if hello.uid_map == ["0", "0", "4294967295"] else "runc+userns"


def known_holes(facts: EngineFacts) -> str | None:
    """Which published holes the engine's runc has; None if none is known, or the version is not told."""
    if (found := re.match(r"v?(\d+)\.(\d+)\.(\d+)", facts.runc)) is None:
        return None
    version = (int(found[1]), int(found[2]), int(found[3]))
    # Debian and Ubuntu mend old versions; their numbers end in what they changed.
    debian = re.search(r"\+deb12u(\d+)$", facts.runc)
    holes = []
    if version < (1, 1, 12) and not (version == (1, 1, 5) and debian):
        holes.append(_LEAK)
    mended = version >= (1, 4, 0) or (1, 3, 3) <= version < (1, 4, 0) or (1, 2, 8) <= version < (1, 3, 0)
    if not mended:
        holes.append(_MASKS)
    said = [f"{names} (mended in {fixed})" for names, fixed in holes]
    return f"runc {facts.runc} is known to have {'; '.join(said)}" if said else None


def is_outdated(facts: EngineFacts) -> bool:
    """Whether the makers of this version of the Docker engine mend it no longer."""
    found = re.match(r"(\d+)\.", facts.version)
    return found is not None and int(found[1]) < _ENGINE_MAINTAINED


def kill_left_over(container: str) -> None:
    """Kill what a runtime that failed, or hangs, left of a container: its shim, and gVisor's processes.

    Only processes on this machine that name the container by its whole id, and only of programs that exist to serve
    one container. As another user than root there is nothing that could be killed.
    """
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            words = path.read_bytes().decode(errors="replace").split("\0")
            program = Path(words[0]).name
            if container in words and program.startswith(("containerd-shim", "runsc")):
                os.kill(int(path.parent.name), signal.SIGKILL)


def _shares_kernel(runtime: str, facts: EngineFacts) -> bool:
    """Whether nothing else is to be expected of it: the usual ones, and what the person made the default."""
    return runtime in ("runc", "crun", "youki", "io.containerd.runc.v2", facts.default_runtime)
