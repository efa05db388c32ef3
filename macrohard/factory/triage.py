"""Is it done, is it better, what is next: decided by verdicts in code; the manager turns failures into tasks."""

from collections.abc import Sequence

from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from macrohard.domain import Plan, Specification, Verdict
from macrohard.domain.team import Team
from macrohard.events import IterationEnded, Planned, Specified
from macrohard.factory.candidates import contested
from macrohard.factory.claims import Claims, with_claims
from macrohard.factory.context import FactoryContext
from macrohard.factory.heeding import as_problem, remarks_on
from macrohard.factory.panel import clustered
from macrohard.factory.phases import phase
from macrohard.factory.planning import next_plan
from macrohard.factory.problems import (
    WEAK_TESTS,
    Findings,
    Problems,
    Verdicts,
    are_weak_tests,
    problems_after_a_drop,
    problems_of,
)
from macrohard.factory.state import State
from macrohard.factory.stuck import ANSWERED, is_instruction, question_about, recovery
from macrohard.factory.verification import TESTER, balance, can_be_used

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
        now, gained, lost, kept = await balance(context, state)
        good = state.get("good")
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
        left = Problems(problems=problems)
        if not kept:
            left = await _left_by_the_dropped(context, state, specification, verdicts, lost)
        remarks = await remarks_on(context, iteration, kept=kept)
        if remarks.waiting:
            # What a dropped attempt was to see to is among what it left.
            known_too = {problem.id for problem in left.problems}
            wanted_too = tuple(as_problem(each) for each in remarks.waiting if each.id not in known_too)
            left = left.model_copy(update={"problems": (*wanted_too, *left.problems)})
        failures = sorted(problem.id if problem.kind != "finding" else problem.title for problem in graver)
        repeats = state.get("repeats", 0)
        if state.get("judged") != iteration:
            # What is looked at again, because of what a person said, was not tried again.
            repeats = repeats + 1 if failures and failures == state.get("failures") else 0
        asked = state.get("asked", "")
        instruction = context.answers.get(asked, "")
        ended = ""
        if remarks.fresh:
            # Whoever says something once more gets an answer, whatever the limit was.
            decision = "implement"
        elif not left.problems:
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
            "judged": iteration,
            "asked": asked,
            "specification": await context.keep(specification),
            "good": state["base"] if kept else good,
            "met": sorted(now) if kept else state.get("met", []),
        }
        reason = ended or f"everything that is covered holds{weak}"
        if kept:
            update["proof"] = state["verdicts"]
        if decision == "implement":
            specification = await remarks.taken(context, specification, iteration=iteration + 1)
            update["specification"] = await context.keep(specification)
            made = await next_plan(context, state, specification, left, stuck=repeats > 0)
            if made.tasks:
                update["plan"] = await context.keep(Plan(tasks=made.tasks))
                await context.emit(Planned(iteration=iteration + 1, plan=Plan(tasks=made.tasks)))
                update["contested"], said = await contested(context, state, left.problems, made.tasks)
                reason = "; ".join([f"next: {made.note}", *([said] if said else [])])
            else:
                decision = update["decision"] = "release"
                reason = "; ".join(f"{each.finding} is set aside: {each.reason}" for each in made.dismissed)
        if not kept:
            back = "so nobody was sent to use it, and the product goes back to the last good commit"
            reason = f"lost {', '.join(lost)}, {back}; {reason}"
        await remarks.answered_by(context, state)
        await context.emit(
            IterationEnded(
                iteration=iteration,
                commit=state["base"],
                kept=kept,
                reason=reason,
                gained=gained,
                lost=lost,
            )
        )
    if decision == "implement":
        if kept and can_be_used(verdicts):
            update |= {"noticed_at": state["base"], "noticed": noticed}
        update |= {
            "iteration": iteration + 1,
            "base": (state["base"] if kept else good) or state["base"],
            "done": [],
            "returned": {},
            "notes": [],
            "set_aside": Overwrite([]),  # type: ignore[typeddict-item]  # langgraph's way to reset a list
            "findings": Overwrite([]),  # type: ignore[typeddict-item]
            "problems": await context.keep(left),
        }
    return update


async def _left_by_the_dropped(
    context: FactoryContext,
    state: State,
    specification: Specification,
    verdicts: Sequence[Verdict],
    lost: Sequence[str],
) -> Problems:
    """What the dropped attempt was to do, what became of it there, and what the next one must not break again."""
    told = (await context.load(Problems, state["problems"])).problems if "problems" in state else ()
    commit, base = state["base"], state.get("good") or state["base"]
    left = problems_after_a_drop(told, specification, verdicts, base=base, commit=commit, lost=lost)
    # Where nothing was changed there is nothing to learn from: a check said otherwise the second time.
    return left if commit != base else left.model_copy(update={"dropped": None})
