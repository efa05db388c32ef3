"""What a run's money went into, in its report."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from macrohard.domain import BudgetState, Caps, Costs, RunOverview, Share, Spent
from macrohard.report.burn import HEIGHT, WIDTH, burn
from tests.report.sample import HOSTILE, Cupboard, overview
from tests.report.test_report import AXE, written

PHASES = {"analyse": 0.05, "implement": 1.2, "use": 0.6, "failed calls": 0.1}


def share(name: str, cost_usd: float) -> Share:
    return Share(
        name=name, calls=3, input_tokens=120_000, cached_tokens=90_000, output_tokens=4_000, reasoning_tokens=1_500,
        cost_usd=cost_usd,
    )  # fmt: skip


def priced(*, cap_usd: float | None, words: str = "") -> RunOverview:
    """The sample, as if it had cost money."""
    shares = tuple(share(name, cost) for name, cost in PHASES.items())
    spent = tuple(
        Spent(until_seconds=10.0 * (place + 1) + 30 * half, name=name, cost_usd=cost / 2)
        for place, (name, cost) in enumerate(PHASES.items())
        for half in range(2)
    )
    agents = (share(f"coder{words}", 1.95),)
    costs = Costs(by_phase=shares, by_agent=agents, by_criterion=agents, by_model=agents, over_time=spent)
    budget = BudgetState(caps=Caps(usd=cap_usd), spent_usd=1.95, reserved_usd=0, calls=12)
    return overview({}, words=words).model_copy(
        update={"costs": costs, "cost_usd": 1.95, "budget": budget, "budget_usd": cap_usd}
    )


def test_the_drawing_ends_at_the_sum_and_the_cap_is_above_it() -> None:
    drawn = burn(priced(cap_usd=3.9))
    assert drawn is not None
    assert [area.name for area in drawn.areas] == list(PHASES)
    assert drawn.cap_y == 0.0
    tops = [[tuple(map(float, point.split(","))) for point in area.points.split()] for area in drawn.areas]
    assert max(x for x, _ in tops[-1]) == WIDTH
    assert min(y for _, y in tops[-1]) == HEIGHT / 2
    for lower, upper in pairwise(tops):
        assert all(above <= below for (_, below), (_, above) in zip(lower[1:8], upper[1:8], strict=True))


def test_a_cap_far_away_does_not_flatten_the_drawing() -> None:
    drawn = burn(priced(cap_usd=500.0))
    assert drawn is not None
    assert (drawn.cap_y, round(drawn.top_usd, 9)) == (None, 1.95)


def test_a_run_that_cost_nothing_has_no_drawing() -> None:
    assert burn(overview({})) is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_can_be_read_by_everybody_and_obeys_nobody(tmp_path: Path, browser: Browser, scheme: Any) -> None:
    page = await browser.new_page(color_scheme=scheme, viewport={"width": 375, "height": 800})
    await page.goto(await written(tmp_path, priced(cap_usd=3.0, words=HOSTILE), Cupboard()))
    await expect(page.locator(".burn polygon")).to_have_count(len(PHASES))
    costs = page.locator(".costs").first
    assert "$1.95" in await costs.locator("tfoot").inner_text()
    assert "failed calls" in await costs.inner_text()
    fills = await page.locator(".burn polygon").evaluate_all("all => all.map(each => getComputedStyle(each).fill)")
    assert len(set(fills)) == len(PHASES)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 375
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    found = await page.evaluate("axe.run()")
    assert [violation["id"] for violation in found["violations"]] == []
    await page.close()
