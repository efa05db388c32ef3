"""What follows an iteration where people say something: told to who plans, acted on once, and answered."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from macrohard.domain import (
    Criterion,
    Finding,
    JsonObject,
    Plan,
    Scenario,
    ScenarioSet,
    Specification,
    Task,
    Value,
    Verdict,
)
from macrohard.domain.feedback import Feedback
from macrohard.domain.team import Team, TeamSize
from macrohard.factory.context import FactoryContext
from macrohard.factory.problems import Findings, Problems, Verdicts
from macrohard.factory.state import State
from macrohard.factory.triage import triage
from macrohard.workspace import Repository
from tests.agent.scripted import ScriptedModel, Told, calls
from tests.factory.test_acceptance import Transcripts, context_with

SPECIFICATION = Specification(
    decision="build",
    title="Words",
    kind="cli",
    criteria=(
        Criterion(id="AC-1", text="Words are counted.", priority="MUST"),
        Criterion(id="AC-2", text="Letters are counted.", priority="MUST"),
    ),
)
FOUND = Finding(
    id="F-1", title="No number for empty texts", detail="An empty line.", category="wrong result", severity=3,
    found_by="correctness-reviewer", commit="c" * 40,
)  # fmt: skip
DISMISSES: JsonObject = {"tasks": [], "dismissed": [{"finding": "F-1", "reason": "An empty line will do."}]}


def task(number: int = 1, agent: str = "bug-fixer") -> Task:
    return Task(id=f"T-{number}", title="Mend", agent=agent, instructions="", files=("./",))


def plans() -> JsonObject:
    return {"tasks": [task().model_dump(mode="json")], "note": "Mend it."}


def verdict(number: int, commit: str, *, passed: bool) -> Verdict:
    return Verdict(
        check=f"S-{number}", kind="scenario", criterion=f"AC-{number}", commit=commit,
        status="passed" if passed else "failed", summary="The number was not there.", duration_seconds=0.1,
    )  # fmt: skip


def remark(number: int, *, taken_in: int | None = None) -> Feedback:
    return Feedback(
        id=f"f-{number}", at=datetime.now(UTC), by="ada", about="run", text=f"Remark {number}.", taken_in=taken_in
    )


class Run:
    """What triage finds after an iteration: a repository, what was kept, and people who say something."""

    def __init__(self, context: FactoryContext, told: Told, commit: str) -> None:
        self.said: list[Feedback] = []
        self.told, self.commit = told, commit
        self.context = replace(context, feedback=self._feedback)

    async def _feedback(self) -> Sequence[Feedback]:
        return self.said

    @property
    def runtime(self) -> Any:
        return SimpleNamespace(context=self.context)

    async def state(
        self,
        *,
        size: TeamSize = "small",
        passed: tuple[int, ...] = (1, 2),
        findings: tuple[Finding, ...] = (),
        **rest: Any,
    ) -> State:
        async def kept(document: Value) -> str:
            return await self.context.keep(document)

        scenarios = tuple(
            Scenario.model_validate(
                {"id": f"S-{n}", "criterion": f"AC-{n}", "title": "It works", "steps": [{"do": "see", "text": "x"}]}
            )
            for n in (1, 2)
        )
        verdicts = tuple(verdict(number, self.commit, passed=number in passed) for number in (1, 2))
        return cast(
            State,
            {
                "iteration": 1,
                "specification": await kept(SPECIFICATION),
                "scenarios": await kept(ScenarioSet(scenarios=scenarios)),
                "verdicts": await kept(Verdicts(verdicts=verdicts)),
                "team": await kept(Team(size=size, reason="it is so")),
                "plan": await kept(Plan(tasks=(task(),))),
                "findings": [await kept(Findings(findings=findings))],
                "base": self.commit,
                **rest,
            },
        )

    async def problems(self, state: State) -> list[str]:
        """The ids of what the next iteration is to see to."""
        return [problem.id for problem in (await self.context.load(Problems, state["problems"])).problems]


@pytest.fixture
async def run(repository_root: Path, tmp_path: Path) -> Run:
    repository, told = await Repository.create(tmp_path / "repository.git"), Told()
    context = replace(
        context_with(repository_root, ScriptedModel(), Transcripts()),
        repository=repository, emit=told, answers={}, ask=False, iterations=3,
    )  # fmt: skip
    return Run(context, told, await repository.initial_commit())


async def test_a_manager_who_set_all_aside_plans_anew_when_a_person_wants_more(run: Run) -> None:
    model = ScriptedModel(calls(("finish", DISMISSES)), calls(("finish", plans())))
    run.context = replace(run.context, model=model)
    state = await run.state(size="full", findings=(FOUND,))
    first = await triage(state, run.runtime)
    assert first["decision"] == "release"
    # The release is declined, and what was said of it is a remark; the same iteration is judged again.
    run.said.append(remark(1))
    again = await triage(cast(State, {**state, **first}), run.runtime)
    assert again["decision"] == "implement"
    assert await run.problems(again) == ["f-1", "F-1"]
    assert "Remark 1." in str(model.requests[1][1])
    assert "after an earlier attempt" not in str(model.requests[1][1]), "nobody has tried anything since"
