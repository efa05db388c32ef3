"""Sensible defaults where the person said little: usual fields, titles, references, choices; each one is stated."""

import re

from macrohard.llm.builtin.blueprint import Field
from macrohard.llm.builtin.understanding.computing import compute_usually
from macrohard.llm.builtin.understanding.constraints import BELOW_ZERO
from macrohard.llm.builtin.understanding.domains import Domain, domain_of
from macrohard.llm.builtin.understanding.draft import DEFAULT, NUMERIC, Draft, FieldDraft, RecordDraft
from macrohard.llm.builtin.understanding.nouns import kind_of, roles_of, usual_choices
from macrohard.llm.builtin.understanding.references import PARENTS, add_reference, reference_to
from macrohard.llm.builtin.understanding.roles import by_role
from macrohard.llm.builtin.understanding.words import listed, lower_label, singular

_TITLES = (
    "title",
    "name",
    "subject",
    "full name",
    "item",
    "description",
    "task",
    "product",
    "word",
    "question",
    "number",
    "code",
)

_ACTIVE_LINKS = ("Loan", "Rental", "Booking", "Registration", "Movement", "Order line")


_MEASURED = re.compile(
    r"\b(price|cost|fee|rent|amount|quantity|qty|age|seats|capacity|portions?|servings|people|persons|guests|pages|"
    r"copies|minutes|hours|grams?|kilograms?|kg|km|kilomet\w+|weight|distance|year)\b",
    re.I,
)
_BELOW_ZERO = re.compile(
    r"\b(refund|negative|minus|credit|balance|income|temperature|debt|earn|profit|loss|withdraw\w*|correction)|"
    rf"{BELOW_ZERO}|(?<![\w.])[-−][€$£]?\d",
    re.I,
)
_NEVER = re.compile(r"(?:n't|\b(?:cannot|not|never|no))\b[\w ]{0,20}?\b(?:below|under|less than) (?:zero|0)\b", re.I)


def complete(draft: Draft, by_label: dict[str, Domain]) -> None:
    """Fill in what makes each record type usable."""
    for record in draft.records:
        _refer(draft, record)
    for record in draft.records:
        _relate(draft, record, by_label)
        if record.label == "Password" or any(
            re.search(r"password|\bpin\b|credit card|iban|account number|social security", one.label.lower())
            for one in record.fields
        ):
            draft.assume(
                "Warning: what is entered is kept readable and without a login; real passwords, PINs and card "
                "numbers do not belong there."
            )
    for record in draft.records:
        head = record.label.lower().split()[-1]
        if all(
            head not in other.aliases and other.label.lower().split()[-1] != head
            for other in draft.records
            if other is not record
        ):
            record.aliases.add(head)
    for record in draft.records:
        _usual_fields(draft, record, by_label.get(record.label))
        _refer(draft, record)
        _dates_for_times(draft, record)
        _age(draft, record)
        _formulas(draft, record)
        _fill_choices(draft, record)
        _title(draft, record)
        _follow_dates(record)


def measure(draft: Draft, text: str) -> None:
    """What is counted or measured is not less than nothing, unless the text knows of what can be."""
    if _BELOW_ZERO.search(_NEVER.sub("", text)):
        return
    balanced = {
        (made.record, name)
        for record in draft.records
        for one in record.fields
        if (made := one.value.computed) is not None and made.how == "rollup sum"
        for name in made.fields
    }
    for record, one in unbounded(draft):
        # What goes out may be entered as less than nothing where it is summed.
        if (
            one.value.minimum is None
            and not re.match(r"-|0$", one.value.maximum or "")
            and (record.name, one.name) not in balanced
        ):
            one.change("range", DEFAULT, minimum="0")


def unbounded(draft: Draft) -> list[tuple[RecordDraft, FieldDraft]]:
    """What is counted or measured and may be less than nothing."""
    return [
        (record, one)
        for record in draft.records
        for one in record.of_type(*NUMERIC)
        if _MEASURED.search(one.label)
        and one.value.computed is None
        and (one.value.minimum is None or one.value.minimum.startswith("-"))
    ]


