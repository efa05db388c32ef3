"""Points at which a run waits for a person's yes, where it was asked to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from macrohard.domain.plan import Plan
from macrohard.domain.specification import Specification
from macrohard.domain.value import Value

Point = Literal["plan", "release"]
"""Plan: criteria, design and tasks are there, and nothing was built. Release: the product is there."""

Approvals = Mapping[Point, float | None]
"""The points at which a run waits, and for how many seconds until it goes on as if approved; None: until it is."""


class Ruling(Value):
    """What a person said at such a point."""

    point: Point
    number: int = 0
    """How many rulings at this point there were before, with those that nobody gave in time."""
    approved: bool
    by: str
    at: datetime
    comment: str = ""
    """What is to be different; of a ruling that does not approve."""
    specification: Specification | None = None
    """As the person wants it; None: as it was shown."""
    plan: Plan | None = None


class Awaited(Value):
    """What a run waits for."""

    point: Point
    number: int
    """How many rulings at this point there were before."""
    until: datetime | None
    """Then it goes on as if approved; None: it waits."""
