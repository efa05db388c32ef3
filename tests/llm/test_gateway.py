"""The gateway with the real ledger, limiters and connections, against providers on loopback."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from macrohard.domain import Caps, JsonObject
from macrohard.errors import ContextExceeded, LimitExceeded, ModelUnavailable
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
from tests.llm.provider import Fate, Provider, serving, until

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


@pytest.fixture
async def bureau(tmp_path: Path) -> AsyncIterator[Bureau]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(await Store.open(None, home=tmp_path))
        yield Bureau(store, stack)


async def ask(gateway: Gateway, session: str = "s") -> Reply:
    return await gateway.reply(QUESTION, role="strong", tools=(), session_id=session)


def total(replies: Sequence[Reply], told: Sequence[ModelTroubled]) -> int:
    """What answers and events say was spent, in ticks."""
    return sum(to_ticks(reply.usage.cost_usd) for reply in replies) + sum(to_ticks(event.cost_usd) for event in told)


# ── Asking again ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "planned",
    [
        pytest.param([500, 502, 503], id="errors of the server"),
        pytest.param([429, 429, (429, 0.01), (429, 0)], id="no capacity"),
        pytest.param(["cut", "cut"], id="broken within the answer"),
        pytest.param([500, (429, 0.01), "cut", 529, 408], id="all of them"),
    ],
)
async def test_a_call_is_made_again_until_there_is_an_answer_and_every_attempt_is_booked(
    bureau: Bureau, planned: list[Fate]
) -> None:
    provider, run_id = await bureau.provider(), await bureau.run()
    provider.planned.extend(planned)
    reply = await ask(bureau.gateway(run_id, await bureau.endpoint(provider)))
    assert reply.endpoint == "first"
    assert provider.requests == len(planned) + 1
    assert await bureau.state(run_id) == (sum(provider.billed_ticks), 0)
    assert total([reply], bureau.told) == sum(provider.billed_ticks)
    state = await bureau.ledger(run_id).state()
    assert state.calls == len(planned) + 1
    assert state.spent_tokens == 110 * len(provider.billed_ticks)


async def test_failed_attempts_are_told_once_with_what_they_cost(bureau: Bureau) -> None:
    provider, run_id = await bureau.provider(), await bureau.run()
    provider.planned.extend(["cut", 500, "cut"])
    await ask(bureau.gateway(run_id, await bureau.endpoint(provider)))
    (event,) = bureau.told
    assert (event.endpoint, event.reaction) == ("first", "asks again")
    assert event.problem.startswith("failed attempts: 3; the last: first (m)")
    assert to_ticks(event.cost_usd) == provider.ticks(0) + provider.ticks(2)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_what_a_person_must_mend_is_not_asked_again(bureau: Bureau, status: int) -> None:
    provider, run_id = await bureau.provider(fate=status), await bureau.run()
    with pytest.raises(ModelUnavailable) as raised:
        await ask(bureau.gateway(run_id, await bureau.endpoint(provider)))
    assert raised.value.wake_at is None
    assert f"({status})" in str(raised.value) or f"answered {status}" in str(raised.value)
    assert provider.requests == 1
    assert await bureau.state(run_id) == (0, 0)
    assert bureau.reactions == [("first", "gives up")]


async def test_a_conversation_that_is_too_long_is_the_sessions_to_mend(bureau: Bureau) -> None:
    first, second = await bureau.provider(fate=413), await bureau.provider("second")
    first.complaint = "This model's maximum context length is 128 tokens"
    run_id = await bureau.run()
    gateway = bureau.gateway(run_id, await bureau.endpoint(first), await bureau.endpoint(second))
    with pytest.raises(ContextExceeded, match="maximum context length"):
        await ask(gateway)
    assert (first.requests, second.requests) == (1, 0)
    assert await bureau.state(run_id) == (0, 0)


# ── Parking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_wait_longer_than_the_patience_is_not_begun_and_says_when_to_come_back(bureau: Bureau) -> None:
    provider, run_id = await bureau.provider(fate=(429, 900)), await bureau.run()
    gateway = bureau.gateway(run_id, await bureau.endpoint(provider))
    began = datetime.now(UTC)
    with pytest.raises(ModelUnavailable, match="slow down") as raised:
        await ask(gateway)
    assert raised.value.wake_at is not None
    assert timedelta(seconds=899) < raised.value.wake_at - began < timedelta(seconds=1000)
    with pytest.raises(ModelUnavailable):
        await ask(gateway, "another")
    assert provider.requests == 1  # Nobody asks again before the hour.


async def test_an_absurd_retry_after_is_taken_for_a_day(bureau: Bureau) -> None:
    provider, run_id = await bureau.provider(fate=(429, 1e300)), await bureau.run()
    with pytest.raises(ModelUnavailable) as raised:
        await ask(bureau.gateway(run_id, await bureau.endpoint(provider)))
    assert raised.value.wake_at is not None
    assert raised.value.wake_at - datetime.now(UTC) < timedelta(hours=25)


@pytest.mark.parametrize("fate", [500, 429])
async def test_an_outage_ends_in_a_guess_of_when_it_is_worth_trying_again(bureau: Bureau, fate: Fate) -> None:
    provider, run_id = await bureau.provider(fate=fate), await bureau.run()
    impatient = Persistence(
        patience_seconds=0.3, first_backoff_seconds=0.002, longest_backoff_seconds=0.02, parked_seconds=300
    )
    with pytest.raises(ModelUnavailable) as raised:
        await ask(bureau.gateway(run_id, await bureau.endpoint(provider), persistence=impatient))
    assert raised.value.wake_at is not None
    ahead = raised.value.wake_at - datetime.now(UTC)
    assert timedelta(seconds=290) < ahead <= timedelta(seconds=360)
    assert provider.requests > 3
    assert await bureau.state(run_id) == (0, 0)


async def test_a_provider_that_is_not_there_is_an_outage(bureau: Bureau) -> None:
    run_id, gone = await bureau.run(), Provider(base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ModelUnavailable, match=r"first at http://127\.0\.0\.1:9/v1 cannot be reached") as raised:
        await ask(bureau.gateway(run_id, await bureau.endpoint(gone)))
    assert raised.value.wake_at is not None


async def test_a_wait_within_the_patience_is_told_once_and_then_that_it_is_well_again(bureau: Bureau) -> None:
    provider, run_id = await bureau.provider(), await bureau.run()
    provider.planned.append((429, 1.5))
    talkative = Persistence(patience_seconds=5.0, told_seconds=0.2)
    gateway = bureau.gateway(run_id, await bureau.endpoint(provider), persistence=talkative)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(ask(gateway))
        await until(lambda: provider.requests)
        for number in range(5):
            group.create_task(ask(gateway, f"s{number}"))
    assert first.result().endpoint == "first"
    assert bureau.reactions == [("first", "waits"), ("first", "well again")]
    assert 0.2 < bureau.told[0].seconds <= 1.7


# ── Failover ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_another_endpoint_answers_while_the_first_is_down_and_the_first_again_when_it_is_well(
    bureau: Bureau,
) -> None:
    first, second = await bureau.provider(fate=500), await bureau.provider("second")
    bureau.limiters = Limiters(
        lambda endpoint: Limiter(parallel_calls=64, health=Health(failures=6, cool_down_seconds=1.0))
    )
    run_id = await bureau.run()
    gateway = bureau.gateway(run_id, await bureau.endpoint(first), await bureau.endpoint(second))
    replies = [await ask(gateway)]
    assert replies[0].endpoint == "second"
    assert first.requests == 6  # So many in a row are an outage.
    first.fate = "ok"
    while replies[-1].endpoint == "second":
        replies.append(await ask(gateway))
        await asyncio.sleep(0.01)
    assert replies[-1].endpoint == "first"
    assert bureau.reactions == [("first", "asks another"), ("first", "well again")]
    assert bureau.told[0].instead == "second"
    assert await bureau.state(run_id) == (sum(first.billed_ticks) + sum(second.billed_ticks), 0)
    assert total(replies, bureau.told) == sum(first.billed_ticks) + sum(second.billed_ticks)


async def test_while_the_first_is_down_calls_go_to_the_other_at_once(bureau: Bureau) -> None:
    first, second = await bureau.provider(fate=500), await bureau.provider("second")
    bureau.limiters = Limiters(
        lambda endpoint: Limiter(parallel_calls=64, health=Health(failures=3, cool_down_seconds=600))
    )
    run_id = await bureau.run()
    gateway = bureau.gateway(run_id, await bureau.endpoint(first), await bureau.endpoint(second))
    await ask(gateway)
    replies = await asyncio.gather(*(ask(gateway, f"s{number}") for number in range(30)))
    assert {reply.endpoint for reply in replies} == {"second"}
    assert first.requests == 3
    assert bureau.reactions == [("first", "asks another")]


async def test_a_wait_longer_than_the_patience_goes_to_the_other(bureau: Bureau) -> None:
    first, second = await bureau.provider(fate=(429, 900)), await bureau.provider("second")
    run_id = await bureau.run()
    gateway = bureau.gateway(run_id, await bureau.endpoint(first), await bureau.endpoint(second))
    assert [(await ask(gateway)).endpoint for _ in range(5)] == ["second"] * 5
    assert first.requests == 1
    assert bureau.reactions == [("first", "asks another")]


async def test_a_wrong_key_is_asked_once_in_a_run_that_has_another_endpoint(bureau: Bureau) -> None:
    first, second = await bureau.provider(fate=401), await bureau.provider("second")
    run_id = await bureau.run()
    gateway = bureau.gateway(run_id, await bureau.endpoint(first), await bureau.endpoint(second))
    assert [(await ask(gateway)).endpoint for _ in range(3)] == ["second"] * 3
    assert (first.requests, second.requests) == (1, 3)
    second.fate = 404
    with pytest.raises(ModelUnavailable, match=r"second .*404.* first .*401") as raised:
        await ask(gateway)
    assert raised.value.wake_at is None


async def test_when_nobody_answers_it_wakes_for_the_one_that_comes_back_first(bureau: Bureau) -> None:
    first, second = await bureau.provider(fate=401), await bureau.provider("second", fate=(429, 40))
    run_id = await bureau.run()
    gateway = bureau.gateway(run_id, await bureau.endpoint(first), await bureau.endpoint(second))
    with pytest.raises(ModelUnavailable) as raised:
        await ask(gateway)
    assert raised.value.wake_at is not None
    assert raised.value.wake_at - datetime.now(UTC) < timedelta(seconds=60)
    assert sorted(bureau.reactions) == [("first", "asks another"), ("first", "gives up"), ("second", "gives up")]


async def test_half_open_lets_exactly_one_of_50_calls_through(bureau: Bureau) -> None:
    provider, run_id = await bureau.provider(fate=500), await bureau.run()
    gateway = bureau.gateway(run_id, await bureau.endpoint(provider))
    limiter = bureau.limiters.of(provider.target().endpoint)
    callers = [asyncio.create_task(ask(gateway))]
    await until(lambda: not limiter.is_well)
    provider.fate = "hang"
    callers += [asyncio.create_task(ask(gateway, f"s{number}")) for number in range(49)]
    await until(lambda: provider.requests == 7)
    await asyncio.sleep(0.3)  # Several cool-downs long.
    assert (provider.requests, limiter.waiting) == (7, 49)
    provider.fate = "ok"
    provider.released.set()
    replies = await asyncio.gather(*callers)
    assert len(replies) == 50
    assert await bureau.state(run_id) == (sum(provider.billed_ticks), 0)


# ── Money ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_ledger_is_exact_whatever_fails(bureau: Bureau, seed: int) -> None:
    fates: list[Fate] = [500, 429, (429, 0.01), "cut", 503]

    def decide(number: int) -> Fate:
        dice = random.Random(f"{seed} {number}")
        return dice.choice(fates) if dice.random() < 0.4 else "ok"

    provider, run_id = await bureau.provider(decide=decide), await bureau.run()
    gateway = bureau.gateway(run_id, await bureau.endpoint(provider, parallel_calls=16))

    async def session(name: str) -> list[Reply]:
        return [await ask(gateway, name) for _ in range(5)]

    replies = [reply for some in await asyncio.gather(*(session(f"s{n}") for n in range(24))) for reply in some]
    assert len(replies) == 120
    assert provider.most_together <= 16
    assert await bureau.state(run_id) == (sum(provider.billed_ticks), 0)
    assert total(replies, bureau.told) == sum(provider.billed_ticks)
    assert (await bureau.ledger(run_id).state()).calls == provider.requests


async def test_a_call_that_is_cancelled_half_way_counts_at_its_worst_and_one_that_waits_not_at_all(
    bureau: Bureau,
) -> None:
    provider, run_id = await bureau.provider(fate="hang"), await bureau.run()
    endpoint = await bureau.endpoint(provider, parallel_calls=1)
    gateway = bureau.gateway(run_id, endpoint)
    under_way = asyncio.create_task(ask(gateway))
    await until(lambda: provider.requests)
    waiting = asyncio.create_task(ask(gateway, "waits"))
    await asyncio.sleep(0.01)
    waiting.cancel()
    under_way.cancel()
    for task in (waiting, under_way):
        with pytest.raises(asyncio.CancelledError):
            await task
    worst = endpoint.prepare(QUESTION, (), session_id="s").worst_case_usd
    assert await bureau.state(run_id) == (to_ticks(worst), 0)
    assert provider.requests == 1
    provider.fate = "ok"
    await ask(gateway)


class Slow(BudgetLedger):
    """Stands still in the middle of one of its steps until it may go on."""

    def __init__(self, ledger: BudgetLedger, step: str) -> None:
        vars(self).update(vars(ledger))
        self._step = step
        self.inside, self.go_on = asyncio.Event(), asyncio.Event()

    async def reserve(self, *, session_id: str, worst_case_usd: float, worst_case_tokens: int) -> str:
        booked = await super().reserve(
            session_id=session_id, worst_case_usd=worst_case_usd, worst_case_tokens=worst_case_tokens
        )
        await self._stand_still("reserve")
        return booked

    async def settle(self, reservation: str, *, actual_usd: float, actual_tokens: int) -> None:
        await self._stand_still("settle")
        await super().settle(reservation, actual_usd=actual_usd, actual_tokens=actual_tokens)

    async def _stand_still(self, step: str) -> None:
        if step == self._step:
            self.inside.set()
            await self.go_on.wait()


@pytest.mark.parametrize(("step", "requests"), [("reserve", 0), ("settle", 1)])
async def test_a_cancellation_waits_until_the_books_are_right(bureau: Bureau, step: str, requests: int) -> None:
    provider, run_id = await bureau.provider(), await bureau.run()
    ledger = Slow(bureau.ledger(run_id), step)
    call = asyncio.create_task(ask(bureau.gateway(run_id, await bureau.endpoint(provider), ledger=ledger)))
    await ledger.inside.wait()
    call.cancel()
    await asyncio.sleep(0.01)
    assert not call.done()
    ledger.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert provider.requests == requests
    assert await bureau.state(run_id) == (sum(provider.billed_ticks), 0)


async def test_a_cancelled_call_leaves_no_reservation_whenever_it_is_cancelled(bureau: Bureau) -> None:
    provider, run_id = await bureau.provider(seconds=0.002), await bureau.run()
    endpoint = await bureau.endpoint(provider, parallel_calls=8)
    gateway, dice = bureau.gateway(run_id, endpoint), random.Random(5)

    async def cut_off(number: int) -> bool:
        call = asyncio.create_task(ask(gateway, f"s{number % 10}"))
        if dice.random() < 0.7:
            await asyncio.wait([call], timeout=dice.random() ** 2 * 0.3)
            call.cancel()
        (result,) = await asyncio.gather(call, return_exceptions=True)
        return isinstance(result, Reply)

    done = await asyncio.gather(*(cut_off(number) for number in range(150)))
    assert 0 < sum(done) < 150
    spent, reserved = await bureau.state(run_id)
    worst = to_ticks(endpoint.prepare(QUESTION, (), session_id="s").worst_case_usd)
    assert reserved == 0
    assert sum(provider.billed_ticks) <= spent <= sum(provider.billed_ticks) + (150 - sum(done)) * worst
    assert bureau.limiters.of(endpoint.target.endpoint).under_way == 0


async def test_what_the_budget_does_not_allow_is_never_asked_and_never_tried_again(bureau: Bureau) -> None:
    first, second = await bureau.provider(), await bureau.provider("second")
    run_id = await bureau.run(Caps(usd=0.001))
    gateway = bureau.gateway(run_id, await bureau.endpoint(first), await bureau.endpoint(second))
    with pytest.raises(LimitExceeded):
        await ask(gateway)
    assert (first.requests, second.requests) == (0, 0)
    assert await bureau.state(run_id) == (0, 0)


async def test_200_sessions_never_exceed_the_cap_by_a_tick(bureau: Bureau) -> None:
    provider, run_id = await bureau.provider(seconds=0.01), await bureau.run(Caps(usd=0.9))
    endpoint = await bureau.endpoint(provider, parallel_calls=200)
    gateway = bureau.gateway(run_id, endpoint)
    over, stop = list[tuple[int, int]](), asyncio.Event()

    async def watch() -> None:
        while not stop.is_set():
            spent, reserved = await bureau.state(run_id)
            if spent + reserved > to_ticks(0.9):
                over.append((spent, reserved))
            await asyncio.sleep(0.005)

    async def session(name: str) -> int:
        done = 0
        try:
            while True:
                await ask(gateway, name)
                done += 1
        except LimitExceeded:
            return done

    watching = asyncio.create_task(watch())
    done = await asyncio.gather(*(session(f"s{number}") for number in range(200)))
    stop.set()
    await watching
    spent, reserved = await bureau.state(run_id)
    assert over == []
    assert (spent, reserved) == (sum(provider.billed_ticks), 0)
    assert spent <= to_ticks(0.9)
    worst = to_ticks(endpoint.prepare(QUESTION, (), session_id="s").worst_case_usd)
    assert spent + worst > to_ticks(0.9)  # It stopped no earlier than it had to.
    assert sum(done) == provider.answered


# ── Fairness ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_run_with_4_calls_does_not_wait_for_one_with_40_at_the_same_endpoint(bureau: Bureau) -> None:
    provider = await bureau.provider(seconds=0.01)
    order: list[str] = []

    async def calls(run_id: str, count: int) -> None:
        gateway = bureau.gateway(run_id, await bureau.endpoint(provider, parallel_calls=2))

        async def one(number: int) -> None:
            await ask(gateway, f"{run_id}/{number % 3}")
            order.append(run_id)

        await asyncio.gather(*(one(number) for number in range(count)))

    big, small = await bureau.run(), await bureau.run()
    many = asyncio.create_task(calls(big, 40))
    await until(lambda: provider.requests >= 4)
    await calls(small, 4)
    assert len(order) < 24  # Of 44: the four took turns with the forty, and did not wait for them.
    await many
    assert (order.count(big), order.count(small)) == (40, 4)
    assert provider.most_together == 2
