"""Whole runs on a small repository of a person, with a model that was told beforehand what to say."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.factory.conftest import Killed, Macrohard
from tests.serving import program

pytestmark = pytest.mark.usefixtures("sandboxes")

MAIN = """\
import sys


def greeting(name: str) -> str:
    return f"Hello, {name}"


if __name__ == "__main__":
    print(greeting(sys.argv[-1]))
"""
TESTS = """\
from greet.__main__ import greeting


def test_greets() -> None:
    assert greeting("Ada") == "Hello, Ada"


def test_never_worked() -> None:
    assert greeting("") == "Hello, stranger"
"""
LOUD = MAIN.replace(
    "    print(greeting(sys.argv[-1]))\n",
    '    said = greeting(sys.argv[-1])\n    print(said.upper() if "--loud" in sys.argv else said)\n',
)
GUIDE = "Keep functions plain.\n"
CODER = """\
---
description: Knows the customs of Greet.
model: strong
sandbox: product
tools: [read, write]
assignable: true
limits: {turns: 5, cost_usd: 1.0, seconds: 60}
---
You write what greets.
"""
FILES = {
    "greet/__init__.py": "", "greet/__main__.py": MAIN, "tests/test_greet.py": TESTS, "AGENTS.md": GUIDE,
    "pyproject.toml": '[project]\nname = "greet"\nversion = "1"\n[tool.pytest.ini_options]\npythonpath = ["."]\n',
    "README.md": "# Greet\n\nSay hello.\n", ".gitignore": "__pycache__/\n",
    ".macrohard/agents/greet-coder.md": CODER,
}  # fmt: skip


def git(repository: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    return subprocess.run(
        ["git", *identity, "-C", str(repository), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(repository: Path, files: dict[str, str], message: str) -> str:
    for name, content in files.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(content)
    git(repository, "add", "--all")
    git(repository, "commit", "-qm", message)
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture
def greet(tmp_path: Path) -> Path:
    """A command-line tool with one test that passes and one that never did."""
    repository = tmp_path / "greet"
    repository.mkdir()
    git(repository, "init", "-q", "-b", "main")
    commit(repository, FILES, "Greet people")
    return repository


Colleague = Callable[[dict[str, str]], AbstractContextManager[dict[str, str]]]


@pytest.fixture
def colleague(tmp_path: Path, repository_root: Path) -> Colleague:
    """The environment of a factory whose coder writes these files."""

    @contextmanager
    def serve(changes: dict[str, str]) -> Iterator[dict[str, str]]:
        written, settings = tmp_path / "changes.json", tmp_path / "macrohard.toml"
        written.write_text(json.dumps(changes))
        with program("tests.factory.colleague", str(written), root=repository_root) as port:
            settings.write_text(
                f'base_url = "http://127.0.0.1:{port}/v1"\nmodel = "colleague"\n'
                "[prices.colleague]\ninput = 0.0\ncached_input = 0.0\noutput = 0.0\n"
            )
            yield {"MACROHARD_SETTINGS": str(settings)}

    return serve


@contextmanager
def meanwhile(repository: Path, tmp_path: Path, files: dict[str, str]) -> Iterator[None]:
    """The person commits these files when the coder is at work."""

    def person() -> None:
        heard = tmp_path / "changes.json.heard"
        while not (heard.exists() and '"full-stack-coder"' in heard.read_text()):
            if over.wait(0.05):
                return
        for name, content in files.items():
            (repository / name).write_text(content)
        git(repository, "add", *files)
        git(repository, "commit", "-qm", "My own work")

    over = Event()
    thread = Thread(target=person)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_repository_gets_a_branch_a_patch_and_a_pull_request_text_however_often_the_run_is_killed(
    macrohard: Macrohard, killed: Killed, greet: Path, colleague: Colleague, tmp_path: Path
) -> None:
    before = git(greet, "rev-parse", "HEAD")
    (greet / "README.md").write_text("# Greet\n\nNot committed.\n")
    with colleague({"greet/__main__.py": LOUD}) as environment:
        with meanwhile(greet, tmp_path, {"NOTES.md": "Mine.\n"}):
            wish = ("build", "add --loud, in capital letters", "--yes", "--repo", str(greet))
            words = killed(*wish, at="integrate …", environment=environment)
        run = words.partition("run ")[2].split()[0]
        killed("resume", run, "--yes", at="release …", environment=environment)
        assert git(greet, "for-each-ref", "--format=%(refname)") == "refs/heads/main", "untouched until the end"
        assert git(greet, "status", "--porcelain") == "M README.md"
        out = ("--out", str(tmp_path / "out"))
        ended = macrohard("resume", run, "--yes", *out, environment=environment)
    assert ended.code == 0, ended.told[-3000:]
    theirs = git(greet, "rev-parse", "HEAD")
    assert ended.result["returned"]["merged"] == theirs != before
    branch = ended.result["returned"]["branch"]
    assert branch == "macrohard/loud-greetings"
    assert git(greet, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(greet, "status", "--porcelain") == "M README.md"
    assert git(greet, "diff", "--name-only", "main", branch) == "greet/__main__.py"
    assert git(greet, "merge-base", "main", branch) == theirs, "what they did meanwhile is in it"
    text = (tmp_path / "out" / "pull-request.md").read_text()
    assert "1 passed and 1 failed" in text
    assert "all 1 that passed before still do; 1 failed before as well: tests/test_greet.py::test_never_worked" in text
    assert "capital letters" in text
    assert "README.md" in text, "what was left out is said"
    assert "| `greet/__main__.py` | changed | +" in text
    assert "Existing tests changed: none." in text
    said = git(greet, "log", "-1", "--format=%B", branch, "--", "greet/__main__.py").splitlines()
    assert said[2] in text, "the summary of whoever did it"
    assert said[-1] == f"Run: {run}"
    git(greet, "apply", "--check", str(tmp_path / "out" / "changes.patch"))
    heard = [json.loads(line) for line in (tmp_path / "changes.json.heard").read_text().splitlines()]
    told = {each["agent"]: each["opening"] for each in heard}
    assert [each["agent"] for each in heard].count("repository-reader") == 1, "what was done is not done again"
    assert GUIDE.strip() in told["full-stack-coder"]
    assert "Greets people by name" in told["full-stack-coder"]
    assert "Greets people by name" not in told["scenario-writer"]
    assert "Knows the customs of Greet." in told["reader"], "the repository's own agents can be given tasks"
    shown = macrohard("show", ended.result["run"]).result["overview"]
    (work,) = shown["works"]
    assert (work["criteria"], work["files"]) == (["AC-1"], ["greet/__main__.py"])
    assert "AC-1</a> Add --loud" in (tmp_path / "out" / "report.html").read_text()
    assert shown["provenance"]["head"] == before
    assert shown["ground"]["baseline"]["passed"] == ["tests/test_greet.py::test_greets"]


def test_an_earlier_pass_may_not_be_lost(
    macrohard: Macrohard, greet: Path, colleague: Colleague, tmp_path: Path
) -> None:
    out = ("--repo", str(greet), "--no-branch", "--iterations", "1", "--out", str(tmp_path / "out"))
    broken = {"greet/__main__.py": LOUD.replace("Hello, {name}", "HELLO, {name}")}
    mine = {"greet/__main__.py": MAIN.replace("sys.argv[-1]", "sys.argv[1]")}
    with colleague(broken) as environment, meanwhile(greet, tmp_path, mine):
        ended = macrohard("build", "add --loud, in capital letters", "--yes", *out, environment=environment)
    assert ended.code == 3, ended.told[-3000:]
    assert {criterion["status"] for criterion in ended.result["criteria"]} == {"met"}
    assert git(greet, "branch", "--list", "macrohard/*") == ""
    assert "both change greet/__main__.py" in " ".join(ended.result["returned"]["notes"])
    assert (
        "1 that passed before do not pass now: tests/test_greet.py::test_greets"
        in (tmp_path / "out" / "pull-request.md").read_text()
    )


def test_an_agent_of_the_repository_that_is_not_understood_is_told_before_there_is_a_run(
    macrohard: Macrohard, greet: Path, colleague: Colleague
) -> None:
    commit(greet, {".macrohard/agents/greet-coder.md": CODER.replace("model", "colour: red\nmodel")}, "Paint it")
    with colleague({}) as environment:
        ended = macrohard("build", "add --loud", "--yes", "--repo", str(greet), environment=environment)
    assert ended.code != 0
    assert ".macrohard/agents/greet-coder.md: colour: " in ended.told
    assert macrohard("runs").result == []


def test_what_the_built_in_model_cannot_do_is_refused(macrohard: Macrohard, greet: Path, tmp_path: Path) -> None:
    ended = macrohard("build", "add --loud", "--yes", "--repo", str(greet), "--model", "builtin")
    assert ended.code == 2
    assert "--repo needs a real model" in ended.told
    assert macrohard("runs").result == []
