"""An agent's side of the border: a work tree with a git of its own, as careless or hostile as the test wants."""

import os
import subprocess
from pathlib import Path

import pytest

from macrohard.workspace import Repository

LIMIT = 64 << 20


class Workshop:
    """A repository with a work tree, used with an ordinary git as it is used in a sandbox."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, input: bytes | None = None, check: bool = True) -> bytes:
        return run_git("-C", str(self.path), *arguments, input=input, check=check)

    def write(self, files: dict[str, str | bytes]) -> None:
        for name, content in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: dict[str, str | bytes], message: str = "Change") -> str:
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD").decode().strip()

    def bundle(self, *revisions: str) -> bytes:
        return self.git("bundle", "create", "--quiet", "-", *(revisions or ("HEAD",)))

    def tree(self, *entries: tuple[str, str, str]) -> str:
        """A tree of (mode, name, object) that git itself would refuse to add."""
        kinds = {"40000": "tree", "160000": "commit"}
        lines = b"".join(
            f"{mode} {kinds.get(mode, 'blob')} {hash_}\t{name}\0".encode() for mode, name, hash_ in entries
        )
        return self.git("mktree", "-z", "--missing", input=lines).decode().strip()

    def blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", input=content).decode().strip()

    def commit_tree(self, tree: str, *parents: str) -> str:
        options = [part for parent in parents for part in ("-p", parent)]
        commit = self.git("commit-tree", tree, "-m", "Made by hand", *options).decode().strip()
        self.git("update-ref", "HEAD", commit)
        return commit


def run_git(*arguments: str, input: bytes | None = None, check: bool = True) -> bytes:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        **{f"GIT_{role}_{part}": "coder@agents" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")},
    }
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "-c", "protocol.file.allow=always", *arguments],
        input=input, env=environment, capture_output=True, check=False,
    )  # fmt: skip
    if check and done.returncode != 0:
        raise AssertionError(done.stderr.decode())
    return done.stdout


@pytest.fixture
async def repository(tmp_path: Path) -> Repository:
    return await Repository.create(tmp_path / "runs" / "product.git")


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "workshop")
