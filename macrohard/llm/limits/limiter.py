"""The one way into an endpoint, for all runs of the process: who may ask it next, and when."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from macrohard.llm.limits.fair import FairQueue
from macrohard.llm.limits.health import Health
from macrohard.llm.limits.pace import Pace
from macrohard.llm.target import EndpointSettings

CUT = 0.5
"""A 429 leaves this part of the calls that are allowed at the same time; each answer then adds a little again, so that
one round of answers adds one call."""
FIRST_PAUSE_SECONDS = 1.0
"""After a 429 that does not say how long to wait: a random time up to this, doubled with each 429 in a row."""
LONGEST_PAUSE_SECONDS = 60.0
LONGEST_PROMISE_SECONDS = 24 * 3600.0
"""A Retry-After beyond it is taken for this long."""
RETURN_SECONDS = 2.0
"""After a pause those who may go do so over about so long, at random."""


class NotNow(Exception):
    """The endpoint may not be asked for longer than the caller would wait."""

    def __init__(self, problem: str, *, seconds: float, promised: bool, elsewhere: bool) -> None:
        """`seconds` from now it may be; `promised` by the endpoint itself, in a Retry-After.

        `elsewhere`: the call might have waited, had it not another endpoint to go to.
        """
        super().__init__(problem)
        self.seconds, self.promised, self.elsewhere = seconds, promised, elsewhere


@dataclass(eq=False)
class Slot:
    """The right to make one attempt. Who has it says what became of it; said nothing, nothing is learned."""

    waited_seconds: float
    """While the endpoint was not to be asked; time in the queue behind other calls is not counted."""
    _limiter: "Limiter"
    _tokens: int
    _round: int
    _cuts: int

    def answered(self, *, tokens: int) -> None:
        """A whole answer came, and it took so many tokens."""
        self._limiter._answered(self, tokens - self._tokens)

    def refused(self) -> None:
        """The endpoint is there, and wants nothing of this request."""
        self._limiter._well(self)

    def throttled(self, problem: str, *, retry_after_seconds: float | None) -> None:
        """It has no room: nobody asks it for a while, and fewer at the same time after that."""
        self._limiter._throttled(self, problem, retry_after_seconds)

    def failed(self, problem: str) -> None:
        """No whole answer came."""
        self._limiter._failed(self, problem)


@dataclass(eq=False)
class _Waiter:
    run: str
    session: str
    tokens: int
    began: float
    """On the clock of trouble."""
    patience_seconds: float
    elsewhere: bool
    granted: asyncio.Future[Slot] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class _Trouble:
    """A clock that runs only while the endpoint is not to be asked."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since = self.until = 0.0

    def at(self, moment: float) -> float:
        """What it shows, or will show if nothing is added."""
        return self._before + max(min(moment, self.until) - self._since, 0.0)

    def extend(self, now: float, until: float) -> None:
        """Let it run until then at least."""
        if now >= self.until:
            self._before, self._since, self.until = self.at(now), now, now
        self.until = max(self.until, until)


