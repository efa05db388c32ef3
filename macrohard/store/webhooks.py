"""What other programs are told: written in the transaction of the fact itself, and kept until it reached them."""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain.webhook import Delivery, Notice, Webhook
from macrohard.errors import NotFound
from macrohard.events import Event, FeedbackAnswered, IterationEnded, RunEnded, RunStarted
from macrohard.store.database import Database
from macrohard.store.tables import DeliveryRow, RunRow, WebhookRow


class Parcel(NamedTuple):
    """A delivery that this process, and no other, is to make now."""

    id: str
    webhook: str
    url: str
    secret: str
    event: Notice
    body: str
    """To the letter, so that what is signed is the same each time."""
    attempts: int
    """Those before."""
    until: datetime
    """From then on it may be another process's."""


class Webhooks:
    """The addresses that are told, and every delivery to them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, url: str, events: Sequence[Notice], *, run_id: str | None, by: str) -> tuple[Webhook, str]:
        """Tell this address from now on; gives also the secret with which what it is told is signed.

        Raises:
            NotFound: there is no such run.
        """
        secret = f"whsec_{secrets.token_urlsafe(32)}"
        row = WebhookRow(
            id=f"wh-{secrets.token_hex(6)}", url=url, events=list(dict.fromkeys(events)), run_id=run_id, by=by,
            secret=secret, created_at=datetime.now(UTC),
        )  # fmt: skip
        async with self._database.write() as session:
            if run_id is not None and await session.get(RunRow, run_id) is None:
                raise NotFound(f"there is no run {run_id!r}")
            session.add(row)
        return _webhook(row), secret

    async def all(self) -> tuple[Webhook, ...]:
        """Every address that is told, the oldest first."""
        async with self._database.read() as session:
            rows = await session.scalars(select(WebhookRow).order_by(WebhookRow.created_at, WebhookRow.id))
            return tuple(_webhook(row) for row in rows)

    async def remove(self, webhook_id: str) -> None:
        """Tell this address nothing more, also not what it was not told yet.

        Raises:
            NotFound: there is no such webhook.
        """
        async with self._database.write() as session:
            # Who is about to tell this address ends first: see `announce`.
            if await session.get(WebhookRow, webhook_id, with_for_update=True) is None:
                raise NotFound(f"there is no webhook {webhook_id!r}")
            await session.execute(delete(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id))
            await session.execute(delete(WebhookRow).where(WebhookRow.id == webhook_id))

    async def deliveries(self, *, limit: int, webhook_id: str | None = None) -> tuple[Delivery, ...]:
        """The latest deliveries first."""
        wanted = select(DeliveryRow).order_by(DeliveryRow.created_at.desc(), DeliveryRow.id.desc()).limit(limit)
        if webhook_id is not None:
            wanted = wanted.where(DeliveryRow.webhook_id == webhook_id)
        async with self._database.read() as session:
            return tuple(_delivery(row) for row in await session.scalars(wanted))

    async def send_again(self, delivery_id: str) -> Delivery:
        """Have a delivery made now, whether it was made before or not.

        Raises:
            NotFound: there is no such delivery.
        """
        async with self._database.write() as session:
            row = await session.get(DeliveryRow, delivery_id, with_for_update=True)
            if row is None:
                raise NotFound(f"there is no delivery {delivery_id!r}")
            row.status, row.next_at, row.attempts, row.taken_until = "waiting", datetime.now(UTC), 0, None
        return _delivery(row)

    async def take(
        self, *, limit: int, for_seconds: float, for_one: int, under_way: Mapping[str, int]
    ) -> tuple[Parcel, ...]:
        """Deliveries whose time has come, which no other process gets for so many seconds.

        `under_way`: how many the caller is making already, by webhook. No webhook gets more than `for_one` at once,
        and those that have fewest come first, however long others wait.
        """
        now = datetime.now(UTC)
        free = or_(DeliveryRow.taken_until.is_(None), DeliveryRow.taken_until <= now)
        place = func.row_number().over(
            partition_by=DeliveryRow.webhook_id, order_by=(DeliveryRow.next_at, DeliveryRow.id)
        )
        before = case(dict(under_way), value=DeliveryRow.webhook_id, else_=0) if under_way else 0
        due = (
            select(DeliveryRow.id, DeliveryRow.next_at, (place + before).label("place"))
            .where(DeliveryRow.status == "waiting", DeliveryRow.next_at <= now, free)
            .subquery()
        )
        first = select(due.c.id).where(due.c.place <= for_one).order_by(due.c.place, due.c.next_at, due.c.id)
        async with self._database.read() as session:
            ids = list(await session.scalars(first.limit(limit)))
        taken = []
        for delivery_id in ids:
            async with self._database.write() as session:
                claim = update(DeliveryRow).where(DeliveryRow.id == delivery_id, DeliveryRow.status == "waiting", free)
                until = now + timedelta(seconds=for_seconds)
                if not list(await session.scalars(claim.values(taken_until=until).returning(DeliveryRow.id))):
                    continue  # another process was faster
                row = await session.get_one(DeliveryRow, delivery_id)
                hook = await session.get_one(WebhookRow, row.webhook_id)
                event = _delivery(row).event
                taken.append(Parcel(row.id, hook.id, hook.url, hook.secret, event, row.body, row.attempts, until))
        return tuple(taken)

    async def settle(self, parcel: Parcel, *, problem: str, again_in: float | None) -> None:
        """Note how an attempt went: no problem, or one, and in how many seconds it is tried again (None: no more).

        Nothing is noted if it is not ours any more, because it took too long, or a person wants it sent again.
        """
        now = datetime.now(UTC)
        values: dict[str, object] = {"problem": problem, "taken_until": None, "next_at": None}
        if not problem:
            values |= {"status": "delivered", "delivered_at": now}
        elif again_in is None:
            values |= {"status": "failed"}
        else:
            values |= {"next_at": now + timedelta(seconds=again_in)}
        made = update(DeliveryRow).where(
            DeliveryRow.id == parcel.id, DeliveryRow.status == "waiting", DeliveryRow.taken_until == parcel.until
        )
        async with self._database.write() as session:
            await session.execute(made.values(**values, attempts=DeliveryRow.attempts + 1))


async def announce(session: AsyncSession, run_id: str, event: Event, *, number: int, at: datetime) -> None:
    """Note in the caller's transaction who is to be told this fact."""
    if (notice := notice_of(event)) is None:
        return
    concerned = or_(WebhookRow.run_id.is_(None), WebhookRow.run_id == run_id)
    # Nobody removes one of them before what it is told is written.
    kept = select(WebhookRow).where(concerned).order_by(WebhookRow.id).with_for_update(read=True, key_share=True)
    hooks = list(await session.scalars(kept))
    for hook in (each for each in hooks if notice in each.events):
        delivery_id = f"d-{secrets.token_hex(8)}"
        body = {
            "id": delivery_id, "event": notice, "run": run_id, "number": number, "at": at.isoformat(),
            "data": event.model_dump(mode="json", exclude={"type"}),
        }  # fmt: skip
        row = DeliveryRow(
            id=delivery_id, webhook_id=hook.id, run_id=run_id, event=notice, body=json.dumps(body), status="waiting",
            attempts=0, created_at=at, next_at=at, taken_until=None, delivered_at=None, problem="",
        )  # fmt: skip
        session.add(row)


def notice_of(event: Event) -> Notice | None:
    """What others call this fact; None: they are not told."""
    match event:
        case RunStarted():
            return "run.started"
        case RunEnded(outcome="paused"):
            return "run.waiting"
        case RunEnded():
            return "run.ended"
        case IterationEnded():
            return "iteration.ended"
        case FeedbackAnswered():
            return "feedback.answered"
        case _:
            return None


def _webhook(row: WebhookRow) -> Webhook:
    return Webhook.model_validate(
        {
            "id": row.id,
            "url": row.url,
            "events": row.events,
            "run": row.run_id,
            "by": row.by,
            "created_at": row.created_at,
        }
    )


def _delivery(row: DeliveryRow) -> Delivery:
    return Delivery.model_validate(
        {
            "id": row.id,
            "webhook": row.webhook_id,
            "run": row.run_id,
            "event": row.event,
            "status": row.status,
            "attempts": row.attempts,
            "created_at": row.created_at,
            "next_at": row.next_at,
            "delivered_at": row.delivered_at,
            "problem": row.problem,
        }
    )
