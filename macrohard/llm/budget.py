"""The one budget of a run's whole tree of sessions: the worst case is reserved before a call and settled after it."""

from typing import Protocol


class Ledger(Protocol):
    """Durable; shared by everything that spends for one run."""

    async def reserve(self, *, session_id: str, worst_case_usd: float) -> str:
        """Set the amount aside and give the reservation's id.

        Raises:
            LimitExceeded: spent, reserved and this together are more than the run's cap.
        """

    async def settle(self, reservation: str, *, actual_usd: float) -> None:
        """Replace the reservation by what was really spent; settling twice changes nothing."""
