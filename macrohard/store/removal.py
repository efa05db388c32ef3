"""Removing a run's rows, all of them or none."""

import json

from sqlalchemy import Text, cast, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain.provenance import FORKED_FROM
from macrohard.errors import Conflict
from macrohard.store.tables import (
    AdmissionRow,
    AnswerRow,
    ArtifactUseRow,
    BudgetRow,
    DeliveryRow,
    EventRow,
    FeedbackRow,
    LeaseRow,
    MessageRow,
    NoteRow,
    ReservationRow,
    RulingRow,
    RunRow,
    SessionRow,
    SpendingRow,
    SubmissionRow,
    WebhookRow,
)

OF_A_RUN = (
    ReservationRow, AdmissionRow, BudgetRow, AnswerRow, RulingRow, FeedbackRow, SubmissionRow, SpendingRow, SessionRow,
    EventRow, LeaseRow, DeliveryRow, WebhookRow, ArtifactUseRow,
)  # fmt: skip
"""In an order in which nothing is pointed to any more when it goes."""


async def check_nothing_builds_on(session: AsyncSession, run_id: str) -> None:
    """Make sure that no other run needs this one.

    Raises:
        Conflict: one does; names it.
    """
    # Where a run comes from stands in its options, by the id of the other run; a fork has a copy of all it needs.
    naming = select(RunRow).where(RunRow.id != run_id, cast(RunRow.options, Text).contains(run_id, autoescape=True))
    for row in await session.scalars(naming):
        needed = {name: value for name, value in row.options.items() if name != FORKED_FROM}
        if run_id in json.dumps(needed):
            raise Conflict(f"run {row.id} builds on run {run_id}; delete that one first")


async def remove(session: AsyncSession, run_id: str) -> None:
    """Delete every row of the run in the caller's transaction; what its calls took stays counted."""
    for said in (MessageRow, NoteRow):
        await session.execute(delete(said).where(said.session_id.startswith(f"{run_id}/", autoescape=True)))
    for table in OF_A_RUN:
        await session.execute(delete(table).where(table.run_id == run_id))
    await session.execute(delete(RunRow).where(RunRow.id == run_id))
