"""Finds out by tiny requests what a model at an endpoint understands, so that nothing else is ever sent."""

import asyncio
import base64
import dataclasses
import json
import struct
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import orjson

from macrohard.domain import JsonObject
from macrohard.llm.chat import Reply
from macrohard.llm.endpoint import Endpoint
from macrohard.llm.failures import CallFailed, Interrupted, Rejected, Throttled
from macrohard.llm.models.served import ANSWER_SECONDS, context_size, listed_models
from macrohard.llm.redaction import Redactor
from macrohard.llm.target import Capabilities, Effort, Finding, ProbeResult, Target
from macrohard.llm.transport import TransportFailed
from macrohard.llm.transport.http import HttpTransport

SHORT_TOKENS, LONG_TOKENS = 64, 1000
"""Of an answer, where only its coming counts, and where it must be read: models that think need room for it."""
MOST_CALLS = 24
"""Two tries where an answer is to be read, and one for each other question."""
LONGEST_WAIT_SECONDS = 20.0
"""When an endpoint has no room."""

_PLAIN = Capabilities(streaming_usage=False, temperature=False)
_READY: list[JsonObject] = [{"role": "user", "content": "Answer with the one word: ready"}]
_NOTE: JsonObject = {
    "type": "function",
    "function": {
        "name": "note",
        "description": "Write one word down.",
        "parameters": {
            "type": "object",
            "properties": {"word": {"type": "string", "description": "The word."}},
            "required": ["word"],
            "additionalProperties": False,
        },
    },
}
_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}
_COLOUR, _RGB = "yellow", bytes((255, 220, 0))
"""Not the first guess of a model that sees nothing."""
_SIDE_PIXELS = 64
"""Some vision models refuse pictures smaller than one of their patches, 28 pixels."""


class _Refused(Exception):
    """The endpoint does not take a request of this kind; the text is what it said."""


class _Stopped(Exception):
    """It makes no sense to go on; the text says what the person can do."""


async def probe(target: Target, *, tell: Callable[[str], None]) -> ProbeResult:
    """Ask the model at most 24 small questions, one after the other; `tell` gets a line before each.

    The target says which model, where, with which key and at what price; how it is asked is found out. No exception
    tells of an endpoint that does not answer: that is a result.
    """
    asked = _Probe(target, tell)
    began = time.monotonic()
    capabilities, problem = None, ""
    try:
        capabilities = await asked.everything()
    except _Stopped as stopped:
        problem = str(stopped)
    finally:
        await asked.close()
    return ProbeResult(
        endpoint=target.endpoint.name,
        model=target.model,
        capabilities=capabilities,
        findings=tuple(asked.findings),
        problem=problem,
        calls=asked.calls,
        tokens=asked.tokens,
        cost_usd=asked.cost_usd,
        seconds=time.monotonic() - began,
    )


def most_usd(target: Target) -> float:
    """More than a probe can cost by the price table."""
    return MOST_CALLS * target.price.cost_usd(input_tokens=400, cached_tokens=0, output_tokens=LONG_TOKENS)


