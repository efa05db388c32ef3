"""`make` and setup/make.py: how text reaches the program, and what is said on machines that lack something."""

import importlib.util
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = 65534


@pytest.fixture
def make() -> ModuleType:
    """setup/make.py as a module."""
    specification = importlib.util.spec_from_file_location("make", ROOT / "setup" / "make.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["make"] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "text",
    [
        "todo app. due dates.",
        "it costs $5 and $HOME, $(HOME) and $$",
        """quotes: ' " ` and \\ at the end\\""",
        "two\nlines # no comment",
        "$(shell touch owned); touch owned; `touch owned`",
        "Büro ✓ %d",
    ],
)
def test_text_reaches_the_program_unharmed(tmp_path: Path, text: str) -> None:
    # Whatever make would run as Python writes down what it was given.
    told = tmp_path / "told"
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\nprintf %s "$APP" > {told}\nprintf %s "$2" > {told}.target\n')
    program.chmod(0o755)
    subprocess.run(["make", "-C", ROOT, "build", f"PYTHON={program}", f"APP={text}"], check=True, cwd=tmp_path)
    assert told.read_text() == text
    assert Path(f"{told}.target").read_text() == "build"
    assert not (ROOT / "owned").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param([], 0, 'make build APP="todo app. due dates. filter."', id="help"),
        pytest.param(["build"], 2, 'make build APP="what you need, in plain words"', id="nothing to build"),
        pytest.param(["build", "ARGS=--file 'x"], 2, "No closing quotation", id="open quotation"),
        pytest.param(["bench", "NAME=nonsense"], 2, "make bench NAME=…, one of: ", id="no such benchmark"),
        pytest.param(["build", "APP=x", "PYTHON=/none"], 2, "Macrohard needs Python 3.11", id="no Python"),
    ],
)
def test_make_says_how_it_is_used(arguments: list[str], code: int, said: str) -> None:
    done = subprocess.run(["make", "-C", ROOT, *arguments], capture_output=True, text=True)
    assert done.returncode == code
    assert said in done.stdout + done.stderr


def test_the_program_gets_options_and_text_and_none_of_makes_variables(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(make, "prepare_machine", lambda purpose: None)
    monkeypatch.setattr(make, "prepare_python", lambda purpose: None)
    monkeypatch.setattr(make.os, "execve", lambda path, command, environment: started.append((command, environment)))
    monkeypatch.setenv("APP", "-todo $5")
    monkeypatch.setenv("ARGS", "--yes --out 'my dir'")
    monkeypatch.setenv("MAKEFLAGS", "w -- APP=…")
    make.build()
    [(command, environment)] = started
    assert command[1:] == ["build", "--yes", "--out", "my dir", "--", "-todo $5"]
    assert not {"APP", "ARGS", "MAKEFLAGS"} & set(environment)


@pytest.mark.parametrize(("answer", "state"), [(b"HTTP/1.0 200 OK\r\n\r\nOK", "up"), (b"HTTP/1.0 500 No\r\n", "down")])
def test_an_engine_counts_only_if_a_server_answers(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: bytes, state: str
) -> None:
    address = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{address}")
    assert make.engine_state() == "down"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(answer)

        served = threading.Thread(target=serve)
        served.start()
        assert make.engine_state() == state
        served.join()


@pytest.fixture
def everyones() -> Iterator[Path]:
    """A folder that every user may read, with setup/make.py in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(ROOT / "setup" / "make.py", folder / "make.py")
        yield folder


def as_nobody(folder: Path, expression: str, **environment: str) -> str:
    """What setup/make.py says when an ordinary user runs it."""
    done = subprocess.run(
        ["/usr/bin/python3", "-B", "-c", f"import make; {expression}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **environment},
    )
    return done.stdout


def test_who_may_not_install_is_told_what_to_run(everyones: Path) -> None:
    assert as_nobody(everyones, "make.install([make.ENGINE, make.BASE])").splitlines() == [
        "setup: this machine lacks:",
        "setup:   docker.io    the engine of the sandboxes in which all products are built and run",
        "setup:   mmdebstrap   makes the sandboxes' base image where no image registry can be reached",
        "setup: only root may install, so please run:",
        "    sudo apt-get update && sudo apt-get install --no-install-recommends docker.io mmdebstrap",
        "setup: going on without",
    ]


def test_another_system_is_told_what_is_missing(everyones: Path) -> None:
    said = as_nobody(everyones, "make.install([make.BUBBLEWRAP])", PATH="/nowhere")
    assert "not Debian or Ubuntu, so please install the equivalents of: bubblewrap" in said
    assert "going on without" in said


def test_without_the_essentials_it_stops(everyones: Path) -> None:
    said = as_nobody(everyones, "make.install([make.GIT])")
    assert "make.SetupError: only root may install, so please run:" in said
    assert "apt-get install --no-install-recommends git" in said
    assert "going on without" not in said


def test_who_may_not_use_the_engine_is_told_how_to_get_the_right(everyones: Path) -> None:
    address = everyones / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        address.chmod(0o600)
        said = as_nobody(everyones, "print(make.start_engine())", DOCKER_HOST=f"unix://{address}")
    assert "sudo usermod -aG docker $USER" in said
    assert said.endswith("False\n")


def test_each_file_of_tests_is_in_one_part(make: ModuleType) -> None:
    parts = make.parts()
    assert all(parts)
    found = {path.relative_to(ROOT) for path in (ROOT / "tests").rglob("test_*.py")}
    of_products = {path for path in found if path.is_relative_to("tests/product/products")}
    assert sorted(Path(file) for part in parts for file in part) == sorted(found - of_products)


def test_an_environment_that_is_up_to_date_is_left_alone(make: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[object] = []

    def logged(what: str, command: object, environment: object = None) -> bool:
        commands.append(command)
        return True

    monkeypatch.setattr(make, "logged", logged)
    # The environment that the tests run in has no pip of its own.
    monkeypatch.setattr(make, "install", lambda needs: None)
    with tempfile.TemporaryDirectory() as name:
        monkeypatch.setattr(make, "VENV", Path(name))
        make.prepare_python("build")
        assert len(commands) == 2
        make.prepare_python("build")
        assert len(commands) == 2
        make.prepare_python("test")
        assert len(commands) == 4


def test_the_pins_say_nothing_about_where_packages_come_from() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