def _refer(draft: Draft, record: RecordDraft) -> None:
    """Turn fields named after another record type into references."""
    for one in record.fields:
        if one.type != "text" or one.value.pattern or one.value.unique:
            continue
        for other in draft.records:
            if other is record:
                continue
            names = {other.label.lower(), *other.aliases}
            keys = {singular(one.label.lower()), *one.aliases}
            if names & keys or any(key.removesuffix(" name") in names for key in keys):
                one.value = Field.model_validate(
                    {**one.value.model_dump(), "type": "reference", "references": other.name}
                )
                one.value = one.value.model_copy(update={"min_length": None, "max_length": None})
                if record.get(one.name) and not one.value.required and "optional" not in one.said:
                    one.value = one.value.model_copy(update={"required": True})
                    one.said.setdefault("required", DEFAULT)
                break


def _relate(draft: Draft, record: RecordDraft, by_label: dict[str, Domain]) -> None:
    """Add the references that such a record usually has to others that are kept."""
    domain = by_label.get(record.label)
    kind = domain.label if domain else record.label
    for parent in draft.records:
        parent_domain = by_label.get(parent.label)
        parent_kind = parent_domain.label if parent_domain else parent.label
        if (
            parent is record
            or parent_kind not in PARENTS.get(kind, ())
            or reference_to(record, parent)
            or reference_to(parent, record)
        ):
            continue
        add_reference(draft, record, parent)


def _usual_fields(draft: Draft, record: RecordDraft, domain: Domain | None) -> None:
    stated = [one for one in record.fields if one.type != "reference"]
    domain = domain or domain_of(record.label.lower())
    if domain and len(stated) < 2:
        added = []
        for usual in domain.fields:
            if _has_alike(record, usual):
                continue
            copy = FieldDraft(usual.value, {**usual.said}, set(usual.aliases))
            if copy.value.required:
                copy.said["required"] = DEFAULT
            record.fields.append(copy)
            added.append(lower_label(copy.label))
        order = [one.name for one in domain.fields]
        record.fields.sort(
            key=lambda one: (
                one.type != "reference",
                order.index(one.name)
                if one.name in order and one.name in ("title", "name")
                else 1
                if one.stated
                else 2,
            )
        )
        if added:
            draft.assume(
                f"{record.plural} have the usual fields {listed(added)}, because the text "
                f"{'names only few' if stated else 'does not name any'}."
            )
    elif not record.fields or (not stated and not any(one.type == "reference" for one in record.fields)):
        for text, type_, needed in (("Name", "text", True), ("Notes", "long text", False)):
            record.fields.append(
                FieldDraft(
                    Field.model_validate({"name": text.lower(), "label": text, "type": type_, "required": needed}),
                    {"field": DEFAULT, **({"required": DEFAULT} if needed else {})},
                    {text.lower()},
                )
            )
        draft.assume(f"{record.plural} have a name and notes, because the text does not say what is kept of them.")
    references = [one for one in record.fields if one.type == "reference"]
    has_name = any(
        one.type == "text" and not one.value.choices and not _ABOUT.fullmatch(one.label.lower())
        for one in record.fields
    )
    texts = [one for one in record.fields if one.type == "text" and not _MARKS.fullmatch(one.label.lower())]
    has_name = has_name or (domain is None and bool(texts))
    dated_log = (
        domain is not None
        and domain.fields[0].type in ("date", "date-time")
        and any(record.of_type("date", "date-time"))
    )
    if (
        not has_name
        and not dated_log
        and len(references) < 1
        and not any("title" in roles_of(one.label.lower()) for one in record.fields)
    ):
        ordinary = (
            next((one for one in domain.fields if one.name in ("title", "name", "description")), None)
            if domain
            else None
        )
        title = FieldDraft(
            ordinary.value if ordinary else Field(name="name", label="Name", type="text", required=True),
            {"field": DEFAULT, "required": DEFAULT},
            {(ordinary.label if ordinary else "name").lower()},
        )
        record.fields.insert(0, title)
        draft.assume(
            f"Each {lower_label(record.label)} has a {lower_label(title.label)}, so that it can be told from others."
        )


