"""Dates in scenarios move with the calendar."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from macrohard.domain import Scenario
from macrohard.domain.scenario import PutFile
from macrohard.product.placeholders import UnknownPlaceholder, check_placeholders, filled, filled_step
from macrohard.product.places import part_of

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
    steps = [filled_step(step, now=NOW, kept={}).model_dump() for step in scenario.steps]
    assert steps[0]["value"] == "2026-11-22"
    assert steps[1] == {"do": "see_row", "texts": ("2026", "Milk"), "present": False}
    assert steps[2]["count"] == 3


def test_what_was_kept_comes_back_as_what_it_was() -> None:
    scenario = Scenario.model_validate(
        {
            "id": "S-1",
            "criterion": "AC-1",
            "title": "Kept",
            "steps": [
                {"do": "request", "method": "POST", "path": "/items", "text_body": '{"a": {"b": "{today}"}}'},
                {"do": "keep", "name": "id", "at": "id"},
                {"do": "request", "path": "/items/{kept:id}", "json_body": {"of": ["{kept:id}", "nr {kept:id}"]}},
                {"do": "see_json", "at": "id", "value": "{kept:id}"},
                {"do": "see_json", "at": "tags", "present": False},
                {"do": "run", "command": 'python3 -c \'print(f"{x}", "{x*3}")\''},
            ],
        }
    )
    check_placeholders(scenario, now=NOW)
    steps = [filled_step(step, now=NOW, kept={"id": 7}).model_dump() for step in scenario.steps]
    assert steps[0]["text_body"] == '{"a": {"b": "2026-11-22"}}'
    assert (steps[2]["path"], steps[2]["json_body"]) == ("/items/7", {"of": [7, "nr 7"]})
    assert steps[3]["value"] == 7
    assert (steps[4]["type"], steps[4]["value"]) == ("any", None)
    assert steps[5]["command"] == 'python3 -c \'print(f"{x}", "xxx")\''
    with pytest.raises(UnknownPlaceholder, match="no step before it keeps anything as 'id'"):
        check_placeholders(scenario.model_copy(update={"steps": scenario.steps[2:]}), now=NOW)


def test_what_was_kept_is_the_products_word_and_may_make_no_step() -> None:
    step = PutFile(path="{kept:where}", content="")
    assert filled_step(step, now=NOW, kept={"where": "notes.txt"}) == PutFile(path="notes.txt", content="")
    with pytest.raises(UnknownPlaceholder, match="filled in, the step put_file is none"):
        filled_step(step, now=NOW, kept={"where": "/etc/passwd"})


@pytest.mark.parametrize(
    ("text", "like", "part"),
    [
        pytest.param("/orders/17/edit?x=1", "/orders/*", "17", id="up to the next border"),
        pytest.param("http://127.0.0.1:8000/orders/17", "/orders/*", "17", id="a whole address"),
        pytest.param("/orders/17-a/edit", "/orders/*-a/edit", "17", id="before something"),
        pytest.param("/orders?new=17&x=1", "new=*", "17", id="a parameter"),
        pytest.param("/orders/", "/orders/*", None, id="nothing there"),
        pytest.param("/a.b/1", "/axb/*", None, id="letter for letter"),
        pytest.param("/orders/17", "", "/orders/17", id="all of it"),
    ],
)
def test_a_part_of_an_address(text: str, like: str, part: str | None) -> None:
    assert part_of(text, like) == part


@pytest.mark.parametrize(
    "step",
    [
        {"do": "see_json", "at": "a", "value": 1, "count": 1},
        {"do": "request", "path": "/", "json_body": 1, "text_body": "1"},
        {"do": "keep", "name": "id", "at": "id", "header": "Location"},
        {"do": "keep", "name": "id", "at": "id", "like": "/items/*"},
        {"do": "keep_address", "name": "id", "like": "/items"},
    ],
)
def test_a_step_says_one_thing(step: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Scenario.model_validate({"id": "S-1", "criterion": "AC-1", "title": "Twice", "steps": [step]})
