"""One agent at work on one assignment: a plain loop over model, tools and transcript."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from pydantic import ValidationError

from macrohard.agent.bench import Bench
from macrohard.agent.definition import AgentDefinition
from macrohard.agent.tools import TOOLS, complaint, function_schema, parsed, schemas
from macrohard.agent.transcript import Entry, TranscriptLog
from macrohard.domain import Assignment, JsonObject, SessionOutcome, SessionResult, Value
from macrohard.errors import ToolError
from macrohard.events import Emit, ModelCalled, SessionEnded, SessionStarted, ToolUsed
from macrohard.llm import ChatModel, ToolCall

SILENT_TURNS = 3
"""So many answers in a row without a tool call end a session as stuck."""
SAME_TURNS = 4
"""So many equal calls with equal answers in a row end a session as stuck."""

OpenBench = Callable[[str | None], AbstractAsyncContextManager[Bench]]
"""Sets a bench up, in the state of the snapshot if one is given."""


class Session:
    """Carries out one assignment, or goes on with it where a killed process left it.

    Every reply of the model is in the transcript before its calls are carried out, and every round of calls before the
    next reply is asked for, together with the commit that holds the files. A round that was cut off is carried out
    again on the files as they were before it: nothing is lost, and no model call is repeated.
    """

    def __init__(
        self,
        agent: AgentDefinition,
        assignment: Assignment,
        *,
        iteration: int,
        report: type[Value],
        model: ChatModel,
        transcripts: TranscriptLog,
        emit: Emit,
        check: Callable[[Value], None] | None = None,
    ) -> None:
        """`check` may raise a ToolError about a report that has the right form and the wrong content."""
        self._agent, self._assignment, self._iteration = agent, assignment, iteration
        self._report, self._check = report, check
        self._model, self._transcripts, self._emit = model, transcripts, emit
        self._tools = (*schemas(agent.tools), _finish_schema(report))
        self._messages: list[JsonObject] = []
        self._calls = 0
        self._cost = 0.0
        self._snapshot: str | None = None
        self._answers: list[tuple[str, str]] = []
        self._silent = 0
        self._began = time.monotonic()

    async def run(self, open_bench: OpenBench) -> SessionResult:
        """Work until the agent finishes or a limit ends it; every ending is a result.

        Raises:
            LimitExceeded: the run's budget; the session goes on when it is raised.
            Unavailable: model, sandbox or store; the session goes on when the run is resumed.
        """
        id = self._assignment.session_id
        entries = await self._transcripts.load(id)
        if entries and (done := entries[-1].result) is not None:
            await self._tell_end(done)
            return done
        self._began = time.monotonic()
        await self._emit(
            SessionStarted(
                session_id=id,
                iteration=self._iteration,
                phase=self._assignment.phase,
                agent=self._agent.name,
                agent_hash=self._agent.hash,
                persona=self._assignment.persona,
                task=self._assignment.task,
                criteria=self._assignment.criteria,
                resumed=bool(entries),
            )
        )
        if entries:
            self._recall(entries)
        else:
            await self._record(Entry(messages=(self._system(), self._opening())))
        async with open_bench(self._snapshot) as bench:
            if bench.has_visit:
                await self._repeat_visit(bench)
            result = await self._loop(bench)
        await self._tell_end(result)
        return result

    async def _tell_end(self, result: SessionResult) -> None:
        await self._emit(
            SessionEnded(
                session_id=result.session_id,
                outcome=result.outcome,
                problem=result.problem,
                commit=result.commit,
                seconds=result.seconds,
            )
        )

    async def _loop(self, bench: Bench) -> SessionResult:
        while True:
            pending = self._pending()
            if not pending:
                if (end := self._end_without_report()) is not None:
                    outcome, problem = end
                    result = self._result(outcome, bench, problem=problem)
                    await self._record(Entry(result=result))
                    return result
                pending = await self._ask()
                if not pending:
                    self._silent += 1
                    nudge = "Go on with your tools. When your assignment is done, call finish with your report."
                    await self._record(Entry(messages=({"role": "user", "content": nudge},)))
                    continue
            self._silent = 0
            finished = await self._carry_out(pending, bench)
            if finished is not None:
                return finished

    def _end_without_report(self) -> tuple[SessionOutcome, str] | None:
        limits = self._agent.limits
        for limit, used, allowed in (
            ("turns", float(self._calls), float(limits.turns)),
            ("cost in USD", self._cost, limits.cost_usd),
            ("seconds", time.monotonic() - self._began, float(limits.seconds)),
        ):
            if used >= allowed:
                return "limit", f"{limit}: {allowed:g} used up"
        if self._silent >= SILENT_TURNS:
            return "stuck", f"{SILENT_TURNS} answers without a tool call"
        if len(self._answers) >= SAME_TURNS and len(set(self._answers[-SAME_TURNS:])) == 1:
            return "stuck", f"the same call {SAME_TURNS} times: {self._answers[-1][0]}"
        return None

    async def _ask(self) -> tuple[ToolCall, ...]:
        reply = await self._model.reply(
            self._messages, role=self._agent.model, tools=self._tools, session_id=self._assignment.session_id
        )
        await self._record(Entry(messages=(reply.message,), cost_usd=reply.usage.cost_usd, calls=1))
        await self._emit(
            ModelCalled(
                session_id=self._assignment.session_id,
                endpoint=reply.endpoint,
                model=reply.model,
                input_tokens=reply.usage.input_tokens,
                cached_tokens=reply.usage.cached_tokens,
                output_tokens=reply.usage.output_tokens,
                reasoning_tokens=reply.usage.reasoning_tokens,
                cost_usd=reply.usage.cost_usd,
                seconds=reply.usage.seconds,
            )
        )
        return reply.tool_calls

    async def _carry_out(self, calls: Sequence[ToolCall], bench: Bench) -> SessionResult | None:
        """Run one round of calls and record their answers as one entry, with the result if the agent finished."""
        answers: list[JsonObject] = []
        told: list[ToolUsed] = []
        report: JsonObject | None = None
        for call in calls:
            try:
                arguments = parsed(call.arguments)
                if call.name == "finish":
                    if len(calls) > 1:
                        raise ToolError("read the answers to your other calls first, then call finish alone")
                    report = self._checked(arguments)
                    text = "accepted"
                elif call.name in self._agent.tools:
                    text = await TOOLS[call.name](bench, arguments)
                else:
                    raise ToolError(f"no tool {call.name!r}; you have {', '.join((*self._agent.tools, 'finish'))}")
                ok = True
            except ToolError as error:
                text, ok = f"Error: {error}", False
            self._answers.append((f"{call.name} {call.arguments}", text))
            answers.append({"role": "tool", "tool_call_id": call.id, "content": text})
            summary = _summary(call, text)
            told.append(ToolUsed(session_id=self._assignment.session_id, tool=call.name, summary=summary, ok=ok))
        snapshot = None
        if bench.workspace is not None:
            try:
                snapshot = await bench.workspace.snapshot()
            except ToolError as error:
                report = None
                answers[-1]["content"] = f"Error: the product's files could not be taken over: {error}"
        self._snapshot = snapshot or self._snapshot
        result = self._result("finished", bench, report=report) if report is not None else None
        await self._record(Entry(messages=tuple(answers), snapshot=snapshot, result=result))
        for event in told:
            await self._emit(event)
        return result

    def _checked(self, arguments: JsonObject) -> JsonObject:
        try:
            report = self._report.model_validate(arguments)
        except ValidationError as error:
            raise ToolError(complaint(error)) from error
        if self._check is not None:
            self._check(report)
        return report.model_dump(mode="json")

    def _result(
        self, outcome: SessionOutcome, bench: Bench, *, report: JsonObject | None = None, problem: str = ""
    ) -> SessionResult:
        return SessionResult(
            session_id=self._assignment.session_id,
            outcome=outcome,
            commit=self._snapshot,
            report=report or {},
            record=bench.record(),
            problem=problem,
            model_calls=self._calls,
            cost_usd=self._cost,
            seconds=time.monotonic() - self._began,
        )

    async def _record(self, entry: Entry) -> None:
        await self._transcripts.append(self._assignment.session_id, entry)
        self._recall((entry,))

    def _recall(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self._messages.extend(entry.messages)
            self._calls += entry.calls
            self._cost += entry.cost_usd
            self._snapshot = entry.snapshot or self._snapshot

    def _pending(self) -> tuple[ToolCall, ...]:
        """Calls that were recorded without an answer: the process died while they were carried out."""
        last = self._messages[-1]
        return _calls_of(last) if last["role"] == "assistant" else ()

    async def _repeat_visit(self, bench: Bench) -> None:
        """Walk a resumed visitor to where they were: a browser cannot be kept over the death of its process."""
        answered = {str(message["tool_call_id"]) for message in self._messages if message["role"] == "tool"}
        for message in self._messages:
            for call in _calls_of(message):
                if call.id in answered and call.name in ("look", "act"):
                    try:
                        await TOOLS[call.name](bench, parsed(call.arguments))
                    except ToolError:
                        continue  # It was told to the agent the first time.

    def _system(self) -> JsonObject:
        return {"role": "system", "content": self._agent.prompt}

    def _opening(self) -> JsonObject:
        given = {
            "agent": self._assignment.agent,
            "phase": self._assignment.phase,
            "persona": self._assignment.persona,
            "task": self._assignment.task,
            "files": list(self._assignment.files) if self._assignment.files is not None else None,
            "material": self._assignment.material,
        }
        block = json.dumps(given, ensure_ascii=False, indent=1)
        return {"role": "user", "content": f"Your assignment: {self._assignment.task}\n\n```json\n{block}\n```"}


def _calls_of(message: JsonObject) -> tuple[ToolCall, ...]:
    calls = message.get("tool_calls")
    found = []
    for call in calls if isinstance(calls, list) else []:
        if isinstance(call, dict) and isinstance(function := call.get("function"), dict):
            found.append(
                ToolCall(
                    id=str(call["id"]), name=str(function["name"]), arguments=str(function.get("arguments") or "{}")
                )
            )
    return tuple(found)


def _finish_schema(report: type[Value]) -> JsonObject:
    return function_schema("finish", f"Hand in your report and end the session. {report.__doc__ or ''}".strip(), report)


def _summary(call: ToolCall, answer: str) -> str:
    first = answer.strip().partition("\n")[0]
    if call.name == "shell":
        last = answer.rstrip().rpartition("\n")[2]
        command = " ".join(str(json.loads(call.arguments or "{}").get("command", "")).split()) if last else ""
        return f"{command[:100]} → {last[:60]}"
    return first[:160]
