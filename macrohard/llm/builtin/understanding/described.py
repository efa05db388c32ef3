"""Lists that are described in one line: "overdue: pupil, book, days late, sorted by days late, filter class"."""

import re
from collections.abc import Iterator

from macrohard.llm.builtin.blueprint import View
from macrohard.llm.builtin.understanding.clauses import Clause, named_record, own_words
from macrohard.llm.builtin.understanding.computing import computed_named, looked_up
from macrohard.llm.builtin.understanding.conditions import select
from macrohard.llm.builtin.understanding.draft import Draft, FieldDraft, RecordDraft, Said
from macrohard.llm.builtin.understanding.fields import split_list
from macrohard.llm.builtin.understanding.finding import filtering, order_in, search, sorting, view_of
from macrohard.llm.builtin.understanding.listing import availability, printing
from macrohard.llm.builtin.understanding.roles import find_field
from macrohard.llm.builtin.understanding.text import Passage, wish_of
from macrohard.llm.builtin.understanding.transfer import exporting

_SECTION = re.compile(r"(?i)\b(?:views?|lists?|reports?|screens?|pages?)\b")


def described(passage: Passage, text: str, draft: Draft, context: RecordDraft | None) -> bool:
    """Understand a passage that names a list and then tells what it shows; False if it is none."""
    in_section = bool(passage.headings) and bool(_SECTION.search(passage.headings[-1]))
    line = re.match(r"(?P<name>[A-Za-z][\w' -]{1,45}?)\s*(?::|\s-\s)\s*(?P<rest>.+)$", text)
    if line is None or (
        not in_section and not re.search(r"(?i)\b(?:list|view|overview|report|page|screen)$", line["name"])
    ):
        return False
    said = Said(words=passage.source, wish=wish_of(passage) == "wish")
    named = named_record(draft, line["name"])
    first = context or named
    others = [one for one in draft.records if one is not first]
    for record in [first, *others] if first else others:
        selection = select(line["name"], record)
        if selection and not (named and named is not record):
            view = _columns(view_of(selection, record), line["rest"], record, draft, said)
            draft.add_view(view, said)
            return True
    whole = named or context
    if whole is not None:
        _whole_list(whole, line["rest"], draft, said, passage.headings)
        return True
    return False


def _pieces(text: str) -> Iterator[str]:
    for piece in re.split(r",\s*|;\s*", text):
        if piece.strip():
            yield piece.strip()


def _columns(view: View, text: str, record: RecordDraft, draft: Draft, whole: Said) -> View:
    """The view with the columns, order and filters that are described."""
    columns: list[str] = []
    filters: list[str] = []
    changes: dict[str, object] = {}
    for piece in _pieces(text):
        said = Said(words=own_words(whole.words, piece), wish=whole.wish)
        if match := re.match(r"(?i)filter(?:ed|s|able)?(?: by| on| for)?\s+(.+)$", piece):
            for part in split_list(match[1].replace("|", ",").replace("/", ",")):
                if one := reachable(part, record, draft):
                    record.filters[one.name] = said
                    filters.append(one.name)
                else:
                    draft.leave_uncovered(f"Filtering “{view.label}” by “{part}”.", said)
        elif match := re.match(r"(?i)(?:sort(?:ed)?|order(?:ed)?)(?: by)?\s+(.+)$", piece):
            bare = re.sub(r"(?i)\b(?:desc\w*|asc\w*|first|newest|highest|lowest|oldest|by)\b", "", match[1])
            if one := reachable(bare, record, draft):
                changes |= {
                    "sort": one.name,
                    "descending": bool(re.search(r"(?i)\b(?:desc\w*|newest|highest|most)\b", match[1])),
                }
                record.sorts[one.name] = said
            else:
                draft.leave_uncovered(f"Sorting “{view.label}” by “{bare.strip()}”.", said)
        elif (order := order_in(piece, record)) and order.fields:
            changes |= {"sort": order.fields[0].name, "descending": order.down}
            record.sorts[order.fields[0].name] = said
        elif one := reachable(re.sub(r"(?i)^(?:shows?|with|and|columns?:?|the|all|only) ", "", piece), record, draft):
            columns.append(one.name)
        elif re.search(r"(?i)\bprint", piece):
            changes["printable"] = True
        elif not select(piece, record):
            draft.leave_uncovered(f"Not understood: “{piece}” in “{view.label}”.", said)
    if columns:
        changes["columns"] = tuple(dict.fromkeys(columns))
    if filters:
        changes["filters"] = tuple(dict.fromkeys(filters))
    return view.model_copy(update=changes)


def _whole_list(record: RecordDraft, text: str, draft: Draft, whole: Said, headings: tuple[str, ...]) -> None:
    """The list of all records, described: "search title|author, filter shelf, shows in/out"."""
    for piece in _pieces(text):
        said = Said(words=own_words(whole.words, piece), wish=whole.wish)
        part = Clause(piece, piece, said, headings, record, True)
        if (
            search(part, draft)
            or filtering(part, draft)
            or sorting(part, draft)
            or exporting(part, draft)
            or printing(part, draft)
        ):
            continue
        shows_state = re.search(
            r"(?i)\bin\s*/\s*out\b|\bout\s*/\s*in\b|available|on loan|lent|borrowed|availability", piece
        )
        if shows_state and availability(record, draft, said):
            continue
        bare = re.sub(r"(?i)^(?:shows?|with|and|list|columns?:?|the|all) ", "", piece)
        if reachable(bare, record, draft) is None:
            draft.leave_uncovered(f"Not understood: “{piece}” for {record.plural.lower()}.", said)


def reachable(phrase: str, record: RecordDraft, draft: Draft) -> FieldDraft | None:
    """A field of the record, one that is computed for it, or one of a record it refers to, made available here."""
    phrase = phrase.strip(" .'\"")
    if not phrase:
        return None
    return find_field(record, phrase) or computed_named(phrase, record, draft) or looked_up(phrase, record, draft)
