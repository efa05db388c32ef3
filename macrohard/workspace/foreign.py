"""A person's repository, read and written as files: nothing that is configured in it takes effect on this machine."""

import asyncio
import os
import re
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

from macrohard.domain import Value
from macrohard.domain.ground import ChangedFile
from macrohard.errors import RequestError, ToolError
from macrohard.workspace.bundle import TREE_LIMIT_BYTES, read_header, write_bundle
from macrohard.workspace.files import replace, small_text
from macrohard.workspace.git import Answer, git

UNCOMMITTED_LISTED = 100
PACK_LIMIT_BYTES = 256 << 20
LISTED_LIMIT_BYTES = 8 << 20
_LINKS_LIMIT = 5
_FATES: Final[dict[str, Literal["new", "changed", "removed"]]] = {"A": "new", "D": "removed"}
_BEGUN = {"GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z"}
_COMMIT = "[0-9a-f]{40}"


class Taken(Value):
    """A snapshot of a repository's files, without its history."""

    head: str
    """The commit that it shows."""
    branch: str
    """Empty: HEAD was on none."""
    commit: str
    """The only one in `bundle`."""
    bundle: bytes
    uncommitted: tuple[str, ...]
    """Files that differ from HEAD, or that git does not know and does not ignore; the first hundred."""
    notes: tuple[str, ...]


