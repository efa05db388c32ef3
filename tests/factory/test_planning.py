"""Work is divided where one session does not hold it, and nowhere else."""

from typing import Any

import pytest

from macrohard.domain import Plan
from macrohard.factory.planning import divided_in_vain, reports_before
from macrohard.factory.reports import TeamPlan


def task(number: int, agent: str, *after: int, lines: int = 0, criteria: str = "") -> dict[str, Any]:
    return {
        "id": f"T-{number}", "title": "", "agent": agent, "instructions": "", "files": [f"{number}/"], "lines": lines,
        "depends_on": [f"T-{each}" for each in after], "criteria": criteria.split(),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        pytest.param(
            [task(1, "backend-coder"), task(2, "frontend-coder", 1)], "T-2 only goes on with T-1", id="layers in a row"
        ),
        pytest.param(
            [task(1, "backend-coder", lines=1500), task(2, "release-writer", 1), task(3, "full-stack-coder", 1)],
            "T-3 only goes on with T-1", id="a writer beside is no coder",
        ),
        pytest.param(
            [task(1, "data-engineer"), task(2, "data-engineer", 1)], "T-2 only goes on with T-1", id="one agent twice"
        ),
        pytest.param(
            [task(1, "backend-coder", lines=1500), task(2, "frontend-coder", 1, lines=1500)], "",
            id="more than one session writes",
        ),
        pytest.param(
            [task(1, "backend-coder"), task(2, "frontend-coder", 1), task(3, "api-coder", 1)], "",
            id="two at once after one",
        ),
        pytest.param([task(1, "cli-coder"), task(2, "release-writer", 1)], "", id="another trade"),
        pytest.param(
            [
                task(1, "backend-coder", lines=900, criteria="AC-1 AC-2"),
                task(2, "frontend-coder", lines=800, criteria="AC-2 AC-3"),
            ],
            "both serve AC-2 and come to about 1,700 lines", id="layers at once that one session holds",
        ),
        pytest.param(
            [
                task(1, "backend-coder", lines=900, criteria="AC-1"),
                task(2, "frontend-coder", lines=800, criteria="AC-3"),
            ],
            "", id="independent",
        ),
    ],
)  # fmt: skip
def test_a_planner_is_told_which_tasks_should_be_one(tasks: list[dict[str, Any]], said: str) -> None:
    plan = TeamPlan.model_validate({"tasks": tasks})
    told = divided_in_vain(plan.tasks)
    assert said in told
    assert bool(said) == bool(told)


def test_a_coder_hears_of_the_tasks_that_its_own_builds_on() -> None:
    tasks = [task(1, "backend-coder"), task(2, "frontend-coder", 1), task(3, "media-artist"), task(4, "test-author", 2)]
    plan = Plan.model_validate({"tasks": [{name: each[name] for name in each if name != "lines"} for each in tasks]})
    notes = ["T-1, Store: done.", "T-3, Draw: done.", "T-2 broke the product when it was merged: no tests"]
    assert [reports_before(plan, f"T-{number}", notes) for number in (1, 2, 4)] == [[], notes[:1], [notes[0], notes[2]]]
