"""What "overdue", "open", "low stock", "customers" or "this month" ask of a record."""

import re
from typing import NamedTuple

from macrohard.llm.builtin.blueprint import Condition
from macrohard.llm.builtin.understanding.draft import DATED, FieldDraft, RecordDraft, condition
from macrohard.llm.builtin.understanding.nouns import roles_of
from macrohard.llm.builtin.understanding.roles import (
    by_role,
    closing_field,
    date_of,
    done_field,
    is_period,
    open_conditions,
    open_word,
)
from macrohard.llm.builtin.understanding.words import NUMBER, number, plural, singular


class Selection(NamedTuple):
    """Conditions with what such records are called."""

    when: tuple[Condition, ...]
    label: str
    """E.g. "Overdue loans"."""
    word: str
    """E.g. "Overdue"."""
    sort: str | None = None


def select(phrase: str, record: RecordDraft) -> Selection | None:
    """The records of a type that a phrase means; None if it says nothing about which."""
    text = f" {phrase.lower()} "
    things = record.plural

    if re.search(r"birthday|date of birth|born", text) and (one := by_role(record, "birthday")):
        if "today" in text:
            return None
        if re.search(r"month|upcoming|coming|soon|next", text):
            return Selection(
                (condition(one.name, "anniversary this month"),),
                "Birthdays this month",
                "Birthday this month",
                one.name,
            )

    parts: list[Selection] = []
    for reader in (_choice_values, _overdue, _current, _dates, _open, _stock, _yes_no, _compared, _emptiness):
        if found := reader(text, record):
            if all(condition_ in [c for part in parts for c in part.when] for condition_ in found.when):
                continue
            parts.append(found)
            if reader is _overdue:
                break
            text = _without(text, found)
    if not parts:
        return None
    when = tuple({c.model_dump_json(): c for part in parts for c in part.when}.values())
    if len(parts) == 1:
        only = parts[0]
        return only._replace(when=when, label=only.label or f"{only.word} {things.lower()}")
    words = " ".join(
        part.word if index == 0 else part.word[0].lower() + part.word[1:] for index, part in enumerate(parts)
    )
    first = parts[0].word
    later = ", ".join(part.word[0].lower() + part.word[1:] for part in parts[1:])
    return Selection(
        when, f"{first} {things.lower()} {later}".strip(), words, next((part.sort for part in parts if part.sort), None)
    )


def _without(text: str, found: Selection) -> str:
    return re.sub(rf"\b{re.escape(found.word.lower())}\b", " ", text)


def _choice_values(text: str, record: RecordDraft) -> Selection | None:
    for one in record.of_type("choice"):
        found = []
        rest = text
        for value in sorted(one.value.choices, key=len, reverse=True):
            pattern = rf"(?<![\w-])(?:{re.escape(value.lower())}|{re.escape(plural(value.lower()))})(?![\w-])"
            if len(value) > 1 and re.search(pattern, rest):
                found.append(value)
                rest = re.sub(pattern, " # ", rest)
        if not found:
            continue
        if re.search(
            r"\b(?:not|non|isn't|aren't|hasn't|except|neither|other than|un)[-\s]*(?:yet |been |either )*\s*#", rest
        ):
            when = tuple(condition(one.name, "not equal", value) for value in found)
            low = " or ".join(value.lower() for value in found)
            return Selection(when, f"{record.plural} not {low}", f"Not {low}")
        if len(found) > 1 and re.search(r"#\s*(?:,|or|and|/)\s*#", rest):
            others = [value for value in one.value.choices if value not in found]
            shown = " or ".join(value if index == 0 else value.lower() for index, value in enumerate(found))
            return (
                Selection(
                    tuple(condition(one.name, "not equal", value) for value in others),
                    f"{shown} {record.plural.lower()}",
                    shown,
                )
                if others
                else None
            )
        value = found[0]
        many = plural(value)
        alone = re.fullmatch(
            rf"\W*{re.escape(many.lower())}\W*", re.sub(r"\b(?:only|just|all|the|show|list|of|me)\b", " ", text)
        )
        label = (
            many
            if alone and singular(value.lower()) == value.lower()
            else f"{value} priority"
            if "priority" in one.label.lower()
            else f"{value} {record.plural.lower()}"
        )
        return Selection((condition(one.name, "equal", value),), label, value)
    return None


