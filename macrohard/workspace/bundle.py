"""Bundles, the only form in which git history crosses the border to a sandbox: writing, reading and judging them."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from macrohard.domain.printable import printable
from macrohard.errors import ToolError
from macrohard.workspace.git import git

FILES_LIMIT = 20_000
FILE_LIMIT_BYTES = 32 << 20
TREE_LIMIT_BYTES = 256 << 20
"""Of all files of one commit together; a bundle may unpack to four times as much."""
PATH_LIMIT_BYTES = 1024
DEPTH_LIMIT = 40
"""Of folders in folders; what walks through them later may not be made for more."""
LINKS_LIMIT = 200
CHANGES_LIMIT_BYTES = 32 << 20
"""Of the list of files changed by all new commits of one bundle; about 250,000 files."""

_HASH = rb"[0-9a-f]{40}"
_HEADER_LIMIT_BYTES = 1 << 20
_REF = re.compile(rb"HEAD|refs/[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")


class Header(NamedTuple):
    """The text before the pack."""

    tip: str
    prerequisites: tuple[str, ...]
    length: int
    """Where the pack begins."""


def write_bundle(refs: Iterable[tuple[str, str]], pack: bytes) -> bytes:
    """A version 2 bundle without prerequisites; `refs` are (name, commit)."""
    lines = "".join(f"{commit} {name}\n" for name, commit in refs)
    return f"# v2 git bundle\n{lines}\n".encode() + pack


def read_header(bundle: bytes) -> Header:
    """What a bundle says it holds; nothing of it is trusted but its form.

    Raises:
        ToolError: not a version 2 bundle, or not of exactly one commit.
    """
    end = bundle.find(b"\n\n", 0, _HEADER_LIMIT_BYTES)
    lines = bundle[: max(end, 0)].split(b"\n")
    if lines[0] != b"# v2 git bundle":
        raise ToolError("not a git bundle of version 2; make it with `git bundle create FILE HEAD`")
    prerequisites, tips = [], set()
    for line in lines[1:]:
        if match := re.fullmatch(rb"-(%b)( [^\x00]*)?" % _HASH, line):
            prerequisites.append(match[1].decode())
        elif (match := re.fullmatch(rb"(%b) ([^\x00]+)" % _HASH, line)) and _REF.fullmatch(match[2]):
            tips.add(match[1].decode())
        else:
            raise ToolError(f"the bundle's header has a line that is not understood: {line[:100]!r}")
    if len(tips) != 1:
        raise ToolError(f"the bundle has {len(tips)} commits to fetch; bundle HEAD only")
    return Header(tips.pop(), tuple(prerequisites), end + 2)


async def judge(repository: Path, incoming: Path, tip: str) -> None:
    """Whether what was unpacked into the object folder `incoming` may become part of `repository`.

    Everything new is judged, older commits of the bundle included: a person may check out any of them.

    Raises:
        ToolError: it may not, and why, in words for who committed it.
    """
    alone = {"GIT_OBJECT_DIRECTORY": str(incoming)}
    joined = alone | {"GIT_ALTERNATE_OBJECT_DIRECTORIES": str(repository / "objects")}

    sizes = await git(
        repository, "cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objecttype) %(objectsize)",
        environment=alone, limit_bytes=CHANGES_LIMIT_BYTES,
    )  # fmt: skip
    if not sizes.whole:
        raise ToolError(f"the bundle cannot be unpacked: {sizes.problem or 'too many objects'}")
    _judge_sizes(sizes.output.decode().split("\n")[:-1])

    kind = await git(repository, "cat-file", "-t", tip, environment=joined)
    if kind.output.strip() != b"commit":
        raise ToolError(f"{tip} in the bundle is not a commit")
    connected = await git(
        repository, "rev-list", "--objects", "--quiet", tip, "--not", "--all", environment=joined, timeout_seconds=120
    )
    if connected.exit_code != 0:
        raise ToolError(f"the bundle is not complete: {connected.problem[:300]}")

    tree = await git(
        repository, "ls-tree", "-r", "-z", "--format=%(objectsize)", tip,
        environment=joined, limit_bytes=FILES_LIMIT * 12, timeout_seconds=120,
    )  # fmt: skip
    # Nested repositories have no size; they are refused below.
    counted = tree.output.split(b"\0")[:-1]
    if not tree.whole or len(counted) > FILES_LIMIT:
        raise ToolError(f"more than {FILES_LIMIT} files; leave out installed packages and build results (.gitignore)")
    if (total := sum(int(size) for size in counted if size != b"-")) > TREE_LIMIT_BYTES:
        raise ToolError(f"the files are {total} bytes together; {TREE_LIMIT_BYTES} are allowed")

    changes = await git(
        repository, "log", "-z", "--raw", "--no-abbrev", "--no-renames", "--root", "-m", "--format=",
        tip, "--not", "--all", environment=joined, limit_bytes=CHANGES_LIMIT_BYTES, timeout_seconds=120,
    )  # fmt: skip
    # Also when git ran out of memory: what was not seen is not let in.
    if not changes.whole:
        raise ToolError("the new commits change too many files")
    links: dict[str, str] = {}
    for mode, blob, path in _changes(changes.output):
        _judge_entry(mode, path)
        if mode == b"120000":
            links[path.decode()] = blob
    if len(links) > LINKS_LIMIT:
        raise ToolError(f"{len(links)} links; {LINKS_LIMIT} are allowed")
    for path_text, blob in links.items():
        target = await git(repository, "cat-file", "blob", blob, environment=joined, limit_bytes=PATH_LIMIT_BYTES)
        _judge_link(path_text, target.output, whole=target.whole)


def _judge_sizes(lines: Iterable[str]) -> None:
    total = 0
    for line in lines:
        kind, size = line.split(" ")
        total += int(size)
        if kind == "blob" and int(size) > FILE_LIMIT_BYTES:
            raise ToolError(f"a file of {size} bytes; {FILE_LIMIT_BYTES} are allowed")
    if total > 4 * TREE_LIMIT_BYTES:
        raise ToolError(f"the history unpacks to {total} bytes; {4 * TREE_LIMIT_BYTES} are allowed")


def _changes(raw: bytes) -> Iterable[tuple[bytes, str, bytes]]:
    """(mode, blob, path) of every file that a commit added or changed."""
    fields = iter(raw.split(b"\0"))
    for field in fields:
        # Between the commits of a log stand empty fields and line ends.
        if not (entry := field.strip(b"\n")):
            continue
        _, mode, _, blob, status = entry.split(b" ")
        path = next(fields)
        if status != b"D":
            yield mode, blob.decode(), path


def _judge_entry(mode: bytes, path: bytes) -> None:
    try:
        text = path.decode()
    except UnicodeDecodeError as error:
        raise ToolError(f"the file name {path!r} is not UTF-8") from error
    if text != printable(text) or any(character in text for character in "\\\n\t"):
        raise ToolError(f"the file name {text!r} has control characters, invisible ones, or backslashes")
    if len(path) > PATH_LIMIT_BYTES:
        raise ToolError(f"the path {text[:80]!r}… is longer than {PATH_LIMIT_BYTES} bytes")
    if text.count("/") > DEPTH_LIMIT:
        raise ToolError(f"the path {text[:80]!r}… lies in more than {DEPTH_LIMIT} folders")
    if forbidden := {part for part in text.split("/") if part in ("", ".", "..") or part.lower() == ".git"}:
        raise ToolError(f"the path {text!r} has the part {forbidden.pop()!r}, which git keeps for itself")
    if mode == b"160000":
        raise ToolError(f"{text!r} is a git repository inside the repository; commit its files instead")
    if mode not in (b"100644", b"100755", b"120000"):
        raise ToolError(f"{text!r} has the mode {mode.decode()}; only files, executables and links are allowed")


def _judge_link(path: str, target: bytes, *, whole: bool) -> None:
    # Only leading ".." are allowed: after a name they would be taken from wherever that name leads to.
    match = re.fullmatch(rb"((?:\.\./)*)([^/\x00].*)", target, re.DOTALL)
    parts = match[2].split(b"/") if match else []
    ups = len(match[1]) // 3 if match else 0
    inside = match and whole and ups <= path.count("/") and parts[0] != b".." and b".." not in parts
    if not inside or any(part.lower() == b".git" for part in parts):
        raise ToolError(f"the link {path!r} leads out of the repository, to {target[:100]!r}")
