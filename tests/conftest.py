"""What tests of many parts share: real sandboxes from images that are built once, a browser, and recorded endpoints."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from macrohard.sandbox import SandboxProvider, build_images, choose_provider
from tests.serving import ServeCassette, serving

pytest_plugins = ["tests.databases"]


@pytest.fixture(scope="session")
async def sandboxes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProvider]:
    """The strongest sandboxes of this machine."""
    await build_images(("base", "browser"), progress=print)
    provider = await choose_provider("auto", home=tmp_path_factory.mktemp("home"))
    yield provider
    await provider.close()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A real Chromium."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    assert executable, "the tests need Chromium: make test installs it"
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield launched
        await launched.close()


@pytest.fixture(scope="session")
def repository_root() -> Path:
    """The folder that holds the project."""
    return Path(__file__).parent.parent


@pytest.fixture
async def serve_cassette() -> AsyncIterator[ServeCassette]:
    """Serves a cassette of `tests/cassettes`, by its name, as an endpoint on loopback until the test is over."""
    async with AsyncExitStack() as stack:
        yield lambda name: stack.enter_async_context(serving(name))
