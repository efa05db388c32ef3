"""Money in the database: whole ticks of 1e-10 USD, so that sums are exact."""

import math
from decimal import Decimal

TICKS_PER_USD = 10**10
_LIMIT_USD = 10**8
"""So that a sum of very many amounts still fits into 64 bits."""


def to_ticks(usd: float) -> int:
    """The amount in ticks; ValueError if it is negative, not a number or beyond any budget."""
    if not math.isfinite(usd) or not 0 <= usd <= _LIMIT_USD:
        raise ValueError(f"not an amount of USD: {usd!r}")
    return round(Decimal(repr(float(usd))) * TICKS_PER_USD)


def to_usd(ticks: int) -> float:
    """The amount in USD."""
    return ticks / TICKS_PER_USD
