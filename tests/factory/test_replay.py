"""Recorded runs through the command line, repeated without a model."""

import shutil
from pathlib import Path

import orjson
import pytest

from tests.factory.conftest import Delivered, Macrohard

pytestmark = pytest.mark.usefixtures("sandboxes")


def traffic_of(home: Path, run: str) -> Path:
    return home / "runs" / run / "traffic.jsonl"


def test_a_delivered_run_is_repeated_to_the_file_and_a_changed_answer_is_found(
    macrohard: Macrohard, tmp_path: Path, kites: Delivered
) -> None:
    home = tmp_path / "home"
    shutil.copytree(kites.home, home)
    run, built = kites.run, kites.shown
    assert macrohard("show", run).result["recording"] == str(traffic_of(home, run))

    replayed = macrohard("replay", run)
    assert replayed.result is not None, replayed.told[-3000:]
    assert replayed.result["departures"] == []
    assert replayed.code == 0
    assert replayed.result["answers"] == built["model_calls"]
    again = macrohard("show", replayed.result["run"]).result
    assert (again["outcome"], again["cost_usd"]) == ("delivered", 0)
    assert again["model_calls"] == built["model_calls"]
    assert again["commit"] != built["commit"]
    assert again["overview"]["summary"]["title"].startswith(f"replay of {run}: ")

    assert macrohard("replay", run, "--check").code == 0
    lines = [orjson.loads(line) for line in traffic_of(home, run).read_bytes().splitlines()]
    changed = next(line for line in lines if line.get("session", "").endswith("/0/plan/planner"))
    changed["answer"] = changed["answer"].replace("T-1", "T-9", 1)
    traffic_of(home, run).write_bytes(b"\n".join(map(orjson.dumps, lines)))
    checked = macrohard("replay", run, "--check")
    assert checked.code == 3
    (departure,) = checked.result["departures"]
    assert (departure["session"], departure["call"]) == ("0/plan/planner", changed["call"])
    assert "T-1" in departure["recorded"]
    assert "T-9" in departure["now"]


@pytest.mark.parametrize(
    ("requirement", "code", "outcome"),
    [
        pytest.param("make the app like we talked about yesterday, with the list", 5, "paused", id="question"),
        pytest.param("Build me a new Linux kernel that boots on my PC tonight.", 4, "refused", id="refusal"),
    ],
)
def test_a_run_without_a_product_is_repeated_as_far_as_it_went(
    macrohard: Macrohard, requirement: str, code: int, outcome: str
) -> None:
    built = macrohard("build", requirement)
    assert built.code == code, built.told[-2000:]
    replayed = macrohard("replay", built.result["run"])
    assert (replayed.code, replayed.result["departures"]) == (0, [])
    assert macrohard("show", replayed.result["run"]).result["outcome"] == outcome


def test_nothing_is_kept_of_a_run_that_is_not_to_be_recorded(macrohard: Macrohard, tmp_path: Path) -> None:
    built = macrohard("build", "asdf qwer zxcv", "--yes", "--no-record")
    assert built.code == 4, built.told[-2000:]
    assert not traffic_of(tmp_path / "home", built.result["run"]).exists()
    assert macrohard("show", built.result["run"]).result["recording"] is None
    refused = macrohard("replay", built.result["run"])
    assert refused.code == 2
    assert "was not recorded" in refused.told
