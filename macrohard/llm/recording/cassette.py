"""Reads recordings, and answers from them in the place of an endpoint."""

import base64
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson
from pydantic import JsonValue, TypeAdapter, ValidationError

from macrohard.domain import JsonObject, Value
from macrohard.errors import RequestError
from macrohard.llm.recording.alike import Difference, Likeness
from macrohard.llm.recording.fragments import Change, rewritten
from macrohard.llm.recording.recorder import HISTORIES, Exchange, TakenUp
from macrohard.llm.redaction import MARK, Redactor
from macrohard.llm.transport import Answer, Request, TransportFailed

_EXCHANGE, _TAKEN_UP = TypeAdapter(Exchange), TypeAdapter(TakenUp)

OnDeparture = Literal["stop", "go-on"]


class NotRecorded(TransportFailed):
    """The recording holds no answer to this request, or the request departs and the replay was to stop there."""


class Departure(Value):
    """Where a replay is not as the recording."""

    session: str
    """Without the run's id; empty: the run as a whole."""
    call: int | None
    """How many answers the session had before; None: not of one call."""
    what: str
    """E.g. "message 3 (tool)", "tools", "no answer recorded"."""
    place: str = ""
    """Within it, e.g. `content`."""
    recorded: str = ""
    now: str = ""


@dataclass(frozen=True)
class Recorded:
    """An attempt as it was recorded, with the whole request."""

    exchange: Exchange
    session: str
    """Without the run's id."""
    messages: Sequence[JsonValue]
    settings: Mapping[str, JsonValue]
    tools: Sequence[JsonValue]

    @property
    def succeeded(self) -> bool:
        """A whole answer came back that was no refusal."""
        return self.exchange.ended == "complete" and self.exchange.status == 200

    def body(self) -> bytes:
        """The answer as it arrived."""
        return base64.b64decode(self.exchange.answer) if self.exchange.encoded else self.exchange.answer.encode()


@dataclass(frozen=True)
class Cassette:
    """A recording as it was read."""

    exchanges: tuple[Recorded, ...]
    taken_up: tuple[TakenUp, ...]
    torn: int
    """Lines that were cut off when a process was killed."""

    def that_counted(self) -> dict[str, list[Recorded]]:
        """Of each session the attempts that the run heard to their end, in order.

        Left out are attempts that were cancelled, and answers that a killed process did not live to make use of: the
        next process asked the same again.
        """
        sessions: dict[str, list[Recorded]] = {}
        for recorded in self.exchanges:
            if recorded.exchange.ended != "cancelled":
                sessions.setdefault(recorded.session, []).append(recorded)
        return {
            session: [
                one
                for one, following in zip(attempts, [*attempts[1:], None], strict=True)
                if not (one.succeeded and following is not None and _asked_anew(one, following))
            ]
            for session, attempts in sessions.items()
        }


def _asked_anew(one: Recorded, other: Recorded) -> bool:
    if other.exchange.attempt > one.exchange.attempt:
        return False  # by the same process, which could not read the answer
    return same_call(one, other)


def same_call(one: Recorded, other: Recorded) -> bool:
    """Whether both are attempts at the same call."""
    if one.exchange.call != other.exchange.call:
        return False
    # Asked at another endpoint, in its words, it is the same call all the same.
    return one.exchange.path != other.exchange.path or one.messages == other.messages


