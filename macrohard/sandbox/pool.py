"""Sandboxes opened ahead of their use, and a queue for when there is no room for one more."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from macrohard.domain import Tier
from macrohard.errors import SandboxUnavailable
from macrohard.events import Emit, Event, SandboxAwaited, waiting_in_words
from macrohard.sandbox import definition as definitions
from macrohard.sandbox.contract import Sandbox, SandboxProvider, SandboxSpec
from macrohard.sandbox.definition import SandboxDefinition
from macrohard.sandbox.places import Places
from macrohard.sandbox.room import uncancelled

IDLE_SECONDS: Final = 600.0
"""What waited longer than this is not handed out, and without any opening for so long nothing is kept."""
ANSWER_SECONDS: Final = 2.0
"""How long one that waited may take to show that it can still run a command."""

Key = tuple[SandboxDefinition, str, Tier, SandboxSpec]
"""What must be the same for one sandbox to stand in for another: image and limits, system calls allowed, tier, and
whether packages can be installed."""


class PooledProvider:
    """Opens another provider's sandboxes ahead of time, and no more at once than there are places.

    What was handed out is never handed out again: its end is its destruction. Nobody's files, names or commands are in
    it before. What is kept takes no place; a pod takes one.
    """

    def __init__(self, provider: SandboxProvider, *, size: int, places: int, tell: Callable[[str], None]) -> None:
        """
        Args:
            size: the most that is kept unused, of all images together; 0 keeps none and only queues.
            places: the most that is in use at once; see `Places` for who gets one, and who need not wait.
            tell: gets a line for people about what nobody else could be told.
        """
        self.provider, self._size, self._tell = provider, size, tell
        self.places = Places(places)
        self._wanted: dict[Key, int] = {}
        """How many to keep of each kind, that used last at the end."""
        self._ahead: dict[Key, deque[_Ahead]] = {}
        self._unfit: list[_Ahead] = []
        """What waited and cannot be handed out, to be closed."""
        self._looking_ahead = 0
        """Shares under way that have sandboxes kept for them."""
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
    def product_image(self) -> str:
        return self.provider.product_image

    @property
    def waiting(self) -> int:
        """How many sandboxes are kept unused, those included that are being opened."""
        return sum(len(ahead) for ahead in self._ahead.values())

    async def filled(self) -> None:
        """Wait until as many are kept as are wanted, or one of them could not be opened."""
        await self._calm.wait()

    @asynccontextmanager
    async def share(
        self, holder: str, *, tell: Emit, ahead: bool, product_image: str | None = None
    ) -> AsyncIterator[SandboxProvider]:
        """What a run, or whoever else, opens its sandboxes with: it queues under that name.

        `ahead`: after each opening the next is prepared, until all shares that want it so have ended. Not for those
        who open one or two. `product_image`: see `SandboxProvider`; None: the provider's own.
        """
        self._looking_ahead += ahead
        try:
            yield _Share(self, holder, tell, ahead, product_image or self.product_image)
        finally:
            self._looking_ahead -= ahead
            if not self._looking_ahead:
                self._forget()

    def open(self, spec: SandboxSpec) -> AbstractAsyncContextManager[Sandbox]:
        return self.opened(spec, holder="", tell=self._in_words, ahead=True)

    async def _in_words(self, event: Event) -> None:
        if isinstance(event, SandboxAwaited) and event.turn:
            self._tell(waiting_in_words(event))

    @asynccontextmanager
    async def opened(self, spec: SandboxSpec, *, holder: str, tell: Emit, ahead: bool) -> AsyncIterator[Sandbox]:
        """A sandbox of this holder's."""
        definition = definitions.load(spec.image)
        if spec.join is not None:
            async with self.provider.open(spec) as sandbox:
                yield sandbox
            return
        async with self.places.one(holder, image=spec.image, tell=tell):
            # What is to lie in it belongs to one use; it can be brought there afterwards.
            bare = spec.model_copy(update={"workspace": None})
            key = (definition, definition.seccomp_profile.read_text(), self.tier, bare)
            if ahead:
                self._want(key)
            try:
                taken = await self._take(key)
            finally:
                # Only now, so that opening the next takes no time from handing out this one.
                self._tend_soon()
            if taken is None:
                async with self.provider.open(spec) as sandbox:
                    yield sandbox
                return
            try:
                if spec.workspace is not None:
                    await taken.sandbox.restore(spec.workspace)
                yield taken.sandbox
            finally:
                await taken.close()

    def _want(self, key: Key) -> None:
        """One more of the kind whose last came too late; of those used longest ago there are fewer for it."""
        if not self._size:
            return
        wanted = self._wanted.pop(key, 0)
        ready = any(ahead.opened for ahead in self._ahead.get(key, ()))
        self._wanted[key] = wanted if ready else min(wanted + 1, self._size)
        while sum(self._wanted.values()) > self._size:
            oldest = next(iter(self._wanted))
            self._wanted[oldest] -= 1
            if not self._wanted[oldest]:
                del self._wanted[oldest]

    def _forget(self) -> None:
        self._wanted.clear()
        self._tend_soon()

    async def _take(self, key: Key) -> "_Ahead | None":
        """One that works, which from now on is the caller's to close; None if there is none."""
        kept = self._ahead.get(key)
        if not kept:
            return None
        taken, works = kept.popleft(), False
        try:
            works = await taken.works()
        finally:
            if not works:
                # One that does not answer may be its own fault or the engine's, and who waits cannot ask them all.
                self._unfit += [taken, *kept]
                kept.clear()
        return taken if works else None

    def _tend_soon(self) -> None:
        self._calm.clear()
        self._changed.set()

    async def _tend(self) -> None:
        """Close what is no longer wanted and open what is, one after the other."""
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                self._forget()
            self._changed.clear()
            while await self._step():
                pass
            if not self._changed.is_set():
                self._calm.set()

    async def _step(self) -> bool:
        """Close or open one; false if there was nothing to do, or an opening failed: the next use says why."""
        for key, ahead in self._ahead.items():
            while len(ahead) > self._wanted.get(key, 0):
                self._unfit.append(ahead.pop())
        if self._unfit:
            try:
                await self._unfit.pop().close()
            except SandboxUnavailable as error:
                self._tell(str(error))
            return True
        for key, wanted in self._wanted.items():
            ahead = self._ahead.setdefault(key, deque())
            if len(ahead) < wanted:
                opening = _Ahead(self.provider, key[-1])
                ahead.append(opening)
                return await opening.settled()
        return False

    async def reap(self) -> tuple[str, ...]:
        return await self.provider.reap()

    async def close(self) -> None:
        """Destroy all that were kept, and let go of the engine."""
        self._tending.cancel()
        await asyncio.wait([self._tending])
        kept = [each for waiting in self._ahead.values() for each in waiting] + self._unfit
        self._ahead.clear()
        self._unfit.clear()
        problems = await asyncio.gather(*(each.close() for each in kept), return_exceptions=True)
        await self.provider.close()
        if not self._tending.cancelled():
            self._tending.result()
        for problem in filter(None, problems):
            raise problem


