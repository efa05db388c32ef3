"""kill -9 at any moment loses nothing: one run, killed in every phase and in the middle of sessions, is delivered."""

import json
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from macrohard.assembly import open_factory
from macrohard.domain import PHASES, Caps, RunOverview
from macrohard.settings import load_settings
from tests.factory.conftest import KITES, Delivered, surroundings
from tests.starting import Said, ended

TRIGGERS = [
    "phase started:analyse:1",
    "phase started:clarify:1",
    "phase started:design:1",
    "phase started:plan:1",
    "phase started:scenarios:1",
    "phase started:implement:2",
    "model called:implement:2",
    "tool used:write:3",
    "phase started:integrate:1",
    "phase started:verify:1",
    "verified::4",
    "phase started:use:2",
    "tool used:act:5",
    "phase started:triage:1",
    "phase started:release:1",
    "phase ended:release:1",
]

NOT_HERE = {"understand", "review"}
"""Phases of existing products, and of plans with reviewers; see test_company."""


def carried_out(
    home: Path, run_id: str, out: Path, trigger: str, root: Path, environment: Mapping[str, str] | None = None
) -> Said:
    arguments = (str(home), run_id, str(out), trigger)
    return ended(
        "tests.factory.dying", *arguments, cwd=root, environment={**surroundings(root, home), **(environment or {})}
    )


async def submitted(home: Path) -> str:
    async with open_factory(load_settings(home=home), sandbox="auto") as factory:
        return await factory.submit(KITES, model="builtin", caps=Caps(usd=1.0), iterations=2, ask=False)


def calls_of(overview: RunOverview) -> dict[str, int]:
    """By session, without the run's own id."""
    return {session.id.partition("/")[2]: session.model_calls for session in overview.sessions}


@pytest.mark.usefixtures("sandboxes")
async def test_a_run_that_is_killed_in_every_phase_is_delivered_and_repeats_no_finished_session(
    tmp_path: Path, repository_root: Path, kites: Delivered
) -> None:
    phases = set(PHASES) - NOT_HERE
    assert {trigger.split(":")[1] for trigger in TRIGGERS} >= phases
    home = tmp_path / "home"
    run_id = await submitted(home)
    reached = []
    for trigger in TRIGGERS:
        said = carried_out(home, run_id, tmp_path / "product", trigger, repository_root)
        if said.code == -signal.SIGKILL:
            reached.append(trigger)
        else:
            assert said.code == 0, f"{trigger}: {said.told[-3000:]}"
    assert {trigger.split(":")[1] for trigger in reached if trigger.startswith("phase started")} == phases
    final = carried_out(home, run_id, tmp_path / "product", "", repository_root)
    assert final.code == 0, final.told
    result = json.loads(final.out)
    assert result["status"] == "delivered"
    async with open_factory(load_settings(home=home), sandbox="auto") as factory:
        overview = await factory.overview(run_id)
    async with open_factory(load_settings(home=kites.home), sandbox="auto") as factory:
        before = calls_of(await factory.overview(kites.run))
    # Who visits is drawn for each run, so that some visitors are not the same.
    now = calls_of(overview)
    both = before.keys() & now.keys()
    assert {name for name in before.keys() ^ now.keys() if "/use/" not in name} == set()
    # How often a visitor acts is also a matter of how quickly pages answer.
    built = {name for name in both if "/use/" not in name}
    assert {name: (before[name], now[name]) for name in built if before[name] > now[name]} == {}
    assert sum(now[name] - before[name] for name in both) <= len(reached)
    assert all(session.outcome == "finished" for session in overview.sessions)
    assert max(Counter(session.id for session in overview.sessions).values()) == 1
    assert (tmp_path / "product" / "product.toml").is_file()
    assert (tmp_path / "product" / "report.html").is_file()
