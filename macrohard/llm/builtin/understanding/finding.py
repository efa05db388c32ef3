"""Finding: search, filters, sorting and paging."""

import re
from typing import NamedTuple

from macrohard.llm.builtin.blueprint import View
from macrohard.llm.builtin.understanding.clauses import Clause, named_record
from macrohard.llm.builtin.understanding.conditions import Selection, select
from macrohard.llm.builtin.understanding.draft import Draft, FieldDraft, RecordDraft
from macrohard.llm.builtin.understanding.fields import split_list
from macrohard.llm.builtin.understanding.roles import by_role, date_of, find_field
from macrohard.llm.builtin.understanding.words import NUMBER, identifier, lower_label, number

FILTERABLE = (
    "choice",
    "yes/no",
    "reference",
    "date",
    "date-time",
    "text",
    "whole number",
    "money",
    "decimal number",
    "time",
    "e-mail",
    "phone",
)
_CHOSEN = ("choice", "yes/no", "reference", "date", "date-time")
_SEARCHABLE = ("text", "long text", "e-mail", "phone", "web address", "reference")
_FILLER = re.compile(
    r"(?i)\b(?:the|a|an|all|any|every|each|their|its|only|just|by|of|in|and|or|with|for|fields?|columns?|also|"
    r"at least|both|either|part of|whole|full|text|easily|quickly|fast|typing|while|as i type|everywhere|"
    r"everything|anything|lists?|is|are|be|to|on|me|i|we|you|one|some|if i want|when i want|please|too|as well|"
    r"possible|possibly|box|bar|field|function|option|button|over|across|within|through|per|from)\b"
)


def mentioned(record: RecordDraft, text: str) -> tuple[list[FieldDraft], list[str]]:
    """The fields that a list such as "name, company or date" names, and the words that name none."""
    found: list[FieldDraft] = []
    unknown: list[str] = []
    for piece in split_list(re.sub(r"(?i)\s+or\s+|/|\||\s+as well as\s+", ", ", text)):
        bare = re.sub(
            (
                r"(?i)^(?:(?:the|a|an|by|in|on|for|with|their|its|all|any|over|of|and|or|only|just|also|both|"
                r"either|its|from)\s+)+"
            ),
            "",
            piece.strip(),
        ).strip(" .!?")
        bare = re.sub(r"(?i)\s+(?:too|as well|please|only|field|column|list|each|fields)$", "", bare)
        if not bare:
            continue
        one = find_field(record, bare)
        if one is None:
            rest = [find_field(record, word) for word in re.findall(r"[\w-]{3,}", bare) if not _FILLER.fullmatch(word)]
            one = next((field for field in rest if field), None)
        if one is None:
            if _FILLER.sub("", bare).strip(" ,.'"):
                unknown.append(bare)
        elif one not in found:
            found.append(one)
    return found, unknown


def search(clause: Clause, draft: Draft) -> bool:
    """ "search by name, company or date", "find people fast by typing"."""
    match = re.search(
        (
            r"(?i)\b(?:search(?:able|ing|es|ed)?|find(?:able|ing)?|look(?:ing)? (?:it |them |people |someone )?up|"
            r"quick(?:ly)? find|type ?ahead)\b(?P<rest>.*)$"
        ),
        clause.text,
    )
    if not match or re.search(r"(?i)\bfind (?:out|free|a free)|filter", match.group()[:16]):
        return False
    rest = match["rest"]
    by = re.search(r"(?i)(?:\b(?:by|in|for|over|on|across|within|through)\b|:|^\s+(?=[\w|]+\|))\s*(?P<list>.+)$", rest)
    text = by["list"] if by else rest
    text = re.split(r"(?i)\b(?:so that|because|when|while|as (?:i|you|we) type|if)\b", text)[0]
    record = clause.record
    fields, unknown = mentioned(record, text)
    if any(one.plural.lower() in text.lower() or one.label.lower() in text.lower() for one in draft.records):
        unknown = [word for word in unknown if named_record(draft, word) is None]
    if not by:
        unknown = []
    unknown = [
        word
        for word in unknown
        if not re.search(
            (
                r"(?i)\b(?:typ\w+|keyword|text|part|anything|everything|all|people|person|someone|somebody|things?|"
                r"quick\w*|fast|name parts?|free|them|it|records?|entries|words?|letters?)\b"
            ),
            word,
        )
    ]
    chosen = [one for one in fields if one.type in _SEARCHABLE]
    for one in fields:
        if one not in chosen and one.type in _CHOSEN:
            record.filters.setdefault(one.name, clause.said)
        elif one not in chosen:
            chosen.append(one)
    if not fields:
        chosen = [one for one in record.fields if one.type in _SEARCHABLE and one.value.computed is None]
    for one in chosen:
        record.search[one.name] = clause.said
    if not record.search and not fields:
        return False
    for word in unknown:
        draft.leave_uncovered(
            f"Searching {record.plural.lower()} by “{word}”: no field of that name is kept.", clause.said
        )
    return True


