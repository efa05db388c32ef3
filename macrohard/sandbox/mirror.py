"""A mirror of this machine's package registries for sandboxes: they can fetch what it has checked, and nothing else."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar
from urllib.parse import quote

from aiohttp import web

from macrohard.domain import PackageFile, Value
from macrohard.sandbox.cache import Cache
from macrohard.sandbox.outside import SILENCE_SECONDS, Outside
from macrohard.sandbox.owner import owner_of, this_process
from macrohard.sandbox.registries import (
    PORT,
    File,
    Page,
    Received,
    Refused,
    Registries,
    Registry,
    Wanted,
    npm_page,
    printable,
    pypi_page,
    wanted,
)
from macrohard.sandbox.tunnel import HEAD_LIMIT_BYTES, METHOD, TunnelEnded, Tunnels

SERVED_LIMIT_BYTES: Final = 2 << 30
"""What one sandbox may be sent."""
FILE_LIMIT_BYTES: Final = 512 << 20
PAGE_LIMIT_BYTES: Final = 64 << 20
REQUESTS_LIMIT: Final = 20_000
UNKNOWN_LIMIT: Final = 50
"""How often a sandbox may ask for what does not exist; names are the only thing that it can tell a registry."""
CONNECTIONS: Final = 32
PAGE_SECONDS: Final = 600
"""How long a registry's page is taken for current."""
END_SECONDS: Final = 0.1
"""Zero would mean for ever."""
SOCKET: Final = "packages.sock"
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
    bytes_received: int = 0
    """Of a tunnel; all else is without a body."""
    cached: bool
    """Whether it was answered without asking a registry."""
    detail: str
    """Why it was refused, or what a person should know of the answer; empty if nothing."""
    file: PackageFile | None = None
    """What was given, if it was a file."""


