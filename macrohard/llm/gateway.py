"""The one object that all model calls of a run go through: role → endpoint, limits, budget, retries, failover.

The only layer that tries again. What happens to a call is told in docs/gateway.md.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from macrohard.domain import JsonObject
from macrohard.errors import ContextExceeded, MacrohardError, ModelUnavailable
from macrohard.events import ModelTroubled
from macrohard.llm import window
from macrohard.llm.budget import Ledger
from macrohard.llm.chat import ModelRole, Reply
from macrohard.llm.endpoint import Endpoint, PreparedCall
from macrohard.llm.failures import CallFailed, Interrupted, Rejected, Throttled, TooLong
from macrohard.llm.limits.limiter import Limiter, Limiters, NotNow, Slot
from macrohard.llm.target import Target
from macrohard.llm.unbroken import unbroken

PATIENCE_SECONDS = 120.0
"""So long one call waits at one endpoint in all: for pauses, cool-downs and its own back-off, not for answers."""
ATTEMPTS = 10
"""Of one call at one endpoint, 429s not counted: an attempt that fails may have been billed."""
FIRST_BACKOFF_SECONDS = 0.5
"""After a failed attempt: a random time up to this, doubled with each one (full jitter)."""
LONGEST_BACKOFF_SECONDS = 30.0
PARKED_SECONDS = 300.0
"""When it is worth trying again if the endpoint does not say so; up to a fifth more, at random."""
TOLD_SECONDS = 5.0
"""Waits from this length on are told."""
NEEDS_A_PERSON = frozenset({401, 402, 404})
"""Statuses that no request of this run will make better: key, credit, model or address are wrong. 403 is not among
them: it can mean this one conversation."""

Tell = Callable[[ModelTroubled], Awaitable[None]]


@dataclass(frozen=True)
class Persistence:
    """How long the gateway keeps trying."""

    patience_seconds: float = PATIENCE_SECONDS
    attempts: int = ATTEMPTS
    first_backoff_seconds: float = FIRST_BACKOFF_SECONDS
    longest_backoff_seconds: float = LONGEST_BACKOFF_SECONDS
    parked_seconds: float = PARKED_SECONDS
    told_seconds: float = TOLD_SECONDS


@dataclass
class _Tally:
    """What one call has been through at one endpoint."""

    failures: int = 0
    waited_seconds: float = 0.0
    cost_usd: float = 0.0
    """Of failed attempts, as far as it was not told yet."""
    problem: str = ""


class _Elsewhere(Exception):
    """The circuit opened while the call waited, and another endpoint is well."""


class _GivenUp(Exception):
    """This endpoint does not answer this call."""

    def __init__(self, problem: str, *, wake_seconds: float | None) -> None:
        super().__init__(problem)
        self.wake_seconds = wake_seconds


class Gateway:
    """A `ChatModel` that never spends what was not reserved, and tells what went wrong on the way to an answer."""

    def __init__(
        self,
        endpoints: Mapping[ModelRole, Sequence[Endpoint]],
        *,
        run_id: str,
        ledger: Ledger,
        limiters: Limiters,
        tell: Tell,
        persistence: Persistence | None = None,
        dice: random.Random | None = None,
    ) -> None:
        """Of a role's endpoints the first one is asked, and the next ones while those before them are not well.

        `limiters` are shared by all runs of the process.
        """
        self._endpoints, self._limiters = endpoints, limiters
        self._run_id, self._ledger, self._tell = run_id, ledger, tell
        self._persistence, self._dice = persistence or Persistence(), dice or random.Random()
        self._serving = {role: given[0] for role, given in endpoints.items()}
        """Who was last said to answer the role."""
        self._refused: set[Endpoint] = set()
        """Only asked when nobody else is left: they wait for a person."""
        self._troubled: set[str] = set()
        """Endpoints whose trouble was told, and not yet that they are well again."""
        self._told_until: dict[str, float] = {}

    async def reply(
        self, messages: Sequence[JsonObject], *, role: ModelRole, tools: Sequence[JsonObject], session_id: str
    ) -> Reply:
        """See `ChatModel.reply`."""
        left = list(self._endpoints[role])
        tallies = {endpoint: _Tally() for endpoint in left}
        reasons: list[_GivenUp] = []
        while left:
            endpoint = self._choice(left)
            elsewhere = any(self._is_well(other) for other in left if other is not endpoint)
            await self._tell_switch(role, endpoint, tallies)
            tally = tallies[endpoint]
            try:
                call = endpoint.prepare(messages, tools, session_id=session_id)
                reply = await self._ask(endpoint, call, tally, elsewhere=elsewhere)
            except _Elsewhere:
                continue
            except _GivenUp as reason:
                left.remove(endpoint)
                reasons.append(reason)
                tally.problem = str(reason)
                continue
            except MacrohardError:
                await self._tell_costs(tallies)
                raise
            await self._tell_answered(role, endpoint, tallies)
            return reply
        raise await self._surrender(tallies, reasons)

    def context_tokens(self, role: ModelRole) -> int:
        """See `ChatModel.context_tokens`."""
        return window.context_tokens(self._targets(role))

    def prompt_tokens(self, role: ModelRole) -> int:
        """See `ChatModel.prompt_tokens`."""
        return window.prompt_tokens(self._targets(role))

    def sees(self, role: ModelRole) -> bool:
        """See `ChatModel.sees`."""
        return window.sees(self._targets(role))

    def _targets(self, role: ModelRole) -> tuple[Target, ...]:
        return tuple(endpoint.target for endpoint in self._endpoints[role])

    def _limiter(self, endpoint: Endpoint) -> Limiter:
        return self._limiters.of(endpoint.target.endpoint)

    def _is_well(self, endpoint: Endpoint) -> bool:
        return endpoint not in self._refused and self._limiter(endpoint).is_well

    def _choice(self, left: Sequence[Endpoint]) -> Endpoint:
        """The first that is well; else the one that may be asked soonest, those that need a person last."""
        well = next((endpoint for endpoint in left if self._is_well(endpoint)), None)
        return well or min(left, key=lambda one: (one in self._refused, self._limiter(one).closed_seconds))

    async def _ask(self, endpoint: Endpoint, call: PreparedCall, tally: _Tally, *, elsewhere: bool) -> Reply:
        """Attempt the call until there is an answer, or no sense in going on."""
        limits, limiter = self._persistence, self._limiter(endpoint)
        while True:
            await self._tell_closed(endpoint, limits.patience_seconds - tally.waited_seconds)
            try:
                return await self._attempt(endpoint, call, tally, elsewhere=elsewhere)
            except NotNow as closed:
                if closed.elsewhere:
                    raise _Elsewhere from closed
                wake = closed.seconds if closed.promised else max(closed.seconds, self._parked_seconds())
                raise _GivenUp(str(closed), wake_seconds=wake) from closed
            except TooLong as failure:
                raise ContextExceeded(str(failure)) from failure
            except Rejected as failure:
                if failure.status in NEEDS_A_PERSON:
                    self._refused.add(endpoint)
                raise _GivenUp(str(failure), wake_seconds=None) from failure
            except Throttled as failure:
                tally.problem = str(failure)
            except Interrupted as failure:
                tally.failures += 1
                tally.problem = str(failure)
                backoff = 0.0 if limiter.closed_seconds else self._backoff_seconds(tally.failures)
                impatient = tally.waited_seconds + backoff > limits.patience_seconds
                if tally.failures >= limits.attempts or impatient:
                    problem = f"{failure} ({tally.failures} attempts)"
                    raise _GivenUp(problem, wake_seconds=self._parked_seconds()) from failure
                await self._tell_wait(endpoint, str(failure), backoff)
                await asyncio.sleep(backoff)
                tally.waited_seconds += backoff

    async def _attempt(self, endpoint: Endpoint, call: PreparedCall, tally: _Tally, *, elsewhere: bool) -> Reply:
        """One attempt, its worst case reserved before it and its cost settled after it, however it ends."""
        session_id = call.request.session_id
        reservation: str | None = None
        # An attempt that is cancelled half-way may have been billed: the cap must hold all the same.
        usd, tokens = call.worst_case_usd, call.worst_case_tokens
        turn = self._limiter(endpoint).slot(
            run=self._run_id,
            session=session_id,
            tokens=call.likely_tokens,
            patience_seconds=self._persistence.patience_seconds - tally.waited_seconds,
            elsewhere=elsewhere,
        )
        try:
            async with turn as slot:
                tally.waited_seconds += slot.waited_seconds
                reservation = await self._ledger.reserve(
                    session_id=session_id, worst_case_usd=usd, worst_case_tokens=tokens
                )
                try:
                    reply = await endpoint.complete(call)
                except CallFailed as failure:
                    _learn(slot, failure)
                    raise
                slot.answered(tokens=reply.usage.total_tokens)
            usd, tokens = reply.usage.cost_usd, reply.usage.total_tokens
            return reply
        except CallFailed as failure:
            usd, tokens = (failure.spent.cost_usd, failure.spent.total_tokens) if failure.spent else (0.0, 0)
            tally.cost_usd += usd
            raise
        finally:
            if reservation is not None:
                await unbroken(self._ledger.settle(reservation, actual_usd=usd, actual_tokens=tokens))

    def _backoff_seconds(self, failures: int) -> float:
        longest = self._persistence.first_backoff_seconds * 2 ** (failures - 1)
        return self._dice.uniform(0, min(longest, self._persistence.longest_backoff_seconds))

    def _parked_seconds(self) -> float:
        return self._persistence.parked_seconds * self._dice.uniform(1.0, 1.2)

    async def _tell_closed(self, endpoint: Endpoint, patience_seconds: float) -> None:
        limiter = self._limiter(endpoint)
        if (seconds := limiter.closed_seconds) <= patience_seconds:
            await self._tell_wait(endpoint, limiter.problem, seconds)

    async def _tell_wait(self, endpoint: Endpoint, problem: str, seconds: float) -> None:
        """Once for all calls that wait for the same."""
        name, until = endpoint.target.endpoint.name, asyncio.get_running_loop().time() + seconds
        if seconds < self._persistence.told_seconds or until < self._told_until.get(name, 0.0) + 1.0:
            return
        self._told_until[name] = until
        self._troubled.add(name)
        await self._tell(ModelTroubled(endpoint=name, problem=problem, reaction="waits", seconds=seconds))

    async def _tell_switch(self, role: ModelRole, chosen: Endpoint, tallies: Mapping[Endpoint, _Tally]) -> None:
        """That another endpoint is asked from now on; said once, not for each call."""
        order, serving = [*tallies], self._serving[role]
        if order.index(chosen) <= order.index(serving):
            return
        self._serving[role] = chosen
        name, tally, other = serving.target.endpoint.name, tallies[serving], chosen.target.endpoint.name
        self._troubled.add(name)
        cost, tally.cost_usd = tally.cost_usd, 0.0
        await self._tell(
            ModelTroubled(
                endpoint=name,
                problem=tally.problem or self._limiter(serving).problem,
                reaction="asks another",
                instead=other if other != name else f"{chosen.target.model} at {other}",
                cost_usd=cost,
            )
        )

    async def _tell_answered(self, role: ModelRole, endpoint: Endpoint, tallies: Mapping[Endpoint, _Tally]) -> None:
        name, tally = endpoint.target.endpoint.name, tallies[endpoint]
        self._refused.discard(endpoint)
        if tally.failures:
            problem = f"failed attempts: {tally.failures}; the last: {tally.problem}"
            cost, tally.cost_usd = tally.cost_usd, 0.0
            await self._tell(ModelTroubled(endpoint=name, problem=problem, reaction="asks again", cost_usd=cost))
        await self._tell_costs(tallies)
        order = [*tallies]
        if order.index(endpoint) < order.index(self._serving[role]):
            self._serving[role] = endpoint
        if name in self._troubled:
            self._troubled.discard(name)
            self._told_until.pop(name, None)
            await self._tell(ModelTroubled(endpoint=name, problem="", reaction="well again"))

    async def _tell_costs(self, tallies: Mapping[Endpoint, _Tally]) -> None:
        """What failed attempts have cost, where nothing else told it: they are in no session's costs."""
        for endpoint, tally in tallies.items():
            if tally.cost_usd:
                name, cost, tally.cost_usd = endpoint.target.endpoint.name, tally.cost_usd, 0.0
                await self._tell(
                    ModelTroubled(endpoint=name, problem=tally.problem, reaction="asks again", cost_usd=cost)
                )

    async def _surrender(self, tallies: Mapping[Endpoint, _Tally], reasons: Sequence[_GivenUp]) -> ModelUnavailable:
        for endpoint, tally in tallies.items():
            name, cost, tally.cost_usd = endpoint.target.endpoint.name, tally.cost_usd, 0.0
            self._troubled.add(name)
            await self._tell(ModelTroubled(endpoint=name, problem=tally.problem, reaction="gives up", cost_usd=cost))
        waits = [reason.wake_seconds for reason in reasons if reason.wake_seconds is not None]
        wake_at = datetime.now(UTC) + timedelta(seconds=min(waits)) if waits else None
        return ModelUnavailable(" ".join(dict.fromkeys(str(reason) for reason in reasons)), wake_at=wake_at)


def _learn(slot: Slot, failure: CallFailed) -> None:
    """Tell the limiter what became of the attempt."""
    match failure:
        case Throttled():
            slot.throttled(str(failure), retry_after_seconds=failure.retry_after_seconds)
        case Rejected():
            slot.refused()
        case _:
            slot.failed(str(failure))
