"""Values as the scenario writer sees them: dates counted from the day a scenario runs on, texts as people see them."""

import calendar
import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

from macrohard.llm.builtin.blueprint import Field

EMPTY = "–"
"""What lists and details show for no value."""


@dataclass(frozen=True)
class Day:
    """A calendar day: fixed, or counted from the day on which the scenario runs."""

    days: int = 0
    months: int = 0
    fixed: date | None = None
    first_of_month: bool = False
    """The first of the month the scenario runs in."""
    then_months: int = 0
    """Added after the days."""

    def on(self, today: date) -> date:
        """The date it is when the scenario runs on `today`."""
        start = self.fixed or (today.replace(day=1) if self.first_of_month else today)
        month = start.year * 12 + start.month - 1 + self.months
        year, month = divmod(month, 12)
        last = calendar.monthrange(year, month + 1)[1]
        there = date(year, month + 1, min(start.day, last)) + timedelta(days=self.days)
        return Day(months=self.then_months).on(there) if self.then_months else there

    def plus(self, days: int) -> "Day":
        """So many days later."""
        return replace(self, days=self.days + days)

    @property
    def text(self) -> str:
        """As typed and shown, with placeholders for what depends on the day."""
        if self.fixed:
            return self.on(self.fixed).isoformat()
        if self.first_of_month:
            return "{this month}-01"
        days = f"{self.days:+d}d" if self.days else ""
        return f"{{today{_months(self.months)}{days}{_months(self.then_months)}}}"


@dataclass(frozen=True)
class Clock:
    """A time of day."""

    minute: int | None
    """None: whenever the product filled it in."""

    @property
    def text(self) -> str:
        """As typed and shown, as far as it is certain."""
        if self.minute is None:
            return ":"
        return f"{self.minute // 60:02d}:{self.minute % 60:02d}"


@dataclass(frozen=True)
class Moment:
    """A time on a day."""

    day: Day
    minute: int | None
    """None: whenever the product filled it in; only the day is certain."""

    @property
    def typed(self) -> str:
        """As typed into a date-time field."""
        return f"{self.day.text}T{Clock(self.minute or 0).text}"

    @property
    def text(self) -> str:
        """As shown, as far as it is certain."""
        return self.day.text if self.minute is None else f"{self.day.text} {Clock(self.minute).text}"


class Row:
    """One record that a scenario has, or is about to have, in the product; compared by identity."""

    def __init__(self, record: str, values: "dict[str, Cell]", *, instead_of: "Row | None" = None) -> None:
        self.record = record
        self.values = values
        self.instead_of = instead_of
        """The record that this one would be after a change."""


Cell: TypeAlias = str | Decimal | bool | Day | Clock | Moment | Row | None

_RELATIVE = re.compile(r"today(?:([+-]\d+)([dmy]))?")


def literal(text: str) -> str:
    """The text with braces doubled, so that a scenario takes it as it stands."""
    return text.replace("{", "{{").replace("}", "}}")


def day_of(text: str) -> Day:
    """Read `2026-11-22`, `today`, `today-30d`, `today+1y`, `this year`.

    Raises:
        ValueError: it is none of these.
    """
    if matched := _RELATIVE.fullmatch(text.replace(" ", "")):
        count, unit = int(matched[1] or 0), matched[2]
        if unit == "d":
            return Day(days=count)
        return Day(months=count * (12 if unit == "y" else 1))
    return Day(fixed=date.fromisoformat(text.strip()))


def cell_of(field: Field, text: str) -> Cell:
    """A literal of the blueprint as a value of the field: a default, a bound, what an action sets.

    Raises:
        ValueError: the text is no value of the field's type.
    """
    text = text.strip()
    match field.type:
        case "whole number" | "decimal number" | "money":
            return number_of(text)
        case "date":
            return day_of("today" if text == "now" else text)
        case "date-time":
            if text in {"now", "today"}:
                return Moment(Day(), None)
            day, _, clock = text.replace("T", " ").partition(" ")
            return Moment(day_of(day), _minute(clock) if clock else 0)
        case "time":
            return Clock(None if text == "now" else _minute(text))
        case "yes/no":
            return text.casefold() in {"yes", "true", "1", "on"}
        case "choice":
            return next((choice for choice in field.choices if choice.casefold() == text.casefold()), text)
    return text


def number_of(text: str) -> Decimal:
    """A decimal number; "this year" is today's.

    Raises:
        ValueError: it is no number.
    """
    if text.strip() == "this year":
        return Decimal(date.today().year)
    try:
        return Decimal(text.strip())
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no number") from error


def digits(number: Decimal) -> str:
    """Without exponent and needless zeros: 12, 12.5."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def typed(field: Field, cell: Cell) -> str:
    """What a person types into the field; the option's text for lists is `World.shown`."""
    match cell:
        case None:
            return ""
        case Moment():
            return cell.typed
        case Day() | Clock():
            return cell.text
        case Decimal():
            return f"{cell:.2f}" if field.type == "money" else digits(cell)
        case bool():
            return "yes" if cell else "no"
        case str():
            return literal(cell)
    raise TypeError(f"{field.name} is chosen, not typed")


def _months(count: int) -> str:
    if count % 12 == 0:
        return f"{count // 12:+d}y" if count else ""
    return f"{count:+d}m"


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)
