"""A workbench in a real sandbox, on a real repository."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from macrohard.agent import PRODUCT_ROOT, Bench, open_workshop
from macrohard.sandbox import SandboxProvider, SandboxSpec
from macrohard.workspace import Repository
from tests.agent.scripted import OpenBench
from tests.product.conftest import make_commit

__all__ = ["make_commit"]


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    return await Repository.create(tmp_path / "repository.git")


@pytest.fixture
async def bench(sandboxes: SandboxProvider, repository: Repository) -> OpenBench:
    base = await repository.initial_commit()

    @asynccontextmanager
    async def open_bench(saved: str | None) -> AsyncIterator[Bench]:
        async with open_workshop(
            sandboxes,
            repository,
            image="base",
            base=base,
            saved=saved,
            ref="refs/sessions/1/T-1",
            author="coder",
            message="Write it\n\nTask: T-1",
            files=("app/", "README.md"),
        ) as (sandbox, workshop):
            yield Bench(sandbox=sandbox, workspace=workshop, files=("app/", "README.md"))

    return open_bench


@pytest.fixture
def room(sandboxes: SandboxProvider) -> OpenBench:
    """A bench whose files nobody keeps: quicker, for sessions of many rounds."""

    @asynccontextmanager
    async def open_bench(saved: str | None) -> AsyncIterator[Bench]:
        async with sandboxes.open(SandboxSpec(image="base")) as sandbox:
            await sandbox.run(f"mkdir -p {PRODUCT_ROOT}", timeout_seconds=10)
            yield Bench(sandbox=sandbox, files=("",))

    return open_bench
