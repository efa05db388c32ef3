"""The last commit that was kept becomes the product; what does not hold is said first."""

from langgraph.runtime import Runtime

from macrohard.domain import DemoFilm, ScenarioSet, Specification, UserSession
from macrohard.domain.standing import lacking
from macrohard.errors import SandboxUnavailable
from macrohard.events import Filmed
from macrohard.factory.context import FactoryContext
from macrohard.factory.heeding import released_without
from macrohard.factory.homecoming import catch_up, hand_back
from macrohard.factory.phases import phase
from macrohard.factory.problems import Verdicts
from macrohard.factory.state import State
from macrohard.factory.works import tell_works
from macrohard.product import Ending, NoFilm, make_film

MP4 = "video/mp4"


async def release(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Deliver the good commit; delivered means that every MUST, and every gate, passed on this very commit."""
    context = runtime.context
    commit = state.get("good") or state["base"]
    specification = await context.load(Specification, state["specification"])
    async with phase(context.emit, "release", state["iteration"]):
        kept, home = commit, await catch_up(state, runtime, commit)
        if home is not None and home.proof is not None:
            commit, state = home.commit, {**state, "proof": home.proof}
        if context.ground is not None:
            await tell_works(context, base=context.ground.commit, commit=kept)
        problem = await _problem(state, context, specification, commit)
        await context.repository.set_branch("main", commit)
        path = await context.deliver(commit, specification.title)
        if home is not None and context.ground is not None:
            await hand_back(context, context.ground, home, specification.title)
        await _film(state, context, specification, commit, problem)
        await released_without(context, state)
    return {
        "outcome": "partial" if problem else "delivered",
        "problem": problem,
        "good": commit,
        "product": path,
    }


async def _problem(state: State, context: FactoryContext, specification: Specification, commit: str) -> str:
    """What does not hold by the verdicts on this very commit; empty if all does that must."""
    scenarios = (await context.load(ScenarioSet, state["scenarios"])).scenarios
    verdicts = (await context.load(Verdicts, state["proof"])).verdicts if "proof" in state else ()
    left = lacking(specification, scenarios=scenarios, verdicts=verdicts, commit=commit)
    if left.delivered:
        return ""
    parts = [f"{len(left.criteria)} MUST criteria are not met: {', '.join(left.criteria)}"] if left.criteria else []
    parts += [f"these checks did not pass: {', '.join(left.gates)}"] if left.gates else []
    return "; ".join([*parts, *([state["ended"]] if state.get("ended") else [])])


async def _film(state: State, context: FactoryContext, specification: Specification, commit: str, problem: str) -> None:
    """Film the visits to the released commit; where that cannot be done the release says so, and stays one."""
    if context.prepare_film is None:
        return
    visits = [await context.load(UserSession, digest) for digest in dict.fromkeys(state.get("visits", []))]
    shown = [visit for visit in visits if visit.commit == commit and visit.steps]
    if not shown:
        return
    met = sum(1 for criterion in specification.criteria if criterion.id in state.get("met", []))
    ending = Ending(
        heading="Partly delivered" if problem else "Delivered",
        lines=(f"{met} of {len(specification.criteria)} criteria hold", *problem.split("; "))
        if problem
        else (f"{met} of {len(specification.criteria)} criteria hold",),
        all_well=not problem,
    )
    try:
        await context.prepare_film()
        made = await make_film(
            context.sandboxes,
            shown,
            title=specification.title,
            summary=specification.summary,
            ending=ending,
            artifacts=context.artifacts,
        )
    except SandboxUnavailable as error:
        made = NoFilm(reason=str(error))
    if isinstance(made, NoFilm):
        await context.emit(Filmed(film=DemoFilm(commit=commit, artifact=None, problem=made.reason)))
        return
    artifact = await context.artifacts.put(made.content, media_type=MP4)
    film = DemoFilm(
        commit=commit, artifact=artifact, seconds=made.seconds, size_bytes=len(made.content), steps=made.steps
    )
    await context.emit(Filmed(film=film))
