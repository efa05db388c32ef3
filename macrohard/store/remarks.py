"""What people say of runs, and what became of it."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain.feedback import Feedback, Remark
from macrohard.errors import NotFound
from macrohard.store.database import Database
from macrohard.store.tables import FeedbackRow, RunRow


class Remarks:
    """The feedback of all runs; remarks are never changed, and answered once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, run_id: str, remark: Remark, *, by: str) -> Feedback:
        """Keep what a person said.

        Raises:
            NotFound: there is no such run.
        """
        row = FeedbackRow(
            id=f"f-{secrets.token_hex(6)}", run_id=run_id, at=datetime.now(UTC), by=by,
            body=remark.model_dump(mode="json"), taken_in=None, answer="", answered_in=None,
        )  # fmt: skip
        async with self._database.write() as session:
            run = await session.get(RunRow, run_id)
            if run is None:
                raise NotFound(f"there is no run {run_id!r}")
            # Pages that show the run are told so.
            run.updated_at = row.at
            session.add(row)
        return _feedback(row)

    async def of(self, run_id: str) -> tuple[Feedback, ...]:
        """All that was said of a run, in order."""
        said = select(FeedbackRow).where(FeedbackRow.run_id == run_id).order_by(FeedbackRow.at, FeedbackRow.id)
        async with self._database.read() as session:
            return tuple(_feedback(row) for row in await session.scalars(said))

    async def open(self, run_id: str) -> tuple[Feedback, ...]:
        """What was said and not answered yet."""
        return tuple(each for each in await self.of(run_id) if not each.answer)


async def take(session: AsyncSession, run_id: str, ids: Sequence[str], *, iteration: int) -> None:
    """Note in the caller's transaction that this iteration is to see to the remarks."""
    await session.execute(
        update(FeedbackRow).where(FeedbackRow.run_id == run_id, FeedbackRow.id.in_(ids)).values(taken_in=iteration)
    )


async def answer(session: AsyncSession, run_id: str, ids: Sequence[str], *, text: str, iteration: int) -> None:
    """Note in the caller's transaction what became of remarks; one that is answered keeps its first answer."""
    await session.execute(
        update(FeedbackRow)
        .where(FeedbackRow.run_id == run_id, FeedbackRow.id.in_(ids), FeedbackRow.answer == "")
        .values(answer=text, answered_in=iteration)
    )


def _feedback(row: FeedbackRow) -> Feedback:
    answered = {"taken_in": row.taken_in, "answer": row.answer, "answered_in": row.answered_in}
    return Feedback.model_validate({**row.body, **answered, "id": row.id, "at": row.at, "by": row.by})
