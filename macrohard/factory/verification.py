"""Checks by our code on a fresh clone in a fresh sandbox; the only thing that makes anything done."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from langgraph.runtime import Runtime
from langgraph.types import Send

from macrohard.domain import Design, Plan, Scenario, ScenarioSet, Specification, Verdict
from macrohard.domain.team import Team
from macrohard.events import ClaimsChecked, Verified
from macrohard.factory.baseline import compared, run_tests
from macrohard.factory.claims import Claims, contradictions
from macrohard.factory.context import FactoryContext
from macrohard.factory.improving import agreed_before
from macrohard.factory.phases import phase
from macrohard.factory.planning import somebody_else
from macrohard.factory.problems import Verdicts, met
from macrohard.factory.quality import quality_of_tests
from macrohard.factory.review import reviews_of
from macrohard.factory.state import State, VisitInput, again, rival
from macrohard.product import verify as run_checks
from macrohard.product.earlier import is_test, verify_earlier_tests
from macrohard.product.manifest import FILE as MANIFEST

TESTER = "product-tester"


async def verify(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Install, start, test, then every hidden scenario, on the commit that integration left; then what was claimed."""
    context, iteration, commit = runtime.context, state["iteration"], state["base"]
    scenarios = (await context.load(ScenarioSet, state["scenarios"])).scenarios
    specification = await context.load(Specification, state["specification"])
    environment = (await context.load(Design, state["design"])).environment

    green: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

    async def tell(verdict: Verdict) -> None:
        await context.emit(Verified(iteration=iteration, verdict=verdict))
        if context.probes_tests and verdict.kind == "tests" and verdict.status == "passed" and not green.done():
            green.set_result(verdict)

    async def quality() -> tuple[Verdict, ...]:
        return await quality_of_tests(context, commit, await green, environment=environment)

    hearing = context.hearing_of_fetches(iteration, "verify", None)
    async with phase(context.emit, "verify", iteration):
        with hearing:
            # Beside the scenarios, because it takes as long.
            of_tests = asyncio.create_task(quality())
            try:
                verdicts = await checked(context, commit, specification, scenarios, environment=environment, tell=tell)
                earlier = await _earlier_tests(context, state, verdicts, environment)
                if green.done():
                    earlier = (*earlier, *await of_tests)
            finally:
                of_tests.cancel()
                await asyncio.gather(of_tests, return_exceptions=True)
        for verdict in earlier:
            await tell(verdict)
        claims = await _check_claims(context, state)
    return {
        "verdicts": await context.keep(Verdicts(verdicts=(*verdicts, *earlier))),
        "claims": await context.keep(claims),
    }


class Balance(NamedTuple):
    """What a commit passes, against what held before it: criteria and gates."""

    now: frozenset[str]
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    kept: bool
    """Whether the work goes on from this commit; what loses an earlier pass is thrown away."""


async def balance(context: FactoryContext, state: State) -> Balance:
    """Compare the verdicts on the present commit with what was met before it."""
    specification = await context.load(Specification, state["specification"])
    scenarios = (await context.load(ScenarioSet, state["scenarios"])).scenarios
    verdicts = (await context.load(Verdicts, state["verdicts"])).verdicts
    now = met(specification, scenarios=scenarios, verdicts=verdicts, commit=state["base"])
    before = set(state.get("met", []))
    lost = tuple(sorted(before - now))
    # Of what the run began from, there is nothing yet to go back to.
    return Balance(frozenset(now), tuple(sorted(now - before)), lost, state.get("good") is None or not lost)


async def checked(
    context: FactoryContext,
    commit: str,
    specification: Specification,
    scenarios: Sequence[Scenario],
    *,
    environment: Mapping[str, str],
    tell: Callable[[Verdict], Awaitable[None]],
) -> tuple[Verdict, ...]:
    """The gates and every scenario on a commit, in fresh sandboxes; raises as `macrohard.product.verify` does."""
    known = await _known(context, commit, specification, environment, tell)
    return await run_checks(
        context.sandboxes,
        bundle=await context.repository.bundle(commit),
        commit=commit,
        kind=specification.kind,
        scenarios=scenarios,
        artifacts=context.artifacts,
        on_verdict=tell,
        already={verdict.check: verdict for verdict in known},
        environment=environment,
    )