def _overdue(text: str, record: RecordDraft) -> Selection | None:
    if not re.search(
        (
            r"\b(?:over-?due|past due|late(?! fee)|too late|past (?:the |their |its )?(?:due date|deadline)|missed "
            r"(?:the )?deadline|behind schedule|due date (?:has |is )?(?:passed|over|in the past)|deadline (?:has |"
            r"is )?(?:passed|over))\b"
        ),
        text,
    ):
        return None
    one = by_role(record, "due", "expiry") or None
    if one is None:
        return None
    return Selection((condition(one.name, "before today"), *open_conditions(record)), "", "Overdue", one.name)


def _dates(text: str, record: RecordDraft) -> Selection | None:
    if expiry := by_role(record, "expiry"):
        if match := re.search(
            (
                rf"(?:expir\w*|run(?:ning|s)? out|ends?|ending|renew\w*|due)\b.*?\b(?:in|within|next)(?: the)?(?: "
                rf"next| coming)? (?P<n>{NUMBER})?\s*(?P<u>days?|weeks?|months?)"
            ),
            text,
        ):
            days = _days(match["n"], match["u"])
            return Selection(
                (condition(expiry.name, "within days", str(days)),), "", f"Expiring within {days} days", expiry.name
            )
        if re.search(
            (
                r"expir\w+ (?:soon|this month)|about to expire|(?:up for|upcoming|due for) renewal|soon to expire|"
                r"expires soon"
            ),
            text,
        ):
            kind = "this month" if "this month" in text else "within days"
            return Selection(
                (condition(expiry.name, kind, None if kind == "this month" else "30"),),
                "",
                "Expiring this month" if kind == "this month" else "Expiring soon",
                expiry.name,
            )
        if re.search(r"\bexpired\b|no longer valid|out of date", text):
            return Selection((condition(expiry.name, "before today"),), "", "Expired", expiry.name)
        if re.search(r"\b(?:still )?valid\b|not expired", text):
            return Selection((condition(expiry.name, "not before today"),), "", "Valid", expiry.name)
    spoken = _spoken_date(text, record)
    due_like = bool(re.search(r"\bdue\b|deadline|coming up|upcoming|follow[- ]?up", text))
    one = spoken or (date_of(record, "due") if due_like and by_role(record, "due") else date_of(record))
    due = due_like and by_role(record, "due") is not None
    if one is None:
        return None
    extra = open_conditions(record) if due else ()
    word = "Due " if due else f"{one.label} " if spoken and one is not date_of(record) else ""
    if match := re.search(
        (
            rf"\b(?:in|within|for|over)? ?(?:the )?(?:next|coming) (?P<n>{NUMBER})?\s*(?P<u>days?|weeks?|"
            rf"months?)\b|\b(?:in|within) (?P<n2>{NUMBER}) (?P<u2>days?|weeks?)\b"
        ),
        text,
    ):
        days = _days(match["n"] or match["n2"], match["u"] or match["u2"])
        shown = "Due within" if due else "Within"
        return Selection(
            (condition(one.name, "within days", str(days)), *extra),
            f"{record.plural} due within {days} days" if due else f"{record.plural} in the next {days} days",
            f"{shown} {days} days",
            one.name,
        )
    if re.search(r"\btoday(?:'s)?\b|\bfor the day\b|\bdaily (?:list|sheet|overview)\b|\bof the day\b", text):
        return Selection(
            (condition(one.name, "today"), *extra),
            f"{record.plural} due today" if due else f"{record.plural} today",
            f"{word}today".capitalize(),
            one.name,
        )
    if re.search(r"\bthis week(?:'s)?\b|\bweek'?s\b|\bdue soon\b|\bweekly (?:list|overview|agenda)\b", text):
        return Selection(
            (condition(one.name, "within days", "7"), *extra),
            f"{record.plural} due this week" if due else f"{record.plural} this week",
            f"{word}this week".capitalize(),
            one.name,
        )
    if re.search(r"\b(?:this|current) month(?:'s)?\b|\bmonth'?s\b", text):
        return Selection(
            (condition(one.name, "this month"), *extra),
            f"{record.plural} due this month" if due else f"{record.plural} this month",
            f"{word}this month".capitalize(),
            one.name,
        )
    if re.search(r"\b(?:upcoming|future|coming(?: up)?|next|planned ahead|ahead)\b", text) and one.type in DATED:
        return Selection((condition(one.name, "not before today"), *extra), "", "Upcoming", one.name)
    if re.search(r"\b(?:past|previous|earlier|former events)\b", text) and one.type in DATED:
        return Selection((condition(one.name, "before today"),), "", "Past", one.name)
    return None


