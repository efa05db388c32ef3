import json
import os
import pty
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from macrohard import __version__
from macrohard.assembly import Factory, open_factory
from macrohard.cli.gates import ruling_on
from macrohard.domain import Caps, Question, RunOutcome, RunOverview
from macrohard.domain.approval import Awaited
from macrohard.errors import LeaseLost, LimitExceeded, RequestError, SandboxUnavailable
from macrohard.settings import Settings
from tests.cli.conftest import Ending, Run, ScriptedFactory
from tests.report.sample import overview as sample


@pytest.mark.parametrize(
    ("outcome", "code"), [("delivered", 0), ("failed", 1), ("partial", 3), ("refused", 4), ("paused", 5)]
)
def test_the_exit_code_tells_the_outcome(factory: ScriptedFactory, run: Run, outcome: RunOutcome, code: int) -> None:
    factory.endings = [outcome]
    ended, out, _ = run("build", "todo app", "--json")
    assert ended == code
    assert json.loads(out)["outcome"] == outcome


def test_json_is_one_object_with_these_keys_and_nothing_else(factory: ScriptedFactory, run: Run) -> None:
    _, out, err = run("build", "todo app", "--json")
    told = json.loads(out)
    assert list(told) == [
        "run", "outcome", "product", "commit", "criteria", "iterations", "sessions", "model_calls", "cost_usd",
        "seconds", "film", "returned", "assumed", "improves", "superseded",
    ]  # fmt: skip
    assert told["criteria"][4] == {
        "id": "AC-5",
        "text": "The due date must be a date, and may be empty.",
        "priority": "MUST",
        "status": "unmet",
    }
    assert (told["iterations"], told["sessions"], told["model_calls"]) == (2, 10, 143)
    assert "run r-7k2m9" in err


def test_options_reach_the_factory(factory: ScriptedFactory, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "new"
    run(
        "build",
        "--model",
        "builtin:careless",
        "--budget",
        "3",
        "--iterations",
        "2",
        "--out",
        str(out),
        "--max-tokens",
        "50000",
        "--max-time",
        "1h30m",
        "--max-fan-out",
        "7",
        "--",
        "-x app",
    )
    assert factory.calls == [
        ("submit", ("-x app", "builtin:careless", Caps(usd=3.0, tokens=50_000, seconds=5400.0, fan_out=7), 2, True)),
        ("carry out", ("r-7k2m9", out, True)),
    ]


def test_people_read_first_what_does_not_hold(factory: ScriptedFactory, run: Run) -> None:
    factory.endings = ["partial"]
    _, out, _ = run("build", "todo app")
    told = ["Partly delivered", "The limit of 2 iterations", "What does not hold (2 of 6 criteria)", "AC-5", "Product:"]
    positions = [out.index(part) for part in told]
    assert positions == sorted(positions)
    assert "/home/ada/products/office-to-do-list/report.html" in out


def test_a_taken_folder_is_refused_before_a_run_is_made(factory: ScriptedFactory, run: Run, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    code, _, err = run("build", "todo app", "--out", str(tmp_path))
    assert code == 2
    assert "is not an empty folder" in err
    assert factory.calls == []


def test_a_model_that_cannot_be_used_is_refused_before_a_run_is_made(factory: ScriptedFactory, run: Run) -> None:
    code, _, err = run("build", "todo app", "--model", "gpt-9")
    assert code == 2
    assert "needs a key: set OPENAI_API_KEY" in err
    assert factory.calls == []


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        pytest.param(SandboxUnavailable("no engine; apt-get install docker.io"), 1, "no engine", id="unavailable"),
        pytest.param(LeaseLost("r-7k2m9"), 1, "carried out by another process", id="lease lost"),
        pytest.param(LimitExceeded("budget", used=3, allowed=2), 5, "budget: used 3 of 2", id="limit"),
        pytest.param(ExceptionGroup("t", [SandboxUnavailable("gone")]), 1, "macrohard: gone", id="in a group"),
    ],
)
def test_what_was_raised_on_purpose_is_told_with_the_way_on(
    factory: ScriptedFactory, run: Run, error: Ending, code: int, said: str
) -> None:
    factory.endings = [error]
    ended, out, err = run("build", "todo app", "--json")
    assert ended == code
    assert said in err
    assert "go on with: macrohard resume r-7k2m9" in err
    assert "Traceback" not in err
    if code == 1 and not isinstance(error, ExceptionGroup):
        assert json.loads(out)["outcome"] == "failed"


