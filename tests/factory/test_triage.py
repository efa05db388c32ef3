"""What follows an iteration where people say something: told to who plans, acted on once, and answered."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from macrohard.domain import (
    BudgetState,
    Caps,
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
from macrohard.domain.approval import Approvals, Ruling
from macrohard.domain.feedback import Feedback
from macrohard.domain.team import Team, TeamSize
from macrohard.events import FeedbackAnswered
from macrohard.factory.approval import APPROVE, CHANGE, approve_release
from macrohard.factory.context import FactoryContext
from macrohard.factory.heeding import as_problem
from macrohard.factory.problems import Findings, Problems, Verdicts
from macrohard.factory.release import release
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


def ruling(number: int) -> Ruling:
    return Ruling(point="release", number=number, approved=True, by="ada", at=datetime.now(UTC))


class Run:
    """What triage finds after an iteration: a repository, what was kept, and people who say something."""

    def __init__(self, context: FactoryContext, told: Told, commit: str) -> None:
        self.said: list[Feedback] = []
        self.told, self.commit = told, commit
        unlimited = SimpleNamespace(session=context.budget.session, state=self._budget)
        self.context = replace(context, feedback=self._feedback, budget=cast(Any, unlimited))

    async def _feedback(self) -> Sequence[Feedback]:
        return self.said

    async def _budget(self) -> BudgetState:
        return BudgetState(caps=Caps(), spent_usd=0.0, reserved_usd=0.0, calls=0)

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
        repository=repository, emit=told, answers={}, rulings=(), approvals={},
        ask=False, iterations=3,
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


async def test_what_a_dropped_attempt_was_to_see_to_is_told_once(run: Run) -> None:
    run.said.append(remark(1, taken_in=1))
    told = Problems(problems=(as_problem(run.said[0]),))
    state = await run.state(
        passed=(2,), met=["AC-1", "AC-2"], good=run.commit, problems=await run.context.keep(told)
    )  # fmt: skip
    left = await triage(state, run.runtime)
    assert left["decision"] == "implement"
    assert await run.problems(left) == ["f-1", "keep AC-1"]


@pytest.mark.parametrize("approvals", [{}, {"release": None}, {"release": 0.0}], ids=["nobody", "a person", "the hour"])
async def test_what_is_said_while_the_release_waits_gets_an_iteration_whoever_approves(
    run: Run, approvals: Approvals
) -> None:
    run.context = replace(run.context, approvals=approvals)
    state: State = {**await run.state(), **await triage(await run.state(), run.runtime)}
    asked = await approve_release(state, run.runtime)
    if approvals == {"release": None}:
        assert asked["decision"] == APPROVE
        run.context = replace(run.context, rulings=(ruling(0),))
    assert (await approve_release(state, run.runtime))["decision"] == "release"
    run.said.append(remark(1))
    update = await approve_release(state, run.runtime)
    assert update["decision"] == CHANGE
    again = await triage(cast(State, {**state, **update}), run.runtime)
    assert again["decision"] == "implement"
    assert await run.problems(again) == ["f-1"]


async def test_who_rules_after_nobody_did_in_time_is_heard(run: Run) -> None:
    state = await run.state()
    run.context = replace(run.context, approvals={"release": 0.0})
    state |= await approve_release(state, run.runtime)
    run.context = replace(run.context, approvals={"release": None})
    assert (await approve_release(state, run.runtime))["decision"] == APPROVE
    run.context = replace(run.context, rulings=(ruling(1),))
    assert (await approve_release(state, run.runtime))["decision"] == "release"


async def test_nothing_that_was_said_is_left_without_an_answer_when_the_product_is_put_out(run: Run) -> None:
    run.said += [remark(1, taken_in=2), remark(2)]

    async def deliver(commit: str, title: str) -> str:
        return "/product"

    run.context = replace(run.context, deliver=deliver)
    state = await run.state(ended="the limit of 2 iterations is reached", good=run.commit)
    assert (await release(state, run.runtime))["outcome"] == "partial"
    answers = {event.ids: event.text for event in run.told.events if isinstance(event, FeedbackAnswered)}
    assert set(answers) == {("f-1",), ("f-2",)}
    assert answers["f-1",] == (
        "Released without it: what iteration 2 made of it was not kept, and the limit of 2 iterations is reached."
    )
    assert "was said when the product was put out" in answers["f-2",]
