"""At its cap a run stops cleanly: nothing under way is cut off, nothing that was answered is asked for again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path

import pytest

from macrohard.domain import Caps
from macrohard.errors import LimitExceeded, ModelUnavailable
from macrohard.llm.budget import Budget
from macrohard.store import BudgetLedger, Store

COST_USD, WORST_USD = 0.01, 0.1


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[BudgetLedger]:
    async with await Store.open(None, home=tmp_path) as store:
        yield store.budget(await store.create_run("x", options={}, model="m"))


class Work:
    """Sessions side by side; what a call answered is recorded, as transcripts are."""

    def __init__(self, ledger: BudgetLedger, recorded: Counter[str]) -> None:
        self.budget, self.recorded = Budget(ledger), recorded
        self.made: Counter[str] = Counter()
        self.cut_off: list[str] = []
        self.under_way = self.most_under_way = 0

    async def session(self, name: str, calls: int) -> None:
        async with self.budget.session(name):
            while self.recorded[name] < calls:
                await self.call(name)
                await asyncio.sleep(0.002)  # the answer is on its way to the disk
                self.recorded[name] += 1

    async def call(self, name: str) -> None:
        usd, tokens = WORST_USD, 1000
        reservation = await self.budget.reserve(session_id=name, worst_case_usd=usd, worst_case_tokens=tokens)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0.005 + 0.001 * (len(self.made) % 5))
            self.made[name] += 1
            usd, tokens = COST_USD, 100
        except asyncio.CancelledError:
            self.cut_off.append(name)
            raise
        finally:
            self.under_way -= 1
            await asyncio.shield(self.budget.settle(reservation, actual_usd=usd, actual_tokens=tokens))

    async def all(self, *, sessions: int, calls: int) -> tuple[BaseException, ...]:
        """What they raised."""
        return await together(*(self.session(f"r/1/implement/T-{number}", calls) for number in range(sessions)))


async def together(*work: Coroutine[None, None, None]) -> tuple[BaseException, ...]:
    """What was raised; as in the graph, the first one that raises has all others cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as raised:
        return raised.exceptions
    return ()


async def test_at_the_cap_nothing_is_cut_off_and_with_more_nothing_is_repeated(ledger: BudgetLedger) -> None:
    await ledger.open(Caps(usd=0.5))
    recorded: Counter[str] = Counter()
    first = Work(ledger, recorded)
    stopped = await first.all(sessions=8, calls=10)
    assert stopped
    assert all(isinstance(error, LimitExceeded) for error in stopped)
    assert first.cut_off == []
    assert first.made == recorded
    state = await ledger.state()
    assert state.reserved_usd == 0
    assert state.spent_usd == pytest.approx(COST_USD * recorded.total())
    assert state.spent_tokens == 100 * recorded.total()

    await ledger.raise_caps(Caps(usd=1.0))
    second = Work(ledger, recorded)
    assert await second.all(sessions=8, calls=10) == ()
    assert first.made + second.made == recorded
    assert recorded.total() == 80
    assert (await ledger.state()).sessions == 8


async def test_calls_that_only_lack_room_for_their_worst_case_wait_for_those_under_way(ledger: BudgetLedger) -> None:
    # 30 calls at once would reserve $3; one after the other they cost $0.30 and never reserve more than $0.50.
    await ledger.open(Caps(usd=0.5))
    work = Work(ledger, Counter())
    assert await work.all(sessions=30, calls=1) == ()
    assert 1 < work.most_under_way <= 5
    assert (await ledger.state()).spent_usd == pytest.approx(0.3)


async def test_whoever_waits_is_served_in_order_and_may_leave(ledger: BudgetLedger) -> None:
    await ledger.open(Caps(usd=0.1))
    budget, served = Budget(ledger), list[int]()

    async def call(number: int) -> None:
        held = await budget.reserve(session_id="s", worst_case_usd=0.05, worst_case_tokens=0)
        served.append(number)
        await asyncio.sleep(0.001)
        await budget.settle(held, actual_usd=0.0, actual_tokens=0)

    tasks = [asyncio.create_task(call(number)) for number in range(12)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    tasks[9].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert served == [number for number in range(12) if number not in (3, 9)]
    assert (await ledger.state()).reserved_usd == 0


async def test_once_refused_nothing_begins_any_more(ledger: BudgetLedger) -> None:
    await ledger.open(Caps(usd=0.1))
    budget = Budget(ledger)
    with pytest.raises(LimitExceeded, match=r"\$0.00 of \$0.10 spent, and the next call may cost up to \$0.20"):
        await budget.reserve(session_id="s", worst_case_usd=0.2, worst_case_tokens=0)
    with pytest.raises(LimitExceeded):
        await budget.reserve(session_id="s", worst_case_usd=0.01, worst_case_tokens=0)
    with pytest.raises(LimitExceeded):
        async with budget.session("r/1/implement/T-9"):
            pass
    assert ((await ledger.state()).calls, (await ledger.state()).sessions) == (0, 0)


async def test_what_parks_a_run_ends_the_others_calls_cleanly_too(ledger: BudgetLedger) -> None:
    await ledger.open(Caps())
    work = Work(ledger, Counter())

    async def parked() -> None:
        async with work.budget.session("r/1/implement/T-down"):
            await asyncio.sleep(0.003)
            raise ModelUnavailable("down")

    raised = await together(parked(), *(work.session(f"r/1/implement/T-{number}", 50) for number in range(5)))
    assert {type(error) for error in raised} == {ModelUnavailable}
    assert work.cut_off == []
    assert work.made == work.recorded
    assert work.made.total() < 250


async def test_a_session_that_another_one_started_does_not_wait_for_it(ledger: BudgetLedger) -> None:
    await ledger.open(Caps(usd=0.1))
    budget = Budget(ledger)
    own, started = "r/1/implement/T-1", "r/1/implement/T-1.1"

    async def delegating() -> None:
        async with budget.session(own), budget.session(started, parent=own):
            await budget.reserve(session_id=started, worst_case_usd=1.0, worst_case_tokens=0)

    with pytest.raises(LimitExceeded):
        await delegating()
