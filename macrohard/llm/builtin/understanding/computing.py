"""Values that are shown and never entered, and totals over lists."""

import re
from typing import Literal

from macrohard.llm.builtin.blueprint import Computed, Condition, Field, FieldType, Total
from macrohard.llm.builtin.understanding.clauses import Clause
from macrohard.llm.builtin.understanding.conditions import select
from macrohard.llm.builtin.understanding.draft import DEFAULT, NUMERIC, Draft, FieldDraft, RecordDraft, Said
from macrohard.llm.builtin.understanding.references import reference_to
from macrohard.llm.builtin.understanding.roles import by_role, date_of, find_field, open_conditions
from macrohard.llm.builtin.understanding.words import identifier, label, lower_label


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
        (
            r"(?:number of )?days (?:late|overdue|over)|(?:how many )?days (?:late|overdue)|how late(?: it is)?|"
            r"delay(?: in days)?"
        ),
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


_OPERATIONS: tuple[tuple[str, Literal["product", "difference", "sum"]], ...] = (
    (r"(?:\s+[x*]\s+|\s*\*\s*|\s+times\s+|\s+multiplied (?:by|with)\s+)", "product"),
    (r"(?:\s+-\s+|\s+minus\s+|\s+less\s+)", "difference"),
    (r"(?:\s*\+\s*|\s+plus\s+)", "sum"),
)

_GIVES = (
    r"(?:\b(?P<n>[a-z][\w ]{1,40}?)\s*(?:=|\bis\b|:|\bas\b|\bshould be\b|\bmust be\b|\((?:=|is)?|\b(?:is "
    r")?(?:calculated|computed)(?: as| from| by)?(?: the)?)\s*)?"
)


def computing(clause: Clause, draft: Draft) -> bool:
    """ "total = quantity x unit price", "shows the age", "stock is the sum of movements"."""
    if _rollup(clause, draft):
        return True
    for record in [clause.record, *(one for one in draft.records if one is not clause.record)]:
        if _operation(clause, record, draft) or _between(clause, record):
            return True
    match = re.search(
        (
            r"(?i)\b(?:show|calculate|compute|display|see|shows|know|with|and|the)\b[\w ,]*?\b(?P<w>age|days "
            r"(?:late|overdue|left|remaining|until \w+)|how (?:late|old)\b[\w ]*)\b|"
            r"\b(?P<w2>age) (?:(?:is|should|must|be|can|to|gets?) )*(?:calculated|computed|from|automatic\w*|shown|"
            r"displayed|visible|seen)|\bhow many (?P<w3>days (?:late|overdue|left|remaining|until \w+))"
        ),
        clause.text,
    )
    if match:
        word = next(part for part in match.groups() if part).lower()
        return any(computed_named(word, record, draft, clause.said) for record in [clause.record, *draft.records])
    return False


def _operation(clause: Clause, record: RecordDraft, draft: Draft) -> bool:
    """Two fields that are multiplied, subtracted or added."""
    for sign, how in _OPERATIONS:
        match = re.search(
            rf"(?i){_GIVES}\(?(?P<a>[a-z][\w -]{{1,30}}?){sign}(?P<b>[a-z][\w -]{{1,30}})\)?", clause.text
        )
        if match is None:
            continue
        first = _last_field(match["a"], record) or looked_up(match["a"].split()[-1], record, draft)
        second = _first_field(match["b"], record) or looked_up(match["b"].strip(), record, draft)
        type_ = _result_type(first, second, how) if first and second and first is not second else None
        if first is None or second is None or type_ is None:
            continue
        shown = _result_name(
            match["n"],
            {"product": "Total", "sum": "Sum", "difference": "Duration" if type_ == "decimal number" else "Difference"}[
                how
            ],
        )
        currency = first.value.currency or second.value.currency
        made = add_computed(
            record,
            shown,
            type_,
            Computed(how=how, fields=(first.name, second.name)),
            clause.said,
            **({"currency": currency} if type_ == "money" else {}),
        )
        if re.match(
            r"(?i)(?:(?:show|display|calculate|and|the|a|see) )*(?:total|sum|overall)\b.*\b(?:of|value|worth)\b",
            clause.text,
        ):
            label_ = f"Total {lower_label(made.label)}" if "total" not in made.label.lower() else made.label
            draft.add_total(
                Total(
                    record=record.name,
                    label=label_ if label_ != made.label else f"{label_} of all {record.plural.lower()}",
                    how="sum",
                    field=made.name,
                ),
                clause.said,
            )
        return True
    return False


