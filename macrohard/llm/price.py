"""What a call costs: US dollars per million tokens, with the step for long requests that xAI has."""

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
