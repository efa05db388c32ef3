"""What a run changed of the product that it began from, task by task, with the criteria that each task serves."""

import re

from macrohard.domain.ground import Work
from macrohard.events import Reworked
from macrohard.factory.context import FactoryContext
from macrohard.workspace import CommitInfo

PATCH_LIMIT_BYTES = 64 << 10
"""Of one task; the whole is in the history."""


async def tell_works(context: FactoryContext, *, base: str, commit: str) -> None:
    """Record what the tasks of this run changed from `base` to `commit`.

    Merges are left out: what they bring together is told of the tasks. What was changed to settle a merge counts.
    """
    repository = context.repository
    before = {each.hash for each in await repository.log(base)}
    ours = [each for each in reversed(await repository.log(commit)) if each.hash not in before]
    tasks: dict[tuple[str, str, tuple[str, ...]], list[CommitInfo]] = {}
    for each in ours:
        if each.files and (_trailer(each, "Task") or _trailer(each, "Run")):
            tasks.setdefault((each.subject, each.author, _criteria(each)), []).append(each)
    works = []
    for (title, author, criteria), commits in tasks.items():
        diffs = [await repository.change(each.hash, limit_bytes=PATCH_LIMIT_BYTES) for each in commits]
        patch = "\n".join(diffs).encode()[:PATCH_LIMIT_BYTES]
        works.append(
            Work(
                title=title,
                agent=author,
                criteria=criteria,
                commits=tuple(each.hash for each in commits),
                files=tuple(sorted({file for each in commits for file in each.files})),
                patch=await context.artifacts.put(patch, media_type="text/x-diff"),
            )
        )
    await context.emit(Reworked(works=tuple(works)))


def _trailer(commit: CommitInfo, name: str) -> str:
    # The last one: what comes before the trailers is an agent's text, which may look like one.
    return next(iter(re.findall(rf"^{name}: (.+)$", commit.body, re.MULTILINE)[::-1]), "")


def _criteria(commit: CommitInfo) -> tuple[str, ...]:
    return tuple(re.findall(r"AC-[1-9][0-9]*", _trailer(commit, "Criteria")))
