"""Where a role's calls go: an endpoint, a model there, and what the two are known to understand."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import SecretStr

from macrohard.domain import Value
from macrohard.llm.chat import ModelRole
from macrohard.llm.price import FREE, ModelPrice

Wire = Literal["chat", "responses"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
SILENCE_SECONDS = 900.0
"""What xAI advises for reasoning models (docs.x.ai, best practices)."""


class Capabilities(Value):
    """What a model at an endpoint accepts; the defaults are the subset that every server understands."""

    source: Literal["assumed", "known", "probed"] = "assumed"
    """Known: by the provider's documentation. Probed: it was tried, at `probed_at`."""
    probed_at: datetime | None = None
    tools: bool = True
    parallel_tools: bool = False
    json_schema: bool = False
    vision: bool = False
    streaming_usage: bool = True
    """`stream_options.include_usage` is accepted."""
    temperature: bool = True
    efforts: tuple[Effort, ...] = ()
    """Empty: the parameter is refused."""
    output_limit: Literal["max_tokens", "max_completion_tokens", "none"] = "max_tokens"
    """What the Chat Completions wire calls the limit of an answer."""
    cache_key: bool = False
    """`prompt_cache_key` is accepted."""
    context_tokens: int | None = None


class EndpointSettings(Value):
    """Where models answer."""

    name: str
    """Short, unique among the endpoints: "xai", "openai", "ollama", "builtin", or the person's own."""
    base_url: str | None
    """None: the built-in model, in this process."""
    api_key: SecretStr = SecretStr("")
    wire: Wire = "chat"
    conversation_header: str | None = None
    """Carries the session's id, so that the provider keeps a conversation at one cache: "x-grok-conv-id" for xAI."""
    requests_per_second: float | None = None
    tokens_per_minute: int | None = None
    parallel_calls: int = 64
    silence_seconds: float = SILENCE_SECONDS
    """An answer that says nothing for so long is given up."""


class Target(Value):
    """A model at an endpoint, and how it is asked."""

    endpoint: EndpointSettings
    model: str
    price: ModelPrice = FREE
    effort: Effort | None = None
    """None: the provider's own default."""
    temperature: float | None = None
    max_output_tokens: int = 16_000
    context_tokens: int = 128_000
    context_is_assumed: bool = False
    """Neither the person, nor the endpoint, nor documentation says how long a conversation may be."""
    capabilities: Capabilities = Capabilities()


RoleTargets = Mapping[ModelRole, tuple[Target, ...]]
"""For each role the first is asked; the next ones are asked while the ones before them are not well."""


class Finding(Value):
    """What came out of one question."""

    ability: str
    ok: bool | None
    """None: it is neither good nor bad, or cannot be told."""
    detail: str


class ProbeResult(Value):
    """What one model at one endpoint was seen to do, and what seeing it took."""

    endpoint: str
    model: str
    capabilities: Capabilities | None
    """None: the probe could not be finished, and nothing is known."""
    findings: tuple[Finding, ...]
    problem: str = ""
    """Why it could not be finished, and what to do."""
    calls: int
    tokens: int
    cost_usd: float
    seconds: float
