"""From a requirement to a contract and a plan: analyse, clarify, design, plan, write scenarios."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath

from langgraph.runtime import Runtime

from macrohard.agent import drawn_panel
from macrohard.domain import Design, Plan, ProductKind, Scenario, ScenarioSet, Specification, Task
from macrohard.domain.decisions import DecisionLog, Settled
from macrohard.domain.team import Team
from macrohard.errors import ToolError
from macrohard.events import Designed, Planned, ScenariosWritten, Specified, Staffed
from macrohard.factory import contract
from macrohard.factory.acceptance import contract_of, reviewed
from macrohard.factory.context import FactoryContext
from macrohard.factory.improving import ANALYST as CHANGE_ANALYST
from macrohard.factory.improving import (
    Collected,
    agreed_before,
    collected,
    design_of_the_change,
    met_before,
    of_the_change,
    read_change,
)
from macrohard.factory.phases import phase
from macrohard.factory.planning import divided_in_vain
from macrohard.factory.reports import Reading, ReadingOfChange, TeamPlan
from macrohard.factory.state import State, TaskInput
from macrohard.factory.steps import report_for
from macrohard.factory.team import READER_CHARACTERS, is_small, panel_size, team_for
from macrohard.product import UnknownPlaceholder, check_placeholders
from macrohard.product.scenarios import missing_for, mistyped


def _session_name(context: FactoryContext, agent: str) -> str:
    """A second reading, after answers, is another session."""
    return f"{agent}+{len(context.answers)}" if context.answers else agent


async def analyse(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Read the requirement into numbered, testable criteria, and settle how many work on them."""
    context = runtime.context
    async with phase(context.emit, "analyse", 0):
        reading = await _read(context)
        await context.emit(Specified(specification=reading.specification))
        team = _team(context, reading)
        await context.emit(Staffed(team=team))
    return {
        "specification": await context.keep(reading.specification),
        "reading": await context.keep(reading) if team.size == "small" or context.earlier is not None else "",
        "team": await context.keep(team),
        "iteration": 0,
    }


def _panel(context: FactoryContext, specification: Specification) -> tuple[str, ...]:
    """The simulated users of a run, drawn for its product; of one that is replayed, those that were heard of."""
    told = [criterion.text for criterion in specification.criteria]
    drawn = drawn_panel(
        context.catalogue.personas,
        kind=specification.kind,
        seed=context.seed,
        size=panel_size(specification),
        wanted="\n".join([specification.title, specification.summary, *specification.stories, *told]),
    )
    # A run that stopped in the middle may have been heard of some only.
    return drawn if set(context.visitors) <= set(drawn) else context.visitors


async def _read(context: FactoryContext) -> Reading:
    if context.earlier is not None:
        agents = frozenset(agent.name for agent in context.catalogue.assignable)
        reviewers = frozenset(agent.name for agent in context.catalogue.reviewers)
        agreed = agreed_before(context.earlier)

        def check(specification: Specification, design: Design, plan: TeamPlan) -> None:
            _check_design(design, specification)
            _check_team_plan(plan, specification, agents, reviewers, agreed=agreed)

        return await read_change(context, context.earlier, name=_session_name(context, CHANGE_ANALYST), check=check)
    short = len(context.requirement) <= READER_CHARACTERS
    return await (_read_at_once(context) if short else _read_alone(context))


def _team(context: FactoryContext, reading: Reading) -> Team:
    """As large as what is to be made needs; of a product that exists that is the change."""
    specification, design, earlier = reading.specification, reading.design, context.earlier
    if earlier is None or design is None:
        return team_for(specification, design, personas=_panel(context, specification))
    told = not set(specification.stories) <= set(earlier.specification.stories)
    specification, change = of_the_change(specification, earlier), design_of_the_change(design, earlier)
    # What people do anew leads through the whole product, however little of it is different.
    return team_for(specification, change, personas=_panel(context, specification), used=design if told else change)


async def _read_alone(context: FactoryContext) -> Reading:
    specification = await context.document(
        Specification,
        agent="analyst",
        iteration=0,
        phase="analyse",
        name=_session_name(context, "analyst"),
        task="Read the requirement and write the specification.",
        material={"requirement": context.requirement, "answers": dict(context.answers)},
        check=_check_specification,
    )
    return Reading(specification=specification)


