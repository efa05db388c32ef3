"""The only place from which anything outside is asked for a sandbox: which addresses are dialled, and how."""

import asyncio
import base64
import contextlib
import errno
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from macrohard.sandbox.registries import Refused, Registries, Registry, check, origin, printable, public

HOST: Final = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
"""A host's name to the letter: no address in any notation, no dot at the end, nothing escaped, no upper case."""
HTTPS: Final = 443
REDIRECTS: Final = 3
FETCH_SECONDS: Final = 300.0
SILENCE_SECONDS: Final = 30.0
DIAL_SECONDS: Final = 10.0
ADDRESSES: Final = 4
"""Of one name, tried one after the other."""

Resolve = Callable[[str, int], Awaitable[Sequence[tuple[str, int]]]]
"""The addresses of a name and a port. Raises OSError if there are none."""


class Outside:
    """Asks registries, and opens connections to hosts.

    Directly, it dials public addresses only, and those that a configured registry had when it was opened; what is
    dialled is what was checked. Where this machine's settings name a proxy, that is dialled instead, and it is the
    proxy that looks names up: then only names are checked.
    """

    def __init__(
        self,
        *,
        inside: frozenset[tuple[str, int]],
        fetch_seconds: float = FETCH_SECONDS,
        resolve: Resolve | None = None,
        is_public: Callable[[str], bool] = public,
    ) -> None:
        self._inside, self._resolve, self._is_public = inside, resolve or look_up, is_public
        self._trusts: dict[Path | None, ssl.SSLContext] = {}
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=16, socket_factory=self._socket_to),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=fetch_seconds, sock_connect=SILENCE_SECONDS, sock_read=min(SILENCE_SECONDS, fetch_seconds)
            ),
            headers={"User-Agent": "macrohard"},
        )

    @classmethod
    @asynccontextmanager
    async def open(cls, registries: Registries, **settings: Any) -> AsyncIterator["Outside"]:
        """For these registries: those inside this machine's networks may be asked at the addresses they have now."""
        inside = set[tuple[str, int]]()
        for registry in (*registries.pypi, *registries.npm):
            # What is unknown, or is no proxy that can be used, is said when it is asked.
            with contextlib.suppress(OSError, Refused):
                address = proxy_of(registry.address, registry) or registry.address
                inside.update(await look_up(urlsplit(address).hostname or "", origin(address)[2]))
        outside = cls(inside=frozenset(inside), **settings)
        try:
            yield outside
        finally:
            await outside._client.close()

    async def fetch(
        self, registry: Registry, address: str, target: BinaryIO, *, accept: str, limit: int
    ) -> tuple[str, str]:
        """Write what is found there into `target`; gives where it was found at last and its type.

        Raises:
            Refused: it is nowhere that may be asked, too large, too slow, or not there.
            OSError: it cannot be written.
        """
        allowed = {origin(registry.address), origin(address)}
        for _ in range(REDIRECTS + 1):
            check(address, registry, allowed)
            response = self._client.get(
                URL(address, encoded=True), allow_redirects=False, **self._manner(registry, address, accept)
            )
            async with _explained(response, registry) as answer:
                if answer.status in (301, 302, 303, 307, 308):
                    try:
                        address = urljoin(address, answer.headers.get("Location", ""))
                    except ValueError as error:
                        raise Refused(502, "the registry gave an address that is none") from error
                    continue
                size = 0
                while data := await _next(answer):
                    size += len(data)
                    if size > limit:
                        raise Refused(403, f"larger than {limit >> 20} MiB")
                    target.write(data)
                return address, answer.content_type
        raise Refused(502, f"the registry redirected more than {REDIRECTS} times")

    def _manner(self, registry: Registry, address: str, accept: str) -> dict[str, Any]:
        """How it is asked: with what login and trust, and by which way."""
        ours = origin(address) == origin(registry.address)
        headers = {"Accept": accept}
        if ours and registry.login:
            login, _, password = registry.login.get_secret_value().partition(":")
            headers["Authorization"] = aiohttp.encode_basic_auth(login, password)
        if ours and registry.token:
            headers["Authorization"] = f"Bearer {registry.token.get_secret_value()}"
        manner: dict[str, Any] = {"headers": headers, "ssl": self._trust(registry if ours else None)}
        if proxy := proxy_of(address, registry):
            if not ours and not re.fullmatch(HOST, urlsplit(address).hostname or ""):
                raise Refused(502, "the registry keeps files at an address that is no host's name")
            bare, login = _without_login(proxy)
            manner["proxy"] = bare
            if login:
                # Where there is no tunnel, the proxy reads the request itself.
                place = headers if urlsplit(address).scheme == "http" else manner.setdefault("proxy_headers", {})
                place["Proxy-Authorization"] = login
        return manner

    async def dial(self, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to port 443 of a host whose name was allowed; nothing has been sent to it.

        Raises:
            Refused: it has an address that is not public, or does not answer.
        """
        try:
            async with asyncio.timeout(DIAL_SECONDS * 2):
                if proxy := proxy_of(f"https://{host}/"):
                    return await _through(proxy, host)
                found = await self._resolve(host, HTTPS)
                # One that is not is enough: whoever answers for the name tries something.
                if inner := [address for address, _ in found if not self._is_public(address)]:
                    raise Refused(403, f"{host} has the address {inner[0]}, which is not public")
                for address, port in found[:ADDRESSES]:
                    with contextlib.suppress(OSError, TimeoutError):
                        async with asyncio.timeout(DIAL_SECONDS):
                            return await asyncio.open_connection(address, port)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise Refused(502, f"{host} cannot be reached: {type(error).__name__}") from error
        raise Refused(502, f"{host} cannot be reached")

    def _trust(self, registry: Registry | None) -> ssl.SSLContext:
        """Whose certificates are believed; kept, because connections can only be used again with the same."""
        authorities = registry.certificates if registry else None
        if authorities not in self._trusts:
            self._trusts[authorities] = context = ssl.create_default_context()
            if authorities:
                context.load_verify_locations(authorities)
        return self._trusts[authorities]

    def _socket_to(self, dialled: tuple[Any, ...]) -> socket.socket:
        """A socket for exactly this address, after every look-up; no other address is ever dialled.

        Raises:
            PermissionError: it is not a public one, nor that of a registry inside.
        """
        family, kind, protocol, _, (host, port, *_) = dialled
        if not self._is_public(host) and (host, port) not in self._inside:
            raise PermissionError(errno.EPERM, f"{host} is not a public address")
        return socket.socket(family, kind, protocol)


async def look_up(host: str, port: int) -> Sequence[tuple[str, int]]:
    """What this machine's resolver says.

    Raises:
        OSError: it knows no address.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((str(address[0]), port) for *_, address in found))


