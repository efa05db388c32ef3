"""A run as people review it: computed from events and rows, read by report, command line and dashboard."""

from datetime import datetime
from typing import Final

from macrohard.domain.approval import Awaited, Settled
from macrohard.domain.budget import BudgetState, Costs, Forecast
from macrohard.domain.candidate import Comparison
from macrohard.domain.design import Design
from macrohard.domain.ground import Ground, HandedBack, Work
from macrohard.domain.isolation import Tier
from macrohard.domain.packages import PackageFile
from macrohard.domain.plan import Task
from macrohard.domain.project import DEFAULT
from macrohard.domain.provenance import Provenance
from macrohard.domain.review import Disputed, Mended
from macrohard.domain.run import Assumed, CriterionStatus, Phase, RunStatus, SessionOutcome
from macrohard.domain.scenario import Scenario
from macrohard.domain.specification import Criterion, Question, Specification
from macrohard.domain.team import Team
from macrohard.domain.usage import Checked, DemoFilm, Looks, UserSession
from macrohard.domain.value import Value
from macrohard.domain.verdict import Contradiction, Finding, Verdict
from macrohard.errors import Cap

TRIAL: Final = "trial_of"
"""Where a run's options name the one agent that is tried, and nothing is built."""


class RunSummary(Value):
    """One line in a list of runs."""

    id: str
    title: str
    requirement: str
    status: RunStatus
    wake_at: datetime | None = None
    """Of a parked run: when it can go on without a person having done anything."""
    queued: bool = False
    """Whether a worker of the service is to carry it out, or does."""
    project: str = DEFAULT
    waits: str = ""
    """Why no worker takes it up although it is queued; empty: the next one that is free does."""
    model: str
    created_at: datetime
    seconds: float
    """At work, without the time it was paused."""
    iterations: int
    cost_usd: float
    """All that the ledger counts as spent, failed and cut off calls included."""
    forked_from: str = ""
    """The run and iteration that it goes on from, as RUN@N; empty: none."""
    improves: str = ""
    """The run whose product it changes; empty: none."""
    trial_of: str = ""
    """The agent that was tried on its own; empty: it is no trial."""


class SessionSummary(Value):
    """One agent's work on one assignment."""

    id: str
    iteration: int
    phase: Phase
    agent: str
    persona: str | None
    task: str
    criteria: tuple[str, ...]
    outcome: SessionOutcome | None
    """None while it is at work."""
    problem: str
    commit: str | None
    model_calls: int
    input_tokens: int
    cached_tokens: int = 0
    output_tokens: int
    reasoning_tokens: int = 0
    cost_usd: float
    started_at: datetime
    seconds: float
    parent: str | None = None
    """The session that started it; None: the factory did."""
    contradictions: tuple[Contradiction, ...] = ()
    """What it reported and its own log denies."""
    assumed: tuple[Assumed, ...] = ()
    """What it would have asked the person, and took for granted instead."""
    summary: str = ""
    """What it said it had done; empty where it changed nothing, or did not finish."""
    open_points: tuple[str, ...] = ()
    """In its own words."""
    decisions: tuple[str, ...] = ()
    """What it settled, in its own words."""


class CriterionState(Value):
    """One row of the traceability matrix."""

    criterion: Criterion
    status: CriterionStatus
    scenarios: tuple[Scenario, ...]
    verdicts: tuple[Verdict, ...]
    """The latest of each scenario."""
    disputed: tuple[Disputed, ...] = ()
    """Scenarios that do not count."""
    open: tuple[str, ...] = ()
    """Where it is met: what of it nobody has shown, by those who should have; empty if it was checked wholly."""


