"""Submissions with a key of their sender's: one that is sent again gets the first answer, and makes no second run."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from macrohard.domain import JsonObject
from macrohard.errors import Conflict
from macrohard.store.database import Database
from macrohard.store.tables import SubmissionRow

ABANDONED_SECONDS = 60.0
"""A submission that has no answer by then is taken to have died with its process."""


class Submissions:
    """The keyed submissions of all senders; their keys do not meet."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, sender: str, key: str, *, digest: str) -> JsonObject | None:
        """The answer that was given to this before; None: it is new, and the caller is to `finish` it or `give_up`.

        Raises:
            Conflict: the key stands for something else, or the same is being worked on right now.
        """
        now = datetime.now(UTC)
        try:
            async with self._database.write() as session:
                row = await session.get(SubmissionRow, (sender, key), with_for_update=True)
                if row is None:
                    session.add(SubmissionRow(sender=sender, key=key, digest=digest, at=now, run_id=None, answer=None))
                    return None
                if row.digest != digest:
                    raise Conflict(f"the Idempotency-Key {key!r} was sent with something else before; take a new one")
                if row.answer is not None:
                    return row.answer
                if row.at > now - timedelta(seconds=ABANDONED_SECONDS):
                    raise _under_way(key)
                row.at = now
                return None
        except IntegrityError as error:
            raise _under_way(key) from error

    async def finish(self, sender: str, key: str, *, run_id: str, answer: JsonObject) -> None:
        """Keep what was answered."""
        async with self._database.write() as session:
            row = await session.get_one(SubmissionRow, (sender, key))
            row.run_id, row.answer = run_id, answer

    async def give_up(self, sender: str, key: str) -> None:
        """Nothing came of it: the key may be used again."""
        async with self._database.write() as session:
            await session.execute(
                delete(SubmissionRow).where(
                    SubmissionRow.sender == sender, SubmissionRow.key == key, SubmissionRow.answer.is_(None)
                )
            )


def _under_way(key: str) -> Conflict:
    return Conflict(f"what was sent with the Idempotency-Key {key!r} is being worked on; send it again in a minute")
