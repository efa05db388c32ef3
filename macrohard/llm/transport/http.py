"""The way to an endpoint over HTTP; the only importer of `aiohttp` besides what serves media."""

import asyncio
import io
import ipaddress
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http import HttpProcessingError

from macrohard import __version__
from macrohard.llm.target import EndpointSettings
from macrohard.llm.transport import Answer, Request, TransportFailed

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 3600.0
"""For a whole answer, or as long as it may be silent: keep-alive comments can go on for ever."""
LARGE_BYTES = 1 << 20
"""aiohttp wants larger bodies as files."""

_BROKEN = (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError, UnicodeError)


@dataclass(frozen=True)
class Page:
    """A whole answer to a GET."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


class HttpTransport:
    """A `Transport` to one endpoint; its connections are made in the loop that first uses it, and kept for the next."""

    def __init__(self, endpoint: EndpointSettings) -> None:
        assert endpoint.base_url is not None
        self._base_url = endpoint.base_url.rstrip("/")
        self._headers = {"User-Agent": f"macrohard/{__version__}", "Accept-Encoding": "identity"}
        if key := endpoint.api_key.get_secret_value():
            self._headers["Authorization"] = f"Bearer {key}"
        self._silence_seconds = endpoint.silence_seconds
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def post(self, request: Request) -> AsyncIterator[Answer]:
        """See `Transport.post`."""
        data = request.body if len(request.body) <= LARGE_BYTES else io.BytesIO(request.body)
        headers = {"Content-Type": "application/json", **request.headers}
        try:
            # A redirect would be followed as a GET without the body; it is an answer that the endpoint's owner mends.
            response = await self._open().post(
                self._base_url + request.path, data=data, headers=headers, allow_redirects=False
            )
        except _BROKEN as error:
            raise TransportFailed(_said(error)) from error
        chunks = _chunks(response)
        try:
            yield Answer(status=response.status, headers=_names(response), chunks=chunks)
        finally:
            # What was not read to its end is closed, what was goes back to be used again.
            response.release()
            await chunks.aclose()

    async def get(self, path: str, *, timeout_seconds: float) -> Page:
        """What the endpoint says to a GET of this path below its base URL, whatever the status.

        Raises:
            TransportFailed: nothing whole came back in time.
        """
        timeout = aiohttp.ClientTimeout(total=timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds))
        try:
            async with self._open().get(self._base_url + path, allow_redirects=False, timeout=timeout) as response:
                return Page(status=response.status, headers=_names(response), body=await response.read())
        except _BROKEN as error:
            raise TransportFailed(_said(error)) from error

    async def close(self) -> None:
        """See `Transport.close`; a later request opens connections again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(
                    total=max(ANSWER_SECONDS, self._silence_seconds),
                    connect=CONNECT_SECONDS,
                    sock_read=self._silence_seconds,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                proxy=_proxy(self._base_url),
            )
        return self._session


def _proxy(url: str) -> str | None:
    """By HTTP_PROXY, HTTPS_PROXY and NO_PROXY; aiohttp's `trust_env` would also send what ~/.netrc has for the host."""
    parts = urlsplit(url)
    # What runs on this machine is nobody else's business.
    if not parts.hostname or _is_here(parts.hostname) or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except _BROKEN as error:
        raise TransportFailed(_said(error)) from error


def _names(response: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _said(error: BaseException) -> str:
    """The cause's name tells more than aiohttp's: a refused connection, a name that is not known."""
    name, words = type(error.__cause__ or error).__name__, str(error)
    return f"{name}: {words}" if words else name
