"""After a failed repair two agents try, and our checks choose: real sandboxes, git and kills, and a small model."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from macrohard.agent import PRODUCT_ROOT, open_workshop
from macrohard.assembly import open_factory
from macrohard.cli.result import print_details
from macrohard.domain import BudgetState, Caps
from macrohard.factory.candidates import Effort, Fork, attempts_left
from macrohard.sandbox import SandboxProvider
from macrohard.settings import load_settings
from macrohard.workspace import Repository
from tests.factory.conftest import Macrohard
from tests.factory.test_integration import Products
from tests.factory.test_kill import carried_out
from tests.factory.test_runs import git
from tests.serving import program

REQUIREMENT = "A command-line tool that counts words. Unknown options are refused."
TRIGGERS = ["model called:implement:9", "candidates compared::1"]
"""In the middle of both candidates; when one was chosen and nobody else knows yet."""


@pytest.fixture
def patient(repository_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The endpoint is a model that repairs only when it is told to go on from what is there."""
    settings = tmp_path / "settings.toml"
    with program("tests.factory.small", root=repository_root) as port:
        settings.write_text(
            f'base_url = "http://127.0.0.1:{port}/v1"\nmodel = "patient"\n'
            "[prices.patient]\ninput = 0.0\ncached_input = 0.0\noutput = 0.0\n"
        )
        monkeypatch.setenv("MACROHARD_SETTINGS", str(settings))
        monkeypatch.setenv("MACROHARD_SANDBOXES", '{"products": "base"}')
        yield


@pytest.mark.usefixtures("patient", "sandboxes")
async def test_after_a_failed_repair_the_better_of_two_is_chosen_and_a_kill_at_any_moment_loses_nothing(
    tmp_path: Path, repository_root: Path, macrohard: Macrohard
) -> None:
    home = tmp_path / "home"
    async with open_factory(load_settings(home=home), sandbox="auto") as factory:
        run_id = await factory.submit(REQUIREMENT, model="patient", caps=Caps(usd=1.0), iterations=4, ask=False)
    for trigger in [*TRIGGERS, ""]:
        ended = carried_out(home, run_id, tmp_path / "words", trigger, repository_root)
        assert ended.returncode == (-signal.SIGKILL if trigger else 0), f"{trigger}: {ended.stderr[-3000:]}"
    told = json.loads(ended.stdout)
    assert told["status"] == "delivered"
    # Four sessions of three calls, and three of those who read; each kill may have cut off two.
    assert 15 <= told["model_calls"] <= 15 + 2 * len(TRIGGERS)

    async with open_factory(load_settings(home=home), sandbox="auto") as factory:
        overview = await factory.overview(run_id)
    assert max(Counter(session.id for session in overview.sessions).values()) == 1
    first, second, third = overview.iterations
    assert (first.comparisons, second.comparisons) == ((), ()), "nothing is made twice before a repair has failed"
    (comparison,) = third.comparisons
    chosen, loser = comparison.candidates
    assert (chosen.agent, chosen.approach) == ("bug-fixer", "goes on from what is there")
    assert (loser.agent, loser.approach) == ("full-stack-coder", "another approach")
    assert (chosen.passed, loser.passed, chosen.scenarios, loser.failed) == (2, 1, 2, ("S-2",))
    assert comparison.why == "2 of 2 hidden scenarios passed, of the other one 1"
    assert third.commit == chosen.commit == overview.product_commit
    assert {verdict.commit for verdict in third.verdicts} == {chosen.commit}, (
        "the loser's verdicts are not the product's"
    )
    repository = home / "runs" / run_id / "repository.git"
    assert git(repository, "rev-parse", f"refs/heads/{loser.branch}") == loser.commit
    assert "full-stack-coder" in git(repository, "show", f"{loser.commit}:README.md")
    assert "bug-fixer" in git(tmp_path / "words", "show", "HEAD:README.md")

    shown = macrohard("show", run_id).result["overview"]["iterations"][2]["comparisons"]
    assert [each["passed"] for each in shown[0]["candidates"]] == [2, 1]
    written = StringIO()
    print_details(overview, Console(file=written, width=400))
    assert "not chosen: full-stack-coder, another approach: 1 of 2 hidden scenarios" in written.getvalue()
    report = (tmp_path / "words" / "report.html").read_text()
    assert "of the other one 1" in report
    assert loser.branch in report


async def test_candidates_begin_in_forks_of_one_installed_workspace_and_its_leftovers_are_nobodys_work(
    sandboxes: SandboxProvider, tmp_path: Path
) -> None:
    repository = await Repository.create(tmp_path / "repository.git")
    install = "mkdir node_modules; date +%s%N | tee node_modules/at installed.txt"
    base = await Products(tmp_path / "clone", repository).commit(
        "base", {"product.toml": f'kind = "library"\nname = "X"\n[commands]\ninstall = "{install}"\ntest = "true"\n'}
    )
    told: list[str] = []

    async def tell(text: str) -> None:
        told.append(text)

    fork = Fork(sandboxes, repository, image="base", base=base, tell=tell)
    assert await fork.workspace("browser") is None, "another image may lack what this one's workspace needs"
    began = await asyncio.gather(*(worked(sandboxes, repository, base, fork, name) for name in ("one", "two")))
    assert began[0] == began[1] != "", "installed once, for both"
    for name in ("one", "two"):
        commit = await repository.resolve(f"refs/sessions/2/{name}")
        assert commit is not None
        assert await repository.changed_files(base, commit) == (f"{name}.txt",)
        assert await repository.changed_lines(base, commit) == 1
    assert told == []


async def worked(sandboxes: SandboxProvider, repository: Repository, base: str, fork: Fork, name: str) -> str:
    """When what a candidate found was installed; it writes one file."""
    async with open_workshop(
        sandboxes, repository, image="base", base=base, saved=None, ref=f"refs/sessions/2/{name}", author=name,
        message=name, files=("./",), workspace=await fork.workspace("base"),
    ) as (sandbox, workshop):  # fmt: skip
        done = await sandbox.run(
            f"echo mine > {name}.txt; cat installed.txt", timeout_seconds=30, directory=PRODUCT_ROOT
        )
        await workshop.save()
        return done.stdout


@pytest.mark.parametrize(
    ("caps", "attempts"),
    [
        pytest.param(Caps(), None, id="no limit"),
        pytest.param(Caps(usd=10.0), 3, id="money: $3 of $10 are gone, $1 reserved"),
        pytest.param(Caps(usd=3.5), 0, id="money gone"),
        pytest.param(Caps(calls=50), 4, id="calls"),
        pytest.param(Caps(tokens=500_000), 9, id="tokens, as many for each call as before"),
        pytest.param(Caps(usd=100.0, sessions=9), 2, id="sessions"),
        pytest.param(Caps(fan_out=1), 1, id="sessions side by side"),
    ],
)
def test_how_many_attempts_the_budget_lasts_for(caps: Caps, attempts: int | None) -> None:
    budget = BudgetState(
        caps=caps, spent_usd=3.0, reserved_usd=1.0, spent_tokens=30_000, reserved_tokens=20_000, calls=6, sessions=7
    )
    assert attempts_left(budget, Effort(usd=2.0, calls=10)) == attempts
