"""What a sandbox may fetch from outside: nothing, packages, some hosts; and what it did fetch, told as it happens."""

import asyncio
import contextlib
import io
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final

from macrohard.domain import Diagnosis, Fetched, HostReached, PackageFile, RefusedRequest, Value
from macrohard.errors import SandboxUnavailable
from macrohard.sandbox.clients import configured
from macrohard.sandbox.contract import SandboxSpec
from macrohard.sandbox.images import cache_folder
from macrohard.sandbox.mirror import SOCKET, Mirror, PackageRequest
from macrohard.sandbox.outside import Outside
from macrohard.sandbox.registries import BOUND, PORT, Refused, Registries, Registry

BRIDGE: Final = (PORT, str(BOUND / SOCKET))
"""For the guest: the port of the loopback that leads to the socket."""
QUIET: Final = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
}
NOTHING: Final = QUIET | {
    "PIP_RETRIES": "0",
    "PIP_DEFAULT_TIMEOUT": "5",
    "UV_HTTP_RETRIES": "0",
    "npm_config_fetch_retries": "0",
}
"""Clients try for minutes before they say that there is no network."""
PACKAGES: Final = QUIET | {
    "PIP_INDEX_URL": f"http://127.0.0.1:{PORT}/pypi/simple/",
    "PIP_DEFAULT_TIMEOUT": "300",
    "PIP_RETRIES": "1",
    "UV_DEFAULT_INDEX": f"http://127.0.0.1:{PORT}/pypi/simple/",
    "UV_HTTP_TIMEOUT": "300",
    "npm_config_registry": f"http://127.0.0.1:{PORT}/npm/",
    "npm_config_fetch_retries": "1",
    # What a lock file says was written elsewhere, and what is written here has to be good elsewhere.
    "npm_config_replace_registry_host": "always",
    "npm_config_omit_lockfile_registry_resolved": "true",
}
"""What tells the package managers in a sandbox where the mirror is, and not to ask it for what it has not."""
HOSTS: Final = {
    **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), f"http://127.0.0.1:{PORT}"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost,::1"),
    "NODE_USE_ENV_PROXY": "1",
    # Node believes its own list only, where a company signs anew what comes in.
    "NODE_EXTRA_CA_CERTS": "/etc/ssl/certs/ca-certificates.crt",
}
OFF: Final = (
    "there is no network here, and packages cannot be installed: the settings do not allow it. Use what is installed "
    "already, or have the person set `packages = true` in the table [sandboxes] of Macrohard's settings"
)
HOW: Final = (
    "install into the product's own folder and keep that out of git: `python3 -m venv .venv && .venv/bin/pip install "
    "-r requirements.txt`, `npm ci`; name exact versions"
)
INSTALLING: Final = (
    "packages can be fetched from registries, as far as the person's settings allow, while you work and in the "
    f"product's install command; the product and its tests run without any network. So {HOW}"
)
"""For agents."""
ELSEWHERE: Final = f"what the image holds cannot be changed; {HOW}"
SEALED: Final = (
    "there is no way out any more, also where packages are allowed: only the install command fetches, and what it "
    "installed is all that the product and its tests have"
)
REGISTRY_SECONDS: Final = 10.0
NO_WAY_OUT: Final = (
    "off: sandboxes have no way out, and products are built from what the images hold; "
    "`packages = true` in the table [sandboxes] of the settings lets them install from this machine's registries"
)
REFUSED_AT_MOST: Final = 200
"""Different refusals that are told one by one."""
_IN_VAIN: Final = re.compile(
    r"No matching distribution found for|Could not find a version that satisfies"
    r"|npm (?:ERR!|error)[^\n]*(?:EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ENETUNREACH|ENOTCACHED|E404)"
    r"|Failed to fetch: `http|Failed to download|Could not resolve host"
)
"""What package managers say where they reach nobody."""
_NOT_THERE: Final = re.compile(
    r"Could not install packages due to an OSError: \[Errno 30\]|npm (?:ERR!|error) (?:code EROFS|path /opt/)"
    r"|Will not install to the user site because it will lack sys.path precedence"
)

Tell = Callable[[Fetched], Awaitable[None]]
_listener: ContextVar[Tell | None] = ContextVar("listener", default=None)


