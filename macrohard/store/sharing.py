"""Short writes that share a transaction with whatever else waits for one, because each model call makes several.

A transaction through an asynchronous driver takes a dozen changes of thread. Here a whole batch takes one, and the
price of beginning and committing is divided among all that came while the batch before was written.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine

T = TypeVar("T")
Work = Callable[[Connection], T]
"""Runs in a thread and in a transaction; again, by itself, if another's failure undid the batch."""

BATCH = 100
"""So many writes at most in one transaction: other writers wait meanwhile."""


class _Write(Generic[T]):
    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self.done: asyncio.Future[T] = asyncio.get_running_loop().create_future()


class SharedTransactions:
    """Writes of one process, in the order in which they came."""

    def __init__(self, engine: Engine, *, turn: AbstractAsyncContextManager[Any]) -> None:
        """`turn` is held while a transaction is under way: SQLite has one writer at a time."""
        self._engine, self._turn = engine, turn
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._waiting: list[_Write[Any]] = []
        self._writer: asyncio.Task[None] | None = None

    async def write(self, work: Work[T]) -> T:
        """What `work` returns; durable by then.

        A cancelled caller takes back what has not begun. What has begun is waited for, and its result is lost: whether
        it was done is to be read from the database.
        """
        write = _Write(work)
        self._waiting.append(write)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        try:
            return await asyncio.shield(write.done)
        except asyncio.CancelledError:
            if write in self._waiting:
                self._waiting.remove(write)
                raise
            await asyncio.wait([write.done])
            if not write.done.cancelled():
                write.done.exception()  # Read, so that nobody warns of it.
            raise

    def close(self) -> None:
        """Let go of thread and connections."""
        self._thread.shutdown()
        self._engine.dispose()

    async def _write_all(self) -> None:
        batch: list[_Write[Any]] = []
        try:
            while self._waiting:
                async with self._turn:
                    batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                    if not await self._write_batch(batch):
                        for write in batch:
                            await self._write_batch([write])
        finally:
            self._writer = None
            for write in [*batch, *self._waiting]:
                write.done.cancel()  # Only those that are not done, when the whole process ends.

    async def _write_batch(self, batch: list[_Write[Any]]) -> bool:
        """Whether all of it was written; one that fails alone has its error."""
        written = asyncio.get_running_loop().run_in_executor(self._thread, self._written, batch)
        await asyncio.wait([written])
        if (error := written.exception()) is None:
            for write, result in zip(batch, written.result(), strict=True):
                write.done.set_result(result)
            return True
        if len(batch) == 1:
            batch[0].done.set_exception(error)
            return True
        return False

    def _written(self, batch: list[_Write[Any]]) -> list[Any]:
        with self._engine.begin() as connection:
            return [write.work(connection) for write in batch]
