"""Writes that share a transaction stand and fall by themselves."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from macrohard.domain import Caps
from macrohard.store import Store
from macrohard.store.database import Database
from tests.store.conftest import settled


@pytest.fixture
async def database(url: str, tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(url, home=tmp_path)
    await database.write_shared(lambda connection: connection.execute(text("CREATE TABLE marks (id int PRIMARY KEY)")))
    yield database
    await database.close()


def mark(number: int) -> Callable[[Connection], int]:
    """A write that says how many marks it sees."""

    def work(connection: Connection) -> int:
        connection.execute(text("INSERT INTO marks VALUES (:number)"), {"number": number})
        return int(connection.execute(text("SELECT count(*) FROM marks")).scalar_one())

    return work


async def marks(database: Database) -> list[int]:
    async with database.read() as session:
        return list(await session.scalars(text("SELECT id FROM marks ORDER BY id")))


async def test_writes_at_once_are_done_in_order(database: Database) -> None:
    seen = await asyncio.gather(*(database.write_shared(mark(number)) for number in range(250)))
    assert seen == list(range(1, 251))
    assert await marks(database) == list(range(250))


async def test_one_that_fails_takes_no_other_with_it(database: Database) -> None:
    done = await asyncio.gather(
        *(database.write_shared(mark(number)) for number in (1, 2, 2, 3)), return_exceptions=True
    )
    assert [isinstance(result, IntegrityError) for result in done] == [False, False, True, False]
    assert await marks(database) == [1, 2, 3]


async def test_what_is_cancelled_in_the_queue_is_not_done_and_holds_nobody_up(database: Database) -> None:
    free = threading.Event()
    first = asyncio.create_task(database.write_shared(lambda _: free.wait()))
    await asyncio.sleep(0.05)
    writes = [asyncio.create_task(database.write_shared(mark(number))) for number in range(3)]
    await asyncio.sleep(0)
    writes[1].cancel()
    await asyncio.wait([writes[1]])
    assert writes[1].cancelled()
    free.set()
    assert await first
    done = await asyncio.gather(*writes, return_exceptions=True)
    assert (done[0], done[2]) == (1, 2)
    assert await marks(database) == [0, 2]


async def test_a_reservation_whose_caller_is_cancelled_at_any_moment_is_not_left_behind(
    store: Store, run_id: str
) -> None:
    ledger = store.budget(run_id)
    await ledger.open(Caps(usd=1000.0))
    for turns in range(12):
        calls = [
            asyncio.create_task(ledger.reserve(session_id="s", worst_case_usd=1.0, worst_case_tokens=1))
            for _ in range(3)
        ]
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        calls[1].cancel()
        first, second, third = await asyncio.gather(*calls, return_exceptions=True)
        held = [made for made in (first, second, third) if isinstance(made, str)]
        state = await ledger.state()
        assert state.reserved_usd == len(held)
        for reservation in held:
            await ledger.settle(reservation, actual_usd=0.0, actual_tokens=0)


async def test_who_closes_the_database_waits_for_what_is_under_way(url: str, tmp_path: Path) -> None:
    database = await Database.open(url, home=tmp_path)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def works() -> None:
        async with database.write() as session:
            await session.execute(text("CREATE TABLE late (id int PRIMARY KEY)"))
            begun.set()
            await go_on.wait()

    working = asyncio.create_task(works())
    await begun.wait()
    closing = asyncio.create_task(database.close())
    await settled()
    assert not closing.done()
    go_on.set()
    await asyncio.gather(working, closing)
    again = await Database.open(url, home=tmp_path)
    async with again.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM late")) == 0
    await again.close()
