"""Every test of the store runs on SQLite and on a PostgreSQL server that the tests start for themselves."""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from macrohard.store import Store


def _server_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise FileNotFoundError("the tests need a PostgreSQL server's programs: apt-get install postgresql")
    return found[-1].parent if found else Path(str(on_path)).parent


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL prefix of a private server, without a database; it listens on a socket in a folder of its own only."""
    programs = _server_programs()
    folder = Path(tempfile.mkdtemp(prefix="macrohard-postgresql-"))
    # The server refuses to run as root.
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    if user:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)

    def run(*command: str) -> None:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **user)  # type: ignore[call-overload]  # its user arguments cannot be passed as a mapping
        assert done.returncode == 0, done.stderr

    data = folder / "data"
    run(str(programs / "initdb"), "--auth=trust", "--username=macrohard", "--no-sync", "-D", str(data))
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off -c max_connections=300"
    run(str(programs / "pg_ctl"), "-w", "-D", str(data), "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql://macrohard@/{{database}}?host={folder}"
    finally:
        run(str(programs / "pg_ctl"), "-w", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'runs.db'}"
        return
    template = request.getfixturevalue("postgresql")
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(template.format(database="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield template.format(database=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


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