class Foreign:
    """A repository of a person, or a bundle of one. It is only looked at, but for `publish`.

    Git is run on a folder of ours that borrows the repository's objects, so that its configuration, hooks, filters
    and attributes are never in force.

    Raises:
        RequestError: from every method: it is not what it should be; the text says what to do.
    """

    def __init__(self, place: Path) -> None:
        self.place = place.absolute()

    async def take(self, *, include_changes: bool) -> Taken:
        """What HEAD holds, with `include_changes` as it stands in the work tree, as one commit without history."""
        async with self._room() as room:
            if self.place.is_file():
                head, branch, tree_folder = await self._unpack(room), "", None
            else:
                own, tree_folder = await asyncio.to_thread(self._folders)
                branch, head = await asyncio.to_thread(_head, own, _common(own))
                await asyncio.to_thread(_borrow, room, [_common(own) / "objects"])
            answer = await self._git(room, "rev-parse", "--verify", "--quiet", f"{head}^{{tree}}")
            tree = answer.output.decode().strip()
            await self._refuse_strangers(room, tree)
            changed: tuple[str, ...] = ()
            if tree_folder is not None:
                changed = await self._uncommitted(room, head, tree_folder)
                if changed and include_changes:
                    tree = await self._as_it_stands(room, tree_folder)
            commit = await _commit_tree(room, tree, [], f"The files of {head}\n", _BEGUN)
            pack = await git(
                room, "pack-objects", "--revs", "--stdout", "--delta-base-offset", "-q",
                input=f"{commit}\n".encode(), limit_bytes=PACK_LIMIT_BYTES, timeout_seconds=120,
            )  # fmt: skip
            if not pack.whole:
                raise RequestError(
                    f"{self.place} cannot be taken in: "
                    + (f"its files take more than {PACK_LIMIT_BYTES >> 20} MiB" if pack.cut else pack.problem[:300])
                )
            notes = await self._notes(room, tree)
        bundle = write_bundle([("HEAD", commit)], pack.output)
        return Taken(head=head, branch=branch, commit=commit, bundle=bundle, uncommitted=changed, notes=notes)

    async def head(self) -> str:
        """The commit that HEAD is at now."""
        own, _ = await asyncio.to_thread(self._folders)
        return (await asyncio.to_thread(_head, own, _common(own)))[1]

    async def written_back(
        self, repository: Path, tip: str, *, stands_for: Mapping[str, str], without: str | None
    ) -> "WrittenBack":
        """What it takes to have `tip` of the run's bare `repository` on top of the person's own history.

        `stands_for` says which commit of the person each snapshot in the run's repository is. The file `without` is
        left out of every commit, and commits that changed nothing else. Changes that were not committed when the
        snapshot was taken become a commit of their own.
        """
        async with self._room() as room:
            common = None
            lenders = [repository / "objects"]
            if not self.place.is_file():
                own, _ = await asyncio.to_thread(self._folders)
                common = _common(own)
                lenders.append(common / "objects")
            else:
                await self._unpack(room)
            await asyncio.to_thread(_borrow, room, lenders)
            new = await _rewrite(room, tip, stands_for, without)
            bases = list(dict.fromkeys(stands_for.values()))
            wanted = "".join([f"{new}\n", *(f"^{base}\n" for base in bases)]).encode()
            pack = await self._git(
                room, "pack-objects", "--revs", "--stdout", "--thin", "--delta-base-offset", "-q",
                input=wanted, limit_bytes=PACK_LIMIT_BYTES, timeout_seconds=120,
            )  # fmt: skip
            patch = await self._git(
                room, "diff", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv",
                "--no-renames", bases[-1], new, limit_bytes=PACK_LIMIT_BYTES,
            )  # fmt: skip
            files = await self._changed(room, bases[-1], new)
        return WrittenBack(commit=new, patch=patch.output, pack=pack.output, files=files)

    async def publish(self, back: "WrittenBack", *, branch: str) -> str:
        """Add the commits and a new branch to the repository, and give its name: HEAD and work tree stay as they are.

        If something else has the name, a number is put after it; if the branch is there already, nothing happens.
        """
        own, _ = await asyncio.to_thread(self._folders)
        common = _common(own)
        async with self._room() as room:
            await asyncio.to_thread(_borrow, room, [common / "objects"])
            await self._git(room, "index-pack", "--stdin", "--fix-thin", "--strict", input=back.pack)
            return await asyncio.to_thread(_install, room, common, branch, back.commit)

    async def _changed(self, room: Path, old: str, new: str) -> tuple[ChangedFile, ...]:
        async def listed(what: str) -> list[str]:
            answer = await self._git(
                room, "diff", what, "-z", "--no-ext-diff", "--no-textconv", "--no-renames", old, new,
                limit_bytes=LISTED_LIMIT_BYTES,
            )  # fmt: skip
            return answer.output.decode(errors="replace").split("\0")[:-1]

        statuses = await listed("--name-status")
        fates = dict(zip(statuses[1::2], statuses[::2], strict=True))
        return tuple(
            ChangedFile(
                path=path,
                fate=_FATES.get(fates[path], "changed"),
                added=int(added) if added != "-" else 0,
                removed=int(removed) if removed != "-" else 0,
            )
            for added, removed, path in (line.split("\t", 2) for line in await listed("--numstat"))
        )

    def _folders(self) -> tuple[Path, Path | None]:
        """(the git folder, the work tree if there is one)."""
        if not self.place.is_dir():
            raise RequestError(f"--repo: there is no folder or bundle {str(self.place)!r}; clone an address first")
        for folder in (self.place, *self.place.parents):
            own = folder / ".git"
            if own.is_dir() and not own.is_symlink():
                if folder != self.place:
                    raise RequestError(f"--repo: {self.place} is a part of the repository {folder}; name that")
                return own, folder
            if own.is_file() and (text := small_text(own)) and text.startswith("gitdir: "):
                if folder != self.place:
                    raise RequestError(f"--repo: {self.place} is a part of the work tree {folder}; name that")
                return (folder / text.removeprefix("gitdir: ")).resolve(), folder
        if (self.place / "objects").is_dir() and (self.place / "HEAD").is_file():
            return self.place, None
        raise RequestError(f"--repo: {self.place} is not a git repository; `git init` and commit there first")

    async def _unpack(self, room: Path) -> str:
        """Unpack the bundle into the room; gives its commit."""
        if self.place.stat().st_size > PACK_LIMIT_BYTES:
            raise RequestError(f"--repo: {self.place} is larger than {PACK_LIMIT_BYTES >> 20} MiB")
        content = await asyncio.to_thread(self.place.read_bytes)
        try:
            header = read_header(content)
        except ToolError as error:
            raise RequestError(f"--repo: {self.place}: {error}") from error
        if header.prerequisites:
            raise RequestError(f"--repo: {self.place} builds on commits that are not in it; bundle HEAD with all")
        await self._git(
            room, "index-pack", "--stdin", f"--max-input-size={PACK_LIMIT_BYTES}",
            input=content[header.length :], timeout_seconds=120,
        )  # fmt: skip
        return header.tip

    async def _refuse_strangers(self, room: Path, tree: str) -> None:
        listed = await self._git(room, "ls-tree", "-r", "-z", "--format=%(objectmode) %(path)", tree)
        entries = [entry.split(b" ", 1) for entry in listed.output.split(b"\0")[:-1]]
        if nested := [path.decode(errors="replace") for mode, path in entries if mode == b"160000"]:
            raise RequestError(
                f"--repo: {self.place} has submodules, which are not taken along ({', '.join(nested[:5])}); "
                "make a branch where their files are committed, or take them out"
            )

    async def _uncommitted(self, room: Path, head: str, work_tree: Path) -> tuple[str, ...]:
        await self._git(room, "read-tree", head)
        # Exits with 1 when some files differ; which ones is asked next.
        await git(room, "update-index", "-q", "--refresh", work_tree=work_tree, timeout_seconds=120)
        differing = await self._git(room, "diff-files", "-z", "--name-only", work_tree=work_tree)
        unknown = await self._git(
            room, "ls-files", "-z", "--others", "--exclude-standard", "--directory", "--no-empty-directory",
            work_tree=work_tree,
        )  # fmt: skip
        found = (differing.output + unknown.output).decode(errors="replace").split("\0")
        return tuple(path for path in found if path)[:UNCOMMITTED_LISTED]

    async def _as_it_stands(self, room: Path, work_tree: Path) -> str:
        added = await git(room, "add", "--all", "--", ".", work_tree=work_tree, timeout_seconds=120)
        if added.exit_code != 0:
            raise RequestError(f"--include-changes: {self.place} cannot be read: {added.problem[:300]}")
        tree = (await self._git(room, "write-tree")).output.decode().strip()
        await self._refuse_strangers(room, tree)
        return tree

    async def _notes(self, room: Path, tree: str) -> tuple[str, ...]:
        attributes = await git(room, "grep", "-l", "-I", "filter=lfs", tree, "--", ".gitattributes")
        if attributes.exit_code != 0:
            return ()
        return ("It keeps large files with Git LFS: these are not taken along, only the pointers to them.",)

    @asynccontextmanager
    async def _room(self) -> AsyncIterator[Path]:
        """A bare repository of ours, gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="macrohard-repository-") as folder:
            room = Path(folder) / f"{secrets.token_hex(4)}.git"
            room.mkdir()
            await self._git(room, "init", "--quiet", "--bare", "--template=", "--object-format=sha1")
            (room / "objects" / "info").mkdir(exist_ok=True)
            yield room

    async def _git(
        self,
        room: Path,
        *arguments: str,
        input: bytes = b"",
        work_tree: Path | None = None,
        limit_bytes: int = TREE_LIMIT_BYTES,
        timeout_seconds: float = 60,
    ) -> Answer:
        answer = await git(
            room, *arguments,
            input=input, work_tree=work_tree, limit_bytes=limit_bytes, timeout_seconds=timeout_seconds,
        )  # fmt: skip
        if not answer.whole:
            why = "more than is allowed" if answer.cut else answer.problem[:300]
            raise RequestError(
                f"{self.place} cannot be read ({arguments[0]}: {why}); of a partial clone fetch what is missing first"
            )
        return answer


class WrittenBack(Value):
    """A product's commits as they are on top of a person's history."""

    commit: str
    patch: bytes
    """From the person's commit to this one, for `git apply`."""
    pack: bytes
    """The objects that the person's repository does not have; thin."""
    files: tuple[ChangedFile, ...]


