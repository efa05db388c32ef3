"""Who did what: a log that only grows, in which every entry holds the hash of the one before."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256

from sqlalchemy import select

from macrohard.domain.people import AuditEntry, AuditVerdict
from macrohard.store.database import Database
from macrohard.store.tables import AuditHeadRow, AuditRow

_BATCH = 1000


class AuditLog:
    """What was done, in the one order in which it was written."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, action: str, *, who: str, through: str, address: str, facts: Mapping[str, str | int | None]
    ) -> int:
        """Write an entry behind the last one; gives its number. It is durable when this returns."""
        body = {"at": datetime.now(UTC).isoformat(), "who": who, "through": through, "address": address}
        async with self._database.write() as session:
            # Who holds this row is the one writer: the next one continues from what this one leaves.
            head = (await session.scalars(select(AuditHeadRow).with_for_update())).one()
            text = _canonical({**body, "number": head.number + 1, "action": action, "facts": dict(facts)})
            row = AuditRow(number=head.number + 1, body=text, previous=head.hash, hash=_hash(head.hash, text))
            session.add(row)
            head.number, head.hash = row.number, row.hash
            return row.number

    async def page(self, *, limit: int, before: int | None = None) -> tuple[AuditEntry, ...]:
        """The latest entries first; with `before`, those written before that one."""
        wanted = select(AuditRow).order_by(AuditRow.number.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(AuditRow.number < before)
        async with self._database.read() as session:
            return tuple(_entry(row) for row in await session.scalars(wanted))

    async def verify(self) -> AuditVerdict:
        """Compute every hash anew, from the first entry to the last."""
        known, last = 0, ""
        async with self._database.read() as session:
            head = (await session.scalars(select(AuditHeadRow))).one()
            while True:
                rows = (
                    await session.scalars(
                        select(AuditRow).where(AuditRow.number > known).order_by(AuditRow.number).limit(_BATCH)
                    )
                ).all()
                for row in rows:
                    if problem := _wrong(row, number=known + 1, previous=last):
                        return AuditVerdict(entries=known, hash=last, problem=problem)
                    known, last = row.number, row.hash
                if len(rows) < _BATCH:
                    break
        problem = ""
        if (head.number, head.hash) != (known, last):
            problem = f"the log ends with entry {known}, and {head.number} were written: the last ones were removed"
        return AuditVerdict(entries=known, hash=last, problem=problem)


def _wrong(row: AuditRow, *, number: int, previous: str) -> str:
    if row.number != number:
        return f"entry {number} was removed"
    if row.previous != previous:
        return f"entry {number} does not follow the one before: one of them was put in the place of another"
    if row.hash != _hash(previous, row.body) or json.loads(row.body)["number"] != number:
        return f"entry {number} was altered"
    return ""


def _canonical(body: Mapping[str, object]) -> str:
    # Pure ASCII, so that no database has an opinion about any letter of it.
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _hash(previous: str, body: str) -> str:
    return sha256(f"{previous}\n{body}".encode()).hexdigest()


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry.model_validate({**json.loads(row.body), "previous": row.previous, "hash": row.hash})
