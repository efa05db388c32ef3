"""The steps of a scenario that need no browser: requests, commands, files, and what they must have answered."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.message import Message
from pathlib import PurePosixPath

from pydantic import JsonValue

from macrohard.domain import ServiceStep, TerminalStep
from macrohard.domain.printable import cut
from macrohard.domain.scenario import (
    Keep,
    Request,
    SeeExit,
    SeeFile,
    SeeHeader,
    SeeJson,
    SeeOutput,
    SeeStatus,
    Together,
)
from macrohard.domain.verdict import Exchange, Exchanges
from macrohard.errors import ToolError
from macrohard.product.browser import StepFailed, StepMalformed
from macrohard.product.client import Answer, Client
from macrohard.product.places import MalformedPlace, NoSuchPlace, at_place, difference, is_of, part_of, shown
from macrohard.product.service import Service
from macrohard.product.telling import in_words
from macrohard.product.terminal import Output, Terminal, run

_FILE_BYTES = 4 << 20
_SHOWN_CHARACTERS = 600
EXCHANGES = 40
"""So many are written down of one scenario."""
ASKED_CHARACTERS = 1_000
ANSWERED_CHARACTERS = 4_000


class Programs:
    """Who asks and types in one scenario: clients with their cookies, a terminal, and what was answered last."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._clients: dict[str, Client] = {}
        self._last: Answer | Output | None = None
        self._terminal: Terminal | None = None
        self.kept: dict[str, JsonValue] = {}
        self._exchanges: list[Exchange] = []
        self._looks: list[Exchange] = []
        """Since anything else was done."""
        self._ended: Callable[[Output], None] = lambda _: None
        """Writes down how the command in the terminal ended."""

    @property
    def exchanges(self) -> Exchanges:
        """What was asked so far, and what was answered."""
        return Exchanges(
            exchanges=tuple(self._exchanges[:EXCHANGES]), left_out=max(0, len(self._exchanges) - EXCHANGES)
        )

    async def step(self, step: ServiceStep | TerminalStep) -> None:
        """Do one step; placeholders must be filled.

        Raises:
            StepFailed: the product does not do or answer what the step says.
            StepMalformed: no product could.
            SandboxUnavailable: the sandbox was lost.
        """
        match step.do:
            case "request":
                self._last = await self._ask(step)
            case "together":
                await self._ask_together(step)
            case "run":
                await self.close()
                with self._noted(in_words(step)) as answered:
                    self._last = await run(self._service, step)
                    answered(self._last)
            case "converse":
                await self.close()
                with self._noted(in_words(step)) as answered:
                    self._terminal = await Terminal.begin(self._service, step)
                    self._last = self._terminal.output()
                    answered(self._last)
                self._ended = answered
            case "put_file":
                with self._noted(in_words(step)):
                    await self._service.sandbox.write({self._path(step.path): step.content.encode()})
            case "keep":
                self.kept[step.name] = self._in_header(step) if step.header else self._at(step.at)
            case "see_status":
                self._see_status(step)
            case "see_header":
                self._see_header(step)
            case "see_json":
                self._see_json(step)
            case "see_exit":
                await self._see_exit(step)
            case "see_output":
                self._see_output(step)
            case "see_file":
                await self._see_file(step)

    @contextmanager
    def _noted(self, asked: str) -> Iterator[Callable[[Answer | Output | str], None]]:
        """Write down what is asked; what it gives writes the answer down. What failed instead is one as well."""
        self._looks.clear()
        place = len(self._exchanges)
        self._exchanges.append(Exchange(asked=cut(asked, ASKED_CHARACTERS), answered=""))

        def answered(answer: Answer | Output | str) -> None:
            text = answer if isinstance(answer, str) else _in_full(answer)
            self._exchanges[place] = self._exchanges[place].model_copy(
                update={"answered": cut(text, ANSWERED_CHARACTERS)}
            )

        try:
            yield answered
        except StepFailed as error:
            answered(str(error))
            raise

    async def close(self) -> None:
        """Hang the terminal up, if there is one."""
        if self._terminal is not None:
            terminal, self._terminal = self._terminal, None
            await terminal.close()

    async def _ask(self, request: Request) -> Answer:
        if not self._service.manifest.is_served:
            raise StepMalformed(f"a product of kind {self._service.manifest.kind} has no service to ask")
        with self._noted(in_words(request)) as answered:
            answer = await self._clients.setdefault(request.client, Client(self._service.sandbox)).ask(request)
            answered(answer)
        if answer.status >= 500:
            raise StepFailed(f"{answer.asked} answered {answer.status}; {_told(answer)}")
        return answer

    async def _ask_together(self, step: Together) -> None:
        ends = await asyncio.gather(*(self._ask(each) for each in step.requests), return_exceptions=True)
        self._last = None
        answers = []
        for end in ends:
            # All have ended: none is left on its way when the first problem is told.
            if isinstance(end, BaseException):
                raise end
            answers.append(end)
        found = sorted(answer.status for answer in answers)
        if found != sorted(step.statuses):
            asked = ", ".join(f"{answer.asked}: {_told(answer)}" for answer in answers)
            wanted = ", ".join(map(str, sorted(step.statuses)))
            raise StepFailed(
                f"at the same time the statuses were {', '.join(map(str, found))} instead of {wanted}; {asked}"
            )

    def _answer(self) -> Answer:
        if not isinstance(self._last, Answer):
            raise StepMalformed("no request was made just before that could have been answered")
        return self._last

    def _said(self) -> Answer | Output:
        if self._last is None:
            raise StepMalformed("neither a request nor a command came before")
        return self._last

    def _json(self) -> JsonValue:
        last = self._said()
        text = last.text if isinstance(last, Answer) else last.stdout
        try:
            value: JsonValue = json.loads(text)
        except ValueError as error:
            raise StepFailed(f"{_named(last)} gave no JSON; {_told(last)}") from error
        return value

    def _at(self, place: str) -> JsonValue:
        value, last = self._json(), self._said()
        try:
            return at_place(value, place)
        except MalformedPlace as error:
            raise StepMalformed(str(error)) from error
        except NoSuchPlace as error:
            raise StepFailed(f"in what {_named(last)} gave, {error}; {_told(last)}") from error

    def _in_header(self, step: Keep) -> str:
        answer = self._answer()
        values = answer.headers.get_all(step.header, [])
        for value in values:
            if (part := part_of(str(value), step.like)) is not None:
                return part
        like = f" like {step.like!r}" if step.like else ""
        raise StepFailed(
            f"{answer.asked} answered {answer.status} without the header {step.header}{like}; "
            + _headers_there(answer, values)
        )

    def _see_status(self, step: SeeStatus) -> None:
        answer = self._answer()
        if answer.status != step.status:
            raise StepFailed(f"{answer.asked} answered {answer.status} instead of {step.status}; {_told(answer)}")

    def _see_header(self, step: SeeHeader) -> None:
        answer = self._answer()
        headers: Message = answer.headers
        values = headers.get_all(step.name, [])
        if any(step.text in value for value in values) == step.present:
            return
        there = _headers_there(answer, values)
        wanted = f"the header {step.name}{f' with {step.text!r}' if step.text else ''}"
        raise StepFailed(f"{answer.asked} answered with{'out' if step.present else ''} {wanted}; {there}")

    def _see_json(self, step: SeeJson) -> None:
        last, where = self._said(), step.at or "the whole"
        try:
            found = self._at(step.at)
        except StepFailed as error:
            # What is no JSON at all has no places, but is no proof either.
            self._json()
            if step.present:
                raise StepFailed(str(error)) from error
            return
        problem = ""
        if step.count is not None:
            count = len(found) if isinstance(found, list | dict) else None
            there = f"{count} elements" if count is not None else f"no list but {shown(found)}"
            problem = "" if count == step.count else f"{where} has {there} instead of {step.count} elements"
        elif step.type is not None:
            problem = "" if is_of(found, step.type) else f"{where} is {shown(found)} and not of the type {step.type}"
        else:
            problem = difference(found, step.value, step.at)
        if bool(problem) != step.present:
            return
        said = problem or f"{where} is {shown(found)}, but should not be"
        raise StepFailed(f"in what {_named(last)} gave, {said}; {_told(last)}")

    async def _see_exit(self, step: SeeExit) -> None:
        if self._terminal is not None:
            self._last = await self._terminal.end()
            self._ended(self._last)
        last = self._said()
        if not isinstance(last, Output):
            raise StepMalformed("no command was run just before")
        if last.exit_code is None:
            raise StepFailed(f"{_named(last)} had not ended; {_told(last)}")
        right = last.exit_code != 0 if step.code is None else last.exit_code == step.code
        if not right:
            wanted = "another than 0" if step.code is None else str(step.code)
            raise StepFailed(
                f"{_named(last)} ended with the exit code {last.exit_code} instead of {wanted}; {_told(last)}"
            )

    def _see_output(self, step: SeeOutput) -> None:
        last = self._said()
        if isinstance(last, Answer):
            text, where = last.text, "the body"
        else:
            text = {"stdout": last.stdout, "stderr": last.stderr}.get(step.stream, last.stdout + last.stderr)
            where = "the output" if step.stream == "any" else step.stream
        holds = text.strip() == step.text.strip() if step.exactly else step.text in text
        if holds == step.present:
            return
        verb = "is" if step.exactly else "has"
        problem = (
            f'{where} {verb} not "{step.text}"' if step.present else f'{where} {verb} "{step.text}", but should not'
        )
        raise StepFailed(f"after {_named(last)} {problem}; {_told(last)}")

    async def _see_file(self, step: SeeFile) -> None:
        try:
            content = await self._service.sandbox.read(self._path(step.path), limit_bytes=_FILE_BYTES)
        except (FileNotFoundError, IsADirectoryError, ToolError) as error:
            if step.present:
                raise StepFailed(f"there is no file {step.path}") from error
            return
        text = content.decode(errors="replace")
        self._note_look(f"look into the file {step.path}", text or "(empty)")
        if (step.text in text) == step.present:
            return
        if step.present:
            raise StepFailed(f'the file {step.path} has not "{step.text}"; it is: {text[:_SHOWN_CHARACTERS]}')
        raise StepFailed(
            f"the file {step.path} is there{f' and has {step.text!r}' if step.text else ''}, but should not"
        )

    def _note_look(self, asked: str, seen: str) -> None:
        """Write down what was seen, once for all looks that see the same before anything else is done."""
        look = Exchange(asked=cut(asked, ASKED_CHARACTERS), answered=cut(seen, ANSWERED_CHARACTERS))
        if look not in self._looks:
            self._looks.append(look)
            self._exchanges.append(look)

    def _path(self, path: str) -> PurePosixPath:
        if ".." in PurePosixPath(path).parts:
            raise StepMalformed(f"{path!r} leads out of the product's folder")
        return self._service.root / path


def _named(last: Answer | Output) -> str:
    return last.asked if isinstance(last, Answer) else f"`{last.command}`"


def _headers_there(answer: Answer, values: Sequence[str]) -> str:
    return f"it is {', '.join(map(repr, values))}" if values else f"there are {', '.join(answer.headers.keys())}"


def _in_full(last: Answer | Output) -> str:
    """What was answered, for whoever wants to see it."""
    if isinstance(last, Answer):
        kind = last.headers.get("Content-Type")
        return f"{last.status}{f' · {kind}' if kind else ''}\n{last.text}"
    ended = "still running" if last.exit_code is None else f"exit code {last.exit_code}"
    errors = f"\nto stderr:\n{last.stderr}" if last.stderr else ""
    return f"{ended}\n{last.stdout}{errors}"


def _told(last: Answer | Output) -> str:
    """What was answered, for whoever must find out why."""
    if isinstance(last, Answer):
        return f"status {last.status}, body {last.text[:_SHOWN_CHARACTERS] or '(empty)'}"
    said = last.stdout[-_SHOWN_CHARACTERS:]
    errors = f"; to stderr: {last.stderr[-_SHOWN_CHARACTERS:]}" if last.stderr else ""
    return f"it wrote: {said or 'nothing'}{errors}"