def branch_name(title: str) -> str:
    """The branch that work of this title goes to: `macrohard/<slug>`."""
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:40].rstrip("-")
    return f"macrohard/{slug or 'change'}"


def _common(own: Path) -> Path:
    """Where a git folder of a work tree has its objects and branches."""
    text = small_text(own / "commondir")
    return (own / text).resolve() if text else own


def _head(own: Path, common: Path) -> tuple[str, str]:
    """(branch, commit) that HEAD is at."""
    if (common / "reftable").exists():
        raise RequestError(f"{common} keeps its branches in a reftable, which is not read yet; hand in a bundle")
    text = small_text(own / "HEAD") or ""
    branch = text.removeprefix("ref: refs/heads/") if text.startswith("ref: refs/heads/") else ""
    name, seen = text, 0
    while name.startswith("ref: ") and seen < _LINKS_LIMIT:
        name, seen = _ref(common, name.removeprefix("ref: ")) or "", seen + 1
    if not re.fullmatch(_COMMIT, name):
        raise RequestError(f"{common.parent} has no commit yet, or none that is understood; commit there first")
    return branch, name


def _ref(common: Path, name: str) -> str | None:
    if not re.fullmatch(r"refs/[^\x00-\x20~^:?*\[\\]+", name) or ".." in name:
        return None
    if loose := small_text(common / name):
        return loose
    for line in (small_text(common / "packed-refs", limit_bytes=32 << 20) or "").splitlines():
        if line.endswith(f" {name}"):
            return line.partition(" ")[0]
    return None


