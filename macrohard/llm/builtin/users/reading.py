"""What anybody who reads attentively minds without doing anything: numbers, days and orders that do not agree."""

import re
from collections.abc import Iterator, Sequence
from datetime import date

from macrohard.llm.builtin.users.page import Page, folded
from macrohard.llm.builtin.users.values import seen_as

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_WEEKDAY = re.compile(r"\b((?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day),? (\d{4}-\d\d-\d\d)\b")
_NUMBER = re.compile(r"[^\d-]{0,4}?(-?\d[\d,]*(?:\.\d+)?)[^\d]{0,4}")
_COUNTED = re.compile(r"(\d+) ([a-z]{3,})", re.I)
_TOTAL = re.compile(
    r"(?:total|sum)\b([\w ]*):? \D{0,4}?(-?\d[\d,]*(?:\.\d+)?)|(-?\d[\d,]*(?:\.\d+)?) (\w+) in (?:all|total)", re.I
)
_FIRST = r"(?:on top|at the top|(?:comes?|stands?|is|are|goes) first|first in the list)"
_DESCENDING = re.compile(rf"\b(?:best|highest|most|largest|biggest|longest)\b[^.;,]*\b{_FIRST}", re.I)
_ASCENDING = re.compile(rf"\b(?:lowest|cheapest|smallest|fewest|shortest)\b[^.;,]*\b{_FIRST}", re.I)
_LATER = re.compile(r"\b(\d+) (day|week)s? (?:later|after)\b", re.I)


def disagreements(page: Page, goal: str) -> Iterator[str]:
    """What on the page contradicts something else on it, or what people were promised (`goal`), in a sentence each."""
    for matched in _WEEKDAY.finditer(page.text):
        if (meant := _day(matched[2])) is not None and f"{meant:%A}" != matched[1]:
            yield f"{matched[2]} is a {meant:%A}, and the page says {matched[1]}"
    if not page.rows or not page.is_whole or re.search(r"\bpage \d+ of\b", page.text, re.I):
        return
    yield from _counts(page)
    yield from _totals(page)
    yield from _order(page, goal)
    yield from _promised_days(page, goal)


def differing(page: Page, typed: dict[str, str], title: str) -> Iterator[str]:
    """Where the row of what was entered shows something else under the name of a field."""
    rows = [cells for cells in page.cells if any(folded(title) == folded(cell) for cell in cells)]
    if len(rows) != 1 or len(rows[0]) != len(page.columns):
        return
    shown = {folded(column): cell for column, cell in zip(page.columns, rows[0], strict=True)}
    for name, value in typed.items():
        there = shown.get(folded(name))
        if there is not None and value.strip() and not _agrees(value, there):
            yield f"I entered {name} “{value}”, and in the list stands “{there}” instead"


def cut_short(page: Page, title: str) -> str:
    """What of a text the page shows, if it is only its beginning, without a sign that there is more."""
    cells = [cell for row in page.cells for cell in row]
    return next((cell for cell in cells if 6 <= len(cell) < len(title) and title.startswith(cell)), "")


def number_of(text: str) -> float | None:
    """Of a text that is a number, perhaps with a unit or currency."""
    matched = _NUMBER.fullmatch(text.strip())
    return float(matched[1].replace(",", "")) if matched else None


def _agrees(value: str, shown: str) -> bool:
    if _DAY.fullmatch(value) and (days := _DAY.findall(shown)):
        return value in days
    if (number := number_of(value)) is not None and (other := number_of(shown)) is not None:
        return number == other
    if not re.fullmatch(r"[A-Za-z ]+", value):
        # Dates, times and numbers have many ways to be written; only a missing one is surely wrong.
        return shown not in {"", "–", "-"}
    return any(folded(way) in folded(shown) for way in seen_as(value)) or shown.endswith(("…", "..."))


def _parts(page: Page) -> list[str]:
    table = set(page.rows)
    return [part.strip() for line in page.text.splitlines() if line not in table for part in line.split(",")]


def _counts(page: Page) -> Iterator[str]:
    named = {_stem(word) for word in re.findall(r"[a-z]{3,}", f"{page.head} {page.table}".casefold())}
    for part in _parts(page):
        matched = _COUNTED.fullmatch(part)
        if matched and _stem(matched[2].casefold()) in named and int(matched[1]) != len(page.rows):
            yield f"the page says “{part}”, and I count {len(page.rows)}"


def _totals(page: Page) -> Iterator[str]:
    columns = {
        name: [number for number in numbers if number is not None]
        for name, numbers in _numbers(page).items()
        if None not in numbers
    }
    for part in _parts(page):
        matched = _TOTAL.fullmatch(part)
        if not matched:
            continue
        label = (matched[1] or matched[4] or "").casefold().removeprefix(" of").strip()
        stated = float((matched[2] or matched[3]).replace(",", ""))
        meant = [name for name in columns if label and _stem(label) == _stem(name)] if label else list(columns)
        if len(meant) != 1:
            continue
        total = sum(columns[meant[0]])
        if abs(total - stated) > 0.005:
            yield f"the page says “{part}” as total, and {meant[0]} of all rows adds up to {total:g}"


def _order(page: Page, goal: str) -> Iterator[str]:
    down, up = _DESCENDING.search(goal), _ASCENDING.search(goal)
    columns = {name: numbers for name, numbers in _numbers(page).items() if None not in numbers}
    if bool(down) == bool(up) or len(columns) != 1:
        return
    (name, numbers), promise = next(iter(columns.items())), (down or up)
    known = [number for number in numbers if number is not None]
    if known != sorted(known, reverse=bool(down)) and promise is not None:
        told = ", ".join(f"{number:g}" for number in known)
        yield f"the order is wrong: “{promise[0]}” is promised, and from the top {name} is {told}"


def _promised_days(page: Page, goal: str) -> Iterator[str]:
    promises = {int(number) * (7 if unit.casefold() == "week" else 1) for number, unit in _LATER.findall(goal)}
    if len(promises) != 1:
        return
    for cells in page.cells:
        days = [(name, _day(cell)) for name, cell in zip(page.columns, cells, strict=False) if _DAY.fullmatch(cell)]
        if len(days) == 2 and days[0][1] is not None and days[1][1] is not None:
            between = (days[1][1] - days[0][1]).days
            if between not in promises:
                promised = next(iter(promises))
                yield f"{days[1][0]} is {between} days after {days[0][0]}, and {promised} days were promised"


def _numbers(page: Page) -> dict[str, Sequence[float | None]]:
    """Column → its numbers; columns that hold no number at all are left out."""
    if any(len(cells) != len(page.columns) for cells in page.cells):
        return {}
    columns = {
        folded(name): [number_of(cells[place]) for cells in page.cells] for place, name in enumerate(page.columns)
    }
    return {name: numbers for name, numbers in columns.items() if any(number is not None for number in numbers)}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _stem(word: str) -> str:
    return re.sub(r"(ies|es|s|y|e)$", "", word)
