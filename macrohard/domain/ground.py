"""What stands before a run begins: the existing product, what its tests said, and what became of it in the end."""

from typing import Literal

from macrohard.domain.decisions import DecisionLog
from macrohard.domain.design import Design
from macrohard.domain.plan import Task
from macrohard.domain.provenance import Provenance
from macrohard.domain.scenario import Scenario
from macrohard.domain.specification import Specification
from macrohard.domain.value import JsonObject, Value


class TestResults(Value):
    """What an existing product's own tests said at one commit."""

    __test__ = False  # not one of ours, whatever its name makes pytest think

    commit: str
    passed: tuple[str, ...] = ()
    """By name, where the runner tells; the same name twice counts once."""
    failed: tuple[str, ...] = ()
    exit_code: int | None
    """None: they could not be run, or took too long."""
    problem: str = ""
    """Why they could not be run."""
    output: str
    """Artifact digest."""
    seconds: float


class Earlier(Value):
    """What the run that this one goes on with had agreed, and what checks it; but for what is superseded it holds."""

    run: str
    requirements: tuple[str, ...]
    """What was asked for in all runs that led there, the first one first."""
    specification: Specification
    design: Design
    tasks: tuple[Task, ...]
    """Of its first iteration: what lies where, and why."""
    decisions: DecisionLog
    scenarios: tuple[Scenario, ...]
    """Hidden from everybody who writes code, as before."""
    met: tuple[str, ...]
    """Criteria and gates that its product passed."""


class Ground(Value):
    """The existing product that a run works on, as it was understood before anything was decided."""

    provenance: Provenance
    commit: str
    """What the work starts from: the person's files, and `product.toml` where they had none."""
    own_manifest: bool
    """Whether `product.toml` is the person's; else it is left out of what they get back."""
    about: JsonObject
    """Summary, languages, conventions and places, as agents are told."""
    baseline: TestResults
    guides: tuple[str, ...] = ()
    """Paths of its `AGENTS.md`, the outer ones first."""


class Work(Value):
    """What one task changed of it; several commits if it went on in several rounds."""

    title: str
    agent: str
    criteria: tuple[str, ...]
    """Those that the task serves."""
    commits: tuple[str, ...]
    """The oldest first."""
    files: tuple[str, ...]
    patch: str
    """Artifact digest: the commits' diffs, cut if they are long."""


class ChangedFile(Value):
    """One file between the person's commit and the result, as git counts it."""

    path: str
    fate: Literal["new", "changed", "removed"]
    added: int
    """Lines; 0 for what is no text, like `removed`."""
    removed: int


class HandedBack(Value):
    """The result as the person gets it, on top of their own history."""

    commit: str
    """As it is in the person's history; the product's own where nothing was rewritten."""
    verified: str
    """The product's commit that was checked, with the same files but for our `product.toml`."""
    branch: str = ""
    """In the person's repository; empty: none was made."""
    patch: str
    """Artifact digest: from the person's commit to this one."""
    files: tuple[ChangedFile, ...] = ()
    """What differs; empty if the result could not be put on top of the person's history."""
    manifest: str = ""
    """The `product.toml` that was left out; proposed to the person."""
    merged: str = ""
    """The person's later commit that it has been merged with; empty: they made none."""
    notes: tuple[str, ...] = ()
    """What could not be done, and why."""
