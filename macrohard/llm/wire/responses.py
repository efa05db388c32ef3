"""The Responses wire: a conversation of items, some of which only the provider can read."""

from collections.abc import Collection, Mapping, Sequence

from pydantic import JsonValue

from macrohard.domain import JsonObject
from macrohard.llm.target import Target
from macrohard.llm.wire.answer import Draft, own, readable
from macrohard.llm.wire.calls import CallCollector, OpenCall
from macrohard.llm.wire.chat import body_of, conversation_id, headers_of
from macrohard.llm.wire.complaints import failure_of_event
from macrohard.llm.wire.stream import Event

_DELTAS = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.function_call_arguments.delta": "arguments",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}
_ENDS = ("response.completed", "response.incomplete", "response.failed", "response.done")


class ResponsesWire:
    """See `macrohard.llm.wire.Wire`. The provider stores nothing: its reasoning comes encrypted, and is kept by us."""

    path = "/responses"

    def encode(
        self, target: Target, messages: Sequence[JsonObject], tools: Sequence[JsonObject], *, session_id: str
    ) -> tuple[Mapping[str, str], bytes]:
        """See `Wire.encode`."""
        can = target.capabilities
        varying: JsonObject = {
            "stream": True,
            "store": False,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": conversation_id(session_id),
        }
        if can.output_limit != "none":
            varying["max_output_tokens"] = target.max_output_tokens
        if target.temperature is not None and can.temperature:
            varying["temperature"] = target.temperature
        if target.effort is not None and target.effort in can.efforts:
            varying["reasoning"] = {"effort": target.effort}
        items = [item for message in messages for item in _items(message, target)]
        body = body_of(target, [_flat(tool) for tool in tools], "input", items, varying)
        return headers_of(target, session_id), body

    def reader(self, target: Target, *, tools: Collection[str]) -> "ResponsesReader":
        """See `Wire.reader`."""
        return ResponsesReader(target)


def _items(message: JsonObject, target: Target) -> list[JsonValue]:
    """The items of a message; those of an earlier answer go back to who made them as they came."""
    if "provider" in message and isinstance(items := own(message, target).get("items"), list):
        return items
    role, content = message.get("role"), message.get("content")
    if role == "tool":
        shown = content if isinstance(content, str) else _parts(content)
        return [{"type": "function_call_output", "call_id": message.get("tool_call_id"), "output": shown}]
    # The system's words are an item too: xAI did not know `instructions` for long.
    made: list[JsonValue] = []
    if role != "assistant":
        return [{"role": role, "content": content if isinstance(content, str) else _parts(content)}]
    if content:
        made.append({"role": role, "content": content if isinstance(content, str) else _text(content)})
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        if isinstance(call, dict) and isinstance(function := call.get("function"), dict):
            arguments = readable(call.get("id"), function.get("arguments"), message.get("provider"))
            made.append(
                {
                    "type": "function_call",
                    "call_id": call.get("id"),
                    "name": function.get("name"),
                    "arguments": arguments,
                }
            )
    return made


def _parts(content: JsonValue) -> list[JsonValue]:
    made: list[JsonValue] = []
    for part in content if isinstance(content, list) else []:
        if isinstance(part, dict) and isinstance(image := part.get("image_url"), dict):
            made.append({"type": "input_image", "image_url": image.get("url")})
        elif isinstance(part, dict):
            made.append({"type": "input_text", "text": part.get("text")})
    return made


def _text(content: JsonValue) -> str:
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def _flat(tool: JsonObject) -> JsonObject:
    function = tool.get("function")
    return {"type": "function", **function} if isinstance(function, dict) else tool


