"""Whatever people, users and products wrote stays text on every page, and what they made runs nowhere near us."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urljoin

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from macrohard.domain import RunOverview
from macrohard.domain.feedback import Remark
from macrohard.server.access import local_link
from tests.hostile import EVERYTHING, obeyed, poisoned
from tests.report.sample import overview as sample
from tests.server.served import Served, served

TEXT = EVERYTHING.replace("\0", "").replace("\ud83d", "")
"""What a person can send."""
ALIVE = """() => [...document.querySelectorAll("*")].filter((element) =>
    [...element.attributes].some((each) => /^on/i.test(each.name) || /^\\s*javascript:/i.test(each.value)) ||
    element.matches("script:not([src^='/static/']), iframe, object, embed, base, meta[http-equiv]") ||
    (element.matches("form") && new URL(element.action).origin !== location.origin)
).map((element) => element.outerHTML)"""
"""Elements that could do something of their own."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "home") as service:
        yield service


class Looking:
    """A browser that was let in, and all that went wrong in it."""

    def __init__(self, chromium: Browser, service: Served) -> None:
        self.page: Page = chromium.new_page()
        self.base, self.wrong = service.base_url, list[str]()
        self.page.on("dialog", lambda dialog: self.wrong.append(f"dialog {dialog.message}"))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda message: self._told(message.type, message.text))
        self.page.on("request", lambda request: self._only_ours(request.url))
        self.page.goto(local_link(service.home, self.base))

    def _told(self, kind: str, text: str) -> None:
        if kind == "error" and "404 (Not Found)" not in text:
            self.wrong.append(text)

    def _only_ours(self, url: str) -> None:
        if not url.startswith((self.base, "data:")):
            self.wrong.append(f"asked {url}")


async def hostile_run(service: Served) -> str:
    """A run in which everything that can speak is hostile."""
    store = service.factory.store
    run = await store.create_run(TEXT, options={}, model="builtin")
    repository = await service.factory.repository(run)
    first = await repository.initial_commit()
    name = "a<img src=x onerror=alert(1)>\u202e.html"
    second = await repository.with_file(first, name, EVERYTHING.encode(errors="replace"), message="<b>m</b>")
    await store.remarks.add(run, Remark(text=TEXT, about="run"), by="<script>you</script>")
    summary = await store.summary(run)
    found = poisoned(sample({}))
    # Names that stand in addresses are of ours: commits, people of the catalogue.
    iterations = tuple(
        each.model_copy(
            update={
                "commit": second,
                "users": tuple(user.model_copy(update={"persona": f"p{n}"}) for n, user in enumerate(each.users)),
            }
        )
        for each in found.iterations
    )
    hostile = found.model_copy(
        update={
            "summary": poisoned(summary).model_copy(update={"id": run}),
            "iterations": iterations,
            "product_commit": second,
            "criteria": tuple(
                each.model_copy(update={"criterion": each.criterion.model_copy(update={"id": f"AC-{n}"})})
                for n, each in enumerate(found.criteria)
            ),
            "sessions": tuple(
                each.model_copy(update={"id": f"{run}/1/<img src=x onerror=alert({number})>"})
                for number, each in enumerate(found.sessions)
            ),
        }
    )

    async def overview(run_id: str) -> RunOverview:
        return hostile

    service.factory.overview = overview  # type: ignore[method-assign]  # what no agent could be made to say at will
    return run


def test_what_is_hostile_is_text_on_every_page(chromium: Browser, service: Served) -> None:
    run = service.within(hostile_run(service))
    looking = Looking(chromium, service)
    page, seen, open_ = looking.page, set[str](), ["/", "/fleet", f"/runs/{run}"]
    kinds: dict[str, int] = {}
    shown: set[str] = set()
    while open_:
        path = open_.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = page.goto(looking.base + path)
        assert answer is not None
        text = answer.text()
        # What has a name that could not be shown is not found by what was shown in its place.
        assert answer.status in (200, 404), (path, text[-2000:])
        shown |= {path.removeprefix(f"/runs/{run}/").partition("?")[0]} if answer.status == 200 else set()
        assert obeyed(text) == set(), path
        assert page.evaluate(ALIVE) == [], path
        assert "owned" not in page.title().split("·")[-1], path
        assert looking.wrong == [], path
        for link in page.evaluate("() => [...document.querySelectorAll('a[href]')].map((a) => a.href)"):
            there = urljoin(looking.base, link)
            assert there.startswith(f"{looking.base}/"), link
            target = there.removeprefix(looking.base).partition("#")[0]
            kind = re.sub(r"\d+", "N", unquote(target))
            # Two of a kind are enough: there are hundreds of links to the same page with other words.
            if target.startswith(f"/runs/{run}") and not target.startswith("/api/") and kinds.get(kind, 0) < 2:
                kinds[kind] = kinds.get(kind, 0) + 1
                open_.append(target)
    for kind in (r"iterations/\d+", r"criteria/AC-\d+", r"users/\d+/p\d+", "sessions/1/%3Cimg.*", "budget", "product"):
        assert [path for path in shown if re.fullmatch(kind, path)], (kind, sorted(shown))
    page.close()


MADE = {
    "image/svg+xml": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>',
    "text/html": b"<script>alert(1)</script>",
    "application/xhtml+xml": b'<html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>',
    "text/xml": b'<?xml-stylesheet href="javascript:alert(1)"?><x/>',
    "application/javascript": b"alert(1)",
    "image/png": b"<script>alert(1)</script>",
    "text/plain": b"<script>alert(1)</script>",
    "text/plain; charset=utf-7": b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "image/png\r\nX-Evil: 1": b"<script>alert(1)</script>",
}


@pytest.mark.parametrize("media_type", MADE)
def test_what_was_made_does_not_run_here(chromium: Browser, service: Served, media_type: str) -> None:
    content = MADE[media_type] + str(media_type).encode()
    digest = service.within(service.factory.store.artifacts.put(content, media_type=media_type))
    answer = service.ask("GET", f"/api/v1/artifacts/{digest}")
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "X-Evil" not in answer.headers
    shown = answer.headers["Content-Type"].partition(";")[0] in ("image/png", "text/plain")
    assert answer.headers["Content-Disposition"].startswith("inline" if shown else "attachment")

    looking = Looking(chromium, service)
    address = f"{looking.base}/api/v1/artifacts/{digest}"
    if shown:
        looking.page.goto(address)
        assert looking.page.evaluate("() => document.scripts.length") == 0
    else:
        with looking.page.expect_download() as download:
            looking.page.evaluate("(address) => { location = address }", address)
        assert download.value.url == address
    # Chromium itself centres a picture by a style, which the policy refuses too.
    assert [each for each in looking.wrong if not each.startswith("Applying inline style")] == []
    looking.page.close()
