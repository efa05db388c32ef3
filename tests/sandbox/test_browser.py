"""The browser image does what simulated users need: a page on a neighbour's port, seen by a locked-in Chromium."""

import json
import shutil
from pathlib import Path, PurePosixPath

import pytest

from macrohard.sandbox import SandboxSpec
from tests.sandbox.conftest import Provider

VISIT = """
import json, os
from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    own = os.environ["MACROHARD_CHROMIUM_SANDBOX"] == "1"
    browser = playwright.chromium.launch(executable_path=os.environ["MACROHARD_CHROMIUM"], chromium_sandbox=own)
    page = browser.new_page()
    page.goto("http://127.0.0.1:8000/page.html")
    page.get_by_role("button", name="Grüße").click()
    page.add_script_tag(path=os.environ["MACROHARD_AXE"])
    print(json.dumps({
        "own_sandbox": own,
        "title": page.title(),
        "violations": [each["id"] for each in page.evaluate("axe.run()")["violations"]],
        "picture": page.screenshot()[:4].hex(),
        "out": page.evaluate("fetch('http://192.0.2.1/').then(() => 'reached', () => 'refused')"),
    }))
    browser.close()
"""
PAGE = """<!doctype html><html lang="de"><title>before</title><meta charset="utf-8"><main><h1>Seite</h1>
<button onclick="document.title = 'clicked'">Grüße</button><img src="data:," id="unnamed"></main></html>"""


async def test_a_visit_to_the_app_next_door(provider: Provider) -> None:
    async with (
        provider.open(SandboxSpec(image="base")) as app,
        provider.open(SandboxSpec(image="browser", join=app.id)) as browser,
    ):
        await app.write({PurePosixPath("page.html"): PAGE.encode()})
        await app.spawn("exec python3 -m http.server 8000 --bind 127.0.0.1 >/tmp/log 2>&1")
        await browser.write({PurePosixPath("visit.py"): VISIT.encode()})
        ready = "until curl --silent --output /dev/null http://127.0.0.1:8000/; do :; done"
        assert (await browser.run(ready, timeout_seconds=30)).exit_code == 0
        visit = await browser.run("python3 visit.py", timeout_seconds=60)
        assert visit.exit_code == 0, visit.stderr
        assert json.loads(visit.stdout) == {
            "own_sandbox": True,
            "title": "clicked",
            "violations": ["image-alt"],
            "picture": "89504e47",
            "out": "refused",
        }


async def test_chromium_is_told_to_do_without_where_its_sandbox_cannot_be(
    provider: Provider, tmp_path: Path, repository_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = "echo $MACROHARD_CHROMIUM_SANDBOX"
    async with provider.open(SandboxSpec(image="browser")) as browser:
        assert (await browser.run(ask, timeout_seconds=20)).stdout == "1\n"
    shutil.copytree(repository_root / "sandboxes", tmp_path / "sandboxes")
    shutil.copy(tmp_path / "sandboxes" / "slim.seccomp.json", tmp_path / "sandboxes" / "browser.seccomp.json")
    monkeypatch.setenv("MACROHARD_DATA", str(tmp_path))
    async with provider.open(SandboxSpec(image="browser")) as browser:
        assert (await browser.run(ask, timeout_seconds=20)).stdout == "0\n"
        assert "Chromium runs without its own sandbox" in (provider.notice or "")


async def test_user_namespaces_are_for_the_browser_only(provider: Provider) -> None:
    async with provider.open(SandboxSpec(image="base")) as base:
        assert (await base.run("unshare --user true", timeout_seconds=20)).exit_code == 1
