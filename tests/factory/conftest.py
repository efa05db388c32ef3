"""Runs of the real command line, each with a home of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


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


@pytest.fixture
def macrohard(tmp_path: Path, repository_root: Path) -> Macrohard:
    """Run `macrohard` with `--json`; environment variables can be added."""

    def run(*arguments: str, environment: Mapping[str, str] | None = None, timeout_seconds: float = 400) -> Ended:
        ended = subprocess.run(
            [sys.executable, "-m", "macrohard", *arguments, "--json"],
            cwd=tmp_path,
            env={**surroundings(repository_root, tmp_path / "home"), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        lines = ended.stdout.strip().splitlines()
        return Ended(code=ended.returncode, told=ended.stderr, result=json.loads(lines[-1]) if lines else None)

    return run


@pytest.fixture
def killed(tmp_path: Path, repository_root: Path) -> Killed:
    """Run `macrohard`, and kill it with -9 as soon as a line that it tells holds `at`; gives what it told."""

    def run(*arguments: str, at: str, environment: Mapping[str, str]) -> str:
        with subprocess.Popen(
            [sys.executable, "-m", "macrohard", *arguments],
            cwd=tmp_path,
            env={**surroundings(repository_root, tmp_path / "home"), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            told = []
            for line in process.stderr:
                told.append(line)
                if at in line:
                    break
            else:
                raise AssertionError(f"it never told {at!r}: {''.join(told)[-3000:]}")
            process.kill()
        assert process.returncode == -signal.SIGKILL
        return "".join(told)

    return run