def proxy_of(address: str, registry: Registry | None = None) -> str | None:
    """The HTTP proxy that this machine's settings name for this address; None: it is asked directly.

    Raises:
        Refused: they name one of another kind.
    """
    parts = urlsplit(address)
    if proxy_bypass(parts.hostname or ""):
        return None
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all") or ""
    if registry and registry.proxy:
        proxy = registry.proxy.get_secret_value()
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if urlsplit(proxy).scheme not in ("http", "https"):
        raise Refused(502, f"proxies of the kind {printable(urlsplit(proxy).scheme)} are not supported, only HTTP ones")
    return proxy


def _without_login(proxy: str) -> tuple[str, str]:
    """The proxy's address, and what its header says; empty if it wants no login."""
    parts = urlsplit(proxy)
    login, at, _ = parts.netloc.rpartition("@")
    said = "Basic " + base64.b64encode(unquote(login).encode()).decode() if at else ""
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), said


async def _through(proxy: str, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    bare, login = _without_login(proxy)
    scheme, name, _ = origin(bare)
    port = urlsplit(bare).port or (HTTPS if scheme == "https" else 80)
    reader, writer = await asyncio.open_connection(name, port, ssl=scheme == "https" or None)
    try:
        said = f"Proxy-Authorization: {login}\r\n" if login else ""
        writer.write(f"CONNECT {host}:{HTTPS} HTTP/1.1\r\nHost: {host}:{HTTPS}\r\n{said}\r\n".encode())
        line, _, _ = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        if not re.match(rb"HTTP/1\.[01] 200\b", line):
            raise Refused(502, f"this machine's proxy refused {host}: {printable(line.decode('latin-1'))[9:100]}")
    except BaseException:
        writer.close()
        raise
    return reader, writer


@asynccontextmanager
async def _explained(
    response: "contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]", registry: Registry
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer, if it is one to go on with; else why not, without more about this machine than a sandbox may know."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            answer = await stack.enter_async_context(response)
        except TimeoutError as error:
            raise Refused(504, "the registry is too slow") from error
        except aiohttp.ClientHttpProxyError as error:
            raise Refused(502, f"this machine's proxy answered {error.status}") from error
        except aiohttp.ClientConnectorError as error:
            raise Refused(502, f"the registry cannot be asked: {error.strerror or error.os_error}") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Refused(502, f"the registry cannot be asked: {type(error).__name__}") from error
        if answer.status in (404, 410):
            raise Refused(404, "the registry does not have it")
        if answer.status in (401, 403):
            has = "refused the login in" if registry.login or registry.token else "wants a login, and there is none in"
            raise Refused(502, f"the registry {has} this machine's settings ({answer.status})")
        if answer.status not in (200, 301, 302, 303, 307, 308):
            raise Refused(502, f"the registry answered {answer.status}")
        yield answer


async def _next(answer: aiohttp.ClientResponse) -> bytes:
    try:
        return await answer.content.read(1 << 18)
    except TimeoutError as error:
        raise Refused(504, "the registry is too slow") from error
    except (aiohttp.ClientError, OSError) as error:
        raise Refused(502, f"the registry broke off: {type(error).__name__}") from error
