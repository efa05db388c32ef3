"""One order from beginning to end, as people see it in Chromium, with the service killed on the way."""

import asyncio
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from zipfile import ZipFile

import pytest
import requests
from playwright.async_api import Browser, Page, expect

from macrohard.store import Store
from tests.server.conftest import Installation, Running, waited_for

REQUIREMENT = "A list of tasks with a title and a due date."
BUILD_MS = 400_000
"""Longer than any step takes on a busy machine."""


class Follower:
    """A program that reads a run's events, and goes on behind the last one whenever the stream breaks."""

    def __init__(self, service: Running, run: str) -> None:
        self.service, self.run = service, run
        self.seen: list[tuple[int, str]] = []
        self.breaks = 0
        self.enough = False

    def read(self) -> None:
        while not self.enough:
            with suppress(requests.RequestException):
                self._read()
            self.breaks += 1
            time.sleep(0.2)

    def _read(self) -> None:
        headers = {"Authorization": f"Bearer {self.service.token}", "Accept": "text/event-stream"}
        if self.seen:
            headers["Last-Event-ID"] = str(self.seen[-1][0])
        address = f"{self.service.base_url}/api/v1/runs/{self.run}/events"
        fields: dict[str, str] = {}
        with requests.get(address, headers=headers, stream=True, timeout=30) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                if line:
                    field, _, value = line.decode().partition(": ")
                    fields[field] = value
                elif "data" in fields:
                    # A blank line ends an event; what was cut off before comes again.
                    self.seen.append((int(fields["id"]), json.loads(fields["data"])["type"]))
                    fields = {}
                if self.enough:
                    return


@contextmanager
def following(service: Running, run: str) -> Iterator[Follower]:
    follower = Follower(service, run)
    reading = threading.Thread(target=follower.read)
    reading.start()
    try:
        yield follower
    finally:
        follower.enough = True
        reading.join(60)


async def entered(browser: Browser, installation: Installation, service: Running) -> tuple[Page, list[str]]:
    """A browser of somebody's own that followed a one-time link, and what its pages complain about."""
    port = service.base_url.rpartition(":")[2]
    link = (await asyncio.to_thread(installation.run, "serve", "link", "--port", port)).strip()
    page = await (await browser.new_context(viewport={"width": 1280, "height": 900})).new_page()
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(link)
    await expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
    again = await page.request.get(link, max_redirects=0)
    assert again.status == 403, "a link lets one browser in"
    return page, complaints


async def say_on_a_line(page: Page, root: str) -> None:
    """A remark on the first line of a file that the first iteration added."""
    await page.goto(f"{root}/iterations/1")
    await expect(page.locator("details.diff").first).to_be_visible(timeout=BUILD_MS)
    await page.locator("details.diff:not([open]) > summary").first.click()
    await page.locator("details.diff[open] table.code td > a").first.click()
    form = page.locator("tr.writing form")
    await form.get_by_label("Remark").fill("Say here what it is for")
    await form.get_by_role("button", name="Send to the agents").click()
    await expect(page.get_by_text("Say here what it is for")).to_be_visible()


BREAKING_OUT = """async dashboard => {
    const tried = {};
    const attempt = async (name, act) => {
        try { tried[name] = String(await act()); } catch (error) { tried[name] = error.name; }
    };
    await attempt("read", async () => (await fetch(`${dashboard}/api/v1/runs`, {credentials: "include"})).status);
    await attempt("blind", async () =>
        (await fetch(`${dashboard}/new`, {credentials: "include", mode: "no-cors", method: "POST",
            headers: {"Content-Type": "application/x-www-form-urlencoded"}, body: "requirement=EVIL"})).type);
    await attempt("frame", () => new Promise(resolve => {
        const frame = document.createElement("iframe");
        frame.onload = () => {
            let read = "blocked";
            try { if (frame.contentDocument.title !== "") read = frame.contentDocument.title; } catch (error) {}
            resolve(read);
        };
        frame.src = `${dashboard}/`;
        document.body.append(frame);
    }));
    tried.cookies = document.cookie;
    return tried;
}"""