def test_our_own_mistakes_leave_a_file_and_no_traceback(factory: ScriptedFactory, run: Run) -> None:
    factory.endings = [ZeroDivisionError("oops")]
    code, _, err = run("build", "todo app")
    assert code == 1
    assert "a mistake of ours, ZeroDivisionError; details are in " in err
    assert "macrohard resume r-7k2m9" in err
    assert "Traceback" not in err
    path = Path(err.split("details are in ")[1].splitlines()[0])
    assert "ZeroDivisionError: oops" in path.read_text()
    path.unlink()


def test_the_same_build_with_run_goes_on_and_another_text_is_refused(factory: ScriptedFactory, run: Run) -> None:
    from tests.report.sample import REQUIREMENT

    code, _, _ = run("build", REQUIREMENT, "--run", "r-7k", "--yes")
    assert code == 0
    assert factory.calls == [("carry out", ("r-7k2m9", None, False))]
    code, _, err = run("build", "something else", "--run", "r-7k")
    assert code == 2
    assert "run r-7k2m9 is of another requirement" in err


def test_resume_takes_answers_and_budget(factory: ScriptedFactory, run: Run) -> None:
    factory.questions = (Question(id="Q-1", text="Which currency?", default="euro"),)
    run("resume", "r-7k2m9", "--answer", "Q-1=yen = ¥", "--add-budget", "2.5", "--add-time", "30m", "--add-depth", "1")
    assert factory.calls[:2] == [("answer", {"Q-1": "yen = ¥"}), ("raise caps", Caps(usd=2.5, seconds=1800.0, depth=1))]


@pytest.mark.parametrize("time", ["", "soon", "2x", "0h", "5 5", "-1h"])
def test_times_that_are_none_are_refused(factory: ScriptedFactory, run: Run, time: str) -> None:
    code, _, err = run("resume", "r-7k2m9", f"--add-time={time}")
    assert (code, factory.calls) == (2, [])
    assert "--add-time" in err
    code, _, err = run("build", "todo app", f"--max-time={time or 'x'}")
    assert (code, factory.calls) == (2, [])
    assert "--max-time" in err


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [("Q-1", "is not of the form Q-1=text"), ("Q-1= ", "is not of the form"), ("Q-9=x", "asks no Q-9")],
)
def test_answers_that_answer_nothing_are_refused(
    factory: ScriptedFactory, run: Run, answer: str, complaint: str
) -> None:
    code, _, err = run("resume", "r-7k2m9", "--answer", answer)
    assert code == 2
    assert complaint in err


@pytest.mark.parametrize("arguments", [["show", "zzz"], ["resume", "zzz"], ["export", "zzz", "--out", "/tmp/zzz-new"]])
def test_an_unknown_run_is_a_usage_error(factory: ScriptedFactory, run: Run, arguments: list[str]) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert "there is no run 'zzz'" in err


def test_export_prints_where_the_product_is(factory: ScriptedFactory, run: Run, tmp_path: Path) -> None:
    factory.status = "delivered"
    code, out, _ = run("export", "r-7k", "--out", str(tmp_path / "new"))
    assert (code, out) == (0, f"{tmp_path / 'new'}\n")
    assert run("export", "r-7k", "--iteration", "2", "--out", str(tmp_path / "new"))[0] == 0
    assert factory.calls == [("export", ("r-7k2m9", tmp_path / "new", number)) for number in (None, 2)]
    (tmp_path / "file").touch()
    code, _, err = run("export", "r-7k", "--out", str(tmp_path))
    assert code == 2
    assert "is not an empty folder" in err


@pytest.mark.parametrize(
    ("commits", "iteration", "complaint"),
    [
        pytest.param({1: "a" * 40, 2: None}, 2, "2 of run r-7k2m9 has no commit; those that can be had: 1", id="open"),
        pytest.param({1: "a" * 40}, 3, "3 of run r-7k2m9 does not exist; those that can be had: 1 ", id="not there"),
        pytest.param({}, 1, "1 of run r-7k2m9 does not exist; none has a commit so far", id="nothing yet"),
    ],
)  # fmt: skip
async def test_only_an_iteration_with_a_commit_can_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commits: dict[int, str | None], iteration: int, complaint: str
) -> None:
    full = sample({})
    shown = tuple(
        full.iterations[0].model_copy(update={"number": number, "commit": commit}) for number, commit in commits.items()
    )

    async def overview(self: Factory, run_id: str) -> RunOverview:
        return full.model_copy(update={"iterations": shown})

    monkeypatch.setattr(Factory, "overview", overview)
    async with open_factory(Settings(home=tmp_path), sandbox="auto") as factory:
        with pytest.raises(RequestError, match=re.escape(complaint)):
            await factory.export("r-7k", tmp_path / "out", iteration=iteration)
    assert not (tmp_path / "out").exists()


