"""The sandboxes that all runs of a process share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from macrohard.sandbox import build_images, choose_provider, clearing_away
from macrohard.sandbox.packages import Packages
from macrohard.sandbox.places import places_here, warm_beside
from macrohard.sandbox.pool import PooledProvider
from macrohard.sandbox.registries import Registries
from macrohard.settings import SandboxChoice, Settings
from macrohard.settings.sandboxes import SandboxSettings

IMAGES = ("base", "browser")


class Rooms:
    """Opens the pool when something first needs a sandbox."""

    def __init__(self, settings: Settings, *, sandbox: SandboxChoice, stack: AsyncExitStack) -> None:
        self._settings, self._sandbox, self._stack = settings, sandbox, stack
        self._pool: PooledProvider | None = None
        self._opening_pool = asyncio.Lock()
        self._listeners: list[Callable[[str], None]] = []
        """Who is told what happens to sandboxes; those whose own it is are told otherwise."""

    @property
    def taken(self) -> int:
        """Sandboxes that are in use here."""
        return 0 if self._pool is None else self._pool.places.taken

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return 0 if self._pool is None else self._pool.places.waiting

    async def build(self, image: str, *, tell: Callable[[str], None]) -> None:
        """Make an image that is needed now and then only; nothing happens if it is there.

        Raises:
            SandboxUnavailable: it cannot be made.
        """
        await build_images((image,), progress=tell, engine=self._sandbox)

    @asynccontextmanager
    async def open(self, tell: Callable[[str], None], *, product_image: str) -> AsyncIterator[PooledProvider]:
        """The places and warm sandboxes that all runs of this process share; there from the first need on."""
        self._listeners.append(tell)
        try:
            async with self._opening_pool:
                if self._pool is None:
                    self._pool = await self._opened_pool()
                engine: SandboxChoice = "bubblewrap" if self._pool.tier == "bubblewrap" else "docker"
                await build_images((product_image,), progress=tell, engine=engine)
            yield self._pool
        finally:
            self._listeners.remove(tell)

    async def _opened_pool(self) -> PooledProvider:
        def tell(text: str) -> None:
            for listener in self._listeners:
                listener(text)

        wish = self._settings.sandboxes
        # What sandboxes are worth here is seen by starting one, which takes this one image.
        await build_images(("base",), progress=tell, engine=self._sandbox)
        places = wish.places or places_here()
        provider = await choose_provider(
            self._sandbox, home=self._settings.home, required=wish.required, runtime=wish.runtime
        )
        engine: SandboxChoice = "bubblewrap" if provider.tier == "bubblewrap" else "docker"
        await build_images(IMAGES, progress=tell, engine=engine)
        provider.packages = _packages(wish)
        async with AsyncExitStack() as undoing:
            warm = warm_beside(places) if wish.warm is None else wish.warm
            pool = PooledProvider(provider, size=warm, places=places, tell=tell)
            undoing.push_async_callback(pool.close)
            await undoing.enter_async_context(clearing_away(pool, tell=tell))
            self._stack.push_async_exit(undoing.pop_all())
        return pool


def _packages(wish: SandboxSettings) -> Packages | None:
    """What sandboxes of these settings may fetch; None: nothing."""
    if not wish.packages and not wish.allow:
        return None
    return Packages(None if wish.packages else Registries(pypi=(), npm=()), hosts=frozenset(wish.allow))
