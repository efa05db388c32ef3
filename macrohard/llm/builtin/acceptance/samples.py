"""Values that a field accepts, distinct ones on request, and values that it must refuse."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from macrohard.llm.builtin.acceptance.cells import Cell, Clock, Day, Moment, cell_of, digits, number_of
from macrohard.llm.builtin.blueprint import Field

FREE_TEXTS = frozenset({"text", "long text", "e-mail", "phone", "web address"})
NUMBERS = frozenset({"whole number", "decimal number", "money"})
WORDS = (
    "Alder", "Birch", "Cedar", "Dahlia", "Elder", "Fern", "Ginkgo", "Hazel", "Iris", "Juniper", "Kale", "Larch",
    "Maple", "Nettle", "Olive", "Poplar", "Quince", "Rowan", "Spruce", "Thistle", "Umber", "Violet", "Willow",
    "Yarrow", "Zinnia",
)  # fmt: skip
"""In alphabetical order, none part of another."""
_TAILS = ("Brook", "Cove", "Dune", "Field", "Gate", "Hill", "Isle", "Knoll", "Lake", "Moor", "North", "Orchard", "Peak")


class NoSample(ValueError):
    """No (further) value could be found that meets what the field demands."""


def sample(field: Field, number: int) -> Cell:
    """The `number`-th valid value of the field, from 0; distinct while the field's limits allow, rising for numbers,
    dates, times and free texts.

    Raises:
        NoSample: there is none, or it is a reference, which only a record can be.
    """
    if field.checksum:
        return with_check_digit(field.checksum, number)
    if field.pattern:
        return _matching(field, number)
    match field.type:
        case "text" | "long text":
            return _text(field, number)
        case "whole number" | "decimal number" | "money":
            return _number(field, number)
        case "date":
            return _day(field, number)
        case "date-time":
            return _moment(field, number)
        case "time":
            return Clock(_spread(field, 8 * 60, 24 * 60 - 1, number, step=15))
        case "choice":
            return field.choices[number % len(field.choices)]
        case "yes/no":
            return number % 2 == 0
        case "e-mail":
            return f"{_word(number).lower()}{number}@example.com"
        case "phone":
            return f"+49 30 55512{number + 10:02d}"
        case "web address":
            return f"https://example.com/{_word(number).lower()}{number}"
    raise NoSample(f"{field.label} is a reference")


def refused(field: Field) -> tuple[tuple[str, str], ...]:
    """What can be typed and must be refused for the field's type, with the message that says so."""
    label = field.label
    match field.type:
        case "whole number":
            return ("several", f"{label} must be a whole number."), ("1.5", f"{label} must be a whole number.")
        case "decimal number":
            return (("several", f"{label} must be a number."),)
        case "money":
            return ("plenty", f"{label} must be an amount"), ("1.234", f"{label} must be an amount")
        case "e-mail":
            return tuple((bad, f"{label} must be an e-mail address.") for bad in ("birch", "birch@", "a b@example.com"))
        case "phone":
            return (("call me", f"{label} must be a phone number."),)
        case "web address":
            return (("not an address", f"{label} must be a web address."),)
    return ()


def edges(field: Field) -> tuple[Cell, Cell]:
    """The lowest and the highest accepted value; None where there is no limit."""
    lowest = cell_of(field, field.minimum) if field.minimum is not None else None
    if lowest is not None and field.exclusive_minimum:
        lowest = beyond(field, lowest, 1)
    return lowest, cell_of(field, field.maximum) if field.maximum is not None else None


def beyond(field: Field, cell: Cell, direction: int) -> Cell:
    """The next value after (`direction` 1) or before (-1) the given one."""
    match cell:
        case Decimal():
            step = Decimal(1) if field.type == "whole number" else Decimal("0.01")
            if field.type == "decimal number" and cell == cell.to_integral_value():
                step = Decimal("0.1")
            return cell + direction * step
        case Day():
            return cell.plus(direction)
        case Moment():
            return Moment(cell.day.plus(direction), cell.minute)
        case Clock() if cell.minute is not None and 0 <= cell.minute + direction < 24 * 60:
            return Clock(cell.minute + direction)
    raise NoSample(f"nothing beyond {field.label}")


