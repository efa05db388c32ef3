"""Lists of a kind: views, what is printed, history, highlights, what is available."""

import re

from macrohard.llm.builtin.blueprint import Computed, Field, Highlight, Total, View
from macrohard.llm.builtin.understanding.clauses import Clause, named_record
from macrohard.llm.builtin.understanding.conditions import select
from macrohard.llm.builtin.understanding.draft import Draft, FieldDraft, RecordDraft, Said, condition
from macrohard.llm.builtin.understanding.finding import view_of
from macrohard.llm.builtin.understanding.nouns import Role, kind_of
from macrohard.llm.builtin.understanding.references import ensure_field, reference_to
from macrohard.llm.builtin.understanding.roles import by_role, closing_field, find_field, open_conditions
from macrohard.llm.builtin.understanding.words import identifier, plural


def printing(clause: Clause, draft: Draft) -> bool:
    """ "print today's list"."""
    match = re.search(r"(?i)\bprint(?:able|ed|ing|out|s|-out)?\b(?P<rest>.*)$", clause.text)
    if not match or re.search(r"(?i)\b(?:3d|label printer|fingerprint|blueprint|label sheets|barcode)", clause.text):
        return False
    record = clause.record
    selection = select(match["rest"] + " " + clause.text[: match.start()], record)
    if selection is None:
        if one := re.search(
            (
                rf"(?i)\bprint\w*\s+(?:out )?(?:(?:an?|one|single|each|any|the|this|that|"
                rf"individual)\s+)+(?:{re.escape(record.label)}|one|single|entry|record)\b(?!s)|\bprint one\b"
            ),
            clause.text,
        ):
            draft.leave_uncovered(f"Printing a single {record.label.lower()}: “{one.group()}”.", clause.said)
            return True
        if re.search(r"(?i)\b(?:without|that|who|which|only|not|where|with no|whose)\b", match["rest"]):
            return False
        title = f"{record.plural} to print"
        draft.add_view(View(name=identifier(title), label=title, record=record.name, printable=True), clause.said)
        return True
    draft.add_view(view_of(selection, record).model_copy(update={"printable": True}), clause.said)
    return True


_VIEWS_SECTION = re.compile(r"(?i)\b(?:views?|lists?|reports?|screens?|pages?)\b")
_SHOW = (
    r"(?:show(?:s|ing)?|list(?:s|ed|ing)?|see|view(?:s|ing)?|display(?:s|ed|ing)?|overview|report|page|who(?:'s| "
    r"is| are| has| have| was)?|which|what(?:'s| is)?|give me|get|find|look at|check|tab|section|screen|dashboard|"
    r"reminder|know|names? of|quick look)"
)


def viewing(clause: Clause, draft: Draft) -> bool:
    """ "list of overdue loans", "who is in the house now", "show whose birthday is this month"."""
    text = clause.text
    if re.search(
        (
            r"(?i)\b(?:can't|cannot|can not|must not|may not|mustn't|not allowed|not be able|never|nobody|should "
            r"not|shouldn't)\b"
        ),
        text,
    ):
        return False
    if re.search(r"(?i)\b(?:free|available|unbooked|vacant|not booked)\b", text) and not select(
        re.sub(r"(?i)\b(?:today|now|currently)\b", "", text), clause.record
    ):
        return _out(clause, draft)
    in_views = bool(clause.headings) and bool(_VIEWS_SECTION.search(clause.headings[-1]))
    short = len(text.split()) <= 6 or bool(re.search(r"(?i)\b(?:list|overview|report|page)s?$", text.strip(" .")))
    starts = named_record(draft, " ".join(text.split()[:2])) is not None
    if not in_views and not short and not starts and not re.search(rf"(?i)\b{_SHOW}\b", text):
        return False
    if re.search(r"(?i)\b(?:all|history|every)\b", text) and not select(text, clause.record) and history(clause, draft):
        return True
    named = named_record(draft, text)
    if named is not None:
        imply(clause, named)
    undone = re.search(
        (
            r"(?i)\b(?:hasn't|haven't|has not|have not|didn't|did not|not) (?:yet |been |already )*\w+(?:ed|id|nt|ne|"
            r"wn)\b"
        ),
        text,
    )
    dated = select(text, clause.record)
    if (
        undone
        and dated
        and all(one.is_ in ("this month", "today", "within days", "before today") for one in dated.when)
    ):
        return False
    for record in [named] if named is not None and select(text, named) else by_fitness(clause, draft):
        if selection := select(text, record):
            draft.add_view(view_of(selection, record), clause.said)
            if per := re.search(
                r"(?i)\b(?:per|for each|for every|grouped by) (?!month|year|week|day|page)([a-z][\w -]*)$",
                text.strip(" ."),
            ):
                group = find_field(record, per[1])
                if group is not None and group.type in ("reference", "choice", "yes/no"):
                    draft.add_total(
                        Total(
                            record=record.name,
                            label=f"{selection.label} per {group.label.lower()}",
                            how="count",
                            when=selection.when,
                            group_by=group.name,
                        ),
                        clause.said,
                    )
            return True
    return _out(clause, draft) or _by_new_field(clause, draft)


