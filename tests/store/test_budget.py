"""A budget holds, whatever happens at once."""

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macrohard.domain import Caps
from macrohard.errors import LimitExceeded
from macrohard.store import BudgetLedger, Store
from macrohard.store.money import to_ticks, to_usd


@pytest.fixture
async def ledger(store: Store, run_id: str) -> BudgetLedger:
    ledger = store.budget(run_id)
    await ledger.open(Caps(usd=1.0))
    return ledger


async def test_200_callers_at_once_never_exceed_the_cap(ledger: BudgetLedger) -> None:
    dice = random.Random(1)
    over = []

    async def call(number: int) -> bool:
        worst = dice.choice([0.01, 0.02, 0.05])
        try:
            reservation = await ledger.reserve(session_id=f"s{number}", worst_case_usd=worst, worst_case_tokens=0)
        except LimitExceeded:
            return False
        state = await ledger.state()
        if state.spent_usd + state.reserved_usd > 1.0:
            over.append(state)
        await ledger.settle(reservation, actual_usd=worst * dice.random(), actual_tokens=0)
        return True

    done = await asyncio.gather(*(call(number) for number in range(200)))
    state = await ledger.state()
    assert over == []
    assert state.spent_usd <= 1.0
    assert state.reserved_usd == 0.0
    assert state.calls == sum(done)


async def test_exactly_what_fits_is_reserved(ledger: BudgetLedger) -> None:
    async def attempt() -> bool:
        try:
            await ledger.reserve(session_id="s", worst_case_usd=0.1, worst_case_tokens=0)
        except LimitExceeded:
            return False
        return True

    assert sum(await asyncio.gather(*(attempt() for _ in range(200)))) == 10
    state = await ledger.state()
    assert (state.reserved_usd, state.calls) == (1.0, 10)


async def test_two_processes_share_one_cap(
    store: Store, ledger: BudgetLedger, url: str, run_id: str, tmp_path: Path
) -> None:
    async with await Store.open(url, home=tmp_path / "home") as other:
        ledgers = [ledger, other.budget(run_id)]
        results = await asyncio.gather(
            *(ledgers[n % 2].reserve(session_id="s", worst_case_usd=0.1, worst_case_tokens=0) for n in range(40)),
            return_exceptions=True,
        )
    assert sum(isinstance(result, str) for result in results) == 10
    assert sum(isinstance(result, LimitExceeded) for result in results) == 30


async def test_a_limit_on_calls(store: Store, run_id: str) -> None:
    ledger = store.budget(run_id)
    await ledger.open(Caps(calls=2))
    for _ in range(2):
        await ledger.settle(
            await ledger.reserve(session_id="s", worst_case_usd=1e6, worst_case_tokens=0),
            actual_usd=1e6,
            actual_tokens=0,
        )
    with pytest.raises(LimitExceeded, match="limit on model calls is reached: 2 of 2 calls"):
        await ledger.reserve(session_id="s", worst_case_usd=0.0, worst_case_tokens=0)


async def test_opening_it_again_keeps_what_was_spent(ledger: BudgetLedger) -> None:
    await ledger.settle(
        await ledger.reserve(session_id="s", worst_case_usd=0.5, worst_case_tokens=0), actual_usd=0.25, actual_tokens=0
    )
    await ledger.open(Caps(usd=9.0, calls=1))
    state = await ledger.state()
    assert (state.caps.usd, state.caps.calls, state.spent_usd) == (1.0, None, 0.25)


async def test_a_run_goes_on_after_its_cap_is_raised(ledger: BudgetLedger) -> None:
    with pytest.raises(LimitExceeded) as caught:
        await ledger.reserve(session_id="s", worst_case_usd=1.5, worst_case_tokens=0)
    assert (caught.value.used, caught.value.allowed) == (1.5, 1.0)
    await ledger.raise_caps(Caps(usd=0.5))
    await ledger.reserve(session_id="s", worst_case_usd=1.5, worst_case_tokens=0)


async def test_the_overview_shows_the_cap(store: Store, ledger: BudgetLedger, run_id: str) -> None:
    assert (await store.overview(run_id)).budget_usd == 1.0


async def test_a_run_without_a_budget_can_spend_nothing(store: Store, run_id: str) -> None:
    for attempt in (
        store.budget(run_id).reserve(session_id="s", worst_case_usd=0.0, worst_case_tokens=0),
        store.budget(run_id).raise_caps(Caps(usd=1.0)),
        store.budget(run_id).state(),
        store.budget("r-1").open(Caps(usd=1.0)),
    ):
        with pytest.raises(KeyError):
            await attempt


@pytest.mark.parametrize("amount", [-0.1, float("nan"), float("inf"), 1e9])
async def test_what_is_no_amount(ledger: BudgetLedger, amount: float) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        await ledger.reserve(session_id="s", worst_case_usd=amount, worst_case_tokens=0)


@given(st.integers(0, 10**15))
def test_ticks_survive_the_way_through_dollars(ticks: int) -> None:
    assert to_ticks(to_usd(ticks)) == ticks
