"""What comes of asking for a picture or a clip; a refusal and a missing endpoint are answers like any other."""

from typing import Literal

from macrohard.domain import Value

Aspect = Literal["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3"]
"""Width to height; what all providers know, or can be asked for in their own way."""

PictureType = Literal["image/png", "image/jpeg", "image/webp"]
ClipType = Literal["video/mp4", "video/webm"]


class Picture(Value):
    """One generated picture. What kind of file it is was told from its first bytes; it was not decoded."""

    content: bytes
    media_type: PictureType
    endpoint: str
    model: str
    cost_usd: float
    exact: bool
    """The provider stated the cost; else it is by the price table."""
    revised_prompt: str = ""
    """What the provider made of the prompt; empty if it does not say."""


class Clip(Value):
    """One generated video, never decoded either."""

    content: bytes
    media_type: ClipType
    seconds: float
    endpoint: str
    model: str
    cost_usd: float
    exact: bool


class Refused(Value):
    """The provider's moderation does not want this to be made; other words may help."""

    reason: str
    endpoint: str
    model: str
    cost_usd: float
    """Some providers bill what they refuse."""


class NotAvailable(Value):
    """Nobody makes it: there is no endpoint, it failed, or what was agreed for this product is used up."""

    reason: str
