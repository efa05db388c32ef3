"""Values that are shown and never entered, and totals over lists."""

import re

from macrohard.llm.builtin.blueprint import Computed, Condition, Field, FieldType, Total
from macrohard.llm.builtin.understanding.clauses import Clause, named_record
from macrohard.llm.builtin.understanding.completion import reference_to
from macrohard.llm.builtin.understanding.conditions import by_role, date_of, find_field, open_conditions, select
from macrohard.llm.builtin.understanding.draft import DEFAULT, Draft, FieldDraft, RecordDraft, Said
from macrohard.llm.builtin.understanding.words import identifier, label, lower_label, singular

_NUMERIC = ("whole number", "decimal number", "money")


def add_computed(
    record: RecordDraft, shown: str, type_: FieldType, computed: Computed, said: Said, **facts: object
) -> FieldDraft:
    """A computed field; if one of that label is entered so far, it is computed from now on."""
    there = record.get(identifier(shown))
    if there:
        there.value = Field.model_validate(
            {
                **there.value.model_dump(),
                "type": type_,
                "computed": computed.model_dump(),
                "required": False,
                "default": None,
                "references": None,
                "minimum": None,
                "maximum": None,
                **facts,
            }
        )
        there.said.pop("required", None)
        there.said["computed"] = said if said.words else there.said.get("field", DEFAULT)
        return there
    one = FieldDraft(
        Field.model_validate(
            {
                "name": identifier(shown),
                "label": label(shown),
                "type": type_,
                "computed": computed.model_dump(),
                **facts,
            }
        ),
        {"computed": said},
        {shown.lower()},
    )
    record.fields.append(one)
    return one


def computed_named(phrase: str, record: RecordDraft, draft: Draft, said: Said = DEFAULT) -> FieldDraft | None:
    """A value whose name says how it is computed: "days late", "age", "days left"."""
    key = phrase.lower().strip()
    due = by_role(record, "due", "expiry")
    if due and re.fullmatch(
        r"(?:number of )?days (?:late|overdue|over)|(?:how many )?days (?:late|overdue)|how late(?: it is)?|delay(?: in days)?",
        key,
    ):
        return add_computed(
            record,
            "Days late",
            "whole number",
            Computed(how="days late", fields=(due.name,), when=open_conditions(record)),
            said,
        )
    if due and re.fullmatch(
        r"(?:number of |how many )?(?:days|time) (?:left|remaining|until (?:due|deadline|expiry)|to go|until .*)", key
    ):
        return add_computed(record, "Days left", "whole number", Computed(how="days until", fields=(due.name,)), said)
    event = date_of(record)
    if event and re.fullmatch(r"(?:number of |how many )?days (?:left|remaining|to go|until .*)|countdown", key):
        return add_computed(record, "Days left", "whole number", Computed(how="days until", fields=(event.name,)), said)
    if (born := by_role(record, "birthday")) and re.fullmatch(
        r"(?:current |the )?age(?: in years)?|how old (?:he|she|it|they) (?:is|are)", key
    ):
        return add_computed(record, "Age", "whole number", Computed(how="age", fields=(born.name,)), said)
    return None


def looked_up(phrase: str, record: RecordDraft, draft: Draft, said: Said = DEFAULT) -> FieldDraft | None:
    """A field of a record that this one refers to, shown here: the class of a loan's pupil."""
    for one in list(record.fields):
        other = draft.record(one.value.references or "")
        if other is None:
            continue
        found = find_field(other, re.sub(rf"(?i)^{re.escape(one.label)}(?:'s)?\s+", "", phrase))
        if found and found.value.computed is None and found.type != "reference":
            facts = {"choices": found.value.choices} if found.type == "choice" else {}
            return add_computed(
                record,
                f"{one.label} {lower_label(found.label)}",
                found.type,
                Computed(how="lookup", fields=(one.name, found.name)),
                said,
                **facts,
            )
    return None


_TIMES = r"(?:\s+[x*]\s+|\s*\*\s*|\s+times\s+|\s+multiplied (?:by|with)\s+)"


