"""A copy of a run's past under another name: its facts and transcripts, without what they cost."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, select

from macrohard.domain import JsonObject
from macrohard.errors import Conflict
from macrohard.store.artifacts import note_uses
from macrohard.store.database import Database
from macrohard.store.tables import AnswerRow, EventRow, MessageRow, RulingRow, RunRow, SessionRow

BATCH = 500


async def copy_past(database: Database, original: str, fork: str, *, iteration: int) -> None:
    """Give the fork all that happened in the original until this iteration was judged.

    Calls cost the fork nothing: the original paid for them. Until this returns, nothing of it can be seen.

    Raises:
        Conflict: the original has not come that far.
    """
    async with database.write() as session:
        told = select(EventRow).where(EventRow.run_id == original).order_by(EventRow.number)
        events: list[EventRow] = []
        for event in await session.scalars(told):
            body = event.body
            if (event.type, body.get("phase"), body.get("iteration")) == ("phase started", "triage", iteration):
                judged_at = event.at
                break
            events.append(event)
        else:
            raise Conflict(f"iteration {iteration} of run {original} was not judged yet; there is nothing to fork from")
        run, parent = await session.get_one(RunRow, fork), await session.get_one(RunRow, original)
        run.title, run.iterations, run.updated_at = parent.title, iteration, datetime.now(UTC)
        rows: list[dict[str, Any]] = [
            {
                "run_id": fork, "number": event.number, "at": event.at, "type": event.type,
                "worked_seconds": 0.0, "body": _renamed(event.body, original, fork),
            }
            for event in events
        ]  # fmt: skip
        await _insert(session, EventRow, rows)
        await note_uses(session, fork, (row["body"] for row in rows))
        began = select(SessionRow).where(SessionRow.run_id == original, SessionRow.iteration <= iteration)
        judging = ("triage", "release")
        sessions = [
            row for row in await session.scalars(began) if row.iteration < iteration or row.phase not in judging
        ]
        await _insert(session, SessionRow, [_session(row, original, fork) for row in sessions])
        for row in sessions:
            said = select(MessageRow).where(MessageRow.session_id == row.id).order_by(MessageRow.number)
            messages: list[dict[str, Any]] = [
                {
                    "session_id": _name(row.id, original, fork), "number": each.number, "at": each.at,
                    "body": _renamed(each.body, original, fork), "usage": each.usage,
                }
                for each in await session.scalars(said)
            ]  # fmt: skip
            await _insert(session, MessageRow, messages)
            await note_uses(session, fork, (each["body"] for each in messages))
        for kind, names in ((AnswerRow, ("question_id", "text", "at")), (RulingRow, ("point", "number", "at", "body"))):
            # What was said later is not in the fork's past.
            kept = await session.scalars(select(kind).where(kind.run_id == original, kind.at <= judged_at))
            copies = [{"run_id": fork, **{name: getattr(row, name) for name in names}} for row in kept]
            await _insert(session, kind, copies)


async def _insert(session: Any, table: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(rows), BATCH):
        await session.execute(insert(table), rows[start : start + BATCH])


def _session(row: SessionRow, original: str, fork: str) -> dict[str, Any]:
    kept = ("iteration", "phase", "agent", "agent_hash", "persona", "task", "criteria", "outcome", "problem", "commit")
    return {
        **{name: getattr(row, name) for name in kept},
        "run_id": fork, "id": _name(row.id, original, fork), "started_at": row.started_at, "seconds": row.seconds,
        "parent": None if row.parent is None else _name(row.parent, original, fork),
        "model_calls": 0, "input_tokens": 0, "cached_tokens": 0, "output_tokens": 0, "reasoning_tokens": 0,
        "cost_ticks": 0,
    }  # fmt: skip


def _name(session_id: str, original: str, fork: str) -> str:
    return fork + session_id.removeprefix(original)


def _renamed(body: JsonObject, original: str, fork: str) -> JsonObject:
    """The same with the names of the fork's sessions, and at no cost."""
    said: JsonObject = {}
    for name, value in body.items():
        if name == "session_id" and isinstance(value, str):
            said[name] = _name(value, original, fork)
        elif name == "cost_usd":
            said[name] = 0.0
        elif name == "result" and isinstance(value, dict):
            said[name] = _renamed(value, original, fork)
        else:
            said[name] = value
    return said
