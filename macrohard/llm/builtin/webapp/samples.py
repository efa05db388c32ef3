"""Values that the fields of a product accept, for its own tests; the product's own checks have the last word."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from macrohard.llm.builtin.webapp.source.app import checksums, clock
from macrohard.llm.builtin.webapp.source.app.declarations import Condition, Field, Product, Record
from macrohard.llm.builtin.webapp.source.app.fields import NUMBERS

WORDS = ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel", "Ivy", "Juniper", "Larch", "Maple")


_BESIDE_FIVE = {"less": "45", "at most": "56", "more": "65", "at least": "54", "equal": "56", "not equal": "65"}
"""For each comparison with 5: a digit for which it holds, and one for which it does not."""


@dataclass(frozen=True)
class Typed:
    """A text as it is typed, and as Python that gives it on any day."""

    text: str
    source: str


@dataclass(frozen=True)
class To:
    """A reference to a record that is added before, with these values."""

    record: str
    texts: "Texts"


Texts = dict[str, Typed | To]
"""Field → what is entered."""


def plain(text: str) -> Typed:
    """A text that is the same every day."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return Typed(text, f'"{escaped}"')


def on_day(days: int, *, time: str | None = None) -> Typed:
    """A day counted from today, with a time if the field wants one."""
    date = clock.later(clock.today(), days, "d").isoformat()
    if time is None:
        return Typed(date, f"day({days})")
    return Typed(f"{date}T{time}", f'minute({days}, "{time}")')


def years_ago(years: int) -> Typed:
    """This day so many years ago."""
    return Typed(clock.later(clock.today(), -years, "y").isoformat(), f"years_ago({years})")


def example(product: Product, record: Record, number: int = 0, *, full: bool = False, depth: int = 0) -> Texts:
    """The `number`-th record: what is required and what it is called by, or everything."""
    texts: Texts = {}
    for field in record.fields:
        if not field.entered or field.type == "yes/no":
            continue
        wanted = full or field.name == record.title_field or (field.required and field.default is None)
        if not wanted or (field.references and (depth > 3 or (field.references == record.name and not field.required))):
            continue
        if field.references:
            target = product.record(field.references)
            wished: Texts = {}
            for rule in product.rules:
                if (rule.kind, rule.record, rule.fields[:1]) == ("reference condition", record.name, (field.name,)):
                    wished |= meeting(target, rule.when)
            found = example(product, target, number, depth=depth + 1)
            texts[field.name] = To(target.name, defaults(target) | found | wished)
        else:
            texts[field.name] = value(record, field, number)
    return in_order(product, record, texts)


def defaults(record: Record) -> Texts:
    """What stands in the form at first and is sent along unless somebody changes it."""
    found: Texts = {}
    for field in record.fields:
        if not field.entered or field.default is None:
            continue
        if field.type not in {"date", "date-time", "time"}:
            found[field.name] = plain(field.default)
        elif parts := clock.offset(field.default):
            if parts[0] in {"today", "now"} and parts[2] == "d":
                # Yesterday, for what must not be in the future: the test may run in the first minutes of a day.
                days = parts[1] - (1 if field.type == "date-time" else 0)
                time = "09:30" if field.type == "date-time" else None
                found[field.name] = plain("09:30") if field.type == "time" else on_day(days, time=time)
        else:
            found[field.name] = plain(field.default)
    return found


def value(record: Record, field: Field, number: int) -> Typed:
    """The `number`-th value of the field, mostly different from those before."""
    if field.checksum:
        return plain(_with_check_digit(field.checksum, number))
    if field.pattern:
        return plain(_matching(field, number))
    match field.type:
        case "whole number" | "decimal number" | "money":
            return plain(_number(field, number))
        case "date":
            return on_day(_days(field) + number % 3)
        case "date-time":
            return on_day(_days(field), time=f"{8 + number % 10:02d}:30")
        case "time":
            earliest = int((field.minimum or "08:00")[:2])
            return plain(f"{min(max(earliest, 8) + number % 8, 23):02d}:30")
        case "choice":
            return plain(field.choices[number % len(field.choices)])
        case "yes/no":
            return plain("yes")
        case "e-mail":
            return plain(f"{WORDS[number % 12].lower()}{number}@example.com")
        case "phone":
            return plain(f"+49 30 5551{number:02d}")
        case "web address":
            return plain(f"https://example.com/{WORDS[number % 12].lower()}{number}")
    return plain(_words(field, number))


def meeting(record: Record, conditions: Iterable[Condition], *, but_last: bool = False) -> Texts:
    """What to enter so that a record meets the conditions; with `but_last`, all of them but the last.

    Raises:
        LookupError: no way is known.
    """
    chosen: Texts = {}
    listed = list(conditions)
    for place, condition in enumerate(listed):
        field = record.field(condition.field)
        if not field.entered:
            continue
        holds = not (but_last and place == len(listed) - 1)
        typed = _answer(record, field, condition, holds=holds)
        if condition.other is not None and record.field(condition.other).entered and field.type in NUMBERS:
            typed = plain(_BESIDE_FIVE[condition.test][0 if holds else 1])
            chosen[condition.other] = plain("5")
        if typed is None:
            raise LookupError(f"{record.name}.{field.name} {condition.test}")
        chosen[field.name] = typed
    return chosen


def beyond(field: Field, *, below: bool) -> Typed | None:
    """A value just outside the field's limits, if it has that limit."""
    limit = field.minimum if below else field.maximum
    if limit is None:
        return None
    if field.type in NUMBERS:
        number = float(clock.today().year if limit == "this year" else limit)
        step = 0 if below and field.exclusive_minimum else (-1 if below else 1)
        if limit == "this year":
            return Typed(str(int(number + step)), f"str(clock.today().year + {step})")
        return plain(f"{number + step:g}")
    if field.type == "date":
        return _shifted(limit, -1 if below else 1)
    return None


