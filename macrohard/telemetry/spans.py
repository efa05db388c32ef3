"""A run's events as spans: a pure reading of the log, so that a run that goes on elsewhere goes on in its trace.

Names and attributes are those of OpenTelemetry's conventions for generative AI, as of semantic conventions 1.41.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from macrohard.events import (
    Event,
    ModelCalled,
    ModelTroubled,
    RunEnded,
    RunStarted,
    SessionEnded,
    SessionStarted,
    ToolUsed,
)

Attribute = str | int | float | tuple[str, ...]

OPERATION, PROVIDER, AGENT = "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.agent.name"
REQUESTED, ANSWERED = "gen_ai.request.model", "gen_ai.response.model"
INPUT_TOKENS, OUTPUT_TOKENS = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
ADDRESS, PORT, ERROR = "server.address", "server.port", "error.type"
COST = "macrohard.cost_usd"
FINISH = {"tool_calls": "tool_call", "refused": "content_filter"}
"""What the conventions call it."""
WORKFLOW = "macrohard"


class Provider(NamedTuple):
    """Who answers at an endpoint."""

    name: str
    address: str = ""
    port: int = 0


@dataclass(frozen=True)
class Span:
    """Something that is over."""

    name: str
    parent: int | None
    began: datetime
    ended: datetime
    attributes: Mapping[str, Attribute]
    id: int | None = None
    """None: any."""
    client: bool = False
    """Whether it was a call to somebody else."""
    problem: str = ""
    """What went wrong, if it is an error; its kind is the attribute `error.type`."""


@dataclass
class _Sum:
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    calls: int = 0
    cost_usd: float = 0.0

    def add(self, call: ModelCalled) -> None:
        self.input_tokens += call.input_tokens
        self.cached_tokens += call.cached_tokens
        self.output_tokens += call.output_tokens
        self.calls += 1
        self.cost_usd += call.cost_usd

    @property
    def attributes(self) -> dict[str, Attribute]:
        return {
            **_tokens(self.input_tokens, self.cached_tokens, self.output_tokens),
            "macrohard.model_calls": self.calls,
            COST: self.cost_usd,
        }


@dataclass
class _Open:
    """A session that is at work, or will go on."""

    began: datetime
    told: SessionStarted
    sum: _Sum = field(default_factory=_Sum)
    asked: dict[str, Attribute] = field(default_factory=dict)
    """Who answered it last."""


def trace_id(run_id: str) -> int:
    """The first 16 bytes of the id's SHA-256."""
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:16])


