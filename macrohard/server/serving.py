"""The HTTP server below the service."""

from types import FrameType

import uvicorn
from fastapi import FastAPI

from macrohard.server.service import Service


class Server(uvicorn.Server):
    """One that ends open streams when it is told to end; it would wait for them otherwise, and they have no end."""

    def __init__(self, application: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._service: Service = application.state.service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came."""
        self._service.feed.close()
        super().handle_exit(sig, frame)
