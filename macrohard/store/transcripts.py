"""What was said in each session, append-only: a message is written once and read when the session goes on."""

from datetime import UTC, datetime

from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError

from macrohard.domain import JsonObject
from macrohard.errors import Conflict, LeaseLost
from macrohard.store.artifacts import note_uses
from macrohard.store.database import Database
from macrohard.store.lease import Lease
from macrohard.store.tables import MessageRow, NoteRow


class Transcripts:
    """Transcripts of all sessions; each has one writer at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next: dict[str, int] = {}

    async def append(
        self, session_id: str, message: JsonObject, *, usage: JsonObject | None = None, lease: Lease | None = None
    ) -> int:
        """Add a message at the end and give its number, from 0; durable when this returns.

        `lease`: of the session's run; nothing is written once it is lost.

        Raises:
            LeaseLost: another process went on with the session.
        """
        # Known again only after it is written: who is cancelled half-way does not know whether it was.
        if (number := self._next.pop(session_id, None)) is None:
            number = await self.count(session_id)
        row = {"session_id": session_id, "number": number, "at": datetime.now(UTC), "body": message, "usage": usage}
        try:
            async with self._database.write() as session:
                if lease is not None:
                    await lease.confirm(session)
                await session.execute(insert(MessageRow).values(row))
                await note_uses(session, session_id.split("/", 1)[0], [message])
        except IntegrityError as error:
            raise LeaseLost(session_id.split("/", 1)[0]) from error
        self._next[session_id] = number + 1
        return number

    async def load(self, session_id: str) -> list[JsonObject]:
        """All messages of the session in order; empty if it never began. Appending goes on after the last of them."""
        wanted = select(MessageRow.body).where(MessageRow.session_id == session_id).order_by(MessageRow.number)
        async with self._database.read() as session:
            messages = list(await session.scalars(wanted))
        self._next[session_id] = len(messages)
        return messages

    async def write_to(self, session_id: str, *, by: str, text: str, stop: bool) -> None:
        """Keep what a person says to a session; it hears it before its next call of a model.

        Raises:
            Conflict: somebody else wrote at the same time.
        """
        counted = select(func.count()).where(NoteRow.session_id == session_id)
        try:
            async with self._database.write() as session:
                number = await session.scalar(counted) or 0
                row = {"session_id": session_id, "number": number, "at": datetime.now(UTC)}
                await session.execute(insert(NoteRow).values(**row, by=by, text=text, stop=stop))
        except IntegrityError as error:
            raise Conflict("somebody else wrote to the session at the same moment; send it again") from error

    async def notes(self, session_id: str) -> list[tuple[str, str, bool]]:
        """What people said to the session, in order: who, what, and whether it is to end."""
        said = select(NoteRow).where(NoteRow.session_id == session_id).order_by(NoteRow.number)
        async with self._database.read() as session:
            return [(row.by, row.text, row.stop) for row in await session.scalars(said)]

    async def page(self, session_id: str, *, after: int, limit: int) -> list[tuple[int, datetime, JsonObject]]:
        """Messages behind number `after` (-1: from the first), with when they were written; `limit` at most."""
        wanted = select(MessageRow).where(MessageRow.session_id == session_id, MessageRow.number > after)
        async with self._database.read() as session:
            rows = await session.scalars(wanted.order_by(MessageRow.number).limit(limit))
            return [(row.number, row.at, row.body) for row in rows]

    async def count(self, session_id: str) -> int:
        """How many messages there are, numbered from 0."""
        async with self._database.read() as session:
            counted = await session.scalar(select(func.count()).where(MessageRow.session_id == session_id))
        return counted or 0
