"""What a page shows of what does not fit on one."""

from datetime import UTC, datetime

import pytest

from macrohard.domain import SessionSummary
from macrohard.server.api.sessions import TranscriptEntry
from macrohard.server.pages.matrix import matrix
from macrohard.server.pages.rendering import naturally
from macrohard.server.pages.run import SESSIONS, first_listed
from macrohard.server.pages.talk import turns
from tests.report.sample import overview


def sessions(*counts: int) -> list[SessionSummary]:
    """So many in each iteration."""
    return [
        SessionSummary(
            id=f"r/{iteration}/implement/T-{number}", iteration=iteration, phase="implement", agent="coder",
            persona=None, task="", criteria=(), outcome="finished", problem="", commit=None,
            model_calls=1, input_tokens=1, output_tokens=1, cost_usd=0.0,
            started_at=datetime(2026, 1, 1, tzinfo=UTC), seconds=1.0,
        )
        for iteration, count in enumerate(counts)
        for number in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "before", "first"),
    [
        pytest.param((), None, 0, id="none"),
        pytest.param((1, 5, 5), None, 0, id="all fit"),
        pytest.param((1, SESSIONS - 1, 1), None, 1, id="as many as fit"),
        pytest.param((1, SESSIONS, 1), None, 2, id="whole iterations only"),
        pytest.param((1, 1, SESSIONS + 1), None, 2, id="one, however long"),
        pytest.param((1, SESSIONS, 1), 2, 1, id="those before"),
        pytest.param((1, SESSIONS, 1), 1, 0, id="the first"),
    ],
)
def test_the_last_whole_iterations_are_listed(counts: tuple[int, ...], before: int | None, first: int) -> None:
    assert first_listed(sessions(*counts), before) == first


def test_numbers_in_names_are_in_the_order_that_people_count_in() -> None:
    assert naturally(["AC-10", "tests", "AC-5", "install", "AC-5b", "²"]) == [
        "AC-5", "AC-5b", "AC-10", "install", "tests", "²",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        pytest.param('{"path": "app/pages.py", "text": "x"}', "app/pages.py", id="the file"),
        pytest.param('{"intention": "Save it", "action": "click", "target": "e12"}', "click e12", id="an act"),
        pytest.param('{"action": "press", "target": "", "value": "Tab*3"}', "press Tab*3", id="a key"),
        pytest.param("[not JSON", "", id="nonsense"),
    ],
)
def test_a_call_of_a_tool_is_told_in_one_line(arguments: str, about: str) -> None:
    call = {"id": "1", "function": {"name": "tool", "arguments": arguments}}
    entry = {"messages": [{"role": "assistant", "content": "I go on.", "tool_calls": [call]}]}
    (turn,) = turns([TranscriptEntry(number=1, at=datetime(2026, 1, 1, tzinfo=UTC), entry=entry)])
    assert [(use.tool, use.about, use.answer) for use in turn.uses] == [("tool", about, None)]


def test_what_is_not_decided_upon_is_not_held_against_a_product() -> None:
    def stands(*kept: bool | None) -> dict[str, str]:
        """How criteria stand that no kept commit shows, after so many iterations."""
        run = overview({})
        criteria = [row.model_copy(update={"status": "unmet"}) for row in run.criteria if row.scenarios]
        iterations = [one.model_copy(update={"kept": each}) for one, each in zip(run.iterations, kept, strict=False)]
        rows = matrix(run.model_copy(update={"criteria": tuple(criteria), "iterations": tuple(iterations)}))
        return {row.state.criterion.id: row.stands for row in rows}

    assert set(stands().values()) == {"to be shown"}
    assert stands(None) == {"AC-1": "unmet", "AC-2": "passing", "AC-3": "unmet", "AC-4": "passing", "AC-5": "unmet"}
    assert set(stands(False).values()) == {"unmet"}
    assert stands(True, None) == {**dict.fromkeys(("AC-1", "AC-2", "AC-3", "AC-4"), "passing"), "AC-5": "unmet"}
