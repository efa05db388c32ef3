"""An answer as far as it has come, whichever wire it comes by, and what is made of it at its end."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import orjson
from pydantic import JsonValue

from macrohard.domain import JsonObject
from macrohard.llm.chat import Finish, ToolCall
from macrohard.llm.failures import Interrupted
from macrohard.llm.target import Target
from macrohard.llm.wire.calls import CallCollector, cut_off, settled, whole
from macrohard.llm.wire.stream import mended

_CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
_REFUSED = frozenset({"content_filter", "refusal", "safety"})
_BROKEN = frozenset({"error", "abort", "network_error", "cancelled"})


@dataclass
class Draft:
    """What came of an answer."""

    calls: CallCollector
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    reason: str = ""
    """Why the model stopped, in the endpoint's word; "" if it has not said."""
    ended: bool = False
    """The endpoint said that this was all."""
    model: str = ""
    usage: JsonObject = field(default_factory=dict)
    provider: JsonObject = field(default_factory=dict)
    """What only the endpoint understands, to be sent back to it."""
    began: bool = False
    """Something of the answer is there."""

    @property
    def characters(self) -> int:
        """How long the answer is, reasoning included as far as it is shown."""
        calls = sum(len(call.name) + len(call.arguments) for call in self.calls.calls)
        return calls + sum(len(part) for parts in (self.text, self.reasoning, self.refusal) for part in parts)


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    message: JsonObject
    text: str
    reasoning: str
    calls: tuple[ToolCall, ...]
    finish: Finish


def answer_of(draft: Draft, target: Target, *, taken: Collection[str], seed: str) -> Answer:
    """Judge by content what the endpoint may have labelled wrongly; see `settled` for `taken` and `seed`.

    Raises:
        Interrupted: it is not whole, or there is nothing in it.
    """
    where = f"{target.endpoint.name} ({target.model})"
    if not draft.ended and not draft.reason:
        raise Interrupted(f"{where} stopped in the middle of its answer")
    if draft.reason in _BROKEN:
        raise Interrupted(f"{where} broke its answer off: {draft.reason}")
    text, reasoning, refusal = (mended("".join(parts)) for parts in (draft.text, draft.reasoning, draft.refusal))
    cut = draft.reason in _CUT
    opened = draft.calls.calls
    if cut and opened and not opened[-1].arguments.strip():
        opened = opened[:-1]  # Nothing of its arguments came: without them it would be another call.
    calls, odd = settled(opened, taken=taken, seed=seed)
    if not all(call.name for call in calls):
        raise Interrupted(f"{where} made a call that names no tool")
    if not cut and any(cut_off(call.arguments) for call in calls if call.id in odd):
        raise Interrupted(f"{where} stopped in the middle of a call")
    refused = draft.reason in _REFUSED or bool(refusal and not calls)
    if not calls and not text.strip() and not cut and not refused:
        raise Interrupted(f"{where} gave an empty answer")
    message: JsonObject = {"role": "assistant", "content": text if text or not calls else None}
    if refused and not text:
        message["content"] = text = refusal
    if calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in calls
        ]
    if provider := _provider(draft, calls, odd, target):
        message["provider"] = provider
    return Answer(
        message=message,
        text=text,
        reasoning=reasoning,
        calls=tuple(calls),
        finish="refused" if refused else "length" if cut else "tool_calls" if calls else "stop",
    )


def readable(call_id: JsonValue, arguments: JsonValue, provider: JsonValue) -> JsonValue:
    """Arguments as they may be sent back: servers that parse a conversation's calls refuse it if one is no JSON."""
    unread = provider.get("unread") if isinstance(provider, dict) else None
    if not isinstance(unread, list) or call_id not in unread:
        return arguments
    return orjson.dumps({"not_json": arguments}).decode()


def own(message: JsonObject, target: Target) -> JsonObject:
    """What this endpoint and model left in the message for itself; nothing of anybody else's."""
    provider = message.get("provider")
    if not isinstance(provider, dict):
        return {}
    same = provider.get("endpoint") == target.endpoint.name and provider.get("model") == target.model
    return provider if same else {}


def _provider(draft: Draft, calls: Sequence[ToolCall], odd: Sequence[str], target: Target) -> JsonObject:
    kept = dict(draft.provider)
    items = kept.get("items")
    # Reasoning whose answer was cut off is refused when it comes back.
    if isinstance(items, list) and (draft.reason in _CUT or not _adapted(items, calls, odd)):
        del kept["items"]
    try:
        orjson.dumps(kept)
    except TypeError:
        kept = {}  # Too deep, or half characters: it could not be sent back as it is.
    if odd:
        kept["unread"] = list(odd)
    return {"endpoint": target.endpoint.name, "model": target.model, **kept} if kept else {}


def _adapted(items: list[JsonValue], calls: Sequence[ToolCall], odd: Sequence[str]) -> bool:
    """Give the items of calls the ids that the answers will name; False if they are other calls than these."""
    own_calls = [item for item in items if isinstance(item, dict) and item.get("type") == "function_call"]
    if len(own_calls) != len(calls):
        return False
    for item, call in zip(own_calls, calls, strict=True):
        if item.get("call_id") != call.id:
            item["call_id"] = call.id
        if not isinstance(arguments := item.get("arguments"), str) or not whole(arguments):
            item["arguments"] = readable(call.id, call.arguments, {"unread": list(odd)})
    return True
