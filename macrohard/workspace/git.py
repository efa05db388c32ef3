"""The host's git, run so that no configuration of the machine, of a person or of a product can reach it."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import NamedTuple

from macrohard.errors import Unavailable

MEMORY_LIMIT_KIB = 1 << 20
"""Of address space for each git process: a delta that unpacks to more kills git, not the factory."""

_ENVIRONMENT = {
    "LC_ALL": "C",
    "TZ": "UTC",
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "GIT_ALLOW_PROTOCOL": "file",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_AUTHOR_NAME": "Macrohard",
    "GIT_AUTHOR_EMAIL": "factory@macrohard.invalid",
    "GIT_COMMITTER_NAME": "Macrohard",
    "GIT_COMMITTER_EMAIL": "factory@macrohard.invalid",
}

_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.symlinks": "false",
    "core.autocrlf": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "core.bigFileThreshold": "16m",
    "core.packedGitWindowSize": "64m",
    "core.packedGitLimit": "256m",
    "core.filesRefLockTimeout": "2000",
    "core.quotePath": "false",
    "pack.threads": "1",
    "pack.windowMemory": "128m",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "protocol.file.allow": "always",
    "transfer.fsckObjects": "true",
    "fetch.fsckObjects": "true",
    "submodule.recurse": "false",
    "advice.detachedHead": "false",
    "credential.helper": "",
}

# The shell sets what has to hold before git starts: modes 0644 and 0755, no core files, a memory limit.
_LIMITED = f'umask 022; ulimit -c 0; ulimit -v {MEMORY_LIMIT_KIB}; exec git "$@"'


class Answer(NamedTuple):
    """What git said. A non-zero exit code is a result; the caller knows what it means."""

    exit_code: int
    output: bytes
    problem: str
    cut: bool
    """Its output went beyond the limit; `output` is exactly that long, and git was stopped."""

    @property
    def whole(self) -> bool:
        """Whether git succeeded and `output` is all of what it said."""
        return self.exit_code == 0 and not self.cut


async def git(
    directory: Path,
    *arguments: str,
    input: bytes = b"",
    environment: Mapping[str, str] | None = None,
    work_tree: Path | None = None,
    limit_bytes: int = 8 << 20,
    timeout_seconds: float = 60,
) -> Answer:
    """Run git on the repository in `directory`; nothing it started is alive when this returns or raises.

    Raises:
        Unavailable: git is not installed, or did not finish in time.
    """
    process = await _begun(directory, *arguments, environment=environment, work_tree=work_tree)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(timeout_seconds):
            _, (output, cut), (problem, _) = await asyncio.gather(
                _feed(process.stdin, input),
                _read(process.stdout, limit_bytes, process),
                _read(process.stderr, 64 << 10, process),
            )
            exit_code = await process.wait()
    except TimeoutError as error:
        raise Unavailable(f"git {arguments[0]} did not finish within {timeout_seconds:g} s") from error
    finally:
        if process.returncode is None:
            _kill(process)
            # Also empties the pipes, without which asyncio would never close them.
            await process.communicate()
    text = problem.decode(errors="replace").strip()
    if exit_code == 127:
        raise Unavailable(f"git could not be started ({text}); install it, e.g. apt-get install git")
    return Answer(exit_code, output, text, cut)


async def stream(
    directory: Path,
    *arguments: str,
    input: bytes = b"",
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float,
) -> AsyncIterator[bytes]:
    """What git says on standard output, piece by piece; nothing it started is alive when the iteration ends.

    Raises:
        Unavailable: git is not installed, failed, or did not finish in time.
    """
    until = time.monotonic() + timeout_seconds
    process = await _begun(directory, *arguments, environment=environment)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    feeding = asyncio.create_task(_feed(process.stdin, input))
    complaining = asyncio.create_task(_read(process.stderr, 64 << 10, process))
    try:
        while chunk := await asyncio.wait_for(process.stdout.read(1 << 16), until - time.monotonic()):
            yield chunk
        problem, _ = await complaining
        if await process.wait() != 0:
            raise Unavailable(f"git {arguments[0]} failed: {problem.decode(errors='replace').strip()}")
    except TimeoutError as error:
        raise Unavailable(f"git {arguments[0]} did not finish within {timeout_seconds:g} s") from error
    finally:
        if process.returncode is None:
            _kill(process)
        await asyncio.wait([feeding, complaining])
        if process.returncode is None:
            # Also empties the pipes, without which asyncio would never close them.
            await process.communicate()


async def _begun(
    directory: Path, *arguments: str, environment: Mapping[str, str] | None, work_tree: Path | None = None
) -> asyncio.subprocess.Process:
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    place = [f"--git-dir={directory}", *([f"--work-tree={work_tree}"] if work_tree else [])]
    return await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", _LIMITED, "sh", *settings, *place, *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", os.defpath), **_ENVIRONMENT, **(environment or {})},
        cwd=work_tree or "/", start_new_session=True,
    )  # fmt: skip


async def _feed(pipe: asyncio.StreamWriter, data: bytes) -> None:
    try:
        pipe.write(data)
        await pipe.drain()
        pipe.close()
        await pipe.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        return  # git did not want all of it; its exit code tells why


async def _read(
    pipe: asyncio.StreamReader, limit_bytes: int, process: asyncio.subprocess.Process
) -> tuple[bytes, bool]:
    kept = bytearray()
    cut = False
    while chunk := await pipe.read(1 << 16):
        if cut:
            continue
        kept += chunk
        if len(kept) > limit_bytes:
            cut = True
            _kill(process)
    return bytes(kept[:limit_bytes]), cut


def _kill(process: asyncio.subprocess.Process) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
