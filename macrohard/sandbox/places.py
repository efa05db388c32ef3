"""How many sandboxes are in use at once, and who gets the next place."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from macrohard.events import Emit, SandboxAwaited

TELL_AFTER_SECONDS: Final = 2.0
"""How long an opening waits for a place before anybody is told."""
TELL_AGAIN_SECONDS: Final = 30.0
PLACE_BYTES: Final = 7 << 28
"""What a product and its browser need at their worst, 1.75 GiB: 12 places on 24 GiB."""
REST_BYTES: Final = 2 << 30
"""For the engine, ourselves and the machine."""
FEWEST: Final = 2
MOST_WARM: Final = 2
"""More than this are seldom taken before they are too old, and each costs an opening."""
CGROUP_LIMITS: Final = ("memory.max", "memory/memory.limit_in_bytes")


def places_here(*, proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """How many places this machine's memory, or that of the container we are in, is enough for; at least two."""
    meminfo = (proc / "meminfo").read_text().split()
    memory = int(meminfo[meminfo.index("MemTotal:") + 1]) * 1024
    for limit in (cgroups / name for name in CGROUP_LIMITS):
        if limit.is_file() and (said := limit.read_text().strip()).isdecimal():
            memory = min(memory, int(said))
    return max(FEWEST, (memory - REST_BYTES) // PLACE_BYTES)


def warm_beside(places: int) -> int:
    """How many sandboxes to keep open ahead of their use beside so many in use."""
    return min(MOST_WARM, places // 2)


@dataclass(eq=False)
class _Claim:
    """What somebody has at the moment: it lives as long as one of the sandboxes is open."""

    places: "Places"
    holder: str
    sandboxes: int = 0


@dataclass(eq=False)
class _Waiting:
    holder: str
    place: "asyncio.Future[None]"


_claims: ContextVar[tuple[_Claim, ...]] = ContextVar("what this task, or one that started it, has", default=())


class Places:
    """Gives places to holders, which are runs.

    The next place goes to the holder that has the fewest, and among equals to the opening that asked first: so a run
    that wants thirty does not keep one waiting that wants one, and of one run each is served in order.

    Who has a place and opens another sandbox for the same holder is counted but never waits, because two that each
    have one and wait for another would wait for ever. "Who" is the task and all tasks that it started meanwhile, as
    context variables go; so it matters that a claim ends with its last sandbox and not with the task's context.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self._taken = Counter[str]()
        self._line: list[_Waiting] = []

    @property
    def taken(self) -> int:
        """Can be more than there are, by those that did not wait."""
        return self._taken.total()

    @property
    def waiting(self) -> int:
        """How many openings stand in line."""
        return len(self._line)

    @asynccontextmanager
    async def one(self, holder: str, *, image: str, tell: Emit) -> AsyncIterator[None]:
        """A place, as soon as it is this opening's turn; `tell` hears of long waits, and how long each was."""
        claims = tuple(claim for claim in _claims.get() if claim.sandboxes)
        claim = next((each for each in claims if each.places is self and each.holder == holder), None)
        if claim is None:
            await self._stand_in_line(holder, image, tell)
            claim = _Claim(self, holder)
            _claims.set((*claims, claim))
        else:
            self._taken[holder] += 1
        claim.sandboxes += 1
        try:
            yield
        finally:
            claim.sandboxes -= 1
            self._give_back(holder)

    async def _stand_in_line(self, holder: str, image: str, tell: Emit) -> None:
        waiting = _Waiting(holder, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        self._admit()
        if waiting.place.done():
            return
        began, wait_id, patience = time.monotonic(), uuid.uuid4().hex[:12], TELL_AFTER_SECONDS

        def wait(turn: int) -> SandboxAwaited:
            seconds = time.monotonic() - began
            return SandboxAwaited(id=wait_id, image=image, seconds=seconds, turn=turn, places=self.number)

        try:
            while not (await asyncio.wait([waiting.place], timeout=patience))[0]:
                patience = TELL_AGAIN_SECONDS
                await tell(wait(turn=1 + self._in_turn().index(waiting)))
            await tell(wait(turn=0))
        except BaseException:
            if waiting in self._line:
                self._line.remove(waiting)
            else:
                self._give_back(holder)
            raise

    def _in_turn(self) -> list[_Waiting]:
        """All that stand in line as they are served if nobody gives a place back that counts for them."""
        taken, left, turns = self._taken.copy(), self._line.copy(), list[_Waiting]()
        while left:
            first = min(left, key=lambda each: taken[each.holder])
            taken[first.holder] += 1
            left.remove(first)
            turns.append(first)
        return turns

    def _admit(self) -> None:
        while self._line and self.taken < self.number:
            first = self._in_turn()[0]
            self._line.remove(first)
            self._taken[first.holder] += 1
            first.place.set_result(None)

    def _give_back(self, holder: str) -> None:
        self._taken[holder] -= 1
        if not self._taken[holder]:
            del self._taken[holder]
        self._admit()