def test_show_says_how_to_go_back_to_an_iteration(factory: ScriptedFactory, run: Run) -> None:
    _, out, _ = run("show", "r-7k")
    first = sample({}).iterations[0]
    assert first.commit
    assert f"commit {first.commit[:10]} · " in out
    assert "macrohard open r-7k2m9 --iteration N" in out
    told = json.loads(run("show", "r-7k", "--json")[1])["overview"]["iterations"]
    assert [(each["number"], each["commit"], each["kept"], "cost_usd" in each) for each in told] == [
        (each.number, each.commit, each.kept, True) for each in sample({}).iterations
    ]


def test_runs_and_show_speak_to_people_and_programs(factory: ScriptedFactory, run: Run) -> None:
    factory.status = "partial"
    _, out, _ = run("runs", "--limit", "1")
    assert "r-7k2m9" in out
    assert "Office to-do list" in out
    _, out, _ = run("runs", "--json")
    assert [found["id"] for found in json.loads(out)] == ["r-7k2m9"] * 3
    _, out, _ = run("show", "r-7k")
    assert "get an e-mail the day before: products have no way to send e-mail" in out
    assert "Iteration 2 (kept; 2 gained, 0 lost, 1 found)" in out
    _, out, _ = run("show", "r-7k", "--json")
    assert json.loads(out)["overview"]["summary"]["model"] == "builtin:careless"


@pytest.mark.parametrize(
    "arguments", [["build", "--budget", "0", "x"], ["build", "--sandbox", "podman", "x"], ["fly"], ["build", "a", "b"]]
)
def test_wrong_options_are_usage_errors(run: Run, arguments: list[str]) -> None:
    assert run(*arguments)[0] == 2


def test_help_names_the_exit_codes_and_the_version_is_told(run: Run) -> None:
    code, out, _ = run("build", "--help")
    assert code == 0
    assert "4 refused" in out
    assert run("--version")[1] == f"macrohard {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "macrohard", "--help"], capture_output=True, text=True, check=True
    ).stderr
    imported = {line.split("|")[-1].strip() for line in told.splitlines()}
    assert "typer" in imported
    assert not imported & {"pydantic", "langgraph", "openai", "sqlalchemy", "docker", "jinja2", "macrohard.assembly"}


SCRIPTED = """
import asyncio, sys
from contextlib import asynccontextmanager
from macrohard import assembly
from macrohard.cli import main
from macrohard.domain import Caps, Question
from tests.cli.conftest import ScriptedFactory

class Patient(ScriptedFactory):
    async def carry_out(self, run_id, *, out, observe, ask=None):
        if self.endings[:1] == ["wait"]:
            print("waiting", file=sys.stderr, flush=True)
            try:
                await asyncio.Event().wait()
            finally:
                print("cleaned up", file=sys.stderr, flush=True)
        return await super().carry_out(run_id, out=out, observe=observe, ask=ask)

factory = Patient(endings=ENDINGS)
factory.questions = QUESTIONS

@asynccontextmanager
async def open_factory(settings, *, sandbox):
    yield factory

assembly.open_factory = open_factory
sys.argv = ["macrohard", "build", "todo app", *OPTIONS]
try:
    main()
finally:
    print("answered", [said for name, said in factory.calls if name == "answer"], file=sys.stderr)
"""


