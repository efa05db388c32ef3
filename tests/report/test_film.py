"""How a report shows the film of the users' visits, or says why there is none."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser

from macrohard.domain import DemoFilm
from macrohard.report import render
from macrohard.report.render import FILM_BYTES
from tests.report.sample import Cupboard, overview

MP4 = b"\0\0\0\x18ftypisom" + bytes(200)


def film(**changes: Any) -> DemoFilm:
    return DemoFilm(commit="9c" * 20, artifact="0" * 64, seconds=89.7, size_bytes=len(MP4), steps=39).model_copy(
        update=changes
    )


async def written(shots: Any, cupboard: Cupboard, shown: DemoFilm | None) -> str:
    return await render(overview(shots).model_copy(update={"film": shown}), cupboard)


async def test_a_film_is_played_in_the_report_itself(
    tmp_path: Path, browser: Browser, cupboard: Cupboard, shots: Any
) -> None:
    digest = await cupboard.put(MP4, media_type="video/mp4")
    path = tmp_path / "report.html"
    path.write_text(await written(shots, cupboard, film(artifact=digest)), encoding="utf-8")
    page = await browser.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "Content Security" in message.text else None)
    await page.goto(path.as_uri())
    video = page.locator("#users ~ figure video")
    assert await video.get_attribute("controls") is not None
    assert (await video.get_attribute("src") or "").startswith("data:video/mp4;base64,AAAAGGZ0eXBpc29t")
    assert refused == []
    assert "All 39 steps" in await page.locator("figure.film figcaption").inner_text()
    await page.close()


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        pytest.param(film(size_bytes=FILM_BYTES), '<a href="demo.mp4">demo.mp4</a> lies beside it', id="too large"),
        pytest.param(
            film(artifact=None, problem="building <b>failed</b>"), "building &lt;b&gt;failed&lt;/b&gt;", id="none"
        ),
    ],
)
async def test_a_film_that_is_not_in_the_report_is_told_of(
    cupboard: Cupboard, shots: Any, shown: DemoFilm, told: str
) -> None:
    page = await written(shots, cupboard, shown)
    assert told in page
    assert "<video" not in page


async def test_where_nothing_was_filmed_nothing_is_said(cupboard: Cupboard, shots: Any) -> None:
    page = await written(shots, cupboard, None)
    assert "<video" not in page
    assert "film" not in page.partition("</style>")[2].lower()
