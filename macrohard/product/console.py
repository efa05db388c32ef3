"""A tool or a library as a person in a terminal meets it: commands, what they show, keys, exit codes."""

import re
import shlex
from pathlib import PurePosixPath
from typing import Final

from macrohard.domain.scenario import Converse
from macrohard.errors import ToolError
from macrohard.product.browser import StepFailed
from macrohard.product.documents import documents
from macrohard.product.scene import Deed, Scene, Sight, shortened
from macrohard.product.service import Service
from macrohard.product.terminal import Output, Terminal

LONG_SECONDS = 3.0
"""A command that shows nothing new but has not ended is given so long before it is said to be running still."""
RESULT_CHARACTERS = 1_500
SHOWN_CHARACTERS = 6_000
ACTIONS: Final = ("run", "type", "wait", "write")
_ENDED_BY_PERSON: Final = frozenset({130, 141, 143})
"""Exit codes of programs that were interrupted, or whose reader went away."""
_TRACES: Final = (
    re.compile(r"^Traceback \(most recent call last\):", re.M),
    re.compile(r"^\s+at .+ \(?(?:file://|node:|/).+:\d+:\d+\)?$", re.M),
    re.compile(r"^thread '.*' panicked at ", re.M),
    re.compile(r"^panic: |^fatal error: ", re.M),
    re.compile(r"^Exception in thread ", re.M),
    re.compile(r"Segmentation fault|core dumped|UnhandledPromiseRejection"),
)
_SAYS_ERROR = re.compile(r"^(?:[\w.-]+: )?(?:fatal|error)\b", re.I)
_SHELL = re.compile(r"[|<>;&`$]")
_WORD = re.compile(r"[a-z][a-z0-9:-]*")


class Console(Scene):
    """One terminal of 80 by 24 in the product's folder, with at most one command in it at a time."""

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._terminal: Terminal | None = None
        self._output: Output | None = None
        self._element = ""
        self._written: set[str] = set()

    async def look(self) -> Sight:
        sight = self._sight()
        return Sight(text=f"{await documents(self.service)}\n\n{sight.text}", state=sight.state)

    async def act(self, action: str, target: str, value: str) -> Deed:
        """The actions are run a command, type into it (text, or keys such as <Up>), wait for it, and write a file."""
        if action not in ACTIONS:
            raise ToolError(f"no action {action!r}; there are {', '.join(ACTIONS)}")
        if action in ("type", "wait") and (self._terminal is None or self._ended):
            raise ToolError(
                f"nothing runs that you could {action} {'into' if action == 'type' else 'for'}: run a command"
            )
        before, told = self._sight(), _in_words(action, target, value)
        if action == "write":
            await self._write(target, value)
            return Deed(
                told=told, before=before, after=Sight(text="", state=(told, value)), result=f"wrote {target}",
                shown=f"{target} is written.", target=target, element=target,
            )  # fmt: skip
        problem = ""
        try:
            if action == "run":
                await self._run(value)
            elif action == "type":
                assert self._terminal is not None
                await self._terminal.type(value)
            await self._settle(None if action == "wait" else LONG_SECONDS)
        except StepFailed as error:
            await self.service.require_sandbox()
            problem = str(error)
        broke = () if problem else await self._note_end(told)
        after = self._sight()
        return Deed(
            told=told,
            before=before,
            after=after,
            result="; ".join([*broke, problem or after.text[-RESULT_CHARACTERS:]]),
            shown=after.text if len(after.text) <= SHOWN_CHARACTERS else f"…{after.text[-SHOWN_CHARACTERS:]}",
            target=target,
            element=self._element,
            problem=problem,
            broke=broke,
        )

    async def close(self) -> None:
        """Hang up."""
        if self._terminal is not None:
            terminal, self._terminal = self._terminal, None
            await terminal.close()

    @property
    def _ended(self) -> bool:
        return self._output is not None and self._output.exit_code is not None

    def _sight(self) -> Sight:
        if self._output is None:
            return Sight(text="The terminal is empty.", state=None)
        shown = self._output.stdout or "(nothing is shown)"
        end = f"exit code {self._output.exit_code}" if self._ended else "(it still runs: type, wait, or run another)"
        text = f"$ {self._output.command}\n{shown}\n{end}"
        return Sight(text=text, state=text)

    async def _run(self, command: str) -> None:
        if not command.strip():
            raise ToolError("run needs a command")
        await self.close()
        self._output, self._element = None, self._called(command)
        self._terminal = await Terminal.begin(self.service, Converse(command=command))

    async def _settle(self, seconds: float | None) -> None:
        assert self._terminal is not None
        self._output = await (self._terminal.end() if seconds is None else self._terminal.end(seconds))

    async def _write(self, target: str, content: str) -> None:
        path = PurePosixPath(target)
        if path.is_absolute() or ".." in path.parts or not target.strip() or ".git" in path.parts:
            raise ToolError(f"{target!r} is no path in this folder; give one without a leading slash or ..")
        if target not in self._written:
            there = await self.service.sandbox.run(
                ("test", "-e", target), timeout_seconds=30, directory=self.service.root
            )
            if there.exit_code == 0:
                raise ToolError(f"{target} is there already and not yours: choose another name")
        self._written.add(target)
        await self.service.sandbox.write({self.service.root / path: content.encode()})

    def _called(self, command: str) -> str:
        """Which of the product's commands it is, as everybody else would call it, too."""
        run = self.service.manifest.commands.run
        if not run or not command.strip().startswith(run):
            return ""
        first = command.strip().removeprefix(run).split(maxsplit=1)[:1]
        return f'command "{first[0]}"' if first and _WORD.fullmatch(first[0]) else f'command "{run}"'

    async def _note_end(self, told: str) -> tuple[str, ...]:
        """Note traces, signals and exit codes that say something else than the output."""
        output = self._output
        if output is None or self.service.manifest.kind != "cli" or not self._element:
            # A library may raise what it promises, and other commands are not the product's.
            return ()
        code, shown = output.exit_code, output.stdout.strip()
        problems = []
        if any(trace.search(shown) for trace in _TRACES):
            problems.append(f"{self._element} ends in a trace\n{shown[-RESULT_CHARACTERS:]}")
        elif code is not None and (code < 0 or code > 128) and code not in _ENDED_BY_PERSON:
            problems.append(f"{self._element} was ended by a signal (exit code {code})")
        broke = await self.note_broken(problems, after=told, page="", element=self._element)
        if not problems and code is not None and not _SHELL.search(output.command):
            self._note_code(code, shown, told)
        return tuple(one.partition("\n")[0] for one in broke)

    def _note_code(self, code: int, shown: str, told: str) -> None:
        if code not in (0, *_ENDED_BY_PERSON) and not shown:
            title = f"{self._element} fails without a word"
            self.note("misleading", 2, title, f"After: {told}. Exit code {code}, no message.", element=self._element)
        elif code == 0 and shown and _SAYS_ERROR.match(shown.splitlines()[-1]):
            title = f"{self._element} says an error and ends with 0"
            detail = f"After: {told}. It showed: {shown[-300:]}. Scripts take it for a success."
            self.note("misleading", 2, title, detail, element=self._element)


def _in_words(action: str, target: str, value: str) -> str:
    if action == "write":
        return f"write {target}: {shortened(value)}"
    return f"{action} {shlex.quote(shortened(value))}" if action == "type" else f"{action} {shortened(value)}".strip()
