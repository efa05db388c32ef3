"""Real sandboxes with small products in them."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio

from macrohard.product import Service, UserVisit, checkout
from macrohard.product.browser import Browser, open_browser
from macrohard.product.pages import Pages
from macrohard.sandbox import SandboxProvider, SandboxSpec, build_images, choose_provider

collect_ignore = ["products"]

PRODUCTS = Path(__file__).parent / "products"


@dataclass(frozen=True)
class Commit:
    """A product's repository with one commit, as it crosses into a sandbox."""

    bundle: bytes
    commit: str


@dataclass(frozen=True)
class Pod:
    """A product and a browser on one loopback."""

    service: Service
    browser: Browser


class MemoryArtifacts:
    """Artifacts that last as long as a test."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, bytes]] = {}

    async def put(self, content: bytes, *, media_type: str) -> str:
        digest = sha256(content).hexdigest()
        self.kept[digest] = (media_type, content)
        return digest

    async def get(self, digest: str) -> bytes:
        return self.kept[digest][1]


MakeCommit = Callable[..., Commit]
OpenPod = Callable[[Commit], AbstractAsyncContextManager[Pod]]


@pytest.fixture(scope="session")
def make_commit(tmp_path_factory: pytest.TempPathFactory) -> MakeCommit:
    """Commit a product of `products/`, with texts in its files replaced: {"app.py": {"old": "new"}}."""

    def make(product: str, changes: Mapping[str, Mapping[str, str]] | None = None) -> Commit:
        folder = tmp_path_factory.mktemp(product) / "repository"
        shutil.copytree(PRODUCTS / product, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for file, replacements in (changes or {}).items():
            text = (folder / file).read_text()
            for old, new in replacements.items():
                assert old in text, f"{old!r} is not in {file}"
                text = text.replace(old, new)
            (folder / file).write_text(text)
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

        def git(*arguments: str) -> str:
            author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
            return subprocess.run(
                ["git", *author, *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
            ).stdout.strip()

        git("init", "--quiet", "--initial-branch=main")
        git("add", "--all")
        git("commit", "--quiet", "--message=Begin")
        git("bundle", "create", "--quiet", "../product.bundle", "main", "HEAD")
        return Commit(bundle=(folder.parent / "product.bundle").read_bytes(), commit=git("rev-parse", "HEAD"))

    return make


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def provider(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SandboxProvider]:
    await build_images(["base", "browser"], progress=print)
    provider = await choose_provider("auto", home=tmp_path_factory.mktemp("home"))
    yield provider
    await provider.close()


@pytest.fixture(scope="session")
def open_pod(provider: SandboxProvider) -> OpenPod:
    """Check a commit out in a sandbox of its own, with a browser beside it; the service is not started."""

    @asynccontextmanager
    async def pod(commit: Commit) -> AsyncIterator[Pod]:
        async with provider.open(SandboxSpec(image="base")) as sandbox:
            service = await checkout(sandbox, bundle=commit.bundle, commit=commit.commit)
            async with open_browser(provider, beside=sandbox) as browser:
                yield Pod(service=service, browser=browser)

    return pod


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def tasks(make_commit: MakeCommit, open_pod: OpenPod) -> AsyncIterator[Pod]:
    """The good product; not started."""
    async with open_pod(make_commit("tasks")) as pod:
        # As checks do before scenarios in which somebody types commands.
        await pod.service.remember()
        yield pod


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hostile(make_commit: MakeCommit, open_pod: OpenPod) -> AsyncIterator[Pod]:
    """The product whose pages misbehave; started."""
    async with open_pod(make_commit("hostile")) as pod:
        await pod.service.start()
        yield pod


@asynccontextmanager
async def user_visit(
    pod: Pod, *, width: int = 1280, height: int = 800, keyboard_only: bool = False, patience: int | None = None
) -> AsyncIterator[UserVisit]:
    """A simulated user in a pod whose service runs."""
    async with pod.browser.visit(width=width, height=height) as visit:
        yield UserVisit(
            Pages(visit, pod.service, keyboard_only=keyboard_only),
            visitor="tester",
            commit="0" * 40,
            artifacts=MemoryArtifacts(),
            patience=patience,
        )
