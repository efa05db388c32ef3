"""The way back into a person's repository: merged with what they did meanwhile, as a branch and a patch."""

from pathlib import Path
from typing import NamedTuple

from langgraph.runtime import Runtime

from macrohard.agent import ALL_FILES, open_workshop
from macrohard.agent.bench import PRODUCT_ROOT
from macrohard.domain import ScenarioSet, Specification
from macrohard.domain.ground import ChangedFile, Ground, HandedBack
from macrohard.errors import RequestError, ToolError
from macrohard.events import ReturnedHome
from macrohard.factory.context import FactoryContext
from macrohard.factory.problems import Verdicts, met
from macrohard.factory.state import State
from macrohard.factory.verification import verify
from macrohard.product.manifest import FILE
from macrohard.workspace import Foreign, branch_name

MERGE_SECONDS = 60
SNAPSHOT_LIMIT_BYTES = 256 << 20


class Homecoming(NamedTuple):
    """The commit to deliver, and how it stands to the person's history."""

    commit: str
    proof: str | None
    """The verdicts on it, if it is not the one that was verified before."""
    stands_for: dict[str, str]
    merged: str
    notes: tuple[str, ...]


async def catch_up(state: State, runtime: Runtime[FactoryContext], commit: str) -> Homecoming | None:
    """Merge the commit with what the person has committed since; None where there is nobody's history to go back to.

    The merge is delivered only if it is clean and passes all that the commit passed; else the commit stays as it is,
    on what the person had when the run began, and the notes say why.
    """
    context, ground = runtime.context, runtime.context.ground
    if ground is None or ground.provenance.kind == "run":
        return None
    origin = ground.provenance
    stands_for = {origin.base: origin.head}
    unmerged = Homecoming(commit, None, stands_for, "", ())
    if origin.kind == "bundle":
        return unmerged
    try:
        taken = await Foreign(Path(origin.place)).take(include_changes=False)
        if taken.head == origin.head:
            return unmerged
        snapshot = await context.repository.fetch(
            taken.bundle, ref=f"person/{taken.head[:12]}", limit_bytes=SNAPSHOT_LIMIT_BYTES
        )
    except (RequestError, ToolError) as error:
        return unmerged._replace(notes=(f"What you did meanwhile could not be looked at: {error}",))
    newer = await context.repository.restated(snapshot, parent=origin.base)
    await context.repository.set_branch(f"person/{taken.head[:12]}", newer)
    name = taken.head[:10]
    merged, conflicts = await _merged(context, state["iteration"], commit, newer)
    if merged is None:
        where = f"both change {conflicts}" if conflicts else "git cannot merge the two"
        return unmerged._replace(
            notes=(f"You have committed since ({name}), and {where}: the branch stays on {origin.head[:10]}.",)
        )
    proof = (await verify({**state, "base": merged}, runtime))["verdicts"]
    if lost := await _lost(state, context, commit, merged, proof):
        return unmerged._replace(
            notes=(
                f"You have committed since ({name}); merged with that, {', '.join(lost)} would not hold any more: "
                f"the branch stays on {origin.head[:10]}.",
            )
        )
    return Homecoming(
        merged, proof, {**stands_for, newer: taken.head}, taken.head,
        (f"Merged with what you have committed since ({name}), and everything was checked again on the merge.",),
    )  # fmt: skip


async def _merged(context: FactoryContext, iteration: int, commit: str, newer: str) -> tuple[str | None, str]:
    """(the merge, the files in conflict where there is none)."""
    ref = f"person/merge-{newer[:12]}-{commit[:12]}"
    if known := await context.repository.resolve(ref):
        return known, ""
    async with open_workshop(
        context.sandboxes, context.repository, image=context.sandboxes.product_image, base=commit, more=[newer],
        saved=None, ref=ref, author="integrator", message="Merge", files=ALL_FILES,
    ) as (sandbox, workshop):  # fmt: skip
        message = f"Merge what was committed meanwhile\n\nIteration: {iteration}\nRun: {context.run_id}\n"
        merging = await sandbox.run(
            ("git", "merge", "-q", "--no-ff", "-m", message, newer),
            timeout_seconds=MERGE_SECONDS,
            directory=PRODUCT_ROOT,
        )
        if merging.exit_code != 0:
            listed = await sandbox.run(
                "git diff --name-only --diff-filter=U", timeout_seconds=MERGE_SECONDS, directory=PRODUCT_ROOT
            )
            return None, ", ".join(listed.stdout.split("\n")[:-1][:5])
        return await workshop.save(), ""


async def _lost(state: State, context: FactoryContext, commit: str, merged: str, proof: str) -> list[str]:
    """What held on the commit and does not hold on the merge."""
    specification = await context.load(Specification, state["specification"])
    scenarios = (await context.load(ScenarioSet, state["scenarios"])).scenarios
    before = (await context.load(Verdicts, state["proof"])).verdicts if "proof" in state else ()
    after = (await context.load(Verdicts, proof)).verdicts
    held = met(specification, scenarios=scenarios, verdicts=before, commit=commit)
    return sorted(held - met(specification, scenarios=scenarios, verdicts=after, commit=merged))


async def hand_back(context: FactoryContext, ground: Ground, home: Homecoming, title: str) -> None:
    """Make the branch, if it is wanted, and the patch; what cannot be done is told."""
    origin, foreign = ground.provenance, Foreign(Path(ground.provenance.place))
    without = None if ground.own_manifest else FILE
    notes, branch, rewritten, files = home.notes, "", home.commit, tuple[ChangedFile, ...]()
    try:
        back = await foreign.written_back(
            context.repository.path, home.commit, stands_for=home.stands_for, without=without
        )
        rewritten, patch, files = back.commit, back.patch, back.files
        if origin.publish and rewritten not in home.stands_for.values():
            branch = await foreign.publish(back, branch=branch_name(title))
    except RequestError as error:
        notes = (*notes, f"Your repository did not get its branch: {error}")
        patch = (await context.repository.diff(origin.base, home.commit, limit_bytes=64 << 20)).encode()
    manifest = b"" if ground.own_manifest else await context.repository.read(home.commit, FILE)
    await context.emit(
        ReturnedHome(
            returned=HandedBack(
                commit=rewritten,
                verified=home.commit,
                branch=branch,
                patch=await context.artifacts.put(patch, media_type="text/x-diff"),
                manifest=manifest.decode(errors="replace"),
                files=files,
                merged=home.merged,
                notes=notes,
            )
        )
    )
