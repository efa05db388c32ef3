"""What those who made the product said about their own work: left open, settled, done. Words, and never proof."""

from collections.abc import Iterable

from macrohard.domain import RunOverview, SessionSummary, Value
from macrohard.factory.state import again


class Point(Value):
    """One thing that was said, told once for all who said it."""

    text: str
    """Their words."""
    by: tuple[str, ...]
    """E.g. "cli-coder", or "cli-coder in iteration 2" if there were several."""

    @property
    def in_words(self) -> str:
        """With who said it, on one line."""
        return f"{self.text} ({', '.join(self.by)})"


class Said(Value):
    """All of it, but for what became no part of the product."""

    open_points: tuple[Point, ...] = ()
    decisions: tuple[Point, ...] = ()
    work: tuple[Point, ...] = ()
    """What was done, session by session."""


def said_of(overview: RunOverview) -> Said:
    """What was said in iterations that were not taken back, by sessions whose work was taken over."""
    sessions = [each for each in _counting(overview) if each.summary or each.open_points or each.decisions]
    several = len({session.iteration for session in sessions}) > 1

    def who(session: SessionSummary) -> str:
        return f"{session.agent} in iteration {session.iteration}" if several else session.agent

    return Said(
        open_points=_points((text, who(session)) for session in sessions for text in session.open_points),
        decisions=_points((text, who(session)) for session in sessions for text in session.decisions),
        work=_points((session.summary, who(session)) for session in sessions),
    )


def _counting(overview: RunOverview) -> tuple[SessionSummary, ...]:
    dropped = {iteration.number for iteration in overview.iterations if iteration.kept is False}
    beaten = {
        candidate.session_id
        for iteration in overview.iterations
        for comparison in iteration.comparisons
        for candidate in comparison.candidates
        if candidate is not comparison.chosen
    }
    every = {session.id for session in overview.sessions}
    return tuple(
        session
        for session in overview.sessions
        if session.iteration not in dropped and session.id not in beaten and again(session.id) not in every
    )


def _points(told: Iterable[tuple[str, str]]) -> tuple[Point, ...]:
    """The same words, apart from spaces, case and the full stop, are one point."""
    found: dict[str, Point] = {}
    for text, who in told:
        key = " ".join(text.split()).rstrip(".").casefold()
        if key:
            point = found.get(key, Point(text=text.strip(), by=()))
            found[key] = point if who in point.by else point.model_copy(update={"by": (*point.by, who)})
    return tuple(found.values())
