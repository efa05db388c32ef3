"""Sandboxes opened ahead of their use, and a queue for when there is no room for one more."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Final

from macrohard.domain import Tier
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.contract import Sandbox, SandboxProvider, SandboxSpec
from macrohard.sandbox.definition import SandboxDefinition
from macrohard.sandbox.room import uncancelled

TELL_AFTER_SECONDS: Final = 2.0
"""How long an opening waits for a place before a person is told."""
IDLE_SECONDS: Final = 600.0
"""What waited longer than this is not handed out, and without any opening for so long nothing is kept."""
ANSWER_SECONDS: Final = 2.0
"""How long one that waited may take to show that it can still run a command."""

Key = tuple[SandboxDefinition, str, Tier]
"""What must be the same for one sandbox to stand in for another: image and limits, system calls allowed, tier."""

_held: ContextVar[frozenset["PooledProvider"]] = ContextVar("pools of which this task has a sandbox")


class PooledProvider:
    """Opens another provider's sandboxes ahead of time, and no more at once than there are places.

    What was handed out is never handed out again: its end is its destruction. Nobody's files, names or commands are in
    it before.

    Openings wait for a place in the order in which they came. Two kinds never wait: one that joins an open sandbox,
    because a pod has one place; and one by a task that has a sandbox already (or was started by such a task), because
    two that have one and wait for another would wait for ever.
    """

    def __init__(self, provider: SandboxProvider, *, size: int, places: int, tell: Callable[[str], None]) -> None:
        """
        Args:
            size: the most that is kept unused, of all images together; 0 keeps none and only queues.
            places: the most that is in use at once, pods counted as one; what waits unused takes none.
            tell: gets a line when an opening has waited `TELL_AFTER_SECONDS` for its place.
        """
        self.provider, self._size, self._tell = provider, size, tell
        self._places, self._free = places, asyncio.Semaphore(places)
        self._wanted: dict[Key, int] = {}
        """How many to keep of each kind, that used last at the end."""
        self._ahead: dict[Key, deque[_Ahead]] = {}
        self._changed, self._calm = asyncio.Event(), asyncio.Event()
        self._calm.set()
        self._tending = asyncio.create_task(self._tend(), name="sandbox-pool")

    @property
    def tier(self) -> Tier:
        return self.provider.tier

    @property
    def notice(self) -> str | None:
        """What a person should know about the isolation before relying on it."""
        return self.provider.notice

    @property
    def installs(self) -> bool:
        return self.provider.installs

    @property
    def waiting(self) -> int:
        """How many sandboxes are kept unused, those included that are being opened."""
        return sum(len(ahead) for ahead in self._ahead.values())

    async def filled(self) -> None:
        """Wait until as many are kept as are wanted, or one of them could not be opened."""
        await self._calm.wait()

    @asynccontextmanager
    async def open(self, spec: SandboxSpec) -> AsyncIterator[Sandbox]:
        definition = definitions.load(spec.image)
        async with self._place(spec):
            # Whatever more than its image is asked for belongs to one use.
            if spec != SandboxSpec(image=spec.image) or not self._size:
                async with self.provider.open(spec) as sandbox:
                    yield sandbox
                return
            key = (definition, definition.seccomp_profile.read_text(), self.tier)
            self._want(key)
            try:
                taken = await self._take(key)
            finally:
                # Only now, so that opening the next takes no time from handing out this one.
                self._calm.clear()
                self._changed.set()
            if taken is None:
                async with self.provider.open(spec) as sandbox:
                    yield sandbox
                return
            try:
                yield taken.sandbox
            finally:
                await taken.close()

    @asynccontextmanager
    async def _place(self, spec: SandboxSpec) -> AsyncIterator[None]:
        if spec.join is not None or self in _held.get(frozenset()):
            yield
            return
        line = f"waits for a sandbox: all {self._places} places are taken"
        told = asyncio.get_running_loop().call_later(TELL_AFTER_SECONDS, self._tell, line)
        try:
            await self._free.acquire()
        finally:
            told.cancel()
        _held.set(_held.get(frozenset()) | {self})
        try:
            yield
        finally:
            _held.set(_held.get(frozenset()) - {self})
            self._free.release()

    def _want(self, key: Key) -> None:
        """One more of the kind whose last came too late; of those used longest ago there are fewer for it."""
        wanted = self._wanted.pop(key, 0)
        ready = any(ahead.opened for ahead in self._ahead.get(key, ()))
        self._wanted[key] = wanted if ready else min(wanted + 1, self._size)
        while sum(self._wanted.values()) > self._size:
            oldest = next(iter(self._wanted))
            self._wanted[oldest] -= 1
            if not self._wanted[oldest]:
                del self._wanted[oldest]

    async def _take(self, key: Key) -> "_Ahead | None":
        """One that works, which from now on is the caller's to close; None if there is none."""
        waiting = self._ahead.get(key, deque())
        while waiting:
            taken, works = waiting.popleft(), False
            try:
                works = await taken.works()
            finally:
                if not works:
                    await taken.close()
            if works:
                return taken
        return None

    async def _tend(self) -> None:
        """Close what is no longer wanted and open what is, one after the other."""
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                self._wanted.clear()
            self._changed.clear()
            while await self._step():
                pass
            if not self._changed.is_set():
                self._calm.set()

    async def _step(self) -> bool:
        """Close or open one; false if there was nothing to do, or an opening failed: the next use says why."""
        for key, ahead in self._ahead.items():
            if len(ahead) > self._wanted.get(key, 0):
                try:
                    await ahead.pop().close()
                except SandboxUnavailable as error:
                    self._tell(str(error))
                return True
        for key, wanted in self._wanted.items():
            ahead = self._ahead.setdefault(key, deque())
            if len(ahead) < wanted:
                opening = _Ahead(self.provider, key[0].name)
                ahead.append(opening)
                return await opening.settled()
        return False

    async def reap(self) -> tuple[str, ...]:
        return await self.provider.reap()

    async def close(self) -> None:
        """Destroy all that were kept, and let go of the engine."""
        self._tending.cancel()
        await asyncio.wait([self._tending])
        kept = [ahead.close() for waiting in self._ahead.values() for ahead in waiting]
        self._ahead.clear()
        problems = await asyncio.gather(*kept, return_exceptions=True)
        await self.provider.close()
        for problem in filter(None, problems):
            raise problem


