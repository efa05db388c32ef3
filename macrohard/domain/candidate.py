"""Several attempts at one task side by side, and which of them became part of the product."""

from macrohard.domain.run import SessionOutcome
from macrohard.domain.value import Value
from macrohard.domain.verdict import VerdictStatus


class Candidate(Value):
    """One attempt, and what our checks said about its commit."""

    session_id: str
    agent: str
    approach: str
    """What it was told to do otherwise than the others, in a few words."""
    outcome: SessionOutcome
    problem: str = ""
    """Why its session did not finish."""
    commit: str | None
    """None: it changed nothing, and nothing was checked."""
    branch: str = ""
    """Of the run's repository, where the commit stays, chosen or not."""
    passed: int = 0
    """Hidden scenarios."""
    scenarios: int = 0
    failed: tuple[str, ...] = ()
    """Checks that did not pass, by id or kind."""
    lost: tuple[str, ...] = ()
    """Criteria and gates that held before and do not hold on its commit."""
    tests: VerdictStatus = "not run"
    """The product's own."""
    changed_lines: int = 0
    """Added and removed, compared with what it began from."""
    cost_usd: float = 0.0
    model_calls: int = 0


class Comparison(Value):
    """The candidates for one task, the one that was chosen first."""

    task: str
    candidates: tuple[Candidate, ...]
    why: str
    """What the choice was decided by."""

    @property
    def chosen(self) -> Candidate:
        return self.candidates[0]
