"""From a plan to one commit: implement tasks in parallel on disjoint files, and integrate what they leave."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal

from langgraph.runtime import Runtime
from langgraph.types import Overwrite, Send

from macrohard.agent import ALL_FILES, AgentDefinition, Bench, OpenBench, open_workshop
from macrohard.domain import Design, JsonObject, Plan, SessionResult, Specification, Task
from macrohard.domain.decisions import DecisionLog, Settled
from macrohard.events import Integrated, Progress, Reported
from macrohard.factory.candidates import Attempt, Fork, best_of_two, session_branch
from macrohard.factory.context import FactoryContext
from macrohard.factory.contract import agreed
from macrohard.factory.integration import AUTHOR, Queue, integrate_branches
from macrohard.factory.phases import phase
from macrohard.factory.planning import reports_before
from macrohard.factory.problems import Dropped, Problems
from macrohard.factory.reports import WorkReport
from macrohard.factory.state import Branch, Return, State, TaskInput, again
from macrohard.product import DrawingTable, Easel

PATCH_BYTES: Final = 16 << 10
"""Of what a dropped attempt changed, as its successor is told it; its whole commit is at hand in the sandbox."""


async def ready_tasks(state: State, context: FactoryContext) -> list[Task]:
    """Tasks that wait for nothing any more, in plan order."""
    plan = await context.load(Plan, state["plan"])
    done = set(state.get("done", []))
    return [task for task in plan.tasks if task.id not in done and set(task.depends_on) <= done]


async def dispatch(state: State, runtime: Runtime[FactoryContext]) -> list[Send] | Literal["verify"]:
    """Fan out over the tasks that can run now; when there are none, verify."""
    tasks = await ready_tasks(state, runtime.context)
    if not tasks:
        return "verify"
    sends = [Send("implement", _task_input(state, task.id)) for task in tasks]
    if "scenarios" not in state:
        sends.append(Send("write_scenarios", _task_input(state, "")))
    return sends


def _task_input(state: State, task_id: str) -> TaskInput:
    return TaskInput(
        iteration=state["iteration"],
        specification=state["specification"],
        design=state["design"],
        plan=state["plan"],
        task=task_id,
        base=state["base"],
        problems=state.get("problems"),
        notes=state.get("notes", []),
        returned=state.get("returned", {}).get(task_id),
        decisions=state.get("decisions"),
        contested=task_id in state.get("contested", []),
        scenarios=state.get("scenarios"),
        held=state.get("met", []),
    )


async def implement(state: TaskInput, runtime: Runtime[FactoryContext]) -> State:
    """Carry out one task on its own files."""
    context, iteration = runtime.context, state["iteration"]
    plan = await context.load(Plan, state["plan"])
    task = next(task for task in plan.tasks if task.id == state["task"])
    specification = await context.load(Specification, state["specification"])
    design = await context.load(Design, state["design"])
    problems = await context.load(Problems, state["problems"]) if state["problems"] else Problems()
    material: JsonObject = {
        "specification": agreed(specification),
        "design": design.model_dump(mode="json"),
        "problems": [problem.model_dump(mode="json") for problem in problems.problems],
        "colleagues": reports_before(plan, task.id, state["notes"]),
        "decisions": list((await _log(context, state["decisions"])).lines),
        **await context.libraries(),
    }
    if dropped := problems.dropped:
        patch = await context.repository.diff(dropped.base, dropped.commit, limit_bytes=PATCH_BYTES)
        material["dropped"] = {**dropped.model_dump(mode="json", exclude={"base"}), "patch": patch}
    name, base = task.id, state["base"]
    returned = state["returned"]
    if returned is not None:
        # Another session, which goes on where everybody's work and its own are merged.
        material["colleagues"] = list(state["notes"])
        name, base, material["returned"] = again(task.id), returned["base"], returned["problem"]

    async def attempt(made: Attempt) -> SessionResult:
        agent, task = context.catalogue.agent(made.task.agent).working_on(specification.kind), made.task
        async with context.slots, phase(context.emit, "implement", iteration):
            result = await context.session(
                agent,
                iteration=iteration,
                phase="implement",
                name=made.name,
                task=task.title,
                material={
                    **(_of_the_look(material) if agent.knows == "look" else material),
                    "task": task.model_dump(mode="json"),
                },
                report=WorkReport,
                criteria=task.criteria,
                files=task.files,
                base=base,
                open_bench=_workbench(
                    context, agent, task, base, iteration, design, name=made.name, fork=made.fork, dropped=dropped
                ),
            )
            await _tell_report(context, result)
            return result

    aside: list[str] = []
    if state["contested"] and returned is None:
        result, other = await best_of_two(context, state, task, attempt=attempt)
        aside = [other]
    else:
        result = await attempt(Attempt(name=name, task=task))
    problem = "" if result.outcome == "finished" else f"{result.outcome}: {result.problem}"
    note = f"{task.id}, {task.title}: {problem}"
    decisions: list[str] = []
    if result.outcome == "finished":
        report = WorkReport.model_validate(result.report)
        note = " ".join(
            [f"{task.id}, {task.title}: {report.summary}", *(f"Open: {each}" for each in report.open_points)]
        )
        decisions = list(report.decisions)
    branch = Branch(task=task.id, commit=result.commit, problem=problem, note=note, decisions=decisions)
    return {"branches": [branch], "set_aside": aside}


def _of_the_look(material: JsonObject) -> JsonObject:
    """What those need who draw: what the product is called and for, how it looks, and what was wrong with it."""
    parts = {"specification": ("title", "summary"), "design": ("look",)}
    return {
        **{
            name: {part: value for part, value in whole.items() if part in parts[name]}
            for name, whole in material.items()
            if name in parts and isinstance(whole, dict)
        },
        **{name: material[name] for name in ("problems", "returned") if name in material},
    }


async def _tell_report(context: FactoryContext, result: SessionResult) -> None:
    if result.outcome == "finished":
        said = WorkReport.model_validate(result.report)
        await context.emit(
            Reported(
                session_id=result.session_id,
                summary=said.summary,
                open_points=said.open_points,
                decisions=said.decisions,
            )
        )


def _workbench(
    context: FactoryContext,
    agent: AgentDefinition,
    task: Task,
    base: str,
    iteration: int,
    design: Design,
    *,
    name: str,
    fork: Fork | None,
    dropped: Dropped | None,
) -> OpenBench:
    trailer = [f"Task: {task.id}", f"Iteration: {iteration}", f"Run: {context.run_id}"]
    if task.criteria:
        trailer.insert(0, f"Criteria: {', '.join(task.criteria)}")

    @asynccontextmanager
    async def open_bench(saved: str | None) -> AsyncIterator[Bench]:
        image = context.image_for(agent)
        async with (
            open_workshop(
                context.sandboxes,
                context.repository,
                image=image,
                base=base,
                more=(dropped.commit,) if dropped else (),
                saved=saved,
                ref=session_branch(iteration, name),
                author=agent.name,
                message=f"{task.title}\n\n" + "\n".join(trailer),
                files=task.files,
                workspace=await fork.workspace(image) if fork else None,
            ) as (sandbox, workshop),
            DrawingTable(context.sandboxes) as table,
        ):
            session_id = context.session_id(iteration, "implement", name)
            easel = Easel(context.studio, table, session_id=session_id)
            yield Bench(
                sandbox=sandbox,
                workspace=workshop,
                easel=easel,
                files=task.files,
                environment=design.environment,
            )

    return open_bench


async def integrate(state: State, runtime: Runtime[FactoryContext]) -> State:
    """Make one commit of what the tasks left; a single branch needs no merge, and no check before verification.

    A task whose branch breaks what was whole before is not done yet: it is given back once, with what failed, and is
    left out if it breaks the product again.
    """
    context, iteration = runtime.context, state["iteration"]
    plan = await context.load(Plan, state["plan"])
    order = {task.id: place for place, task in enumerate(plan.tasks)}
    branches = sorted(state.get("branches", []), key=lambda branch: order.get(branch["task"], 0))
    merged = [branch for branch in branches if branch["commit"] is not None]
    head, again, notes = state["base"], dict(state.get("returned", {})), [branch["note"] for branch in branches]
    given_back: set[str] = set()
    async with phase(context.emit, "integrate", iteration):
        if len(merged) == 1 and merged[0]["task"] not in again:
            head = merged[0]["commit"] or head
        elif merged:
            queue = await _queue(context, state, merged, plan)
            head = queue.head
            for returned in queue.returned:
                said = f"{returned.task} broke the product when it was merged: {returned.problem}"
                if returned.task in again:
                    notes.append(f"{said} It was left out.")
                else:
                    given_back.add(returned.task)
                    again[returned.task] = Return(base=returned.base, problem=said)
                await context.emit(Progress(text=said))
        await context.emit(Integrated(iteration=iteration, commit=head))
    done = [*state.get("done", []), *(branch["task"] for branch in branches if branch["task"] not in given_back)]
    settled = [
        Settled(by=f"{branch['task']} of iteration {iteration}", iteration=iteration, text=text)
        for branch in branches
        if branch["task"] not in given_back
        for text in branch["decisions"]
    ]
    log = await _log(context, state.get("decisions"))
    return {
        "base": head,
        "decisions": await context.keep(DecisionLog(entries=(*log.entries, *settled))),
        "done": done,
        "notes": [*state.get("notes", []), *notes],
        "returned": again,
        "branches": Overwrite([]),  # type: ignore[typeddict-item]  # langgraph's reset
    }


async def _log(context: FactoryContext, digest: str | None) -> DecisionLog:
    return await context.load(DecisionLog, digest) if digest else DecisionLog()


async def _queue(context: FactoryContext, state: State, branches: list[Branch], plan: Plan) -> Queue:
    """Merge by code; what code cannot settle is the integrator's."""
    iteration, wave, base = state["iteration"], len(state.get("done", [])), state["base"]
    design = await context.load(Design, state["design"])

    async def tell(text: str) -> None:
        await context.emit(Progress(text=text))

    queue = await integrate_branches(
        context.sandboxes,
        context.repository,
        image=context.image_for(context.catalogue.agent(AUTHOR)),
        base=base,
        branches=[(branch["task"], branch["commit"]) for branch in branches if branch["commit"]],
        titles={task.id: task.title for task in plan.tasks},
        ref=f"refs/sessions/{iteration}/queue-{wave}-{len(state.get('returned', {}))}",
        tell=tell,
        environment=design.environment,
    )
    last = wave + len(branches) == len(plan.tasks)
    if not queue.conflict and (queue.health.state != "broken" or not last):
        return queue
    # The parts of a first version are complete, and do not fit, or two branches do not go together.
    head = await _merge(context, iteration, wave, base, branches, plan, design, queue.health.problem)
    return queue.model_copy(update={"head": head})


