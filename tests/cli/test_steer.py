"""Approving, commenting, forking, pausing and cancelling from a terminal: in the home at hand, and at a service."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from macrohard.cli import _explained
from macrohard.cli.commands import app
from macrohard.domain import Caps
from macrohard.domain.approval import Awaited, Point, Ruling
from macrohard.events import ApprovalAwaited, PhaseStarted, RunEnded
from macrohard.factory.forking import begin_from
from macrohard.factory.state import State
from tests.server.served import Served, served
from tests.server.test_products import STARTED, made, told

Run = Callable[..., "Said"]


@dataclass
class Said:
    """What a command came to."""

    exit_code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed."""
        return json.loads(self.out)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service without a worker, whose home commands without `--server` have too; each test has runs of its own."""
    with served(tmp_path_factory.mktemp("steered") / "home") as service:
        yield service


@pytest.fixture(params=["here", "there"])
def run(
    request: pytest.FixtureRequest,
    service: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """A command, here or by `--server`, with the exit code of the real program."""
    monkeypatch.setenv("MACROHARD_HOME", str(service.home))

    def said(*arguments: str) -> Said:
        there = ["--server", service.base_url] if request.param == "there" else []
        result = CliRunner().invoke(app, [*arguments, *there])
        capsys.readouterr()
        if result.exception is None or isinstance(result.exception, SystemExit):
            return Said(result.exit_code, result.stdout, result.stderr)
        assert isinstance(result.exception, Exception)
        code = _explained(result.exception)
        return Said(code, result.stdout, capsys.readouterr().err)

    return said


def waiting(service: Served, point: Point = "plan") -> str:
    """A run that waits for a yes at this point."""

    async def come_so_far() -> str:
        run, _ = await made(service.factory)
        awaited = ApprovalAwaited(awaited=Awaited(point=point, number=0, until=None))
        ended = RunEnded(outcome="paused", problem="", commit=None, product_path=None)
        await told(service.factory, run, awaited, ended)
        return run

    return service.within(come_so_far())


def rulings(service: Served, run: str) -> tuple[Ruling, ...]:
    return service.within(service.factory.store.rulings(run))


@pytest.mark.parametrize("point", ["plan", "release"])
def test_what_a_run_waits_with_is_approved(service: Served, run: Run, point: Point) -> None:
    id = waiting(service, point)
    said = run("approve", id)
    assert (said.exit_code, said.err) == (0, "")
    assert said.out.startswith(f"run {id}: ruled on; ")
    assert [(each.point, each.approved) for each in rulings(service, id)] == [(point, True)]


def test_what_is_to_be_different_is_said_instead_of_a_yes(service: Served, run: Run) -> None:
    id = waiting(service, "release")
    assert run("approve", id[:-1], "--change", "Greener", "--json").json["id"] == id
    assert [(each.approved, each.comment) for each in rulings(service, id)] == [(False, "Greener")]
    assert [each.text for each in service.within(service.factory.store.remarks.open(id))] == ["Greener"]


def test_what_cannot_be_approved_is_a_usage_error_that_says_why(service: Served, run: Run) -> None:
    id = waiting(service)
    cases = {
        ("approve", "r-nowhere"): "there is no run",
        ("approve", id, "--point", "release"): f"run {id} waits for an approval of its plan, not of its release",
        ("approve", id, "--point", "deploy"): "",
    }
    for arguments, complaint in cases.items():
        said = run(*arguments)
        assert (said.exit_code, said.out) == (2, "")
        assert complaint in said.err
    assert rulings(service, id) == ()
    ruling = Ruling(point="plan", approved=True, by="ada", at=datetime.now(UTC))
    service.within(service.factory.rule(id, ruling))
    again = run("approve", id)
    assert again.exit_code == 2
    assert "macrohard: " in again.err
    assert [each.by for each in rulings(service, id)] == ["ada"], "the first word counts"


def test_a_run_that_waits_for_nothing_is_not_approved(service: Served, run: Run) -> None:
    id, _ = service.within(made(service.factory))
    said = run("approve", id)
    assert said.exit_code == 2
    assert "waits for no approval" in said.err


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        pytest.param([], {"about": "run"}, id="run"),
        pytest.param(["--about", "iteration", "--at", "2"], {"about": "iteration", "iteration": 2}, id="iteration"),
        pytest.param(["--about", "criterion", "--at", "AC-1"], {"criterion": "AC-1"}, id="criterion"),
        pytest.param(["--about", "finding", "--at", "F-1"], {"finding": "F-1"}, id="finding"),
        pytest.param(["--about", "line", "--at", "a:b.py:7"], {"file": "a:b.py", "line": 7}, id="line"),
    ],
)
def test_remarks_are_kept_with_what_they_are_about(
    service: Served, run: Run, arguments: list[str], kept: dict[str, object]
) -> None:
    id, _ = service.within(made(service.factory))
    said = run("feedback", id, "Greener", *arguments, "--json")
    assert said.exit_code == 0
    (remark,) = service.within(service.factory.store.remarks.of(id))
    assert said.json == remark.model_dump(mode="json")
    assert remark.text == "Greener"
    assert kept.items() <= remark.model_dump().items()
    assert f"{remark.id[:2]}" in run("feedback", id, "Bluer").out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(["r-nowhere", "Greener"], "there is no run", id="unknown run"),
        pytest.param(["{run}", "Greener", "--about", "line", "--at", "a.py"], "needs --at FILE:LINE", id="no line"),
        pytest.param(["{run}", "Greener", "--about", "iteration", "--at", "two"], "needs --at NUMBER", id="no number"),
        pytest.param(["{run}", "Greener", "--about", "finding"], "needs --at with its id", id="no finding"),
        pytest.param(["{run}", "Greener", "--about", "mood"], "", id="about nothing"),
    ],
)
def test_remarks_that_are_none_are_usage_errors(
    service: Served, run: Run, arguments: list[str], complaint: str
) -> None:
    id, _ = service.within(made(service.factory))
    said = run("feedback", *(argument.format(run=id) for argument in arguments))
    assert (said.exit_code, said.out) == (2, "")
    assert complaint in said.err
    assert service.within(service.factory.store.remarks.of(id)) == ()


async def forkable(service: Served) -> str:
    """A run whose first iteration can be forked."""
    factory = service.factory
    run = await factory.store.create_run("A list.", options={"iterations": 2, "ask": False}, model="builtin")
    await factory.store.budget(run).open(Caps(usd=1))
    repository = await factory.repository(run)
    commit = await repository.initial_commit()
    await told(factory, run, STARTED, PhaseStarted(phase="triage", iteration=1))
    state: State = {"iteration": 1, "base": commit}
    await begin_from(service.home / "runs" / run / "checkpoints.db", run, state)
    return run


def test_a_run_goes_another_way_with_what_is_to_be_different(service: Served, run: Run) -> None:
    id = service.within(forkable(service))
    said = run("fork", id, "--iteration", "1", "--guidance", "Greener", "--budget", "3", "--json")
    assert said.exit_code == 0, said.err
    assert said.json["forked_from"] == f"{id}@1"
    (remark,) = service.within(service.factory.store.remarks.of(said.json["id"]))
    assert (remark.text, remark.iteration) == ("Greener", 1)
    budget, _ = service.within(service.factory.spending(said.json["id"]))
    assert budget.caps == Caps(usd=3)
    plain = run("fork", id, "--iteration", "1")
    assert plain.out.startswith("run r-")
    assert "macrohard resume r-" in plain.out


def test_what_cannot_be_forked_is_a_usage_error(service: Served, run: Run) -> None:
    id = service.within(service.factory.store.create_run("A list.", options={}, model="builtin"))
    begun = service.within(forkable(service))
    for arguments, complaint in {
        ("r-nowhere", "--iteration", "1"): "there is no run",
        (id, "--iteration", "7"): "there is nothing to fork from",
        (begun, "--iteration", "7"): "iteration 7",
        (id, "--iteration", "0"): "",
        (id,): "",
    }.items():
        said = run("fork", *arguments)
        assert (said.exit_code, said.out) == (2, "")
        assert complaint in said.err
    forks = [each.forked_from for each in service.within(service.factory.runs(100))]
    assert f"{id}@7" not in forks


@pytest.mark.parametrize("wish", ["pause", "cancel"])
def test_runs_are_asked_to_pause_or_end(service: Served, run: Run, wish: str) -> None:
    id = waiting(service)
    if wish == "pause":
        assert "paused already" in run(wish, id).err
        service.within(service.factory.store.queue.put(id))
    assert run(wish, id, "--json").json["queued"]
    assert service.within(service.factory.store.queue.wishes([id])) == {id: wish}
    said = run(wish, "r-nowhere")
    assert (said.exit_code, said.out) == (2, "")
    over = service.within(made(service.factory))[0]
    ended = RunEnded(outcome="delivered", problem="", commit=None, product_path=None)
    service.within(told(service.factory, over, ended))
    assert "delivered already" in run(wish, over).err
