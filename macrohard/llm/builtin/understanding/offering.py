"""Clauses that list the values of what stands before them: "a state that is good, worn or broken"."""

import re
from collections.abc import Iterator

from macrohard.llm.builtin.understanding.nouns import kind_of

# No word of a value joins two of them, so that there is one way only to read a clause, however long it is.
_WORD = r"(?!(?:or|and|with|that|which)\b)[\w-]+"
_VALUE = rf"(?!\d){_WORD}(?: {_WORD}){{0,3}}"
_CLAUSE = re.compile(
    rf"(?i)\b(?P<label>[\w-]+) (?:that|which) (?:is|are|can be|could be|may be|must be) (?:either |one of )?"
    rf"(?P<values>{_VALUE}(?:, {_VALUE})*(?:(?:,? or {_VALUE})+|,? (?P<and>and) {_VALUE}))(?=\s*(?:[,.;)]|$| and ))"
)

SAID_OF_IT = re.compile(
    r"(?i)(?:(?:sort|filter|search|export|import|print|show|display|hidden|list|edit|chang|delet|remov)|(?:unique|"
    r"required|mandatory|optional|empty|blank|left)\b)"
)
"""What a field is or what is done with it, which is no value of it."""


def clauses_of_values(text: str) -> Iterator[re.Match[str]]:
    """Where a text lists values of something that has such values, or three and more of what is told in words."""
    for match in _CLAUSE.finditer(text):
        if SAID_OF_IT.match(match["values"]):
            continue
        type_ = kind_of(match["label"].lower()).type
        if type_ == "choice" or (type_ == "text" and "," in match["values"] and not match["and"]):
            yield match


def bracketed(text: str) -> str:
    """The text with those clauses as "a state (good, worn or broken)", which no list tears apart."""
    pieces, start = [], 0
    for match in clauses_of_values(text):
        pieces += [text[start : match.end("label")], f" ({match['values']})"]
        start = match.end()
    return "".join([*pieces, text[start:]])
