"""What a run asks at its cap can be answered without looking anything up."""

import pytest

from macrohard.domain import Costs, Forecast, RunOverview, Share
from macrohard.errors import Cap, LimitExceeded
from macrohard.execution.question import at_the_cap
from tests.report.sample import overview

FORECAST = Forecast.model_validate(
    {
        "at": "2026-11-22T10:00:00Z", "after": "plan", "runs": 7, "cost_usd_low": 4.0, "cost_usd_high": 7.13,
        "seconds_low": 600, "seconds_high": 9000,
    }
)  # fmt: skip


SPENT = {"analyse": 0.004, "plan": 0.5, "implement": 3.0, "use": 1.0, "triage": 0.2, "verify": 0.1}


def paused(**changes: object) -> RunOverview:
    shares = tuple(
        Share(
            name=name, calls=1, input_tokens=0, cached_tokens=0, output_tokens=0, reasoning_tokens=0, cost_usd=cost
        )
        for name, cost in SPENT.items()
    )  # fmt: skip
    given = {"costs": Costs(by_phase=shares), "cost_usd": 4.804, **changes}
    return overview({}, status="running").model_copy(update=given)


def refused(cap: Cap, used: float, allowed: float) -> LimitExceeded:
    return LimitExceeded(
        "x", used=used, allowed=allowed, cap=cap, problem="the budget is reached: $4.80 of $5.00 spent"
    )


def test_it_says_what_was_spent_on_what_what_is_left_and_how_much_more() -> None:
    assert at_the_cap(refused("usd", 5.2, 5.0), paused(forecast=FORECAST)) == (
        "the budget is reached: $4.80 of $5.00 spent. "
        "It went into implement ($3.00), use ($1.00), plan ($0.50), triage ($0.20), 2 more ($0.10). "
        "Left to do: 2 of 6 criteria (AC-5, AC-6) and 1 of 1 tasks of iteration 2 (T-3). "
        "Forecast for the whole run: about $4.00–7.13, 0.2–2.5 h, from 7 similar runs. "
        "How much more may it take? Go on with: macrohard resume r-7k2m9 --add-budget 2.2"
    )


@pytest.mark.parametrize(
    ("cap", "used", "allowed", "forecast", "command"),
    [
        pytest.param("usd", 5.2, 5.0, None, "--add-budget 2.5", id="half of it again without a forecast"),
        pytest.param("usd", 19.0, 5.0, FORECAST, "--add-budget 28", id="twice what the refused call lacks"),
        pytest.param("usd", 0.012, 0.01, None, "--add-budget 0.01", id="not less than the option takes"),
        pytest.param("tokens", 1200, 1000, None, "--add-tokens 500", id="tokens"),
        pytest.param("seconds", 7200, 7200, FORECAST, "--add-time 30m", id="time by forecast"),
        pytest.param("seconds", 600, 600, None, "--add-time 5m", id="time"),
        pytest.param("calls", 9, 9, None, "--add-calls 5", id="calls"),
        pytest.param("sessions", 4, 4, None, "--add-sessions 2", id="sessions"),
        pytest.param("fan_out", 1, 1, None, "--add-fan-out 1", id="fan-out"),
        pytest.param("depth", 1, 1, None, "--add-depth 1", id="depth"),
    ],
)
def test_each_cap_has_its_option_and_an_amount(
    cap: Cap, used: float, allowed: float, forecast: Forecast | None, command: str
) -> None:
    assert at_the_cap(refused(cap, used, allowed), paused(forecast=forecast)).endswith(f"resume r-7k2m9 {command}")


def test_at_the_very_beginning_nothing_is_left_out_because_nothing_is_known() -> None:
    begun = paused(specification=None, criteria=(), iterations=(), costs=Costs(), cost_usd=0.0)
    assert "Nothing is specified yet. How much more" in at_the_cap(refused("usd", 5.2, 5.0), begun)


def test_a_limit_that_is_no_cap_of_the_run_is_told_as_it_is() -> None:
    told = at_the_cap(LimitExceeded("turns", used=3, allowed=2), paused())
    assert told == "turns: used 3 of 2. Go on with: macrohard resume r-7k2m9"
