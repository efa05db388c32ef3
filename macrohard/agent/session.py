"""One agent at work on one assignment: a plain loop over model, tools and transcript."""

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import PurePosixPath

from pydantic import ValidationError

from macrohard.agent import advice
from macrohard.agent.bench import Answer, Bench, Colleagues
from macrohard.agent.briefing import briefing
from macrohard.agent.compaction import Room, compacted, room_for
from macrohard.agent.conversation import ERROR, Conversation, in_one_line
from macrohard.agent.definition import AgentDefinition
from macrohard.agent.outputs import Outputs, answer_limit, excerpt, readable
from macrohard.agent.pictures import Pictures, picture_message, without_pictures
from macrohard.agent.repair import BadArguments, complaint, cut_off, parameters_of, parsed, unknown_tool, with_example
from macrohard.agent.tools import TOOLS, function_schema, names_with_more
from macrohard.agent.transcript import Entry, Inbox, Note, Nudge, Output, TranscriptLog
from macrohard.agent.watch import Watch
from macrohard.domain import Artifacts, Assignment, JsonObject, Picture, SessionOutcome, SessionResult, Value
from macrohard.domain.run import Assumed
from macrohard.errors import ContextExceeded, ToolError
from macrohard.events import Emit, ModelCalled, Progress, SessionEnded, SessionStarted, ToolUsed
from macrohard.llm import ChatModel, ModelRole, Reply, ToolCall

FINISH = "finish"
REFUSALS_AT_MOST = 4
"""So many requests in a row that the model finds too long, each shorter than the one before, end a session."""
NEAR_TURNS, NEAR_SHARE = 5, 0.85
"""An agent is told that a limit is near when so many turns are left (of few, a quarter), or so much is used up."""
WEAKER: tuple[ModelRole, ...] = ("fast", "judge")
"""Roles whose sessions the role `strong` takes over once when they are stuck; those who look need models that see."""

PICTURES_SHOWN = "With its outline, `{}` shows you a picture of the window."
NO_PICTURES = "The model behind you takes no pictures: `{}` gives you the outline only."

OpenBench = Callable[[str | None], AbstractAsyncContextManager[Bench]]
"""Sets a bench up, in the state that was saved as a commit if one is given."""
Check = Callable[[Value], Awaitable[None] | None]
"""May raise a ToolError about a report that has the right form and the wrong content."""


class _Ends(Exception):
    """The session is over without a report."""

    def __init__(self, outcome: SessionOutcome, problem: str) -> None:
        super().__init__(problem)
        self.outcome, self.problem = outcome, problem


