"""A run as people review it, folded from its events: of each thing the last word counts, however often it was told."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from macrohard.domain import (
    PHASES,
    TIERS,
    BudgetState,
    Checked,
    Costs,
    Criterion,
    CriterionState,
    DemoFilm,
    Design,
    Finding,
    Forecast,
    IterationSummary,
    Looks,
    PackageFile,
    Phase,
    PhaseTime,
    Plan,
    RunOverview,
    RunSummary,
    Scenario,
    SessionSummary,
    Specification,
    Tier,
    Unclear,
    UserSession,
    Verdict,
)
from macrohard.domain.approval import Awaited, Settled
from macrohard.domain.candidate import Comparison
from macrohard.domain.ground import Ground, HandedBack, Work
from macrohard.domain.overview import Blocked
from macrohard.domain.provenance import Provenance
from macrohard.domain.review import Disputed, Mended
from macrohard.domain.run import Assumed
from macrohard.domain.standing import status_of
from macrohard.domain.team import Team
from macrohard.domain.verdict import Contradiction
from macrohard.errors import Cap
from macrohard.events import (
    ApprovalAwaited,
    CandidatesCompared,
    ClaimsChecked,
    Designed,
    Doubted,
    Event,
    Filmed,
    Found,
    Integrated,
    IterationEnded,
    ModelTroubled,
    PackagesFetched,
    PhaseEnded,
    Pictured,
    Planned,
    Reported,
    ReturnedHome,
    Reworked,
    Ruled,
    RunEnded,
    RunStarted,
    SandboxAwaited,
    ScenariosWritten,
    SessionEnded,
    Specified,
    Staffed,
    Understood,
    Used,
    Verified,
    line_in_words,
)

UNTOLD_SECONDS = 75.0
"""A wait for a sandbox is told again every half a minute: see `macrohard.sandbox.places`."""


class Recorded(NamedTuple):
    """An event as it was recorded."""

    number: int
    at: datetime
    worked_seconds: float
    """How long the run had been at work by then."""
    event: Event


class _Iteration:
    """What is known of one iteration."""

    def __init__(self, begun: float) -> None:
        self.begun = self.until = begun
        self.commit: str | None = None
        self.plan = Plan(tasks=())
        self.comparisons: dict[str, Comparison] = {}
        self.end: IterationEnded | None = None
        self.verdicts: dict[tuple[str, str], Verdict] = {}
        self.findings: dict[str, Finding] = {}
        self.visits: dict[tuple[str, str], UserSession] = {}
        self.packages: dict[str, PackageFile] = {}


class Fold:
    """All that the events of a run say together."""

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.tiers: tuple[Tier, ...] = ()
        """Each that the run worked in, as they came."""
        self.specification: Specification | None = None
        self.design: Design | None = None
        self.team: Team | None = None
        self.scenarios: tuple[Scenario, ...] = ()
        self.product: str | None = None
        """The last commit that was kept."""
        self.product_path: str | None = None
        self.film: DemoFilm | None = None
        self.ground: Ground | None = None
        self.returned: HandedBack | None = None
        self.works: tuple[Work, ...] = ()
        self._awaited: Awaited | None = None
        self._cap: Cap | None = None
        self._settled: Settled | None = None
        self._iterations: dict[int, _Iteration] = {}
        self._phases: dict[Phase, dict[tuple[int, float], tuple[float, float]]] = {}
        self._disputed: tuple[Disputed, ...] = ()
        self._unclear: dict[str, tuple[Unclear, ...]] = {}
        self._looks: dict[str, Looks] = {}
        self._checklists: dict[str, tuple[Checked, ...]] = {}
        self._unreviewed = ""
        self._mended: tuple[Mended, ...] = ()
        self._waits: dict[str, float] = {}
        self._blocked: dict[str, Blocked] = {}
        """By the wait's id, or the endpoint's name."""
        self._contradictions: dict[str, tuple[Contradiction, ...]] = {}
        self._assumed: dict[str, tuple[Assumed, ...]] = {}
        self._reports: dict[str, Reported] = {}

    def take(self, recorded: Recorded) -> None:
        """Take the next event in."""
        event = recorded.event
        number = getattr(event, "iteration", 0)
        iteration = self._iteration(number, recorded.worked_seconds) if number else _Iteration(0.0)
        match event:
            case RunStarted():
                self._blocked.clear()
                self.started = event
                if event.sandbox_tier not in self.tiers:
                    self.tiers = (*self.tiers, event.sandbox_tier)
            case RunEnded():
                self.product_path, self._cap = event.product_path, event.cap
            case Filmed():
                self.film = event.film
            case Understood():
                self.ground = event.ground
            case ApprovalAwaited():
                self._awaited = event.awaited
            case Ruled():
                self._awaited = None
                if event.point == "plan" and event.approved and event.by:
                    self._settled = Settled(by=event.by, at=recorded.at, changes=event.changes)
            case ReturnedHome():
                self.returned = event.returned
            case Specified():
                self.specification = event.specification
            case Staffed():
                self.team = event.team
            case Designed():
                self.design = event.design
            case Reworked():
                self.works = event.works
            case ScenariosWritten():
                self.scenarios, self._disputed = event.scenarios, event.disputed
                self._unreviewed, self._mended = event.unreviewed, event.mended
            case Planned():
                iteration.plan = event.plan
            case CandidatesCompared():
                iteration.comparisons[event.comparison.task] = event.comparison
            case Integrated():
                iteration.commit = event.commit
            case Verified():
                iteration.verdicts[event.verdict.check, event.verdict.commit] = event.verdict
            case SessionEnded():
                self._assumed[event.session_id] = event.assumed
            case ClaimsChecked():
                self._contradictions[event.session_id] = event.contradictions
            case Reported():
                self._reports[event.session_id] = event
            case Found():
                iteration.findings[event.finding.id] = event.finding
            case Doubted():
                self._unclear[event.commit] = event.unclear
                self._checklists[event.commit] = event.checklist
            case Pictured():
                self._looks[event.looks.commit] = event.looks
            case Used():
                iteration.visits[event.session.persona, event.session.commit] = event.session
            case PackagesFetched() if event.phase == "verify":
                iteration.packages |= {file.digest: file for file in event.fetched.files}
            case IterationEnded():
                iteration.end, iteration.commit = event, event.commit
            case SandboxAwaited():
                self._waits[event.id] = event.seconds
                self._block(event.id, _line(event, recorded.at) if event.turn else None)
            case ModelTroubled():
                self._block(event.endpoint, _closed(event, recorded.at) if event.reaction == "waits" else None)
            case PhaseEnded():
                # An end that is told again, word for word, is the same stretch of time.
                span = (recorded.worked_seconds - event.seconds, recorded.worked_seconds)
                self._phases.setdefault(event.phase, {}).setdefault((event.iteration, event.seconds), span)
            case _:
                return
        kept = (each for _, each in sorted(self._iterations.items()) if each.end is not None and each.end.kept)
        for each in kept:
            self.product = each.commit
        if self.returned is not None:
            self.product = self.returned.verified

    def _block(self, key: str, blocked: Blocked | None) -> None:
        self._blocked.pop(key, None)
        if blocked is not None:
            self._blocked[key] = blocked

    def _iteration(self, number: int, worked_seconds: float) -> _Iteration:
        iteration = self._iterations.setdefault(number, _Iteration(worked_seconds))
        if iteration.end is None:
            iteration.until = worked_seconds
        return iteration

    def phases(self) -> tuple[PhaseTime, ...]:
        """Wall time in each phase; parts of one that ran side by side count once."""
        return tuple(
            PhaseTime(phase=phase, seconds=_covered(self._phases[phase].values()))
            for phase in PHASES
            if phase in self._phases
        )

    def criteria(self) -> tuple[CriterionState, ...]:
        """Each criterion with its scenarios, the verdict that counts for each, and what follows from them."""
        if self.specification is None:
            return ()
        latest: dict[str, Verdict] = {}
        on_product: dict[str, Verdict] = {}
        for _, iteration in sorted(self._iterations.items()):
            for verdict in iteration.verdicts.values():
                latest[verdict.check] = verdict
                if verdict.commit == self.product:
                    on_product[verdict.check] = verdict
        counting = latest | on_product
        return tuple(self._criterion(criterion, counting) for criterion in self.specification.criteria)

    def _criterion(self, criterion: Criterion, verdicts: dict[str, Verdict]) -> CriterionState:
        scenarios = tuple(scenario for scenario in self.scenarios if scenario.criterion == criterion.id)
        status = status_of(criterion, scenarios=self.scenarios, verdicts=verdicts.values(), commit=self.product)
        return CriterionState(
            criterion=criterion,
            status=status,
            open=self._open(criterion, scenarios) if status == "met" else (),
            scenarios=scenarios,
            verdicts=tuple(verdicts[scenario.id] for scenario in scenarios if scenario.id in verdicts),
            disputed=tuple(each for each in self._disputed if each.scenario.criterion == criterion.id),
        )

    def _open(self, criterion: Criterion, scenarios: Sequence[Scenario]) -> tuple[str, ...]:
        """What neither a scenario of the criterion nor the tester has shown of the product."""
        partial = all(scenario.not_shown for scenario in scenarios)
        left = [scenario.not_shown for scenario in scenarios] if partial else []
        unclear = [each.why for each in self._unclear.get(self.product or "", ()) if each.criterion == criterion.id]
        return tuple(dict.fromkeys([*left, *(f"the product tester could not tell: {why}" for why in unclear)]))

    def iterations(self, sessions: Sequence[SessionSummary]) -> tuple[IterationSummary, ...]:
        """Each iteration, in order."""
        return tuple(
            IterationSummary(
                number=number,
                commit=each.commit,
                kept=each.end.kept if each.end else None,
                reason=each.end.reason if each.end else "",
                tasks=each.plan.tasks,
                comparisons=tuple(each.comparisons.values()),
                verdicts=tuple(each.verdicts.values()),
                gained=each.end.gained if each.end else (),
                lost=each.end.lost if each.end else (),
                findings=tuple(each.findings.values()),
                users=tuple(each.visits.values()),
                seconds=each.until - each.begun,
                cost_usd=sum(session.cost_usd for session in sessions if session.iteration == number),
            )
            for number, each in sorted(self._iterations.items())
        )

    def with_its_words(self, session: SessionSummary) -> SessionSummary:
        """The session with what it reported and assumed, and what of that its own log denies."""
        report = self._reports.get(session.id)
        said = report.model_dump(exclude={"type", "session_id"}) if report else {}
        return session.model_copy(
            update={
                "assumed": self._assumed.get(session.id, ()),
                "contradictions": self._contradictions.get(session.id, ()),
                **said,
            }
        )

    def _of_the_review(self) -> tuple[str, ...]:
        if not self._unreviewed:
            return ()
        return (f"The acceptance scenarios count without a second opinion: {self._unreviewed}",)

    def _packages(self) -> tuple[PackageFile, ...]:
        found = {
            digest: file
            for each in self._iterations.values()
            if self.product is not None and each.commit == self.product
            for digest, file in each.packages.items()
        }
        return tuple(sorted(found.values(), key=lambda file: (file.ecosystem, file.name, file.version, file.file)))

    def overview(
        self, summary: RunSummary, *, problem: str, sessions: Sequence[SessionSummary], model_calls: int,
        budget: BudgetState | None, costs: Costs, forecast: Forecast | None, provenance: Provenance | None = None,
    ) -> RunOverview:  # fmt: skip
        """All of the run."""
        return RunOverview(
            summary=summary,
            problem=problem,
            notices=(*(self.started.notices if self.started else ()), *self._of_the_review()),
            sandbox_tier=max(self.tiers, key=TIERS.index, default=None),
            sandbox_tiers=self.tiers,
            team=self.team,
            specification=self.specification,
            design=self.design,
            criteria=self.criteria(),
            iterations=self.iterations(sessions),
            sessions=tuple(sessions),
            phases=self.phases(),
            model_calls=model_calls,
            cost_usd=summary.cost_usd,
            budget_usd=budget.caps.usd if budget else None,
            budget=budget,
            costs=costs,
            forecast=forecast,
            product_commit=self.product,
            product_path=self.product_path,
            packages=self._packages(),
            sandbox_wait_seconds=sum(self._waits.values()),
            checklist=self._checklists.get(self.product or "", ()),
            looks=self._looks.get(self.product or ""),
            film=self.film,
            provenance=provenance,
            ground=self.ground,
            mended=self._mended,
            works=self.works,
            settled=self._settled,
            awaited=self._awaited if summary.status == "paused" else None,
            cap=self._cap if summary.status == "paused" else None,
            blocked=tuple(sorted(self._blocked.values(), key=lambda each: each.since))
            if summary.status == "running"
            else (),
            returned=self.returned,
        )


def _line(event: SandboxAwaited, at: datetime) -> Blocked:
    # A wait that was given up is not told any more.
    until = at + timedelta(seconds=UNTOLD_SECONDS)
    since = at - timedelta(seconds=event.seconds)
    return Blocked(on="a sandbox", since=since, until=until, detail=line_in_words(event))


def _closed(event: ModelTroubled, at: datetime) -> Blocked:
    return Blocked(on=event.endpoint, since=at, until=at + timedelta(seconds=event.seconds), detail=event.problem)


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """How long at least one of the spans lasted."""
    covered, until = 0.0, float("-inf")
    for begin, end in sorted(spans):
        covered += max(0.0, end - max(begin, until))
        until = max(until, end)
    return covered