def _spoken_date(text: str, record: RecordDraft) -> FieldDraft | None:
    """The date that a text speaks of, by its name or by a verb: "membership ends", "returned this month"."""
    for one in record.of_type("date", "date-time"):
        for alias in {one.label.lower(), *one.aliases}:
            if re.search(rf"\b{re.escape(alias)}\b", text):
                return one
        stem = re.sub(r"(?i)\b(?:date|time|day|on|at|last|next|of|the|until|since)\b", " ", one.label.lower()).split()
        if (
            stem
            and len(stem[0]) > 2
            and re.search(rf"\b{re.escape(stem[0][:6].rstrip('e'))}\w{{0,4}}\b", text)
            and stem[0] not in record.label.lower()
        ):
            return one
    return None


def _days(count: str | None, unit: str) -> int:
    size = {"d": 1, "w": 7, "m": 30}[unit[0]]
    return int(float(number(count))) * size if count else size


_INSIDE = (
    r"\b(?:in the (?:house|building|office)|inside|in house|on[- ]site|on the premises|present(?: now)?|checked[- "
    r"]in|still (?:here|in|inside)|(?:is|are) (?:currently )?(?:here|in|there)(?: now| right now| at the moment)|"
    r"here (?:now|right now)|in (?:now|right now)|currently (?:in|here|inside)|not (?:yet )?(?:checked|signed) out|"
    r"haven't (?:left|checked out))\b"
)

_OUT = (
    r"\b(?:on loan|lent(?: out)?|borrowed|loaned(?: out)?|(?:is|are|currently|still|books|items|tools|what's) "
    r"out\b|out (?:now|right now|at the moment)|checked[- ]out|out on loan|not (?:yet )?(?:returned|back|been "
    r"returned)|unreturned|outstanding|still out|rented(?: out)?|haven't (?:been )?(?:returned|brought back)|given "
    r"out|issued)\b"
)

_OPEN = (
    r"\b(?:open|pending|outstanding|unfinished|incomplete|not (?:yet )?(?:done|finished|completed?|closed|resolved|"
    r"paid)|undone|un(?:paid|resolved|completed|read|watched)|still (?:open|to do|due)|to[- ]do|current(?:ly)?(?: "
    r"running| ongoing)?|ongoing|running|remaining|left to do|active|haven't (?:paid|been paid)|owe\w*)\b"
)

_CLOSED = r"\b(?:done|finished|completed?|closed|resolved|returned|paid|bought|read|watched|settled)\b"

_NOT_CLOSED = rf"\b(?:not|\w+n't|never|yet to be|still to be)(?: yet| been| being| have| be| yet been)*\s+{_CLOSED[2:]}"

_NOW = r"\b(?:today|now|currently|at the moment|right now|at present|this moment)\b"


def _current(text: str, record: RecordDraft) -> Selection | None:
    """Periods that today lies in: who is away today."""
    start, end = by_role(record, "start"), by_role(record, "end", "closing", "expiry")
    if (
        start is None
        or end is None
        or start is end
        or start.type != "date"
        or end.type != "date"
        or not re.search(_NOW, text)
    ):
        return None
    word = re.search(
        (
            r"\b(?:away|absent|on (?:holiday|leave|vacation)|out of (?:the )?office|sick|off|staying|occupied|"
            r"running|active|valid|checked in|living|booked|taken|rented|here|ongoing|there)\b"
        ),
        text,
    )
    if word is None or (open_conditions(record) and closing_field(record) is end and not is_period(record)):
        return None
    shown = f"{word.group().capitalize()} {'today' if 'today' in text else 'now'}"
    return Selection(
        (condition(start.name, "not after today"), condition(end.name, "not before today")), shown, shown, start.name
    )


