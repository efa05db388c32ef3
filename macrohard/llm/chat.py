"""What a chat model is to the rest of the factory: messages and tools in, one reply out."""

from collections.abc import Sequence
from typing import Literal, Protocol

from macrohard.domain import JsonObject, Value

ModelRole = Literal["strong", "fast", "vision", "judge"]
"""Agents name a role; settings map roles to endpoints and models."""

MODEL_ROLES: tuple[ModelRole, ...] = ("strong", "fast", "vision", "judge")


class ToolCall(Value):
    """A call the model wants made; `arguments` is the text it wrote, which may not be valid JSON."""

    id: str
    name: str
    arguments: str


class Usage(Value):
    """What one call took."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost_usd: float
    seconds: float


class Reply(Value):
    """One answer of a model."""

    model: str
    message: JsonObject
    """The assistant's message in wire form, to be sent back unchanged in the next request."""
    text: str
    tool_calls: tuple[ToolCall, ...]
    usage: Usage


class ChatModel(Protocol):
    """A model behind the gateway."""

    async def reply(
        self, messages: Sequence[JsonObject], *, role: ModelRole, tools: Sequence[JsonObject], session_id: str
    ) -> Reply:
        """Answer the conversation.

        Raises:
            LimitExceeded: the run's budget does not allow the worst case of this call.
            ModelUnavailable: the endpoint did not answer, or refused the request.
        """