class ResponsesReader:
    """Reads a response's events, or the one response of an endpoint that does not stream."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._items: dict[int, JsonObject] = {}
        self._pieces: dict[tuple[int, str], list[str]] = {}
        self._unfinished: frozenset[int] = frozenset()
        self._last: JsonObject = {}
        # The names of calls are never in pieces on this wire, so it does not matter which there are.
        self.draft = Draft(calls=CallCollector(()))

    def read(self, event: Event) -> None:
        """See `Reader.read`."""
        if event.last:
            self.draft.ended = self.draft.ended or not self._unfinished
            return
        data = event.data[0] if isinstance(event.data, list) and event.data else event.data
        if not isinstance(data, dict):
            return
        kind, response = _string(data.get("type")) or event.name, data.get("response")
        if data.get("object") == "response" or (response is None and isinstance(data.get("output"), list)):
            kind, response = "response.done", data
        if isinstance(response, dict):
            self._response(response, kind)
        elif "error" in (kind, event.name) or data.get("error"):
            raise failure_of_event(self._target, data)
        elif kind in ("response.output_item.added", "response.output_item.done"):
            if isinstance(item := data.get("item"), dict):
                self._item(item, data.get("output_index"), done=kind == "response.output_item.done")
        elif isinstance(delta := data.get("delta"), str) and (what := _DELTAS.get(kind)):
            place = data.get("output_index")
            at = place if isinstance(place, int) else max(self._items, default=0)
            self._pieces.setdefault((at, what), []).append(delta)
            draft = self.draft
            draft.began = True
            {"text": draft.text, "refusal": draft.refusal}.get(what, draft.reasoning).append(delta)

    def close(self) -> Draft:
        """See `Reader.close`."""
        draft, output = self.draft, self._last.get("output")
        listed = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
        items = listed if len(listed) >= len(self._items) else [self._filled(place) for place in sorted(self._items)]
        if not items:
            return draft
        draft.text, draft.reasoning, draft.refusal = [], [], []
        for item in items:
            if item.get("type") == "function_call":
                arguments = item.get("arguments")
                draft.calls.calls.append(
                    OpenCall(
                        id=_string(item.get("call_id")) or _string(item.get("id")),
                        name=_string(item.get("name")),
                        pieces=[arguments] if isinstance(arguments, str) else [],
                    )
                )
                continue
            for name in ("summary", "content"):
                parts = item.get(name)
                for part in parts if isinstance(parts, list) else []:
                    if isinstance(part, dict):
                        self._part(part, reasoning=item.get("type") == "reasoning")
        draft.provider["items"] = list(items)
        return draft

    def _item(self, item: JsonObject, place: JsonValue, *, done: bool) -> None:
        known = (at for at, other in self._items.items() if item.get("id") and other.get("id") == item.get("id"))
        at = place if isinstance(place, int) else next(known, len(self._items))
        self._items[at] = item
        self._unfinished = self._unfinished - {at} if done else self._unfinished | {at}
        self.draft.began = True

    def _response(self, response: JsonObject, kind: str) -> None:
        draft = self.draft
        draft.model = _string(response.get("model")) or draft.model
        if isinstance(usage := response.get("usage"), dict):
            draft.usage = usage
        if kind not in _ENDS:
            return
        status = response.get("status")
        if "failed" in (status, kind.rpartition(".")[2]) or (response.get("error") and status != "completed"):
            raise failure_of_event(self._target, response)
        self._last = response
        details = response.get("incomplete_details")
        reason = _string(details.get("reason")) if isinstance(details, dict) else ""
        draft.ended = draft.began = True
        draft.reason = reason or ("length" if status == "incomplete" else _string(status) or "completed")

    def _filled(self, place: int) -> JsonObject:
        """An item that never came as a whole, with the pieces that did."""
        item = self._items[place]
        arguments = self._pieces.get((place, "arguments"))
        if item.get("type") == "function_call" and not item.get("arguments") and arguments:
            return {**item, "arguments": "".join(arguments)}
        text = self._pieces.get((place, "text"))
        if item.get("type") == "message" and not item.get("content") and text:
            return {**item, "content": [{"type": "output_text", "text": "".join(text), "annotations": []}]}
        return item

    def _part(self, part: JsonObject, *, reasoning: bool) -> None:
        draft = self.draft
        if refusal := _string(part.get("refusal")):
            draft.refusal.append(refusal)
        elif text := _string(part.get("text")):
            (draft.reasoning if reasoning else draft.text).append(text)


def _string(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
