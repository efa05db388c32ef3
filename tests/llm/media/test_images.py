"""Pictures: what providers are asked, what becomes of their answers, and what is paid."""

import asyncio
import base64

import pytest

from macrohard.errors import LimitExceeded
from macrohard.llm.media import NotAvailable, Picture, Refused
from macrohard.llm.media.family import OpenAI, Xai
from macrohard.llm.media.studio import PICTURE_LIMIT_BYTES

from .conftest import IMAGE, KEY, Set
from .provider import JPEG, MP4, Handler, cut, empty, file, image, moved, png, said

GENERATIONS = "/v1/images/generations"


async def shot(media: Set, prompt: str = "a bicycle", **options: object) -> Picture | Refused | NotAvailable:
    studio = media.studio(**options)  # type: ignore[arg-type]  # passed through
    try:
        return await studio.image(prompt, aspect="16:9", transparent=False, session_id="r/1/implement/T-1")
    finally:
        await studio.close()


async def test_xai_is_asked_in_its_own_words_and_says_what_it_cost(media: Set) -> None:
    media.provider.images.append(image(revised_prompt="a red bicycle", ticks=612_345_678))
    made = await shot(media)
    assert isinstance(made, Picture)
    assert (made.content, made.media_type, made.revised_prompt) == (png(), "image/png", "a red bicycle")
    assert (made.cost_usd, made.exact) == (0.0612345678, True)
    assert await media.spent() == 0.0612345678 == media.told_usd
    body = media.provider.body(GENERATIONS)
    assert {name: body[name] for name in ("aspect_ratio", "resolution", "quality", "n")} == {
        "aspect_ratio": "16:9", "resolution": "1k", "quality": "medium", "n": 1,
    }  # fmt: skip
    assert not {"size", "seed", "mask", "background"} & set(body)


@pytest.mark.parametrize("model", ["grok-imagine-image", "grok-imagine-image-quality"])
def test_only_the_models_that_know_a_quality_are_given_one(model: str) -> None:
    assert "quality" not in Xai().image_request(model, "a hat", aspect="1:1", transparent=False)


@pytest.mark.parametrize(
    ("aspect", "size"), [("1:1", "1024x1024"), ("16:9", "1536x1024"), ("9:16", "1024x1536"), ("3:4", "1024x1536")]
)
def test_openai_is_asked_for_a_size_and_never_for_a_response_format(aspect: str, size: str) -> None:
    body = OpenAI().image_request("gpt-image-1", "a hat", aspect=aspect, transparent=True)  # type: ignore[arg-type]  # one of them
    assert body == {
        "model": "gpt-image-1", "prompt": "a hat", "n": 1, "size": size, "quality": "medium",
        "background": "transparent", "output_format": "png",
    }  # fmt: skip


async def test_openai_counts_tokens_and_they_are_paid_by_the_table(media: Set) -> None:
    media.provider.models = {"data": [{"id": "gpt-image-1"}]}
    usage = {"input_tokens": 40, "output_tokens": 1056}
    media.provider.images.append(said({"data": [{"b64_json": base64.b64encode(png()).decode()}], "usage": usage}))
    made = await shot(media, model="gpt-image-1")
    assert isinstance(made, Picture)
    assert made.cost_usd == pytest.approx((40 * 5 + 1056 * 40) / 1e6)
    assert not made.exact
    assert await media.spent() == pytest.approx(made.cost_usd, abs=1e-10)


async def test_without_a_stated_cost_the_worst_case_is_paid(media: Set) -> None:
    media.provider.images.append(image(ticks=None))
    made = await shot(media)
    assert isinstance(made, Picture)
    assert (made.cost_usd, made.exact) == (IMAGE, False)
    assert await media.spent() == IMAGE


@pytest.mark.parametrize(
    ("answer", "model", "paid"),
    [
        pytest.param(image(respect_moderation=False), "grok-imagine-image-2.0", 0.06, id="xai says so"),
        pytest.param(image(respect_moderation=False, ticks=None), "grok-imagine-image-2.0", IMAGE, id="xai, no cost"),
        pytest.param(
            said({"code": "invalid-argument", "error": "Content violates usage guidelines."}, status=400),
            "grok-imagine-image-2.0", IMAGE, id="xai error",
        ),
        pytest.param(
            said({"error": {"code": "moderation_blocked", "message": "Rejected by the safety system."}}, status=400),
            "gpt-image-1", 0.0, id="openai error",
        ),
    ],
)  # fmt: skip
async def test_a_refusal_is_a_result(media: Set, answer: Handler, model: str, paid: float) -> None:
    media.provider.models = None
    media.provider.images.append(answer)
    made = await shot(media, model=model)
    assert isinstance(made, Refused)
    assert made.reason
    assert await media.spent() == paid == media.told_usd


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_what_is_not_offered_is_asked_for_once_in_a_run(media: Set, status: int) -> None:
    media.provider.images.append(said({"error": "no such thing here"}, status=status))
    studio = media.studio()
    for prompt in ("a hat", "a cat", "a bat"):
        made = await studio.image(prompt, aspect="1:1", transparent=False, session_id="r/1/implement/T-1")
        assert isinstance(made, NotAvailable)
        assert str(status) in made.reason
    await studio.close()
    assert media.provider.times("POST", GENERATIONS) == 1
    assert await media.spent() == 0


