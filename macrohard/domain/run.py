"""Runs, iterations, sessions, and how each of them ends."""

from typing import Literal

from pydantic import Field

from macrohard.domain.value import JsonObject, Value

RunOutcome = Literal["delivered", "partial", "refused", "paused", "failed", "cancelled"]
RunStatus = Literal["waiting", "running", "delivered", "partial", "refused", "paused", "failed", "cancelled"]
Wish = Literal["pause", "cancel"]
"""What a person can ask of who carries a run out."""
SessionOutcome = Literal["finished", "limit", "stuck", "failed"]
CriterionStatus = Literal["met", "unmet", "stale", "not covered", "not checked"]
"""Not checked: no scenario of it was left to count, so nothing can show whether it holds."""

Phase = Literal[
    "understand",
    "analyse",
    "clarify",
    "design",
    "plan",
    "scenarios",
    "implement",
    "integrate",
    "verify",
    "review",
    "use",
    "triage",
    "release",
]
PHASES: tuple[Phase, ...] = (
    "understand", "analyse", "clarify", "design", "plan", "scenarios", "implement", "integrate", "verify", "review",
    "use", "triage", "release",
)  # fmt: skip

EXIT_CODES: dict[RunOutcome, int] = {
    "delivered": 0, "failed": 1, "partial": 3, "refused": 4, "paused": 5, "cancelled": 6,
}  # fmt: skip
"""What the command line exits with; 2 is a usage error and never a run's outcome."""


def ended_by(wish: Wish | None, run_id: str) -> tuple[RunOutcome, str]:
    """How a run ends that is stopped from outside, and why; None: its process has to end."""
    match wish:
        case "cancel":
            return "cancelled", "a person cancelled it"
        case "pause":
            return "paused", f"a person paused it. Go on with: macrohard resume {run_id}"
        case None:
            return "paused", f"interrupted. Go on with: macrohard resume {run_id}"


class Assignment(Value):
    """What one session is to do; its id is the same whenever the run reaches the same point."""

    session_id: str
    """`<run>/<iteration>/<phase>/<name>`: derived, so that a resumed run finds the session it had begun."""
    agent: str
    phase: Phase
    task: str
    """One sentence for people."""
    material: JsonObject
    """All that the agent may know, as JSON; the prompt says what it holds."""
    criteria: tuple[str, ...] = ()
    base_commit: str | None = None
    files: tuple[str, ...] | None = None
    """What the session may write; None: nothing."""
    persona: str | None = None


class Assumed(Value):
    """A question to the person that nobody waited for, and what was taken instead."""

    question: str
    assumed: str


class SessionResult(Value):
    """How a session ended; every ending is a result, not an error."""

    session_id: str
    outcome: SessionOutcome
    commit: str | None
    """The last state of the workspace it left, if it had one and changed it."""
    report: JsonObject
    """Validated against the assignment's report type; empty unless finished."""
    record: JsonObject = Field(default_factory=dict)
    """What its tools noted beside the report, e.g. a simulated user's steps with their frames."""
    problem: str = ""
    """Why it did not finish."""
    model_calls: int
    cost_usd: float
    seconds: float
    """At work, in the process that ended it."""
