"""Whether an endpoint is well: asked freely (closed), not at all (open), or by one call that finds out (half-open)."""

import random
from typing import Literal

FAILURES = 6
"""So many failed attempts in a row, over all runs and sessions, are taken for an outage."""
OUTAGE_SECONDS = 30.0
"""So are two or more in a row that lie this far apart: attempts that time out come too slowly to count six of them."""
COOL_DOWN_SECONDS = 5.0
"""Before the first probing call; doubled after each probe that fails, less a random part of up to a half."""
LONGEST_COOL_DOWN_SECONDS = 60.0

HealthState = Literal["closed", "open", "half-open"]


class Health:
    """A state machine; whoever lets calls through tells it what became of them, and what time it is.

    Each call belongs to the round in which it was let through. What comes of calls of an earlier round changes nothing:
    fifty that were under way when the endpoint went down are one outage, not fifty.
    """

    def __init__(
        self,
        *,
        failures: int = FAILURES,
        outage_seconds: float = OUTAGE_SECONDS,
        cool_down_seconds: float = COOL_DOWN_SECONDS,
        longest_cool_down_seconds: float = LONGEST_COOL_DOWN_SECONDS,
        dice: random.Random | None = None,
    ) -> None:
        self._failures, self._outage_seconds = failures, outage_seconds
        self._first_cool_down, self._longest_cool_down = cool_down_seconds, longest_cool_down_seconds
        self._dice = dice or random.Random()
        self._in_a_row = 0
        self._failing_since = 0.0
        self._openings = 0
        """Since it was last well."""
        self.round = 0
        self.until: float | None = None
        """When a probing call may be made; None: closed."""

    def state(self, now: float) -> HealthState:
        """What holds at this moment."""
        if self.until is None:
            return "closed"
        return "open" if now < self.until else "half-open"

    def failed(self, *, round: int, now: float) -> bool:
        """An attempt failed; True if this opened the circuit, for the first time or again after a probe."""
        if round != self.round:
            return False
        if self._in_a_row == 0:
            self._failing_since = now
        self._in_a_row += 1
        long = self._in_a_row > 1 and now - self._failing_since >= self._outage_seconds
        if self.until is None and self._in_a_row < self._failures and not long:
            return False
        longest = min(self._first_cool_down * 2**self._openings, self._longest_cool_down)
        self.until = now + longest * self._dice.uniform(0.5, 1.0)
        self._openings += 1
        self.round += 1
        return True

    def answered(self, *, round: int) -> bool:
        """The endpoint gave an answer, or refused for a reason; True if this closed the circuit."""
        if round != self.round:
            return False
        self._in_a_row = 0
        if self.until is None:
            return False
        self.until, self._openings = None, 0
        self.round += 1
        return True
