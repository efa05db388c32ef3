"""Chat Completions: what every server speaks, each with an accent."""

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

import orjson
from pydantic import JsonValue

from macrohard.domain import JsonObject
from macrohard.llm.target import Target
from macrohard.llm.wire.answer import Draft, own, readable
from macrohard.llm.wire.calls import CallCollector
from macrohard.llm.wire.complaints import failure_of_event
from macrohard.llm.wire.stream import Event

KEYS = frozenset({"role", "content", "name", "tool_calls", "tool_call_id"})
"""Of a message; what else there is, servers do not know, and some refuse."""
ECHOED = {"openrouter.ai": "reasoning_details"}
"""What a host wants back of its own answers; from all others, reasoning is kept out of what is sent."""
SORTED = orjson.OPT_SORT_KEYS
"""A database may give a message's keys back in another order, and the bytes must stay the same."""


class ChatWire:
    """See `macrohard.llm.wire.Wire`."""

    path = "/chat/completions"

    def encode(
        self, target: Target, messages: Sequence[JsonObject], tools: Sequence[JsonObject], *, session_id: str
    ) -> tuple[Mapping[str, str], bytes]:
        """See `Wire.encode`."""
        can = target.capabilities
        echoed = _echoed(target)
        varying: JsonObject = {"stream": True}
        if can.streaming_usage:
            varying["stream_options"] = {"include_usage": True}
        if can.output_limit != "none":
            varying[can.output_limit] = target.max_output_tokens
        if target.temperature is not None and can.temperature:
            varying["temperature"] = target.temperature
        if target.effort is not None and target.effort in can.efforts:
            varying["reasoning_effort"] = target.effort
        if can.cache_key:
            varying["prompt_cache_key"] = conversation_id(session_id)
        known = [message if message.keys() <= KEYS else _cleaned(message, target, echoed) for message in messages]
        return headers_of(target, session_id), body_of(target, tools, "messages", known, varying)

    def reader(self, target: Target, *, tools: Collection[str]) -> "ChatReader":
        """See `Wire.reader`."""
        return ChatReader(target, tools=tools)


def conversation_id(session_id: str) -> str:
    """A name for the provider that says nothing of the run, and is the same when the run is resumed."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"macrohard:{session_id}"))


def headers_of(target: Target, session_id: str) -> dict[str, str]:
    """What keeps a conversation at one of the provider's caches."""
    header = target.endpoint.conversation_header
    return {header: conversation_id(session_id)} if header else {}


def body_of(
    target: Target, tools: Sequence[JsonObject], name: str, conversation: Sequence[JsonValue], varying: JsonObject
) -> bytes:
    """Model, tools and conversation in front, in one order for ever; then what may vary from call to call."""
    # The keys of tools stay in their order: models fill in parameters as they are listed.
    listed = b'"tools":' + orjson.dumps(list(tools)) + b"," if tools else b""
    return b"".join(
        (
            b'{"model":',
            orjson.dumps(target.model),
            b",",
            listed,
            f'"{name}":'.encode(),
            encoded(conversation),
            b",",
            orjson.dumps(varying)[1:],
        )
    )


