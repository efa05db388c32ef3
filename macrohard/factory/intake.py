"""From a requirement to a contract and a plan: analyse, clarify, design, plan, write scenarios."""

from collections.abc import Sequence
from datetime import UTC, datetime

from langgraph.runtime import Runtime

from macrohard.domain import Design, Plan, Scenario, ScenarioSet, Specification
from macrohard.errors import ToolError
from macrohard.events import Designed, Planned, ScenariosWritten, Specified
from macrohard.factory.acceptance import reviewed
from macrohard.factory.context import FactoryContext
from macrohard.factory.phases import phase
from macrohard.factory.state import State, TaskInput
from macrohard.product import UnknownPlaceholder, check_placeholders


def _reading(context: FactoryContext) -> str:
    """A second reading, after answers, is another session."""
    return f"analyst+{len(context.answers)}" if context.answers else "analyst"


async def analyse(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Read the requirement into numbered, testable criteria."""
    context = runtime.context
    async with phase(context.emit, "analyse", 0):
        specification = await context.document(
            Specification,
            agent="analyst",
            iteration=0,
            phase="analyse",
            name=_reading(context),
            task="Read the requirement and write the specification.",
            material={"requirement": context.requirement, "answers": dict(context.answers)},
            check=_check_specification,
        )
        await context.emit(Specified(specification=specification))
    return {"specification": await context.keep(specification), "iteration": 0}


async def clarify(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Settle what happens next: refuse, wait for answers, or go on with defaults as assumptions."""
    context = runtime.context
    async with phase(context.emit, "clarify", 0):
        specification = await context.load(Specification, state["specification"])
        if specification.decision == "refuse":
            return {"decision": "end", "outcome": "refused", "problem": specification.reason}
        if specification.decision == "ask" and context.ask and not context.answers:
            return {"decision": "ask", "outcome": "paused", "problem": specification.reason}
        if not specification.criteria:
            return {"decision": "end", "outcome": "refused", "problem": specification.reason or "nothing to build"}
        open_questions = [q for q in specification.questions if not context.answers.get(q.id)]
        taken = tuple(f"{question.text} Nobody answered; taken: {question.default}" for question in open_questions)
        if taken and specification.decision == "ask":
            specification = specification.model_copy(update={"assumptions": (*specification.assumptions, *taken)})
            await context.emit(Specified(specification=specification))
    return {"decision": "design", "specification": await context.keep(specification)}


async def design(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Agree on the interface before any code."""
    context = runtime.context
    async with phase(context.emit, "design", 0):
        specification = await context.load(Specification, state["specification"])
        made = await context.document(
            Design,
            agent="designer",
            iteration=0,
            phase="design",
            task=f"Design {specification.title}.",
            material={
                "requirement": context.requirement,
                "answers": dict(context.answers),
                "specification": specification.model_dump(mode="json"),
                **await context.libraries(),
            },
            check=_check_design,
        )
        await context.emit(Designed(design=made))
    return {"design": await context.keep(made)}


async def plan(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Divide the work into tasks with files of their own."""
    context = runtime.context
    async with phase(context.emit, "plan", 1):
        specification = await context.load(Specification, state["specification"])
        agreed = await context.load(Design, state["design"])
        assignable = {agent.name: agent.description for agent in context.catalogue.assignable}
        made = await context.document(
            Plan,
            agent="planner",
            iteration=0,
            phase="plan",
            task=f"Plan the work on {specification.title}.",
            material={
                "specification": specification.model_dump(mode="json"),
                "design": agreed.model_dump(mode="json"),
                "agents": dict(assignable),
                **await context.libraries(),
            },
            check=lambda report: check_plan(report, specification, frozenset(assignable)),
        )
        await context.emit(Planned(iteration=1, plan=made))
    base = await context.repository.initial_commit()
    return {"plan": await context.keep(made), "iteration": 1, "base": base, "done": [], "good": None, "met": []}


async def write_scenarios(state: TaskInput, runtime: Runtime[FactoryContext]) -> State:
    """Write the hidden acceptance scenarios, from specification and design alone, and have them reviewed."""
    context = runtime.context
    async with phase(context.emit, "scenarios", 1):
        specification = await context.load(Specification, state["specification"])
        agreed = await context.load(Design, state["design"])
        made = await context.document(
            ScenarioSet,
            agent="scenario-writer",
            iteration=0,
            phase="scenarios",
            task=f"Write the acceptance scenarios of {specification.title}.",
            material={
                "specification": specification.model_dump(mode="json"),
                "design": agreed.model_dump(mode="json"),
            },
            check=lambda report: _check_scenarios(report, specification),
        )
        settled = await reviewed(context, specification, agreed, made, check=_check_each)
        await context.emit(
            ScenariosWritten(
                scenarios=settled.counted.scenarios, disputed=settled.disputed, unreviewed=settled.unreviewed
            )
        )
    return {"scenarios": await context.keep(settled.counted)}


def _check_specification(report: Specification) -> None:
    ids = [criterion.id for criterion in report.criteria]
    if ids != [f"AC-{number}" for number in range(1, len(ids) + 1)]:
        raise ToolError("criteria: number them AC-1, AC-2, … without gaps")
    if report.decision == "build" and not any(c.priority == "MUST" and c.covered for c in report.criteria):
        raise ToolError("criteria: a product that is built has at least one MUST that is covered")
    if report.decision != "build" and not report.reason.strip():
        raise ToolError("reason: tell the person why, and what they can do")
    if report.decision == "ask" and not report.questions:
        raise ToolError("questions: asking back needs at least one question with its default")


def _check_design(report: Design) -> None:
    if not report.screens:
        raise ToolError("screens: there are none")


def check_plan(report: Plan, specification: Specification, agents: frozenset[str]) -> None:
    """Refuse tasks for agents that do not exist or criteria that nobody serves."""
    if unknown := sorted({task.agent for task in report.tasks} - agents):
        raise ToolError(f"no agents {', '.join(unknown)}; tasks can be given to {', '.join(sorted(agents))}")
    known = {criterion.id for criterion in specification.criteria}
    served = {criterion for task in report.tasks for criterion in task.criteria}
    if strangers := sorted(served - known):
        raise ToolError(f"no criteria {', '.join(strangers)}")
    wanted = [c.id for c in specification.criteria if c.covered and c.id not in served]
    if wanted:
        raise ToolError(f"no task serves {', '.join(wanted)}")


def _check_each(scenarios: Sequence[Scenario]) -> None:
    """Refuse what cannot be run, and what cannot fail."""
    for scenario in scenarios:
        try:
            check_placeholders(scenario, now=datetime.now(UTC))
        except UnknownPlaceholder as error:
            raise ToolError(f"{scenario.id}: {error}") from error
    if idle := [scenario.id for scenario in scenarios if not scenario.asserts]:
        raise ToolError(f"{', '.join(idle)} assert nothing about what the product shows")


def _check_scenarios(report: ScenarioSet, specification: Specification) -> None:
    ids = [scenario.id for scenario in report.scenarios]
    if len(set(ids)) != len(ids):
        raise ToolError("two scenarios have the same id")
    _check_each(report.scenarios)
    known = {criterion.id: criterion for criterion in specification.criteria}
    if strangers := sorted({s.criterion for s in report.scenarios} - set(known)):
        raise ToolError(f"no criteria {', '.join(strangers)}")
    tested = {scenario.criterion for scenario in report.scenarios}
    if missing := [c.id for c in specification.criteria if c.covered and c.id not in tested]:
        raise ToolError(f"no scenario for {', '.join(missing)}")
