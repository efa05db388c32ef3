"""What a delivered run leaves to one that goes on with its product: the files, and what was agreed about them."""

from pathlib import Path

from macrohard.agent import Entry
from macrohard.domain import RunOverview
from macrohard.domain.decisions import DecisionLog, Settled
from macrohard.domain.ground import Earlier
from macrohard.domain.provenance import Provenance
from macrohard.domain.standing import passed_gates
from macrohard.errors import RequestError
from macrohard.factory.reports import WorkReport
from macrohard.store import Store
from macrohard.workspace import DeliveredProduct, Foreign

OURS = frozenset({"report.html", "demo.mp4", "pull-request.md", "changes.patch"})
"""Files that we put beside a delivered product."""
NAMED = 5


async def delivered(store: Store, run: str, *, home: Path) -> DeliveredProduct:
    """The product of that run, to go on with.

    Raises:
        RequestError: there is no such run, it has delivered nothing so far, or its product is somebody's repository.
    """
    overview = await store.overview(run)
    run_id, status = overview.summary.id, overview.summary.status
    if overview.provenance is not None and overview.provenance.kind != "run":
        place = overview.provenance.place
        raise RequestError(
            f"run {run_id} changed a repository of yours, where you go on yourself: take its branch over, and then "
            f"macrohard build --repo {place}"
        )
    if status in ("waiting", "running"):
        raise RequestError(f"run {run_id} is {status}, and has delivered nothing yet: wait for it, or let it go on")
    if status == "paused":
        raise RequestError(f"run {run_id} is paused and has delivered nothing yet: macrohard resume {run_id}")
    commit, specification, design = overview.product_commit, overview.specification, overview.design
    if status not in ("delivered", "partial") or commit is None or specification is None or design is None:
        raise RequestError(f"run {run_id} is {status} and has no product to improve; begin anew with macrohard build")
    refusal = (
        f"the product of run {run_id} was designed by another model, and the built-in one follows rules and cannot "
        "read that; name a real one with --model, or in the settings"
    )
    return DeliveredProduct(
        run=run_id,
        repository=home / "runs" / run_id / "repository.git",
        commit=commit,
        # What it designs carries its blueprint, which is all that it works from.
        refusal="" if "blueprint" in design.data_model else refusal,
        notes=await _left_behind(overview),
    )


async def _left_behind(overview: RunOverview) -> tuple[str, ...]:
    """What a person changed in the folder that was delivered."""
    if not overview.product_path:
        return ()
    folder = Path(overview.product_path)
    try:
        now = await Foreign(folder).take(include_changes=False)
    except RequestError:
        return ()  # It is gone, or no delivery any more: nobody expects that it is looked at.
    changed = [path for path in now.uncommitted if path not in OURS]
    if now.head == overview.product_commit and not changed:
        return ()
    what = f"has commits of yours up to {now.head[:10]}" if now.head != overview.product_commit else "was changed"
    files = f" ({', '.join(changed[:NAMED])}{' …' if changed[NAMED:] else ''})" if changed else ""
    return (
        f"The folder {folder} {what}{files}: that was not taken along. To go on with it, commit it and take "
        f"macrohard build --repo {folder} instead.",
    )


async def earlier(store: Store, provenance: Provenance | None) -> Earlier | None:
    """What was agreed about the product that a run goes on with; None: it goes on with none of ours.

    A delivered run does not change any more.
    """
    if provenance is None or provenance.kind != "run":
        return None
    return await _agreed(store, provenance.place)


async def _agreed(store: Store, run_id: str) -> Earlier:
    overview = await store.overview(run_id)
    assert overview.specification is not None, "checked when the run was submitted"
    assert overview.design is not None, "checked when the run was submitted"
    above = await earlier(store, overview.provenance)
    return Earlier(
        run=run_id,
        requirements=(*(above.requirements if above else ()), overview.summary.requirement),
        specification=overview.specification,
        design=overview.design,
        tasks=(*(above.tasks if above else ()), *(overview.iterations[0].tasks if overview.iterations else ())),
        decisions=await _decisions(store, overview, above.decisions if above else DecisionLog()),
        scenarios=tuple(scenario for state in overview.criteria for scenario in state.scenarios),
        met=(*(state.criterion.id for state in overview.criteria if state.status == "met"), *_gates(overview)),
    )


def _gates(overview: RunOverview) -> frozenset[str]:
    verdicts = [verdict for iteration in overview.iterations for verdict in iteration.verdicts]
    return frozenset(passed_gates(verdicts, commit=overview.product_commit or ""))


async def _decisions(store: Store, overview: RunOverview, before: DecisionLog) -> DecisionLog:
    """What the sessions of that run settled, as they handed it in."""
    found = list(before.entries)
    for session in overview.sessions:
        if session.phase != "implement" or session.outcome != "finished":
            continue
        last = Entry.model_validate((await store.transcripts.load(session.id))[-1])
        if last.result is not None and last.result.outcome == "finished":
            name = session.id.rpartition("/")[2]
            by = f"{name} of iteration {session.iteration} of run {overview.summary.id}"
            settled = WorkReport.model_validate(last.result.report).decisions
            found += [Settled(by=by, iteration=session.iteration, text=text) for text in settled]
    return DecisionLog(entries=tuple(found))
