"""What a person at a terminal is asked, and what becomes of what they say."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.factory.conftest import TOOL, surroundings

pytestmark = pytest.mark.usefixtures("sandboxes")


def at_a_terminal(root: Path, home: Path, *arguments: str, types: str) -> tuple[int, str, str]:
    """How `macrohard` ends for somebody who types this: exit code, what the terminal showed, standard output."""
    controller, terminal = pty.openpty()
    environment = {**surroundings(root, home), "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        [sys.executable, "-m", "macrohard", *arguments],
        stdin=terminal, stderr=terminal, stdout=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        os.close(terminal)
        os.write(controller, types.encode())
        shown = b""
        # Reading a terminal whose other side was closed is an error on Linux, not the end of the file.
        while part := _read(controller):
            shown += part
        out, _ = process.communicate()
    os.close(controller)
    return process.returncode, shown.decode(), out


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 4096)
    except OSError:
        return b""


def test_a_plan_is_sent_back_left_and_approved_at_the_terminal(tmp_path: Path, repository_root: Path) -> None:
    command = ("build", TOOL, "--approve", "plan", "--iterations", "1", "--out", str(tmp_path / "product"))
    code, shown, out = at_a_terminal(repository_root, tmp_path / "home", *command, types="Also its colour.\nlater\n")
    assert code == 5, shown
    assert shown.count("The plan waits for your approval:") == 2
    assert "Paused" in out
    assert "What would be built" in out
    run = out.partition("macrohard approve ")[2].split()[0]
    code, shown, out = at_a_terminal(repository_root, tmp_path / "home", "resume", run, types="\n")
    assert code == 0, shown
    assert shown.count("The plan waits for your approval:") == 1
    assert "Delivered" in out
    assert (tmp_path / "product" / "README.md").is_file()
