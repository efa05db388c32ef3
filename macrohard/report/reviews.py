"""What the reviewers came to: who read the last version, and what they found in it."""

from macrohard.domain import Finding, RunOverview, Value
from macrohard.factory.panel import clustered


class Reading(Value):
    """One reviewer's look at one version."""

    reviewer: str
    ended: str
    """How, if it handed nothing in; empty if it did."""
    found: int


class Reviews(Value):
    """The latest round of reviews; empty where the run had none."""

    iteration: int = 0
    readings: tuple[Reading, ...] = ()
    findings: tuple[Finding, ...] = ()
    """The weightiest first, what several found told as one."""


def reviews_of(overview: RunOverview) -> Reviews:
    """The reviews of a run."""
    held = [session for session in overview.sessions if session.phase == "review"]
    if not held:
        return Reviews()
    latest = max(session.iteration for session in held)
    found = [
        finding
        for iteration in overview.iterations
        if iteration.number == latest
        for finding in iteration.findings
        if finding.file
    ]
    told = clustered(found, panel=0)
    return Reviews(
        iteration=latest,
        readings=tuple(
            Reading(
                reviewer=session.agent,
                ended="" if session.outcome == "finished" else session.outcome or "at work",
                found=sum(1 for finding in found if finding.found_by == session.agent),
            )
            for session in held
            if session.iteration == latest
        ),
        findings=tuple(sorted(told, key=lambda finding: -finding.severity)),
    )
