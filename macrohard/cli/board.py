"""What a run is doing right now, computed from its events: the one state behind both displays."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from macrohard.cli.terminal import dollars, duration, thousands
from macrohard.domain import PHASES, BudgetState, Forecast, Phase
from macrohard.events import (
    Event,
    Found,
    IterationEnded,
    ModelCalled,
    ModelTroubled,
    PackagesFetched,
    PhaseEnded,
    PhaseStarted,
    Progress,
    RunEnded,
    RunStarted,
    SandboxAwaited,
    SessionEnded,
    SessionStarted,
    Specified,
    ToolUsed,
    Verified,
)

Clock = Callable[[], float]


@dataclass
class PhaseLine:
    """One phase of the iteration at hand; agents may be in it side by side, and it may be entered again."""

    phase: Phase
    state: Literal["waiting", "running", "done"] = "waiting"
    began: float = 0.0
    seconds: float = 0.0
    """Over all stretches that are done; of agents side by side the longest counts."""
    inside: int = 0
    stretch_seconds: float = 0.0

    def enter(self, now: float) -> None:
        """Somebody begins."""
        if self.inside == 0:
            self.state, self.began, self.stretch_seconds = "running", now, 0.0
        self.inside += 1

    def leave(self, seconds: float) -> None:
        """Somebody is done after so long."""
        self.inside = max(self.inside - 1, 0)
        self.stretch_seconds = max(self.stretch_seconds, seconds)
        if self.inside == 0:
            self.state, self.seconds = "done", self.seconds + self.stretch_seconds


@dataclass
class SessionLine:
    """One agent at work."""

    agent: str
    task: str
    began: float
    doing: str = ""


@dataclass
class Board:
    """Fed by `observe`; read by whoever draws it."""

    clock: Clock = time.monotonic
    title: str = ""
    model: str = ""
    tier: str = ""
    notices: tuple[str, ...] = ()
    iteration: int = 0
    phases: dict[Phase, PhaseLine] = field(default_factory=lambda: {phase: PhaseLine(phase) for phase in PHASES})
    sessions: dict[str, SessionLine] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    """Check → status, of the iteration at hand."""
    findings: set[str] = field(default_factory=set)
    model_calls: int = 0
    cost_usd: float = 0.0
    """Since this process took the run up."""
    budget: BudgetState | None = None
    """As the ledger last said it, all of the run included."""
    forecast: Forecast | None = None
    progress: str = ""
    troubles: dict[str, str] = field(default_factory=dict)
    """Endpoint → what is wrong with it and what is done about it, in words."""
    waits: dict[str, SandboxAwaited] = field(default_factory=dict)
    """Openings that stand in line for a sandbox."""
    ended: str = ""

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def elapsed_seconds(self) -> float:
        """Since this process took the run up."""
        return self.clock() - self.began

    @property
    def money(self) -> str:
        """E.g. "$0.42 of $5.00 · 118k tokens"."""
        if self.budget is None:
            return dollars(self.cost_usd)
        cap = self.budget.caps.usd
        of = "" if cap is None else f" of {dollars(cap)}"
        return f"{dollars(self.budget.spent_usd)}{of} · {thousands(self.budget.spent_tokens)} tokens"

    @property
    def burn(self) -> str:
        """E.g. "10 % of the budget, $0.10 of it reserved, about $0.80–2.10 in all"; empty if nothing is known."""
        budget = self.budget
        if budget is None:
            return ""
        parts = [f"{budget.share * 100:.0f} % of the budget"] if budget.share is not None else []
        if budget.reserved_usd:
            parts.append(f"{dollars(budget.reserved_usd)} of it reserved")
        if self.forecast is not None and (projected := self.forecast.projected_usd(budget.spent_usd)) is not None:
            parts.append(f"about {dollars(projected[0])}–{projected[1]:,.2f} in all")
        return ", ".join(parts)

    @property
    def queue(self) -> str:
        """E.g. "3 wait for a sandbox: all 12 places are taken"; empty if nobody does."""
        if not self.waits:
            return ""
        places = next(iter(self.waits.values())).places
        taken = "the only place is" if places == 1 else f"all {places} places are"
        return f"{len(self.waits)} {'waits' if len(self.waits) == 1 else 'wait'} for a sandbox: {taken} taken"

    def verdict_count(self, status: str) -> int:
        """How many checks of this iteration say so."""
        return sum(1 for said in self.verdicts.values() if said == status)

    def observe(self, event: Event) -> None:
        """Take one fact in."""
        match event:
            case RunStarted():
                self.model, self.tier, self.notices = event.model, event.sandbox_tier, event.notices
            case RunEnded():
                self.ended, self.progress = event.outcome, ""
                self.sessions.clear()
                self.waits.clear()
            case Specified():
                self.title = event.specification.title
            case PhaseStarted():
                self._begin(event)
            case PhaseEnded():
                self.phases[event.phase].leave(event.seconds)
                self.progress = ""
            case SessionStarted():
                self.sessions[event.session_id] = SessionLine(event.persona or event.agent, event.task, self.clock())
            case ToolUsed():
                if session := self.sessions.get(event.session_id):
                    session.doing = event.summary
            case ModelCalled():
                self.model_calls += 1
                self.cost_usd += event.cost_usd
                self.troubles.pop(event.endpoint, None)
            case ModelTroubled():
                self.cost_usd += event.cost_usd
                self.troubles[event.endpoint] = trouble(event)
                if event.reaction == "well again":
                    del self.troubles[event.endpoint]
            case SessionEnded():
                self.sessions.pop(event.session_id, None)
            case Verified():
                self.verdicts[event.verdict.check] = event.verdict.status
            case Found():
                self.findings.add(event.finding.id)
            case IterationEnded():
                self.progress = f"iteration {event.iteration}: {event.reason}"
            case SandboxAwaited() if event.turn:
                self.waits[event.id] = event
            case SandboxAwaited():
                self.waits.pop(event.id, None)
            case PackagesFetched():
                self.progress = f"fetched {event.fetched.in_words}"
            case Progress():
                self.progress = event.text
            case _:
                pass

    def _begin(self, event: PhaseStarted) -> None:
        if event.iteration > self.iteration:
            if self.iteration > 0:
                # The phases before the first implementation are not done again and keep their times.
                for phase in PHASES[PHASES.index("implement") :]:
                    self.phases[phase] = PhaseLine(phase)
            self.iteration = event.iteration
            self.verdicts.clear()
        self.phases[event.phase].enter(self.clock())


def trouble(event: ModelTroubled) -> str:
    """One line for people, what is done about it first."""
    match event.reaction:
        case "waits":
            return f"{event.endpoint} waits {duration(event.seconds)}: {event.problem}"
        case "asks again":
            return f"{event.endpoint} was asked again: {event.problem}"
        case "asks another":
            return f"{event.instead} is asked instead of {event.endpoint}: {event.problem}"
        case "gives up":
            return f"{event.endpoint} does not answer: {event.problem}"
        case "well again":
            return f"{event.endpoint} is well again"
