"""Putting a commit into a person's folder without running, following or overwriting anything that is there."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Field, ValidationError

from macrohard.domain import Value
from macrohard.errors import RequestError, Unavailable
from macrohard.workspace.files import replace, small_text
from macrohard.workspace.git import Answer, git

MARKER = "macrohard.json"
"""In the `.git` of a delivery: which repository it comes from and which commit it is at."""

_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = false
\tlogallrefupdates = true
\tsymlinks = false
"""


_Commit = Annotated[str, Field(pattern="^[0-9a-f]{40}$")]


class _Marker(Value):
    repository: str
    commit: _Commit | None
    """What the folder holds; None: nothing yet."""
    pending: _Commit | None
    """What it is being brought to; the folder's files may already be a mixture of both."""


async def deliver(repository: Path, commit: str, destination: Path, *, room: Path) -> None:
    """See `Repository.checkout`. `room` is an empty folder of ours.

    The `.git` in the destination is only read and written as files: git itself works with one made in `room`,
    because a delivered folder may have been changed by the product since, and a `.git` can carry commands.
    """
    identity = await asyncio.to_thread((repository / "macrohard-id").read_text)
    found = await asyncio.to_thread(_inspect, destination, identity)
    ours = room / "git"
    await _make(repository, commit, ours)
    folder = _Folder(destination, ours, repository)
    if found.pending is not None:
        # A delivery was stopped half-way, after it had been made sure that nothing of the person's is lost.
        await folder.bring(found.commit, found.pending)
    elif found.commit is not None:
        await folder.refuse_own_changes(found.commit, commit)
    present = found.pending or found.commit
    _mark(destination, _Marker(repository=identity, commit=present, pending=commit))
    await folder.bring(present, commit)
    await asyncio.to_thread(_install, ours, destination / ".git")
    _mark(destination, _Marker(repository=identity, commit=commit, pending=None))


class _Folder:
    """The files of a destination, seen through a git folder of ours."""

    def __init__(self, destination: Path, ours: Path, repository: Path) -> None:
        self._place, self._ours = destination.absolute(), ours
        # What was delivered earlier need not be in the history of what is delivered now.
        self._environment = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(repository / "objects")}

    async def bring(self, old: str | None, new: str) -> None:
        """Write, replace and delete the product's files, whatever they hold; nothing is written through a link."""
        if old is not None:
            await self._run("read-tree", old)
        await self._run("read-tree", "--reset", "-u", new)

    async def refuse_own_changes(self, old: str, new: str) -> None:
        """Raise RequestError if bringing it from `old` to `new` would lose content that is in neither."""
        changed, old_files = await self._differing(old)
        differing, new_files = await self._differing(new)
        lost = {path for path in changed if path in differing or path not in new_files}
        lost |= {path for path in differing if path not in old_files}
        lost |= await asyncio.to_thread(self._in_the_way, new_files, old_files - changed)
        if lost:
            names = ", ".join(sorted(lost)[:10])
            raise RequestError(
                f"{self._place} has changes of yours in {names}; deliver to another folder, or undo them"
            )

    def _in_the_way(self, wanted: set[str], replaceable: set[str]) -> set[str]:
        """Folders where files are wanted, and files or links where folders are."""
        folders = {parent.as_posix() for path in wanted for parent in PurePosixPath(path).parents} - {"."}
        return {path for path in wanted if (self._place / path).is_dir() and not (self._place / path).is_symlink()} | {
            path
            for path in folders - replaceable
            if (self._place / path).is_symlink() or (self._place / path).is_file()
        }

    async def _differing(self, commit: str) -> tuple[set[str], set[str]]:
        """(those of the commit's files that are there with other content, all of the commit's files)."""
        index = self._environment | {"GIT_INDEX_FILE": str(self._ours / f"index.{commit}")}
        await self._run("read-tree", commit, environment=index)
        # Exits with 1 when some files differ; which ones is asked next.
        await git(self._ours, "update-index", "-q", "--refresh", environment=index, work_tree=self._place)
        changed = await self._run("diff-files", "-z", "--name-only", "--diff-filter=d", environment=index)
        files = await self._run("ls-files", "-z", environment=index)
        return set(changed.output.decode().split("\0")[:-1]), set(files.output.decode().split("\0")[:-1])

    async def _run(self, *arguments: str, environment: dict[str, str] | None = None) -> Answer:
        answer = await git(
            self._ours, *arguments,
            environment=environment or self._environment, work_tree=self._place, timeout_seconds=120,
        )  # fmt: skip
        if answer.exit_code != 0:
            raise Unavailable(f"the product could not be written to {self._place}: {answer.problem}")
        return answer


