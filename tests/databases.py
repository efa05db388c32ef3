"""Databases for tests: an SQLite file, and a PostgreSQL server that the tests start for themselves."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import update

from macrohard.store import Store
from macrohard.store.tables import LeaseRow


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


async def expire_lease(store: Store, run_id: str, *, holder: str | None = None) -> None:
    """Put the lease's end into the past, as if its process had been silent for long."""
    values: dict[str, object] = {"expires_at": datetime.now(UTC) - timedelta(seconds=1)}
    if holder is not None:
        values["holder"] = holder
    async with store._database.write() as session:
        await session.execute(update(LeaseRow).where(LeaseRow.run_id == run_id).values(values))
