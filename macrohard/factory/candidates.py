"""Two candidates for a task whose last attempt failed: side by side in forks of one workspace, chosen by our checks."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from macrohard.agent import PRODUCT_ROOT, Commits, open_workshop
from macrohard.domain import BudgetState, Design, Plan, ScenarioSet, SessionResult, Specification, Task, Value, Verdict
from macrohard.domain.candidate import Candidate, Comparison
from macrohard.errors import ToolError
from macrohard.events import CandidatesCompared, Progress
from macrohard.factory.context import FactoryContext
from macrohard.factory.planning import APPROACH, somebody_else
from macrohard.factory.problems import Problem, Problems, met
from macrohard.factory.state import State, TaskInput, rival
from macrohard.factory.verification import checked
from macrohard.product.manifest import FILE, read_manifest
from macrohard.product.service import INSTALL_SECONDS
from macrohard.sandbox import SandboxProvider, SnapshotId

GO_ON: Final = (
    "These failures are still there after an earlier attempt. Go on from what is there: reproduce each one first, find "
    "its cause in the code as it stands, and change as little as it needs."
)
CANDIDATES: Final = 2
_GIT_SECONDS = 60.0
_MANIFEST_BYTES = 64 << 10
_LEAVE_OUT = "git ls-files --others --exclude-standard | sed 's|^|/|' >> .git/info/exclude"
"""What installing leaves behind belongs to nobody's work."""


class Effort(Value):
    """What one attempt is expected to take: as much as the dearest of the last iteration."""

    usd: float = 0.0
    calls: int = 0


@dataclass(frozen=True)
class Attempt:
    """One of the sessions that a task is given to."""

    name: str
    task: Task
    """With the agent and the instructions of this one."""
    fork: "Fork | None" = None


class Fork:
    """A workspace with a commit laid out and installed, which is made when the first candidate needs it.

    A process that takes the run over makes another: candidates get their files from commits, and from here only what
    installing left.
    """

    def __init__(
        self,
        sandboxes: SandboxProvider,
        commits: Commits,
        *,
        image: str,
        base: str,
        tell: Callable[[str], Awaitable[None]],
    ) -> None:
        """`tell` gets a line for people where no workspace can be kept."""
        self._sandboxes, self._commits, self._image, self._base, self._tell = sandboxes, commits, image, base, tell
        self._making = asyncio.Lock()
        self._made: SnapshotId | None = None
        self._refused = False

    async def workspace(self, image: str) -> SnapshotId | None:
        """What a sandbox of that image begins as; None: as an empty one, because this cannot be kept or is another's.

        Raises:
            SandboxUnavailable: there is no sandbox to make it in.
        """
        if image != self._image:
            return None
        async with self._making:
            if self._made is None and not self._refused:
                try:
                    self._made = await self._prepared()
                except ToolError as error:
                    self._refused = True
                    await self._tell(f"the candidates begin without a common workspace: {error}")
        return self._made

    async def _prepared(self) -> SnapshotId:
        async with open_workshop(
            self._sandboxes,
            self._commits,
            image=self._image,
            base=self._base,
            saved=None,
            ref="",
            author="factory",
            message="",
            files=(),
        ) as (sandbox, _):
            try:
                manifest = read_manifest(await sandbox.read(PRODUCT_ROOT / FILE, limit_bytes=_MANIFEST_BYTES))
            except (FileNotFoundError, IsADirectoryError, ToolError):
                # That it is missing or wrong may be what is to be repaired.
                return (await sandbox.snapshot()).id
            if install := manifest.commands.install:
                await sandbox.run(install, timeout_seconds=INSTALL_SECONDS, directory=PRODUCT_ROOT)
                await sandbox.kill_all()
                await sandbox.run(_LEAVE_OUT, timeout_seconds=_GIT_SECONDS, directory=PRODUCT_ROOT)
            return (await sandbox.snapshot()).id


