"""Where a run stands for somebody who has a second: what it does, what it is blocked on, what they are to do."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from macrohard.domain import PHASES, IterationSummary, Phase, RunOverview, RunSummary, SessionSummary, Value
from macrohard.domain.overview import Blocked
from macrohard.report.story import sentence
from macrohard.server.limits import Reached, reached, without_command

On = Literal["question", "approval", "budget", "hour", "worker", "person", "nothing"]
"""What a run waits for; nothing: it is at work, or over."""
FOR_YOU: tuple[On, ...] = ("question", "approval", "budget", "person")
"""What only a person can end."""

STAGES: tuple[tuple[str, tuple[Phase, ...]], ...] = (
    ("Read", ("understand", "analyse", "clarify")),
    ("Plan", ("design", "plan", "scenarios")),
    ("Build", ("implement", "integrate")),
    ("Verify", ("verify", "review")),
    ("Use", ("use",)),
    ("Decide", ("triage",)),
    ("Release", ("release",)),
)
"""The phases as people speak of them."""
assert {phase for _, phases in STAGES for phase in phases} == set(PHASES)


class Standing(Value):
    """A run in one sentence, and what it is blocked on."""

    on: On
    headline: str
    detail: str = ""
    at_work: tuple[SessionSummary, ...] = ()
    """Who is at work right now."""
    since: datetime | None = None
    """Since when the first of them is, or since when it waits."""
    reached: Reached | None = None
    """The limit that it waits to have raised."""
    blocked: tuple[Blocked, ...] = ()
    """What holds it up although it is at work, the longest first."""

    @property
    def word(self) -> str:
        """What a paused run waits for, in a word or two; empty: there is no more to say than its status."""
        match self.on:
            case "question":
                return "asks you"
            case "approval":
                return "needs a yes"
            case "budget":
                return "needs money" if self.reached and self.reached.cap == "usd" else "needs more"
            case "hour":
                return "goes on later"
            case "worker":
                return "queued"
            case _:
                return ""


class Stage(Value):
    """A stretch of the way, and whether the run was, or is, there."""

    name: str
    state: Literal["to come", "now", "done"]
    seconds: float
    sessions: int


class Bar(Value):
    """A session on the timeline."""

    session: SessionSummary
    x: float
    """Where it begins, in percent of the whole."""
    width: float


class Lane(Value):
    """The sessions of one iteration; 0: those before the first."""

    iteration: int
    summary: IterationSummary | None
    bars: tuple[Bar, ...]


class Timeline(Value):
    """All sessions on one scale."""

    lanes: tuple[Lane, ...]
    marks: tuple[tuple[float, float], ...]
    """(percent, seconds) of the scale."""
    left_out: int
    """Sessions of earlier iterations that are not shown."""


PAUSE_SECONDS, PAUSE_SHOWN = 600.0, 60.0
"""So long without anybody at work is taken for a pause, which is drawn as short as this."""
STEPS = (1, 2, 5, 10, 15, 60, 120, 300, 600, 900, 1800, *(3600 * 2**power for power in range(20)))
"""Seconds between two marks of the scale."""
BARS = 120
"""More of them are not read at a glance: the list of sessions has them all."""


def standing(overview: RunOverview) -> Standing:
    """What there is to say first."""
    run = overview.summary
    blocked = tuple(each for each in overview.blocked if each.until > datetime.now(UTC))
    at_work = tuple(each for each in overview.sessions if each.outcome is None) if run.status == "running" else ()
    match run.status:
        case "running":
            since = min((each.started_at for each in at_work), default=None)
            stage = next((stage.name for stage in reversed(stages(overview)) if stage.state == "now"), "")
            who = f"{len(at_work)} agents are at work" if len(at_work) > 1 else "One agent is at work"
            if not at_work:
                doing = "Our own checks are at work" if overview.iterations else "It is being prepared"
                return Standing(
                    on="nothing", headline=doing, detail=f"It has come to: {stage}" if stage else "", blocked=blocked
                )
            return Standing(on="nothing", headline=who, detail=stage, at_work=at_work, since=since, blocked=blocked)
        case "waiting":
            if run.waits:
                return _in_line(run)
            return Standing(
                on="worker" if run.queued else "person",
                headline="It waits for a worker" if run.queued else "Nobody carries it out",
                detail="It begins as soon as one is free."
                if run.queued
                else "It is in no queue; begin it, and a worker takes it up.",
            )
        case "paused":
            return _paused(overview)
        case _:
            return Standing(on="nothing", headline=sentence(overview), detail=without_command(overview.problem))


def _paused(overview: RunOverview) -> Standing:
    run, asked, problem = overview.summary, len(overview.open_questions), without_command(overview.problem)
    ends = [each.started_at + timedelta(seconds=each.seconds) for each in overview.sessions]
    since = max(ends, default=run.created_at)
    if asked:
        headline = "It asks you something" if asked == 1 else f"It asks you {asked} things"
        return Standing(on="question", headline=headline, since=since)
    if overview.awaited is not None:
        return Standing(on="approval", headline=f"The {overview.awaited.point} waits for your approval", since=since)
    if not run.queued and (limit := reached(overview)) is not None:
        return Standing(on="budget", headline=limit.headline, detail=problem, reached=limit, since=since)
    if run.wake_at is not None:
        hour = run.wake_at.astimezone(UTC).strftime("%H:%M")
        return Standing(on="hour", headline=f"It goes on by itself at {hour} UTC", detail=problem, since=since)
    if run.waits:
        return _in_line(run)
    if run.queued:
        return Standing(on="worker", headline="It waits for a worker to go on with it", detail=problem, since=since)
    return Standing(on="person", headline="It is paused", detail=problem, since=since)


def _in_line(run: RunSummary) -> Standing:
    return Standing(on="worker", headline=f"It {run.waits}", detail="It is taken up as soon as one of them ends.")


def stages(overview: RunOverview) -> tuple[Stage, ...]:
    """The way from requirement to release, as far as the run has come."""
    seconds = {each.phase: each.seconds for each in overview.phases}
    begun = [each.phase for each in overview.sessions]
    known = set(begun) | set(seconds)
    running = {each.phase for each in overview.sessions if each.outcome is None}
    last = max((place for place, (_, phases) in enumerate(STAGES) if known & set(phases)), default=-1)
    is_over = overview.summary.status in ("delivered", "partial", "refused", "cancelled", "failed")
    found = []
    for place, (name, phases) in enumerate(STAGES):
        is_now = not is_over and (bool(running & set(phases)) or (not running and place == last))
        found.append(
            Stage(
                name=name,
                state="now" if is_now else "done" if known & set(phases) else "to come",
                seconds=sum(seconds.get(phase, 0.0) for phase in phases),
                sessions=sum(1 for phase in begun if phase in phases),
            )
        )
    return tuple(found)


def timeline(overview: RunOverview) -> Timeline:
    """Every session as a bar between the first one's beginning and the last one's end, the latest iteration whole."""
    sessions = overview.sessions[-BARS:]
    if not sessions:
        return Timeline(lanes=(), marks=(), left_out=0)
    spans = _spans(sessions, is_running=overview.summary.status == "running")
    whole = max(begun + lasted for begun, lasted in spans.values()) or 1.0
    summaries = {each.number: each for each in overview.iterations}
    lanes = []
    for number in sorted({each.iteration for each in sessions}):
        bars = tuple(
            Bar(
                session=each,
                x=round(100 * spans[each.id][0] / whole, 2),
                width=round(max(100 * spans[each.id][1] / whole, 0.5), 2),
            )
            for each in sessions
            if each.iteration == number
        )
        lanes.append(Lane(iteration=number, summary=summaries.get(number), bars=bars))
    return Timeline(
        lanes=tuple(lanes),
        marks=_marks(whole),
        left_out=len(overview.sessions) - len(sessions),
    )


def _marks(whole: float) -> tuple[tuple[float, float], ...]:
    """Round times, five at most."""
    step = next(each for each in STEPS if whole < 5 * each)
    return tuple((round(100 * step * part / whole, 2), float(step * part)) for part in range(5) if step * part <= whole)


def _spans(sessions: Sequence[SessionSummary], *, is_running: bool) -> dict[str, tuple[float, float]]:
    """When each began, and how long it lasted, in seconds; without the pauses."""
    now, until, paused = datetime.now(UTC), datetime.min.replace(tzinfo=UTC), 0.0
    first = min(each.started_at for each in sessions)
    spans = {}
    for each in sorted(sessions, key=lambda session: session.started_at):
        idle = (each.started_at - max(until, first)).total_seconds()
        if idle > PAUSE_SECONDS:
            paused += idle - PAUSE_SHOWN
        lasted = (now - each.started_at).total_seconds() if each.outcome is None and is_running else each.seconds
        spans[each.id] = ((each.started_at - first).total_seconds() - paused, max(lasted, 0.0))
        until = max(until, each.started_at + timedelta(seconds=lasted))
    return spans