def _open(text: str, record: RecordDraft) -> Selection | None:
    when = open_conditions(record)
    if not when:
        return None
    if re.search(_INSIDE, text) and closing_field(record):
        return Selection(
            when,
            "In the house now"
            if "house" in text
            else "Here now"
            if not re.search("building|office|site|inside", text)
            else "Inside now",
            "In the house",
        )
    if (
        re.search(_OUT, text)
        and (closing_field(record) or done_field(record))
        and not re.search(r"check(?:ed)?[- ]?in", " ".join(f.label.lower() for f in record.fields))
    ):
        word = "On loan" if re.search(r"loan|len[dt]|borrow", text + record.label.lower()) else "Out now"
        return Selection(when, word, word)
    active = next((one for one in record.of_type("yes/no") if one.label.lower() == "active"), None)
    if active and re.search(r"\bactive\b", text):
        return None
    if (re.search(_OPEN, text) and not re.search(r"\bformer\b", text)) or re.search(_NOT_CLOSED, text):
        return Selection(when, "", "Current" if "current" in text and closing_field(record) else open_word(record))
    done = done_field(record)
    if (
        done
        and re.search(_CLOSED, text)
        and re.search(rf"\b{re.escape(done.label.lower())}\b|\b(?:done|finished|completed)\b", text)
    ):
        return Selection((condition(done.name, "equal", "yes"),), "", done.label)
    closing = closing_field(record)
    if (
        closing
        and when[0].field == closing.name
        and re.search(rf"{_CLOSED}|\b(?:former|ex|past|gone|departed)\b", text)
    ):
        return Selection(
            (condition(closing.name, "not empty"),),
            "",
            "Former" if "former" in text else "Closed" if "return" not in closing.label.lower() else "Returned",
        )
    return None


def _stock(text: str, record: RecordDraft) -> Selection | None:
    quantity, least = by_role(record, "quantity"), by_role(record, "minimum stock")
    if quantity and least is quantity:
        quantity = next(
            (
                one
                for one in record.fields
                if one is not least
                and "quantity" in roles_of(one.label.lower())
                and "minimum stock" not in roles_of(one.label.lower())
            ),
            None,
        )
    if quantity is None:
        return None
    if re.search(r"\b(?:out of stock|sold out|none left|nothing left|used up|run out|empty|ran out)\b", text):
        return Selection((condition(quantity.name, "at most", "0"),), "Out of stock", "Out of stock")
    if match := re.search(
        r"\b(?:below|under|less than|fewer than|drops? (?:below|under)|at most|or less|<=?)\s*(?P<n>\d[\d.]*)\b", text
    ):
        is_ = "at most" if re.search(r"at most|<=", match.group()) else "less"
        return Selection((condition(quantity.name, is_, match["n"]),), "Low stock", "Low stock")
    low = (
        r"\b(?:low (?:on )?stock|low on|(?:running|runs|is|are|gets?|getting) low|low (?:quantity|items|inventory|"
        r"level)|stock is low|need(?:s|ing)? (?:to be )?(?:re-?order\w*|refill\w*|restock\w*|buying)|to (?:be "
        r")?re-?order(?:ed)?|re-?order (?:list|soon)|almost (?:out|gone|empty)|(?:below|under|reach\w*|less than|"
        r"lower than|drops? (?:below|under)|goes (?:below|under)|falls? (?:below|under)|at or below|at or under) "
        r"(?:or (?:at|equal to) )?(?:the |its |their |a |this )?(?:min\w*|threshold|re-?order|limit|safety|that)|"
        r"restock|refill|low[- ]stock)"
    )
    if re.search(low, text):
        if least:
            strict = (
                bool(
                    re.search(
                        (
                            r"\b(?:below|under|less than|lower than|drops? (?:below|under)|falls? (?:below|under)|"
                            r"goes (?:below|under))\b"
                        ),
                        text,
                    )
                )
                and "at or" not in text
                and "or equal" not in text
            )
            return Selection(
                (condition(quantity.name, "less" if strict else "at most", other=least.name),), "Low stock", "Low stock"
            )
        return Selection((condition(quantity.name, "at most", "5"),), "Low stock", "Low stock")
    return None