def read_cassette(path: Path) -> Cassette:
    """The recording in a file.

    Raises:
        RequestError: there is no such file, or a whole line of it is no line of a recording.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RequestError(f"there is no recording {path} ({error.strerror})") from error
    exchanges: list[Recorded] = []
    taken_up: list[TakenUp] = []
    last: dict[str, Recorded] = {}
    torn = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            content = orjson.loads(line)
        except orjson.JSONDecodeError:
            torn += 1
            continue
        try:
            if isinstance(content, dict) and content.get("type") == "taken up":
                taken_up.append(_TAKEN_UP.validate_python(content))
                continue
            exchange = _EXCHANGE.validate_python(content)
        except ValidationError as error:
            wrong = error.errors()[0]
            raise RequestError(f"{path}, line {number}: {wrong['msg']}, at {wrong['loc']}") from None
        recorded = _complete(exchange, last.get(exchange.session), f"{path}, line {number}")
        last[exchange.session] = recorded
        exchanges.append(recorded)
    return Cassette(tuple(exchanges), tuple(taken_up), torn)


def _complete(exchange: Exchange, before: Recorded | None, where: str) -> Recorded:
    """The exchange with what it left out because the one before had it."""
    if before is None and (exchange.earlier or exchange.settings is None or exchange.tools is None):
        raise RequestError(f"{where}: it goes on from a line that is missing")
    messages, settings, tools = list(exchange.messages), exchange.settings, exchange.tools
    if before is not None:
        messages = [*before.messages[: exchange.earlier], *messages]
        settings = dict(before.settings) if settings is None else settings
        tools = list(before.tools) if tools is None else tools
    return Recorded(exchange, local_name(exchange.session), messages, settings or {}, tools or [])


def local_name(session_id: str) -> str:
    """A session's id without the run's, so that it is the same in a replay."""
    return session_id.partition("/")[2] or session_id


class Replaying:
    """A `Transport` that answers each session's requests with what was recorded, attempt by attempt, in order.

    Requests are compared with the recorded ones; where they depart is noted, and the recorded answer is given all the
    same, unless it is to stop there. Ids in recorded answers, such as commits, are changed into their present
    counterparts.
    """

    def __init__(
        self, cassette: Cassette, *, redactor: Redactor, on_departure: OnDeparture = "go-on", compare: bool = True
    ) -> None:
        self.departures: list[Departure] = []
        self.likeness = Likeness()
        self._waiting = {session: deque(attempts) for session, attempts in cassette.that_counted().items()}
        self._redactor, self._on_departure, self._compare = redactor, on_departure, compare

    def upcoming(self, session_id: str) -> Recorded | None:
        """What the session's next request is answered with; None: nothing is left."""
        waiting = self._waiting.get(local_name(session_id))
        return waiting[0] if waiting else None

    def unused(self) -> dict[str, int]:
        """How many recorded attempts nobody asked for, by session."""
        return {session: len(waiting) for session, waiting in self._waiting.items() if waiting}

    def post(self, request: Request) -> AbstractAsyncContextManager[Answer]:
        """See `Transport.post`.

        Raises:
            NotRecorded: there is no answer to this request.
        """
        return self._post(request)

    @asynccontextmanager
    async def _post(self, request: Request) -> AsyncIterator[Answer]:
        session = local_name(request.session_id)
        recorded = self.upcoming(request.session_id)
        if recorded is None:
            call = _conversation(_parsed(request.body))[1]
            what = f"no answer is recorded ({len(call)} messages)" if call else "no answer is recorded"
            self.departures.append(Departure(session=session, call=None, what=what))
            raise NotRecorded(f"the recording holds no further answer for session {session}")
        if self._compare and (found := self._departure(request, recorded)) is not None:
            self.departures.append(found)
            if self._on_departure == "stop":
                raise NotRecorded(f"session {session}, call {found.call}: {found.what} is not as recorded")
        self._waiting[session].popleft()
        exchange = recorded.exchange
        if exchange.status is None:
            raise TransportFailed(exchange.problem or "nothing came back")
        yield Answer(status=exchange.status, headers=exchange.headers, chunks=self._chunks(recorded))

    async def _chunks(self, recorded: Recorded) -> AsyncIterator[bytes]:
        exchange = recorded.exchange
        content = recorded.body()
        if not exchange.encoded:
            content = rewritten(exchange.answer, self._renewals).encode()
        # What was changed may be longer or shorter; the last chunk takes what is over.
        at = 0
        for size in exchange.sizes[:-1]:
            if piece := content[at : at + size]:
                yield piece
            at += size
        if rest := content[at:]:
            yield rest
        if exchange.ended == "broken":
            raise TransportFailed(exchange.problem or "the connection broke")

    def _renewals(self, text: str) -> list[Change]:
        return [Change(*change) for change in self.likeness.renewed(text)]

    def _departure(self, request: Request, recorded: Recorded) -> Departure | None:
        exchange = recorded.exchange

        def departure(what: str, difference: Difference) -> Departure:
            return Departure(
                session=recorded.session,
                call=exchange.call,
                what=what,
                place=difference.place,
                recorded=difference.recorded,
                now=difference.now,
            )

        if request.path != exchange.path:
            return departure("the wire", Difference("", exchange.path, request.path))
        body = _parsed(request.body)
        history, messages = _conversation(body)
        for number, (one, other) in enumerate(zip(recorded.messages, messages, strict=False)):
            if number < exchange.earlier:
                continue  # compared when the session sent it first
            if (difference := self._difference(one, other)) is not None:
                return departure(f"message {number} ({_kind(other)})", difference)
        if len(messages) != len(recorded.messages):
            return departure("the number of messages", Difference("", str(len(recorded.messages)), str(len(messages))))
        tools = body.get("tools")
        if (difference := self._difference(list(recorded.tools), tools if isinstance(tools, list) else [])) is not None:
            return departure("tools", difference)
        settings = {name: value for name, value in body.items() if name not in (history, "tools")}
        if (difference := self._difference(dict(recorded.settings), settings)) is not None:
            return departure("settings of the request", difference)
        return None

    def _difference(self, one: JsonValue, other: JsonValue) -> Difference | None:
        if one == other:
            return None
        difference = self.likeness.difference(one, orjson.loads(self._redactor.data(orjson.dumps(other))))
        # A secret that is not known any more cannot be taken out of the present request.
        return None if difference is not None and _only_redacted(difference) else difference

    async def close(self) -> None:
        """There is nothing to let go of."""


def _only_redacted(difference: Difference) -> bool:
    before, mark, after = difference.recorded.partition(MARK)
    before, after = before.lstrip("…"), after.rstrip("…")
    return bool(mark) and before in difference.now and after[:20] in difference.now


def _parsed(body: bytes) -> JsonObject:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {"body": base64.b64encode(body).decode()}
    return parsed if isinstance(parsed, dict) else {"body": parsed}


def _conversation(body: JsonObject) -> tuple[str | None, list[JsonValue]]:
    for name in HISTORIES:
        if isinstance(found := body.get(name), list):
            return name, found
    return None, []


def _kind(message: JsonValue) -> str:
    if not isinstance(message, dict):
        return "text"
    return str(message.get("role") or message.get("type") or "?")