def filtering(clause: Clause, draft: Draft) -> bool:
    """ "filter by status", "only show customers if I want", "filter"."""
    match = re.search(r"(?i)\b(?:filter(?:s|ed|ing|able)?|narrow(?:ed)? (?:it )?down)\b(?P<rest>.*)$", clause.text)
    if match:
        rest = re.sub(
            r"(?i)^\s*(?:the |my |our )?(?:lists?|table|results|\w+)?\s*\b(?:by|for|on|to|with)\b|^[:\s]+",
            " ",
            match["rest"],
        )
        before = clause.text[: match.start()]
        fields, unknown = mentioned(clause.record, rest)
        if not fields and (by := re.search(r"(?i)(?:^|\s)(\w[\w -]*)$", before.strip())):
            fields, _ = mentioned(clause.record, by[1])
        selection = select(rest, clause.record)
        if selection and not [one for one in fields if one.name not in {c.field for c in selection.when}]:
            return _filter_for(selection, clause, draft)
        good = [one for one in fields if one.type in FILTERABLE]
        for one in good:
            clause.record.filters[one.name] = clause.said
        for one in fields:
            if one not in good:
                clause.record.search.setdefault(one.name, clause.said)
                draft.assume(
                    f"{clause.record.plural} are narrowed down by {lower_label(one.label)} with the search, "
                    f"because it has no fixed values."
                )
        if not fields:
            usual = [one for one in clause.record.fields if one.type in ("choice", "yes/no", "reference")] or [
                one for one in clause.record.fields if one.type in _CHOSEN
            ]
            for one in usual:
                clause.record.filters.setdefault(one.name, clause.said)
            if not usual:
                return False
        unknown = [
            word
            for word in unknown
            if named_record(draft, word) is None
            and not re.search(
                r"(?i)^(?:them|it|things|that|different|various|several|these|this|everything|anything|list)$", word
            )
        ]
        for word in unknown:
            if selection is None or word.lower() not in rest.lower():
                draft.leave_uncovered(
                    f"Filtering {clause.record.plural.lower()} by “{word}”: no field of that name is kept.", clause.said
                )
        return True
    if re.search(r"(?i)\b(?:can't|cannot|must not|may not|not allowed|never)\b", clause.text):
        return False
    only = re.search(
        (
            r"(?i)\b(?:only|just)\s+(?:show|see|list|display|view)\s+(?P<what>.+)$|\b(?:show|see|list|display|"
            r"view)\s+(?:me\s+)?(?:only|just)\s+(?P<what2>.+)$|\bswitch between (?P<what3>.+)$|\bhide "
            r"(?P<what4>.+)$"
        ),
        clause.text,
    )
    if only:
        selection = select(next(part for part in only.groups() if part), clause.record)
        if selection:
            return _filter_for(selection, clause, draft)
    return False


def _filter_for(selection: Selection, clause: Clause, draft: Draft) -> bool:
    """A filter when one field decides and can be chosen by; else a view."""
    names = {one.field for one in selection.when}
    only = clause.record.get(selection.when[0].field)
    if (
        len(names) == 1
        and only
        and only.type in ("choice", "yes/no", "reference")
        and all(one.is_ == "equal" or one.is_ == "not equal" for one in selection.when)
    ):
        clause.record.filters[only.name] = clause.said
        if len(selection.when) == 1 and selection.when[0].is_ == "equal":
            return True
    draft.add_view(view_of(selection, clause.record), clause.said)
    return True


def view_of(selection: Selection, record: RecordDraft) -> View:
    """The page that lists a selection."""
    return View(
        name=identifier(selection.label),
        label=selection.label,
        record=record.name,
        when=selection.when,
        sort=selection.sort,
    )


class Order(NamedTuple):
    """A wish for an order of records."""

    fields: list[FieldDraft]
    down: bool
    lead: bool
    """The list is to be sorted so from the start, not only on demand."""
    unknown: list[str]
    start: int
    """Where in the text it begins."""