class _Share:
    """One holder's way to the pool."""

    def __init__(self, pool: PooledProvider, holder: str, tell: Emit, ahead: bool, product_image: str) -> None:
        self._pool, self._holder, self._tell, self._ahead = pool, holder, tell, ahead
        self.product_image = product_image

    @property
    def tier(self) -> Tier:
        return self._pool.tier

    @property
    def notice(self) -> str | None:
        return self._pool.notice

    @property
    def installs(self) -> bool:
        return self._pool.installs

    def open(self, spec: SandboxSpec) -> AbstractAsyncContextManager[Sandbox]:
        return self._pool.opened(spec, holder=self._holder, tell=self._tell, ahead=self._ahead)

    async def reap(self) -> tuple[str, ...]:
        return await self._pool.reap()

    async def close(self) -> None:
        """Nothing: the pool is not one holder's to close."""


class _Ahead:
    """A sandbox that nobody asked for yet, in the keeping of a task that also closes it."""

    sandbox: Sandbox

    def __init__(self, provider: SandboxProvider, spec: SandboxSpec) -> None:
        self.opened = False
        self._since = time.monotonic()
        self._settled, self._released = asyncio.Event(), asyncio.Event()
        self._keeping = asyncio.create_task(self._keep(provider, spec), name=f"sandbox-ahead-{spec.image}")

    async def _keep(self, provider: SandboxProvider, spec: SandboxSpec) -> None:
        try:
            async with provider.open(spec) as self.sandbox:
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
                return (await self.sandbox.run(("true",), timeout_seconds=ANSWER_SECONDS)).exit_code == 0
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