@contextlib.contextmanager
def hearing_of_fetches(tell: Tell) -> Iterator[None]:
    """Tell what sandboxes fetch for whoever runs commands in them in this context, and in tasks begun in it."""
    token = _listener.set(tell)
    try:
        yield
    finally:
        _listener.reset(token)


class Packages:
    """What a provider's sandboxes may fetch; the mirror is opened when the first one may."""

    def __init__(
        self,
        registries: Registries | None = None,
        *,
        cache: Path | None = None,
        hosts: frozenset[str] = frozenset(),
        **settings: Any,
    ) -> None:
        """From the registries that this machine's clients are configured for, into the user's cache, if none is given.

        Args:
            hosts: names that can be reached over TLS besides.
            settings: for `Mirror.open`.
        """
        self._registries, self._cache, self._hosts = registries, cache or cache_folder() / "packages", hosts
        self._settings = settings
        self._mirror: Mirror | None = None
        self._stack, self._turn = AsyncExitStack(), asyncio.Lock()

    async def opened(self) -> Mirror:
        """The one mirror of all its sandboxes.

        Raises:
            SandboxUnavailable: its cache cannot be written.
        """
        async with self._turn:
            if self._mirror is None:
                registries = await configured() if self._registries is None else self._registries
                opening = Mirror.open(registries, cache=self._cache, hosts=self._hosts, **self._settings)
                try:
                    self._mirror = await self._stack.enter_async_context(opening)
                except OSError as error:
                    raise SandboxUnavailable(f"no packages can be kept in {self._cache}: {error.strerror}") from error
        return self._mirror

    def environment(self) -> Mapping[str, str]:
        """For every command in a sandbox that may fetch."""
        serves = self._registries is None or bool(self._registries.pypi or self._registries.npm)
        return (PACKAGES if serves else NOTHING) | (HOSTS if self._hosts else {})

    async def close(self) -> None:
        """Ask nobody any more."""
        await self._stack.aclose()


class WayOut:
    """What one sandbox may fetch, until it is sealed, and what it did since that was last told."""

    def __init__(self, packages: Packages | None) -> None:
        self._packages, self._sealed = packages, False
        self._requests: list[PackageRequest] = []
        self._serving = AsyncExitStack()
        self.folder: Path | None = None
        """To be bound into the sandbox at `BOUND`; None if there is nothing to fetch."""

    @classmethod
    @asynccontextmanager
    async def open(cls, spec: SandboxSpec, packages: Packages | None) -> AsyncIterator["WayOut"]:
        """That of a sandbox which is about to be started."""
        way_out = cls(packages if spec.packages else None)
        if way_out._packages is not None:
            mirror = await way_out._packages.opened()
            way_out.folder = await way_out._serving.enter_async_context(mirror.serve(way_out._requests.append))
        try:
            yield way_out
        finally:
            await way_out._serving.aclose()
            await way_out.told()

    @property
    def bridge(self) -> tuple[int, str] | None:
        """For the guest."""
        return BRIDGE if self.folder else None

    @property
    def environment(self) -> Mapping[str, str]:
        """For every command, as long as it is not sealed."""
        return self._packages.environment() if self._packages else NOTHING

    async def seal(self) -> None:
        """Let nothing be fetched any more, and cut off what is under way."""
        self._sealed = self._sealed or self._packages is not None
        self._packages = None
        await self._serving.aclose()
        await self.told()

    async def told(self) -> Fetched | None:
        """Tell what was fetched since the last time, if anything was."""
        if not self._requests:
            return None
        fetched = _summed(self._requests)
        self._requests.clear()
        if tell := _listener.get():
            await tell(fetched)
        return fetched

    async def hint(self, output: str) -> str | None:
        """Why what a command asked for could not be fetched, told by what it wrote and what it was refused."""
        fetched = await self.told()
        if fetched and fetched.refused:
            first = "; ".join(f"{each.asked}: {each.reason}" for each in fetched.refused[:5])
            return f"not everything could be fetched: {first}"
        if self._packages is not None and _NOT_THERE.search(output):
            return ELSEWHERE
        if self._packages is not None or not _IN_VAIN.search(output):
            return None
        return SEALED if self._sealed else OFF