def within(field: Field, cell: Cell, today: date) -> bool:
    """Whether a number or date keeps the field's limits."""
    lowest, highest = edges(field)
    match cell:
        case Decimal():
            return (not isinstance(lowest, Decimal) or lowest <= cell) and (
                not isinstance(highest, Decimal) or cell <= highest
            )
        case Day():
            on = cell.on(today)
            return (not isinstance(lowest, Day) or lowest.on(today) <= on) and (
                not isinstance(highest, Day) or on <= highest.on(today)
            )
        case Moment():
            limits = [edge.day.on(today) if isinstance(edge, Moment) else None for edge in (lowest, highest)]
            on = cell.day.on(today)
            return (limits[0] is None or limits[0] <= on) and (limits[1] is None or on <= limits[1])
    return True


def matches(field: Field, text: str) -> bool:
    """Whether the text fits the field's pattern, if it has one."""
    return field.pattern is None or re.fullmatch(field.pattern, text) is not None


def not_matching(field: Field) -> tuple[str, ...]:
    """Texts near the pattern's example that do not match; at most three.

    Raises:
        NoSample: everything tried matches.
    """
    example = str(_matching(field, 0))
    tried = [f"{example}{example}x", f"?{example}", f"{example}!", example[:-1], "x" + example[1:], "0", "zz", "?"]
    limits = (field.min_length or 0, field.max_length or 10_000)
    found = [
        text
        for text in dict.fromkeys(tried)
        if text.strip() == text and text and not matches(field, text) and limits[0] <= len(text) <= limits[1]
    ]
    if not found:
        raise NoSample(f"everything matches {field.label}")
    return tuple(found[:3])


def of_length(field: Field, length: int) -> str:
    """A text of exactly so many characters that the field's other demands allow.

    Raises:
        NoSample: no such text is known.
    """
    match field.type:
        case "e-mail":
            text = "a" * max(length - len("@example.com"), 1) + "@example.com"
        case "web address":
            text = "https://example.com/" + "a" * max(length - len("https://example.com/"), 0)
        case "phone":
            text = "+49" + "5" * max(length - 3, 0)
        case _:
            text = ("Alder " * (length // 6 + 1))[:length]
            text = text[:-1] + "s" if text.endswith(" ") else text
    if len(text) != length or not matches(field, text):
        raise NoSample(f"{field.label} with {length} characters")
    return text


def with_check_digit(kind: str, number: int) -> str:
    """The `number`-th valid number of that kind."""
    match kind:
        case "isbn-13":
            body = f"978030640{600 + 7 * number:03d}"
            return body + str(-sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(body)) % 10)
        case "ean-13":
            body = f"400638133{300 + 7 * number:03d}"
            return body + str(-sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(body)) % 10)
        case "isbn-10":
            body = f"030640{600 + 7 * number:03d}"
            check = -sum(int(digit) * (10 - place) for place, digit in enumerate(body)) % 11
            return body + ("X" if check == 10 else str(check))
        case "luhn":
            body = f"453957804{100000 + 7 * number:06d}"
            doubled = (int(digit) * (2, 1)[place % 2] for place, digit in enumerate(body))
            return body + str(-sum(value - 9 if value > 9 else value for value in doubled) % 10)
        case "iban":
            body = f"37040044053201{3000 + 7 * number:04d}"
            return f"DE{98 - int(body + '131400') % 97:02d}{body}"
    raise NoSample(f"unknown check digit: {kind}")


def with_wrong_check_digit(kind: str, number: int) -> str:
    """Well-formed, but the check digit is not right."""
    right = with_check_digit(kind, number)
    if kind == "iban":
        return f"DE{(int(right[2:4]) - 2 + 1) % 96 + 2:02d}{right[4:]}"
    last = "0123456789".find(right[-1])
    return right[:-1] + str((last + 1) % 10)


def _word(number: int) -> str:
    return WORDS[number % len(WORDS)]


