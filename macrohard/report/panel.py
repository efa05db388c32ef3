"""What the panel of simulated users came to: who managed, what it took, what was in their way, what nobody tried."""

from collections.abc import Mapping, Sequence

from macrohard.domain import Finding, IterationSummary, ProductKind, RunOverview, UserSession, UserStep, Value
from macrohard.factory.panel import WRONG_FROM, clustered
from macrohard.product import pattern_of

ANEW: Mapping[ProductKind, str] = {
    "web": "in a fresh browser",
    "api": "on a freshly started service",
    "cli": "in a fresh folder",
    "library": "in a fresh folder",
}
"""Where what was noticed is tried again."""


STEPS_SHOWN = 3
"""Of what led to something, with it."""


class Row(Value):
    """One user's visit in figures."""

    persona: str
    reached: bool | None
    """None: gave up without a word, or ran into a limit."""
    steps: int
    detours: int
    unrated: int
    seconds: float


class Round(Value):
    """The panel's visit to one iteration's product."""

    iteration: int
    rows: tuple[Row, ...]

    @property
    def reached(self) -> int:
        """How many managed."""
        return sum(1 for row in self.rows if row.reached)

    @property
    def shortest(self) -> int | None:
        """Steps of whoever managed with the fewest; None: nobody did."""
        return min((row.steps for row in self.rows if row.reached), default=None)

    @property
    def detours(self) -> int:
        """Of all visits."""
        return sum(row.detours for row in self.rows)


class Friction(Value):
    """Something that got in the way, told once for all who noticed it."""

    finding: Finding
    of: int
    """So many users were there."""
    steps: tuple[UserStep, ...] = ()
    """Those that led to it, in the visit of whoever came upon it first, with it as the last."""

    @property
    def is_note(self) -> bool:
        """Whether it did not happen again."""
        return self.finding.reproduced is False


class Panel(Value):
    """All that is told of it."""

    rounds: tuple[Round, ...]
    """The latest first."""
    frictions: tuple[Friction, ...]
    """Of the latest round, the worst first."""
    notes: tuple[Friction, ...]
    """What did not happen again."""
    anew: str
    """Where that was tried, in words."""
    wishes: tuple[Finding, ...]
    """For the person to decide on; nobody was asked to build them."""
    not_tested: tuple[str, ...]
    """In words."""

    @property
    def now(self) -> Round | None:
        """The latest round."""
        return self.rounds[0] if self.rounds else None

    def before(self, row: Row) -> Row | None:
        """The same user's visit in the round before the latest."""
        earlier = self.rounds[1].rows if len(self.rounds) > 1 else ()
        return next((each for each in earlier if each.persona == row.persona), None)


def panel_of(overview: RunOverview) -> Panel:
    """The panel of a run."""
    used = [iteration for iteration in reversed(overview.iterations) if iteration.users]
    anew = ANEW[overview.specification.kind if overview.specification else "web"]
    if not used:
        return Panel(rounds=(), frictions=(), notes=(), anew=anew, wishes=(), not_tested=_not_tested(overview, None))
    latest = used[0]
    told = clustered([finding for finding in latest.findings if not finding.file], panel=len(latest.users))
    frictions = [
        Friction(finding=finding, of=len(latest.users), steps=_leading_to(finding, latest.users))
        for finding in sorted(told, key=lambda finding: (-finding.severity, -len(finding.seen_by)))
        if finding.category != "wish"
    ]
    every = [finding for iteration in used for finding in iteration.findings if finding.category == "wish"]
    return Panel(
        rounds=tuple(Round(iteration=each.number, rows=_rows(each.users)) for each in used),
        frictions=tuple(friction for friction in frictions if not friction.is_note),
        notes=tuple(friction for friction in frictions if friction.is_note),
        anew=anew,
        wishes=clustered(every, panel=len(latest.users)),
        not_tested=_not_tested(overview, latest),
    )


def in_short(overview: RunOverview) -> str:
    """One line for a terminal; empty if there were no users."""
    panel = panel_of(overview)
    if panel.now is None:
        return ""
    now = panel.now
    text = f"{now.reached} of {len(now.rows)} simulated users reached their goal"
    if now.shortest is not None:
        text += f", in {now.shortest} to {max(row.steps for row in now.rows if row.reached)} steps"
    text += f"; {_counted(now.detours, 'detour')}"
    if len(panel.rounds) > 1:
        before = panel.rounds[1]
        text += f" (before: {before.reached} of {len(before.rows)}, {_counted(before.detours, 'detour')})"
    return text


def _rows(sessions: Sequence[UserSession]) -> tuple[Row, ...]:
    return tuple(
        Row(
            persona=session.persona,
            reached=session.report.goal_reached if session.report else None,
            steps=len(session.steps),
            detours=sum(1 for step in session.steps if (step.surprise or 0) >= WRONG_FROM),
            unrated=sum(1 for step in session.steps if step.surprise is None),
            seconds=session.steps[-1].at_seconds if session.steps else 0.0,
        )
        for session in sessions
    )


def _leading_to(finding: Finding, users: Sequence[UserSession]) -> tuple[UserStep, ...]:
    visit = next((each for each in users if each.persona == finding.found_by), None)
    if visit is None or not finding.step:
        return ()
    return tuple(step for step in visit.steps if finding.step - STEPS_SHOWN < step.number <= finding.step)


def _not_tested(overview: RunOverview, latest: IterationSummary | None) -> tuple[str, ...]:
    criteria = [
        f"{state.criterion.id}: no check has shown it ({state.status})"
        for state in overview.criteria
        if state.status in ("not covered", "stale")
    ]
    if latest is None:
        return (*criteria, "Nobody has used it.")
    seen = {pattern_of(step.page) for session in latest.users for step in session.steps}
    screens = overview.design.screens if overview.design else ()
    never = [
        f"No simulated user came to the screen “{screen.title}” ({screen.path})"
        for screen in screens
        if not _was_seen(screen.path, seen)
    ]
    cut = [
        f"The visit of {session.persona} has no end: gave up, or ran into a limit"
        for session in latest.users
        if session.report is None
    ]
    return (*criteria, *never, *cut)


def _was_seen(path: str, seen: set[str]) -> bool:
    wanted = path.split("?", 1)[0].rstrip("/").split("/")

    def fits(page: str) -> bool:
        parts = page.rstrip("/").split("/")
        return len(parts) == len(wanted) and all(
            one == other or other.startswith(("{", ":", "<")) for one, other in zip(parts, wanted, strict=True)
        )

    return any(fits(page) for page in seen)


def _counted(number: int, one: str) -> str:
    return f"{number} {one if number == 1 else one + 's'}"
