"""Canaries in the place of keys through a whole build: nothing that is kept, shown or handed on may hold one."""

import json
import os
import secrets
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.factory.conftest import KITES, Macrohard
from tests.serving import program

pytestmark = pytest.mark.usefixtures("sandboxes")

WATCHED_EVERY_SECONDS = 0.3


@dataclass
class Watch:
    """What could be seen of all processes and sandboxes of this machine while something ran."""

    canaries: Sequence[bytes]
    caught: set[str] = field(default_factory=set)
    sandboxed: int = 0
    """Processes in namespaces of their own that were looked at."""

    def look(self) -> None:
        """Once at everything."""
        mine = os.readlink("/proc/self/ns/pid")
        for process in Path("/proc").glob("[0-9]*"):
            try:
                self._find((process / "cmdline").read_bytes(), f"arguments of {process.name}")
                if os.readlink(process / "ns/pid") != mine:
                    self._find((process / "environ").read_bytes(), f"environment of {process.name} in a sandbox")
                    self.sandboxed += 1
            except OSError:
                continue  # It ended while it was looked at, or is of the kernel.

    def _find(self, content: bytes, where: str) -> None:
        self.caught.update(where for canary in self.canaries if canary in content)


@contextmanager
def watching(canaries: Sequence[bytes]) -> Iterator[Watch]:
    watch, stopped = Watch(canaries), threading.Event()

    def look() -> None:
        while not stopped.wait(WATCHED_EVERY_SECONDS):
            watch.look()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        stopped.set()
        thread.join()


def docker_sees(canaries: Sequence[bytes]) -> set[str]:
    """Containers whose settings hold a canary, of all that there are now."""
    try:
        listed = subprocess.run(["docker", "ps", "--all", "--quiet"], capture_output=True, check=True).stdout.split()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return set()  # Without an engine there are no containers; sandboxes are processes then.
    found: set[str] = set()
    for container in listed:
        shown = subprocess.run(["docker", "inspect", container], capture_output=True, check=False).stdout
        found.update(container.decode() for canary in canaries if canary in shown)
    return found


def unpacked(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below the folder, and every object of every repository there, which git keeps compressed."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()
        if path.name == "objects" and (path.parent / "HEAD").is_file():
            every = ["git", "--git-dir", str(path.parent), "cat-file", "--batch-all-objects", "--batch"]
            yield f"objects of {path.parent}", subprocess.run(every, capture_output=True, check=True).stdout


@contextmanager
def guarded_model(keys: Sequence[str], used: Path, root: Path) -> Iterator[str]:
    """The base URL of a server that demands one of these keys."""
    with program("tests.factory.guarded", str(used), root=root, input="\n".join(keys)) as port:
        yield f"http://127.0.0.1:{port}/v1"


def test_no_key_is_kept_shown_or_handed_on(macrohard: Macrohard, tmp_path: Path, repository_root: Path) -> None:
    xai, lab, plain = (f"{name}-canary-{secrets.token_hex(12)}" for name in ("xai", "lab", "plain"))
    canaries = [key.encode() for key in (xai, lab, plain)]
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "key").write_text(f"{lab}\n")
    (tmp_path / "tmp").mkdir()
    prices = "input = 0.01\ncached_input = 0.01\noutput = 0.01\n"
    environment = {
        "XAI_API_KEY": xai,
        "LAB_KEY_FILE": str(outside / "key"),
        "MACROHARD_API_KEY": plain,
        "TMPDIR": str(tmp_path / "tmp"),
    }
    with guarded_model([xai, lab], outside / "used", repository_root) as base_url, watching(canaries) as watch:
        settings = tmp_path / "settings.toml"
        named = base_url.replace("127.0.0.1", "localhost")
        settings.write_text(
            f'model = "priced@lab"\nbase_url = "{base_url}"\nmax_output_tokens = 20_000\n'
            f'[endpoints.lab]\nbase_url = "{named}"\nkey = "LAB_KEY"\n'
            f'[endpoints.xai]\nbase_url = "{named}"\nwire = "chat"\n'
            f'[roles.strong]\nmodel = "priced@xai"\n[prices.priced]\n{prices}'
        )
        environment["MACROHARD_SETTINGS"] = str(settings)
        built = macrohard("build", KITES, "--yes", "--out", str(tmp_path / "product"), environment=environment)
        # The endpoint of base_url knows no such key, and says so with the key in its words.
        failed = macrohard("build", KITES, "--yes", "--model", "priced", environment=environment)
        in_containers = docker_sees(canaries)
    assert built.code == 0, built.told[-3000:]
    # Each key went to its endpoint, or nothing would have been tried here.
    assert json.loads((outside / "used").read_text()) == [0, 1]
    assert failed.code == 5, failed.told[-3000:]
    assert "Incorrect API key provided: Bearer [redacted]" in failed.told
    assert watch.sandboxed > 0
    assert watch.caught == set()
    assert in_containers == set()
    told = "".join((built.told, failed.told, json.dumps([built.result, failed.result]))).encode()
    assert not [canary for canary in canaries if canary in told]
    folders = (tmp_path / "home", tmp_path / "product", tmp_path / "tmp")
    everything = {where: content for folder in folders for where, content in unpacked(folder)}
    assert [where for where, content in everything.items() if any(canary in content for canary in canaries)] == []
    # The places where keys are most likely to end up were among it.
    for name in ("traffic.jsonl", "macrohard.db", "objects of ", "report.html"):
        assert any(name in where for where in everything), name
    database = (tmp_path / "home" / "macrohard.db").read_bytes()
    assert b"[redacted]" in database, "the complaints that repeated keys are part of the story, and were to be told"
