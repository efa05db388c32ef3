"""A service, two workers and a PostgreSQL server, as `docker-compose.yml` starts them; and a database that is away."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import requests
import yaml

from macrohard.events import Progress
from macrohard.store import Store
from tests.server.conftest import Installation, Running, waited_for
from tests.server.test_death import held_endpoint, statuses, submitted

STREAMS = 40
CONNECTIONS = 20
"""Of the service to its database, at most: those of its pool."""


@pytest.fixture
def database(postgresql: str) -> Iterator[str]:
    """The name of an empty database on a PostgreSQL server."""
    name = f"t{uuid4().hex[:12]}"
    with psycopg.connect(postgresql.format(database="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.usefixtures("sandboxes")
async def test_what_a_killed_worker_had_goes_on_in_the_other_one(
    installation: Installation, postgresql: str, database: str
) -> None:
    installation.environment["MACROHARD_DATABASE_URL"] = postgresql.format(database=database)
    async with held_endpoint(installation) as (endpoint, model):

        def until_death() -> tuple[Running, list[str]]:
            # At the same time, as they are deployed: the first to come makes the tables, the others wait for it.
            with ThreadPoolExecutor() as at_once:
                serving = at_once.submit(installation.serve, "--workers", "0")
                working = [at_once.submit(installation.work, "--runs", "10") for _ in range(2)]
            service, (first, second) = serving.result(), [each.result() for each in working]
            runs = submitted(service)
            waited_for(lambda: model.asked == len(runs))
            assert all("taken up" in worker.told() for worker in (first, second))
            first.kill()
            return service, runs

        service, runs = await asyncio.to_thread(until_death)
        model.let.set()
        await asyncio.to_thread(waited_for, lambda: statuses(service) == {"refused": len(runs)})
        calls = Counter(entry.session_id for entry in endpoint.book)
        assert Counter(calls.values()) == {1: 10, 2: 10}, "only what was in flight of the ten that died is repeated"


async def test_streams_hold_no_connection_and_go_on_when_the_database_was_away(
    installation: Installation, postgresql: str, database: str
) -> None:
    url = installation.environment["MACROHARD_DATABASE_URL"] = postgresql.format(database=database)
    async with await Store.open(url, home=installation.home) as store:
        run = await store.create_run("A list of plants.", options={}, model="builtin")

        async def tell(text: str) -> None:
            async with store.hold(run) as lease:
                await (await store.log(lease))(Progress(text=text))

        with ExitStack() as stack:
            service = await asyncio.to_thread(installation.serve, "--workers", "0")
            admin = stack.enter_context(psycopg.connect(postgresql.format(database="postgres"), autocommit=True))
            streams = await asyncio.to_thread(lambda: [opened(stack, service, run) for _ in range(STREAMS)])
            await tell("before")
            assert await asyncio.to_thread(lambda: {said(stream) for stream in streams}) == {"before"}
            held = admin.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [database]).fetchone()
            assert held is not None
            assert held[0] <= CONNECTIONS

            admin.execute(f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS false".encode())
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])
            away = await asyncio.to_thread(service.ask, "GET", "/api/v1/runs")
            assert (away.status_code, away.headers["content-type"]) == (503, "application/problem+json")
            assert int(away.headers["retry-after"]) > 0
            admin.execute(f"ALTER DATABASE {database} WITH ALLOW_CONNECTIONS true".encode())

            await tell("after")
            assert await asyncio.to_thread(lambda: {said(stream) for stream in streams}) == {"after"}
            assert (await asyncio.to_thread(service.ask, "GET", "/api/v1/runs")).status_code == 200


def opened(stack: ExitStack, service: Running, run: str) -> Iterator[str]:
    """The lines of a stream of the run's events."""
    headers = {"Authorization": f"Bearer {service.token}", "Accept": "text/event-stream"}
    address = f"{service.base_url}/api/v1/runs/{run}/events"
    answer = stack.enter_context(requests.get(address, headers=headers, stream=True, timeout=60))
    assert answer.status_code == 200
    return (str(line) for line in answer.iter_lines(chunk_size=1, decode_unicode=True))


def said(stream: Iterator[str]) -> str:
    """The text of the next progress that a stream tells."""
    for line in stream:
        if line.startswith("data: ") and '"progress"' in line:
            return line.partition('"text":"')[2].partition('"')[0]
    raise AssertionError("the stream ended")


@pytest.mark.parametrize("part", ["server", "worker"])
def test_what_is_deployed_is_what_the_commands_understand(
    installation: Installation, repository_root: Path, part: str
) -> None:
    compose = yaml.safe_load((repository_root / "docker-compose.yml").read_text(encoding="utf-8"))
    image = (repository_root / "Dockerfile").read_text(encoding="utf-8")
    assert "Usage: " in installation.run(*compose["services"][part]["command"], "--help")
    home = "/var/lib/macrohard"
    assert f"MACROHARD_HOME={home}" in image
    assert f"home:{home}" in compose["services"][part]["volumes"]
