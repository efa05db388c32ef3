"""What `macrohard show` says about money."""

import io

from rich.console import Console

from macrohard.cli.costs import print_costs
from macrohard.domain import BudgetState, Caps, RunOverview
from tests.report.sample import overview
from tests.report.test_costs import priced


def printed(run: RunOverview) -> list[str]:
    stream = io.StringIO()
    print_costs(run, Console(file=stream, width=160, soft_wrap=True, highlight=False, markup=False))
    return [" ".join(line.split()) for line in stream.getvalue().splitlines()]


def test_it_shows_the_budget_and_the_sum_in_four_ways() -> None:
    budget = BudgetState(
        caps=Caps(usd=3.9, tokens=2_000_000, seconds=7200), spent_usd=1.95, reserved_usd=0.3, lost_usd=0.3,
        spent_tokens=496_000, calls=13, sessions=4, worked_seconds=94.2,
    )  # fmt: skip
    lines = printed(priced(cap_usd=3.9, words=" [bold]\x1b[2J").model_copy(update={"budget": budget}))
    assert (
        "Budget $1.95 spent of $3.90 (58 %), $0.30 reserved for calls whose process ended, which counts as spent, "
        "496k of 2.0M tokens, 13 attempts at calls, 4 sessions, 94 s of 2:00:00 h at work"
    ) in lines
    assert [line for line in lines if line.startswith("Cost by")] == [
        "Cost by phase", "Cost by agent", "Cost by criterion", "Cost by model",
    ]  # fmt: skip
    assert "calls input cached output reasoning cost" in lines
    assert "implement 3 120k 90k 4,000 1,500 $1.20" in lines
    assert "failed calls 3 120k 90k 4,000 1,500 $0.10" in lines
    assert any(line.startswith("coder [bold]·[2J 3 ") for line in lines)


def test_of_a_run_that_asked_no_model_there_is_nothing_to_show() -> None:
    assert printed(overview({}).model_copy(update={"model_calls": 0})) == []
