"""What a simulated user stands before, whatever the product is: something to look at, acts, and what our code notes."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from macrohard.domain import Finding, Severity, Value
from macrohard.domain.usage import Box
from macrohard.product.service import Service

ENDED = "the product ended by itself and had to be started again"
_LOG_CHARACTERS = 600
_VALUE_CHARACTERS = 120
_NUMBERS = re.compile(r"/(?:\d+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,})(?=/|$)")


class Act(Value):
    """An act as it can be repeated in another visit."""

    action: str
    target: str
    """Of a page an element by role and name, of a service a path, of a terminal a file."""
    value: str
    place: int = 0
    """How many elements of the same role and name come before the target."""
    worked: bool = True
    result: str = ""
    """What was seen afterwards."""
    noted: tuple[str, ...] = ()
    """Titles of what our code noted of it, which is to be noted again."""


@dataclass(frozen=True)
class Sight:
    """What there is to be seen at one moment."""

    text: str
    """In full, for the visitor."""
    state: object
    """Equal as long as nothing has changed that the visitor could tell."""
    address: str = "/"


@dataclass(frozen=True)
class Deed:
    """One act and what it led to."""

    told: str
    """In words, for the log."""
    before: Sight
    after: Sight
    result: str
    """What changed, in short, or why it did not work; the same when the same happens."""
    shown: str
    """What changed, for the visitor."""
    whole: str = ""
    """What was shown in part only; empty: nothing was left out."""
    target: str = ""
    """For an `Act`, with its place."""
    place: int = 0
    element: str = ""
    """What was acted on; empty if it has no name."""
    box: Box | None = None
    """Where in the window it was done."""
    problem: str = ""
    """Why it did not work."""
    broke: tuple[str, ...] = ()
    """What no use of a product may ever cause."""
    remarks: tuple[str, ...] = ()
    """What happened beside it."""
    stirred: bool | None = None
    """Whether something that is there to do something did anything at all; None: nobody can tell."""
    only_moved: bool = False
    """It only moved the focus, which leads on in small steps."""


class Noted(Value):
    """What our code saw or measured, whatever the visitor makes of it."""

    category: str
    severity: Severity
    title: str
    detail: str
    page: str = ""
    element: str = ""
    found_by: str = ""
    """Empty: the visitor."""
    identity: str = ""
    """What makes it the same as another one; empty: title and page."""
    repeats: bool = True
    """It belongs to the act, so that the same acts must lead to it again."""


class Scene(ABC):
    """One fresh product as one visitor meets it; nothing but acts changes it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.lost = ""
        """Why there is nothing to be seen any more; empty while there is."""
        self._noted: list[Noted] = []

    @abstractmethod
    async def look(self) -> Sight:
        """What is there now; the first look opens the product.

        Raises:
            ToolError: there is nothing to see.
            SandboxUnavailable: the sandbox was lost.
        """

    @abstractmethod
    async def act(self, action: str, target: str, value: str) -> Deed:
        """Do something; that it does not work is a result.

        Raises:
            ToolError: the request makes no sense here, or is not possible for this visitor.
            SandboxUnavailable: the sandbox was lost.
        """

    def target_of(self, act: Act) -> str:
        """What an act of another visit was done to, as this one calls it now."""
        return act.target

    async def audit(self) -> None:
        """Note what a scanner finds in what is there now; nothing where there is none."""
        return

    async def frame(self) -> bytes | None:
        """A JPEG for the log; None where there are no pictures."""
        return None

    async def picture(self) -> tuple[bytes, int, int] | None:
        """A JPEG for the visitor's eyes with width and height in pixels; None where there is none."""
        return None

    async def in_colours(self, scheme: Literal["light", "dark"]) -> bytes | None:
        """A JPEG of the first page for somebody who has set these colours; None where there is none."""
        return None

    async def close(self) -> None:
        """Let go of what the visit itself has opened."""
        return

    def take_noted(self) -> tuple[Noted, ...]:
        """What was noted since the last time this was called."""
        noted, self._noted = tuple(self._noted), []
        return noted

    def note(self, category: str, severity: Severity, title: str, detail: str, **more: str | bool) -> None:
        """Keep something for `take_noted`; `more` are fields of `Noted`."""
        given = {"category": category, "severity": severity, "title": title, "detail": detail, **more}
        self._noted.append(Noted.model_validate(given))

    async def note_broken(
        self, problems: Iterable[str], *, after: str, page: str, element: str = ""
    ) -> tuple[str, ...]:
        """Note what broke, and that the service ended by itself, which is then started again; all that broke."""
        broke = list(dict.fromkeys(problems))
        log = self.service.log()[-_LOG_CHARACTERS:]
        if await self.service.revive():
            broke.append(ENDED)
        if broke:
            await self.service.require_sandbox()
        where = f"On the page {page}. " if page else ""
        end = f"The end of the product's log: {log or 'empty'}" if self.service.manifest.is_served else ""
        for problem in broke:
            detail = f"After: {after}. {where}{end}".strip()
            rest = problem.partition("\n")[2]
            self.note(
                "crash", 4, title_of(problem), f"{detail}\n{rest}" if rest else detail, page=page, element=element
            )
        return tuple(broke)


def finding_of(noted: Noted, *, commit: str, visitor: str, step: int, evidence: str | None) -> Finding:
    """The finding that something noted becomes; the same for everybody who finds the same."""
    return Finding.model_validate(
        {
            "id": finding_id(commit, noted.category, noted.identity or f"{noted.title}\0{noted.page}"),
            "commit": commit,
            "found_by": noted.found_by or visitor,
            "step": step if noted.repeats else 0,
            "evidence": (evidence,) if evidence else (),
            **noted.model_dump(include={"category", "severity", "title", "detail", "page", "element"}),
        }
    )


def finding_id(*parts: str) -> str:
    """The same for everybody who finds the same."""
    return f"F-{sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"


def title_of(problem: str) -> str:
    """The first line of what broke."""
    return problem.split("\n", 1)[0][:100]


def pattern_of(address: str) -> str:
    """The kind of page: the path with numbers left out."""
    return _NUMBERS.sub("/…", address.split("?", 1)[0])


def shortened(value: str) -> str:
    """What was typed or sent, for the log."""
    return value if len(value) <= _VALUE_CHARACTERS else f"{value[:_VALUE_CHARACTERS]}… ({len(value)} characters)"