def _by_new_field(clause: Clause, draft: Draft) -> bool:
    """ "who hasn't paid": whether somebody has paid is to be kept, though no list of fields said so."""
    match = re.search(
        (
            r"(?i)\b(?:who|which|whose|people|those|\w+s)\b.*?\b(?P<not>hasn't|haven't|has not|have not|not|didn't|"
            r"did not|isn't|aren't)?\s*(?:yet |been |already )*(?P<word>paid|signed|arrived|answered|confirmed|"
            r"attended|returned|done|finished|registered|collected|vaccinated|insured|approved|invited|replied)\b"
        ),
        clause.text,
    )
    if match is None or kind_of(match["word"].lower()).type != "yes/no" or clause.record.get(identifier(match["word"])):
        return False
    ensure_field(clause.record, match["word"].lower(), clause.said, type="yes/no", default="no")
    selection = select(clause.text, clause.record)
    if selection is None:
        return False
    draft.add_view(view_of(selection, clause.record), clause.said)
    return True


_IMPLIED: tuple[tuple[str, tuple[Role, ...], str], ...] = (
    (r"\bdue\b|overdue|deadline|\blate\b", ("due", "expiry"), "due date"),
    (r"\bexpir\w+|best before|out of date", ("expiry",), "expiry date"),
    (r"\bbirthdays?\b", ("birthday",), "birthday"),
)


def imply(clause: Clause, record: RecordDraft) -> None:
    """Keep the date that a wish takes for granted: a list of overdue tasks needs due dates."""
    for pattern, roles, name in _IMPLIED:
        if re.search(pattern, clause.low) and by_role(record, *roles) is None:
            ensure_field(record, name, clause.said)


def by_fitness(clause: Clause, draft: Draft) -> list[RecordDraft]:
    """The record types in the order in which a clause is likely about them."""
    others = [one for one in draft.records if one is not clause.record]
    order = [clause.record, *others]
    if re.search(r"(?i)\b(?:stock|re-?order|running low|minimum|low on)\b", clause.text):
        order.sort(key=lambda one: by_role(one, "minimum stock") is None)
    return order


def _out(clause: Clause, draft: Draft) -> bool:
    """ "which bikes are out": the open records that refer to bikes."""
    if not re.search(rf"(?i)\b{_SHOW}\b", clause.text) or not re.search(
        (
            r"(?i)\b(?:out|on loan|lent|borrowed|rented(?: out)?|checked out|in use|given out|available|free|not "
            r"available|taken|away|who has)\b"
        ),
        clause.text,
    ):
        return False
    for child in draft.records:
        for one in child.fields:
            parent = draft.record(one.value.references or "")
            when = open_conditions(child)
            if parent is None or not when or parent is not clause.record:
                continue
            if re.search(r"(?i)\b(?:available|free)\b", clause.text):
                return closing_field(child) is not None and availability(parent, draft, clause.said)
            shown = f"{parent.plural} out"
            draft.add_view(View(name=identifier(shown), label=shown, record=child.name, when=when), clause.said)
            return True
    return False


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


