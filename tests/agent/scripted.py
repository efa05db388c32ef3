"""A model that says what the test wrote, and a transcript in memory: the only stand-ins."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from hashlib import sha256

from pydantic import JsonValue

from macrohard.agent import AgentDefinition, Bench, Entry, Inbox, Session
from macrohard.agent.bench import Colleagues
from macrohard.agent.definition import Limits
from macrohard.domain import Assignment, JsonObject, SessionResult
from macrohard.events import Event
from macrohard.factory.reports import WorkReport
from macrohard.llm import ChatModel, ModelRole, Reply, ToolCall, Usage
from macrohard.llm.chat import Finish


def calls(*made: tuple[str, JsonValue]) -> Reply:
    """A reply with tool calls; arguments that are a string are sent as they are."""
    tool_calls = tuple(
        ToolCall(id=f"c{number}", name=name, arguments=given if isinstance(given, str) else json.dumps(given))
        for number, (name, given) in enumerate(made)
    )
    wire: JsonObject = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in tool_calls
        ],
    }
    return _reply(wire, "", tool_calls)


def says(text: str, *, finish: Finish = "stop") -> Reply:
    """A reply without tool calls."""
    return _reply({"role": "assistant", "content": text}, text, ()).model_copy(update={"finish": finish})


def cut_off(reply: Reply) -> Reply:
    """The reply as one that ended at the output limit."""
    usage = reply.usage.model_copy(update={"output_tokens": 16_000})
    return reply.model_copy(update={"finish": "length", "usage": usage})


def _reply(wire: JsonObject, text: str, tool_calls: tuple[ToolCall, ...]) -> Reply:
    usage = Usage(input_tokens=0, cached_tokens=0, output_tokens=5, cost_usd=0.25, seconds=0.0)
    return Reply(
        endpoint="scripted",
        model="scripted",
        message=wire,
        text=text,
        tool_calls=tool_calls,
        finish="tool_calls" if tool_calls else "stop",
        usage=usage,
    )


class ScriptedModel:
    """Gives the replies in order; notes what it was asked."""

    def __init__(self, *replies: Reply | BaseException) -> None:
        self._replies = list(replies)
        self.vision = False
        self.requests: list[list[JsonObject]] = []
        self.roles: list[ModelRole] = []

    async def reply(
        self, messages: Sequence[JsonObject], *, role: ModelRole, tools: Sequence[JsonObject], session_id: str
    ) -> Reply:
        self.requests.append(list(messages))
        self.roles.append(role)
        reply = self._replies.pop(0)
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def context_tokens(self, role: ModelRole) -> int:
        return 128_000

    def prompt_tokens(self, role: ModelRole) -> int:
        return 80_000

    def sees(self, role: ModelRole) -> bool:
        return self.vision


class MemoryTranscripts:
    """Entries by session."""

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self.entries = list(entries)

    async def append(self, session_id: str, entry: Entry) -> None:
        self.entries.append(Entry.model_validate(entry.model_dump(mode="json", exclude_defaults=True)))

    async def load(self, session_id: str) -> Sequence[Entry]:
        return list(self.entries)


class MemoryArtifacts:
    """Artifacts that last as long as a test."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def put(self, content: bytes, *, media_type: str) -> str:
        digest = sha256(content).hexdigest()
        self.kept[digest] = content
        return digest

    async def get(self, digest: str) -> bytes:
        return self.kept[digest]


class Told:
    """Remembers events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    async def __call__(self, event: Event) -> None:
        self.events.append(event)


ASSIGNMENT = Assignment(
    session_id="r-1/1/implement/T-1",
    agent="coder",
    phase="implement",
    task="Write it",
    material={"task": {"id": "T-1"}},
    files=("app/", "README.md"),
)
FINISH = calls(("finish", {"summary": "done"}))
OpenBench = Callable[[str | None], AbstractAsyncContextManager[Bench]]


def coder(*, turns: int = 20, cost_usd: float = 100.0) -> AgentDefinition:
    """An agent with all tools of a workbench."""
    return AgentDefinition(
        name="coder",
        description="Writes.",
        model="strong",
        sandbox="base",
        tools=("shell", "background", "read", "write", "edit", "search"),
        limits=Limits(turns=turns, cost_usd=cost_usd, seconds=600),
        prompt="You write.",
        hash="0" * 64,
    )


async def carry_out(
    bench: OpenBench,
    model: ChatModel,
    *,
    transcripts: MemoryTranscripts | None = None,
    artifacts: MemoryArtifacts | None = None,
    agent: AgentDefinition | None = None,
    assignment: Assignment = ASSIGNMENT,
    told: Told | None = None,
    colleagues: Colleagues | None = None,
    inbox: Inbox | None = None,
) -> SessionResult:
    """One session, begun or gone on with."""
    session = Session(
        agent or coder(),
        assignment,
        iteration=1,
        report=WorkReport,
        model=model,
        transcripts=transcripts or MemoryTranscripts(),
        artifacts=artifacts or MemoryArtifacts(),
        emit=told or Told(),
        colleagues=colleagues,
        inbox=inbox,
    )
    return await session.run(bench)


async def run(
    bench: OpenBench,
    *replies: Reply | BaseException,
    transcripts: MemoryTranscripts | None = None,
    artifacts: MemoryArtifacts | None = None,
    agent: AgentDefinition | None = None,
) -> tuple[SessionResult, ScriptedModel, MemoryTranscripts, Told]:
    """A session with a model that says what the test wrote."""
    model, told, log = ScriptedModel(*replies), Told(), transcripts or MemoryTranscripts()
    result = await carry_out(bench, model, transcripts=log, artifacts=artifacts, agent=agent, told=told)
    return result, model, log, told