async def check_preview(browser: Browser, page: Page, root: str) -> None:
    """The product runs at an address of its own; whatever it tries, it does not reach the dashboard."""
    await page.goto(f"{root}/product")
    await page.get_by_role("button", name="Start a preview").click()
    await page.wait_for_url("**/preview", timeout=BUILD_MS)
    async with page.expect_popup() as opening:
        await page.get_by_role("link", name="Open the product").click()
    product = await opening.value
    await expect(product.get_by_role("heading").first).to_be_visible()
    assert await product.evaluate("window.opener") is None
    # The built-in model's products keep themselves from trying; another one would not.
    hostile = await browser.new_context(bypass_csp=True, storage_state=await page.context.storage_state())
    evil = await hostile.new_page()
    await evil.goto(product.url)
    dashboard = root.partition("/runs/")[0]
    tried = await evil.evaluate(BREAKING_OUT, dashboard)
    # Blind: Chromium itself may keep it from being sent; below is seen that nothing came of it.
    assert tried == {"read": "TypeError", "blind": tried["blind"], "frame": "blocked", "cookies": ""}
    listed = await page.request.get(f"{dashboard}/api/v1/runs")
    runs = (await listed.json())["runs"]
    assert len(runs) == 1, "what a product sends begins nothing"
    await page.get_by_role("button", name="Stop it").click()
    await page.wait_for_url("**/product")
    left = await page.request.get(root.replace("/runs/", "/api/v1/runs/") + "/preview")
    assert await left.json() == []


@pytest.mark.usefixtures("sandboxes")
async def test_a_product_is_ordered_steered_approved_and_taken_home(
    installation: Installation, browser: Browser, tmp_path: Path
) -> None:
    service = await asyncio.to_thread(installation.serve)
    page, complaints = await entered(browser, installation, service)
    other, others_complaints = await entered(browser, installation, service)

    await page.goto(f"{service.base_url}/new")
    await page.get_by_label("In plain words").fill(REQUIREMENT)
    await page.get_by_label("Show me criteria and plan").check()
    await page.get_by_label("Show me the product before").check()
    await page.get_by_role("button", name="Build it").click()
    await page.wait_for_url(re.compile(r"/runs/r-\d+-\w+$"))
    root = page.url
    run = root.rpartition("/")[2]
    await other.goto(root)

    with following(service, run) as follower:
        # Nobody reloads: what the factory does comes to both browsers by itself.
        approve = page.get_by_role("button", name="Approve")
        await expect(approve).to_be_visible(timeout=BUILD_MS)
        await expect(other.get_by_role("button", name="Approve")).to_be_visible()
        assert await other.locator("#next").inner_text() == await page.locator("#next").inner_text()
        await approve.click()
        await expect(other.get_by_role("button", name="Approve")).to_be_hidden()

        await page.get_by_label("Say what should be different").fill("The title is to be larger")
        await page.get_by_role("button", name="Send").click()
        await expect(other.get_by_text("The title is to be larger")).to_be_visible()
        await other.get_by_label("Say what should be different").fill("half a sen")
        await say_on_a_line(page, root)

        before = len(follower.seen)
        await asyncio.to_thread(service.kill)
        service = follower.service = await asyncio.to_thread(
            installation.serve, port=int(service.base_url.rpartition(":")[2])
        )
        await page.goto(root)
        await expect(page.get_by_role("button", name="Approve")).to_be_visible(timeout=BUILD_MS)
        # The other one was not touched: its stream found the new service by itself.
        await expect(other.get_by_role("button", name="Approve")).to_be_visible()
        assert await other.get_by_label("Say what should be different").input_value() == "half a sen"
        for each in (page, other):
            remarks = each.locator("#feedback .remark")
            await expect(remarks).to_have_count(2)
            for number in range(2):
                await expect(remarks.nth(number)).to_contain_text("answered")
                await expect(remarks.nth(number)).to_contain_text("Nothing was changed for it")
        await page.get_by_role("button", name="Approve").click()
        for each in (page, other):
            await expect(each.locator("h1 .chip")).to_have_text("delivered", timeout=BUILD_MS)

        async with await Store.open(None, home=installation.home) as store:
            kept = [(recorded.number, recorded.event.type) for recorded in await store.events(run, limit=100_000)]
        await asyncio.to_thread(waited_for, lambda: len(follower.seen) >= len(kept))
        assert follower.seen == kept, "nothing is lost and nothing is doubled by the break"
        assert before < len(kept)
        assert follower.breaks

    await other.get_by_role("link", name="See what shows that it works").click()
    await other.locator("table.matrix tbody a").first.click()
    evidence = other.locator("article.tried img").first
    await expect(evidence).to_be_visible()
    assert await evidence.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0

    await page.get_by_role("link", name="Get the product").click()
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Download ZIP").click()
    await (await downloading.value).save_as(tmp_path / "product.zip")
    with ZipFile(tmp_path / "product.zip") as archive:
        zipped = {name.partition("/")[2] for name in archive.namelist()}
    command = (await page.locator("pre.command").first.inner_text()).split()
    assert command[:2] == ["git", "clone"]
    address = command[2].replace("://x@", f"://x:{service.token}@")
    await asyncio.to_thread(subprocess.run, ["git", "clone", "-q", address, str(tmp_path / "cloned")], check=True)
    assert {"product.toml"} <= zipped & {each.name for each in (tmp_path / "cloned").iterdir()}
    await check_preview(browser, page, root)
    assert complaints == others_complaints == []
