"""A person's terminal in the product's sandbox: commands with their output, and conversations on a screen."""

import asyncio
import base64
import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyte

from macrohard.domain.scenario import Converse, Run
from macrohard.product.browser import StepFailed, StepMalformed
from macrohard.product.service import PORT, Service
from macrohard.sandbox.contract import CommandResult, Process

COLUMNS, ROWS = 80, 24
REST_SECONDS = 0.5
"""A screen on which nothing changes for so long is waiting for the person."""
FIRST_SECONDS = 10.0
"""How long a command may take until it shows anything."""
END_SECONDS = 10.0
SCREEN_BYTES = 1 << 20
"""A command that writes more is not for people."""
_HISTORY_LINES = 1000
_PROGRAM = (Path(__file__).parent / "guest" / "terminal.py").read_text()
_KEYS = {
    "Up": "\x1b[A", "Down": "\x1b[B", "Right": "\x1b[C", "Left": "\x1b[D", "Enter": "\r", "Tab": "\t", "Escape": "\x1b",
    "Backspace": "\x7f", "Delete": "\x1b[3~", "Home": "\x1b[1~", "End": "\x1b[4~", "PageUp": "\x1b[5~",
    "PageDown": "\x1b[6~", "Space": " ",
}  # fmt: skip
_NOT_FOUND = 127
_NO_COMMAND = re.compile(r"^(?:\S*/)?bash: line \d+: ([^\s/:]+): command not found$", re.M)
"""As the shell itself says it of a name without a path; what a script of the product says begins with its own."""
_KEY = re.compile(r"<([A-Z][A-Za-z]*(?:-[A-Za-z])?)>")


@dataclass(frozen=True)
class Output:
    """What a command left."""

    command: str
    stdout: str
    stderr: str
    exit_code: int | None
    """None: it still runs."""


async def run(service: Service, step: Run) -> Output:
    """Run a command in the product's folder.

    Raises:
        StepFailed: it did not end in time, or hit a limit.
        StepMalformed: it calls a command that there is not, which no product promised: those of a product are called by
            a path (`./tool`), or as its manifest says.
        SandboxUnavailable: the sandbox was lost.
    """
    result = await service.sandbox.run(
        step.command,
        timeout_seconds=step.timeout_seconds,
        directory=service.root,
        environment={"PORT": str(PORT), **service.environment, **step.environment},
        input=step.input.encode(),
    )
    if why := _cut_short(result, step.timeout_seconds):
        raise StepFailed(f"`{step.command}` {why}; it wrote: {(result.stdout + result.stderr)[-600:] or 'nothing'}")
    if result.exit_code == _NOT_FOUND and (found := _NO_COMMAND.search(result.stderr)):
        run = service.manifest.commands.run
        if found[1] not in run.split()[:1]:
            called = f"; the product is called as {run}" if run else ""
            raise StepMalformed(f"`{step.command}` could not be run: there is no command {found[1]}{called}")
    return Output(command=step.command, stdout=result.stdout, stderr=result.stderr, exit_code=result.exit_code)


def _cut_short(result: CommandResult, seconds: float) -> str:
    if result.timed_out:
        return f"had not ended after {seconds:g} seconds"
    return f"was {result.limit_hit}" if result.limit_hit else ""


class Terminal:
    """One command on one screen."""

    def __init__(self, process: Process, command: str) -> None:
        self._process = process
        self._command = command
        self._screen = pyte.HistoryScreen(COLUMNS, ROWS, history=_HISTORY_LINES)
        self._feed = pyte.ByteStream(self._screen)
        self._received = 0
        self._exit_code: int | None = None
        self._shown = time.monotonic()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def begin(cls, service: Service, step: Converse) -> Self:
        """Run the command and type the lines, each when the screen has come to rest.

        Raises:
            StepMalformed: a line holds a key that there is not.
            StepFailed: it ended before everything was typed, or writes without end.
            SandboxUnavailable: the sandbox was lost.
        """
        for line in step.lines:
            _keys(line)
        process = await service.sandbox.spawn(
            ("python3", "-c", _PROGRAM, step.command), directory=service.root, environment=service.environment
        )
        terminal = cls(process, step.command)
        try:
            await terminal._first()
            for line in step.lines:
                await terminal._rest()
                await terminal._type(line)
            await terminal._rest()
        except BaseException:
            await terminal.close()
            raise
        return terminal

    async def type(self, line: str) -> None:
        """Type a line and wait until the screen has come to rest; raises as `begin` does."""
        await self._type(line)
        await self._rest()

    def output(self) -> Output:
        """What stands on the screen, with what was scrolled off it before."""
        return Output(command=self._command, stdout=self._text(), stderr="", exit_code=self._exit_code)

    async def end(self, seconds: float = END_SECONDS) -> Output:
        """Wait so long for the command to end."""
        await asyncio.wait([self._reading], timeout=seconds)
        return self.output()

    async def close(self) -> None:
        """Hang up."""
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading
        await self._process.kill()

    async def _type(self, line: str) -> None:
        keys = _keys(line)
        if self._reading.done():
            raise StepFailed(f'{self._named} had ended before "{line}" was typed; {self._there}')
        self._shown = time.monotonic()
        await self._process.send(json.dumps(keys).encode() + b"\n")

    @property
    def _named(self) -> str:
        return f"`{self._command}`"

    @property
    def _there(self) -> str:
        return f"the screen shows: {self._text()[-600:] or 'nothing'}"

    def _text(self) -> str:
        scrolled = ["".join(line[place].data for place in range(COLUMNS)) for line in self._screen.history.top]
        return "\n".join(line.rstrip() for line in (*scrolled, *self._screen.display)).strip("\n")

    async def _first(self) -> None:
        deadline = time.monotonic() + FIRST_SECONDS
        while not self._received and not self._reading.done() and time.monotonic() < deadline:
            await asyncio.wait([self._reading], timeout=0.05)

    async def _rest(self) -> None:
        deadline = time.monotonic() + FIRST_SECONDS
        while not self._reading.done() and time.monotonic() < min(deadline, self._shown + REST_SECONDS):
            await asyncio.wait([self._reading], timeout=0.05)
        if self._reading.done():
            self._reading.result()

    async def _read(self) -> None:
        while line := await self._process.receive_line():
            said = json.loads(line)
            if isinstance(said, int):
                self._exit_code = said
                return
            written = base64.b64decode(said)
            self._received += len(written)
            if self._received > SCREEN_BYTES:
                raise StepFailed(f"{self._named} writes without end; {self._there}")
            self._feed.feed(written)
            self._shown = time.monotonic()


def _keys(line: str) -> str:
    """What typing the line sends; a line that is only keys has no Return after it."""

    def key(match: re.Match[str]) -> str:
        name = match[1]
        if name in _KEYS:
            return _KEYS[name]
        if name.startswith("Ctrl-") and len(name) == 6:
            return chr(ord(name[-1].upper()) & 0x1F)
        raise StepMalformed(f"there is no key <{name}>; there are {', '.join(_KEYS)}, Ctrl-C and the like")

    only_keys = bool(line) and not _KEY.sub("", line)
    return _KEY.sub(key, line) + ("" if only_keys else "\r")
