"""Sessions that go round in circles, and limits that are near: what the agent is told, and what happens then."""

import pytest

from macrohard.agent.watch import SAME_TURNS, UNCHANGED_TURNS
from macrohard.llm import Reply
from tests.agent.scripted import (
    FINISH,
    MemoryTranscripts,
    OpenBench,
    ScriptedModel,
    calls,
    coder,
    run,
    says,
)

READ, LIST = calls(("read", {"path": "x"})), calls(("shell", {"command": "ls"}))


def told(model: ScriptedModel) -> list[str]:
    """What the session said of its own accord."""
    return [str(message["content"]) for message in model.requests[-1][2:] if message["role"] == "user"]


def failing(number: int) -> Reply:
    """A change that cannot be made, each time another."""
    return calls(("edit", {"path": "app/a.py", "old": f"line {number}", "new": "x"}))


def repair(number: int) -> list[Reply]:
    """An attempt at a repair, and the same failure."""
    return [
        calls(("write", {"path": "app/a.py", "content": str(number)})),
        calls(("shell", {"command": "echo FAILED in 0.$RANDOM s; exit 1"})),
    ]


@pytest.mark.parametrize(
    ("replies", "trouble"),
    [
        pytest.param([READ] * SAME_TURNS, "the same call 4 times", id="one call"),
        pytest.param([READ, LIST] * 3, "the same 2 calls 3 times in turn", id="two calls in turn"),
        pytest.param([failing(number) for number in range(SAME_TURNS)], "4 changes of app/a.py in a row", id="edits"),
        pytest.param(
            [reply for number in range(4) for reply in repair(number)], "4 times the same failure of shell", id="tests"
        ),
    ],
)
async def test_whoever_repeats_is_told_what_and_may_go_on(bench: OpenBench, replies: list[Reply], trouble: str) -> None:
    result, model, _, _ = await run(bench, *replies, FINISH)
    assert result.outcome == "finished"
    [nudge] = told(model)
    assert nudge.startswith("You go round in circles: ")
    assert trouble in nudge


async def test_rounds_that_change_no_file_are_noticed(bench: OpenBench) -> None:
    looking = [calls(("shell", {"command": f"echo {number}"})) for number in range(UNCHANGED_TURNS)]
    _, model, _, _ = await run(bench, *looking, FINISH, agent=coder(turns=100))
    [nudge] = told(model)
    assert "20 rounds of tools without a change of any file" in nudge


async def test_whoever_works_is_left_alone(bench: OpenBench) -> None:
    replies = [
        calls(("write", {"path": "app/a.py", "content": str(number)}), ("shell", {"command": "cat app/a.py; exit 1"}))
        for number in range(3)
    ]
    _, model, _, _ = await run(bench, *replies, READ, READ, READ, LIST, FINISH)
    assert told(model) == []


async def test_a_stronger_role_takes_over_once_and_then_the_session_ends(room: OpenBench) -> None:
    weak = coder(turns=100).model_copy(update={"model": "fast"})
    transcripts = MemoryTranscripts()
    result, model, _, _ = await run(room, *[READ] * (3 * SAME_TURNS), agent=weak, transcripts=transcripts)
    assert result.outcome == "stuck"
    assert "before that: told to try another approach, taken over by the role strong" in result.problem
    assert model.roles == ["fast"] * 8 + ["strong"] * 4
    takeover = next(place for place, entry in enumerate(transcripts.entries) if entry.role == "strong")
    again, later, _, _ = await run(
        room, FINISH, agent=weak, transcripts=MemoryTranscripts(transcripts.entries[: takeover + 1])
    )
    assert again.outcome == "finished"
    assert later.roles == ["strong"]


async def test_a_silent_weak_model_is_replaced(room: OpenBench) -> None:
    weak = coder().model_copy(update={"model": "fast"})
    result, model, _, _ = await run(room, says("a"), says("b"), says("c"), FINISH, agent=weak)
    assert result.outcome == "finished"
    assert model.roles == ["fast"] * 3 + ["strong"]


@pytest.mark.parametrize(
    ("turns", "cost_usd", "before", "words"),
    [
        pytest.param(8, 100.0, 6, "Of your limit of 8 turns, 2 are left", id="turns"),
        pytest.param(40, 2.0, 7, "Of your limit of 2 cost in USD, 0.25 are left", id="cost"),
    ],
)
async def test_a_limit_that_is_near_is_told_once(
    room: OpenBench, turns: int, cost_usd: float, before: int, words: str
) -> None:
    work = [calls(("shell", {"command": f"echo {number}"})) for number in range(before)]
    result, model, _, _ = await run(room, *work, FINISH, agent=coder(turns=turns, cost_usd=cost_usd))
    assert result.outcome == "finished"
    [warning] = told(model)
    assert warning.startswith(words)
    assert model.requests[-2] == model.requests[-1][: len(model.requests[-2])]
