"""A shell that keeps its folder and variables from call to call, and processes that run on beside it."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

from macrohard.errors import ToolError
from macrohard.sandbox import WORKSPACE, CommandResult, Process, Sandbox

RUNNING_AT_MOST = 6
SETTLING_SECONDS = 0.7
"""How long a process that was just started is watched: what is wrong with a command mostly shows at once."""
NEW_BYTES = 200_000
"""What is shown of a process's new output; the end of it."""
_STATE = WORKSPACE / ".shell"
_PATH_BYTES = 8 << 10

_RESTORE = f"""\
__folder=$1 __command=$2 __log=$3; set --
[ -z "$__log" ] || exec >"$__log"
exec 2>&1
[ ! -f {_STATE}/exports ] || . {_STATE}/exports 2>/dev/null
cd -- "$__folder" 2>/dev/null || echo "(the folder $__folder is gone; you are in the product's root)" >&2
"""
# Only what ended by itself is kept: a killed command must leave the shell as it was before.
_KEEP = f"""\
trap '__code=$?; {{ pwd >{_STATE}/folder; export -p >{_STATE}/exports; }} 2>/dev/null; exit $__code' EXIT
"""
_EVAL = 'eval "$__command"'


@dataclass
class _Job:
    command: str
    process: Process
    end: asyncio.Task[int]
    log: PurePosixPath
    read_bytes: int = 0

    @property
    def state(self) -> str:
        return f"ended with exit code {self.end.result()}" if self.end.done() else "running"


class Shell:
    """One agent's shell in one sandbox; gone with it."""

    def __init__(self, sandbox: Sandbox, root: PurePosixPath) -> None:
        self._sandbox, self._root = sandbox, root
        self.folder = root
        """Where the next command runs; may be set, e.g. to where a shell before this one stood."""
        self._ready = False
        self._jobs: dict[str, _Job] = {}

    async def run(self, command: str, *, timeout_seconds: float) -> CommandResult:
        """Run a command where the one before left off; after a timeout folder and variables are as before it.

        What it writes to either stream is in `stdout`, in its order, as on a screen.

        Raises:
            SandboxUnavailable: as for `Sandbox.run`.
        """
        await self._prepare()
        result = await self._sandbox.run(
            ("bash", "-c", _RESTORE + _KEEP + _EVAL, "bash", str(self.folder), command, ""),
            timeout_seconds=timeout_seconds,
            directory=self._root,
        )
        kept = await self._sandbox.read(_STATE / "folder", limit_bytes=_PATH_BYTES)
        self.folder = PurePosixPath(kept.decode(errors="replace").removesuffix("\n") or str(self._root))
        return result

    async def start(self, command: str) -> str:
        """Start a process that runs on, and say how it began.

        Raises:
            ToolError: too many are running.
        """
        running = [name for name, job in self._jobs.items() if not job.end.done()]
        if len(running) >= RUNNING_AT_MOST:
            raise ToolError(
                f"{len(running)} processes are running, no more are allowed; stop one: {', '.join(running)}"
            )
        await self._prepare()
        name = f"p{len(self._jobs) + 1}"
        log = _STATE / f"{name}.log"
        process = await self._sandbox.spawn(
            ("bash", "-c", _RESTORE + _EVAL, "bash", str(self.folder), command, str(log)), directory=self._root
        )
        end = asyncio.create_task(process.wait())
        # Nobody may ask any more how it ended, e.g. when the sandbox closes first.
        end.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._jobs[name] = _Job(command=command, process=process, end=end, log=log)
        await asyncio.wait({end}, timeout=SETTLING_SECONDS)
        return await self.output(name)

    def listed(self) -> str:
        """All processes that were started, one to a line."""
        return (
            "\n".join(f"{name}: {job.state}: {job.command}" for name, job in self._jobs.items()) or "none was started"
        )

    async def output(self, name: str) -> str:
        """What a process wrote since this was last asked, and whether it runs.

        Raises:
            ToolError: there is no such process.
        """
        job = self._job(name)
        state = job.state
        script = f'[ -f "$1" ] || exit 0; size=$(stat -c %s "$1"); echo $size; tail -c +{job.read_bytes + 1} "$1" '
        script += f"| head -c $((size - {job.read_bytes})) | tail -c {NEW_BYTES}"
        result = await self._sandbox.run(("bash", "-c", script, "bash", str(job.log)), timeout_seconds=30)
        size, _, text = result.stdout.partition("\n")
        before, job.read_bytes = job.read_bytes, int(size or 0)
        skipped = job.read_bytes - before - NEW_BYTES
        lines = [f"(the first {skipped:,} bytes of it are left out)"] if skipped > 0 else []
        return "\n".join([f"{name} is {state}" if state == "running" else f"{name} {state}",
                          *lines, text.rstrip() or "(no new output)"])  # fmt: skip

    async def wait(self, name: str, *, timeout_seconds: float) -> str:
        """Wait until a process has written something that was not read yet, or has ended, and give the same.

        After the time it is given as it is.

        Raises:
            ToolError: there is no such process.
        """
        job = self._job(name)
        script = f'until [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -gt {job.read_bytes} ]; do sleep 0.2; done'
        grown = asyncio.create_task(
            self._sandbox.run(("bash", "-c", script, "bash", str(job.log)), timeout_seconds=timeout_seconds)
        )
        try:
            await asyncio.wait({grown, job.end}, return_when=asyncio.FIRST_COMPLETED)
            # Lines come in numbers, and many a first one before the end.
            await asyncio.wait({job.end}, timeout=SETTLING_SECONDS)
        finally:
            grown.cancel()
            with suppress(asyncio.CancelledError):
                await grown
        return await self.output(name)

    async def stop(self, name: str) -> str:
        """Kill a process with everything it started, and give what it wrote last.

        Raises:
            ToolError: there is no such process.
        """
        job = self._job(name)
        if not job.end.done():
            await job.process.kill()
            await job.end
        return await self.output(name)

    def _job(self, name: str) -> _Job:
        if name not in self._jobs:
            raise ToolError(f"no process {name!r}; there are: {', '.join(self._jobs) or 'none, nothing was started'}")
        return self._jobs[name]

    async def _prepare(self) -> None:
        if not self._ready:
            await self._sandbox.write({_STATE / "folder": str(self.folder).encode()})
            self._ready = True
