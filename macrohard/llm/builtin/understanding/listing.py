"""Finding and listing: search, filters, sorting, paging, views, history, print, export and import."""

import re
from collections.abc import Iterator

from macrohard.llm.builtin.blueprint import Computed, Field, Highlight, View
from macrohard.llm.builtin.understanding.clauses import Clause, named_record
from macrohard.llm.builtin.understanding.completion import reference_to
from macrohard.llm.builtin.understanding.computing import computed_named, looked_up
from macrohard.llm.builtin.understanding.conditions import (
    Selection,
    by_role,
    date_of,
    find_field,
    open_conditions,
    select,
)
from macrohard.llm.builtin.understanding.draft import Draft, FieldDraft, RecordDraft, Said, condition
from macrohard.llm.builtin.understanding.fields import split_list
from macrohard.llm.builtin.understanding.words import NUMBER, identifier, label, lower_label, number, plural

FILTERABLE = ("choice", "yes/no", "reference", "date", "date-time")
_SEARCHABLE = ("text", "long text", "e-mail", "phone", "web address", "reference")
_FILLER = re.compile(
    r"(?i)\b(?:the|a|an|all|any|every|each|their|its|only|just|by|of|in|and|or|with|for|fields?|columns?|also|at least|both|either|part of|whole|full|text|easily|quickly|fast|typing|while|as i type|everywhere|everything|anything|lists?|is|are|be|to|on|me|i|we|you|one|some|if i want|when i want|please|too|as well|possible|possibly|box|bar|field|function|option|button|over|across|within|through|per|from)\b"
)


