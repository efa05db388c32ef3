"""Tells open streams that something was recorded: one look at the database for all of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import NamedTuple

import orjson
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from macrohard.errors import NotFound, StoreUnavailable
from macrohard.store import Recorded, Store

LOOK_SECONDS = 0.2
BATCH = 500
"""Events that are read and sent at a time."""
QUIET_SECONDS = 15.0
"""After so long a stream on which nothing happens says that it is there: proxies end those that are silent."""
RETRY_SECONDS = 1.0
"""Between two looks of a stream when the database does not answer."""

_Place = tuple[str, int, tuple[str, ...]]
"""A run, the number of an event that is known, and types: behind that, what follows of these is the same for all."""


class _Told(NamedTuple):
    until: int
    """The number of the last event in it."""
    sent: bytes


class Feed:
    """Wakes those who follow a run when something of it was recorded, by whichever process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._followers: dict[str, set[asyncio.Event]] = {}
        """By run; those under "" want to know of every run, those under "project NAME" of every run of it."""
        self._reading: dict[_Place, asyncio.Task[_Told | None]] = {}
        """What is being read right now."""
        self._closed = asyncio.Event()

    def close(self) -> None:
        """End all streams, so that the server can end."""
        self._closed.set()
        for followers in self._followers.values():
            for follower in followers:
                follower.set()

    async def stream(self, run_id: str, *, after: int, types: tuple[str, ...] = ()) -> AsyncIterator[bytes]:
        """The events of a run behind number `after`, those to come as they come, as server-sent events.

        With `types`, only those of these types. Ends with the service, and soon after the run was deleted; goes on
        when the database was away.
        """
        with self._following(run_id) as woken:
            quiet_until = time.monotonic() + QUIET_SECONDS
            while not self._closed.is_set():
                woken.clear()
                try:
                    while not self._closed.is_set() and (told := await self._told(run_id, after, types)) is not None:
                        after = told.until
                        yield told.sent
                        quiet_until = time.monotonic() + QUIET_SECONDS
                    look_at = quiet_until
                except StoreUnavailable:
                    look_at = time.monotonic() + RETRY_SECONDS
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), max(0.0, look_at - time.monotonic()))
                if time.monotonic() >= quiet_until and not self._closed.is_set():
                    yield KEEPALIVE_COMMENT
                    quiet_until = time.monotonic() + QUIET_SECONDS
                    if await self._was_deleted(run_id):
                        return

    async def _was_deleted(self, run_id: str) -> bool:
        with suppress(StoreUnavailable):
            try:
                await self._store.summary(run_id)
            except NotFound:
                return True
        return False

    async def _told(self, run_id: str, after: int, types: tuple[str, ...]) -> "_Told | None":
        """What follows in the run now, None: nothing yet.

        Streams that have come equally far and ask at the same time are given the same.
        """
        place = run_id, after, types
        if (begun := self._reading.get(place)) is not None and (told := await asyncio.shield(begun)) is not None:
            return told
        # What was begun before we asked may have missed what we were woken for; what is begun now has not.
        if place not in self._reading:
            self._reading[place] = asyncio.create_task(self._read(place))
        return await asyncio.shield(self._reading[place])

    async def _read(self, place: "_Place") -> "_Told | None":
        run_id, after, types = place
        try:
            batch = await self._store.events(run_id, after=after, limit=BATCH, types=types)
        finally:
            # Here, and not when the task is seen to have ended: nobody is to be given what was read before they asked.
            del self._reading[place]
        if not batch:
            return None
        return _Told(batch[-1].number, b"".join(_sent(recorded) for recorded in batch))

    async def batch(
        self, run_id: str, *, after: int, types: Collection[str], limit: int, wait_seconds: float
    ) -> tuple[Recorded, ...]:
        """The events of a run behind number `after`; where there are none, the first to come within `wait_seconds`."""
        until = time.monotonic() + wait_seconds
        with self._following(run_id) as woken:
            while True:
                woken.clear()
                found = await self._store.events(run_id, after=after, limit=limit, types=types)
                left = until - time.monotonic()
                if found or left <= 0 or self._closed.is_set():
                    return found
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), left)

    async def changes(self, run_id: str = "", *, within: Collection[str] | None = None) -> AsyncIterator[None]:
        """Once at first, and then whenever something of the run was recorded ("": of any run of these projects)."""
        names = [run_id] if run_id or within is None else [_of(project) for project in within]
        with self._following(*names) as woken:
            while not self._closed.is_set():
                woken.clear()
                yield
                await woken.wait()

    @contextmanager
    def _following(self, *names: str) -> Iterator[asyncio.Event]:
        woken = asyncio.Event()
        for name in names:
            self._followers.setdefault(name, set()).add(woken)
        try:
            yield woken
        finally:
            for name in names:
                self._followers[name].discard(woken)
                if not self._followers[name]:
                    del self._followers[name]

    async def look(self) -> None:
        """Look whether something was recorded, and wake who follows it, until this is cancelled."""
        seen: dict[str, tuple[datetime, str]] = {}
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._followers:
                seen.clear()
                continue
            # Others' clocks may be behind: a little of what was seen is read again, and known.
            with suppress(StoreUnavailable):
                latest = await self._store.touched(since=max((at for at, _ in seen.values()), default=None))
                changed = {run_id for run_id, said in latest.items() if seen.get(run_id) != said}
                seen = latest
                for name in {*changed, *(_of(latest[run_id][1]) for run_id in changed), *([""] if changed else [])}:
                    for follower in self._followers.get(name, ()):
                        follower.set()


def _of(project: str) -> str:
    """A name that no run has."""
    return f"project {project}"


def _sent(recorded: Recorded) -> bytes:
    event = recorded.event
    data = orjson.dumps({"at": recorded.at.isoformat(), **event.model_dump(mode="json")})
    return format_sse_event(data_str=data.decode(), event=event.type.replace(" ", "-"), id=str(recorded.number))
