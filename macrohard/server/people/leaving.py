"""Ends the open streams of who is no longer known: they logged out, or may do less than when they came."""

import asyncio
from contextlib import suppress

from fastapi import Request
from starlette.types import Message, Receive, Send

from macrohard.errors import StoreUnavailable
from macrohard.server.access import Access, Principal

LOOK_SECONDS = 5.0


class Leaving:
    """A request's two ends; while an answer goes on, it is looked now and then whether it may."""

    def __init__(self, access: Access, request: Request, principal: Principal, receive: Receive, send: Send) -> None:
        self._access, self._request, self._principal = access, request, principal
        self._receive, self._send = receive, send
        self._open = self._gone = False

    async def receive(self) -> Message:
        """What the other side sends; that it hung up, when it may not stay."""
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    return await self._receive()
            except TimeoutError:
                if self._open and not await self._may_stay():
                    self._gone = True
                    return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.body":
            self._open = message.get("more_body", False)
        await self._send(message)

    async def end(self) -> None:
        """End the answer in good order, if it was to end here."""
        if self._gone and self._open:
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _may_stay(self) -> bool:
        with suppress(StoreUnavailable):  # Nobody is sent away because the database is.
            found = await self._access.principal(self._request)
            return found is not None and found.may_all_of(self._principal)
        return True
