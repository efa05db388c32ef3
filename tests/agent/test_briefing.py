"""Assignments as text: all that is in them can be read back, and nothing that is not."""

import json

import pytest
from pydantic import JsonValue

from macrohard.agent.briefing import briefing
from macrohard.domain import Assignment


def given(material: dict[str, JsonValue], *, files: tuple[str, ...] | None = None) -> str:
    return briefing(
        Assignment(
            session_id="r-1/1/implement/T-1",
            agent="coder",
            phase="implement",
            task="Do.",
            material=material,
            files=files,
        )
    )


def read_back(text: str) -> dict[str, JsonValue]:
    opening, _, rest = text.partition("```json\n")
    assert opening == "Your assignment: Do.\n\n"
    block: dict[str, JsonValue] = json.loads(rest.removesuffix("\n```"))
    return block


@pytest.mark.parametrize(
    ("material", "told"),
    [
        pytest.param({"a": None, "b": "", "c": [], "d": {}, "e": {"f": None}}, None, id="nothing at all"),
        pytest.param({"a": 0, "b": False}, {"a": 0, "b": False}, id="zero and no are something"),
        pytest.param({"a": [None, "", {}]}, {"a": [None, "", {}]}, id="places in a list are kept"),
        pytest.param(
            {"a": [{"do": "fill", "name": "Title", "value": ""}, {"do": "restart", "environment": {}}]},
            {"a": [{"do": "fill", "name": "Title", "value": ""}, {"do": "restart", "environment": {}}]},
            id="what is empty in a step",
        ),
        pytest.param({"a": "é\n```\n\u2028"}, {"a": "é\n```\n\u2028"}, id="what looks like the end of the block"),
        pytest.param({"a": [{"b": "x" * 200, "c": [1, 2]}] * 3}, {"a": [{"b": "x" * 200, "c": [1, 2]}] * 3}, id="deep"),
    ],
)
def test_the_material_can_be_read_back_without_what_is_empty(
    material: dict[str, JsonValue], told: dict[str, JsonValue] | None
) -> None:
    assert read_back(given(material)).get("material") == told


def test_what_is_short_stands_on_one_line() -> None:
    steps: list[JsonValue] = [{"do": "click", "role": "button", "name": f"Number {number}"} for number in range(30)]
    lines = given({"steps": steps}).splitlines()
    assert sum('"do": "click"' in line for line in lines) == 30
    assert len(lines) < 45
    assert max(map(len, lines)) <= 162


@pytest.mark.parametrize(("files", "told"), [(None, None), ((), []), (("a.py",), ["a.py"])])
def test_no_files_to_own_is_not_the_same_as_none_told(files: tuple[str, ...] | None, told: list[str] | None) -> None:
    assert read_back(given({}, files=files)).get("files") == told
