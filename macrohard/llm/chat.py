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
    """Cached ones included."""
    cached_tokens: int
    output_tokens: int
    """All that is billed as output, reasoning included."""
    reasoning_tokens: int = 0
    cost_usd: float
    exact: bool = False
    """The provider stated the cost; else it is by the price table."""
    estimated: bool = False
    """The endpoint did not count: tokens are estimated from characters."""
    seconds: float

    @property
    def total_tokens(self) -> int:
        """Input and output."""
        return self.input_tokens + self.output_tokens


Finish = Literal["stop", "tool_calls", "length", "refused"]


class Reply(Value):
    """One answer of a model."""

    endpoint: str
    """Whose answer it is: after a failover not the role's first."""
    model: str
    """What it calls itself."""
    asked: str = ""
    """What it was asked for by; empty: by the same name."""
    message: JsonObject
    """The assistant's message, to be sent back unchanged in the next request.

    In the form of Chat Completions, whichever wire it came by. What only the provider understands (reasoning items of
    the Responses wire, `reasoning_details`) is under the key "provider": {"endpoint": name, "model": model, …}; it goes
    back unchanged to that endpoint and model, and to nobody else.
    """
    text: str
    reasoning: str = ""
    """What the model let see of its thinking; for people, never sent back by us."""
    tool_calls: tuple[ToolCall, ...]
    finish: Finish
    """"length": the answer was cut off at the output limit."""
    usage: Usage


class ChatModel(Protocol):
    """A model behind the gateway."""

    async def reply(
        self, messages: Sequence[JsonObject], *, role: ModelRole, tools: Sequence[JsonObject], session_id: str
    ) -> Reply:
        """Answer the conversation.

        Raises:
            LimitExceeded: the run's budget does not allow the worst case of this call.
            ContextExceeded: the conversation is longer than the model can read; make it shorter and ask again.
            ModelUnavailable: no endpoint of this role answered in time, or all refused the request.
        """

    def context_tokens(self, role: ModelRole) -> int:
        """How many tokens a conversation of this role may have, its answer included: the smallest of its targets."""

    def prompt_tokens(self, role: ModelRole) -> int:
        """How many of them a request should have at most: see `macrohard.llm.window`."""

    def sees(self, role: ModelRole) -> bool:
        """Whether all targets of this role take images."""
