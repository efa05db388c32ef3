"""The Python client, and the command line with `--server`, against a real service."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from macrohard.cli.commands import app
from macrohard.cli.remote import export
from macrohard.client import Client, NotAnswering, NotNow, NotThere, ServiceError
from macrohard.domain import Caps
from macrohard.domain.feedback import Remark
from macrohard.domain.project import Quotas
from macrohard.errors import RequestError, UnderWay
from macrohard.events import IterationEnded, Progress, RunEnded
from macrohard.store.submissions import Claim, Earlier
from tests.factory.conftest import surroundings
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
    monkeypatch.setattr("macrohard.client.connection.FIRST_WAIT_SECONDS", 0.001)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}", "t") as client, pytest.raises(NotAnswering, match="does not answer"):
        client.run("r")


def test_what_is_being_submitted_already_is_asked_for_until_it_is_there(
    service: Served, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    submissions = service.factory.store.submissions
    begin, refused = submissions.begin, list[str]()

    async def begun(sender: str, key: str, *, digest: str) -> Claim | Earlier:
        if len(refused) < 9:
            refused.append(key)
            raise UnderWay("it is being worked on")
        return await begin(sender, key, digest=digest)

    monkeypatch.setattr(submissions, "begin", begun)
    monkeypatch.setattr("macrohard.client.connection.FIRST_WAIT_SECONDS", 0.001)
    run = client.submit("A list.", key="k")
    assert [each.id for each in client.runs()] == [run.id]
    assert refused == ["k"] * 9


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
    monkeypatch.setattr("macrohard.client.client.FIRST_WAIT_SECONDS", 0.01)
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
        gates = ["--approve", "plan", "--approve", "release=8h", "--answer-within", "1h", "--budget-within", "2h"]
        built = runner.invoke(app, ["build", REFUSED, "--yes", "--json", *gates])
        assert built.exit_code == 4, built.output
        result = json.loads(built.stdout)
        assert result["outcome"] == "refused"
        options = service.within(service.factory.store.options(result["run"]))
        assert options["approvals"] == {"plan": None, "release": 28_800.0}
        assert (options["answer_seconds"], options["budget_seconds"]) == (3600.0, 7200.0)
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
        checked = runner.invoke(app, ["doctor", "--json"])
        assert "telemetry" in [row["check"] for row in json.loads(checked.stdout)["checks"]]
        assert "✓ database" in runner.invoke(app, ["doctor"]).stdout
        monkeypatch.setenv("MACROHARD_TOKEN", "wrong")
        refused = runner.invoke(app, ["runs"])
        assert "say who you are" in str(refused.exception)


def test_who_follows_a_run_is_told_what_it_waits_for(tmp_path: Path, repository_root: Path) -> None:
    with served(tmp_path / "home", slots=1) as service, Client(service.base_url, service.token) as client:
        client.projects.add("website", Quotas(runs_at_work=1))
        store = service.factory.store
        run = service.within(store.create_run("A list.", options={}, model="builtin", project="website"))
        place = store.hold(run, at_work=True)
        service.within(place.__aenter__())
        environment = {**surroundings(repository_root, service.home), "MACROHARD_SERVER": service.base_url}
        command = [sys.executable, "-m", "macrohard", "build", REFUSED, "--project", "website", "--yes"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("run r-")
            told = "it waits for a place in project website: 1 of 1 runs are at work; it is taken up as soon as one"
            assert process.stderr.readline().startswith(told)
            service.within(place.__aexit__(None, None, None))
            assert "it waits" not in process.stderr.read()
        assert process.returncode == 4


def test_what_is_parked_until_an_hour_goes_on_at_once_when_somebody_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(tmp_path / "home", slots=1) as service:
        monkeypatch.setenv("MACROHARD_HOME", str(service.home))
        monkeypatch.setenv("MACROHARD_SERVER", service.base_url)
        store = service.factory.store
        hour = datetime.now(UTC) + timedelta(hours=1)

        async def parked() -> str:
            run = await store.create_run(
                REFUSED, options={"iterations": 1, "ask": False}, model="builtin", caps=Caps(usd=1)
            )
            async with store.hold(run) as lease:
                await store.queue.put(run)
                log = await store.log(lease)
                await log(STARTED)
                await log(RunEnded(outcome="paused", problem="", commit=None, product_path=None, wake_at=hour))
            return run

        run = service.within(parked())
        assert service.within(store.summary(run)).queued
        gone_on = CliRunner().invoke(app, ["resume", run, "--json"])
        assert gone_on.exit_code == 4, gone_on.output


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["build", "A list.", "--no-record"], id="what is not to be recorded"),
        pytest.param(["build", "A list.", "--require-tier", "microvm"], id="the sandbox's strength"),
        pytest.param(["build", "A list.", "--sandbox", "docker"], id="the sandbox"),
        pytest.param(["build", "A list.", "--repo", "."], id="a repository here"),
        pytest.param(["build", "A list.", "--out", "taken"], id="a folder that is taken"),
        pytest.param(["improve", "{run}", "Greener", "--sandbox", "docker"], id="the sandbox of a change"),
        pytest.param(["resume", "{run}", "--require-tier", "microvm"], id="the sandbox's strength later"),
        pytest.param(["resume", "{run}", "--sandbox", "docker"], id="the sandbox later"),
        pytest.param(["resume", "{run}", "--out", "taken"], id="a folder that is taken later"),
        pytest.param(["resume", "--due"], id="what is parked here"),
    ],
)
def test_what_a_service_would_not_heed_is_refused_before_anything_is_asked_of_it(
    service: Served, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("MACROHARD_HOME", str(service.home))
    monkeypatch.setenv("MACROHARD_SERVER", service.base_url)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    run = service.within(service.factory.store.create_run("A list.", options={}, model="builtin"))
    refused = CliRunner().invoke(app, [argument.format(run=run) for argument in command])
    assert isinstance(refused.exception, RequestError), refused.output
    assert command[-2] in str(refused.exception) or command[-1] in str(refused.exception)
    assert [(each.id, each.queued) for each in client.runs()] == [(run, False)]
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["mine.txt"]


def test_programs_of_a_product_can_be_run_where_it_is_put(service: Served, client: Client, tmp_path: Path) -> None:
    async def with_a_program() -> str:
        run = await service.factory.store.create_run("A list.", options={}, model="builtin")
        repository = await service.factory.repository(run)
        commit = await repository.with_file(await repository.initial_commit(), "run", b"#!/bin/sh\n", message="One")
        tree = (await repository._git("ls-tree", "-z", commit)).output.replace(b"100644", b"100755")
        tree += b"100644 blob " + tree[tree.index(b"blob ") + 5 :].partition(b"\t")[0] + b"\ttext\0"
        named = (await repository._git("mktree", "-z", input=tree)).output.decode().strip()
        whole = await repository._commit_tree(named, commit, "Two")
        ended = IterationEnded(iteration=1, commit=whole, kept=True, reason="so", gained=(), lost=())
        await told(service.factory, run, STARTED, ended)
        return run

    out = export(client, service.within(with_a_program()), tmp_path / "out", iteration=None)
    assert {path.name: os.access(path, os.X_OK) for path in out.iterdir()} == {
        "run": True,
        "text": False,
        "report.html": False,
    }
    with pytest.raises(RequestError, match="is not an empty folder"):
        export(client, "r", out, iteration=None)


def test_what_else_a_service_has_is_had_as_values(service: Served, client: Client, tmp_path: Path) -> None:
    run, (first, *_) = service.within(made(service.factory))
    assert client.health() == "ok"
    assert "macrohard_runs" in client.metrics()
    assert client.me()["role"] == "admin"
    assert client.fleet()["groups"]
    assert client.agent(str(client.agents()[0]["name"]))["prompt"]
    assert client.personas()
    assert client.skills()
    assert {role["role"] for role in client.models()} == {"strong", "fast", "vision", "judge"}
    assert client.usage() == ()
    assert [each.number for each in client.iterations(run)] == [1, 2]
    assert client.iteration(run, 1).commit == first
    assert "+kept" in client.diff(run, 1, since=0)
    assert (client.criteria(run), client.findings(run), client.sessions(run), client.previews(run)) == ((), (), (), ())
    remark = client.feedback(run, Remark(text="Greener"))
    assert client.remarks(run) == (remark,)
    digest = service.within(service.factory.artifacts.put(b"seen", media_type="text/plain"))
    assert client.artifact(digest, tmp_path / "seen").read_bytes() == b"seen"
    with pytest.raises(NotThere, match="has no film"):
        client.film(run, tmp_path / "film.mp4")
    with pytest.raises(NotThere, match="has no session '1/implement/t1'"):
        client.write_to(run, "1/implement/t1", "Greener")
    with pytest.raises(NotNow, match="nothing to fork from"):
        client.fork(run, iteration=1)
    with pytest.raises(NotNow, match="has users"):
        client.users()
    webhook, secret = client.add_webhook("https://example.com/hook", ["run.ended"], run=run)
    assert (client.webhooks(), len(secret) > 20) == ((webhook,), True)
    assert client.deliveries(webhook=webhook.id) == ()
    client.remove_webhook(webhook.id)
    assert client.webhooks() == ()
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["seen"]
