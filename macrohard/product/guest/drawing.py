"""Draws an SVG in a page of its own, keeps it as a PNG, and tells how it came out."""

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.async_api import Browser

SCRIPT = (Path(__file__).parent / "drawing.js").read_text()
_PAGE = (
    '<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
    "style-src 'unsafe-inline'\"><style>body { margin: 0 } svg { display: block }</style>"
)


async def draw(browser: Browser, request: Mapping[str, Any]) -> dict[str, Any]:
    """Draw `source` at `width` by `height` pixels into the file `target`; figures are shares of the view."""
    context = await browser.new_context(viewport={"width": 1280, "height": 1280}, service_workers="block")
    try:
        page = await context.new_page()
        await page.set_content(_PAGE)
        given = {name: request[name] for name in ("source", "width", "height")}
        found: dict[str, Any] = await page.evaluate(SCRIPT, given)
    finally:
        await context.close()
    await asyncio.to_thread(Path(request["target"]).write_bytes, base64.b64decode(found.pop("png")))
    return found