def computing(clause: Clause, draft: Draft) -> bool:
    """ "total = quantity x unit price", "shows the age", "stock is the sum of movements"."""
    text = clause.text
    record = clause.record
    for candidate in [record, *(one for one in draft.records if one is not record)]:
        if match := re.search(
            rf"(?i)(?:\b(?P<n>[a-z][\w ]{{1,30}}?)\s*(?:=|\bis\b|:|\bshould be\b|\b(?:is )?(?:calculated|computed)(?: as| from| by)?(?: the)?)\s*)?\(?(?P<a>[a-z][\w -]{{1,30}}?){_TIMES}(?P<b>[a-z][\w -]{{1,30}})\)?",
            text,
        ):
            first, second = _last_field(match["a"], candidate), _first_field(match["b"], candidate)
            first = first or looked_up(match["a"].split()[-1], candidate, draft)
            second = second or looked_up(match["b"].strip(), candidate, draft)
            if first and second and first is not second and first.type in _NUMERIC and second.type in _NUMERIC:
                money = "money" in (first.type, second.type)
                shown = _result_name(match["n"], "Total")
                currency = {"currency": first.value.currency or second.value.currency} if money else {}
                add_computed(
                    candidate,
                    shown,
                    "money" if money else "decimal number",
                    Computed(how="product", fields=(first.name, second.name)),
                    clause.said,
                    **currency,
                )
                return True
        if match := re.search(
            r"(?i)(?:\b(?P<n>[a-z][\w ]{1,30}?)\s*(?:=|\bis\b|:|\bas\b|\bfrom\b|\bshould be\b)\s*)?\(?(?:the difference (?:between|of) )?(?P<a>[a-z][\w -]{1,30}?)(?:\s+-\s+|\s+minus\s+|(?<=e)\s+and\s+)(?P<b>[a-z][\w -]{1,30})\)?",
            text,
        ):
            first, second = _last_field(match["a"], candidate), _first_field(match["b"], candidate)
            if first and second and first is not second and ("minus" in text or " - " in text or "difference" in text):
                type_ = _difference_type(first, second)
                if type_:
                    if (
                        "difference" in text
                        and re.search(r"start|in|begin|from", first.name)
                        and first.type not in _NUMERIC
                    ):
                        first, second = second, first
                    shown = _result_name(
                        match["n"], "Duration" if first.type in ("time", "date-time") else "Difference"
                    )
                    add_computed(
                        candidate,
                        shown,
                        type_,
                        Computed(how="difference", fields=(first.name, second.name)),
                        clause.said,
                    )
                    return True
        if match := re.search(
            r"(?i)\b(?P<n>[a-z][\w ]{1,30}?)\s*(?:=|\bis\b|\bas\b)\s*(?P<a>[a-z][\w -]{1,30}?)\s*(?:\+|\bplus\b)\s*(?P<b>[a-z][\w -]{1,30})",
            text,
        ):
            first, second = _last_field(match["a"], candidate), _first_field(match["b"], candidate)
            if first and second and first is not second and first.type in _NUMERIC and second.type in _NUMERIC:
                add_computed(
                    candidate,
                    _result_name(match["n"], "Sum"),
                    first.type,
                    Computed(how="sum", fields=(first.name, second.name)),
                    clause.said,
                )
                return True
    if match := re.search(
        r"(?i)\b(?:show|calculate|compute|display|see|shows|know|with|and|the)\b[\w ,]*?\b(?P<w>age|days (?:late|overdue|left|remaining|until \w+)|how (?:late|old)\b[\w ]*)\b|\b(?P<w2>age) (?:is )?(?:calculated|computed|from|automatic\w*)|\bhow many (?P<w3>days (?:late|overdue|left|remaining|until \w+))",
        text,
    ):
        word = (match["w"] or match["w2"] or match["w3"]).lower()
        for candidate in [record, *draft.records]:
            if computed_named(word, candidate, draft, clause.said):
                return True
    if match := re.search(
        r"(?i)\b(?:calculate|compute|computed|calculated|automatically|total hours|duration|hours worked)\b.*\b(?:hours|duration|time|length|nights|days)\b|\b(?:hours|duration|nights|length)\b.*\b(?:calculated|computed|automatic\w*)\b",
        text,
    ):
        for candidate in [record, *draft.records]:
            start, end = by_role(candidate, "start"), by_role(candidate, "closing", "end")
            if start and end and start is not end and (type_ := _difference_type(end, start)):
                name = re.search(r"(?i)\b(?:total )?(hours|duration|nights|length|days)\b", text)
                add_computed(
                    candidate,
                    name.group() if name else "Duration",
                    type_,
                    Computed(how="difference", fields=(end.name, start.name)),
                    clause.said,
                )
                return True
    return _rollup(clause, draft)


