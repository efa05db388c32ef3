"""Where a run began that did not begin from nothing, what its tests said before and after, and what was changed."""

from macrohard.domain import Artifacts, RunOverview, Value
from macrohard.domain.ground import Work

SHOWN_BYTES = 12_000
"""Of one task's changes."""
ALL_BYTES = 240_000


class Changes(Value):
    """One task's changes, as they can be shown."""

    work: Work
    patch: str
    """Its beginning; empty: there is no room for it, or it is gone."""
    cut: bool


class Origin(Value):
    """What a person needs to see that nothing was lost."""

    heading: str
    facts: tuple[tuple[str, str], ...]
    """(name, value), in the order in which they are asked for."""
    changes: tuple[Changes, ...]
    mended: tuple[tuple[tuple[str, ...], str], ...]
    """(scenarios, why they were brought up to date)."""
    untouched: tuple[str, ...]
    """Criteria that hold without any task having served them: they held before."""


async def origin(overview: RunOverview, artifacts: Artifacts) -> Origin | None:
    """None: the run began from nothing."""
    began = overview.provenance
    if began is None:
        return None
    again = began.kind == "run"
    facts = [("Run" if again else "Repository", began.place), ("Base commit", began.head)]
    if not again:
        facts.append(("Branch", began.branch or "none: HEAD was on no branch"))
    if began.uncommitted:
        fate = "taken along" if began.included else "left where they were"
        facts.append(("Not committed", f"{', '.join(began.uncommitted)}: {fate}"))
    if overview.ground is not None:
        facts += [("Tests before", tests_before(overview)), ("Tests after", tests_after(overview))]
    if (back := overview.returned) is not None:
        facts.append(("Given back as", f"branch {back.branch}, commit {back.commit}" if back.branch else "a patch"))
        if back.merged:
            facts.append(("Merged with", f"{back.merged}, which was committed meanwhile"))
    facts += [("Note", note) for note in (*began.notes, *(back.notes if back else ()))]
    served = {criterion for work in overview.works for criterion in work.criteria}
    held = [state.criterion.id for state in overview.criteria if state.status == "met"]
    return Origin(
        heading=f"What it goes on with: run {began.place}" if again else f"What it began from: {began.place}",
        facts=tuple(facts),
        changes=await _changes(overview.works, artifacts),
        mended=mended_by_reason(overview),
        untouched=tuple(each for each in held if each not in served) if overview.works else (),
    )


def mended_by_reason(overview: RunOverview) -> tuple[tuple[tuple[str, ...], str], ...]:
    """(earlier scenarios, why they were brought up to date)."""
    found: dict[str, tuple[str, ...]] = {}
    for each in overview.mended:
        found[each.reason] = (*found.get(each.reason, ()), each.scenario)
    return tuple((scenarios, reason) for reason, scenarios in found.items())


def tests_before(overview: RunOverview) -> str:
    """What the product's own tests said at the commit that the run began from."""
    assert overview.ground is not None, "nobody looked at it yet"
    before = overview.ground.baseline
    if before.passed or before.failed:
        return f"{len(before.passed)} passed and {len(before.failed)} failed"
    return before.problem or f"exit code {before.exit_code}; the runner does not name its tests"


def tests_after(overview: RunOverview) -> str:
    """What they said at the commit that was delivered."""
    said = [
        verdict.summary
        for iteration in overview.iterations
        for verdict in iteration.verdicts
        if verdict.check == "tests" and verdict.commit == overview.product_commit
    ]
    return said[-1] if said else "the tests were not run on this commit"


async def _changes(works: tuple[Work, ...], artifacts: Artifacts) -> tuple[Changes, ...]:
    found, left = [], ALL_BYTES
    for work in works:
        try:
            content = await artifacts.get(work.patch) if left > 0 else b""
        except KeyError:
            content = b""
        shown = content[: min(SHOWN_BYTES, left)]
        left -= len(shown)
        found.append(Changes(work=work, patch=shown.decode(errors="replace"), cut=len(shown) < len(content)))
    return tuple(found)