async def contested(
    context: FactoryContext, state: State, problems: Sequence[Problem], tasks: Sequence[Task]
) -> tuple[list[str], str]:
    """The tasks of the next iteration that two agents are given each, and a sentence about it; empty if there are none.

    An attempt has failed when a criterion, or a check of the whole product, is red after somebody was told that it is,
    or when the session of a task that serves it did not come to its end. What is red after the first version is not
    enough: the first repair knows what was seen, and mostly mends it. A session's own word says nothing either way.
    """
    if context.contract is not None or not (red := await _failed_again(context, state, problems)):
        return [], ""
    served = [task.id for task in tasks if red & set(task.criteria)] or [task.id for task in tasks[:1]]
    room = attempts_left(await context.budget.state(), await _effort(context, state))
    # One attempt at each task, and one in reserve for what follows, come first.
    rivals = served if room is None else served[: max(0, room - len(tasks) - 1)]
    said = [f"two candidates each for {', '.join(rivals)}"] if rivals else []
    if alone := served[len(rivals) :]:
        said.append(f"one candidate only for {', '.join(alone)}, because the budget would not last for two")
    return rivals, "; ".join(said)


def attempts_left(budget: BudgetState, effort: Effort) -> int | None:
    """For how many attempts of that effort in the next iteration the budget lasts; None: nothing limits them."""
    caps = budget.caps
    left: list[float] = []
    if caps.usd is not None and effort.usd > 0:
        left.append((caps.usd - budget.spent_usd - budget.reserved_usd) / effort.usd)
    if caps.calls is not None and effort.calls > 0:
        left.append((caps.calls - budget.calls) / effort.calls)
    if caps.tokens is not None and effort.calls > 0 and budget.spent_tokens > 0:
        each = budget.spent_tokens / max(1, budget.calls) * effort.calls
        left.append((caps.tokens - budget.spent_tokens - budget.reserved_tokens) / each)
    if caps.sessions is not None:
        left.append(caps.sessions - budget.sessions)
    if caps.fan_out is not None:
        left.append(caps.fan_out)
    return max(0, int(min(left))) if left else None


async def best_of_two(
    context: FactoryContext,
    state: TaskInput,
    task: Task,
    *,
    attempt: Callable[[Attempt], Awaitable[SessionResult]],
) -> tuple[SessionResult, str]:
    """Have two agents carry the task out, and choose by our checks; the session chosen, and the name of the other.

    One goes on from what is there, the other one tries another approach; which of them is the plan's own depends on
    what the plan says. Nothing of the hidden scenarios reaches either: both have ended before the first one is run.
    """

    async def tell(text: str) -> None:
        await context.emit(Progress(text=text))

    fork = Fork(
        context.sandboxes,
        context.repository,
        image=context.image_for(context.catalogue.agent(task.agent)),
        base=state["base"],
        tell=tell,
    )
    stuck = task.instructions.startswith(APPROACH)
    told = GO_ON if stuck else APPROACH
    plain = task.instructions.removeprefix(APPROACH).lstrip()
    attempts = (
        Attempt(name=task.id, task=task, fork=fork),
        Attempt(
            name=rival(task.id),
            task=task.model_copy(update={"agent": somebody_else(task.agent), "instructions": f"{told}\n{plain}"}),
            fork=fork,
        ),
    )
    ends = await asyncio.gather(*(attempt(each) for each in attempts), return_exceptions=True)
    results = []
    for end in ends:
        # Both have stopped cleanly by now, whatever one of them stopped for.
        if isinstance(end, BaseException):
            raise end
        results.append(end)
    approaches = ("another approach", "goes on from what is there")
    candidates = await _judged(
        context, state, attempts, results, approaches=approaches if stuck else (approaches[1], approaches[0])
    )
    comparison = comparison_of(task.id, candidates)
    await context.emit(CandidatesCompared(iteration=state["iteration"], comparison=comparison))
    place = candidates.index(comparison.chosen)
    return results[place], attempts[1 - place].name