class RunSpans:
    """The spans of one run, each when it is over; those that a killed process left open are closed by the next one."""

    def __init__(self, run_id: str, *, created_at: datetime, providers: Mapping[str, Provider]) -> None:
        """`providers`: by the name of the endpoint."""
        self._run_id, self._began, self._providers = run_id, created_at, providers
        self._sum, self._model = _Sum(), ""
        self._sessions: dict[str, _Open] = {}
        self.root = _span_id(run_id, "")

    def read(self, event: Event, at: datetime) -> Iterator[Span]:
        """What is over by this event."""
        match event:
            case RunStarted():
                self._model = event.model
            case SessionStarted() if event.session_id not in self._sessions:
                self._sessions[event.session_id] = _Open(at, event)
            case ModelCalled():
                yield self._call(event, at)
            case ModelTroubled() if event.reaction in ("asks again", "asks another", "gives up"):
                self._sum.cost_usd += event.cost_usd
                yield self._trouble(event, at)
            case ToolUsed():
                yield self._tool(event, at)
            case SessionEnded() if (session := self._sessions.pop(event.session_id, None)) is not None:
                kind = "" if event.outcome == "finished" else event.outcome
                yield self._session(event.session_id, session, at, kind=kind, problem=event.problem)
            case RunEnded() if event.outcome != "paused":
                for id, session in self._sessions.items():
                    yield self._session(id, session, at, kind="cut off", problem=f"the run was {event.outcome}")
                self._sessions.clear()
                yield self._run(event, at)
            case _:
                return

    def _call(self, call: ModelCalled, at: datetime) -> Span:
        # What makes pictures is billed without tokens, and ends for no reason.
        operation = "chat" if call.finish else "generate_content"
        asked = {REQUESTED: call.asked or call.model, **self._provider(call.endpoint)}
        if (session := self._sessions.get(call.session_id)) is not None:
            session.sum.add(call)
            session.asked = asked
        self._sum.add(call)
        attributes: dict[str, Attribute] = {OPERATION: operation, **asked, ANSWERED: call.model, COST: call.cost_usd}
        if call.finish:
            attributes |= _tokens(call.input_tokens, call.cached_tokens, call.output_tokens)
            attributes["gen_ai.response.finish_reasons"] = (FINISH.get(call.finish, call.finish),)
            attributes["gen_ai.usage.reasoning.output_tokens"] = call.reasoning_tokens
        return Span(
            f"{operation} {call.asked or call.model}",
            self._parent(call.session_id),
            at - timedelta(seconds=call.seconds),
            at,
            attributes | self._whose(call.session_id),
            client=True,
        )

    def _trouble(self, told: ModelTroubled, at: datetime) -> Span:
        return Span(
            "chat",
            self.root,
            at,
            at,
            {
                OPERATION: "chat",
                **self._provider(told.endpoint),
                ERROR: told.reaction.replace(" ", "_"),
                COST: told.cost_usd,
            },
            problem=told.problem,
        )

    def _tool(self, used: ToolUsed, at: datetime) -> Span:
        began = used.began_at or at
        return Span(
            f"execute_tool {used.tool}",
            self._parent(used.session_id),
            began,
            began + timedelta(seconds=used.seconds),
            {
                OPERATION: "execute_tool",
                "gen_ai.tool.name": used.tool,
                "gen_ai.tool.type": "function",
                **self._whose(used.session_id),
                **({} if used.ok else {ERROR: "tool_error"}),
            },
            problem="" if used.ok else "the agent was told what is wrong with its call",
        )

    def _session(self, id: str, session: _Open, at: datetime, *, kind: str, problem: str) -> Span:
        told = session.told
        attributes: dict[str, Attribute] = {
            OPERATION: "invoke_agent",
            AGENT: told.agent,
            "gen_ai.agent.version": told.agent_hash,
            "gen_ai.conversation.id": id,
            **session.asked,
            **session.sum.attributes,
            "macrohard.phase": told.phase,
            "macrohard.iteration": told.iteration,
        }
        if told.persona is not None:
            attributes["macrohard.persona"] = told.persona
        if kind:
            attributes[ERROR] = kind.replace(" ", "_")
        return Span(
            f"invoke_agent {told.agent}",
            self.root,
            session.began,
            at,
            attributes,
            id=_span_id(self._run_id, id),
            problem=problem or kind,
        )

    def _run(self, ended: RunEnded, at: datetime) -> Span:
        failed = ended.outcome in ("failed", "cancelled")
        attributes: dict[str, Attribute] = {
            OPERATION: "invoke_workflow",
            AGENT: WORKFLOW,
            REQUESTED: self._model,
            **self._sum.attributes,
            "macrohard.run.id": self._run_id,
            "macrohard.outcome": ended.outcome,
        }
        if failed:
            attributes[ERROR] = ended.outcome
        name = f"invoke_workflow {WORKFLOW}"
        return Span(
            name, None, self._began, at, attributes, id=self.root, problem=(ended.problem or "?") if failed else ""
        )

    def _parent(self, session_id: str) -> int:
        return _span_id(self._run_id, session_id) if session_id in self._sessions else self.root

    def _whose(self, session_id: str) -> dict[str, Attribute]:
        session = self._sessions.get(session_id)
        return {} if session is None else {"gen_ai.conversation.id": session_id, AGENT: session.told.agent}

    def _provider(self, endpoint: str) -> dict[str, Attribute]:
        provider = self._providers.get(endpoint, Provider(endpoint))
        where: dict[str, Attribute] = {ADDRESS: provider.address, PORT: provider.port} if provider.address else {}
        return {PROVIDER: provider.name, **where}


def _tokens(input: int, cached: int, output: int) -> dict[str, Attribute]:
    return {INPUT_TOKENS: input, "gen_ai.usage.cache_read.input_tokens": cached, OUTPUT_TOKENS: output}


def _span_id(run_id: str, session_id: str) -> int:
    """The same in each process that carries the run out."""
    return int.from_bytes(hashlib.sha256(f"{run_id} {session_id}".encode()).digest()[:8])
