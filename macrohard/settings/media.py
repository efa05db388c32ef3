"""From the table `[media]` to who makes pictures and clips, with which key, at what price."""

from typing import TYPE_CHECKING

from macrohard.errors import RequestError
from macrohard.llm.media import KNOWN_MEDIA_PRICES, MediaPlan, MediaTarget
from macrohard.llm.models.known import BUILTIN
from macrohard.settings.tables import split_model
from macrohard.settings.targets import Resolver

if TYPE_CHECKING:
    from macrohard.settings.loading import Settings


def media_plan(settings: "Settings", *, run_model: str, path: str) -> MediaPlan:
    """What one run may use.

    Raises:
        RequestError: an endpoint is not known or has no key, or a model no price; says what to set and where.
    """
    media, resolver = settings.media, Resolver(settings, run_model=run_model, probed={}, path=path)

    def target(name: str, kind: str) -> MediaTarget | None:
        if not name:
            return None
        model, endpoint = split_model(name)
        if not endpoint:
            endpoint = "xai" if model.startswith("grok") else "openai"
        if endpoint == BUILTIN:
            raise RequestError(f"{path}: media.{kind}: the built-in model makes none; leave it empty for drawings")
        price = media.prices.get(name) or media.prices.get(model) or KNOWN_MEDIA_PRICES.get(model)
        if price is None:
            figure = "image" if kind == "image" else "second"
            raise RequestError(
                f"what model {model!r} takes for one {figure} is not known, so no budget could be kept; "
                f'add it to {path} in US dollars:\n[media.prices."{model}"]\n{figure} = 0.0'
            )
        return MediaTarget(endpoint=resolver.endpoint(endpoint, model), model=model, price=price)

    return MediaPlan(
        image=target(media.image, "image"),
        video=target(media.video, "video"),
        images=media.images,
        clips=media.clips,
        clip_seconds=media.clip_seconds,
    )
