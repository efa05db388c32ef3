"""Where pictures and clips are made, and how many of them a product may have."""

from pydantic import Field

from macrohard.domain import Value
from macrohard.llm.media.price import MediaPrice
from macrohard.llm.target import EndpointSettings


class MediaSettings(Value):
    """The table `[media]` of the settings file."""

    image: str = ""
    """`model@endpoint`, e.g. "grok-imagine-image-2.0@xai"; empty: pictures are drawn by the chat model, as SVG."""
    video: str = ""
    """So for clips; empty: there are none."""
    images: int = Field(default=6, ge=0, le=100)
    """Generated pictures for one product at most."""
    clips: int = Field(default=1, ge=0, le=20)
    clip_seconds: int = Field(default=6, ge=1, le=15)
    """Of one clip at most."""
    film: bool = True
    """Whether a demo video is made of the simulated users' visits when a product is released."""
    prices: dict[str, MediaPrice] = Field(default_factory=dict)
    """In US dollars by model, added to the known ones: the budget is kept by them."""


class MediaTarget(Value):
    """A model at an endpoint."""

    endpoint: EndpointSettings
    model: str
    price: MediaPrice


class MediaPlan(Value):
    """What one run may use; a target that is None makes everything of its kind not available."""

    image: MediaTarget | None = None
    video: MediaTarget | None = None
    images: int = 6
    clips: int = 1
    clip_seconds: int = 6