class IterationSummary(Value):
    """Implement, verify, use, triage: once."""

    number: int
    commit: str | None
    kept: bool | None
    """None: not decided yet. False: it lost an earlier pass and the product went back to the last good commit."""
    reason: str
    """Why it was kept or not, and what the next one is for."""
    tasks: tuple[Task, ...]
    comparisons: tuple[Comparison, ...] = ()
    """Of tasks that were carried out more than once."""
    verdicts: tuple[Verdict, ...]
    gained: tuple[str, ...]
    """Criteria met that were not met in the last kept iteration."""
    lost: tuple[str, ...]
    findings: tuple[Finding, ...]
    users: tuple[UserSession, ...]
    seconds: float
    cost_usd: float


class PhaseTime(Value):
    """Wall time in one phase over all iterations; phases that overlap count each."""

    phase: Phase
    seconds: float


class Blocked(Value):
    """Something that a run at work waits for, and that is no answer of a model."""

    on: str
    """A sandbox, or the endpoint of that name."""
    since: datetime
    until: datetime
    """From then on it does not, unless it is told again."""
    detail: str


class RunOverview(Value):
    """All of one run."""

    summary: RunSummary
    problem: str
    """Why it is paused, refused, partial or failed; empty when delivered."""
    notices: tuple[str, ...]
    """What was degraded, e.g. the sandbox tier or the built-in model; said first wherever the run is shown."""
    sandbox_tier: Tier | None
    """The weakest that it worked in; None: none was opened."""
    team: Team | None = None
    """None: nobody was chosen yet."""
    specification: Specification | None
    design: Design | None
    criteria: tuple[CriterionState, ...]
    iterations: tuple[IterationSummary, ...]
    sessions: tuple[SessionSummary, ...]
    phases: tuple[PhaseTime, ...]
    model_calls: int
    cost_usd: float
    budget_usd: float | None
    budget: BudgetState | None = None
    """None: it has none."""
    costs: Costs = Costs()
    forecast: Forecast | None = None
    product_commit: str | None
    product_path: str | None
    packages: tuple[PackageFile, ...] = ()
    """What was fetched when the product was installed to be checked: its own install command asked for these."""
    sandbox_tiers: tuple[Tier, ...] = ()
    """Each that it worked in, as they came: several if it was resumed where sandboxes are stronger or weaker."""
    sandbox_wait_seconds: float = 0.0
    """How long openings stood in line for a place, all added up: more than a few percent of the sessions' time means
    that places, not models, hold the run up."""
    provenance: Provenance | None = None
    """What it began from; None: from nothing."""
    ground: Ground | None = None
    """The same, as it was understood; None: not yet."""
    mended: tuple[Mended, ...] = ()
    """Scenarios of the run that it improves that were brought up to date."""
    works: tuple[Work, ...] = ()
    """What its tasks changed of what it began from."""
    returned: HandedBack | None = None
    """What the person's repository got."""
    checklist: tuple[Checked, ...] = ()
    """What the product tester said of each criterion at the released commit; an opinion, beside the verdicts."""
    blocked: tuple[Blocked, ...] = ()
    """What holds it up, the longest first; what is past its `until` does not any more."""
    awaited: Awaited | None = None
    """The ruling that it waits for; None: it waits for none."""
    cap: Cap | None = None
    """The cap at which it waits for more; None: it does not."""
    settled: Settled | None = None
    """Who approved the plan, and what they made different; None: nobody was asked, or nobody answered yet."""
    looks: Looks | None = None
    """Of the released commit; None: it has no pages, looks the same in dark colours, or nobody saw it in both."""
    film: DemoFilm | None = None
    """Of the released commit; None: there was nothing to film, or no film was wanted."""

    @property
    def open_questions(self) -> tuple[Question, ...]:
        """What the run waits for the person to say."""
        if self.summary.status != "paused" or self.specification is None:
            return ()
        if self.design is None and self.specification.decision == "ask":
            return self.specification.questions
        return tuple(question for question in self.specification.questions if question.text == self.problem)

    def kept_before(self, number: int) -> int:
        """The last iteration before this one that was kept; 0: none, so that it changed what the run began from."""
        return max((each.number for each in self.iterations if each.number < number and each.kept), default=0)
