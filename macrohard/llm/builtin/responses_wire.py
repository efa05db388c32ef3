"""The built-in model's side of the Responses protocol: items in, items out, whole or as events."""

from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from macrohard.domain import JsonObject
from macrohard.llm.builtin.conversation import Unreadable
from macrohard.llm.builtin.spoken import Spoken, pieces


def messages_of(items: Sequence[JsonValue]) -> list[JsonObject]:
    """The conversation as messages; calls that follow each other are one message's.

    Raises:
        Unreadable: an item is none.
    """
    messages: list[JsonObject] = []
    for item in items:
        if not isinstance(item, dict):
            raise Unreadable("an item of the input is not an object")
        kind = item.get("type", "message")
        if kind == "message":
            messages.append({"role": item.get("role"), "content": item.get("content")})
        elif kind == "function_call":
            function: JsonObject = {"name": item.get("name"), "arguments": item.get("arguments")}
            call: JsonObject = {"id": item.get("call_id"), "type": "function", "function": function}
            calls = messages[-1].get("tool_calls") if messages else None
            if isinstance(calls, list):
                calls.append(call)
            else:
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif kind == "function_call_output":
            messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": item.get("output")})
    return messages


def tools_of(tools: Sequence[JsonValue]) -> list[JsonObject]:
    """Tools in the form of chat completions."""
    return [{"type": "function", "function": tool} for tool in tools if isinstance(tool, dict)]


def response(said: Spoken, *, status: str = "") -> JsonObject:
    """The answer as one object; one that is still in progress has no output yet."""
    begun: JsonObject = {
        "id": f"resp_{said.id}",
        "object": "response",
        "created_at": said.created,
        "model": said.model,
        "status": status or ("incomplete" if said.cut else "completed"),
        "error": None,
        "incomplete_details": None,
        "output": [],
    }
    if status:
        return begun
    return {
        **begun,
        "incomplete_details": {"reason": "max_output_tokens"} if said.cut else None,
        "output": list(_items(said)),
        "usage": {
            "input_tokens": said.input_tokens,
            "output_tokens": said.output_tokens,
            "total_tokens": said.input_tokens + said.output_tokens,
        },
    }


def events(said: Spoken) -> Iterator[tuple[str, JsonObject]]:
    """The answer as events: their names, and what they hold."""
    for number, (name, event) in enumerate(_events(said)):
        yield name, {"type": name, "sequence_number": number, **event}


def _events(said: Spoken) -> Iterator[tuple[str, JsonObject]]:
    yield "response.created", {"response": response(said, status="in_progress")}
    for place, item in enumerate(_items(said)):
        at: JsonObject = {"output_index": place, "item_id": item["id"]}
        if item["type"] == "message":
            begun: JsonObject = {**item, "status": "in_progress", "content": []}
            name, text = "response.output_text", said.text
            at["content_index"] = 0
        else:
            begun = {**item, "status": "in_progress", "arguments": ""}
            name, text = "response.function_call_arguments", str(item["arguments"])
        yield "response.output_item.added", {"output_index": place, "item": begun}
        for piece in pieces(text):
            yield f"{name}.delta", {**at, "delta": piece}
        yield f"{name}.done", {**at, "text" if item["type"] == "message" else "arguments": text}
        yield "response.output_item.done", {"output_index": place, "item": item}
    yield f"response.{'incomplete' if said.cut else 'completed'}", {"response": response(said)}


def _items(said: Spoken) -> list[JsonObject]:
    items: list[JsonObject] = []
    if said.text:
        part: JsonObject = {"type": "output_text", "text": said.text, "annotations": []}
        items.append(
            {"type": "message", "id": f"msg_{said.id}", "role": "assistant", "status": "completed", "content": [part]}
        )
    items.extend(
        {
            "type": "function_call",
            "id": call.id.replace("call_", "fc_"),
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
            "status": "completed",
        }
        for call in said.calls
    )
    return items
