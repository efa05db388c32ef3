"""The baseline: one agent makes the whole product from the requirement, and is graded as a team is."""

from typing import Final

from langgraph.runtime import Runtime

from macrohard.domain import Plan, ScenarioSet, Task
from macrohard.domain.team import Team
from macrohard.events import Designed, Planned, ScenariosWritten, Specified, Staffed
from macrohard.factory.context import FactoryContext
from macrohard.factory.state import State

SOLO: Final = "solo"


async def stand_alone(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Give everything to one agent; no model is asked.

    The agent gets what every coder gets, and the requirement: the criteria that it is graded by, word for word, and the
    design, whose names the scenarios use. Scenarios it does not get.
    """
    context, contract = runtime.context, runtime.context.contract
    assert contract is not None, "the graph begins here only with one"
    specification, design = contract.specification, contract.design
    scenarios = ScenarioSet(scenarios=contract.scenarios)
    team = Team(
        size="solo",
        reason=f"as asked: with criteria and design of run {contract.run}, which cost ${contract.design_usd:.2f} there "
        "and are not counted here, and graded by its scenarios",
    )
    whole = Task(
        id="T-1",
        title=f"Build {specification.title}",
        agent=SOLO,
        instructions=context.requirement,
        criteria=tuple(criterion.id for criterion in specification.criteria),
        files=("./",),
    )
    plan = Plan(tasks=(whole,))
    await context.emit(Specified(specification=specification))
    await context.emit(Staffed(team=team))
    await context.emit(Designed(design=design))
    await context.emit(ScenariosWritten(scenarios=scenarios.scenarios))
    await context.emit(Planned(iteration=1, plan=plan))
    return {
        "specification": await context.keep(specification),
        "team": await context.keep(team),
        "reading": "",
        "design": await context.keep(design),
        "scenarios": await context.keep(scenarios),
        "plan": await context.keep(plan),
        "iteration": 1,
        "base": await context.repository.initial_commit(),
        "done": [],
        "good": None,
        "met": [],
    }
