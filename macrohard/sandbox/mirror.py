"""A mirror of this machine's package registries for sandboxes: they can fetch what it has checked, and nothing else."""

import asyncio
import contextlib
import errno
import hashlib
import os
import shutil
import socket
import ssl
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar
from urllib.parse import quote, urljoin, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from macrohard.domain import Value
from macrohard.sandbox.contract import SandboxSpec
from macrohard.sandbox.images import cache_folder
from macrohard.sandbox.owner import owner_of, this_process
from macrohard.sandbox.registries import (
    BOUND,
    PORT,
    File,
    Page,
    Received,
    Refused,
    Registries,
    Registry,
    Wanted,
    check,
    configured,
    npm_page,
    origin,
    printable,
    public,
    pypi_page,
    wanted,
)

SERVED_LIMIT_BYTES: Final = 2 << 30
"""What one sandbox may be sent."""
FILE_LIMIT_BYTES: Final = 512 << 20
PAGE_LIMIT_BYTES: Final = 64 << 20
CACHE_LIMIT_BYTES: Final = 8 << 30
"""Beyond it, the files that were not asked for longest go."""
REQUESTS_LIMIT: Final = 20_000
UNKNOWN_LIMIT: Final = 50
"""How often a sandbox may ask for what does not exist; names are the only thing that it can tell a registry."""
CONNECTIONS: Final = 32
REDIRECTS: Final = 3
PAGE_SECONDS: Final = 600
"""How long a registry's page is taken for current."""
FETCH_SECONDS: Final = 300.0
SILENCE_SECONDS: Final = 30.0
END_SECONDS: Final = 0.1
"""Zero would mean for ever."""
SOCKET: Final = "packages.sock"
BRIDGE: Final = (PORT, str(BOUND / SOCKET))
ENVIRONMENT: Final = {
    "PIP_INDEX_URL": f"http://127.0.0.1:{PORT}/pypi/simple/",
    "PIP_DEFAULT_TIMEOUT": "300",
    "PIP_RETRIES": "1",
    "UV_DEFAULT_INDEX": f"http://127.0.0.1:{PORT}/pypi/simple/",
    "UV_HTTP_TIMEOUT": "300",
    "npm_config_registry": f"http://127.0.0.1:{PORT}/npm/",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "npm_config_fetch_retries": "1",
}
"""What tells the package managers in a sandbox where the mirror is, and not to ask it for what it has not."""
PREFIX: Final = "macrohard-packages-"
ACCEPT: Final = {
    "project": "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1",
    "package": "application/vnd.npm.install-v1+json, application/json;q=0.5",
}

Outcome = TypeVar("Outcome")


class PackageRequest(Value):
    """What a sandbox asked of the mirror, and what became of it."""

    method: str
    path: str
    """Cut, and without anything that a terminal would obey."""
    status: int
    bytes_sent: int
    cached: bool
    """Whether it was answered without asking a registry."""
    detail: str
    """Why it was refused, or what a person should know of the answer; empty if nothing."""


