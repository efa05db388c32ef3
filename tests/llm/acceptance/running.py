"""Built-in products at work in sandboxes."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from macrohard.domain import Scenario
from macrohard.product.browser import Browser, open_browser
from macrohard.product.scenarios import ScenarioResult, run_scenario
from macrohard.product.service import Service, checkout
from macrohard.sandbox import SandboxProvider, SandboxSpec

MANY = 4


@dataclass(frozen=True)
class Commit:
    """A product's repository with one commit, as it crosses into a sandbox."""

    bundle: bytes
    commit: str


class Artifacts:
    """Artifacts that nobody asks for."""

    async def put(self, content: bytes, *, media_type: str) -> str:
        return sha256(content).hexdigest()

    async def get(self, digest: str) -> bytes:
        raise KeyError(digest)


def committed(files: Mapping[str, str]) -> Commit:
    """The files as a repository."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    with TemporaryDirectory() as folder:
        root = Path(folder) / "product"

        def git(*arguments: str) -> str:
            author = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
            command = ["git", *author, *arguments]
            done = subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True, text=True)
            return done.stdout.strip()

        for path, text in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        git("init", "--quiet", "--initial-branch=main")
        git("add", "--all")
        git("commit", "--quiet", "--message=Begin")
        git("bundle", "create", "--quiet", "../product.bundle", "main", "HEAD")
        return Commit(bundle=(Path(folder) / "product.bundle").read_bytes(), commit=git("rev-parse", "HEAD"))


@asynccontextmanager
async def pod(sandboxes: SandboxProvider, commit: Commit) -> AsyncIterator[tuple[Service, Browser]]:
    """The product, installed, with a browser beside it."""
    async with sandboxes.open(SandboxSpec(image="base")) as sandbox:
        service = await checkout(sandbox, bundle=commit.bundle, commit=commit.commit)
        await service.install()
        async with open_browser(sandboxes, beside=sandbox) as browser:
            yield service, browser


async def results(
    sandboxes: SandboxProvider, files: Mapping[str, str], scenarios: Sequence[Scenario]
) -> list[ScenarioResult]:
    """How the scenarios go on a product of these files; many are shared out to two pods."""
    commit = committed(files)

    async def run(share: Sequence[Scenario]) -> list[ScenarioResult]:
        async with pod(sandboxes, commit) as (service, browser):
            return [await run_scenario(browser, service, scenario) for scenario in share]

    shares = (scenarios[::2], scenarios[1::2]) if len(scenarios) > MANY else (scenarios,)
    return [result for done in await asyncio.gather(*map(run, shares)) for result in done]
