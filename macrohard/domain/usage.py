"""A simulated user's log: what they meant to do, what happened, and where they stumbled."""

from typing import Literal

from pydantic import Field

from macrohard.domain.value import Value


class Box(Value):
    """A place in a window, in its pixels."""

    x: float
    y: float
    width: float
    height: float


class UserStep(Value):
    """One step of a simulated user, with the frame that was on the screen after it."""

    number: int
    intention: str
    expectation: str
    """Said before acting."""
    action: str
    """E.g. `fill "Title" with "Buy milk"`."""
    element: str = ""
    """What was acted on, as everybody else calls it, too: `button "Save"`, `POST /tasks`; empty: it has no name."""
    result: str
    """What changed on the page, the answer or the screen; or the problem."""
    box: Box | None = None
    """Where it was done, in the window as the frame of the step before shows it; None: nowhere, or out of sight."""
    surprise: int | None
    """0 as expected · 1 slightly off · 2 wrong · 3 shocked; None: nobody said, and the visit did not come to its end.
    What broke is 3, whatever is said."""
    remark: str = ""
    page: str
    frame: str | None
    """Artifact digest of a JPEG; None where there is nothing to be seen but text."""
    at_seconds: float
    """Since the session began."""


class UserReport(Value):
    """What a simulated user says at the end; opinions, never verdicts."""

    goal_reached: bool
    summary: str
    quote: str = ""
    """One sentence in their own voice."""
    last_surprise: int | None = Field(default=None, ge=0, le=3)
    """How the very last step turned out, as `surprise` says it of each step before; None: not rated."""
    last_remark: str = ""
    wishes: tuple[str, ...] = Field(default=(), max_length=5)
    """What they would like and nobody promised; told to the person, never to who builds."""


class DemoFilm(Value):
    """The film of the visits to a released commit, or why there is none."""

    commit: str
    artifact: str | None
    """Digest of an MP4."""
    seconds: float = 0.0
    size_bytes: int = 0
    steps: int = 0
    """All that were taken in these visits: none is left out."""
    problem: str = ""
    """Why it could not be made."""


class Looks(Value):
    """The first page of one commit's product, in light and in dark colours."""

    commit: str
    light: str
    """Artifact digest of a JPEG, like `dark`."""
    dark: str


class Unclear(Value):
    """A criterion that the product tester could neither see hold nor fail; decides nothing by itself."""

    criterion: str
    """Its id."""
    why: str
    """What was seen instead."""


class Checked(Value):
    """What the tester saw of one criterion; an opinion with evidence, which decides nothing."""

    criterion: str
    """Its id."""
    verdict: Literal["PASS", "FAIL", "BLOCKED", "UNCLEAR"]
    evidence: str
    """The steps, and what stood there."""


class UserSession(Value):
    """One simulated user's visit to one commit."""

    persona: str
    goal: str
    commit: str
    steps: tuple[UserStep, ...]
    report: UserReport | None
    """None: gave up or ran into a limit."""
    width: int
    height: int