def mentioned(record: RecordDraft, text: str) -> tuple[list[FieldDraft], list[str]]:
    """The fields that a list such as "name, company or date" names, and the words that name none."""
    found: list[FieldDraft] = []
    unknown: list[str] = []
    for piece in split_list(re.sub(r"(?i)\s+or\s+|/|\||\s+as well as\s+", ", ", text)):
        bare = re.sub(
            r"(?i)^(?:(?:the|a|an|by|in|on|for|with|their|its|all|any|over|of|and|or|only|just|also|both|either|its|from)\s+)+",
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
        r"(?i)\b(?:search(?:able|ing|es|ed)?|find(?:able|ing)?|look(?:ing)? (?:it |them |people |someone )?up|quick(?:ly)? find|type ?ahead)\b(?P<rest>.*)$",
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
            r"(?i)\b(?:typ\w+|keyword|text|part|anything|everything|all|people|person|someone|somebody|things?|quick\w*|fast|name parts?|free|them|it|records?|entries|words?|letters?)\b",
            word,
        )
    ]
    chosen = [one for one in fields if one.type in _SEARCHABLE]
    for one in fields:
        if one not in chosen and one.type in FILTERABLE:
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
                    f"{clause.record.plural} are narrowed down by {lower_label(one.label)} with the search, because it has no fixed values."
                )
        if not fields:
            usual = [one for one in clause.record.fields if one.type in ("choice", "yes/no", "reference")] or [
                one for one in clause.record.fields if one.type in FILTERABLE
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
    only = re.search(
        r"(?i)\b(?:only|just)\s+(?:show|see|list|display|view)\s+(?P<what>.+)$|\b(?:show|see|list|display|view)\s+(?:me\s+)?(?:only|just)\s+(?P<what2>.+)$|\bswitch between (?P<what3>.+)$|\bhide (?P<what4>.+)$",
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
    draft.add_view(_view(selection, clause.record), clause.said)
    return True


def _view(selection: Selection, record: RecordDraft) -> View:
    return View(
        name=identifier(selection.label),
        label=selection.label,
        record=record.name,
        when=selection.when,
        sort=selection.sort,
    )


def sorting(clause: Clause, draft: Draft) -> bool:
    """ "sorted by due date", "newest first", "alphabetical"."""
    record = clause.record
    match = re.search(
        r"(?i)\b(?:sort(?:ed|able|ing)?|order(?:ed|ing)?(?= by| alphabet| chrono))\b(?P<rest>.*)$", clause.text
    )
    first = re.search(
        r"(?i)\b(?P<w>newest|latest|most recent|oldest|earliest|soonest|highest|biggest|largest|lowest|smallest|cheapest|most expensive|most urgent|best|closest|next|nearest)\b(?P<rest>.{0,30}?)\b(?:first|on top|at the top)\b",
        clause.text,
    )
    alphabetical = re.search(r"(?i)\balphabetic(?:al|ally)?\b|\ba-z\b|\ba to z\b", clause.text)
    if not (match or first or alphabetical):
        return False
    if first:
        word = first["w"].lower()
        down = word in ("newest", "latest", "most recent", "highest", "biggest", "largest", "most expensive", "best")
        fields, _ = mentioned(record, first["rest"])
        if not fields:
            if word in ("soonest", "closest", "next", "nearest", "most urgent", "earliest"):
                one = by_role(record, "due") or date_of(record)
                if word == "most urgent" and (urgent := find_field(record, "priority")):
                    one = urgent
            elif word in ("newest", "latest", "most recent", "oldest"):
                one = date_of(record)
            else:
                one = next(iter(record.of_type("money", "whole number", "decimal number")), None)
            fields = [one] if one else []
        if not fields:
            return False
        _sort(record, fields[0], down, clause.said, lead=True)
        return True
    if alphabetical and not (match and mentioned(record, match["rest"].replace("alphabetically", ""))[0]):
        if record.main_text:
            _sort(record, record.main_text, False, clause.said, lead=True)
            return True
        return False
    assert match is not None
    rest = re.sub(r"(?i)^\s*(?:the |my )?(?:list|table|results|\w+)?\s*\bby\b", " ", match["rest"])
    down = bool(
        re.search(
            r"(?i)\b(?:desc(?:ending)?|description|newest|latest|highest|biggest|largest|most|reverse\w*|down)\b", rest
        )
    )
    text = re.sub(
        r"(?i)\b(?:desc(?:ending)?|description$|asc(?:ending)?|newest first|latest first|oldest first|first|highest|biggest|largest|lowest|reversed?|order|then by|then|by default|alphabetically)\b",
        ",",
        rest,
    )
    fields, unknown = mentioned(record, text)
    if not fields:
        fields = (
            [
                one
                for one in record.fields
                if one.type in ("date", "date-time", "money", "whole number", "text", "choice")
            ][:4]
            if not unknown
            else []
        )
        for one in fields:
            record.sorts[one.name] = clause.said
        for word in unknown:
            draft.leave_uncovered(
                f"Sorting {record.plural.lower()} by “{word}”: no field of that name is kept.", clause.said
            )
        return bool(fields or unknown)
    lead = (
        bool(re.search(r"(?i)\b(?:sorted|ordered|default)\b", clause.text))
        and not re.search(r"(?i)\b(?:can|could|able|possible|option|click)\b", clause.text)
        or down
    )
    for index, one in enumerate(fields):
        _sort(record, one, down and index == 0, clause.said, lead=lead and index == 0)
    for word in unknown:
        if not re.search(r"(?i)\b(?:column|header|click|field|any|all|each|every)\w*\b", word):
            draft.leave_uncovered(
                f"Sorting {record.plural.lower()} by “{word}”: no field of that name is kept.", clause.said
            )
    return True


def _sort(record: RecordDraft, one: FieldDraft, down: bool, said: Said, *, lead: bool) -> None:
    record.sorts[one.name] = said
    if lead and record.sort is None:
        record.sort, record.descending = one.name, down


def paging(clause: Clause, draft: Draft) -> bool:
    """ "20 per page"."""
    match = re.search(
        rf"(?i)\b(?P<n>{NUMBER})\s+(?:\w+\s+){{0,2}}?(?:per|a|on (?:a|one|each)|each) page\b|\bpages? of (?P<n2>{NUMBER})\b|\b(?:paginat\w+|paging|split (?:in|into|over) pages|page by page|multiple pages)\b(?:.*?\b(?P<n3>\d{{1,4}})\b)?",
        clause.text,
    )
    if not match:
        return False
    digits = next((part for part in match.groups() if part), None)
    clause.record.paging = (max(1, min(500, int(float(number(digits))))) if digits else 25, clause.said)
    return True


def exporting(clause: Clause, draft: Draft) -> bool:
    """ "export to Excel", "download as CSV"."""
    match = re.search(
        r"(?i)\b(?:export\w*|download\w*|save (?:it |them )?as|back ?up|csv|as (?:an )?excel|(?:open|use|get) (?:it|them) in excel|to (?:excel|cvs|spreadsheet)|(?:for|into) (?:excel|a spreadsheet)|spreadsheet)\b",
        clause.text,
    )
    if not match or re.search(r"(?i)\bimport|\bfrom (?:a )?(?:csv|excel|file|spreadsheet)|upload", clause.text):
        return False
    if re.search(r"(?i)\b(?:pdf|word|json|xml|ical|ics|vcard|html)\b", clause.text) and not re.search(
        r"(?i)csv|excel|spreadsheet", clause.text
    ):
        return False
    if re.search(
        r"(?i)^(?:we|i|they|currently|now).{0,40}\b(?:use|have|used|keep|is|in) .{0,20}(?:excel|spreadsheet)",
        clause.text,
    ) and not re.search(r"(?i)export|download", clause.text):
        return False
    chosen = [
        one
        for one in draft.records
        if re.search(rf"(?i)\b(?:{re.escape(one.label)}|{re.escape(one.plural)})\b", clause.text)
    ] or (
        [clause.record]
        if clause.named
        else draft.records
        if re.search(r"(?i)\b(?:everything|all|each|every)\b", clause.text)
        else [clause.record]
    )
    for one in chosen:
        one.exported = clause.said
    if re.search(r"(?i)excel|xlsx|spreadsheet", clause.text):
        draft.assume("“Excel” is served by a CSV file, which Excel opens.")
    return True


def importing(clause: Clause, draft: Draft) -> bool:
    """ "import pupils from CSV"."""
    if not re.search(
        r"(?i)\bimport\w*\b|\bupload (?:a |an |my |our |the )?(?:csv|excel|list|spreadsheet|file of)|\b(?:load|read|take over|copy) .{0,30}\bfrom (?:a |an |my |our |the )?(?:old )?(?:csv|excel|spreadsheet)",
        clause.text,
    ):
        return False
    if re.search(r"(?i)\bimport (?:duty|tax|licen[cs]e|price|date)", clause.text) or re.search(
        r"(?i)\b(?:from|via) (?:google|outlook|facebook|api|bank|e-?mail|pdf|amazon|isbn|barcode)", clause.text
    ):
        return False
    for one in [
        r for r in draft.records if re.search(rf"(?i)\b(?:{re.escape(r.label)}|{re.escape(r.plural)})\b", clause.text)
    ][:1] or [clause.record]:
        one.imported = clause.said
    if re.search(r"(?i)excel|xlsx", clause.text):
        draft.assume("“Excel” is served by a CSV file, as which Excel saves.")
    return True


def printing(clause: Clause, draft: Draft) -> bool:
    """ "print today's list"."""
    match = re.search(r"(?i)\bprint(?:able|ed|ing|out|s|-out)?\b(?P<rest>.*)$", clause.text)
    if not match or re.search(r"(?i)\b(?:3d|label printer|fingerprint|blueprint|label sheets|barcode)", clause.text):
        return False
    record = clause.record
    selection = select(match["rest"] + " " + clause.text[: match.start()], record)
    if selection is None:
        title = f"{record.plural} to print"
        draft.add_view(View(name=identifier(title), label=title, record=record.name, printable=True), clause.said)
        return True
    draft.add_view(_view(selection, record).model_copy(update={"printable": True}), clause.said)
    return True


_SHOW = r"(?:show(?:s|ing)?|list(?:s|ed|ing)?|see|view(?:s|ing)?|display(?:s|ed|ing)?|overview|report|page|who(?:'s| is| are| has| have| was)?|which|what(?:'s| is)?|give me|get|find|look at|check|tab|section|screen|dashboard|reminder|know|names? of|quick look)"


def viewing(clause: Clause, draft: Draft) -> bool:
    """ "list of overdue loans", "who is in the house now", "show whose birthday is this month"."""
    text = clause.text
    in_views = bool(clause.headings) and bool(
        re.search(r"(?i)\b(?:views?|lists?|reports?|screens?|pages?)\b", clause.headings[-1])
    )
    if (
        not in_views
        and not re.search(rf"(?i)\b{_SHOW}\b", text)
        and not re.search(r"(?i)\b(?:list|overview|report|page)s?$", text.strip(" ."))
        and len(text.split()) > 6
    ):
        return False
    labelled = (
        re.match(
            r"(?i)^(?:v\d+\s*[:.)-]?\s*)?(?P<name>[\w' -]{2,40}?)\s*(?::|\s-\s|\()\s*(?P<rest>.+)$",
            re.sub(r"(?i)^v\d+\s+", "", text),
        )
        if in_views or re.search(r":", text)
        else None
    )
    records = [clause.record] + [one for one in draft.records if one is not clause.record]
    for record in records if not clause.named or in_views else records[:1]:
        selection = select(labelled["name"] if labelled else text, record) or (
            select(text, record) if labelled else None
        )
        if selection is None:
            continue
        view = _view(selection, record)
        if labelled:
            view = _described(view, labelled["rest"], record, draft, clause)
        draft.add_view(view, clause.said)
        return True
    if labelled and in_views:
        record = named_record(draft, labelled["name"]) or clause.record
        _described_list(record, labelled["rest"], draft, clause)
        return True
    return False


def _pieces(text: str) -> Iterator[str]:
    for piece in re.split(r",\s*|;\s*", text):
        if piece.strip():
            yield piece.strip()


def _described(view: View, text: str, record: RecordDraft, draft: Draft, clause: Clause) -> View:
    """Columns, order and filters of a view that is described as "pupil, book, days late, sorted by days late desc"."""
    columns: list[str] = []
    changes: dict[str, object] = {}
    for piece in _pieces(text):
        if match := re.match(r"(?i)(?:sort(?:ed)?|order(?:ed)?)(?: by)?\s+(.+)$", piece):
            down = bool(re.search(r"(?i)\b(?:desc\w*|newest|highest|most)\b", match[1]))
            one = reachable(re.sub(r"(?i)\b(?:desc\w*|asc\w*|first|newest|highest)\b", "", match[1]), record, draft)
            if one:
                changes |= {"sort": one.name, "descending": down}
                record.sorts[one.name] = Said(words=piece, wish=clause.said.wish)
            else:
                draft.leave_uncovered(f"Sorting “{view.label}” by “{match[1]}”.", Said(words=piece))
        elif match := re.match(r"(?i)filter(?:ed|s|able)?(?: by| on| for)?\s+(.+)$", piece):
            for part in split_list(match[1].replace("|", ",").replace("/", ",")):
                one = reachable(part, record, draft)
                if one:
                    record.filters[one.name] = Said(words=piece, wish=clause.said.wish)
                    changes["filters"] = (*changes.get("filters", ()), one.name)  # type: ignore[misc]
                else:
                    draft.leave_uncovered(f"Filtering “{view.label}” by “{part}”.", Said(words=piece))
        else:
            one = reachable(re.sub(r"(?i)^(?:shows?|with|and|columns?:?|the) ", "", piece), record, draft)
            if one:
                columns.append(one.name)
            elif not select(piece, record):
                draft.leave_uncovered(f"Not understood: “{piece}” in “{view.label}”.", Said(words=piece))
    if columns:
        changes["columns"] = tuple(dict.fromkeys(columns))
    return view.model_copy(update=changes)


def _described_list(record: RecordDraft, text: str, draft: Draft, clause: Clause) -> None:
    """The list of all records, described: "search title|author, filter shelf, shows in/out"."""
    for piece in _pieces(text):
        said = Said(words=piece, wish=clause.said.wish)
        part = Clause(piece, piece, said, clause.headings, record, True)
        if (
            search(part, draft)
            or filtering(part, draft)
            or sorting(part, draft)
            or exporting(part, draft)
            or printing(part, draft)
        ):
            continue
        if re.search(
            r"(?i)\bin\s*/\s*out\b|\bout\s*/\s*in\b|available|on loan|lent|borrowed|availability", piece
        ) and availability(record, draft, said):
            continue
        one = reachable(re.sub(r"(?i)^(?:shows?|with|and|list|columns?:?|the|all) ", "", piece), record, draft)
        if one is None:
            draft.leave_uncovered(f"Not understood: “{piece}” for {record.plural.lower()}.", said)


def availability(record: RecordDraft, draft: Draft, said: Said) -> bool:
    """Show whether a thing is out, by the open records that refer to it."""
    for other in draft.records:
        link = reference_to(other, record)
        when = open_conditions(other)
        if link is None or not when:
            continue
        name = f"open_{identifier(other.plural)}"[:40]
        if record.get(name) is None:
            shown = f"Open {other.plural.lower()}"
            one = FieldDraft(
                Field(
                    name=name,
                    label=shown,
                    type="whole number",
                    computed=Computed(how="rollup count", record=other.name, when=when),
                ),
                {"computed": said},
                {shown.lower()},
            )
            record.fields.append(one)
        draft.add_highlight(Highlight(record=record.name, label="Out", when=(condition(name, "more", "0"),)), said)
        draft.add_highlight(Highlight(record=record.name, label="In", when=(condition(name, "equal", "0"),)), said)
        return True
    return False


def reachable(phrase: str, record: RecordDraft, draft: Draft) -> FieldDraft | None:
    """A field of the record, one that is computed for it, or one of a record it refers to, made available here."""
    phrase = phrase.strip(" .'\"")
    if not phrase:
        return None
    return find_field(record, phrase) or computed_named(phrase, record, draft) or looked_up(phrase, record, draft)


def history(clause: Clause, draft: Draft) -> bool:
    """ "pupil history", "all loans of a member", "see which books somebody has borrowed"."""
    text = clause.low
    if not re.search(
        r"\b(?:history|histories|all (?:the |his |her |their )?\w+ (?:of|for|by|per|from)|past|per \w+|each \w+'s|\w+'s \w+|for (?:each|every|a|one|any|this)|of (?:each|every|a|one|any|this|the)|which|belonging|\w+ (?:has|had)|on (?:the|a|each|every) \w+(?:'s)? page|log of)\b",
        text,
    ):
        return False
    for child in draft.records:
        for one in child.fields:
            parent = draft.record(one.value.references or "")
            if parent is None:
                continue
            names_parent = re.search(
                rf"\b(?:{'|'.join(re.escape(n) for n in {parent.label.lower(), parent.plural.lower(), *parent.aliases})})(?:'s|s'|s)?\b",
                text,
            )
            names_child = re.search(
                rf"\b(?:{'|'.join(re.escape(n) for n in {child.label.lower(), child.plural.lower(), *child.aliases})})(?:s)?\b",
                text,
            )
            if names_parent and ("history" in text or names_child) and (names_child or "history" in text):
                if (
                    "history" in text
                    and not names_child
                    and len([r for r in draft.records if any(f.value.references == parent.name for f in r.fields)]) > 1
                    and child.name not in text
                    and child is not _busiest(draft, parent)
                ):
                    continue
                draft.add_history(child.name, one.name, clause.said)
                return True
    return False


def _busiest(draft: Draft, parent: RecordDraft) -> RecordDraft | None:
    return next(
        (
            r
            for r in reversed(draft.records)
            if any(f.value.references == parent.name for f in r.fields) and any(r.of_type("date", "date-time"))
        ),
        None,
    )


def highlighting(clause: Clause, draft: Draft) -> bool:
    """ "highlight low stock", "overdue ones in red", "warn me when milk runs low"."""
    match = re.search(
        r"(?i)\b(?:highlight\w*|in (?:red|orange|yellow|bold|green)|red\b|colou?r(?:ed|s)?|mark(?:ed|s)? (?!(?:as|it as|them as|\w+ as) (?:done|paid|complete|returned|read))|warn\w*|flag\w*|stand(?:s)? out|alert\w*|emphasi\w+|warning|visible when|attention|exclamation|badge when|indicator)\b",
        clause.text,
    )
    if not match or re.search(r"(?i)\b(?:e-?mail|sms|push|whatsapp|notification)\b", clause.text):
        return False
    for record in [clause.record, *(one for one in draft.records if one is not clause.record)]:
        selection = select(clause.text, record)
        if selection:
            draft.add_highlight(Highlight(record=record.name, label=selection.word, when=selection.when), clause.said)
            if selection.word == "Low stock" and re.search(r"(?i)\blist\b", clause.text):
                draft.add_view(_view(selection, record), clause.said)
            return True
    return False


__all__ = [
    "FILTERABLE",
    "exporting",
    "filtering",
    "highlighting",
    "history",
    "importing",
    "label",
    "mentioned",
    "paging",
    "plural",
    "printing",
    "reachable",
    "search",
    "sorting",
    "viewing",
]