class Session:
    """Carries out one assignment, or goes on with it where a killed process left it.

    Every reply of the model is in the transcript before its calls are carried out, and every round of calls before the
    next reply is asked for, together with the commit that holds the files. A round that was cut off is carried out
    again on the files as they were before it: nothing is lost, and no model call is repeated.

    Before a request would be longer than the model reads well, the conversation is made shorter, which is an entry too:
    see `macrohard.agent.compaction`. Between two such entries it only grows at its end.
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
        artifacts: Artifacts,
        emit: Emit,
        check: Check | None = None,
        colleagues: Colleagues | None = None,
        inbox: Inbox | None = None,
    ) -> None:
        self._inbox, self._heard = inbox, 0
        self._colleagues = colleagues
        self._agent, self._assignment, self._iteration = agent, assignment, iteration
        self._report, self._check = report, check
        self._model, self._transcripts, self._emit = model, transcripts, emit
        self._names = names_with_more(agent.tools)
        self._parameters = {name: TOOLS[name].parameters for name in self._names} | {FINISH: parameters_of(report)}
        self._tools = (*(TOOLS[name].schema for name in self._names), self._finish_schema())
        self._conversation = Conversation(self._tools)
        limit = answer_limit(model.prompt_tokens(agent.model))
        self._outputs = Outputs(artifacts, self._conversation.outputs, limit_characters=limit)
        self._pictures = Pictures(artifacts)
        self._role: ModelRole = agent.model
        self._calls = 0
        self._cost = 0.0
        self._saved: str | None = None
        self._watch = Watch()
        self._near: set[Nudge] = set()
        """The limits that the agent was told of."""
        self._folder: str | None = None
        self._lost = ""
        """What a session that goes on has to be told that it lost."""
        self._began = time.monotonic()

    @property
    def _sees(self) -> bool:
        return self._looks_by(self._role) is not None and self._model.sees(self._role)

    def _looks_by(self, role: ModelRole) -> str | None:
        """The tool whose pictures are shown to who has this role; None: none is."""
        if "look_at_page" in self._names:
            return "look_at_page"
        return "look" if role == "vision" and "look" in self._names else None

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
        async with open_bench(self._saved) as bench:
            bench.outputs, bench.takes_pictures = self._outputs, self._sees
            bench.skills = self._agent.skills
            bench.colleagues, bench.asked = self._colleagues, self._conversation.asked
            self._watch.writes = bench.workspace is not None
            if self._folder is not None:
                bench.shell.folder = PurePosixPath(self._folder)
            if entries:
                self._lost = self._conversation.lost
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
                assumed=_assumed(result),
            )
        )

    async def _loop(self, bench: Bench) -> SessionResult:
        try:
            while True:
                conversation = self._conversation
                if conversation.refusal is not None:
                    raise _Ends("failed", f"the model refused: {conversation.refusal or 'it gave no reason'}")
                if conversation.pending:
                    if (finished := await self._carry_out(conversation.pending, bench)) is not None:
                        return finished
                    continue
                note = await self._next_note()
                self._end_at_limit()
                if (entry := advice.from_person(note) if note else self._advice()) is not None:
                    await self._record(entry)
                else:
                    await self._ask(bench)
        except _Ends as end:
            result = self._result(end.outcome, bench, problem=end.problem)
            await self._record(Entry(result=result))
            return result

    async def _next_note(self) -> Note | None:
        """What a person said to the session and it has not heard yet.

        Raises:
            _Ends: a person stopped it.
        """
        if self._inbox is None:
            return None
        unheard = (await self._inbox(self._assignment.session_id))[self._heard :]
        for note in unheard:
            if note.stop:
                raise _Ends("limit", f"{note.by} stopped it{f': {note.text}' if note.text else ''}")
        return unheard[0] if unheard else None

    @property
    def _used(self) -> tuple[tuple[Nudge, str, float, float], ...]:
        """Of each limit: its name, in words, what is used, what is allowed."""
        limits, seconds = self._agent.limits, time.monotonic() - self._began
        return (
            ("turns", "turns", float(self._calls), float(limits.turns)),
            ("cost", "cost in USD", self._cost, limits.cost_usd),
            ("seconds", "seconds", seconds, float(limits.seconds)),
        )

    def _end_at_limit(self) -> None:
        for _, limit, used, allowed in self._used:
            if used >= allowed:
                raise _Ends("limit", f"{limit}: {allowed:g} used up")

    def _advice(self) -> Entry | None:
        """What the agent has to be told before it is asked; None: nothing, ask it.

        Raises:
            _Ends: it repeats itself, whatever it was told.
        """
        if self._lost:
            lost, self._lost = self._lost, ""
            return advice.went_on(lost)
        if (trouble := self._watch.trouble) is not None:
            return self._otherwise(trouble)
        if self._conversation.said[-1].role == "assistant":
            return advice.go_on(cut_off_tokens=self._conversation.cut_off_tokens)
        for nudge, limit, used, allowed in self._used:
            few = max(1, min(NEAR_TURNS, allowed // 4)) if nudge == "turns" else (1 - NEAR_SHARE) * allowed
            if used and nudge not in self._near and allowed - used <= few:
                return advice.near(nudge, limit, left=allowed - used, allowed=allowed)
        return None

    def _otherwise(self, trouble: str) -> Entry:
        """Another approach, or another model.

        Raises:
            _Ends: both were tried.
        """
        if not self._watch.told and not self._watch.silent:
            return advice.another_approach(trouble)
        if self._role in WEAKER:
            return advice.taken_over(trouble)
        tried = ["told to try another approach"] if self._watch.told else []
        tried += ["taken over by the role strong"] if self._role != self._agent.model else []
        raise _Ends("stuck", "; before that: ".join([trouble, *([", ".join(tried)] if tried else [])]))

    async def _ask(self, bench: Bench) -> None:
        """Record the model's next answer; the conversation is made shorter first if it has to be."""
        conversation, refusals = self._conversation, 0
        while True:
            room = self._room(refusals)
            if refusals or conversation.tokens > room.limit:
                await self._shorten(room, bench)
            try:
                reply = await self._reply(conversation.messages, self._tools)
            except ContextExceeded as error:
                refusals += 1
                if refusals > REFUSALS_AT_MOST:
                    raise _Ends("limit", f"the model found it too long {refusals} times: {error}") from error
                conversation.ceiling = min(conversation.ceiling or conversation.tokens, int(0.75 * conversation.tokens))
                continue
            usage = reply.usage
            await self._record(
                Entry(
                    messages=(reply.message,),
                    cost_usd=usage.cost_usd,
                    calls=1,
                    input_tokens=usage.input_tokens,
                    cut_off_tokens=max(usage.output_tokens, 1) if reply.finish == "length" else 0,
                    refused=reply.finish == "refused",
                )
            )
            await self._tell_call(reply)
            return

    def _room(self, refusals: int) -> Room:
        role = self._role
        prompt, context = self._model.prompt_tokens(role), self._model.context_tokens(role)
        room = room_for(self._conversation, prompt_tokens=prompt, context_tokens=context, refusals=refusals)
        if room is None:
            raise _Ends(
                "limit",
                f"the assignment alone takes about {self._conversation.head_tokens:,} tokens, and the smallest model "
                f"of the role {role} reads {self._conversation.ceiling or context:,} at once, its answer included: "
                "name a model with a larger window for this role, or state the requirement in smaller parts",
            )
        return room

    async def _shorten(self, room: Room, bench: Bench) -> None:
        """Make the conversation fit, and record how."""
        conversation, before = self._conversation, self._conversation.tokens
        changes = bench.workspace.changes if bench.workspace is not None else _nothing
        entry, reply = await compacted(conversation, room, outputs=self._outputs, changes=changes, ask=self._reply)
        await self._record(entry)
        if reply is not None:
            await self._tell_call(reply)
        assert entry.compaction is not None, "that is what was asked for"
        how = "notes" if entry.compaction.by == "notes" else "stubs and artifacts"
        told = f"about {before:,} to {conversation.tokens:,} tokens; {entry.compaction.replaced} messages became {how}"
        await self._emit(Progress(text=f"{self._agent.name} ({self._assignment.session_id}) shortened from {told}"))
        if conversation.tokens > room.most:
            raise _Ends("limit", f"the conversation has {conversation.tokens:,} tokens and cannot be made shorter")

    async def _reply(self, messages: list[JsonObject], tools: Sequence[JsonObject]) -> Reply:
        if self._conversation.pictures and self._sees:
            messages = await self._pictures.laid_in(messages)
        elif self._conversation.pictures:
            messages = [without_pictures(message) for message in messages]
        return await self._model.reply(messages, role=self._role, tools=tools, session_id=self._assignment.session_id)

    async def _tell_call(self, reply: Reply) -> None:
        await self._emit(
            ModelCalled(
                session_id=self._assignment.session_id,
                endpoint=reply.endpoint,
                model=reply.model,
                asked=reply.asked,
                finish=reply.finish,
                input_tokens=reply.usage.input_tokens,
                cached_tokens=reply.usage.cached_tokens,
                output_tokens=reply.usage.output_tokens,
                reasoning_tokens=reply.usage.reasoning_tokens,
                cost_usd=reply.usage.cost_usd,
                seconds=reply.usage.seconds,
            )
        )

    async def _carry_out(self, calls: Sequence[ToolCall], bench: Bench) -> SessionResult | None:
        """Run one round of calls and record their answers as one entry, with the result if the agent finished."""
        answers: list[JsonObject] = []
        outputs: list[Output] = []
        pictures: list[Picture] = []
        told: list[ToolUsed] = []
        report: JsonObject | None = None
        for call in calls:
            began_at, began = datetime.now(UTC), time.monotonic()
            try:
                arguments = self._arguments(call)
                if call.name == FINISH:
                    if len(calls) > 1:
                        raise ToolError("read the answers to your other calls first, then call finish alone")
                    report = await self._checked(arguments)
                    answer = Answer(text="accepted")
                else:
                    answer = await TOOLS[call.name](bench, arguments)
                text, ok = readable(answer.text), True
                pictures += answer.pictures
            except BadArguments as error:
                text, ok = readable(f"{ERROR}{self._taught(call.name, error)}"), False
            except ToolError as error:
                text, ok = readable(f"{ERROR}{error}"), False
            whole = answer.whole if ok else ""
            if len(text) > self._outputs.limit_characters or whole:
                digest = await self._outputs.keep(readable(whole) or text)
                kept = [*self._conversation.outputs, *(output.digest for output in outputs)]
                # The same answer has the same name, so that somebody who goes round in circles is noticed.
                if digest not in kept:
                    outputs.append(Output(message=len(answers), digest=digest))
                    kept.append(digest)
                name = f"output-{kept.index(digest) + 1}"
                if whole:
                    text += f"\n(the whole output is {name}: read it with `more`)"
                else:
                    text = excerpt(text, name, limit_characters=self._outputs.limit_characters)
            answers.append({"role": "tool", "tool_call_id": call.id, "content": text})
            told.append(
                ToolUsed(
                    session_id=self._assignment.session_id,
                    tool=call.name,
                    summary=in_one_line(call, text),
                    ok=ok,
                    began_at=began_at,
                    seconds=time.monotonic() - began,
                )
            )
        saved = None
        if bench.workspace is not None:
            try:
                saved = await bench.workspace.save(said=str(report.get("summary", "")) if report else "")
            except ToolError as error:
                report = None
                answers[-1]["content"] = f"{ERROR}the product's files could not be taken over: {error}"
        if pictures:
            answers.append(picture_message(pictures))
        self._saved = saved or self._saved
        result = self._result("finished", bench, report=report) if report is not None else None
        folder = str(bench.folder)
        await self._record(
            Entry(
                messages=tuple(answers),
                outputs=tuple(outputs),
                snapshot=saved,
                folder=folder if folder != (self._folder or str(bench.root)) else None,
                result=result,
            )
        )
        for event in told:
            await self._emit(event)
        return result

    def _arguments(self, call: ToolCall) -> JsonObject:
        """What the call is to be carried out with.

        Raises:
            ToolError: there is no such tool, or the call is not whole.
        """
        if call.name not in self._parameters:
            raise unknown_tool(call.name, (*self._names, FINISH))
        try:
            return parsed(call.arguments)
        except BadArguments as error:
            if tokens := self._conversation.cut_off_tokens:
                raise cut_off(tokens) from error
            raise

    def _taught(self, name: str, error: BadArguments) -> str:
        """What is wrong in full the first time; for the second time in a row shorter, with an example."""
        if name not in self._conversation.badly_called:
            return str(error)
        return with_example(error.brief, self._parameters[name])

    async def _checked(self, arguments: JsonObject) -> JsonObject:
        try:
            report = self._report.model_validate(arguments)
        except ValidationError as error:
            raise complaint(error, self._parameters[FINISH]) from error
        if self._check is not None and (checking := self._check(report)) is not None:
            await checking
        return report.model_dump(mode="json")

    def _result(
        self, outcome: SessionOutcome, bench: Bench, *, report: JsonObject | None = None, problem: str = ""
    ) -> SessionResult:
        assumed = self._conversation.assumptions
        return SessionResult(
            session_id=self._assignment.session_id,
            outcome=outcome,
            commit=self._saved,
            report=report or {},
            record={**bench.record(), **({"assumptions": [*assumed]} if assumed else {})},
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
            self._conversation.recall(entry)
            self._calls += entry.calls
            self._cost += entry.cost_usd
            self._saved = entry.snapshot or self._saved
            self._folder = entry.folder or self._folder
            self._role = entry.role or self._role
            if entry.nudge is not None:
                self._near.add(entry.nudge)
                self._heard += entry.nudge == "person"
            self._watch.recall(entry, self._conversation.said[-len(entry.messages) :] if entry.messages else ())

    async def _repeat_visit(self, bench: Bench) -> None:
        """Walk a resumed visitor to where they were: a browser cannot be kept over the death of its process."""
        for call in self._conversation.visited:
            try:
                await TOOLS[call.name](bench, parsed(call.arguments))
            except ToolError:
                continue  # It was told to the agent the first time.

    def _system(self) -> JsonObject:
        return {"role": "system", "content": self._agent.prompt}

    def _opening(self) -> JsonObject:
        content = briefing(self._assignment)
        if (tool := self._looks_by(self._agent.model)) is not None:
            content += f"\n\n{(PICTURES_SHOWN if self._sees else NO_PICTURES).format(tool)}"
        return {"role": "user", "content": content}

    def _finish_schema(self) -> JsonObject:
        description = f"Hand in your report and end the session. {self._report.__doc__ or ''}".strip()
        return function_schema(FINISH, description, self._parameters[FINISH])


async def _nothing() -> str:
    return ""


def _assumed(result: SessionResult) -> tuple[Assumed, ...]:
    given = result.record.get("assumptions")
    return tuple(Assumed.model_validate(each) for each in given) if isinstance(given, list) else ()
