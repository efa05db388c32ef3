"""Where a run waits for a person: the options that say it, and how the one at the terminal is asked."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from macrohard.domain import RunOverview
    from macrohard.domain.approval import Approvals, Point, Ruling

Approve = Annotated[
    list[str] | None,
    typer.Option(
        "--approve",
        help="Wait for your yes to its plan or its release; with a time, then go on without, e.g. release=8h.",
        metavar="POINT[=TIME]",
    ),
]
AnswerWithin = Annotated[
    str | None,
    typer.Option("--answer-within", help="How long to wait for answers before the defaults hold.", metavar="TIME"),
]
BudgetWithin = Annotated[
    str | None,
    typer.Option(
        "--budget-within",
        help="How long to wait, at a limit, for more; then what was kept is put out.",
        metavar="TIME",
    ),
]
LATER = "later"
LONGEST_SECONDS = 31_536_000.0
"""A year, as the service allows."""
_YES = re.compile(r"(?:(?:y|yes|ok|okay|approved?)(?:,? (?:please|thanks|thank you))?[.!]?)?", re.I)
_NO = re.compile(r"no?[.!]?", re.I)
_LATER = re.compile(rf"{LATER}[.!]?", re.I)


@dataclass(frozen=True)
class Gates:
    """As `submit` takes them; a time that is None has no end."""

    approvals: "Approvals" = field(default_factory=dict)
    answer_seconds: float | None = None
    budget_seconds: float | None = None


def gates(approve: list[str] | None, answer_within: str | None, budget_within: str | None) -> Gates:
    """What the options say.

    Raises:
        RequestError: a point that there is not, or no stretch of time.
    """
    from macrohard.errors import RequestError

    approvals: dict[Point, float | None] = {}
    for each in approve or ():
        point, _, within = each.partition("=")
        match point:
            case "plan" | "release":
                approvals[point] = _seconds("--approve", within) if within else None
            case _:
                raise RequestError(f"--approve {each!r}: a run waits with its plan or its release, not with {point!r}")
    return Gates(approvals, _seconds("--answer-within", answer_within), _seconds("--budget-within", budget_within))


def ruling_on(overview: "RunOverview") -> "Ruling | None":
    """What the person at the terminal says to the plan or the release that a run waits with; None: nothing yet.

    Raises:
        typer.Abort: they interrupted the question.
    """
    from macrohard.cli.terminal import printable
    from macrohard.domain.approval import Ruling

    assert overview.awaited is not None
    point, number = overview.awaited.point, overview.awaited.number
    typer.echo(f"The {point} waits for your approval:", err=True)
    for state in overview.criteria:
        shown = f"  {state.criterion.id}  {state.criterion.text}"
        typer.echo(printable(shown if point == "plan" else f"{shown}  ({state.status})"), err=True)
    said = ""
    for question in (
        f"Enter approves it, words say what is to be different, “{LATER}” leaves it waiting",
        "What is to be different?",
    ):
        said = typer.prompt(question, default="", show_default=False, err=True).strip()
        if not _NO.fullmatch(said):
            break
    if _LATER.fullmatch(said) or _NO.fullmatch(said):
        return None
    approved = _YES.fullmatch(said) is not None
    return Ruling(
        point=point, number=number, approved=approved, by="you", at=datetime.now(UTC), comment="" if approved else said
    )


def _seconds(option: str, time: str | None) -> float | None:
    from macrohard.errors import RequestError
    from macrohard.settings.spans import seconds_of

    try:
        seconds = None if time is None else seconds_of(time)
    except ValueError as error:
        raise RequestError(f"{option}: {error}") from error
    if seconds is not None and seconds > LONGEST_SECONDS:
        raise RequestError(f"{option}: {time} is more than a year; leave the time out to wait as long as it takes")
    return seconds
