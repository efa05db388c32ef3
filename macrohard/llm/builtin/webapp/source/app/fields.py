"""Field types: reading what people type, checking it, and showing it."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal

from . import checksums, clock
from .declarations import Field

Value = str | int | Decimal | date | time | datetime | bool | None
"""What a field can hold; a reference holds the number of the record it points to."""

EMPTY = "–"
"""Shown for no value."""

LONGEST = {"long text": 50_000}
LONGEST_OTHERWISE = 5_000
TEXTS = frozenset({"text", "long text", "e-mail", "phone", "web address", "choice"})
NUMBERS = frozenset({"whole number", "decimal number", "money"})


class Invalid(ValueError):
    """What was typed cannot be accepted; the message is for the person who typed it."""


def parse(field: Field, text: str) -> Value:
    """The value meant by `text`; None (for yes/no: False) when it is blank.

    Raises:
        Invalid: it is no value of the field's type, or breaks one of the field's own limits.
    """
    text = _clean(text, keep_lines=field.type == "long text")
    if field.type == "yes/no":
        return _yes_or_no(field, text)
    if not text:
        if field.required:
            raise Invalid(f"{field.label} is required.")
        return None
    value = _READERS[field.type](field, text)
    check(field, value)
    return value


def check(field: Field, value: Value) -> None:
    """Hold a value against the field's limits.

    Raises:
        Invalid: it is too long, too small, of the wrong form, …
    """
    if value is None:
        return
    if isinstance(value, str):
        _check_text(field, value)
    elif field.type in NUMBERS or isinstance(value, date | time):
        _check_range(field, value)


def show(field: Field, value: Value) -> str:
    """The value as people read it; references are shown by whoever knows the other record."""
    if value is None or value == "":
        return EMPTY
    match value:
        case bool():
            return "Yes" if value else "No"
        case Decimal() if field.type == "money":
            return f"{'-' if value < 0 else ''}{field.currency}{abs(value):.2f}"
        case Decimal() | int():
            return f"{digits(value)} {field.unit}".rstrip()
    return plain(field, value).replace("T", " ") if isinstance(value, datetime) else plain(field, value)


def plain(field: Field, value: Value) -> str:
    """The value as it stands in form fields, files and the database; `parse` gives it back."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Decimal() if field.type == "money":
            return f"{value:.2f}"
        case Decimal() | int():
            return digits(value)
        case datetime():
            return value.strftime("%Y-%m-%dT%H:%M")
        case time():
            return value.strftime("%H:%M")
    return str(value)


def stored(field: Field, text: str | int | None) -> Value:
    """The value that stands in the database as `text`, whatever the limits of the field are today.

    Raises:
        ValueError: it stems from a time when the field had another type.
    """
    if field.type == "yes/no":
        return text in {1, "1", "yes"}
    if text is None or text == "":
        return None
    if field.type in TEXTS:
        return str(text)
    return _READERS[field.type](field, str(text))


def start_value(field: Field) -> Value:
    """What the field holds before anybody fills it in; None for a default that follows another field.

    Raises:
        Invalid: the declared default is no value of the field.
    """
    if field.default is None or follows(field):
        return False if field.type == "yes/no" else None
    return literal(field, field.default)


def follows(field: Field) -> tuple[str, int, str] | None:
    """For a default such as "out_date + 21d": the other field, how many, and which unit (h, d, w, m, y)."""
    if field.default is None or field.type not in {"date", "date-time"}:
        return None
    parts = clock.offset(field.default)
    return parts if parts and parts[0] not in {"", "today", "now"} else None


def literal(field: Field, text: str) -> Value:
    """The value meant by a declared literal: also "today", "now", "today+7d", "this year", "empty".

    Raises:
        Invalid: it is no value of the field's type.
    """
    text = text.strip()
    if text in {"", "empty"}:
        return False if field.type == "yes/no" else None
    if field.type in NUMBERS and text == "this year":
        text = str(clock.today().year)
    try:
        if field.type == "date":
            return clock.resolve(text)
        if field.type == "date-time":
            return clock.resolve_minute(clock.now().isoformat() if text == "today" else text)
    except ValueError as error:
        raise Invalid(f"{field.label}: {text!r} is no date.") from error
    if field.type == "time" and text in {"now", "today"}:
        return clock.now().time()
    if field.type == "yes/no":
        return _yes_or_no(field, text)
    return _READERS[field.type](field, text)


