"""The Python client, and the command line with `--server`, against a real service."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from macrohard.cli.commands import app
from macrohard.client import Client, NotAnswering, NotNow, NotThere, ServiceError
from macrohard.domain import Caps
from macrohard.domain.feedback import Remark
from macrohard.events import Progress
from tests.server.served import Served, served
from tests.server.test_products import STARTED, made, told
from tests.server.test_submitting import REFUSED


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    """A service without a worker."""
    with served(tmp_path / "home") as service:
        yield service


@pytest.fixture
def client(service: Served) -> Iterator[Client]:
    with Client(service.base_url, service.token) as client:
        yield client


def test_runs_are_submitted_once_found_and_steered(service: Served, client: Client) -> None:
    run = client.submit("A list of cats.", key="k", caps=Caps(usd=2))
    assert client.submit("A list of cats.", key="k", caps=Caps(usd=2)) == run
    other = client.submit("A list of dogs.")
    assert [each.id for each in client.runs()] == [other.id, run.id]
    assert [each.id for each in client.runs(text="cats", limit=1)] == [run.id]
    budget = client.run(run.id).budget
    assert budget is not None
    assert budget.caps.usd == 2
    assert client.feedback(run.id, Remark(text="Greener")).text == "Greener"
    assert client.cancel(run.id).queued
    client.delete(other.id)
    with pytest.raises(NotThere, match="there is no run"):
        client.run(other.id)
    with pytest.raises(NotThere):
        client.run("../doctor")
    with pytest.raises(NotNow, match="asks nothing"):
        client.answer(run.id, {"Q-1": "yes"})
    with pytest.raises(NotNow, match="waits for no approval"):
        client.approve(run.id, "plan")
    with pytest.raises(ServiceError, match="say who you are") as refused:
        Client(service.base_url, "wrong").run(run.id)
    assert refused.value.status == 401


def test_a_service_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("macrohard.client.FIRST_WAIT_SECONDS", 0.001)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}", "t") as client, pytest.raises(NotAnswering, match="does not answer"):
        client.run("r")


@contextmanager
def cutting(target: str) -> Iterator[tuple[str, list[int]]]:
    """An address that leads there, where each stream breaks off behind its first bytes; how many did."""
    host, _, port = target.removeprefix("http://").partition(":")
    cuts: list[int] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def lead(near: socket.socket) -> None:
        with near, socket.create_connection((host, int(port))) as far:
            while asked := near.recv(1 << 16):
                far.sendall(asked)
                streamed, passed = b"text/event-stream" in asked, 0
                far.settimeout(0.3 if not streamed else 20)
                try:
                    while answer := far.recv(200):
                        near.sendall(answer)
                        passed += len(answer)
                        if streamed and passed > 900:
                            cuts.append(passed)
                            return
                except TimeoutError:
                    continue

    def accept() -> None:
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=lead, args=(near,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", cuts
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def test_a_broken_stream_is_taken_up_where_it_broke(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("macrohard.client.FIRST_WAIT_SECONDS", 0.01)
    run = service.within(service.factory.store.create_run("A list.", options={}, model="builtin"))
    service.within(told(service.factory, run, STARTED, *(Progress(text=f"{number}") for number in range(12))))
    with cutting(service.base_url) as (address, cuts), Client(address, service.token) as client:
        events = client.events(run, types=["progress"])
        came = [next(events) for _ in range(12)]
    assert [each.event["text"] for each in came] == [f"{number}" for number in range(12)]
    assert [each.number for each in came] == list(range(2, 14))
    assert len(cuts) > 1


def test_a_product_is_downloaded_whole_or_not_at_all(service: Served, client: Client, tmp_path: Path) -> None:
    run, _ = service.within(made(service.factory))
    assert client.download(run, tmp_path / "p.zip").stat().st_size > 100
    with pytest.raises(NotThere):
        client.download(run, tmp_path / "q.zip", iteration=9)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "p.zip"]
    assert client.report(run).startswith("<!doctype html>")


@pytest.mark.usefixtures("sandboxes")
def test_commands_work_on_a_service_as_they_do_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path / "home", slots=1) as service:
        monkeypatch.setenv("MACROHARD_HOME", str(service.home))
        monkeypatch.setenv("MACROHARD_SERVER", service.base_url)
        runner = CliRunner()
        built = runner.invoke(app, ["build", REFUSED, "--yes", "--json"])
        assert built.exit_code == 4, built.output
        result = json.loads(built.stdout)
        assert result["outcome"] == "refused"
        listed = json.loads(runner.invoke(app, ["runs", "--json"]).stdout)
        assert [run["id"] for run in listed] == [result["run"]]
        shown = json.loads(runner.invoke(app, ["show", result["run"], "--json"]).stdout)
        assert shown["overview"]["summary"]["id"] == result["run"]
        run, _ = service.within(made(service.factory))
        out = tmp_path / "out"
        assert runner.invoke(app, ["export", run, "--out", str(out)]).exit_code == 0
        assert sorted(path.name for path in out.iterdir()) == [
            ".gitattributes",
            "report.html",
            "secret.txt",
            "version.txt",
        ]
        monkeypatch.setenv("MACROHARD_TOKEN", "wrong")
        refused = runner.invoke(app, ["runs"])
        assert "say who you are" in str(refused.exception)
