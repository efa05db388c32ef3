"""Takes notices to the addresses that want them: signed, until they are taken, never into our own networks."""

import asyncio
import errno
import hmac
import logging
import socket
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from types import TracebackType
from typing import Any, Final

import aiohttp
from yarl import URL

from macrohard.errors import StoreUnavailable
from macrohard.sandbox.registries import public
from macrohard.store import Store
from macrohard.store.webhooks import Parcel

AGAIN_SECONDS: Final = (5.0, 30.0, 120.0, 600.0, 3600.0, 4 * 3600.0, 12 * 3600.0, 24 * 3600.0)
"""After the first attempt, the second and so on; about two days, then a person has to send it again."""
LOOK_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 10.0
HELD_SECONDS: Final = 60.0
"""Longer than any attempt: what a process took that died is sent by another one after so long."""
AT_ONCE: Final = 10
FOR_ONE: Final = 3
"""Of one webhook: whose address is silent does not keep others waiting."""

log = logging.getLogger("macrohard.webhooks")


class Courier:
    """Delivers what waits, each at least once, as long as it is open; several may, on one database."""

    def __init__(
        self, store: Store, *, inside: Collection[str], again_seconds: Sequence[float] = AGAIN_SECONDS
    ) -> None:
        """`inside`: hosts, as they stand in addresses, that are told although theirs is no public address."""
        self._store, self._inside, self._again_seconds = store, frozenset(inside), again_seconds
        self._working: asyncio.Task[None] | None = None
        self._under_way: Counter[str] = Counter()
        """By webhook."""
        self._place_free = asyncio.Event()

    async def __aenter__(self) -> "Courier":
        self._working = asyncio.create_task(self._work())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._working is not None
        self._working.cancel()
        await asyncio.wait([self._working])

    async def _work(self) -> None:
        async with (
            _client(socket_factory=_public_only) as outside,
            _client(socket_factory=None) as inside,
            asyncio.TaskGroup() as sending,
        ):
            while True:
                self._place_free.clear()
                for parcel in await self._take():
                    self._under_way[parcel.webhook] += 1
                    sending.create_task(self._send(parcel, outside, inside))
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._place_free.wait()

    async def _take(self) -> tuple[Parcel, ...]:
        places = AT_ONCE - self._under_way.total()
        if places > 0:
            with _wall():
                return await self._store.webhooks.take(
                    limit=places, for_seconds=HELD_SECONDS, for_one=FOR_ONE, under_way=self._under_way
                )
        return ()

    async def _send(self, parcel: Parcel, outside: aiohttp.ClientSession, inside: aiohttp.ClientSession) -> None:
        try:
            with _wall():
                await self._deliver(parcel, inside if URL(parcel.url).host in self._inside else outside)
        finally:
            self._under_way -= Counter([parcel.webhook])
            self._place_free.set()

    async def _deliver(self, parcel: Parcel, client: aiohttp.ClientSession) -> None:
        problem = await _attempt(parcel, client)
        again = self._again_seconds[parcel.attempts] if parcel.attempts < len(self._again_seconds) else None
        if problem:
            log.info("delivery %s: %s", parcel.id, problem)
        await self._store.webhooks.settle(parcel, problem=problem, again_in=again)


@contextmanager
def _wall() -> Iterator[None]:
    """What goes wrong within is logged; a parcel that was not settled is sent again when its time is up."""
    try:
        yield
    except StoreUnavailable as error:
        log.warning("%s", error)
    except Exception:  # the wall of the courier: what is wrong with one delivery keeps back no other
        log.exception("deliveries")


def signature(secret: str, body: bytes, *, at: int) -> str:
    """`t=…,v1=…`: HMAC-SHA256 with the secret over the time, a dot and the body."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, sha256).hexdigest()
    return f"t={at},v1={digest}"


async def _attempt(parcel: Parcel, client: aiohttp.ClientSession) -> str:
    """What went wrong; empty: it was taken."""
    body = parcel.body.encode()
    headers = {
        "Content-Type": "application/json",
        "Macrohard-Event": parcel.event,
        "Macrohard-Delivery": parcel.id,
        "Macrohard-Signature": signature(parcel.secret, body, at=int(time.time())),
    }
    try:
        async with client.post(parcel.url, data=body, headers=headers, allow_redirects=False) as answer:
            return "" if 200 <= answer.status < 300 else f"it answered {answer.status}"
    except TimeoutError:
        return f"it did not answer within {ANSWER_SECONDS:g} s"
    except aiohttp.ClientConnectorError as error:
        return f"it cannot be reached: {error.strerror or error.os_error}"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return f"it cannot be asked: {type(error).__name__}"


def _client(*, socket_factory: Any) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=AT_ONCE, socket_factory=socket_factory, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
        headers={"User-Agent": "macrohard"},
    )


def _public_only(dialled: tuple[Any, ...]) -> socket.socket:
    """A socket for exactly this address, after every look-up: what is dialled is what was checked.

    Raises:
        PermissionError: it is not a public one.
    """
    family, kind, protocol, _, (host, *_) = dialled
    if not public(host):
        raise PermissionError(errno.EPERM, f"{host} is not a public address, and not in webhooks_inside")
    return socket.socket(family, kind, protocol)