class Mirror:
    """The registries of this machine, seen through a cache whose files are named by what they must hash to.

    Only this process writes the cache; a sandbox sees one socket and can do nothing but ask.
    """

    def __init__(
        self, registries: Registries, outside: Outside, cache: Cache, *, page_seconds: float, hosts: frozenset[str]
    ) -> None:
        self._registries, self._outside, self._cache, self._hosts = registries, outside, cache, hosts
        self._page_seconds = page_seconds
        self._by_address = {registry.address: registry for registry in (*registries.pypi, *registries.npm)}
        self._known: dict[tuple[str, str], File] = {}
        self._under_way: dict[str, asyncio.Task[Any]] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        registries: Registries,
        *,
        cache: Path,
        hosts: frozenset[str] = frozenset(),
        page_seconds: float = PAGE_SECONDS,
        **settings: Any,
    ) -> AsyncIterator["Mirror"]:
        """A mirror of those registries that keeps files in `cache`, and a way to `hosts`; the rest is for `Outside`."""
        async with Outside.open(registries, **settings) as outside:
            mirror = cls(registries, outside, Cache(cache), page_seconds=page_seconds, hosts=hosts)
            try:
                yield mirror
            finally:
                await mirror._close()

    async def _close(self) -> None:
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

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

        def reached(ended: TunnelEnded) -> None:
            tell(
                PackageRequest(
                    method="CONNECT",
                    path=ended.asked,
                    status=403 if ended.refusal else 200,
                    bytes_sent=ended.bytes_down,
                    bytes_received=ended.bytes_up,
                    cached=False,
                    detail=ended.refusal,
                )
            )

        tunnels = Tunnels(self._hosts, self._outside.dial, reached)
        doors = set[_Door]()

        def accept() -> asyncio.Protocol:
            return _Door(server, tunnels, doors) if len(doors) < CONNECTIONS else _Full()

        listening = await asyncio.get_running_loop().create_unix_server(accept, str(shared / SOCKET))
        # Whoever is in the sandbox may connect; nobody there may replace it.
        os.chmod(shared / SOCKET, 0o666)
        try:
            yield shared
        finally:
            listening.close()
            await tunnels.close()
            for door in list(doors):
                door.shut()
            await server.shutdown(END_SECONDS)
            await asyncio.to_thread(shutil.rmtree, shared.parent)

    async def page(self, wish: Wanted) -> tuple[Page, bool, str]:
        """A project's or package's page, whether no registry had to be asked, and what a person should know.

        Raises:
            Refused: there is none, or no registry gave one.
        """
        registries = self._registries.pypi if wish.kind == "project" else self._registries.of_package(wish.name)
        if not registries:
            raise Refused(404, f"this machine's settings name no registry for a {wish.kind}")
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
            # Some pages are megabytes.
            if wish.kind == "project":
                page = await asyncio.to_thread(pypi_page, wish.name, received)
            else:
                page = await asyncio.to_thread(npm_page, received[0])
        except (ValueError, TypeError, KeyError) as error:
            raise Refused(502, f"the registry's answer is not understood: {error}") from error
        for file in page.files:
            self._known.setdefault((file.digest, file.name), file)
        return page, cached, "; ".join(filter(None, notes))

    async def file(self, wish: Wanted) -> tuple[File, BinaryIO, bool]:
        """A file, its content as it was checked just now, and whether it was in the cache.

        Raises:
            Refused: no page named it, it could not be had, or it is not what its page says.
        """
        if wish.package:
            page, _, _ = await self.page(Wanted(kind="package", name=wish.package))
            file = next((each for each in page.files if each.name == wish.name), None)
        else:
            file = self._known.get((wish.digest, wish.name))
        if file is None:
            raise Refused(404, "no page that was asked for names this file")
        if content := await asyncio.to_thread(self._cache.file, file):
            return file, content, True
        await self._shared(file.digest, partial(self._fetch_file, file))
        if content := await asyncio.to_thread(self._cache.file, file):
            return file, content, False
        raise Refused(507, "the cache of packages on this machine did not keep the file")

    async def _shared(self, key: str, fetch: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Fetch once for all who ask meanwhile; goes on when they no longer wait."""
        if key not in self._under_way:
            task = asyncio.ensure_future(fetch())
            self._under_way[key] = task

            def ended(task: "asyncio.Future[Outcome]") -> None:
                del self._under_way[key]
                # Nobody may wait any more for what went wrong.
                task.cancelled() or task.exception()

            task.add_done_callback(ended)
        outcome: Outcome = await asyncio.shield(self._under_way[key])
        return outcome

    async def _received(self, registry: Registry, name: str, accept: str) -> tuple[Received | None, bool, str]:
        """A registry's page as known, fetched if it is not known or old; None if the registry has none."""
        address = registry.address + name
        known, age_seconds = await asyncio.to_thread(self._cache.page, address) or (None, 0.0)
        if known and age_seconds < self._page_seconds:
            return known, True, ""
        try:
            with self._cache.draft() as draft:
                found, content_type = await self._outside.fetch(
                    registry, address, draft.content, accept=accept, limit=PAGE_LIMIT_BYTES
                )
                draft.content.seek(0)
                body = draft.content.read()
        except Refused as refusal:
            if refusal.status == 404:
                return None, False, ""
            if known is None:
                raise
            return known, True, f"{refusal.reason}: as it was {age_seconds / 3600:.1f} h ago"
        page = Received(registry=registry.address, address=found, content_type=content_type, body=body)
        await asyncio.to_thread(self._cache.keep_page, address, page)
        return page, False, ""

    async def _fetch_file(self, file: File) -> None:
        registry = self._by_address[file.registry]
        with self._cache.draft() as draft:
            await self._outside.fetch(registry, file.address, draft.content, accept="*/*", limit=FILE_LIMIT_BYTES)
            await asyncio.to_thread(self._cache.keep_file, file, draft)


class _Counter:
    """What one sandbox asked for so far, and whether it may go on."""

    def __init__(self, mirror: Mirror, tell: Callable[[PackageRequest], None], limit_bytes: int) -> None:
        self._mirror, self._tell, self._limit_bytes = mirror, tell, limit_bytes
        self._sent = self._requests = self._unknown = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        content: BinaryIO | None = None
        given: PackageFile | None = None
        cached, sent, detail = False, 0, ""
        try:
            wish = self._judged(request)
            if wish.kind == "file":
                file, content, cached = await self._mirror.file(wish)
                sent = os.fstat(content.fileno()).st_size
                given = _given(file, sent, cached)
                response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
                response.content_length = sent
            else:
                page, cached, detail = await self._mirror.page(wish)
                sent = len(page.document)
                response = web.Response(body=page.document, content_type=page.content_type)
            self._charge(sent)
        except Refused as refusal:
            if content:
                content.close()
            content, given, cached, sent, detail = None, None, False, 0, refusal.reason
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
                file=given,
            )
        )
        if content:
            with content:
                await response.prepare(request)
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


class _Door(asyncio.Protocol):
    """One connection: hands it on as soon as its first bytes say whether it is for the mirror or for a tunnel."""

    def __init__(self, server: web.Server, tunnels: Tunnels, doors: "set[_Door]") -> None:
        self._server, self._tunnels, self._doors = server, tunnels, doors
        self._begun = b""
        self._inner: asyncio.Protocol | None = None
        doors.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._patience = asyncio.get_running_loop().call_later(SILENCE_SECONDS, transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._inner is not None:
            self._inner.data_received(data)
            return
        self._begun += data
        if len(self._begun) < len(METHOD) and METHOD.startswith(self._begun):
            return
        self._patience.cancel()
        if self._begun.startswith(METHOD):
            reader = asyncio.StreamReader(limit=HEAD_LIMIT_BYTES)
            self._inner = asyncio.StreamReaderProtocol(reader, self._tunnels.accept)
        else:
            self._inner = self._server()
        self._inner.connection_made(self._transport)
        self._inner.data_received(self._begun)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._inner else None

    def pause_writing(self) -> None:
        if self._inner:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._doors.discard(self)
        self._patience.cancel()
        if self._inner:
            self._inner.connection_lost(exc)

    def shut(self) -> None:
        """Break the connection off."""
        self._transport.abort()


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


def _given(file: File, size_bytes: int, cached: bool) -> PackageFile:
    return PackageFile(
        ecosystem=file.ecosystem,
        name=file.package,
        version=file.version,
        file=file.name,
        digest=f"{file.algorithm}:{file.digest}",
        size_bytes=size_bytes,
        cached=cached,
    )
