"""Every kind of sandbox that can be had on one machine, with images that are built once."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from macrohard.sandbox import BubblewrapProvider, DockerProvider, Sandbox, SandboxSpec, build_images, choose_provider
from macrohard.sandbox.pool import PooledProvider
from tests.sandbox.engines import private_engine

Provider = DockerProvider | BubblewrapProvider | PooledProvider


@pytest.fixture(scope="session", params=["docker", "bubblewrap"])
async def provider(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Provider]:
    async with AsyncExitStack() as stack:
        chosen = await _opened(request.param.removeprefix("pooled "), tmp_path_factory.mktemp("home"), stack)
        if request.param.startswith("pooled "):
            chosen = PooledProvider(chosen, size=1, places=12, tell=print)
        stack.push_async_callback(chosen.close)
        yield chosen


async def _opened(kind: str, home: Path, stack: AsyncExitStack) -> Provider:
    await build_images(("base", "browser"), engine="bubblewrap" if kind == "bubblewrap" else "docker", progress=print)
    match kind:
        case "userns":
            engine = await stack.enter_async_context(private_engine())
            return await DockerProvider.connect(home=home, engine=engine)
        case "gvisor":
            engine = await stack.enter_async_context(private_engine(remapped=False))
            return await DockerProvider.connect(home=home, engine=engine)
        case "bubblewrap":
            return await choose_provider("bubblewrap", home=home)
        case _:
            return await choose_provider("docker", home=home)


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
