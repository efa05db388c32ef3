"""A product that runs in its sandbox, opened to a person's browser on this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from macrohard.errors import RequestError, ToolError
from macrohard.product.origin import open_origin, reserved
from macrohard.product.service import PORT, checkout
from macrohard.sandbox.contract import SandboxProvider, SandboxSpec

DYING_SECONDS = 2.0


@asynccontextmanager
async def preview(provider: SandboxProvider, *, bundle: bytes, commit: str, port: int) -> AsyncIterator[str]:
    """Start the commit's product in a sandbox of its own and give an address on this machine that leads to it.

    What the address promises is said in `open_origin`. A product that has ended is started again by the next request;
    one that cannot be is said to whoever asks, with the end of its log. `port` 0 takes any that is free.

    Raises:
        RequestError: the product has no service, does not start, or the port is taken.
        SandboxUnavailable: no sandbox could be had.
    """
    with reserved(port) as listeners:
        async with provider.open(SandboxSpec(image=provider.product_image, packages=provider.installs)) as sandbox:
            try:
                service = await checkout(sandbox, bundle=bundle, commit=commit)
                if service.manifest.kind not in ("web", "api"):
                    raise RequestError(
                        f"a product of kind {service.manifest.kind} has no pages to open; see its README"
                    )
                await service.prepare()
            except ToolError as error:
                raise RequestError(f"the product does not start: {error}") from error

            async def revive() -> None:
                # A dying product lets go of its port before its end is known.
                if await service.ends_within(DYING_SECONDS):
                    await service.restart()

            async with open_origin(sandbox, listeners, leads_to=PORT, revive=revive) as address:
                yield address