def _formulas(draft: Draft, record: RecordDraft) -> None:
    """A field that is said to be computed, without how: the usual way, or it is reported."""
    for one in list(record.fields):
        said = one.said.get("computed")
        if said is None or one.value.computed is not None:
            continue
        if not compute_usually(record, one, said):
            draft.leave_uncovered(
                f"How {lower_label(one.label)} is computed is not understood; it is entered instead.", said
            )
            del one.said["computed"]


def _age(draft: Draft, record: RecordDraft) -> None:
    """An age beside a birthday is computed, because it changes by itself."""
    age, born = record.get("age"), by_role(record, "birthday")
    if age and born and age.type in ("whole number", "text") and age.value.computed is None:
        age.value = Field.model_validate(
            {
                **age.value.model_dump(),
                "type": "whole number",
                "required": False,
                "default": None,
                "computed": {"how": "age", "fields": (born.name,)},
            }
        )
        age.said["computed"] = age.said.get("field", DEFAULT)
        draft.assume(f"The age is computed from {lower_label(born.label)}.")


_ABOUT = re.compile(
    r"(?:.* )?(?:borrower|author|location|supplier|company|category|host|status|teacher|.* by|contact|contact "
    r"person|breed|species|colou?r|type|brand|owner|holder|room|genre|place|publisher|responsible person|"
    r"assignee|unit|size|barcode|shelf|department|"
    r"city|street|zip|postcode|country|phone|recipient|from|lent to|friend|winery|grape|manufacturer|model|"
    r"class|customer|client|tags?|keywords?)"
)
_MARKS = re.compile(r"tags?|keywords?")
"""What nothing is called by, whatever it is."""

"""Texts that tell something about a thing and are not what it is called."""


def _has_alike(record: RecordDraft, usual: FieldDraft) -> bool:
    if record.get(usual.name):
        return True
    words = set(usual.label.lower().split())
    for one in record.fields:
        if one.type == "reference" and (
            usual.label.lower() in one.aliases
            or usual.label.lower() == one.label.lower()
            or (usual.label in ("Borrower", "Person", "Name") and record.label in _ACTIVE_LINKS)
        ):
            return True
        if (
            usual.type in ("money", "e-mail", "phone", "choice")
            and one.type == usual.type
            and (usual.type != "choice" or usual.label == one.label)
        ):
            return True
        if words & set(one.label.lower().split()) - {"date", "time", "on", "name", "number", "of"}:
            return True
        if {"title", "name"} & {usual.name} and one.name in ("title", "name", "subject", "description", "item"):
            return True
        shared = (roles_of(usual.label.lower()) & roles_of(one.label.lower())) - {
            "event",
            "title",
            "plain",
            "start",
            "end",
        }
        if shared:
            return True
    return False


def _dates_for_times(draft: Draft, record: RecordDraft) -> None:
    """Times in and out without any date are moments: a date belongs to them."""
    ends = [one for one in record.fields if one.label.lower() in ("from", "to", "until", "till") and one.type == "text"]
    if len(ends) == 2 and not re.search(
        r"trip|flight|ride|journey|travel|drive|transfer|message|letter|call|mail|route|move", record.label.lower()
    ):
        for one in ends:
            one.value = one.value.model_copy(update={"type": "date"})
    day = next(
        (
            one
            for one in record.of_type("date")
            if re.fullmatch(r"(?:.* )?(?:date|day)", one.label.lower())
            and not roles_of(one.label.lower()) & {"due", "birthday", "expiry"}
        ),
        None,
    )
    for one in record.fields:
        if (
            day
            and one is not day
            and one.type == "date"
            and re.fullmatch(r"start|end|from|to|begin|until|starts|ends|finish", one.label.lower())
        ):
            one.value = one.value.model_copy(update={"type": "time"})
    times = [one for one in record.of_type("time") if {"start", "closing", "end"} & roles_of(one.label.lower())]
    if not times or any(record.of_type("date", "date-time")):
        return
    for one in times:
        one.value = one.value.model_copy(update={"type": "date-time"})
    draft.assume(f"{listed([one.label for one in times])} {'are' if len(times) > 1 else 'is'} kept with the date.")
    first = times[0]
    if first.value.default is None and "start" in roles_of(first.label.lower()):
        first.value = first.value.model_copy(update={"default": "now", "required": True})
        first.said.setdefault("default", DEFAULT)
        first.said.setdefault("required", DEFAULT)