def _text(field: Field, number: int) -> str:
    # Fields of one record differ too.
    number += 3 * (sum(map(ord, field.name)) % 5)
    text = f"{_word(number)} {_TAILS[(number * 5 + number // len(WORDS)) % len(_TAILS)]}"
    least, most = field.min_length or 0, field.max_length or 10_000
    if len(text) > most:
        text = f"{_word(number)[0]}{number}"[:most]
    return text.ljust(least, "e")


def _matching(field: Field, number: int) -> str:
    if field.pattern_example is None:
        raise NoSample(f"no example for {field.label}")
    if not matches(field, field.pattern_example):
        raise NoSample(f"the example for {field.label} is none")
    for place, text in enumerate(_variants(field.pattern_example, field)):
        if place == number:
            return text
    raise NoSample(f"fewer than {number + 1} examples for {field.label}")


def _variants(example: str, field: Field) -> Iterator[str]:
    """The example, then texts that differ in ever more characters and still match."""
    known, queue = {example}, [example]
    while queue:
        text = queue.pop(0)
        yield text
        for place, character in enumerate(text):
            kinds = ("0123456789", "abcdefghij", "ABCDEFGHIJ")
            alike = next((kind for kind in kinds if character in kind or _same_kind(character, kind)), "")
            for other in alike:
                changed = text[:place] + other + text[place + 1 :]
                if changed not in known and len(known) < 2_000 and matches(field, changed):
                    known.add(changed)
                    queue.append(changed)


def _same_kind(character: str, kind: str) -> bool:
    return (character.isdigit(), character.islower(), character.isupper()) == (
        kind[0].isdigit(), kind[0].islower(), kind[0].isupper(),
    )  # fmt: skip


def _number(field: Field, number: int) -> Decimal:
    low = number_of(field.minimum) if field.minimum is not None else None
    high = number_of(field.maximum) if field.maximum is not None else None
    step = Decimal("7.25") if field.type == "money" else Decimal(7)
    start = Decimal("12.50") if field.type == "money" else Decimal("4.5" if field.type == "decimal number" else 13)
    if low is not None and low + start > start:
        start += low
    if low is not None and high is not None:
        room = high - low
        if room < start - low + step * number:
            step = Decimal(1)
            start = low + (1 if field.exclusive_minimum or room > 3 else 0)
            if start + number > high:
                start = low + (1 if field.exclusive_minimum else 0)
                number %= int(room) + (0 if field.exclusive_minimum else 1) or 1
    elif high is not None and start + step * number > high:
        start, step = high - 1, Decimal(-1)
    return start + step * number


def _day(field: Field, number: int) -> Day:
    lowest, highest = edges(field)
    if isinstance(highest, Day) and not isinstance(lowest, Day):
        return highest.plus(-5 - number)
    if isinstance(lowest, Day) and isinstance(highest, Day):
        today = date.today()
        room = (highest.on(today) - lowest.on(today)).days
        return lowest.plus(min(1 + number, room))
    if isinstance(lowest, Day):
        return lowest.plus(5 + number)
    return Day(days=5 + number)


def _moment(field: Field, number: int) -> Moment:
    lowest, highest = edges(field)
    minute = 9 * 60 + 30 + 5 * (number % 12)
    if isinstance(highest, Moment):
        return Moment(highest.day.plus(-5 - number), minute)
    if isinstance(lowest, Moment):
        return Moment(lowest.day.plus(5 + number), minute)
    return Moment(Day(days=5 + number), minute)


def _spread(field: Field, start: int, end: int, number: int, *, step: int) -> int:
    lowest, highest = edges(field)
    low = lowest.minute if isinstance(lowest, Clock) and lowest.minute is not None else start
    high = highest.minute if isinstance(highest, Clock) and highest.minute is not None else end
    return low + (step * (number + 1)) % max(high - low, 1)


def shown_number(field: Field, number: Decimal) -> str:
    """As lists and details show it."""
    if field.type == "money":
        return f"{'-' if number < 0 else ''}{field.currency or ''}{abs(number):.2f}"
    return f"{digits(number)} {field.unit or ''}".rstrip()