def history(clause: Clause, draft: Draft) -> bool:
    """ "pupil history", "all loans of a member", "see which books somebody has borrowed"."""
    text = clause.low
    if not re.search(
        (
            r"\b(?:history|histories|all (?:the |his |her |their )?\w+ (?:of|for|by|per|from)|past|per \w+|each "
            r"\w+'s|\w+'s \w+|for (?:each|every|a|one|any|this)|of (?:each|every|a|one|any|this|the)|which|"
            r"belonging|\w+ (?:has|had)|on (?:the|a|each|every) \w+(?:'s)? page|log of)\b"
        ),
        text,
    ):
        return False
    for child in draft.records:
        for one in child.fields:
            parent = draft.record(one.value.references or "")
            if parent is None:
                continue
            names_parent = re.search(
                (
                    rf"\b(?:"
                    rf"{'|'.join(re.escape(n) for n in {parent.label.lower(), parent.plural.lower(), *parent.aliases})}"
                    rf")(?:'s|s'|s)?\b"
                ),
                text,
            )
            names_child = re.search(
                (
                    rf"\b(?:"
                    rf"{'|'.join(re.escape(n) for n in {child.label.lower(), child.plural.lower(), *child.aliases})}"
                    rf")(?:s)?\b"
                ),
                text,
            )
            if names_parent and _through(text, child, one, draft):
                draft.add_history(child.name, one.name, clause.said)
                return True
            spoken = any(re.search(rf"\b{re.escape(plural(one_.label.lower()))}\b", text) for one_ in child.fields)
            if names_parent and not names_child and spoken and re.search(r"\ball\b|\bof (?:a|each|every|the)\b", text):
                draft.add_history(child.name, one.name, clause.said)
                return True
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


def _through(text: str, child: RecordDraft, link: FieldDraft, draft: Draft) -> bool:
    """ "all books a member has borrowed": the loans of a member, because a loan joins both."""
    if not re.search(r"\b(?:has|have|had|was|were|did|is|are)\b|\bof\b|\bby\b|\bfor\b", text):
        return False
    for one in child.fields:
        other = draft.record(one.value.references or "")
        if (
            other is not None
            and one is not link
            and re.search(rf"\b(?:{re.escape(other.plural.lower())}|what|which)\b", text)
            and re.search(
                rf"\b(?:borrow|rent|book|order|visit|attend|lent|loan|{re.escape(child.label.lower()[:5])})\w*\b", text
            )
        ):
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
        (
            r"(?i)\b(?:highlight\w*|in (?:red|orange|yellow|bold|green)|red\b|colou?r(?:ed|s)?|mark(?:ed|s)? "
            r"(?!(?:as|it as|them as|\w+ as) (?:done|paid|complete|returned|read))|warn\w*|flag\w*|stand(?:s)? out|"
            r"alert\w*|emphasi\w+|warning|visible when|attention|exclamation|badge when|indicator)\b"
        ),
        clause.text,
    )
    if not match or re.search(r"(?i)\b(?:e-?mail|sms|push|whatsapp|notification)\b", clause.text):
        return False
    for record in by_fitness(clause, draft):
        selection = select(clause.text, record)
        if selection:
            draft.add_highlight(Highlight(record=record.name, label=selection.word, when=selection.when), clause.said)
            if selection.word == "Low stock" and re.search(r"(?i)\blist\b", clause.text):
                draft.add_view(view_of(selection, record), clause.said)
            return True
    if draft.last and draft.last[1] and re.search(r"(?i)\b(?:it|them|those|these|that|they)\b", clause.text):
        name, when, word = draft.last
        draft.add_highlight(Highlight(record=name, label=word, when=when), clause.said)
        return True
    return False
