"""The built-in model's answers as chat completions, whole or in chunks."""

from collections.abc import Iterator

from pydantic import JsonValue

from macrohard.domain import JsonObject
from macrohard.llm.builtin.spoken import Spoken, pieces


def completion(said: Spoken) -> JsonObject:
    """The answer as one object."""
    message: JsonObject = {"role": "assistant", "content": said.text or None}
    if said.calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in said.calls
        ]
    choice: JsonObject = {"index": 0, "message": message, "finish_reason": _finish(said)}
    return {**_common(said, "chat.completion"), "choices": [choice], "usage": _usage(said)}


def chunks(said: Spoken) -> Iterator[JsonObject]:
    """The answer piece by piece, its usage at the end."""
    common = _common(said, "chat.completion.chunk")
    for delta in _deltas(said):
        yield {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": _finish(said)}]}
    yield {**common, "choices": [], "usage": _usage(said)}


def _deltas(said: Spoken) -> Iterator[JsonObject]:
    yield {"role": "assistant", "content": ""}
    for piece in pieces(said.text):
        yield {"content": piece}
    for number, call in enumerate(said.calls):
        head: JsonObject = {"name": call.name, "arguments": ""}
        first: JsonObject = {"index": number, "id": call.id, "type": "function", "function": head}
        yield {"tool_calls": [first]}
        for piece in pieces(call.arguments):
            more: JsonValue = {"index": number, "function": {"arguments": piece}}
            yield {"tool_calls": [more]}


def _finish(said: Spoken) -> str:
    return "length" if said.cut else "tool_calls" if said.calls else "stop"


def _common(said: Spoken, kind: str) -> JsonObject:
    return {"id": f"chatcmpl-{said.id}", "object": kind, "created": said.created, "model": said.model}


def _usage(said: Spoken) -> JsonObject:
    return {
        "prompt_tokens": said.input_tokens,
        "completion_tokens": said.output_tokens,
        "total_tokens": said.input_tokens + said.output_tokens,
    }
