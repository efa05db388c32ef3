"""Price tables: US dollars per million tokens, with the step for long requests that xAI has.

Figures: docs.x.ai/developers/pricing as read on 2026-11-22; settings override them.
"""

from collections.abc import Mapping

from macrohard.domain import Value


class ModelPrice(Value):
    """US dollars per million tokens."""

    input: float
    cached_input: float
    output: float
    long_from_tokens: int | None = None
    """From so many input tokens on, the whole request costs `long_factor` times as much."""
    long_factor: float = 2.0

    def cost_usd(self, *, input_tokens: int, cached_tokens: int, output_tokens: int) -> float:
        """US dollars for one call; cached tokens are part of the input tokens."""
        factor = self.long_factor if self.long_from_tokens and input_tokens >= self.long_from_tokens else 1.0
        fresh = max(input_tokens - cached_tokens, 0)
        return factor * (fresh * self.input + cached_tokens * self.cached_input + output_tokens * self.output) / 1e6


FREE = ModelPrice(input=0, cached_input=0, output=0)

KNOWN_PRICES: Mapping[str, ModelPrice] = {
    "grok-4.7": ModelPrice(input=2.0, cached_input=0.5, output=6.0, long_from_tokens=200_000),
    "grok-4.6": ModelPrice(input=2.0, cached_input=0.5, output=6.0, long_from_tokens=200_000),
    "grok-4.5": ModelPrice(input=2.0, cached_input=0.5, output=6.0, long_from_tokens=200_000),
    "grok-4.3": ModelPrice(input=1.25, cached_input=0.2, output=2.5, long_from_tokens=200_000),
    "grok-build-0.1": ModelPrice(input=1.0, cached_input=0.2, output=2.0, long_from_tokens=200_000),
}
