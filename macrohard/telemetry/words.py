"""What was said to a model and by it, in the form of the conventions; asked for by name only."""

import json
from collections.abc import Sequence

from pydantic import JsonValue

from macrohard.domain import JsonObject
from macrohard.llm import ChatModel, ModelRole, Reply
from macrohard.llm.redaction import Redactor
from macrohard.telemetry.spans import FINISH, Attribute


class Overheard:
    """A `ChatModel` that keeps the last words of each session until somebody takes them."""

    def __init__(self, model: ChatModel, redactor: Redactor) -> None:
        self._model, self._redactor = model, redactor
        self._said: dict[str, dict[str, Attribute]] = {}

    def take(self, session_id: str) -> dict[str, Attribute]:
        """The attributes of the session's last call, once."""
        return self._said.pop(session_id, {})

    async def reply(
        self, messages: Sequence[JsonObject], *, role: ModelRole, tools: Sequence[JsonObject], session_id: str
    ) -> Reply:
        """See `ChatModel.reply`."""
        reply = await self._model.reply(messages, role=role, tools=tools, session_id=session_id)
        answer = {**_message(reply.message), "finish_reason": FINISH.get(reply.finish, reply.finish)}
        self._said[session_id] = {
            "gen_ai.input.messages": self._kept([_message(message) for message in messages]),
            "gen_ai.output.messages": self._kept([answer]),
        }
        return reply

    def context_tokens(self, role: ModelRole) -> int:
        """See `ChatModel.context_tokens`."""
        return self._model.context_tokens(role)

    def prompt_tokens(self, role: ModelRole) -> int:
        """See `ChatModel.prompt_tokens`."""
        return self._model.prompt_tokens(role)

    def sees(self, role: ModelRole) -> bool:
        """See `ChatModel.sees`."""
        return self._model.sees(role)

    def _kept(self, messages: list[JsonObject]) -> str:
        return self._redactor.text(json.dumps(messages, ensure_ascii=False))


def _message(message: JsonObject) -> JsonObject:
    role, content = str(message.get("role")), message.get("content")
    parts: list[JsonValue] = []
    if role == "tool":
        parts.append({"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content})
    elif isinstance(content, str) and content:
        parts.append({"type": "text", "content": content})
    elif isinstance(content, list):
        parts += [_part(part) for part in content if isinstance(part, dict)]
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(call, dict) and isinstance(function, dict):
            parts.append(
                {
                    "type": "tool_call",
                    "id": call.get("id"),
                    "name": function.get("name"),
                    "arguments": function.get("arguments"),
                }
            )
    return {"role": role, "parts": parts}


def _part(part: JsonObject) -> JsonValue:
    # A picture has megabytes; that there was one is enough.
    return {"type": "text", "content": part["text"] if part.get("type") == "text" else f"({part.get('type')})"}
