"""How many work on a run: decided by code from the specification, so that a small product is not buried in meetings."""

from typing import Final, Literal

from macrohard.domain.design import Design
from macrohard.domain.run import Phase
from macrohard.domain.scenario import Scenario
from macrohard.domain.specification import Specification
from macrohard.domain.value import Value

DESIGNING: Final[tuple[Phase, ...]] = ("understand", "analyse", "clarify", "design")
"""What a run pays for its design."""
TeamSize = Literal["solo", "small", "full"]


class Team(Value):
    """Who takes part, and why so many.

    "solo": one agent does everything (the baseline that teams are compared with). "small": one reader for
    specification, design and plan, one coder. "full": an agent for each step, as many coders as the plan has tasks.
    """

    size: TeamSize
    reason: str
    visitors: tuple[str, ...] = ()
    """Personas, and the product tester by its agent's name."""
    reviewers: tuple[str, ...] = ()
    """Agents that read what was built, and only note what they find; chosen with the plan, none in a small team."""

    @property
    def in_words(self) -> str:
        """E.g. "small, because of kind cli, 4 criteria"."""
        return f"{self.size}, {self.reason}" if self.size == "solo" else f"{self.size}, because of {self.reason}"


class Contract(Value):
    """What one agent alone is graded by: what a team's run wrote, so that both are measured with the same rule."""

    run: str
    specification: Specification
    design: Design
    design_usd: float
    """What reading the requirement and designing cost in that run; what is measured by it does not pay for it."""
    scenarios: tuple[Scenario, ...]
