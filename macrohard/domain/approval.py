"""Points at which a run waits for a person's yes, where it was asked to."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from macrohard.domain.plan import Plan, Task
from macrohard.domain.specification import Criterion, Specification
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
    """What is to be different; of one that approves a plan, what those who build are told besides."""
    specification: Specification | None = None
    """As the person wants it; None: as it was shown."""
    plan: Plan | None = None


class Changed(Value):
    """One thing that a person made different from what was shown to them."""

    about: str
    """The criterion's or the task's id, or the specification's field."""
    field: str = ""
    """Which part of it; empty: all of it, which is new or gone."""
    before: str = ""
    after: str = ""


class Settled(Value):
    """A plan that somebody approved, and how it came to differ from what was shown."""

    by: str
    at: datetime
    changes: tuple[Changed, ...]


def changes(shown: Specification, planned: Plan, *, specification: Specification, plan: Plan) -> tuple[Changed, ...]:
    """What is different in specification and plan from what was shown, in its order."""
    found = [
        Changed(about=field, field="text", before=getattr(shown, field), after=getattr(specification, field))
        for field in ("title", "summary")
        if getattr(shown, field) != getattr(specification, field)
    ]
    for field in ("stories", "assumptions"):
        before, after = getattr(shown, field), getattr(specification, field)
        found += [Changed(about=field, before=each) for each in before if each not in after]
        found += [Changed(about=field, after=each) for each in after if each not in before]
    return (*found, *_differing(shown.criteria, specification.criteria), *_differing(planned.tasks, plan.tasks))


def _differing(
    before: Sequence[Criterion] | Sequence[Task], after: Sequence[Criterion] | Sequence[Task]
) -> Iterator[Changed]:
    old, new = {each.id: each for each in before}, {each.id: each for each in after}
    for id in dict.fromkeys((*old, *new)):
        one, other = old.get(id), new.get(id)
        if one is None or other is None:
            yield Changed(about=id, before=_name(one) if one else "", after=_name(other) if other else "")
            continue
        for field in type(one).model_fields:
            was, now = getattr(one, field), getattr(other, field)
            if was != now:
                yield Changed(about=id, field=field, before=_said(was), after=_said(now))


def _name(of: Criterion | Task) -> str:
    return of.text if isinstance(of, Criterion) else of.title


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "covered" if value else "not covered"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


class Awaited(Value):
    """What a run waits for."""

    point: Point
    number: int
    """How many rulings at this point there were before."""
    until: datetime | None
    """Then it goes on as if approved; None: it waits."""
