"""Dates in scenarios move with the calendar."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from macrohard.domain import Scenario
from macrohard.product.placeholders import UnknownPlaceholder, filled, filled_scenario

NOW = datetime(2026, 11, 22, 9, 30, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("{today}", "2026-11-22"),
        ("due {today+7d}!", "due 2026-11-29!"),
        ("{today-1m}", "2026-10-22"),
        ("{today+1y}", "2027-11-22"),
        ("{today+2w-1d}", "2026-12-05"),
        ("{now}", "2026-11-22T09:30"),
        ("{now+2h}", "2026-11-22T11:30"),
        ("{now-10h}", "2026-11-21T23:30"),
        ("{time+45min}", "10:15"),
        ("{today} {time}", "2026-11-22 09:30"),
        ("{this month}", "2026-11"),
        ("a{x*5}b{é*2}", "axxxxxbéé"),
        ("{this month+2m}", "2027-01"),
        ("{year}", "2026"),
        ("{year+1}", "2027"),
        ("{{today}} {{}}", "{today} {}"),
        ("nothing", "nothing"),
    ],
)
def test_a_placeholder_means(text: str, meant: str) -> None:
    assert filled(text, now=NOW) == meant


def test_a_day_that_a_month_does_not_have_is_its_last() -> None:
    assert filled("{today+1m} {today+1y}", now=datetime(2028, 1, 31, tzinfo=UTC)) == "2028-02-29 2029-01-31"
    assert filled("{today+1y}", now=datetime(2028, 2, 29, tzinfo=UTC)) == "2029-02-28"


def test_the_clock_is_that_of_utc() -> None:
    assert filled("{today}", now=datetime(2026, 11, 23, 1, 0, tzinfo=timezone(timedelta(hours=2)))) == "2026-11-22"


@pytest.mark.parametrize("text", ["{tomorrow}", "{today+1}", "{year+1d}", "{today+}", "{", "}", "{}", "{today+1q}"])
def test_what_is_no_placeholder_is_refused(text: str) -> None:
    with pytest.raises(UnknownPlaceholder):
        filled(text, now=NOW)


def test_every_text_of_a_scenario_is_filled() -> None:
    scenario = Scenario.model_validate(
        {
            "id": "S-1",
            "criterion": "AC-1",
            "title": "{stays}",
            "steps": [
                {"do": "fill", "name": "Due", "value": "{today}"},
                {"do": "see_row", "texts": ["{year}", "Milk"], "present": False},
                {"do": "see_rows", "count": 3},
            ],
        }
    )
    steps = filled_scenario(scenario, now=NOW).model_dump()["steps"]
    assert steps[0]["value"] == "2026-11-22"
    assert steps[1] == {"do": "see_row", "texts": ("2026", "Milk"), "present": False}
    assert steps[2]["count"] == 3
