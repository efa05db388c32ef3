"""The tables that the migrations make are the tables that the code uses."""

import asyncio
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Connection, DateTime, column, insert, make_url, select, table, text

from macrohard.domain import JsonObject
from macrohard.errors import RequestError
from macrohard.store import Store
from macrohard.store.database import HEAD, Database, alembic_config
from macrohard.store.tables import AdmissionRow, BudgetRow, RunRow, SpendingRow

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}


async def test_code_and_migrations_agree(store: Store) -> None:
    def check(connection: Connection) -> None:
        config = alembic_config(connection)
        assert ScriptDirectory.from_config(config).get_current_head() == HEAD
        config.stdout = io.StringIO()  # Else it is what standard output was when alembic was first imported.
        command.check(config)
        assert "No new upgrade operations" in config.stdout.getvalue()

    async with store._database.write() as session:
        await (await session.connection()).run_sync(check)


async def test_a_database_of_a_newer_version_is_left_alone(url: str, tmp_path: Path) -> None:
    database = await Database.open(url, home=tmp_path)
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    with pytest.raises(RequestError, match="newer Macrohard"):
        await Database.open(url, home=tmp_path)


OLD_ROWS = """
INSERT INTO runs VALUES ('r-1', 'A list.', '{}', 'grok-9', 'A list', 'paused', '', '2026-11-01 10:00:00',
    '2026-11-01 10:10:00', 600.0, 1, 3, 70, NULL);
INSERT INTO budgets VALUES ('r-1', 100, 10, 70, 20, 4);
INSERT INTO reservations VALUES ('x', 'r-1', 'r-1/1/code/t1', 20, '2026-11-01 10:09:00');
INSERT INTO sessions VALUES ('r-1', 'r-1/1/plan/planner', 1, 'plan', 'planner', 'h', NULL, 'Plan.', '[]', 'done', '',
    NULL, 2, 30, 10, 40, '2026-11-01 10:01:00', 9.0);
INSERT INTO sessions VALUES ('r-1', 'r-1/1/code/t1', 1, 'code', 'coder', 'h', NULL, 'Code.', '["C1"]', NULL, '',
    NULL, 1, 5, 5, 30, '2026-11-01 10:02:00', 0.0);
"""
TOLD: Sequence[tuple[datetime, str, JsonObject]] = (
    (datetime(2026, 11, 1, 23, 59, 0, tzinfo=UTC), "model called", {
        "session_id": "r-1/1/plan/planner", "endpoint": "xai", "model": "grok-9", "input_tokens": 30,
        "output_tokens": 10, "cost_usd": 4e-9, "seconds": 1.0,
    }),
    (datetime(2026, 11, 1, 23, 59, 30, tzinfo=UTC), "model called", {
        "session_id": "r-1/1/code/t1", "endpoint": "xai", "model": "grok-9", "input_tokens": 5, "cached_tokens": 2,
        "output_tokens": 5, "reasoning_tokens": 1, "cost_usd": 1e-9, "seconds": 1.0,
    }),
    (datetime(2026, 11, 2, 0, 1, 0, tzinfo=UTC), "model troubled", {
        "endpoint": "xai", "problem": "slow", "reaction": "asks again", "cost_usd": 2e-9,
    }),
    (datetime(2026, 11, 2, 0, 2, 0, tzinfo=UTC), "model troubled", {
        "endpoint": "xai", "problem": "slow", "reaction": "asks again",
    }),
    (datetime(2026, 11, 2, 0, 3, 0, tzinfo=UTC), "progress", {"text": "forecast: $1"}),
)  # fmt: skip
"""What the first version said of calls: (when, type, what)."""