def _fill_choices(draft: Draft, record: RecordDraft) -> None:
    for one in record.fields:
        if one.type == "choice" and len(one.value.choices) < 2:
            values, default = usual_choices(one.label.lower())
            domain = domain_of(record.label.lower())
            for usual in domain.fields if domain else ():
                if usual.type == "choice" and (
                    usual.label == one.label or set(usual.label.lower().split()) & set(one.label.lower().split())
                ):
                    values, default = usual.value.choices, usual.value.default
            if values:
                one.value = one.value.model_copy(update={"choices": values, "default": default})
                one.said["choices"] = DEFAULT
                draft.assume(
                    f"{one.label} of {record.plural.lower()} is one of {listed(list(values), 'or')}, because "
                    f"the text does not say which."
                )
            else:
                one.value = one.value.model_copy(update={"type": "text", "choices": ()})
        elif one.type == "yes/no" and one.value.default is None:
            yes = one.label.lower() in ("active", "available", "enabled")
            one.value = one.value.model_copy(update={"default": "yes" if yes else "no"})
        elif (
            (
                one.type == "choice"
                and one.value.default is None
                and any(word in one.label.lower() for word in ("status", "state", "stage"))
                and one.said.get("choices", DEFAULT).words
            )
            and kind_of(one.label.lower()).type == "choice"
            and one.value.choices[0].lower()
            in (
                "open",
                "new",
                "planned",
                "to do",
                "todo",
                "draft",
                "requested",
                "pending",
                "waiting",
                "received",
                "ordered",
                "idea",
                "wanted",
                "applied",
                "backlog",
                "reported",
                "offered",
                "active",
                "lead",
            )
        ):
            one.value = one.value.model_copy(update={"default": one.value.choices[0]})
            one.said.setdefault("default", DEFAULT)


def _title(draft: Draft, record: RecordDraft) -> None:
    """Choose what a record is called, and require it."""
    texts = [
        one
        for one in record.fields
        if one.type in ("text", "e-mail", "web address")
        and not one.value.computed
        and not re.search(r"password|pin$", one.name)
    ]
    chosen = next((one for wanted in _TITLES for one in texts if one.label.lower() == wanted), None)
    chosen = chosen or next(
        (
            one
            for one in texts
            if one.label.lower() == record.label.lower() or one.label.lower() == f"{record.label.lower()} name"
        ),
        None,
    )
    references = [one for one in record.fields if one.type == "reference"]
    if chosen is None and references and not any(one.value.unique or one.value.required for one in texts):
        chosen = references[0]
    chosen = chosen or next((one for one in texts if one.label.lower().endswith(" name")), None)
    chosen = (
        chosen
        or next((one for one in texts if one.value.unique or one.value.required), None)
        or (texts or references or record.fields)[0]
    )
    record.title = chosen.name
    if not chosen.value.required and "optional" not in chosen.said and chosen.type not in ("yes/no",):
        chosen.value = chosen.value.model_copy(update={"required": True})
        chosen.said.setdefault("required", DEFAULT)


def _follow_dates(record: RecordDraft) -> None:
    """A date that is usually today is offered so; defaults that follow an unknown field go."""
    start = by_role(record, "start")
    known = by_role(record, "closing", "due")
    if (
        start
        and start.value.default is None
        and start.type in ("date", "date-time")
        and known
        and known is not start
        and "end" not in roles_of(known.label.lower())
    ):
        start.value = start.value.model_copy(update={"default": "today" if start.type == "date" else "now"})
        start.said.setdefault("default", DEFAULT)
    for one in record.fields:
        default = one.value.default or ""
        if one.type == "date" and " + " in default and record.get(default.split(" + ")[0]) is None:
            source = start if start and start is not one else None
            if source:
                one.value = one.value.model_copy(update={"default": f"{source.name} + {default.split(' + ')[1]}"})
            else:
                one.value = one.value.model_copy(update={"default": f"today+{default.split(' + ')[1]}"})