_DOWN = (
    r"(?i)\b(?:desc(?:ending)?|description|newest|latest|last|most recent|highest|biggest|largest|most|reverse\w*|down|"
    r"z-a)\b"
)
_SUPERLATIVE = re.compile(
    r"(?i)\b(?P<w>newest|latest|last|most recent|oldest|earliest|soonest|highest|biggest|largest|lowest|smallest|"
    r"cheapest|most expensive|most urgent|best|closest|next|nearest)\b"
    r"(?P<rest>.{0,30}?)\b(?:first|on top|at the top)\b"
)
_ORDER_WORDS = re.compile(
    r"(?i)\b(?:desc(?:ending)?|description$|asc(?:ending)?|newest first|latest first|oldest first|first|"
    r"highest|biggest|largest|lowest|smallest|newest|oldest|latest|reversed?|order|then by|then|by default|"
    r"alphabetically|at the top|on top)\b"
)


def order_in(text: str, record: RecordDraft) -> Order | None:
    """The order that a text asks for; None if it asks for none."""
    match = re.search(r"(?i)\b(?:sort(?:ed|able|ing)?|order(?:ed|ing)?(?= by| alphabet| chrono))\b(?P<rest>.*)$", text)
    first = _SUPERLATIVE.search(text)
    alphabetical = re.search(r"(?i)\balphabetic(?:al|ally)?\b|\ba-z\b|\ba to z\b", text)
    start = (
        min(found.start() for found in (match, first, alphabetical) if found) if match or first or alphabetical else 0
    )
    if match:
        rest = re.sub(r"(?i)^\s*(?:the |my )?(?:list|table|results|\w+)?\s*\bby\b", " ", match["rest"])
        fields, unknown = mentioned(record, _ORDER_WORDS.sub(",", rest))
        unknown = [
            word
            for word in unknown
            if not re.search(r"(?i)\b(?:column|header|click|field|any|all|each|every|name of)\w*\b", word)
        ]
        down = bool(re.search(_DOWN, rest))
        lead = down or (
            bool(re.search(r"(?i)\b(?:sorted|ordered|default)\b", text))
            and not re.search(r"(?i)\b(?:can|could|able|possible|option|click)\b", text)
        )
        if fields or unknown or not (first or alphabetical):
            return Order(fields, down, lead, unknown, start)
    if first:
        word = first["w"].lower()
        fields, _ = mentioned(record, first["rest"])
        one = fields[0] if fields else _best_for(word, record)
        return Order(
            [one] if one else [], bool(re.search(_DOWN, word)) or word in ("most expensive", "best"), True, [], start
        )
    if alphabetical and record.main_text:
        return Order([record.main_text], False, True, [], start)
    return None


def _best_for(word: str, record: RecordDraft) -> FieldDraft | None:
    """The field that "newest" or "cheapest" looks at."""
    if word in ("soonest", "closest", "next", "nearest", "most urgent", "earliest"):
        urgent = find_field(record, "priority") if word == "most urgent" else None
        return urgent or by_role(record, "due") or date_of(record)
    if word in ("newest", "latest", "last", "most recent", "oldest"):
        return date_of(record)
    return next(iter(record.of_type("money", "whole number", "decimal number")), None)


def sorting(clause: Clause, draft: Draft) -> bool:
    """ "sorted by due date", "newest first", "alphabetical"."""
    record = clause.record
    order = order_in(clause.text, record)
    if order is None:
        return False
    fields = order.fields
    for word in order.unknown:
        draft.leave_uncovered(
            f"Sorting {record.plural.lower()} by “{word}”: no field of that name is kept.", clause.said
        )
    if not fields and not order.unknown:
        if order.lead:
            return False
        fields = [
            one for one in record.fields if one.type in ("date", "date-time", "money", "whole number", "text", "choice")
        ][:4]
    selection = select(clause.text[: order.start], record)
    if fields and selection:
        draft.add_view(
            view_of(selection, record).model_copy(update={"sort": fields[0].name, "descending": order.down}),
            clause.said,
        )
    for index, one in enumerate(fields):
        record.sorts[one.name] = clause.said
        if (
            order.lead
            and index == 0
            and selection is None
            and not draft.sort_last_view(record.name, one.name, down=order.down)
            and record.sort is None
        ):
            record.sort, record.descending = one.name, order.down
    return bool(fields or order.unknown)


def paging(clause: Clause, draft: Draft) -> bool:
    """ "20 per page"."""
    match = re.search(
        (
            rf"(?i)\b(?P<n>{NUMBER})\s+(?:\w+\s+){{0,2}}?(?:per|a|on (?:a|one|each)|each) page\b|\bpages? of "
            rf"(?P<n2>{NUMBER})\b|\b(?:paginat\w+|paging|split (?:in|into|over) pages|page by page|multiple "
            rf"pages)\b(?:.*?\b(?P<n3>\d{{1,4}})\b)?"
        ),
        clause.text,
    )
    if not match:
        return False
    digits = next((part for part in match.groups() if part), None)
    clause.record.paging = (max(1, min(500, int(float(number(digits))))) if digits else 25, clause.said)
    return True
