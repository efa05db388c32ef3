"""A product that runs in its sandbox, opened to a person's browser on this machine."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from macrohard.domain import Design, ProductKind, Value
from macrohard.domain.environment import Environment
from macrohard.domain.scenario import Request
from macrohard.errors import RequestError, ToolError
from macrohard.product.browser import StepFailed
from macrohard.product.client import Client
from macrohard.product.origin import open_origin, reserved
from macrohard.product.service import PORT, Service, checkout
from macrohard.sandbox.contract import SandboxProvider, SandboxSpec

USUAL_DOCUMENTS: Final = ("/docs", "/openapi.json", "/documentation", "/")
_ABOUT_ITSELF = re.compile(r"docs?\b|documentation|openapi|swagger|redoc|/help\b", re.I)


class Preview(Value):
    """Where a running product can be tried."""

    address: str
    """Ends in a slash."""
    kind: ProductKind
    health: str
    """The path that says whether it is ready."""
    documents: tuple[str, ...] = ()
    """Paths at which a service describes itself, as far as they answer."""


@asynccontextmanager
async def preview(
    provider: SandboxProvider,
    *,
    bundle: bytes,
    commit: str,
    port: int,
    design: Design | None = None,
    environment: Environment | None = None,
) -> AsyncIterator[Preview]:
    """Start the commit's product in a sandbox of its own and give an address on this machine that leads to it.

    What the address promises is said in `open_origin`. A product that has ended is started again by the next request;
    one that cannot be is said to whoever asks, with the end of its log. `port` 0 takes any that is free. It is started
    with the design's environment, and with `environment` over that.

    Raises:
        RequestError: the product has no service, does not start, or the port is taken.
        SandboxUnavailable: no sandbox could be had.
    """
    given = {**(design.environment if design else {}), **(environment or {})}
    with reserved(port) as listeners:
        async with provider.open(SandboxSpec(image=provider.product_image, packages=provider.installs)) as sandbox:
            try:
                service = await checkout(sandbox, bundle=bundle, commit=commit, environment=given)
                manifest = service.manifest
                if not manifest.is_served:
                    called = f"in its folder it is called as {manifest.commands.run}; " if manifest.commands.run else ""
                    raise RequestError(
                        f"a product of kind {manifest.kind} has no pages to open; {called}see its README"
                    )
                await service.prepare()
            except ToolError as error:
                raise RequestError(f"the product does not start: {error}") from error

            async def revive() -> None:
                if not service.running:
                    await service.restart()

            documents = await _documents(service, design) if manifest.kind == "api" else ()
            async with open_origin(sandbox, listeners, leads_to=PORT, revive=revive) as address:
                yield Preview(address=address, kind=manifest.kind, health=manifest.service.health, documents=documents)


async def _documents(service: Service, design: Design | None) -> tuple[str, ...]:
    promised = [
        route.path
        for route in (design.routes if design else ())
        if route.method.upper() == "GET"
        and _ABOUT_ITSELF.search(f"{route.path} {route.purpose}")
        # What has parameters is no document.
        and not re.search(r"[{<:]", route.path)
    ]
    client, found = Client(service.sandbox), []
    for path in dict.fromkeys((*promised, *USUAL_DOCUMENTS)):
        try:
            answer = await client.ask(Request(path=path))
        except StepFailed:
            continue
        if answer.status == 200:
            found.append(path)
    return tuple(found)
