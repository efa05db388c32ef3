"""Whether a text asks for a command-line tool, and what its claims then say."""

import re

from macrohard.llm.builtin.blueprint import Blueprint, Claim, ClaimKind, Reading
from macrohard.llm.builtin.webapi.reading import asks_for_pages

_TOOL = re.compile(
    r"\b(?:command[- ]?line(?: (?:tool|program|app|application|interface|utility|client))?|cli(?: (?:tool|app))?|"
    r"(?:terminal|console|shell) (?:tool|program|app|application|utility|command))\b",
    re.I,
)
_OF_PAGES: frozenset[ClaimKind] = frozenset({"phone layout", "print", "detail history"})
_TOOL_CLAIM = re.compile(r"A command-line tool\b")


def as_tool(reading: Reading, requirement: str) -> Reading:
    """The reading as that of a command-line tool, if the text asks for one and for no pages; else as it is."""
    asked = _TOOL.search(requirement) and not asks_for_pages(_TOOL.sub(" ", requirement))
    if reading.blueprint is None or not asked:
        return reading
    blueprint = reading.blueprint
    claims = tuple(_said(blueprint, claim) for claim in blueprint.claims if not _is_needless(claim))
    kept = ", ".join(record.plural.lower() for record in blueprint.records)
    stories = tuple(story.replace("page", "output") for story in reading.stories)
    return reading.model_copy(
        update={
            "blueprint": blueprint.model_copy(update={"kind": "cli", "claims": claims}),
            "summary": f"A command-line tool that keeps {kept} in a file. It has no pages.",
            "stories": stories,
        }
    )


def _is_needless(claim: Claim) -> bool:
    """What is about pages and was nobody's wish, or is the tool itself."""
    if claim.kind == "not covered":
        return bool(_TOOL_CLAIM.match(claim.text))
    return claim.kind in _OF_PAGES and not claim.source


def _said(blueprint: Blueprint, claim: Claim) -> Claim:
    if claim.kind in _OF_PAGES:
        text = f"{claim.text} (Not built: this tool has no pages.)"
        return claim.model_copy(update={"kind": "not covered", "text": text})
    if claim.kind == "survives restart":
        text = "What was entered is still there whenever the tool is called again."
        return claim.model_copy(update={"text": text})
    if claim.record is None:
        return claim
    record = blueprint.record(claim.record)
    one, some = record.label.lower(), record.plural.lower()
    match claim.kind:
        case "add and list":
            text = f"A {one} can be added; its number is told, and it is shown by that and listed."
        case "edit":
            text = f"A {one} can be changed field by field; what is not given stays as it was."
        case "delete":
            text = f"A {one} can be deleted; it is then gone." if record.deletable else f"A {one} cannot be deleted."
        case "search":
            labels = ", ".join(record.field(name).label for name in record.search)
            text = f"Searching gives only the {some} whose {labels} contains the text, in upper or lower case."
        case "sort" if claim.field:
            text = f"{record.plural} can be listed in the order of {record.field(claim.field).label}, up and down."
        case "export":
            text = f"`export` writes the {some} that are asked for as CSV, with a header line."
        case "import":
            text = f"`import` adds the {some} of a CSV file; each line that is not right is named and left out."
        case "action":
            text = claim.text.replace("It is offered only while", "It is accepted only while")
        case _:
            return claim
    return claim.model_copy(update={"text": text})
