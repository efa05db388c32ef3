"""Keeps what was sent to models and what came back, one line for each attempt, while a run goes on."""

import base64
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

import orjson
from pydantic import JsonValue

from macrohard import __version__
from macrohard.domain import JsonObject
from macrohard.llm.media import MediaPlan
from macrohard.llm.recording.fragments import Change, rewritten
from macrohard.llm.redaction import Redactor
from macrohard.llm.target import RoleTargets
from macrohard.llm.transport import Answer, Request, Transport, TransportFailed

HISTORIES = ("messages", "input")
"""What the two wires call the conversation in a request's body."""
KEPT_HEADERS = ("content-type", "retry-after", "retry-after-ms", "x-request-id", "request-id", "openai-processing-ms")
KEPT_PREFIXES = ("x-ratelimit-", "ratelimit")
REMEMBERED_BYTES = 64 << 20
"""Of last requests; a session that is forgotten is recorded in full again."""
_MODEL_MADE = frozenset({"reasoning", "function_call"})

Ending = Literal["complete", "broken", "cancelled"]
"""Complete: as far as the reader wanted it. Cancelled: nobody waited for it any more."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One attempt at one call: what was asked, as far as it is new, and what came back.

    Cassettes that are written by hand may leave out what has a default.
    """

    session: str
    endpoint: str
    model: str
    path: str
    answer: str
    encoded: bool = False
    """`answer` is base64, because it was no text."""
    call: int = 0
    """How many answers the conversation held already: the same when a killed run asks again."""
    attempt: int = 1
    """Of this call in this process."""
    earlier: int = 0
    """So many messages are those of the session's exchange before; `messages` follow them."""
    messages: list[JsonValue] = field(default_factory=list)
    settings: JsonObject | None = field(default_factory=dict)
    """The rest of the body but `tools`; None: as in the session's exchange before, like `tools`."""
    tools: list[JsonValue] | None = field(default_factory=list)
    status: int | None = 200
    """None: nothing came back."""
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    sizes: list[int] = field(default_factory=list)
    """Bytes of each chunk."""
    first_seconds: float = 0.0
    """Until the first chunk."""
    silence_seconds: float = 0.0
    """The longest wait between two chunks."""
    seconds: float = 0.0
    ended: Ending = "complete"
    problem: str = ""
    reply: JsonObject | None = None
    """How the answer is to be read, in cassettes that are written by hand: the assistant's message."""
    type: Literal["exchange"] = "exchange"


@dataclass(frozen=True)
class TakenUp:
    """A process went on with the run; `targets` are where its roles' calls went, without keys."""

    at: datetime
    version: str
    targets: dict[str, list[JsonObject]]
    media: JsonObject | None = None
    """Who was to make pictures and clips, without keys; these are not recorded here but as orders of the run."""
    type: Literal["taken up"] = "taken up"


def traffic_path(home: Path, run_id: str) -> Path:
    """Where a run's traffic is recorded."""
    return home / "runs" / run_id / "traffic.jsonl"