def _borrow(room: Path, lenders: list[Path]) -> None:
    """Let the room see the objects of these folders, and where the history of one of them is cut off."""
    if any("\n" in str(lender) for lender in lenders):
        raise RequestError("the repository lies in a folder with a line break in its name")
    for lender in lenders:
        if shallow := small_text(lender.parent / "shallow"):
            (room / "shallow").write_text(f"{shallow}\n")
    (room / "objects" / "info" / "alternates").write_text("".join(f"{lender.resolve()}\n" for lender in lenders))


async def _commit_tree(room: Path, tree: str, parents: list[str], message: str, environment: Mapping[str, str]) -> str:
    options = [part for parent in parents for part in ("-p", parent)]
    answer = await git(room, "commit-tree", tree, *options, "-F", "-", input=message.encode(), environment=environment)
    if answer.exit_code != 0:
        raise RequestError(f"a commit could not be made: {answer.problem[:300]}")
    return answer.output.decode().strip()


async def _rewrite(room: Path, tip: str, stands_for: Mapping[str, str], without: str | None) -> str:
    """The history from the snapshots to `tip` on top of what these stand for."""

    async def said(*arguments: str) -> str:
        answer = await git(room, *arguments, limit_bytes=32 << 20)
        if not answer.whole:
            raise RequestError(f"the result cannot be put on top of your history: {answer.problem[:300]}")
        return answer.output.decode(errors="replace")

    async def tree_of(commit: str) -> str:
        tree = (await said("rev-parse", f"{commit}^{{tree}}")).strip()
        if without is None:
            return tree
        kept = [e for e in (await said("ls-tree", "-z", tree)).split("\0")[:-1] if e.partition("\t")[2] != without]
        made = await git(room, "mktree", "-z", input="".join(f"{entry}\0" for entry in kept).encode())
        return made.output.decode().strip()

    place, trees = dict[str, str](), dict[str, str]()
    for snapshot, theirs in stands_for.items():
        mine, their_tree = await tree_of(snapshot), (await said("rev-parse", f"{theirs}^{{tree}}")).strip()
        place[snapshot] = theirs
        if mine != their_tree:
            place[snapshot] = await _commit_tree(room, mine, [theirs], "Changes that were not committed\n", _BEGUN)
        trees[place[snapshot]] = mine
    history = (await said("rev-list", "--topo-order", "--reverse", "--parents", tip)).splitlines()
    for commit, *parents in (line.split() for line in history):
        if commit in place:
            continue
        above = list(dict.fromkeys(place[parent] for parent in parents))
        tree = await tree_of(commit)
        if len(above) == 1 and trees[above[0]] == tree:
            place[commit] = above[0]
            continue
        name, email, date, committed, message = (
            await said("show", "-s", "--format=%an%x00%ae%x00%aI%x00%cI%x00%B", commit)
        ).split("\0", 4)
        by = {
            "GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email,
            "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": committed,
        }  # fmt: skip
        place[commit] = await _commit_tree(room, tree, above, message.strip() + "\n", by)
        trees[place[commit]] = tree
    return place[tip]


def _install(room: Path, common: Path, branch: str, commit: str) -> str:
    """Copy packs, then the branch, as files, never through a link."""
    for file in sorted((room / "objects" / "pack").iterdir(), key=lambda file: file.suffix == ".idx"):
        target = common / "objects" / "pack" / file.name
        if (common / "objects" / "pack").is_symlink():
            raise RequestError(f"{common / 'objects' / 'pack'} is a link; nothing was written there")
        if not target.exists():
            replace(target, file)
    for name in (branch, *(f"{branch}-{number}" for number in range(2, 100))):
        found = _ref(common, f"refs/heads/{name}")
        if found == commit:
            return name
        target = common / "refs" / "heads" / name
        if found is not None or target.exists():
            continue
        for folder in reversed(target.parents):
            if not folder.is_relative_to(common / "refs"):
                continue
            if folder.is_symlink() or folder.is_file():
                raise RequestError(f"a branch cannot be made, because {folder} is in the way")
            folder.mkdir(exist_ok=True)
        try:
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        except FileExistsError:
            continue
        with open(descriptor, "w", encoding="ascii") as opened:
            opened.write(f"{commit}\n")
        return name
    raise RequestError(f"there are a hundred branches named {branch}; delete some")
