"""Stretches of time as people write them."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds_of(text: object) -> float:
    """E.g. 90s, 45m, 2h, 1.5h, 1h30m, or a plain number of seconds; ValueError for anything else, and for no time."""
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)", written := str(text).strip().lower())
    if "".join(number + unit for number, unit in parts) != written or not parts or any(not u for _, u in parts[1:]):
        raise ValueError(f"{text!r} is not a stretch of time such as 45m, 2h or 1h30m")
    seconds = sum(float(number) * _UNITS[unit or "s"] for number, unit in parts)
    if seconds <= 0:
        raise ValueError(f"{text!r} is no time at all")
    return seconds


Span = Annotated[float, BeforeValidator(seconds_of), Field(gt=0)]
"""Seconds."""
