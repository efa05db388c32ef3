"""A team at work on one product, killed inside the integration queue and among its reviewers: nothing lost or twice."""

import asyncio
import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from macrohard.assembly import open_factory
from macrohard.domain import Caps, RunOverview
from macrohard.report.reviews import reviews_of
from macrohard.settings import load_settings
from tests.factory.company import CALLS, REVIEWERS
from tests.factory.conftest import surroundings
from tests.serving import program
from tests.starting import ended

KILLS = (
    # With the culprit found; with the merge kept, and nobody told; while reviewers read.
    "progress:merging T-2, T-3, T-4: it is:1",
    "progress:merged T-2, T-4:1",
    "tool used:read:1",
)


@pytest.fixture
def company(repository_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment in which the endpoint is the model that plays a team."""
    settings = tmp_path / "settings.toml"
    with program("tests.factory.company", root=repository_root) as port:
        settings.write_text(
            f'base_url = "http://127.0.0.1:{port}/v1"\nmodel = "company"\n'
            "[prices.company]\ninput = 0.0\ncached_input = 0.0\noutput = 0.0\n"
        )
        environment = surroundings(repository_root, tmp_path / "home") | {"MACROHARD_SETTINGS": str(settings)}
        for name in ("MACROHARD_SETTINGS", "MACROHARD_MEDIA", "MACROHARD_SANDBOXES"):
            monkeypatch.setenv(name, environment[name])
        yield environment


async def submitted(home: Path) -> str:
    async with open_factory(load_settings(home=home), sandbox="auto") as factory:
        return await factory.submit("Counts words.", model="company", caps=Caps(usd=1.0), iterations=3, ask=False)


async def looked_up(home: Path, run_id: str) -> RunOverview:
    async with open_factory(load_settings(home=home), sandbox="auto") as factory:
        return await factory.overview(run_id)


@pytest.mark.usefixtures("sandboxes")
def test_a_team_that_is_killed_in_its_queue_and_reviews_loses_nothing_and_merges_nothing_twice(
    company: dict[str, str], tmp_path: Path, repository_root: Path
) -> None:
    home, product = tmp_path / "home", tmp_path / "product"
    run_id = asyncio.run(submitted(home))
    for kill in (*KILLS, ""):
        arguments = (str(home), run_id, str(product), kill)
        said = ended("tests.factory.dying", *arguments, cwd=repository_root, environment=company)
        assert said.code == (-signal.SIGKILL if kill else 0), f"{kill}: {said.told[-3000:]}"
    told = json.loads(said.out)
    assert told["status"] == "delivered"
    overview = asyncio.run(looked_up(home, run_id))
    asked = told["model_calls"] - sum(each.model_calls for each in overview.sessions if each.phase == "use")
    assert CALLS <= asked <= CALLS + len(KILLS), "what was answered is not asked again"
    sessions = Counter(session.id.removeprefix(f"{run_id}/") for session in overview.sessions)
    assert set(sessions.values()) == {1}
    assert {f"1/implement/{name}" for name in ("T-1", "T-2", "T-3", "T-3-again", "T-4")} <= set(sessions)
    assert {session.outcome for session in overview.sessions} == {"finished"}
    history = subprocess.run(
        ["git", "-C", str(product), "log", "--format=%s"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    wanted = ("Begin", "Count", "Explain", "Draw", "Merge T-2: Explain", "Merge T-4: Draw", "Mend")
    assert {subject: history.count(subject) for subject in wanted} == dict.fromkeys(wanted, 1)
    files = {"words", "test_words.py", "test_more.py", "docs/one.md", "art/one.md"}
    assert all((product / file).is_file() for file in files)

    first, dropped, last = overview.iterations
    assert {finding.found_by for finding in first.findings} == set(REVIEWERS)
    assert {(finding.file, finding.line) for finding in first.findings} == {("words", 4)}
    assert first.kept, "what reviewers say makes nothing undone"
    assert (dropped.kept, dropped.lost) == (False, ("AC-1", "tests"))
    assert {session.phase for session in overview.sessions if session.iteration == 2} == {"implement", "triage"}, (
        "what is thrown away is used and read by nobody"
    )
    assert last.findings == ()
    read = reviews_of(overview)
    assert {(each.reviewer, each.iteration) for each in read.readings} == {(name, 3) for name in REVIEWERS}
    report = (product / "report.html").read_text()
    assert "What reviewers read" in report
    shown = ended("macrohard", "show", run_id, cwd=tmp_path, environment=company).out
    assert f"{REVIEWERS[0]}, iteration 3: 0 findings" in shown
