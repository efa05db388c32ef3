"""Runs of the real command line, each with a home of its own."""

import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from macrohard.sandbox import SandboxProvider
from tests.starting import ended, started


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    told: str
    """Standard error."""
    result: Any
    """The JSON object on standard output; None if there is none."""


Macrohard = Callable[..., Ended]
Killed = Callable[..., str]

KITES = "A list of kites: name (required)."
"""Made by a whole team, with a browser; of things of which it is not usual to keep anything but the name, because each
field is one more to check and to fill in."""
TOOL = "A command-line tool that keeps a list of kites: name (required)."
"""Made by one coder, and three who read: what costs least."""


@dataclass(frozen=True)
class Delivered:
    """A run that several tests look at; a test that would change something takes a copy of the home."""

    home: Path
    run: str
    shown: Any
    """As `macrohard build --json` says it."""


_OF_A_PERSON = ("MACROHARD_", "XAI_", "OPENAI_")


def surroundings(root: Path, home: Path) -> dict[str, str]:
    """What the command line is run with: no keys or settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OF_A_PERSON)}
    return {
        **kept,
        "PYTHONPATH": str(root),
        "MACROHARD_HOME": str(home),
        # One test looks at films; the others need not wait for them.
        "MACROHARD_MEDIA": '{"film": false}',
        # The built-in model writes what these runs deliver, also where it is served as another one.
        "MACROHARD_TEST_QUALITY": "false",
        "MACROHARD_SANDBOXES": '{"products": "base"}',
    }


@pytest.fixture(scope="session")
def kites(sandboxes: SandboxProvider, tmp_path_factory: pytest.TempPathFactory, repository_root: Path) -> Delivered:
    """A list of kites, built undisturbed by the built-in model."""
    folder = tmp_path_factory.mktemp("kites")
    arguments = ("build", KITES, "--yes", "--iterations", "2", "--out", str(folder / "product"), "--json")
    said = ended("macrohard", *arguments, cwd=folder, environment=surroundings(repository_root, folder / "home"))
    assert said.code == 0, said.told[-3000:]
    shown = json.loads(said.out.splitlines()[-1])
    return Delivered(home=folder / "home", run=shown["run"], shown=shown)


@pytest.fixture
def macrohard(tmp_path: Path, repository_root: Path) -> Macrohard:
    """Run `macrohard` with `--json`; environment variables can be added."""

    def run(*arguments: str, environment: Mapping[str, str] | None = None, timeout_seconds: float = 400) -> Ended:
        given = {**surroundings(repository_root, tmp_path / "home"), **(environment or {})}
        said = ended(
            "macrohard", *arguments, "--json", cwd=tmp_path, environment=given, timeout_seconds=timeout_seconds
        )
        lines = said.out.strip().splitlines()
        return Ended(code=said.code, told=said.told, result=json.loads(lines[-1]) if lines else None)

    return run


@pytest.fixture
def killed(tmp_path: Path, repository_root: Path) -> Killed:
    """Run `macrohard`, and kill it with -9 as soon as a line that it tells holds `at`; gives what it told."""

    def run(*arguments: str, at: str, environment: Mapping[str, str]) -> str:
        with TemporaryDirectory() as folder:
            telling = Path(folder) / "told"
            os.mkfifo(telling)
            given = {**surroundings(repository_root, tmp_path / "home"), **environment}
            process = started(
                "macrohard", *arguments, cwd=tmp_path, environment=given, out=Path(os.devnull), told=telling
            )
            told = []
            with telling.open() as lines:
                for line in lines:
                    told.append(line)
                    if at in line:
                        break
                else:
                    raise AssertionError(f"it never told {at!r}: {''.join(told)[-3000:]}")
                process.kill()
                process.join()
        assert process.exitcode == -signal.SIGKILL
        return "".join(told)

    return run
