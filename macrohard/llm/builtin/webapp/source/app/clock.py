"""Today and now in the server's local time, and moments counted from them."""

import calendar
import re
from datetime import date, datetime, timedelta

_RELATIVE = re.compile(
    r"(?P<base>today|now|[a-z][a-z0-9_]*)?\s*(?:(?P<sign>[+-])\s*(?P<count>\d{1,5})\s*(?P<unit>[hdwmy]))?"
)


def today() -> date:
    """The current local day."""
    return date.today()


def now() -> datetime:
    """The current local minute."""
    return datetime.now().replace(second=0, microsecond=0)


def later(start: date, count: int, unit: str) -> date:
    """`start` and so many hours, days, weeks, months or years (h, d, w, m, y) more; a month's end stays a month's end.

    Raises:
        OverflowError: there is no such day.
    """
    if unit in "my":
        year, month = divmod(start.year * 12 + start.month - 1 + count * (12 if unit == "y" else 1), 12)
        if not 1 <= year <= 9999:
            raise OverflowError("no such year")
        return start.replace(year=year, month=month + 1, day=min(start.day, calendar.monthrange(year, month + 1)[1]))
    return start + {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}[unit] * count


def offset(text: str) -> tuple[str, int, str] | None:
    """Read "today+1y", "out_date + 21d", "+7d" as the start, how many, and the unit; None if it is no such text."""
    matched = _RELATIVE.fullmatch(text.strip())
    if not matched or not text.strip():
        return None
    count = int(matched["count"] or 0)
    return matched["base"] or "", -count if matched["sign"] == "-" else count, matched["unit"] or "d"


def resolve(text: str) -> date:
    """The day meant by 2026-11-22, "today", "now", "today-30d", "today+1y".

    Raises:
        ValueError: it is none of these.
    """
    parts = offset(text)
    if parts and parts[0] in {"today", "now"}:
        return later(today(), parts[1], parts[2])
    return date.fromisoformat(text.strip()[:10])


def resolve_minute(text: str) -> datetime:
    """The minute meant by 2026-11-22 09:30, "now", "today-30d" (at this time of day).

    Raises:
        ValueError: it is none of these.
    """
    parts = offset(text)
    if parts and parts[0] in {"today", "now"}:
        moment = later(now(), parts[1], parts[2])
        assert isinstance(moment, datetime)
        return moment
    return datetime.fromisoformat(text.strip())