def _rollup(clause: Clause, draft: Draft) -> bool:
    """ "the current stock is the sum of movements in minus out", "number of loans of each book"."""
    text = clause.low
    for parent in draft.records:
        for child in draft.records:
            link = reference_to(child, parent)
            if (
                child is parent
                or link is None
                or not re.search(rf"\b(?:{re.escape(child.label.lower())}|{re.escape(child.plural.lower())})\b", text)
            ):
                continue
            per = re.search(
                rf"\b(?:per|for (?:each|every)|of (?:each|every|a|the)|each|every|an?|by) {re.escape(parent.label.lower())}\b|\b{re.escape(parent.label.lower())}(?:'s)?\b.*\b(?:shows?|has|displays?|with)\b",
                text,
            )
            direction = next(
                (one for one in child.of_type("choice") if {"in", "out"} <= {c.lower() for c in one.value.choices}),
                None,
            )
            if (
                re.search(r"\b(?:stock|quantity|balance|level|on hand)\b", text)
                and direction
                and (amount := by_role(child, "quantity"))
            ):
                goes_in = next(c for c in direction.value.choices if c.lower() == "in")
                goes_out = next(c for c in direction.value.choices if c.lower() == "out")
                name = by_role(parent, "quantity")
                shown = name.label if name and "minimum" not in name.name else "Stock"
                add_computed(
                    parent, shown, amount.type,
                    Computed(how="rollup sum", record=child.name, fields=(amount.name,), when=(_is(direction.name, goes_in),), minus_when=(_is(direction.name, goes_out),)),
                    clause.said,
                )  # fmt: skip
                return True
            if not per:
                continue
            if re.search(r"\b(?:number of|how many|count(?: of)?|amount of)\b", text):
                selection = select(text, child)
                shown = f"{'Number of ' if not selection else selection.word + ' '}{child.plural.lower()}"
                add_computed(
                    parent,
                    shown,
                    "whole number",
                    Computed(how="rollup count", record=child.name, when=selection.when if selection else ()),
                    clause.said,
                )
                return True
            if re.search(r"\b(?:total|sum|altogether|overall)\b", text):
                amount = next(
                    (
                        one
                        for one in child.of_type(*_NUMERIC)
                        if re.search(rf"\b{re.escape(one.label.lower())}s?\b", text)
                    ),
                    None,
                ) or next(iter(child.of_type("money", "decimal number", "whole number")), None)
                if amount:
                    shown = f"Total {lower_label(amount.label)}"
                    facts = {"currency": amount.value.currency} if amount.type == "money" else {}
                    add_computed(
                        parent,
                        shown,
                        amount.type,
                        Computed(how="rollup sum", record=child.name, fields=(amount.name,)),
                        clause.said,
                        **facts,
                    )
                    return True
    return False


def _is(name: str, value: str) -> Condition:
    return Condition.model_validate({"field": name, "is": "equal", "value": value})


def _difference_type(first: FieldDraft, second: FieldDraft) -> FieldType | None:
    if first.type in _NUMERIC and second.type in _NUMERIC:
        return "money" if first.type == "money" else first.type
    if first.type == second.type == "date":
        return "whole number"
    if first.type == second.type and first.type in ("time", "date-time"):
        return "decimal number"
    return None