async def _read_at_once(context: FactoryContext) -> Reading:
    """One session where three would say the same thing to each other."""
    assignable = {agent.name: agent.description for agent in context.catalogue.assignable}
    return await context.document(
        Reading,
        agent="reader",
        iteration=0,
        phase="analyse",
        name=_session_name(context, "reader"),
        task="Read the requirement and write the specification; design and plan too, if it is small.",
        material={
            "requirement": context.requirement,
            "answers": dict(context.answers),
            "agents": dict(assignable),
            **await context.libraries(),
        },
        check=lambda report: _check_reading(report, frozenset(assignable)),
    )


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
        drafted = (await context.load(ReadingOfChange, state["reading"])).design if state["reading"] else None
        made = drafted or await context.document(
            Design,
            agent="designer",
            iteration=0,
            phase="design",
            name=_session_name(context, "designer"),
            task=f"Design {specification.title}.",
            material={
                "requirement": context.requirement,
                "answers": dict(context.answers),
                "specification": specification.model_dump(mode="json"),
                **await context.libraries(),
            },
            check=lambda report: _check_design(report, specification),
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
        reviewers = {agent.name: agent.description for agent in context.catalogue.reviewers}
        team = await context.load(Team, state["team"])
        drafted = (await context.load(ReadingOfChange, state["reading"])).plan if state["reading"] else None
        made = drafted or await context.document(
            TeamPlan,
            agent="planner",
            iteration=0,
            phase="plan",
            name=_session_name(context, "planner"),
            task=f"Plan the work on {specification.title}.",
            material={
                "specification": contract.agreed(specification),
                "design": agreed.model_dump(mode="json"),
                "agents": dict(assignable),
                "reviewers": dict(reviewers),
                **await context.libraries(),
            },
            check=lambda report: _check_team_plan(report, specification, frozenset(assignable), frozenset(reviewers)),
        )
        # A small change is read by nobody, as a small product is; its analyst cannot know how small it comes out.
        if isinstance(made, TeamPlan) and made.reviewers and team.size == "full":
            team = team.model_copy(update={"reviewers": tuple(dict.fromkeys(made.reviewers))})
            await context.emit(Staffed(team=team))
        agreed_plan = Plan(tasks=tuple(Task.model_validate(task.model_dump(exclude={"lines"})) for task in made.tasks))
        await context.emit(Planned(iteration=1, plan=agreed_plan))
    return {
        "plan": await context.keep(agreed_plan),
        "team": await context.keep(team),
        "iteration": 1,
        "base": await context.first_commit(),
        "done": [],
        "good": None,
        "met": met_before(specification, context.earlier),
        **({"decisions": await context.keep(context.earlier.decisions)} if context.earlier else {}),
    }


async def write_scenarios(state: TaskInput, runtime: Runtime[FactoryContext]) -> State:
    """Write the hidden acceptance scenarios, from specification and design alone, and have them reviewed."""
    context = runtime.context
    async with phase(context.emit, "scenarios", 1):
        specification = await context.load(Specification, state["specification"])
        agreed = await context.load(Design, state["design"])
        wanted = of_the_change(specification, context.earlier)
        report = await context.document(
            report_for(specification.kind, ScenarioSet),
            agent="scenario-writer",
            iteration=0,
            phase="scenarios",
            task=f"Write the acceptance scenarios of {specification.title}.",
            material=contract_of(context, wanted, agreed),
            check=lambda report: _check_scenarios(report, wanted, agreed),
        )
        made = ScenarioSet.model_validate(report.model_dump())

        def check_each(scenarios: Sequence[Scenario]) -> None:
            _check_each(scenarios, specification.kind, agreed)

        whole = Collected((), made, ())
        if context.earlier is not None:
            whole = await collected(context, context.earlier, specification, agreed, made.laid_out, check=check_each)
        settled = await reviewed(
            context,
            specification,
            agreed,
            whole.fresh,
            check=check_each,
            check_design=lambda design: _check_design(design, specification),
        )
        counted = ScenarioSet(scenarios=(*whole.untouched, *settled.counted.scenarios))
        await context.emit(
            ScenariosWritten(
                scenarios=counted.scenarios,
                disputed=settled.disputed,
                unreviewed=settled.unreviewed,
                mended=whole.mended,
            )
        )
        if settled.design is not None:
            await context.emit(Designed(design=settled.design))
    log = await context.load(DecisionLog, state["decisions"]) if state["decisions"] else DecisionLog()
    ruled = tuple(Settled(by="the contract", iteration=1, text=text) for text in settled.settled)
    return {
        "scenarios": await context.keep(counted),
        # Whoever begins after this goes by it: later tasks, checks, visitors, and the next iteration.
        **({"design": await context.keep(settled.design)} if settled.design else {}),
        **({"decisions": await context.keep(DecisionLog(entries=(*log.entries, *ruled)))} if ruled else {}),
    }


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


def _check_reading(report: Reading, agents: frozenset[str]) -> None:
    specification, design, plan = report.specification, report.design, report.plan
    _check_specification(specification)
    if design is not None:
        _check_design(design, specification)
    if specification.decision != "build" or not is_small(specification):
        return
    size = f"this product is small (kind {specification.kind}, {len(specification.criteria)} criteria)"
    if design is None:
        raise ToolError(f"design: {size}, so nobody else designs it: hand in its design as well")
    if plan is None or len(plan.tasks) != 1:
        raise ToolError(f"plan: {size}, so it is one task for one coder: hand in a plan with just that")
    check_plan(plan, specification, agents)


def _check_design(report: Design, specification: Specification) -> None:
    field, there = {
        "web": ("screens", report.screens),
        "api": ("routes", report.routes),
        "cli": ("commands", report.commands),
        "library": ("commands", report.commands),
    }[specification.kind]
    if not there:
        raise ToolError(f"{field}: there are none, and the product is of kind {specification.kind}")


def check_plan(
    report: Plan, specification: Specification, agents: frozenset[str], *, agreed: frozenset[str] = frozenset()
) -> None:
    """Refuse tasks for agents that do not exist, and criteria that nobody serves, but for those `agreed` before."""
    if unknown := sorted({task.agent for task in report.tasks} - agents):
        raise ToolError(f"no agents {', '.join(unknown)}; tasks can be given to {', '.join(sorted(agents))}")
    known = {criterion.id for criterion in specification.criteria}
    served = {criterion for task in report.tasks for criterion in task.criteria}
    if strangers := sorted(served - known):
        raise ToolError(f"no criteria {', '.join(strangers)}")
    wanted = [c.id for c in specification.criteria if c.covered and c.id not in served | agreed]
    if wanted:
        raise ToolError(f"no task serves {', '.join(wanted)}")


def _check_team_plan(
    report: TeamPlan,
    specification: Specification,
    agents: frozenset[str],
    reviewers: frozenset[str],
    *,
    agreed: frozenset[str] = frozenset(),
) -> None:
    check_plan(report, specification, agents, agreed=agreed)
    if unknown := sorted(set(report.reviewers) - reviewers):
        there = ", ".join(sorted(reviewers)) or "none"
        raise ToolError(f"reviewers: there are no {', '.join(unknown)} to choose from; there are {there}")
    if needless := divided_in_vain(report.tasks):
        raise ToolError(f"tasks: {needless}")


def _check_each(scenarios: Sequence[Scenario], kind: ProductKind, design: Design) -> None:
    """Refuse what cannot be run, and what cannot fail."""
    for scenario in scenarios:
        if wrong := missing_for(scenario, kind) or mistyped(scenario, design):
            raise ToolError(f"{scenario.id}: {wrong}")
        try:
            check_placeholders(scenario, now=datetime.now(UTC))
        except UnknownPlaceholder as error:
            raise ToolError(f"{scenario.id}: {error}") from error
    if idle := [scenario.id for scenario in scenarios if not scenario.asserts]:
        raise ToolError(f"{', '.join(idle)} assert nothing about what the product shows")


def _check_scenarios(report: ScenarioSet, specification: Specification, design: Design) -> None:
    ids = [scenario.id for scenario in report.scenarios]
    if len(set(ids)) != len(ids):
        raise ToolError("two scenarios have the same id")
    paths = [file.path for file in report.files]
    if len(set(paths)) != len(paths) or any(".." in PurePosixPath(path).parts for path in paths):
        raise ToolError("files: name each path in the product's folder once, without ..")
    _check_each(report.laid_out.scenarios, specification.kind, design)
    known = {criterion.id: criterion for criterion in specification.criteria}
    if strangers := sorted({s.criterion for s in report.scenarios} - set(known)):
        raise ToolError(f"no criteria {', '.join(strangers)}")
    tested = {scenario.criterion for scenario in report.scenarios}
    if missing := [c.id for c in specification.criteria if c.covered and c.id not in tested]:
        raise ToolError(f"no scenario for {', '.join(missing)}")
