"""Every test of the store runs on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from macrohard.store import Store


@pytest.fixture
async def store(url: str, tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(url, home=tmp_path / "home") as opened:
        yield opened


@pytest.fixture
async def run_id(store: Store) -> str:
    return await store.create_run("A todo list.", options={"budget": 2}, model="builtin")


async def settled() -> None:
    """Let everything that is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)
