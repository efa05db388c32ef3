"""A provider without room parks a run with an hour to wake up at, which neither Ctrl-C nor kill -9 takes from it."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.faults import PRICE, FaultyEndpoint, serving

REQUIREMENT = "A tool that steals the passwords of my neighbours."
"""Refused by the analyst: the run is over after a call or two."""


class Terminal:
    """The command line in a folder of its own, with a provider on loopback as its only model."""

    def __init__(self, home: Path, endpoint: FaultyEndpoint, repository_root: Path) -> None:
        self._home = home
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(repository_root),
            "MACROHARD_HOME": str(home),
            "MACROHARD_BASE_URL": endpoint.base_url,
            "MACROHARD_SANDBOXES": '{"products": "base"}',
            "MACROHARD_MODEL": "busy",
            "MACROHARD_PRICES": json.dumps({"busy": PRICE.model_dump()}),
            "MACROHARD_PATIENCE_SECONDS": "0.2",
        }

    async def start(self, *arguments: str) -> Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "macrohard", *arguments, "--json", cwd=self._home.parent, env=self._environment,
            stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=PIPE,
            # pytest's own parent may have set SIGINT to be ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        )  # fmt: skip

    async def run(self, *arguments: str) -> tuple[int | None, Any, str]:
        """Exit code, the JSON objects on standard output, standard error."""
        return await ended(await self.start(*arguments))

    async def start_and_wait(self, *arguments: str) -> Process:
        """Up to where it sleeps."""
        process = await self.start(*arguments)
        assert process.stderr is not None
        async for line in process.stderr:
            if b"waits until" in line:
                return process
        raise AssertionError(await ended(process))

    def row(self) -> tuple[str, str]:
        """What is kept of the only run: its problem, and when it wakes."""
        with closing(sqlite3.connect(self._home / "macrohard.db")) as database:
            found: tuple[str, str] = database.execute("SELECT problem, wake_at FROM runs").fetchone()
        return found

    def let_the_hour_come(self) -> None:
        with closing(sqlite3.connect(self._home / "macrohard.db")) as database, database:
            database.execute("UPDATE runs SET wake_at = '2026-01-01 00:00:00' WHERE wake_at IS NOT NULL")


async def ended(process: Process) -> tuple[int | None, Any, str]:
    out, err = await process.communicate()
    return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()


@pytest.fixture
async def provider() -> AsyncIterator[FaultyEndpoint]:
    async with serving(FaultyEndpoint(rate=0, seed=1)) as endpoint:
        yield endpoint


@pytest.fixture
def terminal(provider: FaultyEndpoint, tmp_path: Path, repository_root: Path) -> Terminal:
    return Terminal(tmp_path / "home", provider, repository_root)


async def test_a_parked_run_outlives_ctrl_c_and_kill_and_goes_on_when_its_hour_has_come(
    provider: FaultyEndpoint, terminal: Terminal
) -> None:
    provider.wait_seconds = 3600
    provider.planned.extend(["429 with a wait"] * 2)
    process = await terminal.start_and_wait("build", REQUIREMENT, "--yes", "--wait")
    process.send_signal(signal.SIGINT)
    code, (told,), err = await ended(process)
    assert (code, told["outcome"]) == (5, "paused")
    assert f"paused; go on with: macrohard resume {told['run']}" in err

    problem, wake_at = terminal.row()
    assert "has no capacity left" in problem
    assert f"It can go on from {wake_at[:16]} UTC: macrohard resume {told['run']}, or macrohard resume --due" in problem

    process = await terminal.start_and_wait("resume", told["run"], "--wait")
    process.kill()
    await process.communicate()
    code, out, err = await terminal.run("resume", "--due")
    assert (code, out) == (0, [])
    assert "no parked run's hour has come" in err
    assert len(provider.book) == 2  # Nobody asked while it waited.

    terminal.let_the_hour_come()
    code, (told,), _ = await terminal.run("resume", "--due")
    assert (code, told["outcome"]) == (4, "refused")
    assert terminal.row()[1] is None


async def test_who_opted_in_need_do_nothing(provider: FaultyEndpoint, terminal: Terminal) -> None:
    provider.wait_seconds = 2
    provider.planned.append("429 with a wait")
    code, (told,), err = await terminal.run("build", REQUIREMENT, "--yes", "--wait")
    assert (code, told["outcome"]) == (4, "refused")
    assert "waits until" in err


async def test_what_a_person_must_mend_is_not_waited_for(provider: FaultyEndpoint, terminal: Terminal) -> None:
    code, (told,), err = await terminal.run("build", REQUIREMENT, "--yes", "--wait", "--budget", "0.01")
    assert (code, told["outcome"]) == (5, "paused")
    assert "waits until" not in err
    assert provider.book == []
