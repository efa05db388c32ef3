"""The product repository of one run on the host: bare, fed by bundles, never with a work tree of its own."""

import asyncio
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path, PurePath

from macrohard.domain import Value
from macrohard.errors import RequestError, ToolError, Unavailable
from macrohard.workspace.bundle import judge, read_header, write_bundle
from macrohard.workspace.delivery import deliver
from macrohard.workspace.git import Answer, git

MAIN = "main"
"""The branch that a delivered product is on."""

PACK_LIMIT_BYTES = 256 << 20
"""Of all that one bundle or one delivery holds, compressed."""

LAID_OUT_FILES, LAID_OUT_BYTES = 500, 1 << 20
"""How many files a folder that is laid out may hold, and how large each may be."""

ROOM_SECONDS = 3600
"""How long a bundle under judgement, or a delivery being prepared, may stay; then it is cleared away."""

_EPOCH = {"GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z"}
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class CommitInfo(Value):
    """One commit as history shows it."""

    hash: str
    author: str
    subject: str
    body: str
    date: datetime
    files: tuple[str, ...]
    """Added, changed or deleted; for a merge: compared with its first parent."""


class Repository:
    """Commits and branches of one run. Safe to use from several tasks of one process at a time.

    Commits are full hashes of 40 hexadecimal digits. Branch names are words of letters, digits, ".", "_" and "-",
    joined by "/"; no name may continue another one after a "/". Anything else given as either is a ValueError,
    a commit that is not here a KeyError. Every method raises Unavailable when git itself cannot be run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @classmethod
    async def create(cls, path: Path) -> "Repository":
        """The repository in the folder `path`, made if it is not there; its parents too."""
        repository = cls(path)
        if not repository._complete():
            await repository._git(
                "init", "--quiet", "--bare", "--template=", f"--initial-branch={MAIN}", "--object-format=sha1"
            )
            repository._finish()
        return repository

    async def initial_commit(self) -> str:
        """The empty root commit, the same in every repository; main is set to it if there is no main yet."""
        made = await self._git("hash-object", "-t", "tree", "-w", "--stdin")
        assert made.output.decode().strip() == _EMPTY_TREE
        commit = await self._git("commit-tree", _EMPTY_TREE, "-m", "Begin", environment=_EPOCH)
        root = commit.output.decode().strip()
        if await self.resolve(MAIN) is None:
            await self.set_branch(MAIN, root)
        return root

    async def with_file(self, base: str, path: str, content: bytes, *, message: str) -> str:
        """A commit on top of `base` with one more file in the root; the same arguments give the same commit."""
        entries = (await self._git("ls-tree", "-z", await self._commit(base))).output.decode().split("\0")[:-1]
        blob = (await self._git("hash-object", "-w", "--stdin", input=content)).output.decode().strip()
        kept = [entry for entry in entries if entry.partition("\t")[2] != path]
        listed = "".join(f"{entry}\0" for entry in [*kept, f"100644 blob {blob}\t{path}"]).encode()
        tree = (await self._git("mktree", "-z", input=listed)).output.decode().strip()
        return await self._commit_tree(tree, base, message)

    async def restated(self, commit: str, *, parent: str) -> str:
        """The files of a commit as a commit on top of another one; the same arguments give the same commit."""
        tree = (await self._git("rev-parse", f"{await self._commit(commit)}^{{tree}}")).output.decode().strip()
        return await self._commit_tree(tree, await self._commit(parent), "Changes made meanwhile")

    async def _commit_tree(self, tree: str, parent: str, message: str) -> str:
        made = await self._git("commit-tree", tree, "-p", parent, "-m", message, environment=_EPOCH)
        return made.output.decode().strip()

    async def bundle(self, *branches_or_commits: str) -> bytes:
        """A bundle of these and all their history, to be fetched by a sandbox.

        In it the first is HEAD, branches have their names, and commits are `refs/commits/<hash>`.
        """
        if not branches_or_commits:
            raise ValueError("nothing to bundle")
        refs: dict[str, str] = {}
        for given in branches_or_commits:
            if re.fullmatch("[0-9a-f]{40}", given):
                refs[f"refs/commits/{given}"] = await self._commit(given)
            elif commit := await self.resolve(given):
                refs[f"refs/heads/{given}"] = commit
            else:
                raise KeyError(given)
        wanted = "".join(f"{commit}\n" for commit in refs.values()).encode()
        pack = await self._git(
            "pack-objects", "--revs", "--stdout", "--delta-base-offset", "-q",
            input=wanted, limit_bytes=PACK_LIMIT_BYTES, timeout_seconds=120,
        )  # fmt: skip
        return write_bundle([("HEAD", next(iter(refs.values()))), *refs.items()], pack.output)

    async def fetch(self, bundle: bytes, *, ref: str, limit_bytes: int) -> str:
        """Take over the one commit of a bundle, with its history, as the branch `ref`; gives the commit.

        The bundle comes from a sandbox: all of it is judged before any of it becomes part of the repository
        (limits: `macrohard.workspace.bundle`). A branch of that name is replaced.

        Raises:
            ToolError: the bundle is malformed, larger than `limit_bytes`, incomplete, or holds what may not be in a
                product (nested repositories, links that lead out of it, names like ".git", too many or too
                large files); nothing of it was kept.
        """
        _checked_name(ref)
        if len(bundle) > limit_bytes:
            raise ToolError(f"the bundle has {len(bundle)} bytes; {limit_bytes} are allowed")
        header = read_header(bundle)
        for commit in header.prerequisites:
            if not await self.has(commit):
                raise ToolError(
                    f"the bundle builds on commit {commit}, which is unknown here; bundle HEAD with all history"
                )
        async with self._room("incoming") as incoming:
            (incoming / "pack").mkdir()
            unpacked = await git(
                self.path, "index-pack", "--stdin", "--fix-thin", "--strict", f"--max-input-size={limit_bytes}",
                input=bundle[header.length :], timeout_seconds=120,
                environment={
                    "GIT_OBJECT_DIRECTORY": str(incoming),
                    "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self.path / "objects"),
                },
            )  # fmt: skip
            if unpacked.exit_code != 0:
                raise ToolError(f"git refuses the bundle: {unpacked.problem[:500]}")
            await judge(self.path, incoming, header.tip)
            # The index last: git looks for packs by their index.
            for file in sorted((incoming / "pack").iterdir(), key=lambda file: file.suffix == ".idx"):
                file.rename(self.path / "objects" / "pack" / file.name)
        await self.set_branch(ref, header.tip)
        return header.tip

    async def resolve(self, name: str) -> str | None:
        """The commit that a branch is at; None if there is no such branch."""
        found = await git(self.path, "rev-parse", "--verify", "--quiet", f"refs/heads/{_checked_name(name)}^{{commit}}")
        return found.output.decode().strip() or None

    async def has(self, commit: str) -> bool:
        """Whether the commit is here."""
        answer = await git(self.path, "cat-file", "-e", f"{_checked_hash(commit)}^{{commit}}")
        return answer.exit_code == 0

    async def set_branch(self, name: str, commit: str) -> None:
        """Let a branch, new or not, be at this commit."""
        ref = f"refs/heads/{_checked_name(name)}"
        commit = await self._commit(commit)
        answer = await git(self.path, "update-ref", ref, commit)
        lock = self.path / f"{ref}.lock"
        if answer.exit_code != 0 and lock.exists():
            # Git has waited two seconds for it, and nothing here holds a lock that long: a killed git left it.
            lock.unlink(missing_ok=True)
            answer = await git(self.path, "update-ref", ref, commit)
        if answer.exit_code != 0:
            raise ValueError(f"the branch {name!r} cannot be set: {answer.problem}")

    async def copied(self, path: Path, *, without: str) -> "Repository":
        """All of it at another place, but for the branches whose names match the pattern `without`."""
        # Another repository from now on: what was delivered from the one is not the other's to replace.
        copy = await Repository.create(path)
        # While others commit. No object is ever removed, so those that a branch leads to are there when it was read.
        for folder, unfinished in (("refs", "*.lock"), ("objects", "tmp_*")):
            await asyncio.to_thread(
                shutil.copytree, self.path / folder, path / folder,
                ignore=shutil.ignore_patterns(unfinished), dirs_exist_ok=True,
            )  # fmt: skip
        listed = await copy._git("for-each-ref", "--format=%(refname)", "refs/heads/")
        for ref in listed.output.decode().splitlines():
            if re.fullmatch(without, ref.removeprefix("refs/heads/")):
                await copy._git("update-ref", "-d", ref)
        return copy

    async def diff(self, a: str, b: str, *, to: "Repository | None" = None, limit_bytes: int = 256 << 10) -> str:
        """What changed from commit `a` to `b` as a unified diff; ends with a line that says so if it was cut.

        `b` is a commit of the repository `to`; None: of this one.
        """
        other = to or self
        a, b = await self._commit(a), await other._commit(b)
        answer = await self._git(
            "diff",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--no-renames",
            a,
            b,
            # Its objects are only looked at: nothing of it comes to be here.
            environment=None if to is None else {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(to.path / "objects")},
            limit_bytes=limit_bytes,
            may_cut=True,
        )
        text = answer.output.decode(errors="replace")
        return f"{text}\n… cut after {limit_bytes} bytes\n" if answer.cut else text

    async def change(self, commit: str, *, limit_bytes: int) -> str:
        """What a commit changed of its first parent, as `diff`; of a root all that it holds."""
        found = await self._git("rev-list", "--parents", "-n", "1", await self._commit(commit))
        parents = found.output.decode().split()[1:]
        return await self.diff(parents[0] if parents else await self.initial_commit(), commit, limit_bytes=limit_bytes)

    async def changed_files(self, a: str, b: str) -> tuple[str, ...]:
        """The paths added, changed or deleted from commit `a` to `b`, in order of name."""
        a, b = await self._commit(a), await self._commit(b)
        answer = await self._git("diff-tree", "-r", "-z", "--name-only", "--no-renames", a, b)
        return tuple(answer.output.decode().split("\0")[:-1])

    async def changed_lines(self, a: str, b: str) -> int:
        """How many lines of text were added and removed from commit `a` to `b`, counted each."""
        answer = await self._git("diff", "--numstat", "--no-renames", await self._commit(a), await self._commit(b))
        counts = (line.split(b"\t")[:2] for line in answer.output.splitlines())
        return sum(int(added) + int(removed) for added, removed in counts if added != b"-")

    async def added_lines(self, a: str, b: str, path: str) -> frozenset[int]:
        """The numbers of the lines of a file at commit `b` that were not there, or not so, at commit `a`."""
        answer = await self._git(
            "diff", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--unified=0",
            await self._commit(a), await self._commit(b), "--", path,
            limit_bytes=64 << 20,
        )  # fmt: skip
        found = re.finditer(rb"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", answer.output, re.MULTILINE)
        hunks = ((int(hunk[1]), int(hunk[2] or 1)) for hunk in found)
        return frozenset(line for first, count in hunks for line in range(first, first + count))

    async def log(self, commit: str) -> tuple[CommitInfo, ...]:
        """The history of a commit, itself first, parents after their children."""
        answer = await self._git(
            "log", "-z", "--topo-order", "--diff-merges=first-parent", "--name-only", "--no-renames", "--root",
            "--format=%x01%H%x00%an%x00%aI%x00%s%x00%b%x00", await self._commit(commit), limit_bytes=64 << 20,
        )  # fmt: skip
        return tuple(_commits(answer.output.decode(errors="replace").split("\0")))

    async def files(self, commit: str) -> tuple[str, ...]:
        """The paths of all files of a commit, in order of name."""
        answer = await self._git("ls-tree", "-r", "-z", "--name-only", await self._commit(commit))
        return tuple(answer.output.decode().split("\0")[:-1])

    async def hashes(self, commit: str) -> dict[str, str]:
        """The git hash of the content of each file of a commit, by path, in order of name."""
        answer = await self._git("ls-tree", "-r", "-z", await self._commit(commit))
        entries = (entry.partition("\t") for entry in answer.output.decode().split("\0")[:-1])
        return {path: entry.rpartition(" ")[2] for entry, _, path in entries}

    async def read(self, commit: str, path: str, *, limit_bytes: int = 32 << 20) -> bytes:
        """The content of a file at a commit; for a link the path it leads to.

        Raises:
            FileNotFoundError: there is no such file. ToolError: it is larger than `limit_bytes`.
        """
        answer = await git(
            self.path, "cat-file", "blob", f"{await self._commit(commit)}:{path}", limit_bytes=limit_bytes
        )  # fmt: skip
        if answer.cut:
            raise ToolError(f"{path} is larger than {limit_bytes} bytes")
        if answer.exit_code != 0:
            raise FileNotFoundError(path)
        return answer.output

    async def checkout(self, commit: str, destination: Path) -> None:
        """Deliver a commit: a folder with its files and, in `.git`, its history on the branch main.

        An earlier delivery of this repository is brought up to date; files that are not the product's stay as they
        are. Links become small text files, as where a file system has no links. Can be repeated after a crash.

        Raises:
            RequestError: the folder has other content, or a person's own changes or commits would be lost.
        """
        commit = await self._commit(commit)
        async with self._room("deliveries") as room:
            await deliver(self.path, commit, destination, room=room)

    async def lay_out(self, commit: str, folder: PurePath, destination: Path) -> None:
        """The files of one folder of a commit, below `destination` under their whole paths, and nothing else there.

        Links become small text files. Can be repeated after a crash.

        Raises:
            RequestError: it holds more than a person reads.
        """
        await asyncio.to_thread(shutil.rmtree, destination, ignore_errors=True)
        paths = [path for path in await self.files(commit) if PurePath(path).is_relative_to(folder)]
        if len(paths) > LAID_OUT_FILES:
            raise RequestError(f"{folder} holds {len(paths)} files; {LAID_OUT_FILES} are allowed")
        for path in paths:
            try:
                content = await self.read(commit, path, limit_bytes=LAID_OUT_BYTES)
            except ToolError as error:
                raise RequestError(str(error)) from error
            (destination / path).parent.mkdir(parents=True, exist_ok=True)
            (destination / path).write_bytes(content)

    def _complete(self) -> bool:
        self.path.mkdir(parents=True, exist_ok=True)
        for room in (*self.path.glob("incoming/*"), *self.path.glob("deliveries/*")):
            # No work in a room takes that long: its process was killed. Others end theirs while we look.
            with suppress(FileNotFoundError):
                if room.stat().st_mtime < time.time() - ROOM_SECONDS:
                    shutil.rmtree(room)
        return (self.path / "macrohard-id").exists()

    def _finish(self) -> None:
        for name in ("incoming", "deliveries"):
            (self.path / name).mkdir(exist_ok=True)
        # Last and at once: that it is there says that the repository is complete.
        draft = self.path / f"macrohard-id.{secrets.token_hex(4)}"
        draft.write_text(secrets.token_hex(16))
        draft.rename(self.path / "macrohard-id")

    async def _commit(self, commit: str) -> str:
        if not await self.has(commit):
            raise KeyError(commit)
        return commit

    @asynccontextmanager
    async def _room(self, kind: str) -> AsyncIterator[Path]:
        room = self.path / kind / secrets.token_hex(8)
        room.mkdir()
        try:
            yield room
        finally:
            shutil.rmtree(room)

    async def _git(
        self,
        *arguments: str,
        input: bytes = b"",
        environment: dict[str, str] | None = None,
        limit_bytes: int = 8 << 20,
        timeout_seconds: float = 60,
        may_cut: bool = False,
    ) -> Answer:
        """For commands that only fail when the repository itself is damaged."""
        answer = await git(
            self.path, *arguments,
            input=input, environment=environment, limit_bytes=limit_bytes, timeout_seconds=timeout_seconds,
        )  # fmt: skip
        if answer.cut and not may_cut:
            raise Unavailable(f"git {arguments[0]} in {self.path} says more than {limit_bytes} bytes")
        if answer.exit_code != 0 and not answer.cut:
            raise Unavailable(f"git {arguments[0]} failed in {self.path}: {answer.problem}")
        return answer


def _checked_hash(commit: str) -> str:
    if not re.fullmatch("[0-9a-f]{40}", commit):
        raise ValueError(f"not a commit hash: {commit!r}")
    return commit


def _checked_name(name: str) -> str:
    word = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?"
    if not re.fullmatch(f"{word}(?:/{word})*", name) or ".." in name or len(name) > 200:
        raise ValueError(f"not a branch name: {name!r}")
    if any(part.endswith(".lock") for part in name.split("/")) or re.fullmatch("[0-9a-f]{40}", name):
        raise ValueError(f"not a branch name: {name!r}")
    return name


def _commits(fields: list[str]) -> list[CommitInfo]:
    found = []
    at = 0
    while at < len(fields) and fields[at].startswith("\x01"):
        hash_, author, date, subject, body = (field.strip("\x01\n") for field in fields[at : at + 5])
        at += 5
        files = []
        # No file name begins like the next commit: names with control characters are never taken in.
        while at < len(fields) and not fields[at].startswith("\x01"):
            files.append(fields[at].lstrip("\n"))
            at += 1
        found.append(
            CommitInfo(
                hash=hash_, author=author, subject=subject, body=body,
                date=datetime.fromisoformat(date), files=tuple(file for file in files if file),
            )
        )  # fmt: skip
    return found