async def test_models_are_listed_once_and_one_that_is_not_there_is_not_asked_for(media: Set) -> None:
    media.provider.models = {"data": [{"id": "grok-imagine-image", "aliases": ["imagine"]}, {"id": "grok-4.7"}]}
    studio = media.studio()
    for prompt in ("a hat", "a cat"):
        made = await studio.image(prompt, aspect="1:1", transparent=False, session_id="r/1/implement/T-1")
        assert isinstance(made, NotAvailable)
        assert "lists grok-imagine-image" in made.reason
    await studio.close()
    assert media.provider.times("GET", "/v1/models") == 1
    assert media.provider.times("POST", GENERATIONS) == 0


async def test_an_alias_is_a_name(media: Set) -> None:
    media.provider.models = {"data": [{"id": "grok-imagine", "aliases": ["grok-imagine-image-2.0"]}]}
    media.provider.images.append(image())
    assert isinstance(await shot(media), Picture)


async def test_no_room_now_is_asked_again(media: Set) -> None:
    media.provider.images.extend([said({}, status=429, headers={"Retry-After": "0"}), empty(503), image()])
    assert isinstance(await shot(media), Picture)
    assert media.provider.times("POST", GENERATIONS) == 3
    assert await media.spent() == 0.06


async def test_trouble_that_does_not_end_is_not_available_and_may_be_tried_later(media: Set) -> None:
    media.provider.images.append(empty(500))
    assert isinstance(await shot(media), NotAvailable)
    assert await media.spent() == 0
    media.provider.images[0] = image()
    assert isinstance(await shot(media), Picture)


async def test_a_broken_connection_is_taken_as_billed_and_not_asked_again(media: Set) -> None:
    media.provider.images.append(cut())
    for _ in range(2):
        assert isinstance(await shot(media), NotAvailable)
    assert media.provider.times("POST", GENERATIONS) == 1
    assert await media.spent() == IMAGE == media.told_usd


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        pytest.param({"/p": file(b"<html>nope</html>", kind="image/png")}, "neither PNG", id="not what it says"),
        pytest.param({"/p": file(MP4)}, "neither PNG", id="a video"),
        pytest.param({"/p": file(png() + bytes(PICTURE_LIMIT_BYTES))}, "more than", id="huge"),
        pytest.param({"/p": file(b"", status=410)}, "410", id="expired"),
        pytest.param({"/p": moved("file:///etc/passwd")}, "'file'", id="another scheme"),
        pytest.param({"/p": moved("http://169.254.169.254/latest/meta-data")}, "not public", id="private address"),
        pytest.param({"/p": moved("http://[::ffff:10.0.0.1]/")}, "not public", id="private address in IPv6"),
        pytest.param({"/p": moved("http://localhost:1/")}, "not public", id="private name"),
        pytest.param({"/p": moved("/p")}, "redirects", id="round and round"),
    ],
)
async def test_a_file_is_fetched_with_care(media: Set, files: dict[str, Handler], problem: str) -> None:
    media.provider.files = files
    media.provider.images.append(
        said({"data": [{"url": f"{media.provider.url}/p"}], "usage": {"cost_in_usd_ticks": 300_000_000}})
    )
    made = await shot(media)
    assert isinstance(made, NotAvailable)
    assert problem in made.reason
    assert await media.spent() == 0.03, "it was made, and billed"


async def test_a_file_of_the_endpoint_itself_is_fetched_without_the_key(media: Set) -> None:
    media.provider.files = {"/p": moved("/q"), "/q": file(JPEG, kind="text/plain")}
    media.provider.images.append(said({"data": [{"url": f"{media.provider.url}/p"}]}))
    made = await shot(media)
    assert isinstance(made, Picture)
    assert made.media_type == "image/jpeg"
    keys = dict(media.provider.keys)
    assert keys[GENERATIONS] == f"Bearer {KEY}"
    assert keys["/p"] == keys["/q"] == ""


async def test_the_same_wish_is_fulfilled_once(media: Set) -> None:
    media.provider.images.append(image())
    first, again = await shot(media), await shot(media)
    assert first == again
    assert media.provider.times("POST", GENERATIONS) == 1
    assert await media.spent() == 0.06


async def test_more_than_was_agreed_is_not_ordered_even_at_the_same_time(media: Set) -> None:
    media.provider.images.append(image())
    studio = media.studio(images=2)
    wishes = [studio.image(f"hat {n}", aspect="1:1", transparent=False, session_id="r/1/x/T-1") for n in range(6)]
    made = await asyncio.gather(*wishes)
    await studio.close()
    assert sum(isinstance(each, Picture) for each in made) == 2
    assert "2 pictures agreed" in next(each.reason for each in made if isinstance(each, NotAvailable))
    assert await media.spent() == 0.12


async def test_the_budget_is_asked_before_the_endpoint(media: Set) -> None:
    ledger = media.store.budget(media.run_id)
    await ledger.settle(
        await ledger.reserve(session_id="x", worst_case_usd=0.95, worst_case_tokens=0), actual_usd=0.95, actual_tokens=0
    )
    with pytest.raises(LimitExceeded):
        await shot(media)
    assert media.provider.times("POST", GENERATIONS) == 0
    assert await media.spent() == 0.95


async def test_the_key_is_in_no_file(media: Set) -> None:
    media.provider.images.append(image())
    await shot(media)
    kept = [path.read_bytes() for path in media.folder.parent.rglob("*") if path.is_file()]
    assert kept
    assert not any(KEY.encode() in content for content in kept)
