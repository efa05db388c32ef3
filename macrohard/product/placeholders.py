"""Dates in scenarios that move with the calendar: `{today}`, `{today+7d}`, `{now-2h}`, `{this month}`, `{year+1}`.

| base           | written as       | offsets                                             |
|----------------|------------------|-----------------------------------------------------|
| `{today}`      | 2026-11-22       | d days, w weeks, m months, y years                  |
| `{now}`        | 2026-11-22T09:30 | also h hours, min minutes                           |
| `{time}`       | 09:30            | h hours, min minutes                                |
| `{this month}` | 2026-11          | m months, y years                                   |
| `{year}`       | 2026             | a bare number of years: `{year+1}`                  |

`{x*1000}` stands for 1000 x, so that long input need not be written out. `{{` and `}}` stand for the braces themselves.
A day that the month does not have becomes its last one. `{kept:NAME}` is what a step `keep` remembered under that name:
as the whole of a value in JSON it is that value, elsewhere its text.

In steps outside a browser, braces around anything else are braces, and none are doubled: commands, JSON
and files are full of them.
"""

import calendar
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue, TypeAdapter, ValidationError

from macrohard.domain import BrowserStep, Scenario, Step
from macrohard.domain.scenario import Together

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_UNMISTAKABLE = re.compile(r"\{((?:today|now|time|this month|year)(?: *[+-][^{}]*)?|kept:[^{}]*)\}")
_KEPT = re.compile(r"\{kept:([^{}]*)\}")
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


def filled(text: str, *, now: datetime, kept: Mapping[str, JsonValue] | None = None) -> str:
    """`text` with every placeholder replaced, as of `now`.

    Raises:
        UnknownPlaceholder: something in braces is no placeholder, or a brace stands alone.
    """

    def replace(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[1] is None:
            raise UnknownPlaceholder(f"a single {match[0]} in {text!r}; a brace itself is written twice")
        return _value(match[1], now.astimezone(UTC), kept or {})

    return _PIECE.sub(replace, repeated(text))


def filled_step(step: Step, *, now: datetime, kept: Mapping[str, JsonValue]) -> Step:
    """The step with every text filled.

    Raises:
        UnknownPlaceholder: as for `filled`; also a name that nothing was kept under, and what was kept makes no step.
    """

    if isinstance(step, Together):
        requests = tuple(filled_step(each, now=now, kept=kept) for each in step.requests)
        return step.model_copy(update={"requests": requests})

    def fill(value: object, *, json_value: bool) -> object:
        if isinstance(value, list | tuple):
            return [fill(one, json_value=json_value) for one in value]
        if isinstance(value, dict):
            return {name: fill(one, json_value=json_value) for name, one in value.items()}
        if not isinstance(value, str):
            return value
        if isinstance(step, BrowserStep):
            return filled(value, now=now, kept=kept)
        if json_value and (whole := _KEPT.fullmatch(value)) and whole[1] in kept:
            return kept[whole[1]]
        return _UNMISTAKABLE.sub(lambda match: _value(match[1], now.astimezone(UTC), kept), repeated(value))

    data = {name: fill(value, json_value=name in ("value", "json_body")) for name, value in step.model_dump().items()}
    try:
        return _STEP.validate_python(data)
    except ValidationError as error:
        # What was kept is the product's word.
        raise UnknownPlaceholder(f"filled in, the step {step.do} is none: {error.errors()[0]['msg']}") from error


def check_placeholders(scenario: Scenario, *, now: datetime) -> None:
    """Make sure that every text of the steps can be filled when its turn comes.

    Raises:
        UnknownPlaceholder: as for `filled_step`.
    """
    kept: dict[str, JsonValue] = {}
    for step in scenario.steps:
        filled_step(step, now=now, kept=kept)
        if step.do in ("keep", "keep_address"):
            kept[step.name] = "1"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _value(placeholder: str, now: datetime, kept: Mapping[str, JsonValue]) -> str:
    if placeholder.startswith("kept:"):
        name = placeholder.removeprefix("kept:")
        if name not in kept:
            raise UnknownPlaceholder(f"{{{placeholder}}}: no step before it keeps anything as {name!r}")
        return _text(kept[name])
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
