"""The analyst's reading of a requirement: what is built, how it is recognised as done, and what is not done."""

from typing import Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from macrohard.domain.value import Value

ProductKind = Literal["web", "api", "cli", "library"]
SERVED: frozenset[ProductKind] = frozenset({"web", "api"})
"""These are started and asked; the others are called."""
Priority = Literal["MUST", "SHOULD"]
Decision = Literal["build", "ask", "refuse"]


class Criterion(Value):
    """One acceptance criterion: a sentence that a test can decide."""

    id: str = Field(pattern=r"^AC-[1-9][0-9]*$")
    text: str = Field(min_length=1)
    priority: Priority
    source: str = ""
    """The person's own words that this comes from; empty when it is a sensible default."""
    covered: bool = True
    """False: the factory cannot build or cannot check it with the model at hand; it stays unmet and is said first."""


class Question(Value):
    """Something only the person knows and that changes the product."""

    id: str = Field(pattern=r"^Q-[1-9][0-9]*$")
    text: str
    default: str
    """Taken, and recorded as an assumption, when nobody answers."""


class Exclusion(Value):
    """A part of what was written that is not followed, and why."""

    text: str
    reason: str


class Superseded(Value):
    """A criterion of an earlier run that a change took the place of: it is not checked any more."""

    criterion: Criterion
    reason: str
    """What the person asked for that is in contradiction to it."""


class Specification(Value):
    """Numbered, testable criteria, written before any code."""

    decision: Decision
    reason: str = ""
    """Why it is refused or asked back, in words for the person, with what they can do; empty when it is built."""
    title: str = Field(max_length=80)
    summary: str = ""
    kind: ProductKind = "web"
    stories: tuple[str, ...] = ()
    """"As a …, I …" in the words of the person's trade; simulated users get these, never the criteria."""
    criteria: tuple[Criterion, ...] = ()
    assumptions: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    superseded: SkipJsonSchema[tuple[Superseded, ...]] = ()
    """Of a product that was changed: criteria that do not hold any more. No agent writes this; see `Amendment`."""

    def criterion(self, criterion_id: str) -> Criterion:
        """The criterion of that id; KeyError if there is none."""
        for criterion in self.criteria:
            if criterion.id == criterion_id:
                return criterion
        raise KeyError(criterion_id)
