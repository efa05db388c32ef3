"""The contract as those are told it who work by it: what each of them needs, and not what others need."""

import re
from collections.abc import Collection
from pathlib import PurePosixPath
from typing import Final

from macrohard.domain import Design, JsonObject, Specification
from macrohard.product.earlier import is_test
from macrohard.workspace import Repository

PATCH_BYTES: Final = 32 << 10
"""Of a change, as those are told it who saw the product before; the files are at hand."""
_ASIDE: Final = frozenset({"reason", "stories", "questions"})
"""Answered questions stand among the assumptions; simulated users get stories."""
_CRITERION: Final = re.compile(r"\bAC-[1-9][0-9]*\b")
_WORD: Final = re.compile(r"[^\W\d_][\w-]*")
_PARAMETER: Final = re.compile(r"\{[^}]*\}|<[^>]*>|\[[^\]]*\]|(?<=/):\w+|(?<=\s)-\S+|[A-Z][A-Z_]+\b")
"""What stands for something else in a path or a command line."""
_TEXTS: Final = frozenset({".md", ".rst"})
_PICTURES: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".ico", ".mp4", ".webm", ".mp3", ".wav"}
)


def agreed(specification: Specification) -> JsonObject:
    """What the product has to do: every criterion word for word, without where it came from, and the assumptions."""
    told = specification.model_dump(mode="json", exclude=set(_ASIDE))
    told["criteria"] = [
        criterion.model_dump(mode="json", exclude={"source"} | ({"covered"} if criterion.covered else set()))
        for criterion in specification.criteria
    ]
    return told


def touched(
    specification: Specification, design: Design, *, told: str, criteria: Collection[str], pages: Collection[str] = ()
) -> JsonObject:
    """Specification and design as far as a change touches them, for those who saw the product before it.

    Criteria are those given and those that `told` names (the change itself, and what was found before); of the design
    all that holds everywhere, the screens of these `pages` (as findings name them), and the screens, routes and
    commands whose words stand in `told`. Where nothing is named everything may be touched, and is told.
    """
    named = {*criteria, *_CRITERION.findall(told)}
    of_these = [criterion for criterion in specification.criteria if criterion.id in named]
    spoken = frozenset(word.casefold() for word in _WORD.findall(told))
    parts = {
        "screens": tuple(each for each in design.screens if _page(each.path) in pages or _stands_in(each.path, spoken)),
        "routes": tuple(each for each in design.routes if _stands_in(each.path, spoken)),
        "commands": tuple(each for each in design.commands if _stands_in(each.usage, spoken)),
    }
    return {
        "specification": agreed(
            specification.model_copy(update={"criteria": tuple(of_these)}) if of_these else specification
        ),
        "design": (design.model_copy(update=parts) if any(parts.values()) else design).model_dump(mode="json"),
    }


def _page(path: str) -> str:
    """A screen's path as findings name its page."""
    return _PARAMETER.sub("…", path)


def _stands_in(address: str, spoken: Collection[str]) -> bool:
    words = [word.casefold() for word in _WORD.findall(_PARAMETER.sub(" ", address))]
    return bool(words) and all(word in spoken for word in words)


def matters(path: str, *, tests: bool) -> bool:
    """Whether a change of this file is to be looked at: no texts, no pictures, and tests only if they are meant."""
    name = PurePosixPath(path)
    aside = name.suffix.lower() in _TEXTS | _PICTURES or name.parts[0] == "docs" or name.stem == "LICENSE"
    return not aside and (tests or not is_test(path))


async def criteria_served(repository: Repository, *, before: str, commit: str) -> frozenset[str]:
    """The criteria that the tasks between two commits were to bring about, by what their commits say."""
    known = {each.hash for each in await repository.log(before)}
    return frozenset(
        criterion
        for each in await repository.log(commit)
        if each.hash not in known
        for line in re.findall(r"^Criteria: (.+)$", each.body, re.MULTILINE)[-1:]
        for criterion in _CRITERION.findall(line)
    )