async def _merge(
    context: FactoryContext,
    iteration: int,
    wave: int,
    base: str,
    branches: list[Branch],
    plan: Plan,
    design: Design,
    problem: str,
) -> str:
    agent = context.catalogue.agent(AUTHOR)
    commits = [branch["commit"] for branch in branches if branch["commit"]]
    titles = {task.id: task.title for task in plan.tasks}

    @asynccontextmanager
    async def open_bench(saved: str | None) -> AsyncIterator[Bench]:
        async with open_workshop(
            context.sandboxes,
            context.repository,
            image=context.image_for(agent),
            base=base,
            more=commits,
            saved=saved,
            ref=f"refs/sessions/{iteration}/integrate-{wave}",
            author=agent.name,
            message=f"Settle the merge of iteration {iteration}\n\nRun: {context.run_id}",
            files=ALL_FILES,
        ) as (sandbox, workshop):
            yield Bench(sandbox=sandbox, workspace=workshop, files=ALL_FILES, environment=design.environment)

    given: list[JsonObject] = [
        {"task": branch["task"], "title": titles.get(branch["task"], ""), "commit": branch["commit"]}
        for branch in branches
    ]
    result = await context.session(
        agent,
        iteration=iteration,
        phase="integrate",
        name=f"wave-{wave}",
        task=f"Merge {', '.join(branch['task'] for branch in branches)}.",
        material={
            "branches": list(given),
            "problem": problem,
            "tasks": [{"id": task.id, "title": task.title, "files": list(task.files)} for task in plan.tasks],
            "colleagues": [branch["note"] for branch in branches],
        },
        report=WorkReport,
        files=ALL_FILES,
        base=base,
        open_bench=open_bench,
    )
    await _tell_report(context, result)
    return result.commit or base
