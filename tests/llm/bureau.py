"""Providers, runs and gateways as a process has them, with pauses of moments."""

import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from macrohard.domain import Caps, JsonObject
from macrohard.events import ModelTroubled
from macrohard.llm.budget import Budget
from macrohard.llm.chat import Reply
from macrohard.llm.endpoint import Endpoint, open_endpoint
from macrohard.llm.gateway import Gateway, Persistence
from macrohard.llm.limits.health import Health
from macrohard.llm.limits.limiter import Limiter, Limiters
from macrohard.llm.target import EndpointSettings
from macrohard.store import BudgetLedger, Store
from macrohard.store.money import to_ticks
from tests.llm.provider import Provider, serving

QUESTION: list[JsonObject] = [{"role": "user", "content": "What now?"}]
QUICK = Persistence(
    patience_seconds=5.0, attempts=10, first_backoff_seconds=0.002, longest_backoff_seconds=0.02, parked_seconds=300
)


def quick_limiter(endpoint: EndpointSettings) -> Limiter:
    """As in earnest, with pauses of moments."""
    return Limiter(
        parallel_calls=endpoint.parallel_calls,
        health=Health(failures=6, cool_down_seconds=0.05, longest_cool_down_seconds=0.1),
        first_pause_seconds=0.005,
        longest_pause_seconds=0.02,
        return_seconds=0.005,
    )


class Bureau:
    """Providers, runs and their gateways, put together as a process has them."""

    def __init__(self, store: Store, stack: AsyncExitStack) -> None:
        self._store, self._stack = store, stack
        self.limiters = Limiters(quick_limiter)
        self.told: list[ModelTroubled] = []

    async def provider(self, name: str = "first", **given: Any) -> Provider:
        return await self._stack.enter_async_context(serving(Provider(name=name, **given)))

    async def endpoint(self, provider: Provider, **given: Any) -> Endpoint:
        endpoint = open_endpoint(provider.target(**given))
        self._stack.push_async_callback(endpoint.close)
        return endpoint

    async def run(self, caps: Caps | None = None) -> str:
        run_id = await self._store.create_run("x", options={}, model="m")
        await self._store.budget(run_id).open(caps or Caps(usd=100.0))
        return run_id

    def ledger(self, run_id: str) -> BudgetLedger:
        return self._store.budget(run_id)

    def gateway(
        self,
        run_id: str,
        *endpoints: Endpoint,
        persistence: Persistence = QUICK,
        ledger: BudgetLedger | None = None,
    ) -> Gateway:
        async def tell(event: ModelTroubled) -> None:
            self.told.append(event)

        return Gateway(
            {"strong": endpoints},
            run_id=run_id,
            ledger=Budget(ledger or self.ledger(run_id)),
            limiters=self.limiters,
            tell=tell,
            persistence=persistence,
            dice=random.Random(1),
        )

    @property
    def reactions(self) -> list[tuple[str, str]]:
        return [(event.endpoint, event.reaction) for event in self.told]

    async def state(self, run_id: str) -> tuple[int, int]:
        """Ticks spent, ticks reserved."""
        state = await self._store.budget(run_id).state()
        return to_ticks(state.spent_usd), to_ticks(state.reserved_usd)


async def ask(gateway: Gateway, session: str = "s") -> Reply:
    return await gateway.reply(QUESTION, role="strong", tools=(), session_id=session)


def total(replies: Sequence[Reply], told: Sequence[ModelTroubled]) -> int:
    """What answers and events say was spent, in ticks."""
    return sum(to_ticks(reply.usage.cost_usd) for reply in replies) + sum(to_ticks(event.cost_usd) for event in told)
