"""The scenarios on real products: the right one passes all, and each mistake fails the scenario of its claim."""

import pytest

from macrohard.domain import Look, Scenario
from macrohard.llm.builtin.acceptance import scenarios
from macrohard.llm.builtin.blueprint import Blueprint, ClaimKind
from macrohard.llm.builtin.webapp import files
from macrohard.llm.builtin.webapp.mistakes import Mistake, mistakes_for, with_mistakes
from macrohard.sandbox import SandboxProvider

from .products import LIBRARY, MEMBERS, ROOMS, STOCK, TASKS
from .running import results


def of(blueprint: Blueprint, kinds: set[ClaimKind] | None = None) -> list[Scenario]:
    found = []
    for scenario in scenarios(blueprint):
        claim = blueprint.claims[int(scenario.criterion.removeprefix("AC-")) - 1]
        if kinds is None or claim.kind in kinds:
            found.append(scenario)
    return found


@pytest.mark.parametrize(
    ("blueprint", "kinds"),
    [
        pytest.param(TASKS, None, id="tasks: everything"),
        pytest.param(LIBRARY, {"rule", "checksum", "pattern", "action", "detail history"}, id="library"),
        pytest.param(STOCK, {"rule", "computed", "import", "total", "highlight"}, id="stock"),
        pytest.param(ROOMS, {"rule", "print"}, id="rooms"),
        pytest.param(MEMBERS, {"rule", "computed", "checksum", "view"}, id="members"),
    ],
)
async def test_the_right_product_passes(
    sandboxes: SandboxProvider, blueprint: Blueprint, kinds: set[ClaimKind] | None
) -> None:
    done = await results(sandboxes, files(blueprint, Look()), of(blueprint, kinds))
    assert [result.summary for result in done if result.status != "passed"] == []


def _mistakes() -> list[tuple[Blueprint, Mistake]]:
    """One of each kind that a claim is about."""
    found: dict[str, tuple[Blueprint, Mistake]] = {}
    for blueprint in (TASKS, LIBRARY, STOCK):
        for mistake in mistakes_for(blueprint, files(blueprint, Look())):
            if mistake.claim_kinds:
                found.setdefault(mistake.kind, (blueprint, mistake))
    return list(found.values())


@pytest.mark.parametrize(
    ("blueprint", "mistake"), [pytest.param(blueprint, mistake, id=mistake.kind) for blueprint, mistake in _mistakes()]
)
async def test_each_mistake_fails_a_scenario(
    sandboxes: SandboxProvider, blueprint: Blueprint, mistake: Mistake
) -> None:
    concerned = [
        scenario
        for scenario in scenarios(blueprint)
        if mistake.explains(blueprint.claims[int(scenario.criterion.removeprefix("AC-")) - 1])
    ]
    wrong = with_mistakes([mistake], files(blueprint, Look()))
    done = await results(sandboxes, wrong, concerned)
    assert "failed" in {result.status for result in done}, mistake.title
