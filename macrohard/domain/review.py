"""What a second reader says of the acceptance scenarios before any of them counts."""

from typing import Literal

from pydantic import Field

from macrohard.domain.scenario import Scenario
from macrohard.domain.value import Value


class Objection(Value):
    """Why a scenario must not decide about a product."""

    scenario: str
    """Its id."""
    flaw: Literal["not in the contract", "implementation", "not its criterion", "cannot fail", "does not work"]
    """It demands what neither specification nor design says; it depends on how a product is built; it does not test the
    criterion that it names; it would pass without the behaviour; as it is written it fails in a right product."""
    reason: str = Field(min_length=1)
    """Which step, what is wrong with it, and what would be right."""


class ContractFlaw(Value):
    """Where specification and design contradict each other, or an example, layout or sum in them cannot be right."""

    where: str = Field(min_length=1)
    """Both places, in their own words."""
    problem: str = Field(min_length=1)
    """Why no product can keep both, and what would settle it."""
    scenarios: tuple[str, ...] = ()
    """The ids of those that rest on it: they are looked at again once it is settled."""


class Disputed(Value):
    """A scenario that writer and reviewer did not agree on: it is not run, and says nothing about any product."""

    scenario: Scenario
    objection: Objection


class Mended(Value):
    """A scenario of an earlier run that no product could pass any more after a change, and was brought up to date."""

    scenario: str
    """Its id."""
    reason: str = Field(min_length=1)
    """Which words of the new specification or design it contradicted."""
