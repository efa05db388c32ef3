"""Dates in scenarios that move with the calendar: `{today}`, `{today+7d}`, `{now-2h}`, `{this month}`, `{year+1}`.

| base           | written as       | offsets                                             |
|----------------|------------------|-----------------------------------------------------|
| `{today}`      | 2026-11-22       | d days, w weeks, m months, y years                  |
| `{now}`        | 2026-11-22T09:30 | also h hours, min minutes                           |
| `{time}`       | 09:30            | h hours, min minutes                                |
| `{this month}` | 2026-11          | m months, y years                                   |
| `{year}`       | 2026             | a bare number of years: `{year+1}`                  |

`{x*1000}` stands for 1000 x, so that long input need not be written out. `{{` and `}}` stand for the braces themselves.
A day that the month does not have becomes its last one.
"""

import calendar
import re
from datetime import UTC, datetime, timedelta

from pydantic import TypeAdapter

from macrohard.domain import Scenario
from macrohard.domain.scenario import Step

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_REPEATED = re.compile(r"\{([^{}])\*(\d{1,6})\}")
REPEATED_AT_MOST = 100_000
_OFFSET = re.compile(r"([+-])(\d{1,4})(min|[dwmyh]?)")
_FORMATS = {
    "today": ("%Y-%m-%d", frozenset({"d", "w", "m", "y"})),
    "now": ("%Y-%m-%dT%H:%M", frozenset({"d", "w", "m", "y", "h", "min"})),
    "time": ("%H:%M", frozenset({"h", "min"})),
    "this month": ("%Y-%m", frozenset({"m", "y"})),
    "year": ("%Y", frozenset({"", "y"})),
}
_STEP: TypeAdapter[Step] = TypeAdapter(Step)


class UnknownPlaceholder(ValueError):
    """Something in braces that is none of the placeholders; the text names it."""


def repeated(text: str) -> str:
    """`text` with every `{x*1000}` written out, up to `REPEATED_AT_MOST` characters each; nothing else is replaced."""
    return _REPEATED.sub(lambda match: match[1] * min(int(match[2]), REPEATED_AT_MOST), text)


def filled(text: str, *, now: datetime) -> str:
    """`text` with every placeholder replaced, as of `now`.

    Raises:
        UnknownPlaceholder: something in braces is no placeholder, or a brace stands alone.
    """

    def replace(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] is None:
            raise UnknownPlaceholder(f"a single {match[0]} in {text!r}; a brace itself is written twice")
        return _value(match[1], now.astimezone(UTC))

    return _PIECE.sub(replace, repeated(text))


def filled_scenario(scenario: Scenario, *, now: datetime) -> Scenario:
    """The scenario with every text of its steps filled.

    Raises:
        UnknownPlaceholder: as for `filled`.
    """
    steps = tuple(
        _STEP.validate_python({name: _filled_value(value, now) for name, value in step.model_dump().items()})
        for step in scenario.steps
    )
    return scenario.model_copy(update={"steps": steps})


def _filled_value(value: object, now: datetime) -> object:
    if isinstance(value, str):
        return filled(value, now=now)
    if isinstance(value, tuple):
        return tuple(_filled_value(one, now) for one in value)
    return value


def _value(placeholder: str, now: datetime) -> str:
    base = placeholder.split("+", 1)[0].split("-", 1)[0].strip()
    offsets = placeholder.strip().removeprefix(base).replace(" ", "")
    if base not in _FORMATS or _OFFSET.sub("", offsets):
        raise UnknownPlaceholder(f"{{{placeholder}}} is no placeholder; there are {', '.join(sorted(_FORMATS))}")
    form, units = _FORMATS[base]
    moment = now
    for sign, number, unit in _OFFSET.findall(offsets):
        if unit not in units:
            raise UnknownPlaceholder(f"{{{placeholder}}}: {base} cannot be moved by {unit or 'a bare number'}")
        moment = _moved(moment, int(sign + number), unit or "y")
    return moment.strftime(form)


def _moved(moment: datetime, number: int, unit: str) -> datetime:
    match unit:
        case "min":
            return moment + timedelta(minutes=number)
        case "h":
            return moment + timedelta(hours=number)
        case "d":
            return moment + timedelta(days=number)
        case "w":
            return moment + timedelta(weeks=number)
    months = moment.year * 12 + moment.month - 1 + (number if unit == "m" else 12 * number)
    year, month = divmod(months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))
