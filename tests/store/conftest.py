"""Every test of the store runs on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

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


async def waits_for_a_row(store: Store) -> bool:
    """Whether a transaction waits for another one; of SQLite's writers all do."""
    if store._database.is_sqlite:
        return True
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with store._database.read() as session:
        return bool(await session.scalar(text(waiting)))