class Mirror:
    """The registries of this machine, seen through a cache whose files are named by what they must hash to.

    Only this process writes the cache; a sandbox sees one socket and can do nothing but ask.
    """

    def __init__(
        self,
        registries: Registries,
        *,
        cache: Path,
        inside: frozenset[tuple[str, int]],
        fetch_seconds: float = FETCH_SECONDS,
        page_seconds: float = PAGE_SECONDS,
    ) -> None:
        self._registries, self._cache, self._inside = registries, cache, inside
        self._page_seconds = page_seconds
        self._by_address = {registry.address: registry for registry in (*registries.pypi, *registries.npm)}
        self._known: dict[tuple[str, str], File] = {}
        self._trusts: dict[Path | None, ssl.SSLContext] = {}
        self._under_way: dict[str, asyncio.Task[Any]] = {}
        for folder in ("files", "pages", "coming"):
            (cache / folder).mkdir(parents=True, exist_ok=True)
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
    async def open(cls, registries: Registries, *, cache: Path, **settings: float) -> AsyncIterator["Mirror"]:
        """A mirror of those registries that keeps files in `cache`.

        A registry that is inside this machine's networks now may be asked there, at those addresses only.
        """
        inside = set()
        for registry in (*registries.pypi, *registries.npm):
            parts = urlsplit(registry.address)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            # An unknown name has no address inside, and asking it will say so.
            with contextlib.suppress(OSError):
                for *_, address in await asyncio.get_running_loop().getaddrinfo(
                    parts.hostname, port, type=socket.SOCK_STREAM
                ):
                    inside.add((str(address[0]), port))
        mirror = cls(registries, cache=cache, inside=frozenset(inside), **settings)
        try:
            yield mirror
        finally:
            await mirror._close()

    async def _close(self) -> None:
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await self._client.close()

    @asynccontextmanager
    async def serve(
        self, tell: Callable[[PackageRequest], None], *, limit_bytes: int = SERVED_LIMIT_BYTES
    ) -> AsyncIterator[Path]:
        """Listen for one sandbox; gives the folder with the socket, to be bound into it read-only.

        Each request is told when it has been answered or refused.
        """
        shared = await asyncio.to_thread(_folder_of_its_own)
        counter = _Counter(self, tell, limit_bytes)
        server = web.Server(counter.answer, access_log=None, lingering_time=0.0, keepalive_timeout=30.0)

        def accept() -> asyncio.Protocol:
            return server() if len(server.connections) < CONNECTIONS else _Full()

        listening = await asyncio.get_running_loop().create_unix_server(accept, str(shared / SOCKET))
        # Whoever is in the sandbox may connect; nobody there may replace it.
        os.chmod(shared / SOCKET, 0o666)
        try:
            yield shared
        finally:
            listening.close()
            await server.shutdown(END_SECONDS)
            await asyncio.to_thread(shutil.rmtree, shared.parent)

    async def page(self, wish: Wanted) -> tuple[Page, bool, str]:
        """A project's or package's page, whether no registry had to be asked, and what a person should know.

        Raises:
            Refused: there is none, or no registry gave one.
        """
        registries = self._registries.pypi if wish.kind == "project" else self._registries.npm
        if not registries:
            raise Refused(404, f"this machine has no registry for a {wish.kind}")
        received: list[Received] = []
        notes: list[str] = []
        cached = True
        for registry in registries:
            name = quote(wish.name, safe="@") + ("/" if wish.kind == "project" else "")
            answer, current, note = await self._shared(
                registry.address + name, partial(self._received, registry, name, ACCEPT[wish.kind])
            )
            cached, notes = cached and current, [*notes, note]
            if answer:
                received.append(answer)
        if not received:
            raise Refused(404, f"no registry knows {wish.name}")
        try:
            page = pypi_page(wish.name, received) if wish.kind == "project" else npm_page(received[0])
        except (ValueError, TypeError, KeyError) as error:
            raise Refused(502, f"the registry's answer is not understood: {error}") from error
        for file in page.files:
            self._known.setdefault((file.digest, file.name), file)
        return page, cached, "; ".join(filter(None, notes))

    async def file(self, wish: Wanted) -> tuple[Path, bool]:
        """A file that was checked just now, and whether it was in the cache.

        Raises:
            Refused: no page named it, it could not be had, or it is not what its page says.
        """
        if (wish.digest, wish.name) not in self._known:
            raise Refused(404, "no page that was asked for names this file")
        file = self._known[wish.digest, wish.name]
        kept = self._cache / "files" / f"{file.algorithm}-{file.digest}"
        if await asyncio.to_thread(_is_what_it_should_be, kept, file):
            return kept, True
        await self._shared(str(kept), partial(self._fetch_file, file, kept))
        return kept, False

    async def _shared(self, key: str, fetch: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Fetch once for all who ask meanwhile; goes on when they no longer wait."""
        if key not in self._under_way:
            task = asyncio.ensure_future(fetch())
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        outcome: Outcome = await asyncio.shield(self._under_way[key])
        return outcome

    async def _received(self, registry: Registry, name: str, accept: str) -> tuple[Received | None, bool, str]:
        """A registry's page as known, fetched if it is not known or old; None if the registry has none."""
        address = registry.address + name
        kept = self._cache / "pages" / hashlib.sha256(address.encode()).hexdigest()
        known = Received.model_validate_json(kept.read_bytes()) if kept.is_file() else None
        if known and time.time() - kept.stat().st_mtime < self._page_seconds:
            return known, True, ""
        try:
            with tempfile.TemporaryFile() as target:
                found, content_type = await self._fetch(
                    registry, address, target, accept=accept, limit=PAGE_LIMIT_BYTES
                )
                target.seek(0)
                page = Received(registry=registry.address, address=found, content_type=content_type, body=target.read())
        except Refused as refusal:
            if refusal.status == 404:
                return None, False, ""
            if known is None:
                raise
            age = (time.time() - kept.stat().st_mtime) / 3600
            return known, True, f"{refusal.reason}: as it was {age:.1f} h ago"
        with self._draft() as (draft, path):
            draft.write(page.model_dump_json().encode())
            draft.close()
            path.replace(kept)
        return page, False, ""

    async def _fetch_file(self, file: File, kept: Path) -> None:
        with self._draft() as (draft, path):
            await self._fetch(
                self._by_address[file.registry], file.address, draft, accept="*/*", limit=FILE_LIMIT_BYTES
            )
            draft.close()
            if not await asyncio.to_thread(_is_what_it_should_be, path, file):
                raise Refused(403, f"{file.name} does not have the hash that its page names: refused")
            path.replace(kept)
        await asyncio.to_thread(self._make_room)

    @contextlib.contextmanager
    def _draft(self) -> Any:
        descriptor, name = tempfile.mkstemp(dir=self._cache / "coming")
        with os.fdopen(descriptor, "wb") as draft:
            try:
                yield draft, Path(name)
            finally:
                Path(name).unlink(missing_ok=True)

    def _make_room(self) -> None:
        found = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in (self._cache / "files").iterdir())
        excess = sum(size for _, size, _ in found) - CACHE_LIMIT_BYTES
        for _, size, path in found:
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size

    async def _fetch(
        self, registry: Registry, address: str, target: BinaryIO, *, accept: str, limit: int
    ) -> tuple[str, str]:
        """Write what is found there into `target`; gives where it was found at last and its type.

        Raises:
            Refused: it is nowhere that may be asked, too large, too slow, or not there.
        """
        allowed = {origin(registry.address), origin(address)}
        for _ in range(REDIRECTS + 1):
            check(address, registry, allowed)
            ours = origin(address) == origin(registry.address)
            headers = {"Accept": accept}
            if ours and registry.login:
                login, _, password = registry.login.get_secret_value().partition(":")
                headers["Authorization"] = aiohttp.encode_basic_auth(login, password)
            try:
                async with self._client.get(
                    URL(address, encoded=True),
                    headers=headers,
                    allow_redirects=False,
                    ssl=self._trust(registry if ours else None),
                ) as response:
                    if response.status in (301, 302, 303, 307, 308):
                        address = urljoin(address, response.headers.get("Location", ""))
                        continue
                    if response.status in (404, 410):
                        raise Refused(404, "the registry does not have it")
                    if response.status != 200:
                        raise Refused(502, f"the registry answered {response.status}")
                    size = 0
                    async for data in response.content.iter_chunked(1 << 18):
                        size += len(data)
                        if size > limit:
                            raise Refused(403, f"larger than {limit >> 20} MiB")
                        target.write(data)
                    return address, response.content_type
            except TimeoutError as error:
                raise Refused(504, "the registry is too slow") from error
            except aiohttp.ClientConnectorError as error:
                raise Refused(502, f"the registry cannot be asked: {error.strerror or error.os_error}") from error
            except (aiohttp.ClientError, OSError, ValueError) as error:
                # Its text may hold more about this machine than a sandbox needs to know.
                raise Refused(502, f"the registry cannot be asked: {type(error).__name__}") from error
        raise Refused(502, f"the registry redirected more than {REDIRECTS} times")

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
        if not public(host) and (host, port) not in self._inside:
            raise PermissionError(errno.EPERM, f"{host} is not a public address")
        return socket.socket(family, kind, protocol)


