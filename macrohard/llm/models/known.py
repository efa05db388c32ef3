"""What is known of endpoints and models before anybody asked them; settings, and what a probe finds, go before it.

Prices and context windows: docs.x.ai/developers/pricing, read on 2026-11-22. Of the two prices that copies of that page
give for cached input of grok-4.5, the higher one. Efforts and images: docs.x.ai/developers/model-capabilities.
Wire and temperature: what xAI recommends there (best practices). Ports: each server's own default.
"""

from collections.abc import Mapping

from macrohard.domain import Value
from macrohard.llm.chat import ModelRole
from macrohard.llm.price import ModelPrice
from macrohard.llm.target import Capabilities, Effort, Wire

BUILTIN = "builtin"
BUILTIN_MODELS = ("builtin", "builtin:careless")
BUILTIN_CAPABILITIES = Capabilities(source="known", context_tokens=128_000)
"""A figure for reports: it reads any length, and conversations with it are never shortened (`llm/window.py`)."""
BUILTIN_ANSWER_TOKENS = 64_000
"""Its documents for large requirements come in one call, and it keeps to what it is allowed."""
DEFAULT_MODEL = "grok-4.7"
"""Of those who have a key of xAI and named no model."""


class KnownEndpoint(Value):
    """A provider, or a kind of server."""

    base_url: str
    wire: Wire = "chat"
    conversation_header: str | None = None
    needs_key: bool = False
    local: bool = False
    """Usually on this machine, and then without a price."""
    parallel_calls: int = 64
    title: str


KNOWN_ENDPOINTS: Mapping[str, KnownEndpoint] = {
    "xai": KnownEndpoint(
        title="xAI",
        base_url="https://api.x.ai/v1",
        wire="responses",
        conversation_header="x-grok-conv-id",
        needs_key=True,
    ),
    "openai": KnownEndpoint(title="OpenAI", base_url="https://api.openai.com/v1", needs_key=True),
    # Three that work on few requests at a time; the others would wait inside the server, where no order is kept.
    "ollama": KnownEndpoint(title="Ollama", base_url="http://127.0.0.1:11434/v1", local=True, parallel_calls=4),
    "lmstudio": KnownEndpoint(title="LM Studio", base_url="http://127.0.0.1:1234/v1", local=True, parallel_calls=4),
    "llamacpp": KnownEndpoint(title="llama.cpp", base_url="http://127.0.0.1:8080/v1", local=True, parallel_calls=4),
    "vllm": KnownEndpoint(title="vLLM", base_url="http://127.0.0.1:8000/v1", local=True),
}


class KnownModel(Value):
    """A model of a provider as its documentation has it."""

    price: ModelPrice
    capabilities: Capabilities
    temperature: float | None = None
    """What the provider recommends; None: its own default."""

    def effort(self, role: ModelRole) -> Effort | None:
        """Said explicitly, as xAI advises; None where the parameter is refused."""
        wanted: Effort = "low" if role == "fast" else "high"
        return wanted if wanted in self.capabilities.efforts else None


def _grok(
    *, context: int, usd_input: float, usd_cached: float, usd_output: float, efforts: tuple[Effort, ...] = ()
) -> KnownModel:
    return KnownModel(
        price=ModelPrice(input=usd_input, cached_input=usd_cached, output=usd_output, long_from_tokens=200_000),
        capabilities=Capabilities(
            source="known",
            parallel_tools=True,
            json_schema=True,
            vision=True,
            efforts=efforts,
            cache_key=True,
            context_tokens=context,
        ),
        temperature=0.7,
    )


_LADDER: tuple[Effort, ...] = ("low", "medium", "high", "xhigh")

KNOWN_MODELS: Mapping[str, KnownModel] = {
    "grok-4.7": _grok(context=500_000, usd_input=2.0, usd_cached=0.5, usd_output=6.0, efforts=_LADDER),
    "grok-4.6": _grok(context=500_000, usd_input=2.0, usd_cached=0.5, usd_output=6.0, efforts=_LADDER),
    "grok-4.5": _grok(context=500_000, usd_input=2.0, usd_cached=0.5, usd_output=6.0, efforts=_LADDER[:3]),
    "grok-4.3": _grok(
        context=1_000_000, usd_input=1.25, usd_cached=0.2, usd_output=2.5, efforts=("none", *_LADDER[:3])
    ),
    "grok-4.20-0309-reasoning": _grok(context=1_000_000, usd_input=1.25, usd_cached=0.2, usd_output=2.5),
    "grok-4.20-0309-non-reasoning": _grok(context=1_000_000, usd_input=1.25, usd_cached=0.2, usd_output=2.5),
    "grok-4.20-multi-agent-0309": _grok(context=1_000_000, usd_input=1.25, usd_cached=0.2, usd_output=2.5),
    "grok-build-0.1": _grok(context=256_000, usd_input=1.0, usd_cached=0.2, usd_output=2.0),
    # Goes on as another name of its successor.
    "grok-code-fast-1": _grok(context=256_000, usd_input=1.0, usd_cached=0.2, usd_output=2.0),
}
