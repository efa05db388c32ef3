"""The HTTP server below the service."""

import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from macrohard.server.service import Service


class Server(uvicorn.Server):
    """One that ends open streams when it ends, for it would wait for them, and ends with what the service lives by."""

    def __init__(self, application: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._service: Service = application.state.service

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal comes.

        Raises:
            RuntimeError: something that has to go on as long as the service does has ended.
        """
        await super().serve(sockets)
        if self._service.vital.failure is not None:
            raise self._service.vital.failure

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now; asked ten times a second."""
        if self._service.vital.failure is not None:
            self._service.feed.close()
            return True
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        self._service.feed.close()
        super().handle_exit(sig, frame)
