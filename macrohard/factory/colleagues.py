"""One question of an agent at work to another, answered in a short session without tools."""

from dataclasses import dataclass
from typing import Final, Protocol

from pydantic import Field

from macrohard.agent import AgentDefinition, Catalogue, OpenBench
from macrohard.agent.definition import Limits
from macrohard.domain import JsonObject, Phase, SessionResult, Value
from macrohard.errors import ToolError

LIMITS: Final = Limits(turns=3, cost_usd=0.5, seconds=300)
ANSWER_CHARACTERS: Final = 4_000


class ColleagueAnswer(Value):
    """Your answer to the colleague who asked."""

    answer: str = Field(
        min_length=1, max_length=ANSWER_CHARACTERS, description="The answer first, then why; say what you do not know."
    )


class Holds(Protocol):
    """Carries a session out; see `FactoryContext.session`."""

    async def __call__(
        self,
        agent: AgentDefinition,
        *,
        iteration: int,
        phase: Phase,
        name: str,
        task: str,
        material: JsonObject,
        report: type[Value],
        open_bench: OpenBench,
        parent: str,
    ) -> SessionResult: ...


@dataclass(frozen=True)
class Colleagues:
    """Who can be asked by one session. As the asked have no tools, nobody they know of can be asked by them."""

    hold: Holds
    catalogue: Catalogue
    open_bench: OpenBench
    """An empty one."""
    asker: str
    """The agent."""
    session_id: str
    """Of the session that asks."""
    name: str
    """The last part of it."""
    iteration: int
    phase: Phase
    material: JsonObject
    """Of the asker: whoever is asked learns nothing that the asker does not know, and cannot tell it."""

    async def ask(self, agent: str, question: str, *, number: int, files: dict[str, str]) -> str:
        """The answer, or why there is none; the same number finds the session that was begun.

        Raises:
            ToolError: there is no such agent.
            LimitExceeded, Unavailable: as for any session.
        """
        if agent not in self.catalogue.agents or agent == self.asker:
            names = sorted(one.name for one in self.catalogue.assignable if one.name != self.asker)
            raise ToolError(f"no colleague {agent!r} can be asked; there are {', '.join(names)}")
        asked = self.catalogue.agent(agent).model_copy(update={"tools": (), "sandbox": None, "limits": LIMITS})
        result = await self.hold(
            asked,
            iteration=self.iteration,
            phase=self.phase,
            name=f"{self.name}/question-{number}",
            task=f"Answer one question of {self.asker} by `finish`, from your trade and the material. You have no "
            "other tools: do no work yourself.",
            material={"question": question, "files": {**files}, "of_the_asker": self.material},
            report=ColleagueAnswer,
            open_bench=self.open_bench,
            parent=self.session_id,
        )
        if result.outcome != "finished":
            return f"{agent} gave no answer ({result.problem}); decide yourself and note it in your report"
        return f"{agent}: {ColleagueAnswer.model_validate(result.report).answer}"
