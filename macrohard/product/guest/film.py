"""The program in the media sandbox: lays out the cards of a film in a browser, and has ffmpeg make a video of them.

`python -m macrohard.product.guest.film FOLDER`: reads `story.json` and the pictures that it names there, leaves
`film.mp4`, and prints what came out as one JSON line.
"""

import asyncio
import base64
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

WIDTH, HEIGHT = 1280, 800
FRAMES_PER_SECOND = 5
"""Cards stand still: more would only be copies."""
PAGES = 2
ENCODE_SECONDS = 120
SCRIPT = (Path(__file__).parent / "film.js").read_text()
PAGE = """<!doctype html>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<style>
  * { box-sizing: border-box; margin: 0 }
  [hidden] { display: none !important }
  body { width: 1280px; height: 800px; overflow: hidden; background: #12161c; color: #f3f5f8;
         font-family: "Liberation Sans", "Noto Color Emoji", sans-serif }
  #stage { position: absolute; inset: 0 0 134px; display: grid; place-items: center; padding: 16px }
  #stage > * { grid-area: 1 / 1 }
  #picture { max-width: 1248px; max-height: 634px; border-radius: 6px; background: #fff;
             box-shadow: 0 6px 28px rgb(0 0 0 / .5) }
  #missing { color: #aab4c0; font-size: 24px }
  #caption { position: absolute; inset: auto 0 0; height: 134px; padding: 12px 32px; background: #1b212a;
             border-top: 4px solid #3b82f6 }
  .wrong #caption { border-color: #f97316 } .shocking #caption { border-color: #ef4444 }
  #who { float: right; color: #aab4c0; font-size: 18px; margin-left: 24px }
  #intention, #action, #outcome { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; line-height: 1.42 }
  #intention { font-size: 25px; font-weight: 700 }
  #action { font-size: 19px; color: #cbd3dd }
  #outcome { font-size: 19px; color: #b9c6d6 }
  .wrong #outcome { color: #fdba74 } .shocking #outcome { color: #fca5a5 }
  #title { position: absolute; inset: 0; padding: 96px 112px; display: flex; flex-direction: column;
           justify-content: center; gap: 20px; overflow: hidden }
  .title #stage, .title #caption, .step #title { display: none }
  #eyebrow { font-size: 22px; color: #93c5fd; letter-spacing: .04em }
  #heading { font-size: 58px; font-weight: 700; line-height: 1.12; max-height: 3.4em; overflow: hidden }
  #text { font-size: 26px; line-height: 1.4; color: #cbd3dd; max-height: 5.6em; overflow: hidden }
  #lines { font-size: 24px; line-height: 1.5; padding-left: 1.2em; max-height: 12em; overflow: hidden }
  #lines:empty { display: none }
  .wrong #heading { color: #fdba74 }
</style>
<div id="stage"><img id="picture" alt=""><p id="missing">No picture of this step</p></div>
<div id="caption"><p id="who"></p><p id="intention"></p><p id="action"></p><p id="outcome"></p></div>
<div id="title"><p id="eyebrow"></p><p id="heading"></p><p id="text"></p><ul id="lines"></ul></div>
"""


async def make(folder: Path) -> dict[str, Any]:
    """The film of the folder's story."""
    story = json.loads((folder / "story.json").read_text())
    began = time.monotonic()
    await _lay_out(folder, story["cards"])
    laid_out = time.monotonic()
    (folder / "cards.txt").write_text(_list(story["cards"]))
    (folder / "chapters.txt").write_text(_chapters(story["title"], story["chapters"]))
    seconds = sum(card["seconds"] for card in story["cards"])
    said = await _ffmpeg(
        *("-f", "concat", "-safe", "0", "-i", str(folder / "cards.txt"), "-i", str(folder / "chapters.txt")),
        *("-map", "0:v", "-map_metadata", "1", "-map_chapters", "1", "-t", f"{seconds:.3f}"),
        # JPEG uses the full range of values, which not every player takes in a video.
        *("-vf", f"fps={FRAMES_PER_SECOND},scale=in_range=full:out_range=limited,format=yuv420p"),
        *("-c:v", "libx264", "-preset", "veryfast"),
        *("-tune", "stillimage", "-crf", "27", "-g", str(FRAMES_PER_SECOND * 10), "-movflags", "+faststart"),
        str(folder / "film.mp4"),
    )
    if said:
        return {"problem": said}
    return {
        "seconds": seconds,
        "bytes": (folder / "film.mp4").stat().st_size,
        "cards": len(story["cards"]),
        "took": [round(laid_out - began, 3), round(time.monotonic() - laid_out, 3)],
    }


async def _lay_out(folder: Path, cards: list[dict[str, Any]]) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=os.environ["MACROHARD_CHROMIUM"],
            chromium_sandbox=os.environ.get("MACROHARD_CHROMIUM_SANDBOX") != "0",
        )
        context = await browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        waiting = list(enumerate(cards))

        async def work() -> None:
            page = await context.new_page()
            await page.set_content(PAGE)
            while waiting:
                number, card = waiting.pop(0)
                await _shoot(page, folder, number, card)

        await asyncio.gather(*(work() for _ in range(PAGES)))
        await browser.close()


async def _shoot(page: Page, folder: Path, number: int, card: dict[str, Any]) -> None:
    shown = dict(card)
    if name := card.get("picture"):
        content = (folder / name).read_bytes()
        kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
        shown["picture"] = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    await page.evaluate(SCRIPT, shown)
    await page.screenshot(type="jpeg", quality=90, path=str(folder / f"card-{number:04}.jpg"))


def _list(cards: list[dict[str, Any]]) -> str:
    """For ffmpeg's concat demuxer, which takes the length of a picture only from the one after it."""
    lines = ["ffconcat version 1.0"]
    for number, card in enumerate(cards):
        lines += [f"file card-{number:04}.jpg", f"duration {card['seconds']:.3f}"]
    return "\n".join([*lines, f"file card-{len(cards) - 1:04}.jpg", ""])


def _chapters(title: str, chapters: list[dict[str, Any]]) -> str:
    lines = [";FFMETADATA1", f"title={_escaped(title)}"]
    for chapter in chapters:
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={int(chapter['start'] * 1000)}"]
        lines += [f"END={int(chapter['end'] * 1000)}", f"title={_escaped(chapter['title'])}"]
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return re.sub(r"([=;#\\])", r"\\\1", " ".join(text.split()))


async def _ffmpeg(*arguments: str) -> str:
    """What went wrong; empty if nothing did."""
    process = await asyncio.create_subprocess_exec(
        *("ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *arguments),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await asyncio.wait_for(process.communicate(), ENCODE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"ffmpeg was not done after {ENCODE_SECONDS} s"
    return "" if process.returncode == 0 else f"ffmpeg: {said.decode(errors='replace').strip()[-1000:]}"


if __name__ == "__main__":
    print(json.dumps(asyncio.run(make(Path(sys.argv[1])))), flush=True)
