"""Whether a text asks for a service without pages, and what its claims then say."""

import re

from macrohard.llm.builtin.blueprint import Blueprint, Claim, ClaimKind, Reading

_SERVICE = re.compile(
    r"\b(?:(?:rest(?:ful)?|json|http|web) ?-?(?:api|service|interface|endpoints?|backend)|api|back-?end service)\b",
    re.I,
)
_PAGES = re.compile(
    r"\b(?:web ?-?(?:app|application|site|page|ui|interface)s?|websites?|pages?|screens?|browsers?|forms?|buttons?|"
    r"user interface|gui|front-?end|phone|print)\b",
    re.I,
)
_NOT = re.compile(r"\b(?:no|without|not)\b[^.,;]*$", re.I)
_OF_PAGES: frozenset[ClaimKind] = frozenset({"phone layout", "print", "import", "export", "detail history"})
_API_CLAIM = re.compile(r"A programming interface \(API\)")


def of_its_kind(reading: Reading, requirement: str) -> Reading:
    """The reading as that of a service, if the text asks for one and for no pages; else as it is."""
    if reading.blueprint is None or not _asks_for_service(requirement):
        return reading
    blueprint = reading.blueprint
    claims = tuple(_said(blueprint, claim) for claim in blueprint.claims if not _is_needless(claim))
    kept = ", ".join(record.plural.lower() for record in blueprint.records)
    stories = tuple(story.replace("page", "answer") for story in reading.stories)
    return reading.model_copy(
        update={
            "blueprint": blueprint.model_copy(update={"kind": "api", "claims": claims}),
            "summary": f"A service that keeps {kept}: programs ask it in JSON over HTTP. It has no pages.",
            "stories": stories,
        }
    )


def asks_for_pages(text: str) -> bool:
    """Whether pages are wanted; "no web pages" asks for none."""
    return not all(_NOT.search(text[: found.start()]) for found in _PAGES.finditer(text))


def _asks_for_service(requirement: str) -> bool:
    return bool(_SERVICE.search(requirement)) and not asks_for_pages(_SERVICE.sub(" ", requirement))


def _is_needless(claim: Claim) -> bool:
    """What is about pages and was nobody's wish, or is the service itself."""
    if claim.kind == "not covered":
        return bool(_API_CLAIM.match(claim.text))
    return claim.kind in _OF_PAGES and not claim.source


def _said(blueprint: Blueprint, claim: Claim) -> Claim:
    if claim.kind in _OF_PAGES:
        text = f"{claim.text} (Not built: this service has no pages and no files.)"
        return claim.model_copy(update={"kind": "not covered", "text": text})
    if claim.record is None or claim.kind not in ("add and list", "edit", "delete", "search", "sort", "action"):
        return claim
    record = blueprint.record(claim.record)
    one, some = record.label.lower(), record.plural.lower()
    match claim.kind:
        case "add and list":
            text = f"A {one} can be added; it is answered with its number, found at its address, and listed."
        case "edit":
            text = f"A {one} can be changed field by field; what is not sent stays as it was."
        case "delete":
            text = f"A {one} can be deleted; it is then gone." if record.deletable else f"A {one} cannot be deleted."
        case "search":
            labels = ", ".join(record.field(name).label for name in record.search)
            text = f"Searching gives only the {some} whose {labels} contains the text, in upper or lower case."
        case "sort" if claim.field:
            text = f"{record.plural} can be listed in the order of {record.field(claim.field).label}, up and down."
        case _:
            text = claim.text.replace("It is offered only while", "It is accepted only while")
    return claim.model_copy(update={"text": text})