class _Ahead:
    """A sandbox that nobody asked for yet, in the keeping of a task that also closes it."""

    sandbox: Sandbox

    def __init__(self, provider: SandboxProvider, image: str) -> None:
        self.opened = False
        self._since = time.monotonic()
        self._settled, self._released = asyncio.Event(), asyncio.Event()
        self._keeping = asyncio.create_task(self._keep(provider, image), name=f"sandbox-ahead-{image}")

    async def _keep(self, provider: SandboxProvider, image: str) -> None:
        try:
            async with provider.open(SandboxSpec(image=image)) as self.sandbox:
                self.opened = True
                self._settled.set()
                await self._released.wait()
        finally:
            self._settled.set()

    async def settled(self) -> bool:
        """Wait until it is open; false if it could not be opened."""
        await self._settled.wait()
        return self.opened

    async def works(self) -> bool:
        """Whether it can be handed out: open, not too old, and able to run something."""
        if not await self.settled() or time.monotonic() - self._since > IDLE_SECONDS:
            return False
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return (await self.sandbox.run("true", timeout_seconds=ANSWER_SECONDS)).exit_code == 0
        except (SandboxUnavailable, TimeoutError):
            return False

    async def close(self) -> None:
        """Destroy it.

        Raises:
            SandboxUnavailable: it could not be removed.
        """
        self._released.set()
        if not self.opened:
            self._keeping.cancel()
        await uncancelled(self._ended())

    async def _ended(self) -> None:
        await asyncio.wait([self._keeping])
        problem = None if self._keeping.cancelled() else self._keeping.exception()
        if self.opened and problem is not None:
            raise problem
