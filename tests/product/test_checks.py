"""Verdicts on commits: told as soon as they are known, and never from anything but a fresh clone."""

from pathlib import PurePosixPath
from typing import Any

import pytest

from macrohard.domain import Scenario, Verdict
from macrohard.product import service, verify
from macrohard.product.service import Load, Service
from macrohard.sandbox import SandboxProvider
from tests.product.conftest import Commit, MakeCommit, MemoryArtifacts


def scenarios(*texts: str) -> list[Scenario]:
    return [
        Scenario.model_validate(
            {
                "id": f"S-{number}",
                "criterion": f"AC-{number}",
                "title": f"Shows {text}",
                "steps": [{"do": "open", "path": "/tasks"}, {"do": "see", "text": text}],
            }
        )
        for number, text in enumerate(texts, start=1)
    ]


async def check(
    provider: SandboxProvider, commit: Commit, wanted: list[Scenario], already: tuple[Verdict, ...] = ()
) -> tuple[tuple[Verdict, ...], list[Verdict], MemoryArtifacts]:
    told: list[Verdict] = []
    artifacts = MemoryArtifacts()

    async def tell(verdict: Verdict) -> None:
        told.append(verdict)

    verdicts = await verify(
        provider,
        bundle=commit.bundle,
        commit=commit.commit,
        kind="web",
        scenarios=wanted,
        artifacts=artifacts,
        on_verdict=tell,
        already={verdict.check: verdict for verdict in already},
    )
    return verdicts, told, artifacts


async def test_a_good_product_passes_and_a_wrong_wish_fails(provider: SandboxProvider, make_commit: MakeCommit) -> None:
    commit = make_commit("tasks")
    verdicts, told, artifacts = await check(provider, commit, scenarios("Tasks", "People", "No tasks yet."))
    assert [(verdict.check, verdict.status) for verdict in verdicts] == [
        ("manifest", "passed"),
        ("install", "passed"),
        ("start", "passed"),
        ("tests", "passed"),
        ("S-1", "passed"),
        ("S-2", "failed"),
        ("S-3", "passed"),
    ]
    assert sorted(told, key=lambda verdict: verdict.check) == sorted(verdicts, key=lambda verdict: verdict.check)
    assert {verdict.commit for verdict in verdicts} == {commit.commit}
    failed = verdicts[5]
    assert (failed.kind, failed.criterion) == ("scenario", "AC-2")
    assert failed.summary.startswith('Shows People: the page "Tasks" (/tasks) does not show "People"; it shows: Tasks')
    screenshot, steps = failed.evidence
    assert artifacts.kept[screenshot][0] == "image/jpeg"
    assert '✗ 2. see "People"' in artifacts.kept[steps][1].decode()
    assert verdicts[3].summary == "2 tests passed"

    again, told_again, _ = await check(provider, commit, scenarios("Tasks", "People"), already=verdicts)
    assert again == verdicts[:6]
    assert told_again == []


BROKEN: dict[str, tuple[dict[str, dict[str, str]], dict[str, str], str, str]] = {
    "no manifest": (
        {"product.toml": {'kind = "web"': 'kind = "site"'}},
        {"manifest": "failed", "install": "not run", "start": "not run", "tests": "not run", "S-1": "not run"},
        "manifest",
        "kind: Input should be 'web'",
    ),
    "install fails": (
        {"product.toml": {"python3 --version": "echo no network >&2; exit 4"}},
        {"manifest": "passed", "install": "failed", "start": "not run", "tests": "not run", "S-1": "not run"},
        "install",
        "the install command failed (exit code 4): no network",
    ),
    "does not start": (
        {"app.py": {"import csv": "import csv, nothing_of_this_name"}},
        {"manifest": "passed", "install": "passed", "start": "failed", "S-1": "not run"},
        "start",
        "No module named 'nothing_of_this_name'",
    ),
    "cannot be put in place": (
        {"product.toml": {"python3 --version": "mkdir -p data/shut && touch data/shut/x && chmod 0 data/shut"}},
        {"manifest": "passed", "install": "passed", "start": "failed", "S-1": "not run"},
        "start",
        "Permission denied (on a second try, in another sandbox; the first came to nothing: 'if [ -d data ]",
    ),
    "tests fail": (
        {"app.py": {'"Title is required."': '"Wrong."'}},
        {"manifest": "passed", "install": "passed", "start": "passed", "tests": "failed", "S-1": "passed"},
        "tests",
        "1 failed",
    ),
    "no test runs": (
        {"product.toml": {"python3 -m pytest -q -p no:cacheprovider tests": "echo fine"}},
        {"manifest": "passed", "install": "passed", "start": "passed", "tests": "failed", "S-1": "passed"},
        "tests",
        "did not say how many ran",
    ),
    "not a web product": (
        {"product.toml": {'kind = "web"': 'kind = "api"'}},
        {"manifest": "failed", "install": "not run", "start": "not run", "tests": "not run", "S-1": "not run"},
        "manifest",
        "product.toml says kind api, and web was asked for",
    ),
}


