"""Products that people try: each runs in its sandbox for a while, at an address of its own."""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final

import aiohttp
from yarl import URL

from macrohard.assembly import Factory, commit_of
from macrohard.domain import Value
from macrohard.errors import Conflict, MacrohardError, NotFound

MINUTES: Final = 10
"""A preview that nobody looks at ends after so long."""
AT_ONCE: Final = 4
FIRST_PAGE_SECONDS: Final = 15.0
ENDED_MEANWHILE: Final = "the preview was ended while it started"

log = logging.getLogger("macrohard.previews")


class PreviewShown(Value):
    """A product that runs."""

    id: str
    run: str
    commit: str
    address: str
    """On the machine of the service; nobody can guess it, and it shares nothing with the dashboard."""
    framed: bool
    """Whether its pages let others show them in a frame."""
    ends_at: datetime
    """Unless it is renewed."""


@dataclass
class _Open:
    run: str
    commit: str
    started: "asyncio.Future[tuple[str, bool]]"
    ends_at: datetime
    task: "asyncio.Task[None] | None" = None
    ends: bool = False
    """Its sandbox is being taken down: it is nobody's any more, but has its place until that is done."""

    @property
    def runs(self) -> bool:
        return not self.ends and self.started.done() and self.started.exception() is None


class Previews:
    """The products that run for people; all end with the service."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self._open: dict[str, _Open] = {}

    async def __aenter__(self) -> "Previews":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await _ended(list(self._open.values()))

    async def open(self, run_id: str, *, iteration: int | None) -> PreviewShown:
        """Start the product of a run, or of one of its iterations; one that runs already is renewed.

        Raises:
            NotFound: there is no such product.
            RequestError: it has no pages to open, or does not start.
            Conflict: too many run already.
            SandboxUnavailable: there is no sandbox on this machine.
        """
        overview = await self._factory.overview(run_id)
        run_id, commit = overview.summary.id, commit_of(overview, iteration)
        for preview_id, each in self._open.items():
            if (each.run, each.commit) == (run_id, commit) and not each.ends:
                return await self._shown(preview_id, each)
        if len(self._open) >= AT_ONCE:
            # Not whose: they may be of runs that who asks does not see.
            raise Conflict(f"{AT_ONCE} previews are open; end one first, or wait until one that nobody looks at ends")
        preview_id = f"p-{secrets.token_hex(6)}"
        opened = _Open(run_id, commit, asyncio.get_running_loop().create_future(), _end_of_silence())
        self._open[preview_id] = opened
        opened.task = asyncio.create_task(self._run(preview_id, opened, iteration))
        return await self._shown(preview_id, opened)

    def of(self, run_id: str) -> tuple[PreviewShown, ...]:
        """Those of a run that can be looked at now."""
        return tuple(
            _shown(preview_id, each) for preview_id, each in self._open.items() if each.run == run_id and each.runs
        )

    def renew(self, run_id: str, preview_id: str) -> PreviewShown:
        """Somebody looks at it: it goes on for a while.

        Raises:
            NotFound: it has ended.
        """
        found = self._known(run_id, preview_id)
        found.ends_at = _end_of_silence()
        return _shown(preview_id, found)

    async def end(self, run_id: str, preview_id: str) -> None:
        """Stop it now.

        Raises:
            NotFound: it has ended.
        """
        await _ended([self._known(run_id, preview_id)])

    def _known(self, run_id: str, preview_id: str) -> _Open:
        found = self._open.get(preview_id)
        if found is None or found.run != run_id or not found.runs:
            raise NotFound(f"no preview {preview_id!r} of run {run_id} is open")
        return found

    async def _shown(self, preview_id: str, opened: _Open) -> PreviewShown:
        # Whoever waits may go away; the product starts for whoever else asked.
        await asyncio.shield(opened.started)
        if opened.ends:
            raise Conflict(ENDED_MEANWHILE)
        opened.ends_at = _end_of_silence()
        return _shown(preview_id, opened)

    async def _run(self, preview_id: str, opened: _Open, iteration: int | None) -> None:
        try:
            async with self._factory.open_product(
                opened.run, iteration=iteration, port=0, tell=lambda text: log.info("%s: %s", opened.run, text)
            ) as preview:
                opened.started.set_result((preview.address, await _can_be_framed(preview.address)))
                while (left := (opened.ends_at - datetime.now(UTC)).total_seconds()) > 0:  # noqa: ASYNC110 (it is renewed meanwhile)
                    await asyncio.sleep(left)
                opened.ends = True
        except MacrohardError as error:
            if opened.started.done():
                log.warning("preview of %s: %s", opened.run, error)
            else:
                opened.started.set_exception(error)
        except Exception as error:  # the wall of a preview: what is wrong with one ends that one, and is logged
            log.exception("preview of %s", opened.run)
            if not opened.started.done():
                opened.started.set_exception(error)
        finally:
            self._open.pop(preview_id, None)
            if not opened.started.done():
                opened.started.set_exception(Conflict(ENDED_MEANWHILE))


async def _ended(previews: Sequence[_Open]) -> None:
    tasks = []
    for each in previews:
        if each.task is not None:
            tasks.append(each.task)
            if not each.ends:  # whose sandbox is being taken down already is not disturbed in it
                each.ends = True
                each.task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _shown(preview_id: str, opened: _Open) -> PreviewShown:
    address, framed = opened.started.result()
    return PreviewShown(
        id=preview_id, run=opened.run, commit=opened.commit, address=address, framed=framed, ends_at=opened.ends_at
    )


async def _can_be_framed(address: str) -> bool:
    """What the product's first page says; one that says nothing useful is not framed."""
    url = URL(address)
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=FIRST_PAGE_SECONDS)) as client,
            client.get(url.with_host("127.0.0.1"), headers={"Host": url.authority}, allow_redirects=False) as answer,
        ):
            policy = " ".join(answer.headers.getall("Content-Security-Policy", []))
            return "X-Frame-Options" not in answer.headers and "frame-ancestors" not in policy.lower()
    except (aiohttp.ClientError, OSError, ValueError):
        return False


def _end_of_silence() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=MINUTES)
