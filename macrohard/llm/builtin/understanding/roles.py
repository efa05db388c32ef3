"""Which field of a record plays which part: what closes it, when it is due, how many there are."""

import re

from macrohard.llm.builtin.blueprint import Condition
from macrohard.llm.builtin.understanding.draft import DATED, FieldDraft, RecordDraft, condition
from macrohard.llm.builtin.understanding.nouns import Role, kind_of, roles_of
from macrohard.llm.builtin.understanding.words import singular


def by_role(record: RecordDraft, *roles: Role) -> FieldDraft | None:
    """The first field that plays one of the roles, roles tried in order."""
    for role in roles:
        for one in record.fields:
            if (
                (one.value.computed is None or role == "quantity")
                and role in roles_of(one.label.lower())
                and _fits(role, one)
            ):
                return one
        if role == "start":
            for one in record.fields:
                if one.type in DATED and re.fullmatch(r"date|day|when|date and time", one.label.lower()):
                    return one
    return None


def _fits(role: Role, one: FieldDraft) -> bool:
    if role in ("due", "birthday", "event", "expiry"):
        return one.type in DATED
    if role in ("start", "end", "closing"):
        return one.type in (*DATED, "time")
    if role == "quantity" and "minimum stock" in roles_of(one.label.lower()):
        return False
    if role in ("minimum stock", "quantity"):
        return one.type in ("whole number", "decimal number")
    return True


def closing_field(record: RecordDraft) -> FieldDraft | None:
    """The date or time whose being empty means that a record is still open."""
    found = [
        one
        for one in record.fields
        if "closing" in roles_of(one.label.lower()) and one.type in (*DATED, "time") and not one.value.required
    ]
    strong = [one for one in found if "end" not in roles_of(one.label.lower())]
    return next(iter([*strong, *found]), None)


def done_field(record: RecordDraft) -> FieldDraft | None:
    """The yes/no field that says a record is finished with."""
    for one in record.of_type("yes/no"):
        if re.fullmatch(
            (
                r"(?:.* )?(?:done|paid|completed?|finished|returned|closed|resolved|bought|collected|redeemed|"
                r"packed|delivered|shipped|read|watched|checked|handled|settled|picked up|purchased|answered|"
                r"processed|reimbursed|invoiced)"
            ),
            one.label.lower(),
        ):
            return one
    return None


def state_field(record: RecordDraft) -> FieldDraft | None:
    """The choice that says how far a record has come."""
    for one in record.of_type("choice"):
        if re.fullmatch(r"(?:.* )?(?:status|state|stage|progress|phase)", one.label.lower()):
            return one
    return None


_FINAL = (
    r"(?:closed|done|completed?|finished|resolved|paid|delivered|returned|cancell?ed|rejected|archived|hired|won|"
    r"lost|former|old|inactive|redeemed|sold|declined|expired|settled|collected|shipped|failed|passed|mitigated|"
    r"retired|disposed|fixed|solved|answered|approved|no[- ]show|withdrawn|bought|read|watched|checked out)"
)


def open_conditions(record: RecordDraft) -> tuple[Condition, ...]:
    """What holds while a record is not finished with; empty if that cannot be told."""
    if one := done_field(record):
        return (condition(one.name, "equal", "no"),)
    if (one := closing_field(record)) and not (by_role(record, "due") is None and is_period(record)):
        return (condition(one.name, "empty"),)
    if one := state_field(record):
        final = [c for c in one.value.choices if re.fullmatch(_FINAL, c.lower())]
        if final:
            return tuple(condition(one.name, "not equal", value) for value in final)
        if one.value.choices:
            return (condition(one.name, "not equal", one.value.choices[-1]),)
    return ()


def is_period(record: RecordDraft) -> bool:
    """A record with a stated end in advance, e.g. a booking: its end is no sign of being over."""
    return bool(
        re.search(
            (
                r"book|reserv|rental|shift|absence|leave|vacation|event|appointment|course|lesson|holiday|trip|"
                r"season|contract|meeting|slot|stay"
            ),
            record.label.lower(),
        )
    ) and not any(re.search(r"return", one.label.lower()) for one in record.fields)


def open_word(record: RecordDraft) -> str:
    """What a record that is not finished with is called."""
    if one := done_field(record):
        return {"paid": "Unpaid", "returned": "Not returned", "read": "Unread", "bought": "To buy"}.get(
            one.label.lower(), "Open"
        )
    return "Open"


def date_of(record: RecordDraft, *prefer: Role) -> FieldDraft | None:
    """The date a record is about."""
    found = by_role(record, *prefer) if prefer else None
    if found:
        return found
    for wanted in ("date", "time in", "start", "start date", "day"):
        for one in record.of_type(*DATED):
            if one.label.lower() == wanted:
                return one
    found = by_role(record, "start", "event", "due")
    if found and found.type in DATED:
        return found
    return next(iter(one for one in record.of_type(*DATED) if "birthday" not in roles_of(one.label.lower())), None)


def find_field(record: RecordDraft, phrase: str) -> FieldDraft | None:
    """The field of a record that a phrase names: by label or alias, by its head word, or by its type."""
    key = singular(phrase.lower().replace("_", " ").strip(" .'\""))
    if not key:
        return None
    for one in record.fields:
        if key in (one.label.lower(), one.name, singular(one.label.lower())) or key in one.aliases:
            return one
    kind = kind_of(key)
    for one in record.fields:
        words = one.label.lower().split()
        if (
            (
                key == words[0]
                and len(words) > 1
                and not re.match(r"(?:first|last|start|end|date|time|number|new|old|full|home|unit|total|is|has)$", key)
            )
            or key == words[-1]
            or f" {key} " in f" {one.label.lower()} "
        ):
            return one
    if kind.type in ("e-mail", "phone", "web address") or key in (
        "date",
        "day",
        "time",
        "amount",
        "price",
        "due date",
        "deadline",
        "due",
        "money",
        "cost",
    ):
        wanted = {"date": ("date", "date-time"), "day": ("date", "date-time"), "time": ("time", "date-time")}.get(
            key, (kind.type,)
        )
        if key in ("due", "deadline", "due date"):
            return by_role(record, "due")
        return (
            date_of(record)
            if key in ("date", "day")
            else next(iter(one for one in record.fields if one.type in wanted), None)
        )
    if key.startswith("isbn"):
        return next((one for one in record.fields if "isbn" in one.name), None)
    return None
