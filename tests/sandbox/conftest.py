"""Both real kinds of sandboxes, with images that are built once."""

from collections.abc import AsyncIterator
from typing import Literal, cast

import pytest

from macrohard.sandbox import BubblewrapProvider, DockerProvider, Sandbox, SandboxSpec, build_images, choose_provider
from macrohard.sandbox.pool import PooledProvider

Provider = DockerProvider | BubblewrapProvider | PooledProvider


@pytest.fixture(scope="session", params=["docker", "bubblewrap"])
async def provider(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    engine = cast(Literal["docker", "bubblewrap"], request.param.removeprefix("pooled "))
    await build_images(("base", "browser"), engine=engine, progress=print)
    chosen: Provider = await choose_provider(engine, home=tmp_path_factory.mktemp("home"))
    if request.param.startswith("pooled "):
        chosen = PooledProvider(chosen, size=1, places=12, tell=print)
    yield chosen
    await chosen.close()


@pytest.fixture(scope="session")
async def long_lived(provider: Provider) -> AsyncIterator[Sandbox]:
    async with provider.open(SandboxSpec(image="base")) as opened:
        yield opened


@pytest.fixture
async def sandbox(long_lived: Sandbox) -> AsyncIterator[Sandbox]:
    """One that was used before, with nothing running and nothing lying about."""
    yield long_lived
    await long_lived.kill_all()
    await long_lived.run("rm -rf /workspace/* /tmp/* /home/agent/*", timeout_seconds=10)
