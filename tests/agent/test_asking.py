"""Questions of an agent at work: to a colleague, in a session of its own, and to the person, with a default."""

import pytest

from macrohard.domain import JsonObject
from macrohard.errors import ModelUnavailable, ToolError
from macrohard.events import SessionEnded, ToolUsed
from tests.agent.scripted import (
    ASSIGNMENT,
    FINISH,
    MemoryTranscripts,
    OpenBench,
    ScriptedModel,
    Told,
    calls,
    carry_out,
    coder,
)

ASKING = coder().model_copy(update={"tools": ("write", "ask_colleague", "ask_person")})
ABOUT_BLUE: JsonObject = {"agent": "designer", "question": "Which blue is the accent?", "files": ["app/a.css"]}
QUESTION = ("ask_colleague", ABOUT_BLUE)


class Designer:
    """Answers, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str, dict[str, str]]] = []

    async def ask(self, agent: str, question: str, *, number: int, files: dict[str, str]) -> str:
        if agent != "designer":
            raise ToolError(f"no colleague {agent!r} can be asked")
        self.asked.append((number, question, files))
        return f"designer: blue number {number}"


def answers(model: ScriptedModel) -> list[str]:
    return [str(message["content"]) for message in model.requests[-1] if message["role"] == "tool"]


async def test_a_colleague_is_asked_once_with_the_files_and_again_only_after_a_kill(bench: OpenBench) -> None:
    designer, transcripts = Designer(), MemoryTranscripts()
    model = ScriptedModel(
        calls(("write", {"path": "app/a.css", "content": "a {}"})),
        calls(("ask_colleague", {"agent": "nobody", "question": "Are you there?"}), QUESTION),
        ModelUnavailable("down"),
    )
    with pytest.raises(ModelUnavailable):
        await carry_out(bench, model, agent=ASKING, transcripts=transcripts, colleagues=designer)
    assert answers(model)[1:] == ["Error: no colleague 'nobody' can be asked", "designer: blue number 1"]
    assert designer.asked == [(1, "Which blue is the accent?", {"app/a.css": "a {}"})]
    later = ScriptedModel(calls(QUESTION), FINISH)
    await carry_out(bench, later, agent=ASKING, transcripts=transcripts, colleagues=designer)
    assert [number for number, _, _ in designer.asked] == [1, 2]


async def test_whoever_asks_too_much_has_to_decide(room: OpenBench) -> None:
    designer = Designer()
    question: JsonObject = {"agent": "designer", "question": "And what about this?"}
    model = ScriptedModel(calls(*[("ask_colleague", question)] * 6), FINISH)
    await carry_out(room, model, agent=ASKING, colleagues=designer)
    assert len(designer.asked) == 5
    assert answers(model)[-1] == "Error: you have asked 5 questions, no more are allowed: decide yourself"


async def test_the_person_is_not_waited_for_and_the_default_is_recorded(room: OpenBench) -> None:
    told = Told()
    question: JsonObject = {"question": "Which currency do you charge in?", "default": "euro"}
    model = ScriptedModel(calls(("ask_person", question)), FINISH)
    result = await carry_out(room, model, agent=ASKING, told=told)
    assert answers(model)[0].startswith("Nobody is waited for. Assumed: euro")
    assert result.record == {"assumptions": [{"question": "Which currency do you charge in?", "assumed": "euro"}]}
    summaries = [event.summary for event in told.events if isinstance(event, ToolUsed) and event.tool == "ask_person"]
    assert summaries == ["asked the person: Which currency do you charge in? → assumed: euro"]
    (ended,) = [event for event in told.events if isinstance(event, SessionEnded)]
    assert [(each.question, each.assumed) for each in ended.assumed] == [("Which currency do you charge in?", "euro")]
    assert result.session_id == ASSIGNMENT.session_id


async def test_where_nobody_can_be_asked_the_agent_is_told(room: OpenBench) -> None:
    model = ScriptedModel(calls(("ask_colleague", {"agent": "designer", "question": "Is somebody there?"})), FINISH)
    await carry_out(room, model, agent=ASKING)
    assert answers(model)[0].startswith("Error: nobody can be asked in this assignment")
