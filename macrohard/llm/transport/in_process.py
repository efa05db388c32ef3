"""The way to the built-in model: the ASGI application called in this process, without a socket."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from macrohard.llm.transport import Answer, Request, TransportFailed


class InProcessTransport:
    """A `Transport` to the built-in model; the answer comes chunk by chunk, and leaving it ends the application."""

    @asynccontextmanager
    async def post(self, request: Request) -> AsyncIterator[Answer]:
        """See `Transport.post`. An exception within the application is a bug of ours, and passes."""
        # It takes a second to import, which runs with other models need not wait for.
        from macrohard.llm.builtin.app import application

        sent: asyncio.Queue[MutableMapping[str, Any] | None] = asyncio.Queue()
        unread = [{"type": "http.request", "body": request.body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if unread:
                return unread.pop()
            await asyncio.Event().wait()
            raise AssertionError("nobody sets the event")

        async def send(part: MutableMapping[str, Any]) -> None:
            sent.put_nowait(part)

        async def run() -> None:
            await application(_scope(request), receive, send)

        task = asyncio.create_task(run())
        task.add_done_callback(lambda _: sent.put_nowait(None))

        async def message() -> MutableMapping[str, Any]:
            found = await sent.get()
            if found is None:
                await task
                raise TransportFailed("the built-in model ended before its answer did")
            return found

        async def read() -> AsyncGenerator[bytes, None]:
            more = True
            while more:
                part = await message()
                more = bool(part.get("more_body"))
                if part.get("body"):
                    yield part["body"]

        chunks = read()
        try:
            start = await message()
            headers = {name.decode().lower(): value.decode() for name, value in start.get("headers", [])}
            yield Answer(status=start["status"], headers=headers, chunks=chunks)
        finally:
            await chunks.aclose()
            task.cancel()
            await asyncio.wait({task})

    async def close(self) -> None:
        """There is nothing to let go of."""


def _scope(request: Request) -> dict[str, Any]:
    path = f"/v1{request.path}"
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in request.headers.items()],
        "client": None,
        "server": None,
    }
