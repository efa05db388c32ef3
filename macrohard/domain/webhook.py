"""What other programs are told about runs, and whether it reached them."""

from datetime import datetime
from typing import Literal

from macrohard.domain.value import Value

Notice = Literal["run.started", "run.waiting", "run.ended", "iteration.ended", "feedback.answered"]
"""Waiting: for a person, or for the hour at which it goes on. Ended: for good."""

DeliveryStatus = Literal["waiting", "delivered", "failed"]
"""Failed: it was tried as often as is worth it; it can be sent again by hand."""


class Webhook(Value):
    """An address that is told what happens."""

    id: str
    url: str
    events: tuple[Notice, ...]
    run: str | None
    """The one run that it is about; None: every run."""
    by: str
    created_at: datetime


class Delivery(Value):
    """One notice on its way to one address."""

    id: str
    webhook: str
    run: str
    event: Notice
    status: DeliveryStatus
    attempts: int
    created_at: datetime
    next_at: datetime | None
    """When it is tried again; None: it is not."""
    delivered_at: datetime | None
    problem: str
    """Of the last attempt; empty: it was answered with 2xx, or was not made yet."""