def digits(number: Decimal | int) -> str:
    """Without exponent and needless zeros: 12, 12.5."""
    text = f"{number:f}" if isinstance(number, Decimal) else str(number)
    return text.rstrip("0").rstrip(".") if "." in text else text


def cents(number: Decimal) -> Decimal:
    """Rounded to two decimals, halves away from zero."""
    return number.quantize(Decimal("0.01"), ROUND_HALF_UP)


def compare(left: Value, right: Value) -> int:
    """-1, 0 or 1: whether `left` comes before, with or after `right`; a date and a date-time by their days.

    Raises:
        TypeError: they cannot be compared, e.g. a number and a date, or nothing at all.
    """
    if isinstance(left, datetime) != isinstance(right, datetime):
        left, right = day(left), day(right)
    if left == right:
        return 0
    return -1 if left < right else 1  # type: ignore[operator]  # refused at run time, as documented


def day(moment: Value) -> date | None:
    """The day of a date or date-time; None for anything else."""
    if isinstance(moment, datetime):
        return moment.date()
    return moment if isinstance(moment, date) else None


def folded(text: str) -> str:
    """The text without case and accents, for searching and sorting."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _clean(text: str, *, keep_lines: bool) -> str:
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    if not keep_lines:
        text = text.replace("\n", " ")
    return "".join(one for one in text if one in "\n\t" or unicodedata.category(one) not in {"Cc", "Cs"}).strip()


def _check_text(field: Field, text: str) -> None:
    label = field.label
    if field.min_length is not None and len(text) < field.min_length:
        raise Invalid(f"{label} must have at least {field.min_length} characters.")
    longest = LONGEST.get(field.type, LONGEST_OTHERWISE) if field.max_length is None else field.max_length
    if len(text) > longest:
        raise Invalid(f"{label} must have at most {longest} characters.")
    if field.pattern and not re.fullmatch(field.pattern, text):
        raise Invalid(f"{label} must be {field.pattern_hint or f'written like {field.pattern_example}'}.")
    if field.checksum and not checksums.right(field.checksum, text):
        raise Invalid(f"{label} has a wrong check digit.")


def _check_range(field: Field, value: Value) -> None:
    if field.minimum is not None:
        lowest = _bound(field, field.minimum, is_minimum=True)
        if compare(value, lowest) < (1 if field.exclusive_minimum else 0):
            raise Invalid(_range_message(field, field.minimum, is_minimum=True))
    if field.maximum is not None and compare(value, _bound(field, field.maximum, is_minimum=False)) > 0:
        raise Invalid(_range_message(field, field.maximum, is_minimum=False))


def _bound(field: Field, limit: str, *, is_minimum: bool) -> Value:
    bound = literal(field, limit)
    if isinstance(bound, datetime) and is_minimum and limit in {"today", "now"}:
        # Filling in a form takes time: earlier today is not "in the past".
        return bound.replace(hour=0, minute=0)
    return bound


def _range_message(field: Field, limit: str, *, is_minimum: bool) -> str:
    label = field.label
    if field.type not in {"date", "time", "date-time"}:
        bound = digits(Decimal(str(literal(field, limit))))
        if not is_minimum:
            return f"{label} must be at most {bound}."
        return f"{label} must be {'more than' if field.exclusive_minimum else 'at least'} {bound}."
    if limit in {"today", "now"}:
        if is_minimum and field.exclusive_minimum:
            return f"{label} must be in the future."
        return f"{label} must not be in the {'past' if is_minimum else 'future'}."
    bound = show(field, literal(field, limit))
    if is_minimum and field.exclusive_minimum:
        return f"{label} must be after {bound}."
    return f"{label} must not be {'before' if is_minimum else 'after'} {bound}."


def _text(field: Field, text: str) -> Value:
    return checksums.compact(text) if field.checksum else text


def _whole_number(field: Field, text: str) -> Value:
    if not re.fullmatch(r"[+-]?[0-9]{1,15}", text):
        raise Invalid(f"{field.label} must be a whole number.")
    return int(text)


def _decimal_number(field: Field, text: str) -> Value:
    # A comma before exactly three digits could stand for thousands, so it is not guessed.
    if not re.fullmatch(r"[+-]?[0-9]{1,15}(\.[0-9]{1,10}|,([0-9]{1,2}|[0-9]{4,10}))?", text):
        raise Invalid(f"{field.label} must be a number.")
    return Decimal(text.replace(",", "."))


def _money(field: Field, text: str) -> Value:
    amount = text.replace(field.currency, "", 1).strip() if field.currency else text
    if not re.fullmatch(r"[+-]?[0-9]{1,13}([.,][0-9]{1,2})?", amount):
        raise Invalid(f"{field.label} must be an amount such as 12.50.")
    return cents(Decimal(amount.replace(",", ".")))


def _date(field: Field, text: str) -> Value:
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass  # Well-formed, but there is no such day: said below.
    raise Invalid(f"{field.label} must be a date such as 2026-11-22.")


def _time(field: Field, text: str) -> Value:
    matched = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(:[0-5][0-9](\.[0-9]+)?)?", text)
    if not matched:
        raise Invalid(f"{field.label} must be a time such as 09:30.")
    return time(int(matched[1]), int(matched[2]))


def _date_time(field: Field, text: str) -> Value:
    day, _, clock_time = text.replace("T", " ").partition(" ")
    try:
        on, at = _date(field, day), _time(field, clock_time.strip())
    except Invalid as error:
        raise Invalid(f"{field.label} must be a date and time such as 2026-11-22 09:30.") from error
    assert isinstance(on, date)
    assert isinstance(at, time)
    return datetime.combine(on, at)


def _yes_or_no(field: Field, text: str) -> bool:
    if text.casefold() in {"yes", "y", "on", "true", "1", "x"}:
        return True
    if text.casefold() in {"no", "n", "off", "false", "0", "", EMPTY}:
        return False
    raise Invalid(f"{field.label} must be Yes or No.")


def _choice(field: Field, text: str) -> Value:
    for choice in field.choices:
        if choice.casefold() == text.casefold():
            return choice
    raise Invalid(f"Choose one of the offered values for {field.label}.")


def _e_mail(field: Field, text: str) -> Value:
    if len(text) > 254 or not re.fullmatch(r"[^@\s<>,;:\"()\[\]\\]+@[^@\s.,;<>()]+(\.[^@\s.,;<>()]+)+", text):
        raise Invalid(f"{field.label} must be an e-mail address.")
    return text


def _phone(field: Field, text: str) -> Value:
    if not re.fullmatch(r"\+?[0-9 ()/.\-]+", text) or not 3 <= sum(one.isdigit() for one in text) <= 20:
        raise Invalid(f"{field.label} must be a phone number.")
    return text


def _web_address(field: Field, text: str) -> Value:
    address = text if re.match(r"[a-z][a-z0-9+.-]*:", text, re.IGNORECASE) else f"https://{text}"
    if not re.fullmatch(
        r"https?://[^\s/?#:@<>\"]+\.[^\s/?#:@<>\".]{2,}(:[0-9]{1,5})?([/?#][^\s<>\"]*)?", address, re.I
    ):
        raise Invalid(f"{field.label} must be a web address.")
    return address


def _reference(field: Field, text: str) -> Value:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise Invalid(f"Choose one of the offered values for {field.label}.")
    return int(text)


_READERS: dict[str, Callable[[Field, str], Value]] = {
    "text": _text,
    "long text": _text,
    "whole number": _whole_number,
    "decimal number": _decimal_number,
    "money": _money,
    "date": _date,
    "time": _time,
    "date-time": _date_time,
    "choice": _choice,
    "e-mail": _e_mail,
    "phone": _phone,
    "web address": _web_address,
    "reference": _reference,
}
