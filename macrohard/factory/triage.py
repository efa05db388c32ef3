"""Is it done, is it better, what is next: decided by verdicts in code; the manager turns failures into tasks."""

from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from macrohard.domain import Plan, ScenarioSet, Specification
from macrohard.domain.team import Team
from macrohard.events import IterationEnded, Planned, Specified
from macrohard.factory.candidates import contested
from macrohard.factory.claims import Claims, with_claims
from macrohard.factory.context import FactoryContext
from macrohard.factory.panel import clustered
from macrohard.factory.phases import phase
from macrohard.factory.planning import next_plan
from macrohard.factory.problems import (
    WEAK_TESTS,
    Findings,
    Problem,
    Problems,
    Verdicts,
    are_weak_tests,
    met,
    problems_of,
)
from macrohard.factory.state import State
from macrohard.factory.stuck import ANSWERED, is_instruction, question_about, recovery
from macrohard.factory.verification import TESTER, can_be_used

STUCK = "stuck"
"""The decision to wait for the person."""


async def triage(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Keep the commit only if no earlier pass is lost; then release, or plan the next iteration."""
    context, iteration = runtime.context, state["iteration"]
    async with phase(context.emit, "triage", iteration):
        specification = await context.load(Specification, state["specification"])
        verdicts = (await context.load(Verdicts, state["verdicts"])).verdicts
        noticed = state.get("noticed", []) if state.get("noticed_at") == state["base"] else state.get("findings", [])
        found = [f for digest in noticed for f in (await context.load(Findings, digest)).findings]
        users = [each for each in (await context.load(Team, state["team"])).visitors if each != TESTER]
        findings = clustered(found, panel=len(users))
        scenarios = (await context.load(ScenarioSet, state["scenarios"])).scenarios
        now = met(specification, scenarios=scenarios, verdicts=verdicts, commit=state["base"])
        before = set(state.get("met", []))
        good = state.get("good")
        gained, lost = sorted(now - before), sorted(before - now)
        kept = good is None or not lost
        claims = await context.load(Claims, state["claims"]) if "claims" in state else Claims()
        files = await context.repository.files(state["base"])
        problems = with_claims(problems_of(specification, verdicts, findings), claims, files=files)
        weak = ""
        if are_weak_tests(problems) and (told := state.get("problems")):
            known = {problem.id for problem in (await context.load(Problems, told)).problems}
            # One iteration may be for tests alone; what is still weak then is in the report.
            if any(problem.id in known for problem in problems):
                problems, weak = (), "; the product's own tests are as weak as before"
        wanted = {criterion.id for criterion in specification.criteria if criterion.covered}
        graver = [problem for problem in problems if problem.id not in WEAK_TESTS]
        failures = sorted(problem.id if problem.kind != "finding" else problem.title for problem in graver)
        repeats = state.get("repeats", 0) + 1 if failures and failures == state.get("failures") else 0
        asked = state.get("asked", "")
        instruction = context.answers.get(asked, "")
        ended = ""
        if not problems:
            # What could not be checked is nobody's to repair.
            unknown = sorted(wanted - now)
            decision, ended = "release", f"could not be checked: {', '.join(unknown)}" if unknown else ""
        elif iteration >= context.iterations:
            decision, ended = "release", f"the limit of {context.iterations} iterations is reached"
        elif is_instruction(instruction):
            # What the person says is a fact from now on, for all who come later.
            decision, repeats, asked = "implement", 1, ANSWERED
            said = f"Asked about what failed, the person said: {instruction.strip()}"
            specification = specification.model_copy(update={"assumptions": (*specification.assumptions, said)})
            await context.emit(Specified(specification=specification))
        elif (step := recovery(repeats, asked=asked, ask=context.ask)) == "ask":
            question = question_about(specification, failures)
            specification = specification.model_copy(update={"questions": (*specification.questions, question)})
            await context.emit(Specified(specification=specification))
            return {
                "decision": STUCK,
                "outcome": "paused",
                "problem": question.text,
                "asked": question.id,
                "specification": await context.keep(specification),
            }
        elif step == "give up":
            decision, ended = "release", "the same failures came back after two different repairs"
        else:
            decision = "implement"
        update: State = {
            "decision": decision,
            "ended": ended,
            "failures": failures,
            "repeats": repeats,
            "asked": asked,
            "specification": await context.keep(specification),
            "good": state["base"] if kept else good,
            "met": sorted(now if kept else before),
        }
        reason = ended or f"everything that is covered holds{weak}"
        if kept:
            update["proof"] = state["verdicts"]
        else:
            problems = await _problems_of_the_good_commit(context, state, specification, lost)
        if decision == "implement":
            made = await next_plan(context, state, specification, problems, stuck=repeats > 0)
            if made.tasks:
                update["plan"] = await context.keep(Plan(tasks=made.tasks))
                await context.emit(Planned(iteration=iteration + 1, plan=Plan(tasks=made.tasks)))
                update["contested"], said = await contested(context, state, problems, made.tasks)
                reason = "; ".join([f"next: {made.note}", *([said] if said else [])])
            else:
                decision = update["decision"] = "release"
                reason = "; ".join(f"{each.finding} is set aside: {each.reason}" for each in made.dismissed)
        if not kept:
            reason = f"lost {', '.join(lost)}, so the product goes back to the last good commit; {reason}"
        await context.emit(
            IterationEnded(
                iteration=iteration,
                commit=state["base"],
                kept=kept,
                reason=reason,
                gained=tuple(gained),
                lost=tuple(lost),
            )
        )
    if decision == "implement":
        if can_be_used(verdicts):
            update |= {"noticed_at": state["base"], "noticed": noticed}
        update |= {
            "iteration": iteration + 1,
            "base": (state["base"] if kept else good) or state["base"],
            "done": [],
            "returned": {},
            "notes": [],
            "set_aside": Overwrite([]),  # type: ignore[typeddict-item]  # langgraph's way to reset a list
            "findings": Overwrite([]),  # type: ignore[typeddict-item]
            "problems": await context.keep(Problems(problems=problems)),
        }
    return update


async def _problems_of_the_good_commit(
    context: FactoryContext, state: State, specification: Specification, lost: list[str]
) -> tuple[Problem, ...]:
    """What the last repair was to do, and what it must not break again."""
    earlier = (await context.load(Problems, state["problems"])).problems if "problems" in state else ()
    texts = {criterion.id: criterion.text for criterion in specification.criteria}
    broken = [
        Problem(
            id=f"keep {each}",
            kind="criterion" if each in texts else "gate",
            title=texts.get(each, each),
            detail="This held before. The last attempt at the other problems broke it and was thrown away: keep it.",
            criterion=each if each in texts else None,
        )
        for each in lost
    ]
    return (*earlier, *broken)
