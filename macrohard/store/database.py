"""One database behind one URL: connections, transactions, schema, and its failures in words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    NoSuchModuleError,
    NotSupportedError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from macrohard.errors import RequestError, StoreUnavailable
from macrohard.store.sharing import SharedTransactions, Work

HEAD = "0008"
"""The schema that this code works with: the name of the last file in `migrations/versions/`."""

CLOSE_SECONDS = 10.0
"""How long the transactions of those who were told to stop are waited for before the database is closed."""

T = TypeVar("T")

BEFORE_WRITING: Final = {"key_share": True}
"""How a row is read that is changed by what it says: whoever else does so waits. Rows that name it can be added."""

_MIGRATION_LOCK = 0x6D616372
"""Any number, the same for all: two processes that open a new database on a server take turns."""


class Database:
    """Transactions on SQLite or PostgreSQL; whatever goes wrong below becomes StoreUnavailable with advice."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        options = {} if self.is_sqlite else {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
        try:
            self._engine = create_async_engine(url, **options)
        except ModuleNotFoundError as error:
            raise RequestError(f"{error.name} is not installed; pip install 'macrohard[postgres]'") from error
        direct = create_engine(url.set(drivername="sqlite") if self.is_sqlite else url, **options)
        if self.is_sqlite:
            for engine in (self._engine.sync_engine, direct):
                event.listen(engine, "connect", _configure)
                event.listen(engine, "begin", _begin)
        self._writing = async_sessionmaker(self._engine, expire_on_commit=False)
        # Else each statement of a server sees what was written since the one before.
        one_state = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        reading = self._engine.execution_options(readonly=True, **one_state)
        self._reading = async_sessionmaker(reading, expire_on_commit=False)
        # SQLite has one writer at a time; queueing for it here is fair and costs no polling.
        self._turn = asyncio.Lock() if self.is_sqlite else nullcontext()
        self._shared = SharedTransactions(direct, turn=self._turn)
        self._under_way = 0
        self._nothing_under_way = asyncio.Event()
        self._nothing_under_way.set()

    @classmethod
    async def open(cls, url: str | None, *, home: Path) -> "Database":
        """The database behind `url`, or the file `macrohard.db` in `home`, with the schema of this code.

        Raises:
            RequestError: the URL is not one of SQLite or PostgreSQL, or the schema is newer than this code.
            StoreUnavailable: the database did not answer.
        """
        database = cls(_understood(url, home))
        try:
            await database._bring_up_to_date()
        except BaseException:
            await database.close()
            raise
        return database

    def describe(self) -> str:
        """Its address, for people; without the password."""
        return str(self._url.database) if self.is_sqlite else self._url.render_as_string(hide_password=True)

    async def close(self) -> None:
        """Let go of all connections, once the transactions under way have ended."""
        # What a transaction gives back to a pool that is gone by then would never be closed.
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._nothing_under_way.wait()
        await self._engine.dispose()
        self._shared.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A transaction that sees one state of the database and changes nothing."""
        with _Explained(self._url):
            async with self._transaction(self._reading) as session:
                yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A transaction that is durable when the context ends, and undone if it ends with an exception.

        Raises:
            IntegrityError: a key is taken.
        """
        with _Explained(self._url):
            async with self._turn, self._transaction(self._writing) as session:
                yield session

    @asynccontextmanager
    async def _transaction(self, sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
        self._under_way += 1
        self._nothing_under_way.clear()
        try:
            async with sessions.begin() as session:
                yield session
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._nothing_under_way.set()

    async def write_shared(self, work: Work[T]) -> T:
        """What `work` returns, in a transaction that it shares with others like it: for writes that every call makes.

        See `SharedTransactions.write`.
        """
        with _Explained(self._url):
            return await self._shared.write(work)

    async def _bring_up_to_date(self) -> None:
        async with self.read() as session:
            revision = await (await session.connection()).run_sync(_revision)
        if revision == HEAD:
            return
        async with self.write() as session:
            if not self.is_sqlite:
                await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            await (await session.connection()).run_sync(upgrade)


_UNREACHABLE = (DatabaseError, InterfaceError, PoolTimeout)
_BUGS = (IntegrityError, ProgrammingError, DataError, NotSupportedError)


class _Explained:
    """Turns a failure of the database into StoreUnavailable, on the way out of a `with`."""

    def __init__(self, url: URL) -> None:
        self._url = url

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, _UNREACHABLE) and not isinstance(error, _BUGS):
            place = self._url.render_as_string(hide_password=True)
            advice = (
                "check that it is a database of Macrohard, that its folder can be written and the disk is not full"
                if self._url.get_backend_name() == "sqlite"
                else "check that the server runs, and its address, user and password in the URL"
            )
            raise StoreUnavailable(
                f"the database {place} did not answer ({str(error).splitlines()[0]}); {advice}"
            ) from error


def _understood(url: str | None, home: Path) -> URL:
    if url is None:
        return URL.create("sqlite+aiosqlite", database=str(home.absolute() / "macrohard.db"))
    advice = "write sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"
    try:
        parsed = make_url(url)
        drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
        driver = drivers.get(parsed.get_backend_name())
    except (ArgumentError, NoSuchModuleError) as error:
        raise RequestError(f"the database URL is not understood; {advice}") from error
    if driver is None or parsed.database in (None, "", ":memory:"):
        raise RequestError(
            f"the database URL {parsed.render_as_string(hide_password=True)} is not understood; {advice}"
        )
    return parsed.set(drivername=driver)


def _configure(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says, not where the driver guesses
    cursor = connection.cursor()
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that reads before it writes must hold the write lock from the start, or updates get lost.
    reading = connection.get_execution_options().get("readonly", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return cast(str | None, connection.scalar(text("SELECT version_num FROM alembic_version")))


def upgrade(connection: Connection) -> None:
    """Bring the schema to `HEAD`, in the connection's transaction."""
    from alembic import command

    revision = _revision(connection)
    config = alembic_config(connection)
    if revision is not None and revision > HEAD:
        raise RequestError(
            f"a newer Macrohard made the database (schema {revision}, this one knows {HEAD}); install that version"
        )
    command.upgrade(config, HEAD)


def alembic_config(connection: Connection) -> Any:
    """The configuration with which Alembic works on this connection."""
    # Imported only when there is something to migrate: it takes as long as a whole command otherwise.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
