"""Which kind of product a text asks for, and what the claims then say: pages, unless it says otherwise."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from macrohard.llm.builtin.blueprint import Blueprint, Claim, ClaimKind, Reading

_PAGES = re.compile(
    r"\b(?:web ?-?(?:app|application|site|page|ui|interface)s?|websites?|pages?|screens?|browsers?|forms?|buttons?|"
    r"user interface|gui|front-?end|phone|print)\b",
    re.I,
)
_NOT = re.compile(r"\b(?:no|without|not)\b[^.,;]*$", re.I)


@dataclass(frozen=True)
class _Pageless:
    """A kind of product that has no pages."""

    kind: Literal["api", "cli"]
    asked: re.Pattern[str]
    """What a text calls it that asks for it."""
    itself: re.Pattern[str]
    """The beginning of a claim that is not covered and means only that such a product is wanted."""
    of_pages: frozenset[ClaimKind]
    """What only a product with pages has."""
    not_built: str
    summary: str
    page: str
    """What stands in the place of a page in stories."""
    said: Mapping[ClaimKind, str]
    """What its claims say instead of what they say of pages."""


_SAID: Mapping[ClaimKind, str] = {
    "search": "Searching gives only the {some} whose {searched} contains the text, in upper or lower case.",
    "sort": "{Some} can be listed in the order of {field}, up and down.",
}
_TOOL = _Pageless(
    kind="cli",
    asked=re.compile(
        r"\b(?:command[- ]?line(?: (?:tool|program|app|application|interface|utility|client))?|cli(?: (?:tool|app))?|"
        r"(?:terminal|console|shell) (?:tool|program|app|application|utility|command))\b",
        re.I,
    ),
    itself=re.compile(r"A command-line tool\b"),
    of_pages=frozenset({"phone layout", "print", "detail history"}),
    not_built="(Not built: this tool has no pages.)",
    summary="A command-line tool that keeps {kept} in a file. It has no pages.",
    page="output",
    said={
        **_SAID,
        "add and list": "A {one} can be added; its number is told, and it is shown by that and listed.",
        "edit": "A {one} can be changed field by field; what is not given stays as it was.",
        "survives restart": "What was entered is still there whenever the tool is called again.",
        "export": "`export` writes the {some} that are asked for as CSV, with a header line.",
        "import": "`import` adds the {some} of a CSV file; each line that is not right is named and left out.",
    },
)
_SERVICE = _Pageless(
    kind="api",
    asked=re.compile(
        r"\b(?:(?:rest(?:ful)?|json|http|web) ?-?(?:api|service|interface|endpoints?|backend)|api|back-?end service)\b",
        re.I,
    ),
    itself=re.compile(r"A programming interface \(API\)"),
    of_pages=frozenset({"phone layout", "print", "import", "export", "detail history"}),
    not_built="(Not built: this service has no pages and no files.)",
    summary="A service that keeps {kept}: programs ask it in JSON over HTTP. It has no pages.",
    page="answer",
    said={
        **_SAID,
        "add and list": "A {one} can be added; it is answered with its number, found at its address, and listed.",
        "edit": "A {one} can be changed field by field; what is not sent stays as it was.",
    },
)


def of_its_kind(reading: Reading, requirement: str) -> Reading:
    """The reading as that of a command-line tool or of a service, where the text asks for one and for no pages."""
    if (blueprint := reading.blueprint) is None:
        return reading
    fields = {field.label.lower() for record in blueprint.records for field in record.fields}
    kind = next((kind for kind in (_TOOL, _SERVICE) if _asks_for(kind, requirement, fields)), None)
    if kind is None:
        return reading
    claims = tuple(_said(kind, blueprint, claim) for claim in blueprint.claims if not _is_needless(kind, claim))
    kept = ", ".join(record.plural.lower() for record in blueprint.records)
    return reading.model_copy(
        update={
            "blueprint": blueprint.model_copy(update={"kind": kind.kind, "claims": claims}),
            "summary": kind.summary.format(kept=kept),
            "stories": tuple(story.replace("page", kind.page) for story in reading.stories),
        }
    )


def _asks_for(kind: _Pageless, requirement: str, fields: Collection[str]) -> bool:
    """Whether this is wanted, and no pages; "no web pages" asks for none, nor do the pages that a book has."""
    if not kind.asked.search(requirement):
        return False
    rest = kind.asked.sub(" ", requirement)
    asked = (found for found in _PAGES.finditer(rest) if found[0].lower() not in fields)
    return all(_NOT.search(rest[: found.start()]) for found in asked)


def _is_needless(kind: _Pageless, claim: Claim) -> bool:
    """What is about pages and was nobody's wish, or is the product itself."""
    if claim.kind == "not covered":
        return bool(kind.itself.match(claim.text))
    return claim.kind in kind.of_pages and not claim.source


def _said(kind: _Pageless, blueprint: Blueprint, claim: Claim) -> Claim:
    if claim.kind in kind.of_pages:
        return claim.model_copy(update={"kind": "not covered", "text": f"{claim.text} {kind.not_built}"})
    return claim.model_copy(update={"text": _text(kind, blueprint, claim)})


def _text(kind: _Pageless, blueprint: Blueprint, claim: Claim) -> str:
    if claim.record is None:
        return claim.text
    record = blueprint.record(claim.record)
    if claim.kind == "delete":
        one = record.label.lower()
        return f"A {one} can be deleted; it is then gone." if record.deletable else f"A {one} cannot be deleted."
    if claim.kind not in kind.said or (claim.kind == "sort" and not claim.field):
        return claim.text.replace("It is offered only while", "It is accepted only while")
    return kind.said[claim.kind].format(
        one=record.label.lower(),
        some=record.plural.lower(),
        Some=record.plural,
        searched=", ".join(record.field(name).label for name in record.search),
        field=record.field(claim.field).label if claim.field else "",
    )
