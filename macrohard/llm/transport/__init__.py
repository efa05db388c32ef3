"""How a request reaches an endpoint and its answer comes back, byte for byte."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Request:
    """One POST. Headers hold no key: the transport that talks to the endpoint adds it."""

    endpoint: str
    path: str
    """Below the endpoint's base URL, e.g. "/chat/completions"."""
    headers: Mapping[str, str]
    body: bytes
    session_id: str
    """`<run>/<iteration>/<phase>/<name>`, or whatever the caller counts its costs by."""


@dataclass(frozen=True)
class Answer:
    """Status and headers (names in lower case); the content as it arrives."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]
    """Ends early with TransportFailed when the connection breaks."""


class TransportFailed(Exception):
    """The endpoint could not be reached, or the connection broke; the text names what happened."""


class Transport(Protocol):
    """One endpoint's way in: HTTP, the built-in model in this process, a recording, or a recorder around another."""

    def post(self, request: Request) -> AbstractAsyncContextManager[Answer]:
        """Send the request; leaving the context lets the connection go, also half-way.

        Raises:
            TransportFailed: nothing came back.
        """

    async def close(self) -> None:
        """Let go of connections."""