async def _judged(
    context: FactoryContext,
    state: TaskInput,
    attempts: Sequence[Attempt],
    results: Sequence[SessionResult],
    *,
    approaches: Sequence[str],
) -> list[Candidate]:
    """Check each commit in a fresh sandbox, one after the other, so that none is slowed down by another."""
    assert state["scenarios"] is not None, "what failed was checked by them"
    specification = await context.load(Specification, state["specification"])
    scenarios = (await context.load(ScenarioSet, state["scenarios"])).scenarios
    environment = (await context.load(Design, state["design"])).environment
    base, held = state["base"], set(state["held"])
    known: dict[str, tuple[Verdict, ...]] = {}
    found = []
    for made, result, approach in zip(attempts, results, approaches, strict=True):
        candidate = Candidate(
            session_id=result.session_id,
            agent=made.task.agent,
            approach=approach,
            outcome=result.outcome,
            problem=result.problem,
            commit=result.commit,
            cost_usd=result.cost_usd,
            model_calls=result.model_calls,
        )
        if (commit := result.commit) is None:
            found.append(candidate)
            continue
        # The same files need not be checked twice.
        content = str(await context.repository.hashes(commit))
        if content not in known:
            known[content] = await checked(
                context, commit, specification, scenarios, environment=environment, tell=_nobody
            )
        verdicts = [verdict.model_copy(update={"commit": commit}) for verdict in known[content]]
        now = met(specification, scenarios=scenarios, verdicts=verdicts, commit=commit)
        hidden = [verdict for verdict in verdicts if verdict.kind == "scenario"]
        found.append(
            candidate.model_copy(
                update={
                    "branch": session_branch(state["iteration"], made.name),
                    "passed": sum(verdict.status == "passed" for verdict in hidden),
                    "scenarios": len(hidden),
                    "failed": tuple(verdict.check for verdict in verdicts if verdict.status != "passed"),
                    "lost": tuple(sorted(held - now)),
                    "tests": next((verdict.status for verdict in verdicts if verdict.kind == "tests"), "not run"),
                    "changed_lines": await context.repository.changed_lines(base, commit),
                }
            )
        )
    return found


def comparison_of(task: str, candidates: Sequence[Candidate]) -> Comparison:
    """Put the one first that is chosen; where nothing tells them apart, they stay in order."""
    ranked = sorted(candidates, key=_weight, reverse=True)
    return Comparison(task=task, candidates=tuple(ranked), why=_why(ranked[0], ranked[1]))


def session_branch(iteration: int, name: str) -> str:
    """The branch of the run's repository where what a session left is kept."""
    return f"refs/sessions/{iteration}/{name}"


async def _nobody(verdict: Verdict) -> None:
    """Verdicts on candidates are no verdicts on the product."""


def _weight(candidate: Candidate) -> tuple[bool, bool, int, bool, int, float]:
    """The heavier one is chosen. What loses an earlier pass would be thrown away whatever else it gains."""
    return (
        candidate.commit is not None,
        not candidate.lost,
        candidate.passed,
        candidate.tests == "passed",
        -candidate.changed_lines,
        -candidate.cost_usd,
    )


def _why(chosen: Candidate, other: Candidate) -> str:
    better = [one != two for one, two in zip(_weight(chosen), _weight(other), strict=True)]
    reasons = (
        "the other one changed nothing",
        f"the other one loses {', '.join(other.lost)}",
        f"{chosen.passed} of {chosen.scenarios} hidden scenarios passed, of the other one {other.passed}",
        "its own tests pass, those of the other one do not",
        f"as many hidden scenarios passed, and it is the smaller change: {chosen.changed_lines} lines, "
        f"the other one {other.changed_lines}",
        f"the same passed with as much change, and it was cheaper: ${chosen.cost_usd:.2f}, "
        f"the other one ${other.cost_usd:.2f}",
    )
    decided = [reason for reason, differs in zip(reasons, better, strict=True) if differs]
    return decided[0] if decided else "nothing tells them apart, so it is the plan's own"


async def _failed_again(context: FactoryContext, state: State, problems: Sequence[Problem]) -> set[str]:
    """Criteria and gates that are red after an attempt that failed."""
    red = {problem.criterion or problem.id for problem in problems if problem.kind != "finding"}
    earlier = (await context.load(Problems, state["problems"])).problems if "problems" in state else ()
    tried = {problem.criterion or problem.id for problem in earlier if problem.kind != "finding"}
    for task, result in await _last_sessions(context, state):
        if result.outcome != "finished":
            tried |= set(task.criteria)
    return red & tried


async def _effort(context: FactoryContext, state: State) -> Effort:
    results = [result for _, result in await _last_sessions(context, state)]
    return Effort(
        usd=max((result.cost_usd for result in results), default=0.0),
        calls=max((result.model_calls for result in results), default=0),
    )


async def _last_sessions(context: FactoryContext, state: State) -> list[tuple[Task, SessionResult]]:
    """The tasks of the iteration that is triaged, with how their sessions ended."""
    found = []
    for task in (await context.load(Plan, state["plan"])).tasks:
        entries = await context.transcripts.load(context.session_id(state["iteration"], "implement", task.id))
        if entries and (result := entries[-1].result) is not None:
            found.append((task, result))
    return found
