"""Runs of the real command line, each with a home of its own."""

import json
import os
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


@pytest.fixture
def macrohard(tmp_path: Path, repository_root: Path) -> Macrohard:
    """Run `macrohard` with `--json`; environment variables can be added."""

    def run(*arguments: str, environment: Mapping[str, str] | None = None, timeout_seconds: float = 400) -> Ended:
        ended = subprocess.run(
            [sys.executable, "-m", "macrohard", *arguments, "--json"],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(repository_root),
                "MACROHARD_HOME": str(tmp_path / "home"),
                # One test looks at films; the others need not wait for them.
                "MACROHARD_MEDIA": '{"film": false}',
                **(environment or {}),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        lines = ended.stdout.strip().splitlines()
        return Ended(code=ended.returncode, told=ended.stderr, result=json.loads(lines[-1]) if lines else None)

    return run
