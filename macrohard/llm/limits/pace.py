"""How fast an endpoint may be asked: requests per second and tokens per minute, each in a moving window."""

import math
import time
from fractions import Fraction

from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

PORTIONS = 1000
"""The tokens of a minute are counted in so many portions at most, because the window keeps an entry for each."""
_A_MOMENT = 0.002
"""The window's borders belong to it."""


class Pace:
    """Books calls; only one caller at a time may do so."""

    def __init__(self, *, requests_per_second: float | None, tokens_per_minute: int | None) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._requests: RateLimitItem | None = None
        self._tokens: RateLimitItem | None = None
        self._portion = 1
        self._owed = 0
        """Tokens that were used beyond what was booked, or not used after all (negative): the next call's to book."""
        if requests_per_second is not None:
            self._requests = per_seconds(requests_per_second)
        if tokens_per_minute is not None:
            self._portion = max(1, math.ceil(tokens_per_minute / PORTIONS))
            self._tokens = RateLimitItemPerMinute(max(tokens_per_minute // self._portion, 1))

    async def book(self, tokens: int) -> float:
        """Count one call of so many tokens and give 0, if it fits now; else the seconds until it is worth asking again.

        A call of more tokens than a minute has takes the whole minute.
        """
        costs = [(self._requests, 1)] if self._requests else []
        if self._tokens is not None:
            portions = math.ceil(max(tokens + self._owed, 0) / self._portion)
            costs.append((self._tokens, min(max(portions, 1), self._tokens.amount)))
        for window, cost in costs:
            if not await self._windows.test(window, cost=cost):
                frees_at = (await self._windows.get_window_stats(window)).reset_time
                return max(frees_at - time.time(), 0) + _A_MOMENT
        for window, cost in costs:
            await self._windows.hit(window, cost=cost)
        self._owed = 0
        return 0.0

    def correct(self, difference: int) -> None:
        """A call took so many tokens more than it had booked, or less."""
        self._owed += difference


def per_seconds(rate: float) -> RateLimitItem:
    """Whole requests in whole seconds, never more than the rate: 2.5 is 5 in 2 s, 0.3 is 1 in 4 s."""
    if rate < 1:
        return RateLimitItemPerSecond(1, math.ceil(1 / rate))
    quarters = Fraction(math.floor(rate * 4), 4)
    return RateLimitItemPerSecond(quarters.numerator, quarters.denominator)
