"""Taking along what came of a run: as a zip, by git, as a report; and following what happens in it."""

import io
import re
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from macrohard.assembly import Factory
from macrohard.events import Event, IterationEnded, Progress, RunStarted
from macrohard.workspace.git import git
from tests.server.served import Served, served

ATTRIBUTES = b"secret.txt export-ignore\nversion.txt export-subst\n"
STARTED = RunStarted(model="builtin", sandbox_tier="runc", notices=())


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    """A service without a worker."""
    with served(tmp_path / "home") as service:
        yield service


async def told(factory: Factory, run: str, *events: Event) -> None:
    async with factory.store.hold(run) as lease:
        log = await factory.store.log(lease)
        for event in events:
            await log(event)


async def made(
    factory: Factory, *, project: str = "default", requirement: str = "A <b>list</b>."
) -> tuple[str, list[str]]:
    """A run with two iterations, of which the first was kept, and with a session's commit beside; their commits."""
    run = await factory.store.create_run(requirement, options={}, model="builtin", project=project)
    repository = await factory.repository(run)
    commits = [await repository.initial_commit()]
    files = ((".gitattributes", ATTRIBUTES), ("secret.txt", b"kept"), ("version.txt", b"$Format:%H$"))
    for name, content in files:
        commits.append(await repository.with_file(commits[-1], name, content, message=f"Add {name}"))
    first = commits[-1]
    second = await repository.with_file(first, "second.txt", b"2", message="Second")
    session = await repository.with_file(first, "draft.txt", b"not for others", message="Draft")
    await repository.set_branch("sessions/1/implement/t1", session)

    def ended(iteration: int, commit: str, kept: bool) -> IterationEnded:
        return IterationEnded(iteration=iteration, commit=commit, kept=kept, reason="so", gained=(), lost=())

    await told(factory, run, STARTED, ended(1, first, True), ended(2, second, False))
    return run, [first, second, session]


def files_of(answer: requests.Response) -> dict[str, bytes]:
    assert answer.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def test_a_product_is_had_as_a_zip_at_its_commit_or_at_an_iteration(service: Served) -> None:
    run, _ = service.within(made(service.factory))
    answer = service.ask("GET", f"/api/v1/runs/{run}/product.zip")
    product = {".gitattributes": ATTRIBUTES, "secret.txt": b"kept", "version.txt": b"$Format:%H$"}
    assert files_of(answer) == product, "a product's attributes leave nothing out and change nothing"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="a-b-list-b-{run[-4:]}.zip"'
    assert files_of(service.ask("GET", f"/api/v1/runs/{run}/product.zip?iteration=2")) == {
        **product,
        "second.txt": b"2",
    }
    assert service.ask("GET", f"/api/v1/runs/{run}/product.zip?iteration=3").status_code == 404
    assert not list((service.home / "runs" / run / "published").glob("*.git.*")), "nothing half made is left"


