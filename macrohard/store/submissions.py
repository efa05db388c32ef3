"""Submissions with a key of their sender's: one that is sent again gets the first answer, and makes no second run."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain import JsonObject, Value
from macrohard.errors import Conflict, UnderWay
from macrohard.store.database import Database
from macrohard.store.tables import SubmissionRow

ABANDONED_SECONDS = 60.0
"""A submission that has made no run by then is taken to have died with its process."""


class Claim(Value):
    """The right to make the run of a key; it is lost to who sends it again when it is taken to be abandoned."""

    sender: str
    key: str
    at: datetime
    """Tells it from those before and behind it."""


class Earlier(Value):
    """What a key stands for already."""

    run_id: str
    answer: JsonObject | None
    """None: the run was made, but nobody was told so."""


class Submissions:
    """The keyed submissions of all senders; their keys do not meet."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, sender: str, key: str, *, digest: str) -> Claim | Earlier:
        """What came of this before; or the claim with which the caller is to make the run, or to `give_up`.

        Raises:
            Conflict: the key stands for something else.
            UnderWay: the same is being worked on right now.
        """
        claim = Claim(sender=sender, key=key, at=datetime.now(UTC))
        try:
            async with self._database.write() as session:
                row = await session.get(SubmissionRow, (sender, key), with_for_update=True)
                if row is None:
                    session.add(
                        SubmissionRow(sender=sender, key=key, digest=digest, at=claim.at, run_id=None, answer=None)
                    )
                    return claim
                if row.digest != digest:
                    raise Conflict(f"the Idempotency-Key {key!r} was sent with something else before; take a new one")
                if row.run_id is not None:
                    return Earlier(run_id=row.run_id, answer=row.answer)
                if row.at > claim.at - timedelta(seconds=ABANDONED_SECONDS):
                    raise _under_way(key)
                row.at = claim.at
                return claim
        except IntegrityError as error:
            raise _under_way(key) from error

    async def finish(self, sender: str, key: str, *, run_id: str, answer: JsonObject) -> None:
        """Keep what is answered from now on, if nothing is yet."""
        async with self._database.write() as session:
            row = await session.get(SubmissionRow, (sender, key), with_for_update=True)
            if row is not None and row.run_id == run_id and row.answer is None:
                row.answer = answer

    async def give_up(self, claim: Claim) -> None:
        """The key may be used again, unless there is a run of it, or somebody else is at it."""
        async with self._database.write() as session:
            await session.execute(
                delete(SubmissionRow).where(
                    SubmissionRow.sender == claim.sender,
                    SubmissionRow.key == claim.key,
                    SubmissionRow.at == claim.at,
                    SubmissionRow.run_id.is_(None),
                )
            )


async def redeem(session: AsyncSession, claim: Claim, run_id: str) -> None:
    """Have the key stand for this run from the end of the caller's transaction on, in which the run is made.

    Raises:
        Conflict: somebody else has the claim by now; the run is not to be made.
    """
    row = await session.get(SubmissionRow, (claim.sender, claim.key), with_for_update=True)
    if row is None or row.at != claim.at or row.run_id is not None:
        raise Conflict(f"the submission with the Idempotency-Key {claim.key!r} took so long that another one took over")
    row.run_id = run_id


def _under_way(key: str) -> UnderWay:
    return UnderWay(f"what was sent with the Idempotency-Key {key!r} is being worked on; send it again in a minute")
