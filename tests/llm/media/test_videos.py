"""Clips: ordered once, waited for, fetched at once, and paid to the last tick."""

import asyncio

import pytest
from aiohttp import web

from macrohard.llm.media import Clip, FolderOrders, NotAvailable, Order, Refused
from macrohard.llm.media.studio import Studio

from .conftest import SECOND, Set
from .provider import MP4, Handler, cut, empty, file, png, said

GENERATIONS = "/v1/videos/generations"
WORST = 6 * SECOND


async def ask(studio: Studio, *, seconds: int = 6, first_frame: bytes | None = None) -> Clip | Refused | NotAvailable:
    return await studio.video(
        "a wheel turns", seconds=seconds, aspect="16:9", first_frame=first_frame, session_id="r/1/implement/T-1"
    )


async def shot(media: Set, **options: object) -> Clip | Refused | NotAvailable:
    studio = media.studio()
    try:
        return await ask(studio, **options)  # type: ignore[arg-type]  # passed through
    finally:
        await studio.close()


def ready(media: Set, *, ticks: int | None = 2_512_345_678, **video: object) -> Handler:
    media.provider.files["/clip"] = file(MP4)
    usage = {} if ticks is None else {"usage": {"cost_in_usd_ticks": ticks}}
    return said({"status": "done", "video": {"url": f"{media.provider.url}/clip", "duration": 6, **video}, **usage})


async def test_a_clip_is_waited_for_through_empty_answers(media: Set) -> None:
    media.provider.videos.append(said({"request_id": "v-1"}))
    media.provider.polls.extend([empty(202), said({"status": "pending"}, status=202), empty(503), cut(), ready(media)])
    made = await shot(media, first_frame=png())
    assert isinstance(made, Clip)
    assert (made.content, made.media_type, made.seconds) == (MP4, "video/mp4", 6)
    assert (made.cost_usd, made.exact) == (0.2512345678, True)
    assert await media.spent() == 0.2512345678 == media.told_usd
    body = media.provider.body(GENERATIONS)
    assert (body["duration"], body["aspect_ratio"], body["resolution"]) == (6, "16:9", "480p")
    assert body["image"]["url"].startswith("data:image/png;base64,")


async def test_no_more_seconds_than_were_agreed(media: Set) -> None:
    media.provider.videos.append(said({"request_id": "v-1"}))
    media.provider.polls.append(ready(media))
    await shot(media, seconds=15)
    assert media.provider.body(GENERATIONS)["duration"] == 6


@pytest.mark.parametrize(
    ("end", "problem", "paid"),
    [
        pytest.param(said({"status": "failed", "error": "out of luck"}), "out of luck", WORST, id="failed"),
        pytest.param(said({"status": "expired", "usage": {"cost_in_usd_ticks": 0}}), "expired", 0.0, id="expired"),
        pytest.param(said({"status": "done", "video": {}}), "done", WORST, id="nowhere"),
        pytest.param(said({"error": "what?"}, status=404), "404", WORST, id="forgotten"),
    ],
)
async def test_a_clip_that_fails_is_not_available(media: Set, end: Handler, problem: str, paid: float) -> None:
    media.provider.videos.append(said({"request_id": "v-1"}))
    media.provider.polls.append(end)
    made = await shot(media)
    assert isinstance(made, NotAvailable)
    assert problem in made.reason
    assert await media.spent() == pytest.approx(paid)


async def test_moderation_at_the_end_is_a_refusal(media: Set) -> None:
    media.provider.videos.append(said({"request_id": "v-1"}))
    media.provider.polls.append(ready(media, respect_moderation=False))
    assert isinstance(await shot(media), Refused)
    assert media.provider.times("GET", "/clip") == 0
    assert await media.spent() == 0.2512345678


@pytest.mark.parametrize(
    ("content", "problem"),
    [(file(b"gone", status=403), "403"), (file(png(), kind="video/mp4"), "neither MP4"), (file(b""), "neither MP4")],
)
async def test_a_file_that_is_none_is_not_kept(media: Set, content: Handler, problem: str) -> None:
    media.provider.videos.append(said({"request_id": "v-1"}))
    media.provider.polls.append(ready(media))
    media.provider.files["/clip"] = content
    made = await shot(media)
    assert isinstance(made, NotAvailable)
    assert problem in made.reason


@pytest.mark.parametrize("number", ["../models", "a/b", "", 7, "x" * 300])
async def test_a_number_that_leads_elsewhere_is_not_followed(media: Set, number: object) -> None:
    media.provider.videos.append(said({"request_id": number}))
    made = await shot(media)
    assert isinstance(made, NotAvailable)
    assert "request_id" in made.reason
    assert [path for method, path, _ in media.provider.asked if method == "GET"] == ["/v1/models"]


async def test_a_run_that_is_taken_up_again_waits_on_and_pays_once(media: Set) -> None:
    media.provider.videos.append(said({"request_id": "v-1"}))
    polled = asyncio.Event()

    def pending(request: web.Request) -> web.StreamResponse:
        polled.set()
        return web.Response(status=202)

    media.provider.polls.append(pending)
    first = media.studio()
    waiting = asyncio.create_task(ask(first))
    await polled.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await first.close()
    # What a process that ended had reserved counts as spent.
    assert await media.store.budget(media.run_id).release_all() == 1
    media.provider.polls[0] = ready(media)
    made = await shot(media)
    assert isinstance(made, Clip)
    assert media.provider.times("POST", GENERATIONS) == 1
    assert await media.spent() == pytest.approx(WORST), "never less than what it cost"
    assert media.told_usd == 0.2512345678
    assert await shot(media) == made
    assert media.provider.times("GET", "/clip") == 1


async def test_an_order_of_which_nothing_is_known_is_not_made_again(media: Set) -> None:
    media.provider.videos.append(said({"request_id": "v-1"}))
    media.provider.polls.append(ready(media))
    await shot(media)
    orders = FolderOrders(media.folder / "media")
    (order,) = await orders.all()
    await orders.keep(Order.model_validate({**order.model_dump(), "state": "asked", "request_id": "", "digest": ""}))
    made = await shot(media)
    assert isinstance(made, NotAvailable)
    assert "while it was being ordered" in made.reason
    assert media.provider.times("POST", GENERATIONS) == 1


async def test_a_second_clip_is_more_than_was_agreed(media: Set) -> None:
    media.provider.videos.append(said({"request_id": "v-1"}))
    media.provider.polls.append(ready(media))
    await shot(media)
    made = await shot(media, seconds=3)
    assert isinstance(made, NotAvailable)
    assert "1 clips agreed" in made.reason


async def test_openai_offers_no_clips(media: Set) -> None:
    assert isinstance(await ask(media.studio(video="sora-2")), NotAvailable)
    assert media.provider.asked == []