async def _earlier_tests(
    context: FactoryContext, state: State, verdicts: Sequence[Verdict], environment: Mapping[str, str]
) -> tuple[Verdict, ...]:
    """Where tests of the last kept commit were changed or removed, and what is there passes: how the old ones do."""
    good, commit, repository = state.get("good"), state["base"], context.repository
    green = any(verdict.kind == "tests" and verdict.status == "passed" for verdict in verdicts)
    if good is None or good == commit or not green or context.ground is not None:
        # What an existing product's tests said before is compared test by test.
        return ()
    now = await repository.hashes(commit)
    before = await repository.hashes(good)
    changed = [path for path, digest in before.items() if is_test(path) and now.get(path) != digest]
    if not changed:
        return ()
    return (
        await verify_earlier_tests(
            context.sandboxes,
            bundle=await repository.bundle(commit),
            commit=commit,
            manifest=await repository.read(good if MANIFEST in before else commit, MANIFEST),
            changed={path: await repository.read(good, path) for path in changed},
            artifacts=context.artifacts,
            environment=environment,
        ),
    )


async def _check_claims(context: FactoryContext, state: State) -> Claims:
    """Hold what the sessions of this iteration's tasks report against their transcripts."""
    iteration, found = state["iteration"], []
    tasks = (await context.load(Plan, state["plan"])).tasks
    for name, agent in [
        each
        for task in tasks
        for each in (
            (task.id, task.agent),
            (rival(task.id), somebody_else(task.agent)),
            (again(task.id), task.agent),
        )
    ]:
        session_id = context.session_id(iteration, "implement", name)
        entries = await context.transcripts.load(session_id)
        result = entries[-1].result if entries else None
        if result is None:
            continue
        files = await context.repository.files(result.commit or state["base"])
        denied = contradictions(entries, files=files)
        await context.emit(ClaimsChecked(session_id=session_id, contradictions=denied))
        if name not in state.get("set_aside", []):
            found += [(f"{name} ({agent})", each) for each in denied]
    return Claims(found=tuple(found))


async def _known(
    context: FactoryContext,
    commit: str,
    specification: Specification,
    environment: Mapping[str, str],
    tell: Callable[[Verdict], Awaitable[None]],
) -> tuple[Verdict, ...]:
    """What is settled otherwise: an existing product's own tests are compared with what they said before."""
    if context.ground is None:
        return ()
    known = agreed_before(context.earlier)
    gone = tuple(each.criterion.id for each in specification.superseded if each.criterion.id in known)
    verdict = compared(
        context.ground.baseline, await run_tests(context, commit, environment=environment), superseded=gone
    )
    await tell(verdict)
    return (verdict,)


async def invite(state: State, runtime: Runtime[FactoryContext]) -> list[Send] | str:
    """Send the team's visitors to a product that starts, and its reviewers to what can be installed.

    Nobody is sent to a commit that all of them had before them already: they would only find the same again; nor to
    one that is thrown away, whatever they would find.
    """
    context = runtime.context
    if state.get("noticed_at") == state["base"]:
        return "triage"
    there = await balance(context, state)
    if not there.kept:
        return "triage"
    verdicts = (await context.load(Verdicts, state["verdicts"])).verdicts
    team = await context.load(Team, state["team"])
    starts = can_be_used(verdicts)
    visits = [
        Send(
            "use",
            VisitInput(
                iteration=state["iteration"],
                specification=state["specification"],
                design=state["design"],
                commit=state["base"],
                visitor=visitor,
                pictured=visitor == team.visitors[-1],
                tested=state.get("tested"),
                problems=state.get("problems"),
                gained=list(there.gained),
            ),
        )
        for visitor in (team.visitors if starts else ())
    ]
    return [*visits, *reviews_of(state, team, verdicts)] or "triage"


def can_be_used(verdicts: Sequence[Verdict]) -> bool:
    """Whether visitors can be sent: what has no service to start is ready when it is installed."""
    return all(verdict.status == "passed" for verdict in verdicts if verdict.kind in ("install", "start"))
