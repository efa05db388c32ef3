"""What the gateway books, and whom it serves first, with the real ledger against providers on loopback."""

import asyncio
import random

import pytest

from macrohard.domain import Caps
from macrohard.errors import LimitExceeded
from macrohard.llm.chat import Reply
from macrohard.store import BudgetLedger
from macrohard.store.money import to_ticks
from tests.llm.bureau import QUESTION, Bureau, ask, total
from tests.llm.provider import Fate, until

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
