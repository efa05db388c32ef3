"""The table `[media]`: who makes pictures and clips, at what price, and what is said where that cannot be."""

from pathlib import Path

import pytest

from macrohard.errors import RequestError
from macrohard.settings import load_settings

pytestmark = pytest.mark.usefixtures("bare")


def test_without_a_table_nobody_makes_pictures_and_visits_are_filmed() -> None:
    settings = load_settings()
    plan = settings.media_plan("builtin")
    assert (plan.image, plan.video, plan.images, plan.clips) == (None, None, 6, 1)
    assert settings.media.film


def test_a_model_at_an_endpoint_comes_with_its_key_and_price(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_API_KEY", "xai-secret")
    bare.write_text(
        '[endpoints.lab]\nbase_url = "http://127.0.0.1:9/v1"\n'
        '[media]\nimage = "grok-imagine-image-2.0"\nvideo = "mover@lab"\nimages = 2\nclip_seconds = 4\nfilm = false\n'
        "[media.prices.mover]\nsecond = 0.5\n"
    )
    settings = load_settings()
    plan = settings.media_plan("builtin")
    assert plan.image is not None
    assert plan.video is not None
    assert (plan.image.endpoint.base_url, plan.image.price.image) == ("https://api.x.ai/v1", 0.08)
    assert plan.image.endpoint.api_key.get_secret_value() == "xai-secret"
    assert (plan.video.endpoint.base_url, plan.video.model, plan.video.price.second) == (
        "http://127.0.0.1:9/v1", "mover", 0.5,
    )  # fmt: skip
    assert plan.video.endpoint.api_key.get_secret_value() == ""
    assert (plan.images, plan.clips, plan.clip_seconds, settings.media.film) == (2, 1, 4, False)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('image = "grok-imagine-image-2.0"', "XAI_API_KEY"),
        ('image = "brush@nowhere"\n[media.prices.brush]\nimage = 1', "no such endpoint"),
        ('image = "brush@ollama"', '[media.prices."brush"]\nimage = 0.0'),
        ('video = "mover@ollama"', '[media.prices."mover"]\nsecond = 0.0'),
        ('image = "x@builtin"', "leave it empty for drawings"),
    ],
)
def test_what_cannot_be_is_said_with_what_to_set(bare: Path, table: str, said: str) -> None:
    bare.write_text(f"[media]\n{table}\n")
    with pytest.raises(RequestError) as caught:
        load_settings().media_plan("builtin")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("table", "said"),
    [("images = -1", "media.images"), ("clip_seconds = 99", "media.clip_seconds"), ("size = 3", "image, images")],
)
def test_a_wrong_table_is_named(bare: Path, table: str, said: str) -> None:
    bare.write_text(f"[media]\n{table}\n")
    with pytest.raises(RequestError) as caught:
        load_settings()
    assert said in str(caught.value)
