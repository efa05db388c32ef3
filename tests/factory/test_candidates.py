"""After a failed repair two agents try, and our checks choose: real sandboxes, git and kills, and a small model."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from macrohard.agent import PRODUCT_ROOT, Entry, open_workshop
from macrohard.assembly import open_factory
from macrohard.cli.result import print_details
from macrohard.domain import BudgetState, Caps, Plan, SessionResult, Task
from macrohard.domain.candidate import Candidate
from macrohard.factory.candidates import Effort, Fork, attempts_left, comparison_of, contested
from macrohard.factory.context import FactoryContext
from macrohard.factory.problems import Problem, Problems
from macrohard.factory.state import State
from macrohard.sandbox import SandboxProvider
from macrohard.settings import load_settings
from macrohard.workspace import Repository
from tests.factory.conftest import Macrohard
from tests.factory.small import MENDED
from tests.factory.test_acceptance import Transcripts
from tests.factory.test_integration import Products
from tests.factory.test_kill import carried_out
from tests.factory.test_runs import git
from tests.product.conftest import MemoryArtifacts
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
        ended = carried_out(home, run_id, tmp_path / "words", trigger, repository_root, os.environ)
        assert ended.code == (-signal.SIGKILL if trigger else 0), f"{trigger}: {ended.told[-3000:]}"
    told = json.loads(ended.out)
    assert told["status"] == "delivered"
    # Four sessions of three calls, and six of those who read; each kill may have cut off two.
    assert 18 <= told["model_calls"] <= 18 + 2 * len(TRIGGERS)

    async with open_factory(load_settings(home=home), sandbox="auto") as factory:
        overview = await factory.overview(run_id)
    assert overview.design == MENDED, "what contradicted itself was settled, and counts from then on"
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
        message=name, files=(f"{name}.txt",), workspace=await fork.workspace("base"),
    ) as (sandbox, workshop):  # fmt: skip
        done = await sandbox.run(
            f"echo mine > {name}.txt; touch theirs.txt; git add theirs.txt; cat installed.txt",
            timeout_seconds=30,
            directory=PRODUCT_ROOT,
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


def made(name: str, **figures: object) -> Candidate:
    given = {
        "session_id": name, "agent": name, "approach": "", "outcome": "finished", "commit": "a" * 40, "passed": 8,
        "scenarios": 10, "tests": "passed", "changed_lines": 20, "cost_usd": 1.0,
    }  # fmt: skip
    return Candidate.model_validate({**given, **figures})


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        pytest.param({}, {"commit": None}, "the other one changed nothing", id="no change"),
        pytest.param({"passed": 8}, {"passed": 9, "lost": ("AC-1",)}, "the other one loses AC-1", id="an earlier pass"),
        pytest.param(
            {"tests": "failed", "changed_lines": 900},
            {"passed": 7},
            "8 of 10 hidden scenarios passed, of the other one 7",
            id="hidden scenarios",
        ),
        pytest.param(
            {"changed_lines": 900},
            {"tests": "failed"},
            "its own tests pass, those of the other one do not",
            id="own tests",
        ),
        pytest.param(
            {"cost_usd": 9.0},
            {"changed_lines": 21},
            "as many hidden scenarios passed, and it is the smaller change: 20 lines, the other one 21",
            id="size",
        ),
        pytest.param(
            {"outcome": "stuck"},
            {"cost_usd": 1.5},
            "the same passed with as much change, and it was cheaper: $1.00, the other one $1.50",
            id="cost, and not how a session ended",
        ),
        pytest.param({}, {}, "nothing tells them apart, so it is the plan's own", id="nothing"),
    ],
)
def test_our_checks_choose_in_this_order(one: dict[str, object], other: dict[str, object], why: str) -> None:
    for candidates in ([made("one", **one), made("other", **other)], [made("other", **other), made("one", **one)]):
        comparison = comparison_of("T-1", candidates)
        assert comparison.why == why
        if one != other:
            assert comparison.chosen.agent == "one"
        else:
            assert comparison.chosen == candidates[0]


RED = Problem(id="AC-1:S-1", kind="criterion", title="It adds.", detail="It did not.", criterion="AC-1")
SLOW = Problem(id="F-1", kind="finding", title="It is slow.", detail="")
TASKS = (
    Task(id="T-1", title="Mend", agent="bug-fixer", instructions="", criteria=("AC-2",), files=("a/",)),
    Task(id="T-2", title="Mend", agent="bug-fixer", instructions="", criteria=("AC-1",), files=("b/",)),
)
START = Problem(id="start", kind="gate", title="start failed", detail="")


@pytest.mark.parametrize(
    ("told", "red", "outcome", "usd", "twice", "said"),
    [
        pytest.param(None, RED, "finished", 9.0, [], "", id="red after the first version"),
        pytest.param([SLOW], RED, "finished", 9.0, [], "", id="nobody was told of it"),
        pytest.param([RED], RED, "finished", 9.0, ["T-2"], "two candidates each for T-2", id="red after a repair"),
        pytest.param(None, RED, "stuck", 9.0, ["T-2"], "two candidates each for T-2", id="a session got stuck over it"),
        pytest.param([SLOW], SLOW, "stuck", 9.0, [], "", id="scenarios cannot choose over a finding"),
        pytest.param([START], START, "finished", 9.0, ["T-1"], "two candidates each for T-1", id="a gate"),
        pytest.param(
            [RED],
            RED,
            "finished",
            3.5,
            [],
            "one candidate only for T-2, because the budget would not last for two",
            id="not for three attempts of $1 and one in reserve",
        ),
    ],
)
async def test_a_task_is_made_twice_after_an_attempt_at_it_failed_and_while_the_budget_lasts(
    told: list[Problem] | None, red: Problem, outcome: str, usd: float, twice: list[str], said: str
) -> None:
    transcripts, artifacts = Transcripts(), MemoryArtifacts()
    for task in TASKS:
        ended = SessionResult.model_validate(
            {
                "session_id": task.id, "outcome": outcome, "commit": None, "report": {}, "model_calls": 5,
                "cost_usd": 1.0, "seconds": 1.0,
            }
        )  # fmt: skip
        await transcripts.append(f"r/1/implement/{task.id}", Entry(result=ended))
    state = BudgetState(caps=Caps(usd=usd), spent_usd=0.0, reserved_usd=0.0, calls=10)

    async def standing() -> BudgetState:
        return state

    budget = SimpleNamespace(state=standing)
    given = {"run_id": "r", "transcripts": transcripts, "artifacts": artifacts, "budget": budget}
    rest = {name: None for name in FactoryContext.__dataclass_fields__ if name not in given}
    context = FactoryContext(**cast(Any, given | rest))
    before: State = {"iteration": 1, "plan": await context.keep(Plan(tasks=TASKS))}
    if told is not None:
        before["problems"] = await context.keep(Problems(problems=tuple(told)))
    assert await contested(context, before, [red], TASKS) == (twice, said)
