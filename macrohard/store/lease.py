"""Which process carries a run out: one at a time, and the next one at once when it died."""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from macrohard.domain import Value
from macrohard.errors import LeaseLost, NotFound, RunHeld, StoreUnavailable
from macrohard.store.database import Database
from macrohard.store.tables import LeaseRow, RunRow

LEASE_SECONDS = 30.0
"""After so long without a heartbeat a run may be taken over, whatever became of its process."""
HEARTBEAT_SECONDS = 5.0


class Owner(Value):
    """A process, so described that no other one is ever mistaken for it."""

    host: str
    boot: str
    """Of the machine, with the process namespace: numbers of processes mean something only within both.
    Where the system does not tell (no /proc), a random word: then a dead owner is only noticed by its silence."""
    process: int
    started: str

    @classmethod
    def this_process(cls) -> "Owner":
        """The process we are in."""
        process = os.getpid()
        return cls(host=socket.gethostname(), boot=_BOOT, process=process, started=_started(process) or "")

    @property
    def is_dead(self) -> bool:
        """Whether it is certain that the process is gone; False for processes that cannot be seen from here."""
        return self.boot == _BOOT and _started(self.process) != self.started


def _boot() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return uuid.uuid4().hex


def _started(process: int) -> str | None:
    """When a process started, in ticks since boot; None if there is none of that number or it is only a zombie."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


_BOOT = _boot()


class Lease:
    """The right to carry a run out; see `hold`."""

    def __init__(self, database: Database, run_id: str, holder: str) -> None:
        self._database, self.run_id, self._holder = database, run_id, holder

    async def confirm(self, session: AsyncSession) -> None:
        """Make sure, within a transaction that writes for the run, that nobody has taken it over, and nobody can.

        Raises:
            LeaseLost: somebody has.
        """
        # Locked until the transaction ends: a taker waits for it, and then counts from what it wrote.
        held = select(LeaseRow.holder).where(LeaseRow.run_id == self.run_id).with_for_update()
        if await session.scalar(held) != self._holder:
            raise LeaseLost(self.run_id)

    async def check(self) -> None:
        """Make sure that nobody has taken the run over, before something is written that is not in the database.

        Raises:
            LeaseLost: somebody has.
        """
        async with self._database.read() as session:
            held = select(LeaseRow.holder).where(LeaseRow.run_id == self.run_id)
            if await session.scalar(held) != self._holder:
                raise LeaseLost(self.run_id)

    async def renew(self) -> None:
        """Put the end off.

        Raises:
            LeaseLost: it is too late.
        """
        mine = (LeaseRow.run_id == self.run_id, LeaseRow.holder == self._holder)
        async with self._database.write() as session:
            renewed = await session.execute(update(LeaseRow).where(*mine).values(expires_at=_expiry()))
            if cast(CursorResult[object], renewed).rowcount != 1:
                raise LeaseLost(self.run_id)

    async def release(self) -> None:
        """Give it back; nothing happens if it is not ours any more."""
        mine = (LeaseRow.run_id == self.run_id, LeaseRow.holder == self._holder)
        async with self._database.write() as session:
            await session.execute(delete(LeaseRow).where(*mine))


Check = Callable[[AsyncSession, RunRow], Awaitable[None]]


@asynccontextmanager
async def hold(database: Database, run_id: str, *, check: Check | None = None) -> AsyncIterator[Lease]:
    """Have the run to ourselves within the context; when it is taken away, the body is cancelled.

    `check`: says in the transaction that takes it, by an exception, whether it may be taken.

    Raises:
        RunHeld: another process that is alive carries the run out.
        NotFound: there is no such run.
        LeaseLost: another process took it over since.
    """
    lease = await _acquire(database, run_id, check)
    body = asyncio.current_task()
    assert body is not None
    cancelled_before = body.cancelling()
    lost = False

    def stop(beating: asyncio.Task[None]) -> None:
        nonlocal lost
        if not beating.cancelled():
            lost = True
            body.cancel()

    heart = asyncio.create_task(_beat(lease))
    heart.add_done_callback(stop)
    try:
        yield lease
    except asyncio.CancelledError:
        if lost and body.uncancel() <= cancelled_before:
            heart.result()
        raise
    except LeaseLost:
        if lost:
            body.uncancel()
        raise
    finally:
        heart.remove_done_callback(stop)
        heart.cancel()
        await asyncio.shield(_let_go(lease, heart))


async def _let_go(lease: Lease, heart: asyncio.Task[None]) -> None:
    await asyncio.wait([heart])
    await lease.release()


async def _beat(lease: Lease) -> None:
    """Renew the lease until that is not possible any more."""
    last = asyncio.get_running_loop().time()
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        try:
            await lease.renew()
            last = asyncio.get_running_loop().time()
        except StoreUnavailable as error:
            # Others may take the run over by now, although nobody could tell us.
            if asyncio.get_running_loop().time() - last > LEASE_SECONDS:
                raise LeaseLost(lease.run_id) from error


async def _acquire(database: Database, run_id: str, check: Check | None) -> Lease:
    holder, owner = uuid.uuid4().hex, Owner.this_process()
    try:
        async with database.write() as session:
            run = await session.get(RunRow, run_id)
            if run is None:
                raise NotFound(f"there is no run {run_id!r}; `macrohard runs` lists them")
            if check is not None:
                await check(session, run)
            row = await session.get(LeaseRow, run_id, with_for_update=True)
            if row is not None and is_held(row):
                raise _refusal(run_id, Owner.model_validate(row.owner))
            if row is None:
                row = LeaseRow(run_id=run_id)
                session.add(row)
            row.holder, row.owner, row.expires_at = holder, owner.model_dump(mode="json"), _expiry()
    except IntegrityError as error:
        raise RunHeld(f"run {run_id} has just been taken up by another process") from error
    return Lease(database, run_id, holder)


def is_held(row: LeaseRow) -> bool:
    """Whether a process carries the run out, as far as can be seen from here."""
    return row.expires_at > datetime.now(UTC) and not Owner.model_validate(row.owner).is_dead


def _refusal(run_id: str, owner: Owner) -> RunHeld:
    return RunHeld(
        f"run {run_id} is being carried out by process {owner.process} on {owner.host}; "
        f"stop that process, or wait: if it is gone, the run is free after {LEASE_SECONDS:g} s"
    )


def _expiry() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS)
