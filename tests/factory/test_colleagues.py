"""A question to a colleague becomes a session of its own, below the one that asks."""

from typing import Any, cast

import pytest

from macrohard.agent import AgentDefinition, Catalogue
from macrohard.agent.definition import Limits
from macrohard.domain import JsonObject, SessionResult
from macrohard.errors import ToolError
from macrohard.factory.sessions import ColleagueAnswer, Colleagues


def agent(name: str) -> AgentDefinition:
    return AgentDefinition(
        name=name,
        description="Works.",
        model="strong",
        sandbox="base",
        tools=("shell", "ask_colleague"),
        assignable=True,
        limits=Limits(turns=50, cost_usd=5, seconds=600),
        prompt="You work.",
        hash="0" * 64,
    )


class Sessions:
    """Holds sessions that end as the test says."""

    def __init__(self, report: JsonObject | None) -> None:
        self.report = report
        self.held: list[tuple[AgentDefinition, dict[str, object]]] = []
        self.catalogue = Catalogue(agents={name: agent(name) for name in ("coder", "designer")}, personas={})

    async def session(self, agent: AgentDefinition, **given: object) -> SessionResult:
        self.held.append((agent, given))
        return SessionResult(
            session_id="s",
            outcome="finished" if self.report else "stuck",
            commit=None,
            report=self.report or {},
            record={},
            problem="" if self.report else "it talks only",
            model_calls=1,
            cost_usd=0.0,
            seconds=0.0,
        )


def colleagues(sessions: Sessions) -> Colleagues:
    return Colleagues(
        sessions=cast(Any, sessions),
        asker="coder",
        session_id="r/1/implement/T-1",
        name="T-1",
        iteration=1,
        phase="implement",
        material={"task": "T-1"},
    )


async def test_the_asked_know_what_the_asker_knows_and_can_neither_work_nor_ask() -> None:
    sessions = Sessions(ColleagueAnswer(answer="Blue.").model_dump(mode="json"))
    answer = await colleagues(sessions).ask("designer", "Which?", number=2, files={"a.css": "a {}"})
    assert answer == "designer: Blue."
    [(asked, given)] = sessions.held
    assert (asked.tools, asked.limits.turns, asked.prompt) == ((), 3, "You work.")
    assert given["name"] == "T-1/question-2"
    assert given["parent"] == "r/1/implement/T-1"
    assert given["material"] == {"question": "Which?", "files": {"a.css": "a {}"}, "of_the_asker": {"task": "T-1"}}


async def test_no_answer_is_an_answer() -> None:
    answer = await colleagues(Sessions(None)).ask("designer", "Which?", number=1, files={})
    assert answer.startswith("designer gave no answer (it talks only)")


@pytest.mark.parametrize("name", ["nobody", "coder"])
async def test_only_others_can_be_asked(name: str) -> None:
    with pytest.raises(ToolError, match="there are designer"):
        await colleagues(Sessions(None)).ask(name, "Which?", number=1, files={})
