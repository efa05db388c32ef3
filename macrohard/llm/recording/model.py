"""Answers from a recording in the place of models, and recorded answers read with today's readers."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import orjson

from macrohard.domain import JsonObject
from macrohard.errors import ContextExceeded, ModelUnavailable, RequestError
from macrohard.llm import window
from macrohard.llm.chat import MODEL_ROLES, ModelRole, Reply
from macrohard.llm.endpoint import Endpoint
from macrohard.llm.failures import CallFailed, TooLong
from macrohard.llm.recording.alike import Likeness
from macrohard.llm.recording.cassette import Cassette, Departure, NotRecorded, Recorded, Replaying, same_call
from macrohard.llm.redaction import Redactor
from macrohard.llm.target import EndpointSettings, RoleTargets, Target, Wire

_Read = tuple[int, JsonObject, Sequence[str]]
"""An answer as it is read today: the number of its call, its message, and the ids of tool calls that had none."""
NOWHERE = "http://recorded.invalid/v1"
"""Stands for the address of an endpoint that is not asked."""


class RecordedModel:
    """A `ChatModel` whose answers come from a recording, each by the endpoint that gave it, attempt by attempt.

    There is no waiting between attempts, and no budget.
    """

    def __init__(self, cassette: Cassette, replaying: Replaying) -> None:
        self.cost_usd = 0.0
        self.answers = 0
        self.targets = targets_of(cassette)
        self._replaying = replaying

    async def reply(
        self, messages: Sequence[JsonObject], *, role: ModelRole, tools: Sequence[JsonObject], session_id: str
    ) -> Reply:
        """See `ChatModel.reply`.

        Raises:
            ModelUnavailable: the recording holds no answer, or the run had none either and paused.
        """
        recorded = self._replaying.upcoming(session_id)
        while True:
            target = self.targets[role][0] if recorded is None else target_of(recorded, self.targets)
            endpoint = Endpoint(target, self._replaying)
            try:
                reply = await endpoint.complete(endpoint.prepare(messages, tools, session_id=session_id))
            except CallFailed as error:
                if isinstance(error.__cause__, NotRecorded):
                    raise ModelUnavailable(f"replay: {error.__cause__}.") from error
                following = self._replaying.upcoming(session_id)
                if recorded is not None and following is not None and same_call(recorded, following):
                    recorded = following
                    continue
                if isinstance(error, TooLong):
                    raise ContextExceeded(str(error)) from error
                raise ModelUnavailable(f"replay: the run got no answer here either: {error}") from error
            self.answers += 1
            self.cost_usd += reply.usage.cost_usd
            return reply

    def context_tokens(self, role: ModelRole) -> int:
        """See `ChatModel.context_tokens`."""
        return window.context_tokens(self.targets[role])

    def prompt_tokens(self, role: ModelRole) -> int:
        """See `ChatModel.prompt_tokens`."""
        return window.prompt_tokens(self.targets[role])

    def sees(self, role: ModelRole) -> bool:
        """See `ChatModel.sees`."""
        return window.sees(self.targets[role])


def targets_of(cassette: Cassette) -> RoleTargets:
    """Where the roles' calls went when the run was last taken up.

    Raises:
        RequestError: the recording does not say.
    """
    if not cassette.taken_up:
        raise RequestError("the recording does not say which models were asked, so it is not one of a whole run")
    given = cassette.taken_up[-1].targets
    return {role: tuple(Target.model_validate(each) for each in given[role]) for role in MODEL_ROLES}


def target_of(recorded: Recorded, targets: RoleTargets) -> Target:
    """How an answer is read: by the endpoint as it was set up then, as far as that is known."""
    exchange = recorded.exchange
    for target in chain(*targets.values()):
        if (target.endpoint.name, target.model) == (exchange.endpoint, exchange.model):
            return target
    wire: Wire = "responses" if exchange.path.endswith("/responses") else "chat"
    return Target(endpoint=EndpointSettings(name=exchange.endpoint, base_url=NOWHERE, wire=wire), model=exchange.model)


class Reading(NamedTuple):
    """What came of reading recorded answers again."""

    answers: int
    cost_usd: float
    departures: tuple[Departure, ...]


async def read_again(
    cassette: Cassette, expected: Mapping[str, Sequence[JsonObject]], *, redactor: Redactor
) -> Reading:
    """Compare the answers, as they are read today, with the messages they became then, by session.

    An answer that became no message is left out: one that could not be read then either, or one that was not for the
    transcript. A message that no answer becomes is a departure.
    """
    targets = targets_of(cassette) if cassette.taken_up else {}
    departures: list[Departure] = []
    answers, cost_usd = 0, 0.0
    for session, attempts in cassette.that_counted().items():
        replaying = Replaying(
            Cassette(exchanges=tuple(attempts), taken_up=(), torn=0), redactor=redactor, compare=False
        )
        read: list[_Read] = []
        for attempt in attempts:
            endpoint = Endpoint(target_of(attempt, targets), replaying)
            try:
                reply = await endpoint.complete(endpoint.prepare([], [], session_id=attempt.exchange.session))
            except CallFailed:
                continue
            answers, cost_usd = answers + 1, cost_usd + reply.usage.cost_usd
            made = [call.id for call in reply.tool_calls if call.id not in attempt.exchange.answer]
            read.append((attempt.exchange.call, reply.message, made))
        departures += _unlike(session, [_redacted(each, redactor) for each in expected[session]], read)
    return Reading(answers, cost_usd, tuple(departures))


def _unlike(session: str, expected: Sequence[JsonObject], read: Sequence[_Read]) -> list[Departure]:
    departures = []
    at = 0
    for number, message in enumerate(expected):
        found = next((place for place in range(at, len(read)) if _same(message, *read[place][1:])), None)
        if found is not None:
            at = found + 1
            continue
        if at >= len(read):
            departures.append(Departure(session=session, call=number, what="the answer, which is not recorded"))
            continue
        call, now, _ = read[at]
        difference = Likeness().difference(message, now)
        departures.append(
            Departure(
                session=session,
                call=call,
                what="the answer",
                place=difference.place if difference else "",
                recorded=difference.recorded if difference else "",
                now=difference.now if difference else "",
            )
        )
        at += 1
    return departures


def _same(recorded: JsonObject, now: JsonObject, made: Sequence[str]) -> bool:
    """Whether they are the same, but for ids that the endpoint left out and the conversation decides about."""
    if not made:
        return recorded == now
    calls, others = recorded.get("tool_calls"), now.get("tool_calls")
    if not isinstance(calls, list) or not isinstance(others, list) or len(calls) != len(others):
        return False
    text = orjson.dumps(recorded).decode()
    for call, other in zip(calls, others, strict=True):
        if isinstance(call, dict) and isinstance(other, dict) and other["id"] in made:
            text = text.replace(f'"{call["id"]}"', f'"{other["id"]}"')
    return bool(orjson.loads(text) == now)


def _redacted(message: JsonObject, redactor: Redactor) -> JsonObject:
    redacted = orjson.loads(redactor.data(orjson.dumps(message)))
    assert isinstance(redacted, dict)
    return redacted
