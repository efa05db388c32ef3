"""What pictures and clips cost at worst, in US dollars, so that it can be reserved before they are ordered.

xAI: price lists of resellers who state xAI's own prices, read on 2026-11-22, for what is asked for here (1k, medium;
480p); what was really billed stands in its answers. OpenAI: developers.openai.com, model pages, read on 2026-11-22, for
medium quality at 1536 by 1024; what an answer took is counted in tokens there. Settings add to the table.
"""

from collections.abc import Mapping

from macrohard.domain import Value


class MediaPrice(Value):
    """US dollars. What is 0 is not offered, or not billed."""

    image: float = 0.0
    """One picture at worst."""
    second: float = 0.0
    """One second of a clip."""
    first_frame: float = 0.0
    """A picture that is sent along."""
    input_tokens: float = 0.0
    """A million of them, where an answer counts tokens."""
    output_tokens: float = 0.0

    def image_usd(self, *, input_tokens: int, output_tokens: int) -> float | None:
        """What a picture cost by its tokens; None if the price of tokens is not known."""
        if not self.output_tokens or not output_tokens:
            return None
        return (input_tokens * self.input_tokens + output_tokens * self.output_tokens) / 1e6

    def clip_usd(self, *, seconds: float, with_first_frame: bool) -> float:
        """One clip."""
        return seconds * self.second + (self.first_frame if with_first_frame else 0.0)


KNOWN_MEDIA_PRICES: Mapping[str, MediaPrice] = {
    "grok-imagine-image": MediaPrice(image=0.02),
    "grok-imagine-image-quality": MediaPrice(image=0.07),
    "grok-imagine-image-2.0": MediaPrice(image=0.08),
    "grok-imagine-video": MediaPrice(second=0.05, first_frame=0.002),
    "grok-imagine-video-1.5": MediaPrice(second=0.08, first_frame=0.01),
    "gpt-image-1": MediaPrice(image=0.08, input_tokens=5.0, output_tokens=40.0),
    "gpt-image-1-mini": MediaPrice(image=0.02, input_tokens=2.0, output_tokens=8.0),
    "gpt-image-1.5": MediaPrice(image=0.07, input_tokens=5.0, output_tokens=32.0),
}
