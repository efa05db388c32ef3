"""How an agent's session is held, and the short ones of colleagues that it asks."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from pydantic import Field

from macrohard.agent import AgentDefinition, Bench, Catalogue, Check, Inbox, OpenBench, Session, TranscriptLog
from macrohard.agent.definition import Limits
from macrohard.domain import Artifacts, Assignment, Fetched, JsonObject, Phase, SessionResult, Value
from macrohard.errors import ToolError
from macrohard.events import Emit, PackagesFetched
from macrohard.llm import ChatModel
from macrohard.llm.budget import Budget
from macrohard.sandbox.packages import hearing_of_fetches

LIMITS: Final = Limits(turns=3, cost_usd=0.5, seconds=300)
ANSWER_CHARACTERS: Final = 4_000


class ColleagueAnswer(Value):
    """Your answer to the colleague who asked."""

    answer: str = Field(
        min_length=1, max_length=ANSWER_CHARACTERS, description="The answer first, then why; say what you do not know."
    )


@asynccontextmanager
async def desk(saved: str | None) -> AsyncIterator[Bench]:
    """The empty bench of those who only think."""
    yield Bench()


@dataclass(frozen=True)
class Sessions:
    """What the sessions of one run need."""

    run_id: str
    catalogue: Catalogue
    model: ChatModel
    budget: Budget
    transcripts: TranscriptLog
    artifacts: Artifacts
    emit: Emit
    inbox: Inbox | None = field(default=None, kw_only=True)
    """What people say to sessions at work; None: nobody can."""

    async def told(self, phase: Phase, files: tuple[str, ...] | None) -> JsonObject:
        """What a session is told beside its material."""
        return {}

    async def session(
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
        check: Check | None = None,
        criteria: tuple[str, ...] = (),
        files: tuple[str, ...] | None = None,
        base: str | None = None,
        persona: str | None = None,
        parent: str | None = None,
    ) -> SessionResult:
        """Have an agent carry out an assignment; the same arguments find the session that was begun.

        `parent`: the session that started it.
        """
        assignment = Assignment(
            session_id=self.session_id(iteration, phase, name),
            agent=agent.name,
            phase=phase,
            task=task,
            material={**material, **await self.told(phase, files)},
            criteria=criteria,
            base_commit=base,
            files=files,
            persona=persona,
        )
        session = Session(
            agent,
            assignment,
            iteration=iteration,
            report=report,
            model=self.model,
            transcripts=self.transcripts,
            artifacts=self.artifacts,
            emit=self.emit,
            check=check,
            inbox=self.inbox,
            colleagues=Colleagues(
                sessions=self,
                asker=agent.name,
                session_id=assignment.session_id,
                name=name,
                iteration=iteration,
                phase=phase,
                material=material,
            ),
        )
        async with self.budget.session(assignment.session_id, parent=parent):
            with self.hearing_of_fetches(iteration, phase, assignment.session_id):
                return await session.run(open_bench)

    def hearing_of_fetches(self, iteration: int, phase: Phase, session_id: str | None) -> AbstractContextManager[None]:
        """Record what sandboxes that are used in this context fetch from outside."""

        async def tell(fetched: Fetched) -> None:
            await self.emit(PackagesFetched(iteration=iteration, phase=phase, session_id=session_id, fetched=fetched))

        return hearing_of_fetches(tell)

    def session_id(self, iteration: int, phase: Phase, name: str) -> str:
        """Derived, never drawn: a node that runs again after a crash goes on with the same session."""
        return f"{self.run_id}/{iteration}/{phase}/{name}"


@dataclass(frozen=True)
class Colleagues:
    """Who can be asked by one session. As the asked have no tools, nobody they know of can be asked by them."""

    sessions: "Sessions"
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
        if agent not in self.sessions.catalogue.agents or agent == self.asker:
            names = sorted(one.name for one in self.sessions.catalogue.assignable if one.name != self.asker)
            raise ToolError(f"no colleague {agent!r} can be asked; there are {', '.join(names)}")
        asked = self.sessions.catalogue.agent(agent).model_copy(update={"tools": (), "sandbox": None, "limits": LIMITS})
        result = await self.sessions.session(
            asked,
            iteration=self.iteration,
            phase=self.phase,
            name=f"{self.name}/question-{number}",
            task=f"Answer one question of {self.asker} by `finish`, from your trade and the material. You have no "
            "other tools: do no work yourself.",
            material={"question": question, "files": {**files}, "of_the_asker": self.material},
            report=ColleagueAnswer,
            open_bench=desk,
            parent=self.session_id,
        )
        if result.outcome != "finished":
            return f"{agent} gave no answer ({result.problem}); decide yourself and note it in your report"
        return f"{agent}: {ColleagueAnswer.model_validate(result.report).answer}"
