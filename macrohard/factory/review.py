"""Independent readers of what was built: what they find goes to triage, and decides nothing by itself."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from langgraph.runtime import Runtime
from langgraph.types import Send

from macrohard.agent import AgentDefinition, Bench, Check, OpenBench, open_workshop
from macrohard.domain import Design, Finding, JsonObject, Specification, Value, Verdict
from macrohard.domain.decisions import DecisionLog
from macrohard.domain.team import Team
from macrohard.errors import ToolError
from macrohard.events import Found, Progress
from macrohard.factory.context import FactoryContext
from macrohard.factory.contract import PATCH_BYTES, agreed, criteria_served, matters, touched
from macrohard.factory.phases import phase
from macrohard.factory.problems import Findings
from macrohard.factory.reports import ReviewFinding, ReviewReport
from macrohard.factory.state import ReviewInput, State
from macrohard.workspace import Repository

_FILE_BYTES = 4 << 20


class Review(Value):
    """What one reviewer found at one commit."""

    commit: str
    findings: tuple[Finding, ...] = ()


def reviews_of(state: State, team: Team, verdicts: Sequence[Verdict]) -> list[Send]:
    """One for each reviewer of the team; none of a commit that cannot be installed: most of it is about to change."""
    if any(verdict.kind in ("manifest", "install") and verdict.status != "passed" for verdict in verdicts):
        return []
    return [
        Send(
            "review",
            ReviewInput(
                iteration=state["iteration"],
                specification=state["specification"],
                design=state["design"],
                decisions=state.get("decisions"),
                commit=state["base"],
                reviewer=reviewer,
                earlier=state.get("reviews", {}).get(reviewer),
            ),
        )
        for reviewer in team.reviewers
    ]


async def review(state: ReviewInput, runtime: Runtime[FactoryContext]) -> State:
    """One reviewer reads one commit; after the first time, what has changed, and what it found before.

    Where nothing changed that it looks at, what it found stands, and it is not asked. A session that ends without a
    report leaves no findings; how it ended is in the run's record.
    """
    context, commit = runtime.context, state["commit"]
    agent = context.catalogue.agent(state["reviewer"])
    earlier = await context.load(Review, state["earlier"]) if state["earlier"] else None
    if earlier is not None:
        changed = await context.repository.changed_files(earlier.commit, commit)
        if not any(matters(path, tests=agent.reviews == "tests") for path in changed):
            await context.emit(Progress(text=f"{agent.name}: nothing changed that it looks at"))
            for finding in earlier.findings:
                await context.emit(Found(iteration=state["iteration"], finding=finding))
            return {"findings": [await context.keep(Findings(findings=earlier.findings))]}
    environment = (await context.load(Design, state["design"])).environment

    async with context.slots, phase(context.emit, "review", state["iteration"]):
        result = await context.session(
            agent,
            iteration=state["iteration"],
            phase="review",
            name=agent.name,
            task=f"Review commit {commit[:10]}.",
            material=await _material(context, state, earlier),
            report=ReviewReport,
            open_bench=_reading(context, agent, commit, environment),
            check=quoting(context.repository, commit),
            base=commit,
        )
    report = ReviewReport.model_validate(result.report) if result.outcome == "finished" else ReviewReport()
    made = Review(
        commit=commit,
        findings=tuple([
            await _finding(context.repository, commit, agent.name, number, each)
            for number, each in enumerate(report.findings, 1)
        ]),
    )  # fmt: skip
    for finding in made.findings:
        await context.emit(Found(iteration=state["iteration"], finding=finding))
    return {
        "findings": [await context.keep(Findings(findings=made.findings))],
        # Who handed nothing in has not looked at what changed since the last time either.
        "reviews": {agent.name: await context.keep(made)} if result.outcome == "finished" else {},
    }


async def _material(context: FactoryContext, state: ReviewInput, earlier: Review | None) -> JsonObject:
    specification = await context.load(Specification, state["specification"])
    design = await context.load(Design, state["design"])
    log = await context.load(DecisionLog, state["decisions"]) if state["decisions"] else DecisionLog()
    decisions: JsonObject = {"decisions": list(log.lines)}
    repository, commit = context.repository, state["commit"]
    if earlier is None:
        return {
            "specification": agreed(specification),
            "design": design.model_dump(mode="json"),
            **decisions,
            "files": list(await repository.files(commit)),
            **(
                {"changed": list(await repository.changed_files(ground.commit, commit))}
                if (ground := context.ground)
                else {}
            ),
        }
    patch = await repository.diff(earlier.commit, commit, limit_bytes=PATCH_BYTES)
    found: list[JsonObject] = [
        finding.model_dump(mode="json", include={"title", "file", "line", "detail"}) for finding in earlier.findings
    ]
    served = await criteria_served(repository, before=earlier.commit, commit=commit)
    return {
        **touched(specification, design, told=f"{patch}\n{found}", criteria=served),
        **decisions,
        "changed": list(await repository.changed_files(earlier.commit, commit)),
        "diff": patch,
        "earlier": list(found),
    }


def _reading(context: FactoryContext, agent: AgentDefinition, commit: str, environment: Mapping[str, str]) -> OpenBench:
    """A clone that nothing comes back from."""

    @asynccontextmanager
    async def open_bench(saved: str | None) -> AsyncIterator[Bench]:
        async with open_workshop(
            context.sandboxes,
            context.repository,
            image=context.image_for(agent),
            base=commit,
            saved=None,
            ref="",
            author=agent.name,
            message="",
            files=(),
        ) as (sandbox, _):
            yield Bench(sandbox=sandbox, environment=environment)

    return open_bench


def quoting(repository: Repository, commit: str) -> Check:
    """A check of reviews: what each finding quotes stands in the file that it names, as it is at this commit."""

    async def check(report: Value) -> None:
        for finding in ReviewReport.model_validate(report).findings:
            await _line_of(repository, commit, finding)

    return check


async def _line_of(repository: Repository, commit: str, finding: ReviewFinding) -> int:
    """Where what the finding quotes stands, nearest to the line that it names.

    Raises:
        ToolError: nowhere in that file, or there is no such file; the reviewer reads why.
    """
    if finding.file not in await repository.files(commit):
        raise ToolError(f"{finding.title!r}: there is no file {finding.file!r}; search shows what there is")
    content = await repository.read(commit, finding.file, limit_bytes=_FILE_BYTES)
    quoted = next((line.strip() for line in finding.code.splitlines() if line.strip()), "")
    lines = [line.strip() for line in content.decode(errors="replace").splitlines()]
    found = [number for number, line in enumerate(lines, 1) if quoted and quoted in line]
    if not found:
        there = lines[finding.line - 1] if finding.line <= len(lines) else f"nothing; it has {len(lines)} lines"
        raise ToolError(
            f"{finding.title!r}: {finding.file} does not hold {quoted!r}; in line {finding.line} stands {there!r}. "
            "Read it again: quote the line, or take the finding back"
        )
    return min(found, key=lambda number: abs(number - finding.line))


async def _finding(repository: Repository, commit: str, by: str, number: int, told: ReviewFinding) -> Finding:
    line = await _line_of(repository, commit, told)
    return Finding(
        id=f"{by}-{number}",
        commit=commit,
        found_by=by,
        category=told.category,
        severity=told.severity,
        title=told.title,
        detail=f"{told.file}:{line}: {told.code.strip()}\n{told.detail}",
        file=told.file,
        line=line,
    )