def _bare(label: str) -> str:
    """ "receipt" for "receipt sent": without one, none was sent."""
    return re.sub(r" (?:sent|given|paid|received|signed|done|returned|issued|attached|checked)$", "", label)


def _yes_no(text: str, record: RecordDraft) -> Selection | None:
    for one, low in (
        (field, name)
        for field in record.of_type("yes/no")
        for name in {field.label.lower(), *field.aliases, _bare(field.label.lower())}
    ):
        if re.search(
            (
                rf"\b(?:not|non|isn't|aren't|haven't|hasn't|has not|have not|didn't|did not|doesn't|don't|never|"
                rf"wasn't|weren't|no|without|in|un)[- ]?(?:yet |been |being |have |be )*{re.escape(low)}\b"
            ),
            text,
        ):
            prefix = next((p for p in ("in", "un") if f"{p}{low}" in text), None)
            word = (
                f"{prefix}{low}".capitalize()
                if prefix
                else f"Not {low}"
                if low == one.label.lower()
                else f"Without {low}"
            )
            return Selection(
                (condition(one.name, "equal", "no"),),
                "" if prefix else f"{record.plural} {word[0].lower()}{word[1:]}",
                word,
            )
        if re.search(rf"\b{re.escape(low)}s?\b", text):
            return Selection((condition(one.name, "equal", "yes"),), "", one.label)
    return None


def _compared(text: str, record: RecordDraft) -> Selection | None:
    for one in record.of_type("whole number", "decimal number", "money"):
        names = sorted((re.escape(alias) for alias in {one.label.lower(), *one.aliases}), key=len, reverse=True)
        match = re.search(
            (
                rf"\b(?:{'|'.join(names)})\b(?: (?:is|are|of|value|goes|drops|falls|was))*\s*(?P<op>at least|at "
                rf"most|more than|less than|over|under|above|below|greater than|higher than|lower than|exceeds|"
                rf"equal to|of|>=|<=|>|<|=)\s*(?:€|\$|£)?(?P<n>\d[\d.,]*)"
                rf"|(?P<op2>at least|at most|more than|less than|over|under|above|below)\s*(?:€|\$|"
                rf"£)?(?P<n2>\d[\d.,]*)\s*(?:euros?|dollars?|pounds?)?\s*(?:{'|'.join(names)})\b"
            ),
            text,
        )
        if match:
            op, value = match["op"] or match["op2"], number((match["n"] or match["n2"]).rstrip(".,"))
            is_ = {
                "at least": "at least",
                ">=": "at least",
                "at most": "at most",
                "<=": "at most",
                "equal to": "equal",
                "of": "equal",
                "=": "equal",
            }.get(op) or (
                "more"
                if op in ("more than", "over", "above", "greater than", "higher than", "exceeds", ">")
                else "less"
            )
            return Selection(
                (condition(one.name, is_, value),), f"{one.label} {op} {value}", f"{one.label} {op} {value}"
            )
    return None


def _emptiness(text: str, record: RecordDraft) -> Selection | None:
    for one in record.fields:
        for alias in {
            one.label.lower(),
            *one.aliases,
            *(("answer", "reply", "response", "rsvp") if "rsvp" in one.name else ()),
        }:
            if len(alias) > 2 and re.search(
                rf"\b(?:without|with no|missing|no|lacking)(?: an?| the| any)? {re.escape(alias)}\b", text
            ):
                return Selection(
                    (condition(one.name, "empty"),),
                    f"{record.plural} without {one.label.lower()}",
                    f"Without {one.label.lower()}",
                )
    return None


def plain_words(when: tuple[Condition, ...], record: RecordDraft) -> str:
    """Conditions inside a message: "stage is offer", "it is paid"."""
    words = []
    for one in when:
        field = record.get(one.field)
        assert field is not None
        name = field.label[0].lower() + field.label[1:] if not field.label[:2].isupper() else field.label
        if field.type == "yes/no":
            words.append(f"it is {'' if (one.value == 'yes') == (one.is_ == 'equal') else 'not '}{name}")
        elif one.is_ in ("equal", "not equal"):
            words.append(f"{name} is {'not ' if one.is_ == 'not equal' else ''}{(one.value or '').lower()}")
        else:
            words.append(f"{name} is {one.is_}{f' {one.value}' if one.value else ''}")
    return " and ".join(words)
