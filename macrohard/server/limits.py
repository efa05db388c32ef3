"""The limit that stopped a run: what it is, in words, and how much more is suggested."""

import re

from macrohard.domain import ADD_OPTIONS, RunOverview, Value
from macrohard.errors import Cap

UNITS: dict[Cap, tuple[str, float]] = {
    "usd": ("dollars", 1),
    "tokens": ("tokens", 1),
    "calls": ("calls of models", 1),
    "seconds": ("minutes at work", 60),
    "sessions": ("assignments", 1),
    "fan_out": ("assignments of one phase", 1),
    "depth": ("levels of passing work on", 1),
}
"""In what people say how much more a run may take, and how much of the cap one of these is."""

_CAPS = {option: cap for cap, option in ADD_OPTIONS.items()}
_ADDED = re.compile(rf"macrohard resume \S+ ({'|'.join(map(re.escape, _CAPS))}) (\d+(?:\.\d+)?)([mh]?)$")
_COMMAND = re.compile(r"([;.]?(?: How much more may it take\?)? [Gg]o on with)?: macrohard resume .*", re.DOTALL)


class Reached(Value):
    """A cap that leaves no room for what would come next."""

    cap: Cap
    headline: str
    amount: str
    """So much more is suggested, in `unit`."""
    unit: str


def reached(overview: RunOverview) -> Reached | None:
    """The cap that the run stopped at, as its problem names it; None: it stopped at none."""
    if (found := _ADDED.search(overview.problem)) is None:
        return None
    cap, amount, suffix = _CAPS[found[1]], float(found[2]), found[3]
    return Reached(
        cap=cap, headline=_headline(cap, overview), amount=f"{amount * (60 if suffix == 'h' else 1):.10g}",
        unit=UNITS[cap][0],
    )  # fmt: skip


def without_command(problem: str) -> str:
    """The problem as a sentence, without what is to be typed in a terminal: a page has a button for it."""
    said = _COMMAND.sub("", problem)
    return said[:1].upper() + said[1:] + ("." if said and said[-1].isalnum() else "")


def _headline(cap: Cap, overview: RunOverview) -> str:
    if (budget := overview.budget) is None or (allowed := getattr(budget.caps, cap)) is None:
        return "A limit is reached"
    match cap:
        case "usd":
            left = allowed - budget.spent_usd
            return f"The next call may cost more than is left (${max(left, 0):,.2f} of ${allowed:,.2f})"
        case "tokens":
            left = allowed - budget.spent_tokens
            return f"The next call may take more tokens than are left ({max(left, 0):,} of {allowed:,})"
        case "calls":
            return f"It has called models {allowed:,} times, as often as it may"
        case "seconds":
            return f"It was at work for {allowed / 60:,.0f} min, as long as it may be"
        case "sessions":
            return f"It has given {allowed:,} assignments, as many as it may"
        case "fan_out":
            return f"One phase would have more than the {allowed:,} assignments that it may have"
        case "depth":
            return f"Work would be passed on further than the {allowed:,} levels that it may be"
