"""What a run asks when a cap is reached: what went where, what is left to do, and how much more to allow."""

import math
from datetime import datetime

from macrohard.domain import ADD_OPTIONS, RunOverview, Share
from macrohard.errors import LimitExceeded

SHOWN = 4
"""Parts that are named one by one."""
LEAST_USD = 0.01
"""What the option takes at least."""


def at_the_cap(error: LimitExceeded, overview: RunOverview, *, until: datetime | None = None) -> str:
    """The question, with the command that answers it; `until`: when nobody is waited for any more."""
    if error.cap is None:
        return f"{error}. Go on with: macrohard resume {overview.summary.id}"
    parts = [f"{error.problem}."]
    if overview.cost_usd > 0:
        spent = sorted(overview.costs.by_phase, key=lambda share: -share.cost_usd)
        parts.append(f"It went into {_list(spent)}.")
    parts.append(_left(overview))
    more = suggestion(error, overview)
    if overview.forecast is not None and overview.forecast.runs:
        parts.append(f"Forecast for the whole run: {overview.forecast.words}.")
    if until is not None:
        parts.append(f"Without a word what was kept by then is put out at {until:%Y-%m-%d %H:%M} UTC.")
    parts.append(
        f"How much more may it take? Go on with: macrohard resume {overview.summary.id} {ADD_OPTIONS[error.cap]} {more}"
    )
    return " ".join(part for part in parts if part)


def suggestion(error: LimitExceeded, overview: RunOverview) -> str:
    """How much to add of what ran out, as the option takes it: what the forecast leaves, else half the cap again."""
    cap = error.cap
    forecast = overview.forecast if overview.forecast is not None and overview.forecast.runs else None
    missing = error.used - error.allowed
    if cap == "usd":
        expected = (forecast.cost_usd_high or 0.0) - error.allowed if forecast else error.allowed / 2
        return f"{_rounded_up(max(expected, 2 * missing, error.allowed / 10, LEAST_USD)):g}"
    if cap == "seconds":
        expected = (forecast.seconds_high or 0.0) - error.allowed if forecast else error.allowed / 2
        return f"{max(1, math.ceil(max(expected, error.allowed / 10) / 60))}m"
    planned = len(overview.iterations[-1].tasks) - error.allowed if cap == "fan_out" and overview.iterations else 0
    return str(max(1, math.ceil(max(planned, 2 * missing, error.allowed / 2))))


def _rounded_up(usd: float) -> float:
    """To two digits, so that it is easy to read, and never to less."""
    digit = 10.0 ** (math.floor(math.log10(usd)) - 1)
    return round(math.ceil(usd / digit - 1e-9) * digit, 10)


def _list(shares: list[Share]) -> str:
    named = [f"{share.name} ({_dollars(share.cost_usd)})" for share in shares[:SHOWN]]
    if rest := shares[SHOWN:]:
        named.append(f"{len(rest)} more ({_dollars(sum(share.cost_usd for share in rest))})")
    return ", ".join(named)


def _left(overview: RunOverview) -> str:
    if overview.specification is None:
        return "Nothing is specified yet."
    unmet = [state.criterion.id for state in overview.criteria if state.status != "met"]
    left = [f"{len(unmet)} of {len(overview.criteria)} criteria ({_some(unmet)})"] if unmet else []
    if overview.iterations:
        latest = overview.iterations[-1]
        done = {
            session.id.rpartition("/")[2]
            for session in overview.sessions
            if (session.iteration, session.phase, session.outcome) == (latest.number, "implement", "finished")
        }
        if waiting := [task.id for task in latest.tasks if task.id not in done]:
            left.append(f"{len(waiting)} of {len(latest.tasks)} tasks of iteration {latest.number} ({_some(waiting)})")
    return f"Left to do: {' and '.join(left)}." if left else "All criteria are met; what is left is to release it."


def _some(names: list[str]) -> str:
    return ", ".join([*names[:SHOWN], *(["…"] if len(names) > SHOWN else [])])


def _dollars(amount: float) -> str:
    return f"${amount:,.4f}" if 0 < amount < 0.01 else f"${amount:,.2f}"
