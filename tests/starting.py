"""Programs of ours as processes of their own, forked from one that has imported what they need: they start at once."""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["macrohard.cli.commands", "macrohard.cli.drive", "macrohard.execution", "macrohard.llm.builtin.app", "aiosqlite"]
)


@dataclass(frozen=True)
class Said:
    """How a process ended."""

    code: int
    """As of `subprocess`: -9 for SIGKILL."""
    out: str
    told: str
    """Standard error."""


def started(
    module: str,
    *arguments: str,
    cwd: Path,
    environment: Mapping[str, str],
    out: Path,
    told: Path,
    given: Path = Path(os.devnull),
) -> ForkServerProcess:
    """Run `python -m module arguments` in a folder, with this environment only and streams in these files or FIFOs."""
    process = _CONTEXT.Process(target=_become, args=(module, arguments, cwd, dict(environment), given, out, told))
    process.start()
    return process


def ended(
    module: str,
    *arguments: str,
    cwd: Path,
    environment: Mapping[str, str],
    given: str = "",
    timeout_seconds: float = 400,
) -> Said:
    """Run `python -m module arguments` to its end, with this as its standard input.

    Raises:
        TimeoutError: it did not end; it was killed.
    """
    with TemporaryDirectory() as folder:
        out, told, read = (Path(folder) / name for name in ("out", "told", "given"))
        read.write_text(given)
        process = started(module, *arguments, cwd=cwd, environment=environment, out=out, told=told, given=read)
        process.join(timeout_seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"{module} {' '.join(arguments)}: {told.read_text()[-3000:]}")
        return Said(code=process.exitcode, out=out.read_text(), told=told.read_text())


def _become(
    module: str,
    arguments: tuple[str, ...],
    cwd: Path,
    environment: Mapping[str, str],
    given: Path,
    out: Path,
    told: Path,
) -> None:
    for path, flags, descriptor in (
        (given, os.O_RDONLY, 0),
        (out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 1),
        (told, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 2),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    # What was there before believes that it can seek as its file could.
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    with suppress(BrokenPipeError):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