def _result_type(first: FieldDraft, second: FieldDraft, how: str) -> FieldType | None:
    if how == "difference":
        return _difference_type(first, second)
    if first.type not in NUMERIC or second.type not in NUMERIC:
        return None
    if "money" in (first.type, second.type):
        return "money"
    return "whole number" if first.type == second.type == "whole number" else "decimal number"


def _between(clause: Clause, record: RecordDraft) -> bool:
    """The time from start to end: "hours are calculated from start and end"."""
    if not re.search(
        (
            r"(?i)\b(?:calculat\w*|comput\w*|automatic\w*|total hours|difference)\b.*\b(?:hours|duration|time|"
            r"length|nights|days)\b|\b(?:hours|duration|nights|length|days)\b.*\b(?:calculat\w*|comput\w*|"
            r"automatic\w*|difference)\b"
        ),
        clause.text,
    ):
        return False
    start, end = by_role(record, "start"), by_role(record, "closing", "end")
    if not start or not end or start is end or not (type_ := _difference_type(end, start)):
        return False
    name = re.search(r"(?i)\b(?:total )?(hours|duration|nights|length|days)\b(?: (?:worked|stayed))?", clause.text)
    add_computed(
        record,
        name.group() if name else "Duration",
        type_,
        Computed(how="difference", fields=(end.name, start.name)),
        clause.said,
    )
    return True


def compute_usually(record: RecordDraft, one: FieldDraft, said: Said) -> bool:
    """Compute a field as its name suggests: a total from quantity and price, hours from start and end."""
    others = [field for field in record.fields if field is not one and field.value.computed is None]
    price = next((field for field in others if field.type == "money"), None)
    count = by_role(record, "quantity") or next(
        (
            field
            for field in others
            if field.type in ("whole number", "decimal number")
            and re.search(r"hours|days|quantity|number|amount|km|pieces", field.name)
        ),
        None,
    )
    if re.search(r"total|sum|amount|price|value|cost", one.name) and price and count and count is not one:
        currency = {"currency": price.value.currency} if price.value.currency else {}
        add_computed(
            record, one.label, "money", Computed(how="product", fields=(count.name, price.name)), said, **currency
        )
        return True
    start, end = by_role(record, "start"), by_role(record, "closing", "end")
    if (
        re.search(r"hours|duration|days|nights|length|time", one.name)
        and start
        and end
        and start is not end
        and (type_ := _difference_type(end, start))
    ):
        add_computed(record, one.label, type_, Computed(how="difference", fields=(end.name, start.name)), said)
        return True
    return False


def _rollup(clause: Clause, draft: Draft) -> bool:
    """ "the current stock is the sum of movements in minus out", "number of loans of each book"."""
    text = clause.low
    for parent in draft.records:
        for child in draft.records:
            link = reference_to(child, parent)
            if child is parent or link is None:
                continue
            flows = re.search(
                (
                    r"\b(?:sum|total|all|everything|what)\b.*\bins?\b.*\b(?:minus|less|and)\b.*\bouts?\b|\bins? "
                    r"(?:minus|-|less) outs?\b"
                ),
                text,
            )
            if not flows and not re.search(
                rf"\b(?:{re.escape(child.label.lower())}|{re.escape(child.plural.lower())})\b", text
            ):
                continue
            per = re.search(
                (
                    rf"\b(?:per|for (?:each|every)|of (?:each|every|a|the)|each|every|an?|by) "
                    rf"{re.escape(parent.label.lower())}\b|\b{re.escape(parent.label.lower())}(?:'s)?\b.*\b(?:shows"
                    rf"?|has|displays?|with)\b"
                ),
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
                    Computed(how="rollup sum", record=child.name, fields=(amount.name,), when=(_is(direction.name,
                        goes_in),), minus_when=(_is(direction.name, goes_out),)),
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
                        for one in child.of_type(*NUMERIC)
                        if re.search(rf"\b{re.escape(one.label.lower())}s?\b", text)
                    ),
                    None,
                ) or next(iter(child.of_type("money", "decimal number", "whole number")), None)
                if amount:
                    selection = select(text, child)
                    shown = f"{selection.word if selection else 'Total'} {lower_label(amount.label)}"
                    facts = {"currency": amount.value.currency} if amount.type == "money" else {}
                    add_computed(
                        parent,
                        shown,
                        amount.type,
                        Computed(
                            how="rollup sum",
                            record=child.name,
                            fields=(amount.name,),
                            when=selection.when if selection else (),
                        ),
                        clause.said,
                        **facts,
                    )
                    return True
    return False


def _is(name: str, value: str) -> Condition:
    return Condition.model_validate({"field": name, "is": "equal", "value": value})


def _difference_type(first: FieldDraft, second: FieldDraft) -> FieldType | None:
    if first.type in NUMERIC and second.type in NUMERIC:
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
