"""What the graph remembers between nodes: ids, counters and decisions as plain JSON; documents are artifacts."""

import operator
from typing import Annotated, TypedDict

from macrohard.domain import RunOutcome
from macrohard.domain.approval import Point


class Branch(TypedDict):
    """What one task left."""

    task: str
    commit: str | None
    problem: str
    note: str
    """What its agent tells colleagues."""
    decisions: list[str]
    """What it settled that others have to keep to."""


class Return(TypedDict):
    """A task whose branch broke the product, and that is done once more."""

    base: str
    """Everybody's work, its own included."""
    problem: str


class State(TypedDict, total=False):
    """Digests name artifacts that hold the documents of `macrohard.domain` as JSON."""

    iteration: int
    """0 until the first plan is made."""
    specification: str
    reading: str
    """Specification, design and plan as one reader wrote them; empty if an analyst wrote the specification alone."""
    team: str
    design: str
    plan: str
    """Of the present iteration."""
    scenarios: str
    base: str
    """The commit that the next tasks start from."""
    branches: Annotated[list[Branch], operator.add]
    """Done and not yet integrated."""
    done: list[str]
    """Tasks of the present iteration that are integrated, or were given up."""
    returned: dict[str, Return]
    """By task, for the present iteration."""
    contested: list[str]
    """Tasks of the present iteration for which two candidates are made; see `macrohard.factory.candidates`."""
    set_aside: Annotated[list[str], operator.add]
    """The names of the sessions of the present iteration that made the candidates not chosen."""
    notes: list[str]
    """What the agents of those tasks told."""
    decisions: str
    """The log of all iterations; missing while it is empty."""
    verdicts: str
    """Of the present iteration's commit."""
    claims: str
    """What sessions of the present iteration reported and their logs deny."""
    problems: str
    """What the present iteration is to repair; missing in the first."""
    findings: Annotated[list[str], operator.add]
    """One digest for each visitor and each reviewer of the present iteration."""
    noticed_at: str
    """The commit that visitors and reviewers had before them last; none are sent to the same once more."""
    noticed: list[str]
    """What `findings` were then."""
    reviews: Annotated[dict[str, str], operator.or_]
    """By reviewer: the digest of its last review, of whatever iteration."""
    tested: str
    """What the product tester said last, of whatever iteration; missing until it has handed something in."""
    visits: Annotated[list[str], operator.add]
    """One digest for each visit of a simulated user, of all iterations: the film shows those to the released commit."""
    good: str | None
    """The last commit that was kept."""
    proof: str
    """The verdicts on it."""
    met: list[str]
    """What it passed: criteria and gates."""
    failures: list[str]
    """What failed at the last triage; the same again means stuck."""
    repeats: int
    """How often in a row they came back."""
    judged: int
    """The iteration that triage looked at last."""
    ruled: dict[str, int]
    """How many rulings at each point were acted on, with those that nobody gave in time."""
    awaiting: Point
    """Where it waits for a person's ruling."""
    until: str
    """When the run goes on without a ruling, as ISO 8601; empty: it waits."""
    asked: str
    """The id of the question that the run stopped at because of them; see `macrohard.factory.stuck`."""
    ended: str
    """Why no further iteration follows; empty when all holds."""
    decision: str
    """What comes next, where a node decides: design, ask, end, implement, stuck, release, approve, build, change."""
    product: str
    """Where the product was put."""
    outcome: RunOutcome
    problem: str


class TaskInput(TypedDict):
    """What one implementation gets."""

    iteration: int
    specification: str
    design: str
    plan: str
    task: str
    base: str
    problems: str | None
    notes: list[str]
    returned: Return | None
    decisions: str | None
    contested: bool
    scenarios: str | None
    """Missing as long as they are being written."""
    held: list[str]
    """What the base passed: criteria and gates."""


class VisitInput(TypedDict):
    """What one visitor gets."""

    iteration: int
    specification: str
    design: str
    commit: str
    visitor: str
    """A persona's name, or the product tester's."""
    pictured: bool
    """Whether it is this visitor after whom the product is pictured in light and dark; one of each commit's is."""
    tested: str | None
    """What the product tester said last."""
    problems: str | None
    """What this iteration was to repair."""
    gained: list[str]
    """What the commit passes that the last one did not: criteria and gates."""


class ReviewInput(TypedDict):
    """What one reviewer gets."""

    iteration: int
    specification: str
    design: str
    decisions: str | None
    commit: str
    reviewer: str
    """An agent's name."""
    earlier: str | None
    """The digest of its last review."""


def again(task_id: str) -> str:
    """The name of the session that goes on with a task which came back from integration."""
    return f"{task_id}-again"


def rival(task_id: str) -> str:
    """The name of the session that makes the second candidate for a task."""
    return f"{task_id}-rival"