class Answering(Value):
    """Whether one registry or host answers."""

    asked: str
    """Without any login."""
    problem: str
    """Empty if it does."""


async def ask_registries(*, seconds: float) -> tuple[Answering, ...]:
    """Ask each configured registry once for something small."""
    registries = await configured()
    kinds = [("pip", each, "pip/") for each in registries.pypi] + [("npm", each, "npm") for each in registries.npm]

    async def ask(kind: str, registry: Registry, name: str) -> Answering:
        shown = f"{kind} {registry.scope + ' ' if registry.scope else ''}at {registry.address}"
        async with Outside.open(registries, fetch_seconds=seconds) as outside:
            try:
                with io.BytesIO() as nowhere:
                    await outside.fetch(registry, registry.address + name, nowhere, accept="*/*", limit=64 << 20)
            except Refused as refused:
                # A registry of a scope need not have it.
                return Answering(asked=shown, problem="" if refused.status == 404 else refused.reason)
        return Answering(asked=shown, problem="")

    return tuple(await asyncio.gather(*(ask(*each) for each in kinds)))


async def ask_hosts(hosts: Sequence[str]) -> tuple[Answering, ...]:
    """Try to reach each host as a sandbox would; nothing is sent to it."""

    async def ask(outside: Outside, host: str) -> Answering:
        try:
            _, writer = await outside.dial(host)
        except Refused as refused:
            return Answering(asked=host, problem=refused.reason)
        writer.close()
        return Answering(asked=host, problem="")

    async with Outside.open(Registries(pypi=(), npm=())) as outside:
        return tuple(await asyncio.gather(*(ask(outside, host) for host in hosts)))


def _summed(requests: list[PackageRequest]) -> Fetched:
    refused = Counter((each.path, each.detail) for each in requests if each.status != 200)
    listed = refused.most_common(REFUSED_AT_MOST)
    given = [each for each in requests if each.status == 200]
    hosts: dict[str, HostReached] = {}
    for each in given:
        if each.method == "CONNECT":
            before = hosts.get(each.path)
            hosts[each.path] = HostReached(
                host=each.path,
                connections=before.connections + 1 if before else 1,
                bytes_up=each.bytes_received + (before.bytes_up if before else 0),
                bytes_down=each.bytes_sent + (before.bytes_down if before else 0),
            )
    files: dict[str, PackageFile] = {each.file.digest: each.file for each in reversed(given) if each.file}
    return Fetched(
        files=tuple(reversed(files.values())),
        pages=tuple(dict.fromkeys(each.path for each in given if not each.file and each.method != "CONNECT")),
        refused=tuple(RefusedRequest(asked=asked, reason=reason, count=count) for (asked, reason), count in listed),
        more_refused=sum(refused.values()) - sum(count for _, count in listed),
        hosts=tuple(hosts.values()),
        notes=tuple(dict.fromkeys(each.detail for each in given if each.detail)),
    )


async def diagnose_ways_out(*, packages: bool, allow: Sequence[str]) -> tuple[Diagnosis, ...]:
    """What sandboxes can reach, where a person allows packages or hosts, and whether it answers; raises nothing."""
    rows: list[Diagnosis] = []
    if packages:
        found = await ask_registries(seconds=REGISTRY_SECONDS)
        rows = [
            Diagnosis(
                check=f"packages from {each.asked}",
                ok=not each.problem,
                needed=False,
                detail=each.problem or "products can install them; it answers",
                advice="compare with `pip config list` and `npm config list`, which Macrohard follows",
            )
            for each in found
        ]
        if not found:
            nowhere = "pip and npm of this machine are configured for no registry, or are not installed"
            advice = "configure them, or take `packages = true` out of the table [sandboxes]"
            rows = [Diagnosis(check="packages", ok=False, needed=False, detail=nowhere, advice=advice)]
    rows += [
        Diagnosis(
            check=f"sandboxes can reach {each.asked}",
            ok=not each.problem,
            needed=False,
            detail=each.problem or "it answers; what is sent there is encrypted, so that nobody sees it",
            advice="only hosts with public addresses can be reached; else take it out of `allow` in [sandboxes]",
        )
        for each in await ask_hosts(allow)
    ]
    return tuple(rows) or (Diagnosis(check="packages", ok=True, detail=NO_WAY_OUT),)