class Packages:
    """What a provider of sandboxes needs of a mirror, which is opened when the first sandbox may use it."""

    def __init__(self, registries: Registries | None = None, *, cache: Path | None = None) -> None:
        """Those this machine's clients are configured for, and the user's cache, unless others are given."""
        self._registries, self._cache = registries, cache or cache_folder() / "packages"
        self._mirror: Mirror | None = None
        self._stack, self._turn = AsyncExitStack(), asyncio.Lock()
        self.requests: deque[PackageRequest] = deque(maxlen=10_000)
        """The last ones, oldest first."""

    @asynccontextmanager
    async def offered(self, spec: SandboxSpec) -> AsyncIterator[Path | None]:
        """The folder to bind into a sandbox at `BOUND`; None if it has no use for packages."""
        if not spec.packages:
            yield None
            return
        async with self._turn:
            if self._mirror is None:
                registries = self._registries or await configured()
                self._mirror = await self._stack.enter_async_context(Mirror.open(registries, cache=self._cache))
        async with self._mirror.serve(self.requests.append) as folder:
            yield folder

    async def close(self) -> None:
        """Ask no registry any more."""
        await self._stack.aclose()


class _Counter:
    """What one sandbox asked for so far, and whether it may go on."""

    def __init__(self, mirror: Mirror, tell: Callable[[PackageRequest], None], limit_bytes: int) -> None:
        self._mirror, self._tell, self._limit_bytes = mirror, tell, limit_bytes
        self._sent = self._requests = self._unknown = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path: Path | None = None
        cached, sent, detail = False, 0, ""
        try:
            wish = self._judged(request)
            if wish.kind == "file":
                path, cached = await self._mirror.file(wish)
                sent = path.stat().st_size
                response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
                response.content_length = sent
            else:
                page, cached, detail = await self._mirror.page(wish)
                sent = len(page.document)
                response = web.Response(body=page.document, content_type=page.content_type)
            self._charge(sent)
        except Refused as refusal:
            path, cached, sent, detail = None, False, 0, refusal.reason
            self._unknown += refusal.status == 404
            response = web.Response(status=refusal.status, reason=printable(refusal.reason), text=f"{refusal.reason}\n")
            response.force_close()
        self._tell(
            PackageRequest(
                method=printable(request.method)[:20],
                path=printable(request.raw_path)[:200],
                status=response.status,
                bytes_sent=sent,
                cached=cached,
                detail=printable(detail),
            )
        )
        if path:
            await response.prepare(request)
            with path.open("rb") as content:
                while data := await asyncio.to_thread(content.read, 1 << 18):
                    await response.write(data)
            await response.write_eof()
        return response

    def _judged(self, request: web.BaseRequest) -> Wanted:
        self._requests += 1
        if self._requests > REQUESTS_LIMIT or self._unknown >= UNKNOWN_LIMIT:
            raise Refused(403, "this sandbox has asked too often")
        if request.method != "GET":
            raise Refused(405, "packages can only be fetched")
        if request.headers.getall("Host", []) not in ([f"127.0.0.1:{PORT}"], [f"localhost:{PORT}"]):
            raise Refused(421, "this is the mirror of packages and nothing else")
        if request.body_exists:
            raise Refused(400, "a request has no body here")
        if (wish := wanted(request.raw_path)) is None:
            raise Refused(400, "neither a project, a package nor one of their files")
        return wish

    def _charge(self, size: int) -> None:
        if self._sent + size > self._limit_bytes:
            raise Refused(403, f"this sandbox's limit of {self._limit_bytes >> 20} MiB of packages is reached")
        self._sent += size


class _Full(asyncio.Protocol):
    """Hangs up on one connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def _folder_of_its_own() -> Path:
    """An empty folder that everybody can enter, in one that says whose it is."""
    clear_away()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    (folder / "lease").write_text(this_process().lease)
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    folder.chmod(0o711)
    return shared


def clear_away() -> None:
    """Remove what mirrors of dead processes of this user left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        lease = folder / "lease"
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid() or not lease.is_file():
            continue
        owner = owner_of(lease.read_text())
        if owner and owner.dead:
            shutil.rmtree(folder)


def _is_what_it_should_be(path: Path, file: File) -> bool:
    try:
        with path.open("rb") as content:
            same = hashlib.file_digest(content, file.algorithm).hexdigest() == file.digest
    except FileNotFoundError:
        return False
    if same:
        # The time of its last use, for making room.
        os.utime(path)
    return same
