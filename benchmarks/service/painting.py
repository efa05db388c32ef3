"""When a browser shows the first of a page."""

import shutil
from statistics import median

from playwright.sync_api import sync_playwright

from benchmarks.service.seeded import LONG

ROUNDS = 5
PAGES = ("/", f"/runs/{LONG}")
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def measure(port: int, link: str) -> dict[str, float]:
    """Milliseconds until the first contentful paint, the median, by page."""
    painted = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(link)
        for path in PAGES:
            took = []
            for _ in range(ROUNDS):
                page.goto(f"http://127.0.0.1:{port}{path}")
                page.wait_for_function(f"() => {_PAINTED.removesuffix('.startTime')} !== undefined")
                took.append(page.evaluate(_PAINTED))
            painted[path] = round(median(took), 1)
        browser.close()
    return painted
