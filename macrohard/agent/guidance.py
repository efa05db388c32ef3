"""Which `AGENTS.md` of a repository hold for the files that somebody works on."""

from collections.abc import Iterable
from pathlib import PurePosixPath

GUIDE = "AGENTS.md"


def guides_for(files: Iterable[str], *, tracked: Iterable[str]) -> tuple[str, ...]:
    """The paths of the `AGENTS.md` among the `tracked` files that speak about `files`, those of outer folders first.

    `files` are paths as a task owns them: a file, a folder that ends in "/", or "" for all of the repository. A guide
    speaks about the folder it lies in and all that is below it; where two contradict each other, the inner one, which
    comes later, holds. For a folder, those below it are told as well, because they hold for a part of it.
    """
    guides = {PurePosixPath(path).parent: path for path in tracked if PurePosixPath(path).name == GUIDE}
    wanted = {
        folder
        for file in files
        for folder in guides
        if folder in PurePosixPath(file).parents or _is_inside(folder, file)
    }
    return tuple(guides[folder] for folder in sorted(wanted, key=lambda folder: (len(folder.parts), str(folder))))


def _is_inside(folder: PurePosixPath, owned: str) -> bool:
    """Whether an owned folder is this one or holds it."""
    return not owned or (owned.endswith("/") and folder.is_relative_to(PurePosixPath(owned)))
