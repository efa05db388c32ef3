"""The next iteration's tasks: by the manager, or, in a small team that has nobody to coordinate, by rule."""

from collections.abc import Sequence
from typing import Final

from pydantic import JsonValue

from macrohard.domain import JsonObject, Plan, Specification, Task
from macrohard.domain.team import Team
from macrohard.errors import ToolError
from macrohard.factory.context import FactoryContext
from macrohard.factory.contract import agreed
from macrohard.factory.problems import Problem, Problems, are_weak_tests
from macrohard.factory.reports import SizedTask, TriageReport
from macrohard.factory.state import State

REPAIRS, REBUILDS, TESTS = "bug-fixer", "full-stack-coder", "test-author"
"""Who repairs in a small team, who does if that came to nothing, and who does where only tests are to be written."""
_CODERS: Final = "-coder"
"""So end the names of those who write products."""
APPROACH = (
    "These failures are still there after an earlier attempt. Do not try the same again: question what it took for "
    "granted, reproduce each failure first, and rather write the part anew than patch it once more."
)


SESSION_LINES: Final = 2_500
"""So many lines in about twenty files one strong agent writes in one or two answers."""


def divided_in_vain(tasks: Sequence[SizedTask]) -> str:
    """Which tasks one agent should have as one, in words for the planner; empty: there are none.

    Every further coder reads the whole contract again and does not see what the others decide. So two tasks of coders,
    or of one agent, are one task if the second only goes on with the first while nobody works beside them, or if both
    serve the same criteria at once, unless they are said to come to more than a session writes.
    """
    for index, one in enumerate(tasks):
        for other in tasks[index + 1 :]:
            if not _alike(one, other) or one.lines + other.lines > SESSION_LINES:
                continue
            both = f"{one.id} and {other.id}"
            first, second = (one, other) if one.id in other.depends_on else (other, one)
            if _in_a_row(first, second, tasks):
                return (
                    f"{second.id} only goes on with {first.id}: make them one task. One session writes up to about "
                    f"{SESSION_LINES:,} lines in twenty files; if {both} come to more, say so in `lines` of each"
                )
            said = one.lines > 0 and other.lines > 0
            if said and (common := sorted(set(one.criteria) & set(other.criteria))):
                return (
                    f"{both} both serve {', '.join(common)} and come to about {one.lines + other.lines:,} lines "
                    f"together: make them one task; one session writes up to about {SESSION_LINES:,}"
                )
    return ""


def _alike(one: Task, other: Task) -> bool:
    return one.agent == other.agent or (one.agent.endswith(_CODERS) and other.agent.endswith(_CODERS))


def _in_a_row(first: Task, second: Task, tasks: Sequence[Task]) -> bool:
    alike = [task for task in tasks if _alike(task, first)]
    waits_for = [task.id for task in alike if task.id in second.depends_on]
    waiting = [task.id for task in alike if first.id in task.depends_on]
    return waits_for == [first.id] and waiting == [second.id]


def reports_before(plan: Plan, task_id: str, notes: Sequence[str]) -> list[JsonValue]:
    """What was reported of the tasks that this one builds on; each note begins with its task's id.

    Of the others nobody needs a report: what they settled for all stands in the decision log.
    """
    before = plan.before(task_id)
    return [note for note in notes if note.partition(" ")[0].rstrip(",") in before]


def somebody_else(agent: str) -> str:
    """Who repairs what this agent could not."""
    return REPAIRS if agent == REBUILDS else REBUILDS


async def next_plan(
    context: FactoryContext,
    state: State,
    specification: Specification,
    left: Problems,
    *,
    stuck: bool,
) -> TriageReport:
    """Tasks for the problems; if `stuck`, for other agents than those who tried, who are told to do it otherwise."""
    tried = frozenset(task.agent for task in (await context.load(Plan, state["plan"])).tasks) if stuck else frozenset()
    if (await context.load(Team, state["team"])).size != "full":
        return _by_rule(left.problems, tried)
    return await _by_the_manager(context, state, specification, left, tried)


def _by_rule(problems: tuple[Problem, ...], tried: frozenset[str]) -> TriageReport:
    lines = ["Repair what `problems` says, the weightiest first:", *(f"- {problem.title}" for problem in problems)]
    task = Task(
        id="T-1",
        title=f"Repair {len(problems)} problem{'s' if len(problems) != 1 else ''}",
        agent=TESTS if are_weak_tests(problems) else REBUILDS if REPAIRS in tried else REPAIRS,
        instructions="\n".join([*([APPROACH] if tried else []), *lines]),
        criteria=tuple(dict.fromkeys(problem.criterion for problem in problems if problem.criterion)),
        files=("./",),
    )
    return TriageReport(tasks=(task,), note=f"{task.title}: {'; '.join(problem.title for problem in problems[:4])}")


def _session_name(problems: Sequence[Problem]) -> str:
    """An iteration that is judged again because of what people said meanwhile is planned in another session."""
    return "+".join(["manager", *(problem.id for problem in problems if problem.kind == "feedback")])


async def _by_the_manager(
    context: FactoryContext,
    state: State,
    specification: Specification,
    left: Problems,
    tried: frozenset[str],
) -> TriageReport:
    iteration, problems = state["iteration"], left.problems
    base, dropped = state["base"], left.dropped
    attempt: JsonObject = {}
    if dropped:
        base = dropped.base
        changed = await context.repository.changed_files(base, dropped.commit)
        attempt = {"dropped": {"solved": list(dropped.solved), "lost": list(dropped.lost), "changed": list(changed)}}
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
        name=_session_name(problems),
        task=f"Plan what iteration {iteration + 1} repairs.",
        material={
            "specification": agreed(specification),
            "problems": [problem.model_dump(mode="json") for problem in problems],
            "files": list(await context.repository.files(base)),
            "colleagues": list(state.get("notes", [])),
            "agents": dict(assignable),
            **attempt,
            **({"stuck": APPROACH} if tried else {}),
        },
        check=check,
    )
    if not tried:
        return report
    # Said by code, so that whoever does it is told for certain.
    told = tuple(task.model_copy(update={"instructions": f"{APPROACH}\n{task.instructions}"}) for task in report.tasks)
    return report.model_copy(update={"tasks": told})
