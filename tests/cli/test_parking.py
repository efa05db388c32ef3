"""What the command line does with runs that wait for their hour."""

import asyncio
import io
from datetime import UTC, datetime, timedelta

import pytest

from macrohard.cli.parking import wait_until
from macrohard.errors import RequestError
from tests.cli.conftest import Run, ScriptedFactory
from tests.cli.test_display import Terminal


def test_due_runs_go_on_one_after_the_other_and_one_that_is_taken_is_left(factory: ScriptedFactory, run: Run) -> None:
    factory.due_runs = ("r-7k2m9", "r-7k2m", "r-7k2")
    factory.endings = ["delivered", RequestError("run r-7k2m is being carried out by process 7"), "partial"]
    code, out, err = run("resume", "--due")
    assert code == 1
    assert "run r-7k2m: run r-7k2m is being carried out by process 7" in err
    assert out.index("Delivered") < out.index("Partly delivered")
    assert [name for name, _ in factory.calls] == ["carry out"] * 3


def test_nothing_due_is_well(factory: ScriptedFactory, run: Run) -> None:
    code, out, err = run("resume", "--due", "--json")
    assert (code, out) == (0, "")
    assert "no parked run's hour has come" in err


@pytest.mark.parametrize(
    "arguments",
    [[], ["r-7k2m9", "--due"], ["--due", "--add-budget", "1"], ["--due", "--answer", "Q-1=x"], ["--due", "--wait"]],
)
def test_due_and_a_run_exclude_each_other(factory: ScriptedFactory, run: Run, arguments: list[str]) -> None:
    code, _, err = run("resume", *arguments)
    assert code == 2
    assert "--due" in err
    assert factory.calls == []


async def test_a_terminal_gets_a_countdown() -> None:
    terminal, wake_at = Terminal(), datetime.now(UTC) + timedelta(seconds=1.2)
    await wait_until(wake_at, "r-1", stream=terminal)
    assert datetime.now(UTC) >= wake_at
    shown = terminal.getvalue().split("\r\x1b[K")[1:]
    assert len(shown) >= 2
    assert all(line.startswith(f"run r-1 waits until {wake_at:%Y-%m-%d %H:%M:%S} UTC, ") for line in shown)
    assert shown[-1].endswith(" left; Ctrl-C stops waiting\n")


async def test_a_pipe_gets_one_line_and_who_stops_waiting_is_told_how_to_go_on() -> None:
    stream = io.StringIO()
    waiting = asyncio.create_task(wait_until(datetime.now(UTC) + timedelta(hours=1), "r-1", stream=stream))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError) as stopped:
        await waiting
    assert stream.getvalue().count("\n") == 1
    (note,) = stopped.value.__notes__
    assert note == "go on with: macrohard resume r-1, or from its hour on with: macrohard resume --due"


async def test_who_is_heard_to_go_on_before_its_hour_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("macrohard.cli.parking.LOOK_SECONDS", 0.01)
    heard = [False, True]

    async def goes_on() -> bool:
        return heard.pop(0)

    hour = datetime.now(UTC) + timedelta(hours=1)
    async with asyncio.timeout(60):
        await wait_until(hour, "r-1", goes_on=goes_on, stream=io.StringIO())
    assert heard == []


async def test_an_hour_that_has_passed_is_not_waited_for() -> None:
    await wait_until(datetime.now(UTC) - timedelta(hours=1), "r-1", stream=io.StringIO())
