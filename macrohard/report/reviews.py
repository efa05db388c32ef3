"""What the reviewers came to: who read the last version, and what they found in it."""

from macrohard.domain import Finding, RunOverview, Value
from macrohard.factory.panel import clustered


class Reading(Value):
    """One reviewer's look at one version."""

    reviewer: str
    iteration: int
    """When it read; nothing that it looks at has changed since, or it would have read again."""
    ended: str
    """How, if it handed nothing in; empty if it did."""
    found: int


class Reviews(Value):
    """What each reviewer said last; empty where the run had none."""

    readings: tuple[Reading, ...] = ()
    findings: tuple[Finding, ...] = ()
    """The weightiest first, what several found told as one."""


def reviews_of(overview: RunOverview) -> Reviews:
    """The last reviews of a run."""
    held = [session for session in overview.sessions if session.phase == "review"]
    if not held:
        return Reviews()
    latest = max(session.iteration for session in held)
    last = {session.agent: session for session in sorted(held, key=lambda session: session.iteration)}
    # What still stands of those who were left out is told in each iteration once more.
    found = [
        finding
        for iteration in overview.iterations
        if iteration.number == latest
        for finding in iteration.findings
        if finding.file
    ]
    told = clustered(found, panel=0)
    return Reviews(
        readings=tuple(
            Reading(
                reviewer=session.agent,
                iteration=session.iteration,
                ended="" if session.outcome == "finished" else session.outcome or "at work",
                found=sum(1 for finding in found if finding.found_by == session.agent),
            )
            for session in last.values()
        ),
        findings=tuple(sorted(told, key=lambda finding: -finding.severity)),
    )