def _answer(record: Record, field: Field, condition: Condition, *, holds: bool) -> Typed | None:
    """What makes the condition hold, or not hold."""
    text = condition.value or ""
    if condition.other is not None or field.references:
        return None
    with_time = "09:30" if field.type == "date-time" else None
    match condition.test, holds:
        case ("equal", True) | ("not equal", False):
            return plain(text)
        case ("equal", False) | ("not equal", True):
            if field.type == "yes/no":
                return plain("no" if text == "yes" else "yes")
            others = [one for one in field.choices if one.casefold() != text.casefold()]
            return plain(others[0]) if others else None
        case ("empty", True) | ("not empty", False):
            return plain("")
        case ("empty", False) | ("not empty", True):
            return value(record, field, 0)
        case ("more", True) | ("less", False) | ("at most", False):
            return plain(f"{float(text) + 1:g}") if field.type in NUMBERS else None
        case ("less", True) | ("more", False) | ("at least", False):
            return plain(f"{float(text) - 1:g}") if field.type in NUMBERS else None
        case ("at least" | "at most", True):
            return plain(text) if field.type in NUMBERS else None
    days = {
        ("before today", True): -5,
        ("before today", False): 5,
        ("after today", True): 5,
        ("after today", False): -5,
        ("not before today", True): 5,
        ("not before today", False): -5,
        ("not after today", True): -5,
        ("not after today", False): 5,
        ("today", True): 0,
        ("today", False): -5,
        ("this month", True): 0,
        ("this month", False): -62,
        ("anniversary this month", True): 0,
        ("anniversary this month", False): -62,
        ("within days", True): 0,
        ("within days", False): -5,
    }.get((condition.test, holds))
    return None if days is None else on_day(days, time=with_time)


def in_order(product: Product, record: Record, texts: Texts) -> Texts:
    """With the later one of two dates or times after the earlier one, as the rules want it."""
    for rule in product.rules:
        if rule.kind != "order" or rule.record != record.name or not set(rule.fields) <= set(texts):
            continue
        first, second = (texts[name] for name in rule.fields)
        kind = record.field(rule.fields[1]).type
        if not isinstance(first, Typed) or not isinstance(second, Typed):
            continue
        if not first.text or not second.text or first.text < second.text:
            continue
        if kind == "time":
            texts[rule.fields[1]] = plain(f"{min(int(first.text[:2]) + 1, 23):02d}:45")
        elif kind in {"date", "date-time"}:
            days = int(re.findall(r"-?\d+", first.source)[0])
            texts[rule.fields[1]] = on_day(days + 1, time="18:45" if kind == "date-time" else None)
    return texts


def _shifted(limit: str, days: int) -> Typed | None:
    parts = clock.offset(limit)
    if parts and parts[0] in {"today", "now"} and parts[2] == "d":
        return on_day(parts[1] + days)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", limit):
        return plain(clock.later(clock.resolve(limit), days, "d").isoformat())
    return None


def _days(field: Field) -> int:
    """A day that the field's limits allow, counted from today."""
    low, high = (clock.resolve(limit) if limit else None for limit in (field.minimum, field.maximum))
    today = clock.today()
    if low and low >= today:
        return (low - today).days + 2
    if high and high <= today:
        return (high - today).days - 10
    return -3 if low is None or (today - low).days > 5 else 0


def _number(field: Field, number: int) -> str:
    low = 1 if field.minimum is None else clock.today().year if field.minimum == "this year" else float(field.minimum)
    high = (
        None if field.maximum is None else clock.today().year if field.maximum == "this year" else float(field.maximum)
    )
    found = low + 1 + number if high is None or low + 1 + number <= high else low
    if field.minimum is not None and float(found) == low and field.exclusive_minimum:
        found = ((high or low + 2) + low) / 2
    if field.type == "money":
        cents = 0.5 if high is None or found + 0.5 <= high else 0
        return f"{found + cents:.2f}"
    return f"{found:g}"


def _words(field: Field, number: int) -> str:
    text = f"{WORDS[number % 12]}{f' {number}' if number >= 12 else ''}"
    least = field.min_length or 0
    text = text if len(text) >= least else (text + " " + "abcdefghij " * least)[:least].strip().ljust(least, "x")
    if field.max_length is not None and len(text) > field.max_length:
        text = f"{'ABCDEFGHIJKL'[number % 12]}{number}"[: field.max_length]
    return text


def _matching(field: Field, number: int) -> str:
    """The pattern's example, or one like it with other digits or letters."""
    text = field.pattern_example or ""
    if number == 0:
        return text
    found = 0
    for place, character in reversed(list(enumerate(text))):
        for other in "123456789" if character.isdigit() else "abcdefgh" if character.islower() else "ABCDEFGH":
            changed = text[:place] + other + text[place + 1 :]
            if other != character and re.fullmatch(field.pattern or "", changed):
                found += 1
                if found == number:
                    return changed
    return text


def _with_check_digit(kind: str, number: int) -> str:
    heads = {"isbn-13": "978030640", "isbn-10": "030640", "ean-13": "400638133", "luhn": "453957804", "iban": ""}
    if kind == "iban":
        tails = (f"DE{check:02d}37040044053201{3000 + number:04d}" for check in range(2, 99))
    else:
        tails = (f"{heads[kind]}{600 + number}{digit}" for digit in "0123456789X")
    return next(text for text in tails if checksums.right(kind, text))
