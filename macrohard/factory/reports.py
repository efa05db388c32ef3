"""What agents hand in beside specifications, designs, plans and scenarios."""

from typing import Final, Literal

from pydantic import Field

from macrohard.domain import Checked, Design, Plan, Severity, Specification, Task, Value
from macrohard.domain.verdict import Flaw


class WorkReport(Value):
    """What was done, in two or three sentences for colleagues, and what is left open."""

    summary: str = Field(min_length=1)
    open_points: tuple[str, ...] = ()
    decisions: tuple[str, ...] = Field(default=(), max_length=10)
    """What specification and design left open and you settled, if others must keep to it; one sentence each."""


class Reading(Value):
    """The specification; and if what it describes is small, the design and the plan as well."""

    specification: Specification
    design: Design | None = None
    """None: it is not small, or not built."""
    plan: Plan | None = None
    """As the design; one task, for one coder."""


REVIEWERS_AT_MOST: Final = 4
FINDINGS_AT_MOST: Final = 5
"""Of one review; ten weak ones hide a strong one."""


class SizedTask(Task):
    """A task, with how much it is."""

    lines: int = Field(default=0, ge=0)
    """About how many lines of code, tests and texts it comes to."""


class TeamPlan(Plan):
    """The plan, and who is to read what comes of it."""

    tasks: tuple[SizedTask, ...]
    reviewers: tuple[str, ...] = Field(default=(), max_length=REVIEWERS_AT_MOST)
    """Names from `material.reviewers`, those whose trade this product can go wrong in; none if it needs none."""


class ReadingOfChange(Reading):
    """What a change to a delivered product comes to; its plan says who is to read what comes of it."""

    plan: TeamPlan | None = None


class ReviewFinding(Value):
    """One thing that is wrong with the code."""

    title: str = Field(min_length=1, max_length=200)
    file: str
    """Its path."""
    line: int = Field(ge=1)
    code: str = Field(min_length=1, max_length=400)
    """That line as it stands there."""
    detail: str = Field(min_length=1, max_length=1500)
    """The input or situation in which it goes wrong, what happens then, and what should happen."""
    category: Flaw
    severity: Severity


class ReviewReport(Value):
    """What would stop a release, weightiest first; an empty list is a good answer for good work."""

    findings: tuple[ReviewFinding, ...] = Field(default=(), max_length=FINDINGS_AT_MOST)


class TesterFinding(Value):
    """One thing that does not work as specified."""

    title: str
    detail: str
    """What was done, expected and seen."""
    page: str = ""
    element: str = ""
    category: Literal["crash", "data loss", "accessibility", "misleading", "dead end", "layout", "wish"]
    severity: Severity


class TesterReport(Value):
    """What the product tester saw on every screen of the design."""

    summary: str
    checklist: tuple[Checked, ...] = ()
    """What is not in it was not looked at."""
    findings: tuple[TesterFinding, ...] = ()


class Wanted(Value):
    """One thing for the next version."""

    sentence: str = Field(min_length=1)
    """As it could be put to the factory."""
    gain: str = Field(min_length=1)
    """Who gains, how often, and roughly for how much work."""


class NextVersion(Value):
    """What the next version brings, weightiest first, what is declined, and what only the person can say."""

    next: tuple[Wanted, ...] = Field(default=(), max_length=3)
    declined: tuple[str, ...] = ()
    """Each group of wishes, with the reason."""
    questions: tuple[str, ...] = ()
    """Each with its default."""


class Dismissal(Value):
    """A finding that is not acted on, and why."""

    finding: str
    """Its id."""
    reason: str


class TriageReport(Value):
    """The tasks of the next iteration, weightiest first, and what is set aside."""

    tasks: tuple[Task, ...] = ()
    """None only if every problem is a finding, and each is dismissed."""
    dismissed: tuple[Dismissal, ...] = ()
    note: str = ""
    """What this iteration should change, in one or two sentences for the person."""
