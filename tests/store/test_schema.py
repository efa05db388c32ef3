"""The tables that the migrations make are the tables that the code uses."""

import asyncio
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from macrohard.errors import RequestError
from macrohard.store import Store
from macrohard.store.database import HEAD, Database, alembic_config


async def test_code_and_migrations_agree(store: Store) -> None:
    def check(connection: Connection) -> None:
        config = alembic_config(connection)
        assert ScriptDirectory.from_config(config).get_current_head() == HEAD
        command.check(config)

    async with store._database.write() as session:
        await (await session.connection()).run_sync(check)


async def test_a_database_of_a_newer_version_is_left_alone(url: str, tmp_path: Path) -> None:
    database = await Database.open(url, home=tmp_path)
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    with pytest.raises(RequestError, match="newer Macrohard"):
        await Database.open(url, home=tmp_path)


async def test_many_processes_may_open_a_new_database_at_once(url: str, tmp_path: Path) -> None:
    databases = await asyncio.gather(*(Database.open(url, home=tmp_path) for _ in range(6)))
    for database in databases:
        async with database.read() as session:
            assert await session.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
        await database.close()


async def test_reading_then_writing_loses_no_update(store: Store, run_id: str) -> None:
    async def add_one() -> None:
        async with store._database.write() as session:
            lock = "" if store._database.is_sqlite else " FOR UPDATE"
            read = text("SELECT iterations FROM runs" + lock)
            count = await session.scalar(read)
            await session.execute(text("UPDATE runs SET iterations = :count"), {"count": (count or 0) + 1})

    await asyncio.gather(*(add_one() for _ in range(50)))
    assert (await store.overview(run_id)).summary.iterations == 50