class Traffic:
    """The recording of one run, appended to; shared by the recorders of all its endpoints."""

    def __init__(self, path: Path, *, redactor: Redactor) -> None:
        self.redactor = redactor
        self.sessions = Sessions()
        self._path = path
        self._file: BinaryIO | None = None

    def append(self, exchange: Exchange) -> None:
        """Write the line; once this returns it is with the system, whatever becomes of this process."""
        self._write(exchange)

    def take_up(self, targets: RoleTargets, media: MediaPlan | None) -> None:
        """Say that a process goes on with the run, and where its calls go."""
        named: dict[str, list[JsonObject]] = {
            role: [target.model_dump(mode="json", exclude={"endpoint": {"api_key"}}) for target in found]
            for role, found in targets.items()
        }
        without_keys = {kind: {"endpoint": {"api_key"}} for kind in ("image", "video")}
        plan = media.model_dump(mode="json", exclude=without_keys) if media is not None else None
        self._write(TakenUp(at=datetime.now(UTC), version=__version__, targets=named, media=plan))

    def _write(self, line: Exchange | TakenUp) -> None:
        if self._file is None:
            self._file = _opened(self._path)
        self._file.write(self.redactor.data(orjson.dumps(line)) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _opened(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    file = path.open("ab")
    if file.tell():
        with path.open("rb") as written:
            written.seek(-1, 2)
            if written.read() != b"\n":
                file.write(b"\n")  # A killed process left half a line; the next one must not continue it.
    return file


class Recording:
    """A `Transport` that passes everything through, chunk by chunk, and writes every attempt down when it is over."""

    def __init__(self, inner: Transport, traffic: Traffic) -> None:
        self._inner, self._traffic = inner, traffic

    def post(self, request: Request) -> AbstractAsyncContextManager[Answer]:
        """See `Transport.post`."""
        return self._post(request)

    @asynccontextmanager
    async def _post(self, request: Request) -> AsyncIterator[Answer]:
        asked = self._traffic.sessions.take(request)
        heard = _Heard(began=time.monotonic())
        ended: Ending = "cancelled"
        try:
            async with self._inner.post(request) as answer:
                heard.status, heard.headers = answer.status, answer.headers
                yield Answer(status=answer.status, headers=answer.headers, chunks=heard.through(answer.chunks))
            ended = "broken" if heard.problem else "complete"
        except TransportFailed as error:
            ended, heard.problem = "broken", str(error)
            raise
        except Exception:
            # It came, and the reader made nothing of it.
            ended = "broken" if heard.problem else "complete"
            raise
        finally:
            self._traffic.append(self._exchange(request, asked, heard, ended))

    def _exchange(self, request: Request, asked: "Asked", heard: "_Heard", ended: Ending) -> Exchange:
        answer, encoded = self._text(b"".join(heard.chunks), asked)
        return Exchange(
            session=request.session_id,
            call=asked.call,
            attempt=asked.attempt,
            endpoint=request.endpoint,
            model=asked.model,
            path=request.path,
            earlier=asked.earlier,
            messages=asked.messages,
            settings=asked.settings,
            tools=asked.tools,
            status=heard.status,
            headers={
                name: value
                for name, value in heard.headers.items()
                if name in KEPT_HEADERS or name.startswith(KEPT_PREFIXES)
            },
            answer=answer,
            encoded=encoded,
            sizes=[len(chunk) for chunk in heard.chunks],
            first_seconds=round(heard.first, 4),
            silence_seconds=round(heard.silence, 4),
            seconds=round(time.monotonic() - heard.began, 4),
            ended=ended,
            problem=heard.problem,
        )

    def _text(self, body: bytes, asked: "Asked") -> tuple[str, bool]:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return base64.b64encode(self._traffic.redactor.data(body)).decode(), True
        # A model that was told a secret may say it again, a few letters in each event.
        if asked.told_secrets(self._traffic.redactor):
            text = rewritten(text, self._secrets)
        return text, False

    def _secrets(self, text: str) -> list[Change]:
        safe = self._traffic.redactor.text(text)
        if safe == text:
            return []
        limit = min(len(safe), len(text))
        start = next((at for at in range(limit) if safe[at] != text[at]), limit)
        tail = next((at for at in range(limit - start) if safe[-1 - at] != text[-1 - at]), limit - start)
        return [Change(start, len(text) - tail, safe[start : len(safe) - tail])]

    async def close(self) -> None:
        """See `Transport.close`."""
        await self._inner.close()


class _Heard:
    """What came back so far."""

    def __init__(self, began: float) -> None:
        self.began = self._last = began
        self.status: int | None = None
        self.headers: Mapping[str, str] = {}
        self.chunks: list[bytes] = []
        self.first = self.silence = 0.0
        self.problem = ""

    async def through(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for chunk in chunks:
                now = time.monotonic()
                if self.chunks:
                    self.silence = max(self.silence, now - self._last)
                else:
                    self.first = now - self.began
                self._last = now
                self.chunks.append(chunk)
                yield chunk
        except TransportFailed as error:
            self.problem = str(error)  # The reader may be content with what it has.
            raise


class Asked:
    """What a request says that the session's request before did not."""

    def __init__(self, body: JsonObject, *, history: str | None, earlier: int, call: int, attempt: int) -> None:
        self.earlier, self.call, self.attempt = earlier, call, attempt
        given = body.get(history, []) if history else []
        self.messages: list[JsonValue] = given if isinstance(given, list) else [given]
        tools = body.get("tools")
        self.tools: list[JsonValue] | None = tools if isinstance(tools, list) else []
        self.settings: JsonObject | None = {
            name: value for name, value in body.items() if name not in (history, "tools")
        }
        self.model = str(body.get("model", ""))
        self._secret: bool | None = None
        self.before: Asked | None = None

    def told_secrets(self, redactor: Redactor) -> bool:
        """Whether the conversation, as far as it is remembered, holds a secret."""
        if self._secret is None:
            told = orjson.dumps(self.messages)
            self._secret = redactor.data(told) != told or (
                self.before is not None and self.before.told_secrets(redactor)
            )
            self.before = None
        return self._secret


@dataclass
class _Session:
    body: bytes
    history: str | None
    count: int
    """Of the messages in the body."""
    call: int
    attempt: int
    suffix: int | None
    """Bytes of the body from the end of the conversation on; None: not yet known."""
    asked: Asked
    settings: JsonObject
    tools: list[JsonValue]


class Sessions:
    """The last request of each session.

    A conversation only grows, so its next request begins with the bytes of the one before: only what follows them is
    parsed. Parsing 200 messages of 2 kB each time would cost 0.4 ms.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[str, _Session] = OrderedDict()
        self._bytes = 0

    def take(self, request: Request) -> Asked:
        before = self._last.pop(request.session_id, None)
        if before is not None:
            self._bytes -= len(before.body)
        session = self._continued(before, request.body) if before is not None else None
        if session is None:
            session = _whole(request.body)
        if before is not None:
            asked = session.asked
            if before.call == session.call:
                session.attempt = asked.attempt = before.attempt + 1
            if session.history is not None:
                # Requests without a conversation may be under way side by side.
                asked.settings = None if session.settings == before.settings else asked.settings
                asked.tools = None if session.tools == before.tools else asked.tools
            asked.before = before.asked
        self._last[request.session_id] = session
        self._bytes += len(session.body)
        while self._bytes > REMEMBERED_BYTES and len(self._last) > 1:
            _, oldest = self._last.popitem(last=False)
            self._bytes -= len(oldest.body)
        return session.asked

    def _continued(self, before: _Session, body: bytes) -> _Session | None:
        """The new state if `body` is that of `before` with messages added, or none added; else None."""
        if before.history is None:
            return None
        if body == before.body:
            same = {before.history: [], "tools": before.tools, **before.settings}
            asked = Asked(same, history=before.history, earlier=before.count, call=before.call, attempt=before.attempt)
            return _Session(
                body, before.history, before.count, before.call, before.attempt, before.suffix, asked,
                before.settings, before.tools,
            )  # fmt: skip
        at = len(before.body) - before.suffix if before.suffix else 0
        if not before.suffix or not body.startswith(before.body[:at]):
            at = _common(before.body, body)
        if before.body[at : at + 1] != b"]" or body[at : at + 1] != b",":
            return None
        try:
            rest = orjson.loads(b'{"' + before.history.encode() + b'":[' + body[at + 1 :])
        except orjson.JSONDecodeError:
            return None
        added = rest[before.history]
        # What stands before the conversation is the same to the byte; a value that also stands behind it is newer.
        settings = {name: value for name, value in rest.items() if name not in (before.history, "tools")}
        tools = rest.get("tools", before.tools)
        call = before.call + _answers(added)
        merged = {**before.settings, **settings, "tools": tools, before.history: added}
        asked = Asked(merged, history=before.history, earlier=before.count, call=call, attempt=1)
        return _Session(
            body, before.history, before.count + len(added), call, 1, len(before.body) - at, asked,
            {**before.settings, **settings}, tools,
        )  # fmt: skip


def _whole(body: bytes) -> _Session:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        parsed = {"body": base64.b64encode(body).decode()}
    content: JsonObject = parsed if isinstance(parsed, dict) else {"body": parsed}
    history = next((name for name in HISTORIES if isinstance(content.get(name), list)), None)
    given = content[history] if history else []
    assert isinstance(given, list)
    asked = Asked(content, history=history, earlier=0, call=_answers(given), attempt=1)
    assert asked.settings is not None
    assert asked.tools is not None
    return _Session(body, history, len(given), asked.call, 1, None, asked, asked.settings, asked.tools)


def _answers(messages: list[JsonValue]) -> int:
    """How many answers of a model these are; on the Responses wire one answer is several items in a row."""
    made = [
        isinstance(message, dict) and (message.get("role") == "assistant" or message.get("type") in _MODEL_MADE)
        for message in messages
    ]
    return sum(is_made and not (at and made[at - 1]) for at, is_made in enumerate(made))


def _common(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
