"""The next iteration's tasks: by the manager, or, in a small team that has nobody to coordinate, by rule."""

from macrohard.domain import Plan, Specification, Task
from macrohard.domain.team import Team
from macrohard.errors import ToolError
from macrohard.factory.context import FactoryContext
from macrohard.factory.problems import Problem, are_weak_tests
from macrohard.factory.reports import TriageReport
from macrohard.factory.state import State

REPAIRS, REBUILDS, TESTS = "bug-fixer", "full-stack-coder", "test-author"
"""Who repairs in a small team, who does if that came to nothing, and who does where only tests are to be written."""
APPROACH = (
    "These failures are still there after an earlier attempt. Do not try the same again: question what it took for "
    "granted, reproduce each failure first, and rather write the part anew than patch it once more."
)


def somebody_else(agent: str) -> str:
    """Who repairs what this agent could not."""
    return REPAIRS if agent == REBUILDS else REBUILDS


async def next_plan(
    context: FactoryContext,
    state: State,
    specification: Specification,
    problems: tuple[Problem, ...],
    *,
    stuck: bool,
) -> TriageReport:
    """Tasks for the problems; if `stuck`, for other agents than those who tried, who are told to do it otherwise."""
    tried = frozenset(task.agent for task in (await context.load(Plan, state["plan"])).tasks) if stuck else frozenset()
    if (await context.load(Team, state["team"])).size != "full":
        return _by_rule(problems, tried)
    return await _by_the_manager(context, state, specification, problems, tried)


def _by_rule(problems: tuple[Problem, ...], tried: frozenset[str]) -> TriageReport:
    lines = [f"- {problem.title}: {problem.detail}" for problem in problems]
    task = Task(
        id="T-1",
        title=f"Repair {len(problems)} problem{'s' if len(problems) != 1 else ''}",
        agent=TESTS if are_weak_tests(problems) else REBUILDS if REPAIRS in tried else REPAIRS,
        instructions="\n".join([*([APPROACH] if tried else []), *lines]),
        criteria=tuple(dict.fromkeys(problem.criterion for problem in problems if problem.criterion)),
        files=("./",),
    )
    return TriageReport(tasks=(task,), note=f"{task.title}: {'; '.join(problem.title for problem in problems[:4])}")


async def _by_the_manager(
    context: FactoryContext,
    state: State,
    specification: Specification,
    problems: tuple[Problem, ...],
    tried: frozenset[str],
) -> TriageReport:
    iteration = state["iteration"]
    assignable = {agent.name: agent.description for agent in context.catalogue.assignable if agent.name not in tried}

    def check(report: TriageReport) -> None:
        if unknown := sorted({task.agent for task in report.tasks} - set(assignable)):
            raise ToolError(f"no agents {', '.join(unknown)}; tasks can be given to {', '.join(sorted(assignable))}")
        findings = {problem.id for problem in problems if problem.kind == "finding"}
        set_aside = {dismissal.finding for dismissal in report.dismissed}
        if strangers := sorted(set_aside - findings):
            raise ToolError(f"only findings can be dismissed, not {', '.join(strangers)}")
        if not report.tasks and (left := [problem.id for problem in problems if problem.id not in set_aside]):
            raise ToolError(f"no tasks, and yet these are neither dismissed nor worked on: {', '.join(left)}")
        try:
            Plan(tasks=report.tasks)
        except ValueError as error:
            raise ToolError(str(error)) from error

    report = await context.document(
        TriageReport,
        agent="manager",
        iteration=iteration,
        phase="triage",
        task=f"Plan what iteration {iteration + 1} repairs.",
        material={
            "specification": specification.model_dump(mode="json"),
            "problems": [problem.model_dump(mode="json") for problem in problems],
            "files": list(await context.repository.files(state["base"])),
            "colleagues": list(state.get("notes", [])),
            "agents": dict(assignable),
            **({"stuck": APPROACH} if tried else {}),
        },
        check=check,
    )
    if not tried:
        return report
    # Said by code, so that whoever does it is told for certain.
    told = tuple(task.model_copy(update={"instructions": f"{APPROACH}\n{task.instructions}"}) for task in report.tasks)
    return report.model_copy(update={"tasks": told})
