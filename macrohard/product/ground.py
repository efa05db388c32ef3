"""Where visits take place: the product of a commit in a sandbox, and a scene of its kind on it, as often as needed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from macrohard.domain import Design
from macrohard.domain.environment import NONE
from macrohard.errors import SandboxUnavailable
from macrohard.product.browser import Browser, View, open_browser
from macrohard.product.calls import Calls
from macrohard.product.console import Console
from macrohard.product.pages import NARROW_PIXELS, Pages
from macrohard.product.scene import Scene
from macrohard.product.service import Service, checkout
from macrohard.sandbox.contract import SandboxProvider, SandboxSpec


class Ground:
    """One product, installed and fresh."""

    def __init__(self, service: Service, browser: Browser | None, *, design: Design | None) -> None:
        self._service, self._browser, self._design = service, browser, design
        self._used = False

    @asynccontextmanager
    async def scene(self, view: View, *, keyboard_only: bool = False) -> AsyncIterator[Scene]:
        """The product as the next visitor meets it, with nothing left of the visit before.

        Raises:
            ToolError: the product does not start again.
            SandboxUnavailable: the sandbox was lost.
        """
        service = self._service
        if self._used:
            await (service.restart(wiped=True) if service.manifest.is_served else service.renew())
        self._used = True
        if self._browser is not None:
            async with self._browser.visit(**view.model_dump(), touch=view.width < NARROW_PIXELS) as visit:
                yield Pages(visit, service, keyboard_only=keyboard_only)
            return
        scene = Calls(service, design=self._design) if service.manifest.is_served else Console(service)
        try:
            yield scene
        finally:
            await scene.close()


@asynccontextmanager
async def open_ground(
    provider: SandboxProvider, *, bundle: bytes, commit: str, design: Design | None = None
) -> AsyncIterator[Ground]:
    """The product of a commit, installed, a service started with empty data; raises as `open_visit` does."""
    async with AsyncExitStack() as stack:
        spec = SandboxSpec(image=provider.product_image, packages=provider.installs)
        sandbox = await stack.enter_async_context(provider.open(spec))
        environment = design.environment if design else NONE
        service = await checkout(sandbox, bundle=bundle, commit=commit, environment=environment)
        browser = None
        if service.manifest.kind == "web":
            browser = await stack.enter_async_context(open_browser(provider, beside=sandbox))
        await service.prepare()
        try:
            yield Ground(service, browser, design=design)
        finally:
            with suppress(SandboxUnavailable):
                await service.stop()