async def test_runs_of_the_first_version_go_on(url: str, tmp_path: Path) -> None:
    def make_old(connection: Connection) -> None:
        command.upgrade(alembic_config(connection), "0001")
        for statement in filter(str.strip, OLD_ROWS.split(";")):
            connection.execute(text(statement))
        events = table(
            "events", column("run_id"), column("number"), column("at", DateTime(timezone=True)), column("type"),
            column("worked_seconds"), column("body", JSON),
        )  # fmt: skip
        rows = [
            {"run_id": "r-1", "number": number, "at": at, "type": kind, "worked_seconds": 1.0,
             "body": {"type": kind, **body}}
            for number, (at, kind, body) in enumerate(TOLD, 1)
        ]  # fmt: skip
        connection.execute(insert(events), rows)

    old = Database(make_url(url).set(drivername=DRIVERS[make_url(url).drivername]))
    async with old.write() as session:
        await (await session.connection()).run_sync(make_old)
    await old.close()

    async with await Store.open(url, home=tmp_path) as store:
        state = await store.budget("r-1").state()
        assert (state.caps.usd, state.spent_usd, state.reserved_usd) == (100 / 1e10, 70 / 1e10, 20 / 1e10)
        async with store._database.read() as session:
            budget = await session.get_one(BudgetRow, "r-1")
            assert (budget.sessions, budget.spent_tokens, budget.cap_tokens) == (2, 50, None)
            spent = {row.session_id: row for row in await session.scalars(select(SpendingRow))}
            admitted = {row.session_id: row.stage for row in await session.scalars(select(AdmissionRow))}
            run = await session.get_one(RunRow, "r-1")
            assert (run.wake_at, run.forecast) == (None, None)
        assert sum(row.cost_ticks for row in spent.values()) == 70
        assert {row.model for row in spent.values()} == {"grok-9"}
        # What the calls of former days took is counted, the failed one's under no model, the free one's not at all.
        assert [
            (str(day.day), day.endpoint, day.model, day.calls, day.input_tokens, day.cached_tokens, day.output_tokens,
             day.reasoning_tokens, round(day.cost_usd * 1e10))
            for day in await store.usage.by_day(since=date(2026, 10, 1), until=date(2026, 12, 1))
        ] == [
            ("2026-11-02", "xai", "", 1, 0, 0, 0, 0, 20),
            ("2026-11-01", "xai", "grok-9", 2, 35, 2, 15, 1, 50),
        ]  # fmt: skip
        assert admitted == {"r-1/1/plan/planner": "r-1/1/plan", "r-1/1/code/t1": "r-1/1/code"}


BEFORE_PROJECTS = """
INSERT INTO users VALUES ('bo', 'reviewer', NULL, '2026-11-01 10:00:00');
INSERT INTO runs (id, requirement, options, model, title, status, problem, created_at, updated_at, worked_seconds,
    iterations, model_calls, cost_ticks) VALUES ('r-1', 'A list.', '{}', 'm', 'A list', 'paused', '',
    '2026-11-01 10:00:00', '2026-11-01 10:10:00', 1.0, 1, 3, 70);
INSERT INTO artifacts VALUES ('DIGEST', 'text/plain', 7, '2026-11-01 10:00:00');
INSERT INTO events VALUES ('r-1', 1, '2026-11-01 10:00:00', 'progress', 1.0, '{"type": "progress", "x": ["DIGEST"]}');
INSERT INTO messages VALUES ('r-1/1/use/a', 0, '2026-11-01 10:00:00', '{"content": [{"artifact": "DIGEST"}]}', NULL);
"""


async def test_what_was_there_before_projects_is_of_the_first_one(url: str, tmp_path: Path) -> None:
    digest = "0a" * 32

    def make_old(connection: Connection) -> None:
        command.upgrade(alembic_config(connection), "0006")
        for statement in filter(str.strip, BEFORE_PROJECTS.split(";")):
            connection.exec_driver_sql(statement.replace("DIGEST", digest))

    old = Database(make_url(url).set(drivername=DRIVERS[make_url(url).drivername]))
    async with old.write() as session:
        await (await session.connection()).run_sync(make_old)
    await old.close()

    async with await Store.open(url, home=tmp_path) as store:
        assert (await store.summary("r-1")).project == "default"
        assert [(each.user, each.role) for each in await store.projects.members("default")] == [("bo", "reviewer")]
        assert await store.artifacts.is_within(digest, ["default"])
        assert (await store.projects.usage("default")).artifact_bytes == 7


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