def cloned(address: str, to: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(to.parent), "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", *options, "clone", "--quiet", address, str(to)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("protocol", ["0", "2"])
def test_a_product_is_cloned_with_its_history_and_nothing_else(service: Served, tmp_path: Path, protocol: str) -> None:
    run, (first, second, session) = service.within(made(service.factory))
    host = service.base_url.removeprefix("http://")
    done = cloned(
        f"http://me:{service.token}@{host}/git/{run}.git", tmp_path / "clone", "-c", f"protocol.version={protocol}"
    )
    assert done.returncode == 0, done.stderr

    def said(*arguments: str) -> str:
        command = ["git", "-C", str(tmp_path / "clone"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    assert said("rev-parse", "HEAD").strip() == first
    assert said("branch", "--all").split() == [
        "*",
        "main",
        "remotes/origin/HEAD",
        "->",
        "origin/main",
        "remotes/origin/main",
    ]
    assert len(said("log", "--format=%s").split("\n")) == 5
    for hidden in (second, session):
        # The second protocol gives out whatever object is asked for by its name, if the repository has it.
        fetched = subprocess.run(
            ["git", "-C", str(tmp_path / "clone"), "-c", f"protocol.version={protocol}", "fetch", "origin", hidden],
            capture_output=True,
            check=False,
        )
        assert fetched.returncode != 0
    pushed = subprocess.run(
        ["git", "-C", str(tmp_path / "clone"), "push", "origin", "HEAD:refs/heads/other"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert pushed.returncode != 0


def test_nobody_clones_without_the_token(service: Served, tmp_path: Path) -> None:
    run, _ = service.within(made(service.factory))
    for who in ("", "me:wrong@"):
        done = cloned(f"http://{who}{service.base_url.removeprefix('http://')}/git/{run}.git", tmp_path / "clone")
        assert done.returncode != 0
    refused = requests.get(f"{service.base_url}/git/{run}.git/info/refs?service=git-upload-pack", timeout=30)
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="Macrohard"')


def test_a_request_of_a_clone_that_unpacks_to_too_much_is_refused(service: Served) -> None:
    import gzip

    run, _ = service.within(made(service.factory))
    bomb = gzip.compress(bytes(64 << 20))
    path = f"/git/{run}.git/git-upload-pack"
    assert service.ask("POST", path, data=bomb, headers={"Content-Encoding": "gzip"}).status_code == 413
    assert service.ask("POST", path, data=b"no", headers={"Content-Encoding": "gzip"}).status_code == 400


def test_the_report_runs_its_own_script_only_and_on_no_origin_of_ours(service: Served) -> None:
    run, _ = service.within(made(service.factory))
    answer = service.ask("GET", f"/api/v1/runs/{run}/report")
    policy = answer.headers["Content-Security-Policy"]
    assert re.search(r"script-src 'sha256-[^']+';", policy)
    assert "default-src 'none'" in policy
    assert "sandbox allow-scripts allow-popups allow-downloads" in policy
    assert "A &lt;b&gt;list&lt;/b&gt;." in answer.text
    assert service.ask("GET", f"/api/v1/runs/{run}/film").status_code == 404


def test_events_are_had_page_by_page_by_type_and_as_they_come(service: Served) -> None:
    factory = service.factory
    run = service.within(factory.store.create_run("A list.", options={}, model="builtin"))
    path = f"/api/v1/runs/{run}/events"
    assert service.ask("GET", path).json() == {"events": [], "after": 0}
    texts = [Progress(text=str(number)) for number in range(3)]
    service.within(told(factory, run, STARTED, *texts))
    first = service.ask("GET", path, params={"limit": 2}).json()
    assert [event["event"]["type"] for event in first["events"]] == ["run started", "progress"]
    rest = service.ask("GET", path, params={"after": first["after"]}).json()
    assert [(event["number"], event["event"]["text"]) for event in rest["events"]] == [(3, "1"), (4, "2")]
    for name in ("run-started", "run started"):
        assert [each["number"] for each in service.ask("GET", path, params={"type": name}).json()["events"]] == [1]
    came: list[requests.Response] = []
    asking = threading.Thread(
        target=lambda: came.append(service.ask("GET", path, params={"after": 4, "type": "run-started", "wait": 50}))
    )
    asking.start()
    service.within(told(factory, run, Progress(text="not this"), STARTED))
    asking.join(60)
    assert [event["number"] for event in came[0].json()["events"]] == [6]
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "4"}
    with service.ask("GET", path, params={"type": "run-started"}, headers=headers, stream=True) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        lines = [line for _, line in zip(range(3), stream.iter_lines(decode_unicode=True), strict=False)]
    assert ("event: run-started" in lines, "id: 6" in lines) == (True, True)
    assert service.ask("GET", "/api/v1/runs/r-none/events", headers=headers).status_code == 404


async def test_a_published_repository_holds_the_commit_only(service: Served) -> None:
    run, (first, second, session) = service.within(made(service.factory))
    service.within(service.factory.publication(run))
    path = service.home / "runs" / run / "published" / f"{first}.git"
    assert (await git(path, "cat-file", "-e", first)).exit_code == 0
    for hidden in (second, session):
        assert (await git(path, "cat-file", "-e", hidden)).exit_code != 0