def encoded(conversation: Sequence[JsonValue]) -> bytes:
    """The conversation as JSON, the same bytes for the same content."""
    try:
        return orjson.dumps(conversation, option=SORTED)
    except TypeError:
        # Half of a character, which a tool may have printed, is no UTF-8.
        text = json.dumps(conversation, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return text.encode(errors="replace")


def _echoed(target: Target) -> str | None:
    host = urlsplit(target.endpoint.base_url or "").hostname or ""
    return next((key for known, key in ECHOED.items() if host == known or host.endswith(f".{known}")), None)


def _cleaned(message: JsonObject, target: Target, echoed: str | None) -> JsonObject:
    cleaned = {key: value for key, value in message.items() if key in KEYS}
    provider, calls = message.get("provider"), message.get("tool_calls")
    if isinstance(provider, dict) and "unread" in provider and isinstance(calls, list):
        cleaned["tool_calls"] = [_readable_call(call, provider) for call in calls]
    if echoed and (kept := own(message, target).get(echoed)):
        cleaned[echoed] = kept
    return cleaned


def _readable_call(call: JsonValue, provider: JsonObject) -> JsonValue:
    if not isinstance(call, dict) or not isinstance(function := call.get("function"), dict):
        return call
    arguments = readable(call.get("id"), function.get("arguments"), provider)
    return {**call, "function": {**function, "arguments": arguments}}


class ChatReader:
    """Reads chunks, or the one completion of an endpoint that does not stream."""

    def __init__(self, target: Target, *, tools: Collection[str]) -> None:
        self._target = target
        self._details: list[JsonObject] = []
        self._in_pieces = False
        self.draft = Draft(calls=CallCollector(tools))

    def read(self, event: Event) -> None:
        """See `Reader.read`."""
        draft = self.draft
        if event.last:
            draft.ended = True
            return
        data = event.data[0] if isinstance(event.data, list) and event.data else event.data
        if not isinstance(data, dict):
            return
        if data.get("error") or event.name == "error":
            raise failure_of_event(self._target, data)
        draft.model = draft.model or _string(data.get("model"))
        if isinstance(usage := data.get("usage"), dict):
            draft.usage = usage
        choices = data.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, dict) and choice.get("index") in (0, None):
                self._choice(choice)

    def close(self) -> Draft:
        """See `Reader.close`."""
        if self._details:
            self.draft.provider["reasoning_details"] = list(self._details)
        return self.draft

    def _choice(self, choice: JsonObject) -> None:
        if choice.get("error"):
            raise failure_of_event(self._target, choice)
        delta, message = choice.get("delta"), choice.get("message")
        if isinstance(delta, dict):
            self._in_pieces = self._in_pieces or bool(delta.keys() - {"role"})
            self._said(delta)
        # Some servers repeat the whole message at the end of a stream.
        elif isinstance(message, dict) and not self._in_pieces:
            self._said(message)
        if isinstance(usage := choice.get("usage"), dict) and not self.draft.usage:
            self.draft.usage = usage
        if reason := _string(choice.get("finish_reason")):
            self.draft.reason = reason
            self.draft.began = True

    def _said(self, said: JsonObject) -> None:
        draft = self.draft
        for part in _parts(said.get("content")):
            draft.text.append(part)
        for name in ("reasoning_content", "reasoning"):
            if shown := _string(said.get(name)):
                draft.reasoning.append(shown)
                break
        if refusal := _string(said.get("refusal")):
            draft.refusal.append(refusal)
        if details := said.get("reasoning_details"):
            self._detail(details)
        if calls := said.get("tool_calls"):
            draft.calls.add_all(calls)
        if old := said.get("function_call"):
            draft.calls.add_all(old)
        draft.began = draft.began or bool(draft.text or draft.reasoning or draft.refusal or draft.calls.calls)

    def _detail(self, details: JsonValue) -> None:
        """OpenRouter's reasoning: pieces of one text become one again."""
        for piece in details if isinstance(details, list) else []:
            if not isinstance(piece, dict):
                continue
            last = self._details[-1] if self._details else None
            same = last is not None and all(last.get(key) == piece.get(key) for key in ("type", "index"))
            if last is None or not same or not any(isinstance(piece.get(key), str) for key in ("text", "summary")):
                self._details.append(dict(piece))
                continue
            for key, value in piece.items():
                before = last.get(key)
                joined = key in ("text", "summary") and isinstance(before, str) and isinstance(value, str)
                last[key] = f"{before}{value}" if joined else value if value is not None else before


def _parts(content: JsonValue) -> list[str]:
    """Content is a text; some servers send a list of parts."""
    if isinstance(content, list):
        texts = [part.get("text") if isinstance(part, dict) else part for part in content]
        return [text for text in texts if isinstance(text, str)]
    return [content] if isinstance(content, str) and content else []


def _string(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