def _mark(destination: Path, marker: _Marker) -> None:
    replace(destination / ".git" / MARKER, marker.model_dump_json().encode())


def _inspect(destination: Path, identity: str) -> _Marker:
    """What the folder holds, made if need be.

    Raises:
        RequestError: something that is not an unchanged delivery of this repository.
    """
    own = destination / ".git"
    try:
        destination.mkdir(parents=True, exist_ok=True)
        empty = not any(destination.iterdir())
    except OSError as error:
        raise RequestError(f"the product cannot be delivered to {destination}: {error.strerror}") from error
    if empty:
        own.mkdir()
        return _Marker(repository=identity, commit=None, pending=None)
    for folder in (own, own / "objects", own / "objects" / "pack", own / "refs", own / "refs" / "heads"):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise RequestError(f"{folder} is not a folder; deliver to another folder than {destination}")
    text = small_text(own / MARKER)
    if text is None and own.is_dir() and not any(own.iterdir()) and len(list(destination.iterdir())) == 1:
        return _Marker(
            repository=identity, commit=None, pending=None
        )  # a delivery that was stopped before its first step
    try:
        marker = _Marker.model_validate_json(text or "")
    except ValidationError as error:
        raise RequestError(f"{destination} is not empty; deliver to a new or an empty folder") from error
    if marker.repository != identity:
        raise RequestError(f"{destination} holds the product of another run; deliver to another folder")
    if marker.pending is not None or marker.commit is None:
        return marker
    if small_text(own / "HEAD") != "ref: refs/heads/main":
        raise RequestError(f"{destination} is not on the branch main; switch to it, or deliver to another folder")
    if _main(own) != marker.commit:
        raise RequestError(f"{destination} has commits of yours on main; deliver to another folder")
    return marker


def _main(own: Path) -> str | None:
    if loose := small_text(own / "refs" / "heads" / "main"):
        return loose
    packed = re.search(r"^([0-9a-f]{40}) refs/heads/main$", small_text(own / "packed-refs") or "", re.MULTILINE)
    return packed[1] if packed else None


async def _make(repository: Path, commit: str, ours: Path) -> None:
    """A trusted repository that holds just the history of the commit."""
    steps = (
        await git(ours, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--object-format=sha1"),
        await git(
            repository, "pack-objects", "--revs", "--delta-base-offset", "-q", str(ours / "objects" / "pack" / "pack"),
            input=f"{commit}\n".encode(), timeout_seconds=120,
        ),
        await git(ours, "update-ref", "refs/heads/main", commit),
    )  # fmt: skip
    for step in steps:
        if step.exit_code != 0:
            raise Unavailable(f"the product could not be packed from {repository}: {step.problem}")
    replace(ours / "config", _CONFIG.encode())


def _install(ours: Path, own: Path) -> None:
    """Copy the trusted repository's files into a delivery's `.git`: what the person configured there stays."""
    for folder in ("objects/pack", "objects/info", "refs/heads", "refs/tags"):
        (own / folder).mkdir(parents=True, exist_ok=True)
    # The index of a pack after the pack: git looks for packs by their index.
    for file in sorted((ours / "objects" / "pack").iterdir(), key=lambda file: file.suffix == ".idx"):
        replace(own / "objects" / "pack" / file.name, file)
    replace(own / "refs" / "heads" / "main", ours / "refs" / "heads" / "main")
    replace(own / "index", ours / "index")
    for name in ("config", "HEAD"):
        if not (own / name).exists():
            replace(own / name, ours / name)


def leave_beside(destination: Path, files: Mapping[str, bytes]) -> None:
    """Put files of ours into a delivered folder, in place of whatever has these names; git there ignores them.

    Nothing is written through links: the folder may have been changed by the product since.

    Raises:
        RequestError: a folder is in the way.
    """
    try:
        for name, content in files.items():
            replace(destination / name, content)
        information = destination / ".git" / "info"
        if information.is_symlink():
            information.unlink()
        information.mkdir(exist_ok=True)
        replace(information / "exclude", "".join(f"/{name}\n" for name in files).encode())
    except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
        raise RequestError(
            f"{error.filename2 or error.filename} is in the way; move it, or deliver elsewhere"
        ) from error
