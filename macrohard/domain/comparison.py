"""Two iterations, or two runs, side by side."""

from typing import Literal

from macrohard.domain.overview import RunSummary
from macrohard.domain.run import CriterionStatus
from macrohard.domain.specification import Priority
from macrohard.domain.usage import UserStep
from macrohard.domain.value import Value
from macrohard.domain.verdict import CheckKind, Finding, VerdictStatus

Change = Literal["lost", "gained", "different", "only left", "only right", "same"]
"""From left to right; gained: it holds on the right, and did not on the left. Different: it holds on neither."""
Where = Literal["left", "right", "both"]


class Effort(Value):
    """What something took."""

    cost_usd: float
    tokens: int
    """Input and output."""
    model_calls: int
    seconds: float
    """At work."""


class Standpoint(Value):
    """One side: a run as it stood at the end of an iteration."""

    run: RunSummary
    iteration: int | None
    """None: the run has none yet."""
    iterations: int
    """How many the run has."""
    commit: str | None
    kept: bool | None
    reason: str
    """Why the iteration was kept or not."""
    guidance: str
    """What a fork was told to do differently; empty for others."""
    budget_usd: float | None
    in_iteration: Effort
    in_all: Effort
    """Of the run; a fork's is without what the original took."""

    @property
    def name(self) -> str:
        """As `RUN:ITERATION`."""
        return self.run.id if self.iteration is None else f"{self.run.id}:{self.iteration}"


class Held(Value):
    """How a criterion stands on one side, by the verdicts until the end of its iteration."""

    id: str
    text: str
    priority: Priority
    status: CriterionStatus
    passed: int
    """Of its scenarios in this iteration."""
    of: int


class CriterionPair(Value):
    """A criterion on both sides; None: it is not there."""

    left: Held | None
    right: Held | None
    change: Change

    @property
    def told(self) -> Held:
        """The right one, or the only one."""
        found = self.right or self.left
        assert found is not None
        return found


class GatePair(Value):
    """A check of the whole product on both sides; None: it was not made."""

    gate: CheckKind
    left: VerdictStatus | None
    right: VerdictStatus | None
    change: Change


class Noticed(Value):
    """A finding, and on which sides somebody noticed it."""

    where: Where
    finding: Finding
    """As it was told on the right, if it was there."""


class Screens(Value):
    """The last screens of a simulated user's visits; None: there was none."""

    persona: str
    left: UserStep | None
    right: UserStep | None


class Compared(Value):
    """Two sides, and what is different from the left to the right one."""

    left: Standpoint
    right: Standpoint
    related: bool
    """Whether both have the same past, so that criteria of the same number are the same; else they are matched by what
    they say."""
    criteria: tuple[CriterionPair, ...]
    """What was lost first, then what was gained, what is different, what is on one side only, and what is equal."""
    gates: tuple[GatePair, ...]
    """In the same order."""
    findings: tuple[Noticed, ...]
    """The worst first."""
    screens: tuple[Screens, ...]
    diff: str
    """From the left to the right commit, as a unified diff; ends with a line that says so if it was cut."""
    no_diff: str
    """Why there is none, in words; empty: there is, or the code is the same."""
