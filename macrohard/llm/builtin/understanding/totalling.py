"""Totals, averages and counts over lists."""

import re

from macrohard.llm.builtin.blueprint import Total
from macrohard.llm.builtin.understanding.clauses import Clause, named_record
from macrohard.llm.builtin.understanding.conditions import select
from macrohard.llm.builtin.understanding.draft import DATED, NUMERIC, Draft, FieldDraft
from macrohard.llm.builtin.understanding.roles import date_of, find_field
from macrohard.llm.builtin.understanding.words import lower_label, singular


def totalling(clause: Clause, draft: Draft) -> bool:
    """ "total per month", "how many open tasks", "average rating"."""
    text = clause.low
    match = re.search(
        (
            r"\b(?P<w>totals?|sums?|subtotals?|average|avg|mean|how many|how much|number of|count(?:s|er)?|"
            r"statistics|altogether|overall amount|summary|balance|add(?:ed|s)? up)\b"
        ),
        text,
    )
    plain = re.match(
        r"(?:the |show |see |list )*(?P<what>[a-z][\w -]{1,30}?) (?:per|by|for each|grouped by) (?P<g>[a-z]+)", text
    )
    record = clause.record
    if (
        not match
        and plain
        and (
            one := next(
                (f for r in [record, *draft.records] if (f := find_field(r, plain["what"])) and f.type in NUMERIC), None
            )
        )
    ):
        record = next(r for r in draft.records if any(f is one for f in r.fields))
        match = re.search(re.escape(plain["what"].split()[0]), text)
    if not match:
        return False
    word = match.groupdict().get("w") or "total"
    per = re.search(
        (
            r"\b(?:per|by|for each|for every|each|every|grouped by|of each|a(?= (?:month|week|year|"
            r"day)\b))\s+(?P<g>[\w -]+?)(?=$|[,.;)]|\s+(?:and|in|with|so|to|over|for|of|on|at|as|this|that|"
            r"which|is|please|thanks|too|also)\b)"
        ),
        text,
    )
    counting = word.startswith(("how many", "number", "count"))
    numbers = [
        one
        for one in record.of_type(*NUMERIC)
        if not re.search(r"(?:^|_)year$|rating|phone|number$|minimum|page", one.name)
        or re.search(rf"\b{re.escape(one.label.lower())}s?\b", text)
    ]
    if (
        not counting
        and not numbers
        and (with_numbers := next((r for r in draft.records if r is not record and any(r.of_type("money"))), None))
        and not clause.named
    ):
        record = with_numbers
        numbers = list(record.of_type(*NUMERIC))
    after = re.match(
        r"\s*(?:(?:number|amount|value|cost|price)? ?(?:of )+)?(?:the |all |my |our )*([a-z][\w-]*(?: [a-z][\w-]*)?)",
        text[match.end() :],
    )
    meant = (
        (find_field(record, after[1]) or find_field(record, after[1].split()[0])) if after and not counting else None
    )
    if not counting and meant is None and after:
        for other in draft.records:
            one = find_field(other, after[1]) or find_field(other, after[1].split()[0])
            if other is not record and one and one.type in NUMERIC:
                record, numbers, meant = other, list(other.of_type(*NUMERIC)), one
                break
    if (
        not counting
        and meant is None
        and not any(
            any(re.search(rf"\b{re.escape(alias)}s?\b", text) for alias in {one.label.lower(), *one.aliases})
            for one in numbers
        )
    ):
        for other in draft.records:
            fitting = [
                one
                for one in other.of_type(*NUMERIC)
                if any(re.search(rf"\b{re.escape(alias)}s?\b", text) for alias in {one.label.lower(), *one.aliases})
            ]
            if other is not record and fitting:
                record, numbers, meant = other, list(other.of_type(*NUMERIC)), fitting[0]
                break
    named = [meant] if meant and meant in numbers else []
    named += [
        one
        for one in numbers
        if any(re.search(rf"\b{re.escape(alias)}s?\b", text) for alias in {one.label.lower(), *one.aliases})
    ]
    field = next(iter([*named, *sorted(numbers, key=lambda one: one.type != "money")]), None)
    how = "average" if word in ("average", "avg", "mean") else "count" if counting or field is None else "sum"
    if how == "average" and field is None:
        return False
    selection = select(re.sub(r"\b(?:total|sum|number|count)\b", " ", text[: per.start()] if per else text), record)
    group: FieldDraft | None = None
    if per:
        phrase = per["g"].strip()
        if re.match(r"(?:months?|calendar month)", phrase):
            group = date_of(record)
        elif re.match(r"(?:years?|weeks?|days?|quarters?)\b", phrase):
            draft.leave_uncovered(
                (
                    f"{'Totals' if how == 'sum' else 'Numbers'} per {singular(phrase.split()[0])}: totals are made "
                    f"per month."
                ),
                clause.said,
            )
            group = date_of(record)
        else:
            group = find_field(record, phrase) or next(
                (
                    f
                    for f in record.fields
                    if f.value.references
                    and (r := draft.record(f.value.references))
                    and named_record(draft, phrase) is r
                ),
                None,
            )
            if group is None:
                return False
    elif selection is None and re.search(r"\bmonthly\b", text):
        group = date_of(record)
    if how == "count" and selection is None and group is None and named_record(draft, text) is None:
        return False
    what = record.plural.lower() if how == "count" else lower_label(field.label) if field else ""
    only = f"{selection.word[0].lower()}{selection.word[1:]} " if selection and how == "count" else ""
    shown = {
        "count": f"{selection.word if selection else 'Number of'} {what}",
        "sum": f"Total {what}",
        "average": f"Average {what}",
    }[how]
    if selection and how != "count":
        shown += f" of {lower_label(selection.label)}"
    if group:
        shown += " per month" if group.type in ("date", "date-time") else f" per {lower_label(group.label)}"
    del only
    draft.add_total(
        Total(
            record=record.name,
            label=shown[0].upper() + shown[1:],
            how=how,
            field=field.name if field and how != "count" else None,
            when=selection.when if selection else (),
            group_by=group.name if group else None,
        ),
        clause.said,
    )
    for again in (
        re.finditer(
            (
                r"\b(?:and|,|&|/|or)\s*(?:also )?(?:per|by|for each|for every|each)?\s*(months?|years?|weeks?|"
                r"days?|[a-z]+(?: [a-z]+)?)\b"
            ),
            text[per.end() :],
        )
        if per
        else ()
    ):
        word = again[1]
        if re.fullmatch(r"(?:years?|weeks?|days?)", word):
            draft.leave_uncovered(f"Totals per {singular(word)}: totals are made per month.", clause.said)
            continue
        second = date_of(record) if re.fullmatch(r"months?", word) else find_field(record, word)
        if second and group and second is not group:
            suffix = "per month" if second.type in DATED else f"per {lower_label(second.label)}"
            draft.add_total(
                Total(
                    record=record.name,
                    label=f"{shown.split(' per ')[0]} {suffix}",
                    how=how,
                    field=field.name if field and how != "count" else None,
                    when=selection.when if selection else (),
                    group_by=second.name,
                ),
                clause.said,
            )
    return True
