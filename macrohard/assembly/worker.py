"""Carries out the runs that wait, several at once, for as long as its process is to live."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from macrohard.assembly.factory import Factory
from macrohard.domain import RunOutcome, RunOverview, Wish
from macrohard.domain.run import ended_by
from macrohard.errors import (
    DefinitionError,
    LeaseLost,
    MacrohardError,
    NotFound,
    RequestError,
    RunHeld,
    StoreUnavailable,
)
from macrohard.events import Event

LOOK_SECONDS = 0.5
"""Between two looks at the queue and at what people ask of the runs at work."""
LONGEST_SILENCE_SECONDS = 30.0
"""Between two looks when the database does not answer."""

log = logging.getLogger("macrohard.worker")


class Worker:
    """Takes runs from the queue into `slots` places, as the queue gives them.

    However it ends, no run is lost: one that was at work stays in the queue, and the next worker goes on with it.
    """

    def __init__(self, factory: Factory, *, slots: int, observe: Callable[[Event], None] = lambda event: None) -> None:
        self._factory, self._slots, self._observe = factory, slots, observe
        self._at_work: dict[str, asyncio.Task[None]] = {}
        self._wishes: dict[str, Wish] = {}
        self._told = asyncio.Event()

    @property
    def at_work(self) -> tuple[str, ...]:
        """The runs that it carries out right now."""
        return tuple(self._at_work)

    def look(self) -> None:
        """Look at the queue at once: something was put there by this process."""
        self._told.set()

    async def work(self) -> None:
        """Take runs until this is cancelled; then those at work are parked where they stand, for the next worker."""
        silence = LOOK_SECONDS
        self._factory.telemetry.begin()
        try:
            while True:
                self._told.clear()
                try:
                    await self._look()
                    silence = LOOK_SECONDS
                except StoreUnavailable as error:
                    silence = min(2 * silence, LONGEST_SILENCE_SECONDS)
                    log.warning("%s; looks again in %g s", error, silence)
                await self._something_happens(silence)
        finally:
            await asyncio.shield(self._park())

    async def _something_happens(self, seconds: float) -> None:
        told = asyncio.create_task(self._told.wait())
        try:
            await asyncio.wait([told, *self._at_work.values()], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()

    async def _look(self) -> None:
        for run_id, task in list(self._at_work.items()):
            if task.done():
                del self._at_work[run_id]
                self._wishes.pop(run_id, None)
        queue = self._factory.store.queue
        if self._at_work:
            for run_id, wish in (await queue.wishes(self._at_work)).items():
                if run_id not in self._wishes:
                    self._wishes[run_id] = wish
                    self._at_work[run_id].cancel()
        if (places := self._slots - len(self._at_work)) > 0:
            for run_id in await queue.free(besides=self._at_work, limit=places):
                log.info("run %s: taken up", run_id)
                self._at_work[run_id] = asyncio.create_task(self._take(run_id), name=run_id)

    async def _park(self) -> None:
        for task in self._at_work.values():
            task.cancel()
        if self._at_work:
            await asyncio.wait(self._at_work.values())

    async def _take(self, run_id: str) -> None:
        """Carry one run out; whatever happens to it, the others go on."""
        try:
            if not await self._ended_as_wished(run_id) and (finished := await self._carried_out(run_id)) is not None:
                log.info("run %s: %s", run_id, finished.summary.status)
        except asyncio.CancelledError:
            # Where it was stopped before it had begun; the process may also have to end, and then nothing is wished.
            await asyncio.shield(self._ended_as_wished(run_id))
        except (LeaseLost, RunHeld, StoreUnavailable) as error:
            # Somebody else has it, or will: it is in the queue still.
            log.warning("run %s: %s", run_id, error)
        except Exception:  # the wall of a run: what is wrong with one ends that one, and is logged
            log.exception("run %s", run_id)
            await self._end(run_id, "failed", "a mistake of ours stopped it; the service's log says more")

    async def _carried_out(self, run_id: str) -> RunOverview | None:
        """How it stands now; None: it could not be begun, and was ended here."""
        try:
            return await self._factory.carry_out(
                run_id,
                out=None,
                otherwise=self._factory.place_of(run_id),
                observe=self._observe,
                wished=lambda: self._wishes.get(run_id),
            )
        except (LeaseLost, RunHeld, StoreUnavailable):
            raise
        except (RequestError, DefinitionError) as error:
            await self._end(run_id, "failed", str(error))
        except MacrohardError as error:
            await self._end(run_id, "paused", f"{error} Go on with: macrohard resume {run_id}")
        return None

    async def _ended_as_wished(self, run_id: str) -> bool:
        """End it as a person wished, if that was not done yet; whether there was such a wish."""
        wish = (await self._factory.store.queue.wishes([run_id])).get(run_id)
        if wish is not None:
            await self._end(run_id, *ended_by(wish, run_id))
        return wish is not None

    async def _end(self, run_id: str, outcome: RunOutcome, problem: str) -> None:
        with suppress(NotFound):  # Deleted since it was looked for.
            await self._factory.close(run_id, outcome, problem)