def scripted(endings: list[str], *, options: list[str], questions: str = "()") -> list[str]:
    given = {"ENDINGS": repr(endings), "OPTIONS": repr(options), "QUESTIONS": questions}
    program = textwrap.dedent(SCRIPTED)
    for name, value in given.items():
        program = program.replace(name, value)
    return [sys.executable, "-c", program]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_pauses_the_run_after_it_cleaned_up(tmp_path: Path, number: signal.Signals) -> None:
    environment = {**os.environ, "MACROHARD_HOME": str(tmp_path), "MACROHARD_MODEL": "builtin"}
    with subprocess.Popen(
        scripted(["wait"], options=["--json"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        # pytest's own parent may have set SIGINT to be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line == "waiting\n":
                process.send_signal(number)
                break
        out, err = process.communicate()
    assert process.returncode == 5
    assert "cleaned up" in err
    assert "paused; go on with: macrohard resume r-7k2m9" in err
    assert "Traceback" not in err
    assert json.loads(out)["outcome"] == "paused"


def test_questions_are_put_to_a_person_at_a_terminal_and_defaults_hold(tmp_path: Path) -> None:
    questions = (
        '(Question(id="Q-1", text="Which currency?", default="euro"), Question(id="Q-2", text="VAT?", default="none"))'
    )
    controller, terminal = pty.openpty()
    environment = {
        **os.environ, "MACROHARD_HOME": str(tmp_path), "MACROHARD_MODEL": "builtin", "TERM": "xterm", "COLUMNS": "100",
    }  # fmt: skip
    command = scripted(["paused", "delivered"], options=[], questions=questions)
    with subprocess.Popen(
        command, stdin=terminal, stderr=terminal, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        os.close(terminal)
        os.write(controller, b"yen\n\n")
        shown = b""
        # Reading a terminal whose other side was closed is an error on Linux, not the end of the file.
        while True:
            try:
                part = os.read(controller, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
        out, _ = process.communicate()
    os.close(controller)
    assert process.returncode == 0
    assert "Which currency? [euro]" in shown.decode()
    assert "answered [{'Q-1': 'yen', 'Q-2': 'none'}]" in shown.decode()
    assert "Delivered" in out


def test_an_improvement_begins_from_what_a_run_delivered(factory: ScriptedFactory, run: Run, tmp_path: Path) -> None:
    code, out, _ = run("improve", "r-7k", "due dates", "--budget", "3", "--out", str(tmp_path / "new"), "--json")
    assert code == 0
    assert factory.calls[0] == ("submit", ("due dates", "builtin", Caps(usd=3.0), 4, True))
    assert factory.begun_from == "r-7k"
    assert json.loads(out)["outcome"] == "delivered"
    assert run("improve", "r-7k", "due dates", "--file", "x")[0] == 2
    assert run("improve", "r-7k")[0] == 2
    assert run("improve", "r-none", "due dates")[0] == 2
    assert len(factory.calls) == 2, "nothing else was begun"


def test_where_a_run_waits_for_a_person_is_said_when_it_begins(factory: ScriptedFactory, run: Run) -> None:
    factory.endings = ["delivered"] * 2
    assert run("build", "todo app", "--approve", "plan", "--approve", "release=8h", "--budget-within", "90s")[0] == 0
    begun = [factory.gates]
    assert run("improve", "r-7k", "due dates", "--answer-within", "1h30m")[0] == 0
    begun.append(factory.gates)
    assert begun == [({"plan": None, "release": 28_800.0}, None, 90.0), ({}, 5400.0, None)]
    for wrong, told in (
        (("--approve", "lunch"), "with its plan or its release, not with 'lunch'"),
        (("--approve", "plan=soon"), "--approve: 'soon' is not a stretch of time"),
        (("--approve", "release=400d"), "--approve: 400d is more than a year"),
        (("--answer-within", "0"), "--answer-within: '0' is no time at all"),
        (("--run", "r-7k", "--approve", "plan"), "are for a run that begins"),
    ):
        code, _, err = run("build", "todo app", *wrong)
        assert code == 2
        assert told in err


@pytest.mark.parametrize(
    ("typed", "approved", "comment"),
    [
        pytest.param([""], True, "", id="Enter"),
        pytest.param(["Yes, please."], True, "", id="a polite yes"),
        pytest.param(["yes but greener"], False, "yes but greener", id="a yes with a condition"),
        pytest.param(["Later."], None, "", id="later"),
        pytest.param(["no", "The list is blue"], False, "The list is blue", id="a no and then what"),
        pytest.param(["n", "no"], None, "", id="nothing but a no"),
    ],
)
def test_what_is_typed_where_a_plan_waits(
    monkeypatch: pytest.MonkeyPatch, typed: list[str], approved: bool | None, comment: str
) -> None:
    monkeypatch.setattr("typer.prompt", lambda *_, **__: typed.pop(0))
    awaited = Awaited(point="plan", number=3, until=None)
    ruling = ruling_on(sample({}, status="paused").model_copy(update={"awaited": awaited}))
    assert typed == []
    said = None if ruling is None else (ruling.number, ruling.approved, ruling.comment)
    assert said == (None if approved is None else (3, approved, comment))
