"""HTTP for media: JSON questions to one endpoint with its key, and downloads from wherever it sends us, without it."""

import asyncio
import errno
import ipaddress
import socket
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult

from macrohard.domain import JsonObject
from macrohard.llm.target import EndpointSettings

CONNECT_SECONDS: Final = 15
ANSWER_SECONDS: Final = 240
"""Pictures are made while the connection waits."""
DOWNLOAD_SECONDS: Final = 180
ANSWER_LIMIT_BYTES: Final = 48 << 20
"""A picture of 20 MB in base64, with room."""
REDIRECTS_AT_MOST: Final = 3
_CHUNK_BYTES: Final = 256 << 10


class Broken(Exception):
    """No whole answer came back; `sent` tells whether the question may have reached the endpoint."""

    def __init__(self, problem: str, *, sent: bool) -> None:
        super().__init__(problem)
        self.sent = sent


class NotFetched(Exception):
    """What was to be downloaded is not there, too large, or at an address that is not gone to."""


@dataclass(frozen=True)
class Said:
    """An endpoint's answer; the body is empty where there was none, or none that is a JSON object."""

    status: int
    body: JsonObject
    text: str
    """The beginning of it, for people."""
    retry_after_seconds: float | None


class PublicResolver(AbstractResolver):
    """Looks names up, and leaves out every address that is not public; some hosts are taken as they are."""

    def __init__(self, trusted: frozenset[str]) -> None:
        self._trusted = trusted

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of the host; an OSError if none is left."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        results = [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=kind, proto=protocol, flags=socket.AI_NUMERICHOST
            )
            for kind, _, protocol, _, address in found
            if host in self._trusted or is_public(str(address[0]))
        ]
        if not results:
            raise OSError(errno.EACCES, f"{host} is at an address that is not public")
        return results

    async def close(self) -> None:
        """Nothing to let go of."""


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet's."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_global and not parsed.is_multicast


class MediaClient:
    """One endpoint. Proxies and certificates are taken from the environment."""

    def __init__(self, endpoint: EndpointSettings) -> None:
        assert endpoint.base_url is not None, "the built-in model makes no pictures over HTTP"
        self._base = endpoint.base_url.rstrip("/")
        self._key = endpoint.api_key
        self._host = urlsplit(self._base).hostname or ""
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str) -> Said:
        """Ask for what is at `path` below the base URL; raises `Broken`."""
        return await self._ask("GET", path, None)

    async def post(self, path: str, body: JsonObject) -> Said:
        """Ask for something to be made; raises `Broken`."""
        return await self._ask("POST", path, body)

    async def download(self, url: str, *, limit_bytes: int) -> bytes:
        """Fetch a file without any key; redirects are followed, each to a public address or to the endpoint's host.

        Raises:
            NotFetched: the text says why.
        """
        for _ in range(REDIRECTS_AT_MOST + 1):
            self._check(url)
            try:
                async with self._opened().get(
                    url,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(DOWNLOAD_SECONDS),
                    proxy=_proxy(url),
                ) as answer:
                    if answer.status in (301, 302, 303, 307, 308) and (target := answer.headers.get("Location")):
                        url = urljoin(url, target)
                        continue
                    if answer.status != 200:
                        raise NotFetched(f"the file answered {answer.status}")
                    return await _limited(answer, limit_bytes)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                raise NotFetched(f"the file could not be fetched: {_words(error)}") from error
        raise NotFetched(f"more than {REDIRECTS_AT_MOST} redirects")

    def _check(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError as error:
            raise NotFetched("the file's address is none") from error
        if parts.scheme not in ("http", "https") or not host:
            raise NotFetched(f"the file's address begins with {parts.scheme!r}, and only http and https are followed")
        try:
            public = is_public(host)
        except ValueError:
            return  # A name: what it stands for is looked at when it is resolved.
        if not public and host != self._host:
            raise NotFetched("the file's address is not public")

    async def _ask(self, method: str, path: str, body: JsonObject | None) -> Said:
        sent = False
        headers = {"Accept": "application/json"}
        if key := self._key.get_secret_value():
            headers["Authorization"] = f"Bearer {key}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self._opened().request(
                method,
                self._base + path,
                data=orjson.dumps(body) if body is not None else None,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(ANSWER_SECONDS, sock_connect=CONNECT_SECONDS),
                proxy=_proxy(self._base),
            ) as answer:
                sent = True
                content = await _limited(answer, ANSWER_LIMIT_BYTES)
                return Said(
                    status=answer.status,
                    body=_object(content),
                    text=content[:600].decode(errors="replace"),
                    retry_after_seconds=_seconds(answer.headers.get("Retry-After")),
                )
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise Broken(f"{self._host} cannot be reached: {_words(error)}", sent=False) from error
        except NotFetched as error:
            raise Broken(f"{self._host} answered too much: {error}", sent=True) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Broken(
                f"{self._host} gave no whole answer: {_words(error)}", sent=sent or method == "POST"
            ) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            proxies = {urlsplit(address).hostname or "" for address in getproxies().values()}
            resolver = PublicResolver(frozenset({self._host, *proxies}))
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


def _proxy(url: str) -> str | None:
    """By the environment; aiohttp's own way would also send what ~/.netrc has for the host."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)


async def _limited(answer: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    if (answer.content_length or 0) > limit_bytes:
        raise NotFetched(f"{answer.content_length} bytes, more than {limit_bytes}")
    content = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
        content += chunk
        if len(content) > limit_bytes:
            raise NotFetched(f"more than {limit_bytes} bytes")
    return bytes(content)


def _object(content: bytes) -> JsonObject:
    try:
        body: Any = orjson.loads(content) if content else {}
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _seconds(header: str | None) -> float | None:
    try:
        return max(float(header), 0.0) if header is not None else None
    except ValueError:
        return None


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