def _result_name(name: str | None, fallback: str) -> str:
    if not name:
        return fallback
    bare = re.sub(
        r"(?i)^(?:.*\b(?:the|a|an|show|calculate|compute|and|its|their|each|of|should|with|line)\s+)+", "", name.strip()
    )
    bare = re.sub(r"(?i)\s*(?:is|are|should|computed|calculated|automatically)$", "", bare).strip()
    return label(bare) if bare and len(bare.split()) <= 3 else fallback


def _last_field(text: str, record: RecordDraft) -> FieldDraft | None:
    words = text.strip().split()
    for start in range(len(words)):
        if one := find_field(record, " ".join(words[start:])):
            return one
    return None


def _first_field(text: str, record: RecordDraft) -> FieldDraft | None:
    words = re.sub(r"(?i)^(?:the|its|a|an) ", "", text.strip()).split()
    for end in range(len(words), 0, -1):
        if one := find_field(record, " ".join(words[:end])):
            return one
    return None


def totalling(clause: Clause, draft: Draft) -> bool:
    """ "total per month", "how many open tasks", "average rating"."""
    text = clause.low
    match = re.search(
        r"\b(?P<w>totals?|sums?|subtotals?|average|avg|mean|how many|how much|number of|count(?:s|er)?|statistics|altogether|overall amount|summary|balance|add(?:ed|s)? up)\b",
        text,
    )
    if not match:
        return False
    word = match["w"]
    record = clause.record
    per = re.search(
        r"\b(?:per|by|for each|for every|each|every|grouped by|of each|a(?= (?:month|week|year|day)\b))\s+(?P<g>[\w -]+?)(?=$|[,.;)]|\s+(?:and|in|with|so|to|over|for|of|on|at|as)\b)",
        text,
    )
    counting = word.startswith(("how many", "number", "count"))
    numbers = [
        one
        for one in record.of_type(*_NUMERIC)
        if not re.search(r"year|rating|phone|number$|minimum|page", one.name)
        or re.search(rf"\b{re.escape(one.label.lower())}s?\b", text)
    ]
    if (
        not counting
        and not numbers
        and (with_numbers := next((r for r in draft.records if r is not record and any(r.of_type("money"))), None))
        and not clause.named
    ):
        record = with_numbers
        numbers = list(record.of_type(*_NUMERIC))
    named = [
        one
        for one in numbers
        if any(re.search(rf"\b{re.escape(alias)}s?\b", text) for alias in {one.label.lower(), *one.aliases})
    ]
    field = (named or sorted(numbers, key=lambda one: one.type != "money") or [None])[0]
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
                f"{'Totals' if how == 'sum' else 'Numbers'} per {singular(phrase.split()[0])}: totals are made per month.",
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
            if group.type not in ("choice", "yes/no", "reference", "date", "date-time"):
                draft.leave_uncovered(
                    f"Totals per {lower_label(group.label)}: it has no fixed values to group by.", clause.said
                )
                group = None
    elif selection is None and re.search(r"\bmonthly\b", text):
        group = date_of(record)
    what = record.plural.lower() if how == "count" else lower_label(field.label) if field else ""
    only = f"{selection.word[0].lower()}{selection.word[1:]} " if selection and how == "count" else ""
    shown = {
        "count": f"{selection.word if selection else 'Number of'} {what}",
        "sum": f"Total {what}",
        "average": f"Average {what}",
    }[how]
    if selection and how != "count":
        shown += f" ({lower_label(selection.word)})"
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
    if per and (second := re.search(r"\b(?:and|,)\s+(?:per |by )?(month|[a-z]+)\s*$", text[per.end() :])) and record:
        other = date_of(record) if second[1] == "month" else find_field(record, second[1])
        if other and group and other is not group and other.type in ("choice", "yes/no", "reference", "date"):
            suffix = "per month" if other.type == "date" else f"per {lower_label(other.label)}"
            draft.add_total(
                Total(
                    record=record.name,
                    label=f"{shown.split(' per ')[0]} {suffix}",
                    how=how,
                    field=field.name if field and how != "count" else None,
                    group_by=other.name,
                ),
                clause.said,
            )
    return True