class _Probe:
    def __init__(self, target: Target, tell: Callable[[str], None]) -> None:
        self._target, self._tell = target, tell
        self._transport = HttpTransport(target.endpoint)
        self._redact = Redactor([target.endpoint.api_key.get_secret_value()]).text
        self._plain = _PLAIN
        self.findings: list[Finding] = []
        self.calls, self.tokens, self.cost_usd = 0, 0, 0.0

    async def close(self) -> None:
        await self._transport.close()

    async def everything(self) -> Capabilities:
        entry = await self._listed()
        await self._first_answer()
        tools, parallel = await self._tools()
        found = self._plain.model_copy(
            update={
                "source": "probed",
                "probed_at": datetime.now(UTC),
                "tools": tools,
                "parallel_tools": parallel,
                "json_schema": await self._json_schema(),
                "vision": await self._vision(),
                "streaming_usage": await self._streaming_usage(),
                "temperature": await self._accepts(
                    "temperature", Capabilities(temperature=True), target={"temperature": 0.7}
                ),
                "cache_key": await self._accepts("prompt_cache_key", Capabilities(cache_key=True)),
                "efforts": await self._efforts(),
            }
        )
        return found.model_copy(update={"context_tokens": await self._context(entry)})

    async def _listed(self) -> Mapping[str, Any]:
        self._say("which models there are")
        where = f"{self._target.endpoint.name} at {self._target.endpoint.base_url}"
        try:
            page = await self._transport.get("/models", timeout_seconds=ANSWER_SECONDS)
        except TransportFailed as failed:
            raise _Stopped(
                f"{where} cannot be reached ({failed}). Start the server or correct base_url, then run "
                "`macrohard doctor --probe`"
            ) from failed
        if page.status in (401, 403):
            raise _Stopped(self._key_refused(page.status, page.body.decode(errors="replace")))
        models = listed_models(page.body) if page.status == 200 else {}
        if self._target.model in models:
            self._find("reachable", True, f"/models lists it, among {len(models)}")
        elif models:
            named = ", ".join(list(models)[:6]) + (", …" if len(models) > 6 else "")
            self._find("reachable", None, f"/models does not list it, but {named}")
        else:
            self._find("reachable", None, f"/models says nothing of use (HTTP {page.status})")
        return models.get(self._target.model, {})

    async def _first_answer(self) -> None:
        """Get any answer at all, with whichever name the limit of the answer has."""
        refusal = ""
        spellings: Sequence[Literal["max_tokens", "max_completion_tokens", "none"]] = ("max_tokens",)
        if self._target.endpoint.wire == "chat":
            spellings = ("max_tokens", "max_completion_tokens", "none")
        for spelling in spellings:
            self._say("a first answer")
            self._plain = _PLAIN.model_copy(update={"output_limit": spelling})
            try:
                reply = await self._ask(_READY)
            except _Refused as refused:
                refusal = refusal or str(refused)
                continue
            self._find("answers", True, f"in {reply.usage.seconds:.1f} s, by the {self._target.endpoint.wire} wire")
            if spelling == "none":
                self._find("limit of an answer", False, "refused by either name: answers can be of any length and cost")
            elif self._target.endpoint.wire == "chat":
                self._find("limit of an answer", True, f"as {spelling}")
            return
        raise _Stopped(
            f"{refusal}. Check the model's name, base_url and wire ({self._target.endpoint.wire}) in the settings"
        )

    async def _tools(self) -> tuple[bool, bool]:
        advice = "agents work by tools, so this model cannot be used for them; on vLLM and llama.cpp see docs/models.md"
        try:
            calls = await self._called("tool call", "Call the tool note with the word ready.", at_least=1)
        except _Refused as refused:
            self._find("tool calls", False, f"refused ({refused}): {advice}")
            return False, False
        if not calls:
            self._find("tool calls", False, f"taken, but answered in words: {advice}")
            return False, False
        self._find("tool calls", True, "called, with the right arguments" if calls[0] == "ready" else "called")
        try:
            calls = await self._called(
                "two tool calls at once",
                "Call the tool note twice in this one answer: once with the word one, and once with the word two.",
                at_least=2,
            )
        except _Refused as refused:
            self._find("parallel calls", None, f"refused ({refused}); one at a time works")
            return True, False
        several = len(calls) > 1
        self._find("parallel calls", several or None, "two in one answer" if several else "one at a time")
        return True, several

    async def _called(self, what: str, order: str, *, at_least: int) -> list[str]:
        """The words that the tool was called with; asked twice if they are too few."""
        words: list[str] = []
        for _ in range(2):
            self._say(what)
            reply = await self._ask([{"role": "user", "content": order}], tools=[_NOTE], limit=LONG_TOKENS)
            words = [_word(call.arguments) for call in reply.tool_calls if call.name == "note"]
            if len(words) >= at_least:
                break
        return words

    async def _json_schema(self) -> bool:
        self._say("answers in a JSON schema")
        named: JsonObject = {"name": "answer", "schema": _SCHEMA, "strict": True}
        extra: JsonObject = {"response_format": {"type": "json_schema", "json_schema": named}}
        if self._target.endpoint.wire == "responses":
            extra = {"text": {"format": {"type": "json_schema", **named}}}
        order: list[JsonObject] = [{"role": "user", "content": "What is the opposite of hot?"}]
        try:
            reply = await self._ask(order, limit=LONG_TOKENS, extra=extra)
        except _Refused as refused:
            self._find("JSON schema", None, f"refused ({refused}); tools do it instead")
            return False
        try:
            kept = set(json.loads(reply.text)) == {"answer"}
        except (ValueError, TypeError):
            kept = False
        self._find("JSON schema", kept or None, "kept to" if kept else "taken, but not kept to; tools do it instead")
        return kept

    async def _vision(self) -> bool:
        self._say("a picture")
        picture = base64.b64encode(_picture()).decode()
        question: list[JsonObject] = [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Which colour is this picture? Answer with one word."},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
                ],
            }
        ]
        try:
            reply = await self._ask(question, limit=LONG_TOKENS)
        except _Refused as refused:
            self._find("pictures", None, f"refused ({refused})")
            return False
        right = _COLOUR in reply.text.lower()
        said = " ".join(reply.text.split())[:40]
        self._find(
            "pictures", right or None, "seen" if right else f"taken, but not seen: {said!r} is not {_COLOUR}; not sent"
        )
        return right

    async def _streaming_usage(self) -> bool:
        self._say("usage in streams")
        try:
            reply = await self._ask(_READY, capabilities=Capabilities(temperature=False))
        except _Refused as refused:
            self._find("usage in streams", None, f"stream_options refused ({refused}); tokens are estimated")
            return False
        counted = not reply.usage.estimated
        self._find("usage in streams", counted or None, "counted" if counted else "not told; tokens are estimated")
        return counted

    async def _efforts(self) -> tuple[Effort, ...]:
        accepted: list[Effort] = []
        for effort in ("nonsense", *get_args(Effort)):
            self._say(f"effort {effort}")
            extra: JsonObject = {"reasoning_effort": effort}
            if self._target.endpoint.wire == "responses":
                extra = {"reasoning": {"effort": effort}}
            try:
                await self._ask(_READY, extra=extra)
            except _Refused:
                continue
            if effort == "nonsense":
                self._find("effort", None, "whatever is said is taken, so it is not said")
                return ()
            accepted.append(effort)
        self._find("effort", None if not accepted else True, ", ".join(accepted) or "refused")
        return tuple(accepted)

    async def _accepts(self, what: str, capabilities: Capabilities, target: Mapping[str, object] | None = None) -> bool:
        self._say(what)
        changed = {name: getattr(capabilities, name) for name in capabilities.model_fields_set}
        try:
            await self._ask(_READY, capabilities=self._plain.model_copy(update=changed), target=target)
        except _Refused as refused:
            self._find(what, None, f"refused ({refused}); not sent")
            return False
        self._find(what, True, "taken")
        return True

    async def _context(self, entry: Mapping[str, Any]) -> int | None:
        self._say("how much it can read")
        size = await context_size(self._target.endpoint, self._target.model, entry)
        if size is None:
            self._find("context", None, "the endpoint does not say; set context_tokens in a role's table if you know")
            return None
        detail = f"{size.tokens:,} tokens ({size.source})"
        self._find("context", None if size.warning else True, f"{detail}. {size.warning}" if size.warning else detail)
        return size.tokens

    async def _ask(
        self,
        messages: Sequence[JsonObject],
        *,
        tools: Sequence[JsonObject] = (),
        limit: int = SHORT_TOKENS,
        capabilities: Capabilities | None = None,
        target: Mapping[str, object] | None = None,
        extra: JsonObject | None = None,
    ) -> Reply:
        """One answer; a request that fails for a passing reason is sent again.

        Raises:
            _Refused: not like this.
            _Stopped: not at all.
        """
        offered = (capabilities or self._plain).model_copy(update={"output_limit": self._plain.output_limit})
        asked = self._target.model_copy(
            update={
                "capabilities": offered,
                "effort": None,
                "temperature": None,
                "max_output_tokens": limit,
                **(target or {}),
            }
        )
        endpoint = Endpoint(asked, self._transport)
        call = endpoint.prepare(messages, tools, session_id="probe")
        if extra:
            body = orjson.dumps({**orjson.loads(call.request.body), **extra})
            call = dataclasses.replace(call, request=dataclasses.replace(call.request, body=body))
        broken: Interrupted | None = None
        for attempt in range(3):
            if self.calls >= MOST_CALLS:
                raise _Stopped(f"{self._where} did not settle within {MOST_CALLS} calls; try again later")
            self.calls += 1
            try:
                reply = await endpoint.complete(call)
            except Throttled as failed:
                self._count(failed)
                await asyncio.sleep(min(failed.retry_after_seconds or 2**attempt, LONGEST_WAIT_SECONDS))
            except Rejected as failed:
                self._count(failed)
                self._stop_if_hopeless(failed, plain=not tools and not extra and capabilities is None)
                raise _Refused(self._shortly(failed)) from failed
            except Interrupted as failed:
                self._count(failed)
                if broken is not None:
                    break
                broken = failed
            else:
                self.tokens += reply.usage.total_tokens
                self.cost_usd += reply.usage.cost_usd
                return reply
        if broken is None:
            raise _Stopped(f"{self._where} has no room now (HTTP 429); run `macrohard doctor --probe` later")
        if messages is _READY and not extra and capabilities is None:
            raise _Stopped(f"{self._where} does not answer: {self._shortly(broken)}")
        # Some servers answer 500 to what they do not know. It is that if the plain question still works.
        await self._ask(_READY)
        raise _Refused(self._shortly(broken))

    def _stop_if_hopeless(self, failed: Rejected, *, plain: bool) -> None:
        if failed.status == 401 or (plain and failed.status == 403):
            raise _Stopped(self._key_refused(failed.status, str(failed))) from failed
        if failed.status == 402:
            raise _Stopped(f"{self._where} wants to be paid first: {self._shortly(failed)}") from failed
        if plain and failed.status == 404:
            raise _Stopped(f"{self._where} knows no such model or path: {self._shortly(failed)}") from failed

    def _key_refused(self, status: int, said: str) -> str:
        name = self._target.endpoint.name
        return (
            f"{self._where} refused the key (HTTP {status}): {self._short(said)}. "
            f"Set the right one, `macrohard keys list` shows where the present one comes from ({name})"
        )

    @property
    def _where(self) -> str:
        return f"{self._target.model} at {self._target.endpoint.name}"

    def _count(self, failed: CallFailed) -> None:
        if failed.spent is not None:
            self.tokens += failed.spent.total_tokens
            self.cost_usd += failed.spent.cost_usd

    def _shortly(self, failed: CallFailed) -> str:
        # Whose words they are, and that doctor may help, stands around them here.
        before, colon, said = str(failed).partition(": ")
        return self._short(said if colon else before)

    def _short(self, text: str) -> str:
        line = " ".join(self._redact(text).split())
        return line if len(line) <= 160 else f"{line[:159]}…"

    def _say(self, what: str) -> None:
        self._tell(f"{self._where}: {what}")

    def _find(self, ability: str, ok: bool | None, detail: str) -> None:
        self.findings.append(Finding(ability=ability, ok=ok, detail=detail))


def _word(arguments: str) -> str:
    try:
        found = json.loads(arguments)
    except ValueError:
        return ""
    return str(found.get("word", "")) if isinstance(found, dict) else ""


def _picture() -> bytes:
    """A PNG of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", _SIDE_PIXELS, _SIDE_PIXELS, 8, 2, 0, 0, 0)
    lines = (b"\0" + _RGB * _SIDE_PIXELS) * _SIDE_PIXELS
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
