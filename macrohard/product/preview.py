"""A product that runs in its sandbox, opened to a person's browser on this machine."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from macrohard.errors import RequestError, SandboxUnavailable, ToolError
from macrohard.product.checks import APP_IMAGE
from macrohard.product.service import PORT, Service, checkout
from macrohard.sandbox.contract import Sandbox, SandboxProvider, SandboxSpec, Stream

CHUNK_BYTES = 64 << 10


@asynccontextmanager
async def preview(provider: SandboxProvider, *, bundle: bytes, commit: str, port: int) -> AsyncIterator[str]:
    """Start the commit's product and give its address; `port` 0 takes any that is free on 127.0.0.1.

    The sandbox publishes nothing: each connection is carried over the sandbox's own channel.

    Raises:
        RequestError: the product has no service, does not start, or the port is taken.
        SandboxUnavailable: no sandbox could be had.
    """
    async with provider.open(SandboxSpec(image=APP_IMAGE)) as sandbox:
        try:
            service = await checkout(sandbox, bundle=bundle, commit=commit)
            if service.manifest.kind not in ("web", "api"):
                raise RequestError(f"a product of kind {service.manifest.kind} has no pages to open; see its README")
            await _started(service)
        except ToolError as error:
            raise RequestError(f"the product does not start: {error}") from error
        open_connections: set[asyncio.Task[None]] = set()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            open_connections.add(task)
            try:
                await _carry(sandbox, reader, writer)
            finally:
                open_connections.discard(task)

        try:
            server = await asyncio.start_server(accept, "127.0.0.1", port)
        except OSError as error:
            raise RequestError(f"port {port} cannot be used: {error.strerror}; --port 0 takes any free one") from error
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        finally:
            server.close()
            for task in open_connections:
                task.cancel()
            await asyncio.gather(*open_connections, return_exceptions=True)
            await service.stop()


async def _started(service: Service) -> None:
    result = await service.install()
    if result is not None and result.exit_code != 0:
        raise ToolError(f"its install command failed: {(result.stderr or result.stdout)[-500:]}")
    await service.start()


async def _carry(sandbox: Sandbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        stream = await sandbox.connect(PORT)
    except (ConnectionRefusedError, SandboxUnavailable):
        writer.close()
        return
    # The browser may keep its side open for long after the product has closed its own: whichever ends first ends both.
    directions = [asyncio.create_task(_upstream(reader, stream)), asyncio.create_task(_downstream(stream, writer))]
    try:
        await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for direction in directions:
            direction.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        await stream.close()
        writer.close()


async def _upstream(reader: asyncio.StreamReader, stream: Stream) -> None:
    while data := await reader.read(CHUNK_BYTES):
        await stream.write(data)
    # A client that has said everything still waits for the answer.
    await asyncio.Event().wait()


async def _downstream(stream: Stream, writer: asyncio.StreamWriter) -> None:
    while data := await stream.read():
        writer.write(data)
        await writer.drain()