class Limiter:
    """Lets calls through to one endpoint: fairly, not too many at once, not too fast, and not while it is not well.

    Who waits costs nothing: one task sleeps until the next one may go, however many wait.
    """

    def __init__(
        self,
        *,
        parallel_calls: int,
        requests_per_second: float | None = None,
        tokens_per_minute: int | None = None,
        health: Health | None = None,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
        longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
        return_seconds: float = RETURN_SECONDS,
        dice: random.Random | None = None,
    ) -> None:
        self._most = parallel_calls
        self._pace: Pace | None = None
        if requests_per_second is not None or tokens_per_minute is not None:
            self._pace = Pace(requests_per_second=requests_per_second, tokens_per_minute=tokens_per_minute)
        self._dice = dice or random.Random()
        self._health = health or Health(dice=self._dice)
        self._first_pause, self._longest_pause = first_pause_seconds, longest_pause_seconds
        self._return_seconds = return_seconds
        self._allowed = float(parallel_calls)
        self._queue: FairQueue[_Waiter] = FairQueue()
        self._under_way: set[Slot] = set()
        self._probe: Slot | None = None
        self._cuts = 0
        self._cuts_in_a_row = 0
        self._trouble = _Trouble()
        self._problem, self._promised = "", False
        self._staggered = 0
        self._next_at = -math.inf
        self._changed = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, endpoint: EndpointSettings) -> "Limiter":
        """With the limits that the settings give."""
        return cls(
            parallel_calls=endpoint.parallel_calls,
            requests_per_second=endpoint.requests_per_second,
            tokens_per_minute=endpoint.tokens_per_minute,
        )

    @property
    def allowed(self) -> int:
        """How many calls may be under way at the same time."""
        return int(self._allowed)

    @property
    def under_way(self) -> int:
        """How many are."""
        return len(self._under_way)

    @property
    def waiting(self) -> int:
        """How many calls wait for their turn."""
        return len(self._queue)

    @property
    def problem(self) -> str:
        """What the endpoint said last when it was not well."""
        return self._problem

    @property
    def is_well(self) -> bool:
        """Whether a call that could go elsewhere should come here: the circuit is closed, or it may find out."""
        state = self._health.state(_now())
        return state == "closed" or (state == "half-open" and self._probe is None)

    @property
    def closed_seconds(self) -> float:
        """How long from now nobody may ask it; 0: it may be asked."""
        return max(self._trouble.until - _now(), 0.0)

    @asynccontextmanager
    async def slot(
        self, *, run: str, session: str, tokens: int, patience_seconds: float, elsewhere: bool
    ) -> AsyncIterator[Slot]:
        """Wait for the turn of this call, which may take so many tokens, and have a place until the context ends.

        `elsewhere`: the call has another endpoint to go to, and does not wait while the circuit here is open.

        Raises:
            NotNow: the endpoint is closed for longer than `patience_seconds` in total, or the circuit is open.
        """
        slot = await self._turn(run, session, tokens, patience_seconds, elsewhere)
        try:
            yield slot
        finally:
            self._leave(slot)

    async def _turn(self, run: str, session: str, tokens: int, patience_seconds: float, elsewhere: bool) -> Slot:
        waiter = _Waiter(
            run=run, session=session, tokens=tokens, began=self._trouble.at(_now()),
            patience_seconds=patience_seconds, elsewhere=elsewhere,
        )  # fmt: skip
        if (refusal := self._refusal(waiter)) is not None:
            raise refusal
        self._queue.add(waiter, run=run, session=session)
        self._wake()
        try:
            return await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
                self._leave(waiter.granted.result())  # It was given the place at the moment it was cancelled.
            self._queue.remove(waiter, run=run, session=session)
            self._wake()
            raise

    def _leave(self, slot: Slot) -> None:
        self._under_way.discard(slot)
        if self._probe is slot:
            self._probe = None
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        if self._queue and self._dispatcher is None:
            self._dispatcher = asyncio.create_task(self._dispatch())

    async def _dispatch(self) -> None:
        """Give places while anybody waits."""
        try:
            while self._queue:
                self._changed.clear()
                delay = self._delay()
                if delay == 0 and self._pace is not None:
                    tokens = self._queue.first().tokens
                    delay = await self._pace.book(tokens)
                    if delay == 0 and (not self._queue or self._delay() > 0):
                        self._pace.correct(-tokens)  # Nobody goes now after all.
                        continue
                if delay > 0:
                    await self._change_within(delay)
                elif not (waiter := self._queue.pop()).granted.cancelled():
                    self._grant(waiter)
                elif self._pace is not None:
                    self._pace.correct(-waiter.tokens)
        except BaseException as error:
            for waiter in [*self._queue]:
                self._reject(waiter, error)
            raise
        finally:
            self._dispatcher = None

    async def _change_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _delay(self) -> float:
        """Seconds until somebody may go; infinite: when something else happens."""
        now = _now()
        if now < self._trouble.until:
            return self._trouble.until - now
        if self._health.state(now) == "half-open":
            return 0 if self._probe is None else math.inf
        if len(self._under_way) >= self.allowed:
            return math.inf
        return max(self._next_at - now, 0)

    def _grant(self, waiter: _Waiter) -> None:
        now = _now()
        waited = self._trouble.at(now) - waiter.began
        slot = Slot(waited, self, waiter.tokens, self._health.round, self._cuts)
        self._under_way.add(slot)
        if self._staggered > 0:
            self._staggered -= 1
            self._next_at = now + self._dice.uniform(0, 2 * self._return_seconds / max(self.allowed, 1))
        waiter.granted.set_result(slot)
        if self._health.state(now) == "half-open":
            self._probe = slot
            self._turn_away()

    def _answered(self, slot: Slot, more_tokens: int) -> None:
        if self._pace is not None:
            self._pace.correct(more_tokens)
        if slot._cuts == self._cuts:
            self._allowed = min(self._allowed + 1 / self._allowed, float(self._most))
            self._cuts_in_a_row = 0
        self._well(slot)

    def _well(self, slot: Slot) -> None:
        if self._health.answered(round=slot._round):
            self._staggered = self.allowed
            self._wake()

    def _throttled(self, slot: Slot, problem: str, retry_after_seconds: float | None) -> None:
        now = _now()
        self._well(slot)
        if slot._cuts == self._cuts:
            # Once for all that were under way together: they are one excess.
            self._allowed = max(min(self._allowed, float(len(self._under_way))) * CUT, 1.0)
            self._cuts += 1
            self._cuts_in_a_row += 1
        elif retry_after_seconds is None:
            return
        # Also where the endpoint says how long: some say "0", however often they are asked in vain.
        pause = self._dice.uniform(0, min(self._first_pause * 2 ** (self._cuts_in_a_row - 1), self._longest_pause))
        if retry_after_seconds is not None:
            late = self._dice.uniform(0, min(retry_after_seconds * 0.1, self._return_seconds))
            pause = max(pause, min(retry_after_seconds, LONGEST_PROMISE_SECONDS) + late)
        self._close(now + pause, problem, promised=retry_after_seconds is not None)

    def _failed(self, slot: Slot, problem: str) -> None:
        if self._health.failed(round=slot._round, now=_now()):
            assert self._health.until is not None
            # Whoever comes back comes back to an endpoint that has just been down.
            self._allowed = max(self._allowed * CUT, 1.0)
            self._close(self._health.until, problem, promised=False)

    def _close(self, until: float, problem: str, *, promised: bool) -> None:
        """Nobody asks until then."""
        if until > self._trouble.until:
            self._problem, self._promised = problem, promised
        self._trouble.extend(_now(), until)
        self._staggered = self.allowed
        self._turn_away()
        self._wake()

    def _turn_away(self) -> None:
        """Send those away who would wait for longer than they want to."""
        for waiter in [*self._queue]:
            if (refusal := self._refusal(waiter)) is not None:
                self._reject(waiter, refusal)

    def _refusal(self, waiter: _Waiter) -> NotNow | None:
        away = waiter.elsewhere and not self.is_well
        longest = self._trouble.at(self._trouble.until) - waiter.began
        if not away and longest <= waiter.patience_seconds:
            return None
        return NotNow(self._problem, seconds=self.closed_seconds, promised=self._promised, elsewhere=away)

    def _reject(self, waiter: _Waiter, error: BaseException) -> None:
        self._queue.remove(waiter, run=waiter.run, session=waiter.session)
        if not waiter.granted.done():
            waiter.granted.set_exception(error)


class Limiters:
    """One limiter for each endpoint, made when it is first asked for; one of these for all runs of a process."""

    def __init__(self, make: Callable[[EndpointSettings], Limiter] = Limiter.of) -> None:
        self._make = make
        self._by_name: dict[str, Limiter] = {}

    def of(self, endpoint: EndpointSettings) -> Limiter:
        """The limiter of the endpoint with this name."""
        if endpoint.name not in self._by_name:
            self._by_name[endpoint.name] = self._make(endpoint)
        return self._by_name[endpoint.name]


def _now() -> float:
    return asyncio.get_running_loop().time()
