"""How often one may ask: by who it is, by where it comes from, and much less often with a password."""

import math
import time

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

BY_PRINCIPAL = RateLimitItemPerMinute(1200, namespace="principal")
BY_ADDRESS = RateLimitItemPerMinute(6000, namespace="address")
"""A whole office may come from one address."""
LOGINS_BY_ADDRESS = RateLimitItemPerMinute(20, namespace="login-address")
LOGINS_BY_NAME = RateLimitItemPerMinute(5, namespace="login-name")
"""From one address."""
LOGINS_OF_NAME = RateLimitItemPerHour(100, namespace="login-of")
"""From anywhere."""

ARRIVALS = RateLimitItemPerMinute(300, namespace="arrivals")
"""From one address, on the way to a provider and back: two for each login."""


class Throttle:
    """Counts in this process's memory; several servers each count for themselves."""

    def __init__(self) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def address(self, address: str) -> int:
        """Count a request from there; gives the seconds after which to ask again, 0: it may go on."""
        return await self._wait(BY_ADDRESS, address)

    async def principal(self, name: str) -> int:
        """Count a request of somebody who is known."""
        return await self._wait(BY_PRINCIPAL, name)

    async def login(self, name: str, address: str) -> int:
        """Count a password that is tried."""
        return (
            await self._wait(LOGINS_BY_ADDRESS, address)
            or await self._wait(LOGINS_BY_NAME, name, address)
            or await self._wait(LOGINS_OF_NAME, name)
        )

    async def arrival(self, address: str) -> int:
        """Count a browser that goes to a provider or comes back."""
        return await self._wait(ARRIVALS, address)

    async def _wait(self, item: RateLimitItem, *of: str) -> int:
        if await self._limiter.hit(item, *of):
            return 0
        stats = await self._limiter.get_window_stats(item, *of)
        return max(1, math.ceil(stats.reset_time - time.time()))