@pytest.mark.parametrize(("changes", "statuses", "check_id", "reason"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_product_is_told_what_is_broken(
    provider: SandboxProvider,
    make_commit: MakeCommit,
    changes: Any,
    statuses: dict[str, str],
    check_id: str,
    reason: str,
) -> None:
    verdicts, told, _ = await check(provider, make_commit("tasks", changes), scenarios("Tasks"))
    known = {verdict.check: verdict for verdict in verdicts}
    assert {check: known[check].status for check in statuses} == statuses
    assert reason in known[check_id].summary
    assert len(told) == len(verdicts) == 5


def typed(command: str) -> list[Scenario]:
    steps = [{"do": "run", "command": command}, {"do": "see_exit", "code": 0}]
    return [
        Scenario.model_validate({"id": f"S-{number}", "criterion": "AC-1", "title": "Spoils", "steps": steps})
        for number in (1, 2, 3)
    ]


SPOIL = "rm -rf /workspace/remembered"
"""What the product's folder would be put back from."""


async def test_a_scenario_that_cannot_begin_is_tried_in_another_sandbox(
    provider: SandboxProvider, make_commit: MakeCommit
) -> None:
    # Of two pods one is given a second scenario in a folder that cannot be put back as it was.
    verdicts, _, _ = await check(provider, make_commit("tasks"), typed(SPOIL))
    assert [verdict.status for verdict in verdicts] == ["passed"] * 7
    assert any(
        "holds (on a second try, in another sandbox; the first came to nothing: the product's folder" in each.summary
        for each in verdicts
    )


async def test_a_scenario_that_can_never_begin_is_not_run(
    provider: SandboxProvider, make_commit: MakeCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No product is known that brings this about in every sandbox: the command that puts its folder back is broken.
    removing = service._removing

    def broken(path: PurePosixPath) -> str:
        return removing(path) if path.name == "data" else f"ls {path}/remembered"

    monkeypatch.setattr(service, "_removing", broken)
    # Everything else of the product works, so that nothing is known against it.
    verdicts, _, artifacts = await check(provider, make_commit("tasks"), typed("true")[:1])
    assert [verdict.status for verdict in verdicts] == ["passed"] * 4 + ["not run"]
    assert verdicts[4].summary.startswith(
        "Spoils: could not be tried: the product's folder could not be put back: exit code 2 after "
    )
    assert "remembered" in artifacts.kept[verdicts[4].evidence[0]][1].decode()


LATE = "400)</script>", "5000); setInterval(() => fetch('/health'), 300)</script>"
"""Shown after five seconds, and the page is not quiet before."""


async def test_what_is_late_on_a_busy_machine_is_tried_alone_with_more_time(
    provider: SandboxProvider, make_commit: MakeCommit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def measured(service: Service) -> Load:
        return Load(load=6, processors=2)

    monkeypatch.setattr(Service, "load", measured)
    steps = [{"do": "open", "path": "/late"}, {"do": "see", "text": "Here at last"}]
    scenario = {"id": "S-1", "criterion": "AC-1", "title": "Shows", "steps": steps}
    commit = make_commit("hostile", {"app.py": {LATE[0]: LATE[1]}})
    verdicts, _, _ = await check(provider, commit, [Scenario.model_validate(scenario)])
    assert verdicts[-1].status == "passed", verdicts[-1].summary
    assert (
        "Shows: holds (on a second try, in another sandbox; the first came to nothing: time was up while the machine's "
        "load was 6 on 2 processors, so that pages had 3.0 times as long now, and nothing else was going on; Shows: "
    ) in verdicts[-1].summary


@pytest.mark.parametrize(("load", "slowness"), [(0.2, 1), (2, 1), (5, 2.5), (40, 3)])
def test_more_time_is_given_only_where_more_is_to_be_done_than_there_are_processors(
    load: float, slowness: float
) -> None:
    assert Load(load=load, processors=2).slowness == slowness
