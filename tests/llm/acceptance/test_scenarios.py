"""Every claim has a scenario that can fail, whatever the product is about."""

from datetime import UTC, datetime

import pytest

from macrohard.llm.builtin.acceptance import written
from macrohard.llm.builtin.blueprint import Blueprint, Claim
from macrohard.product.placeholders import check_placeholders

from .products import ALL, TASKS


@pytest.mark.parametrize("blueprint", [pytest.param(one, id=name) for name, one in ALL.items()])
def test_every_covered_claim_has_a_scenario_that_asserts(blueprint: Blueprint) -> None:
    writing = written(blueprint)
    covered = {f"AC-{number}" for number, claim in enumerate(blueprint.claims, 1) if claim.kind != "not covered"}
    assert writing.missing == ()
    assert {scenario.criterion for scenario in writing.scenarios} == covered
    assert [scenario.id for scenario in writing.scenarios] == [f"S-{n}" for n in range(1, len(writing.scenarios) + 1)]
    assert all(scenario.asserts for scenario in writing.scenarios)


@pytest.mark.parametrize("blueprint", [pytest.param(one, id=name) for name, one in ALL.items()])
@pytest.mark.parametrize("now", ["2026-01-01T00:05", "2028-02-29T12:00", "2026-12-31T23:50", "2027-03-31T08:00"])
def test_all_placeholders_are_known_on_any_day(blueprint: Blueprint, now: str) -> None:
    for scenario in written(blueprint).scenarios:
        check_placeholders(scenario, now=datetime.fromisoformat(now).replace(tzinfo=UTC))


def test_scenarios_are_the_same_each_time() -> None:
    assert written(TASKS) == written(TASKS)


def test_a_claim_that_cannot_be_tested_is_told_and_has_no_scenario() -> None:
    claim = Claim(kind="checksum", text="The title has a check digit.", priority="MUST", record="task", field="title")
    writing = written(TASKS.model_copy(update={"claims": (claim,)}))
    assert writing.scenarios == ()
    assert [missing.criterion for missing in writing.missing] == ["AC-1"]
