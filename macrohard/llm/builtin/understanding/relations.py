"""How record types belong together, as sentences say it: "every animal belongs to one owner", "book a room"."""

import re
from typing import NamedTuple

from macrohard.llm.builtin.understanding.subjects import DETERMINERS, WORD

_ONE = (
    r"(?:an?|one|exactly one|the|its|their|his|her|our|one of (?:the|our|my|its)|any of (?:the|our)|each|every|"
    r"some|several|multiple|many|a single)"
)
_NP = rf"{WORD}(?:\s+{WORD}){{0,2}}"


class Relation(NamedTuple):
    """One record of type `child` refers to one of type `parent`."""

    child: str
    parent: str
    details: str = ""
    """Fields of the parent in brackets behind it."""
    end: int = 0
    """Where the relation ends in the sentence."""


_TO_ONE = re.compile(
    rf"(?i)^(?:and |also )?(?:each|every|an?|the|all|any)?\s*(?P<child>{_NP})\s+(?:(?:always|also|can|must|"
    rf"should|may|has to|have to|is|are|be|will|get|gets|only)\s+)*"
    rf"(?:belongs?|assigned|assignable|linked|connected|attached|related|allocated|refers?|relates?|booked|"
    rf"tied)\s+(?:to|with|for)\s+(?P<one>{_ONE}\s+)?(?P<parent>{_NP})(?:\s*\((?P<details>[^)]*)\))?"
)
_IS_FOR = re.compile(
    rf"(?i)^(?:and |also )?(?:each|every|an?|the)\s+(?P<child>{_NP})\s+(?:is|are|can be|must be)\s+(?:always |"
    rf"made )?(?:for|of|from|by)\s+(?:exactly )?(?:one|an?)\s+(?P<parent>{_NP})(?:\s+(?:and|by|for|"
    rf"from)\s+(?:one|an?)\s+(?P<parent2>{_NP}))?"
)
_HAS_MANY = re.compile(
    rf"(?i)^(?:and |also )?(?:each|every|an?|the|one)\s+(?P<parent>{_NP})\s+(?:can |may |will |should )?(?:has|"
    rf"have|contains?|consists? of|includes?|owns?|gets?)\s+(?:many|several|multiple|any number of|zero or "
    rf"more|one or more|more than one|lots of|a number of|a list of|different|"
    rf"various)\s+(?P<child>{_NP})(?:\s*\((?P<details>[^)]*)\))?"
)
LINK_VERBS: tuple[tuple[str, str], ...] = (
    ("booking", r"book"), ("reservation", r"reserve"), ("loan", (
        r"(?:lend(?: out)?|borrow|loan|check out|give out|hand out|take out)"
    )),
    ("rental", r"(?:rent(?: out)?|hire)"),
    ("order", r"order"), ("registration", r"(?:register for|sign up for|enroll? (?:in|for|on)|attend)"),
    ("sale", r"sell"), ("donation", r"donate"),
)  # fmt: skip
"""What is recorded when somebody does this to a thing."""


def relations_in(text: str) -> list[Relation]:
    """The relations that a sentence states."""
    found = []
    if match := _TO_ONE.match(text):
        found.append(Relation(match["child"], match["parent"], match["details"] or "", match.end()))
    if match := _IS_FOR.match(text):
        found.append(Relation(match["child"], match["parent"], end=match.end()))
        if match["parent2"]:
            found.append(Relation(match["child"], match["parent2"], end=match.end()))
    if match := _HAS_MANY.match(text):
        found.append(Relation(match["child"], match["parent"], end=match.end()))
    return found


def linking(text: str) -> tuple[str, str, re.Match[str]] | None:
    """ "book a room": the noun of what is recorded, and the thing it is about."""
    for noun, verb in LINK_VERBS:
        match = re.search(
            (
                rf"(?i)^(?:(?:i|we|you|users?|people|they|employees|members|customers|can|could|want|need|would "
                rf"like|able|be|to|must|should|may)\s+)*{verb}\s+{DETERMINERS}(?P<np>{WORD}(?:\s+{WORD})?)"
            ),
            text,
        )
        if match:
            return noun, match["np"], match
    return None
