"""Every kind of cap holds: under any order of events, in several processes, and when one of them is killed."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from macrohard.domain import Caps
from macrohard.errors import LimitExceeded
from macrohard.events import PhaseStarted
from macrohard.store import BudgetLedger, Store
from macrohard.store.budget import ABANDONED_SECONDS
from macrohard.store.money import to_ticks, to_usd
from macrohard.store.tables import ReservationRow, RunRow


async def opened(store: Store, caps: Caps) -> BudgetLedger:
    ledger = store.budget(await store.create_run("x", options={}, model="builtin"))
    await ledger.open(caps)
    return ledger


async def reserved(ledger: BudgetLedger, usd: float = 0.0, tokens: int = 0) -> str:
    return await ledger.reserve(session_id="s", worst_case_usd=usd, worst_case_tokens=tokens)


async def test_tokens(store: Store) -> None:
    ledger = await opened(store, Caps(tokens=1000))
    first = await reserved(ledger, tokens=600)
    with pytest.raises(LimitExceeded, match=r"0 of 1,000 tokens used, 600 reserved, .* up to 600\.") as refused:
        await reserved(ledger, tokens=600)
    assert refused.value.passing
    await ledger.settle(first, actual_usd=0, actual_tokens=500)
    with pytest.raises(LimitExceeded, match=r"the limit on tokens is reached.*--add-tokens 500$") as refused:
        await reserved(ledger, tokens=600)
    assert (refused.value.passing, refused.value.cap, refused.value.used, refused.value.allowed) == (
        False, "tokens", 1100, 1000,
    )  # fmt: skip
    await ledger.raise_caps(Caps(tokens=100))
    await reserved(ledger, tokens=600)
    state = await ledger.state()
    assert (state.spent_tokens, state.reserved_tokens, state.caps) == (500, 600, Caps(tokens=1100))


async def test_time_at_work(store: Store) -> None:
    ledger = await opened(store, Caps(seconds=60.0))
    await reserved(ledger)
    async with store._database.write() as session:
        await session.execute(update(RunRow).values(worked_seconds=60.0))
    with pytest.raises(
        LimitExceeded, match=r"1\.0 of 1\.0 minutes at work\. Go on with: macrohard resume .*--add-time"
    ):
        await reserved(ledger)
    await ledger.raise_caps(Caps(seconds=0.5))
    await reserved(ledger)


async def test_time_passes_with_events_and_not_between_processes(store: Store, run_id: str) -> None:
    ledger = store.budget(run_id)
    await ledger.open(Caps(seconds=0.05))
    for _ in range(2):
        async with store.hold(run_id) as lease:
            log = await store.log(lease)
            await log(PhaseStarted(phase="analyse", iteration=0))
            await reserved(ledger)
        await asyncio.sleep(0.1)
    async with store.hold(run_id) as lease:
        log = await store.log(lease)
        await log(PhaseStarted(phase="analyse", iteration=0))
        await asyncio.sleep(0.1)
        await log(PhaseStarted(phase="analyse", iteration=0))
        with pytest.raises(LimitExceeded, match="the limit on time"):
            await reserved(ledger)


async def test_sessions(store: Store) -> None:
    ledger = await opened(store, Caps(sessions=2))
    for _ in range(3):
        await ledger.begin_session("r/1/implement/T-1", parent=None)
    await ledger.begin_session("r/1/use/phone", parent=None)
    with pytest.raises(LimitExceeded, match=r"2 of 2 sessions began\. Go on with: .* --add-sessions 1$"):
        await ledger.begin_session("r/1/use/keyboard", parent=None)
    await ledger.begin_session("r/1/use/phone", parent=None)
    await ledger.raise_caps(Caps(sessions=1))
    await ledger.begin_session("r/1/use/keyboard", parent=None)
    assert (await ledger.state()).sessions == 3


async def test_fan_out(store: Store) -> None:
    ledger = await opened(store, Caps(fan_out=2))
    for name in ("1/implement/T-1", "1/implement/T-2", "1/use/phone", "2/implement/T-1"):
        await ledger.begin_session(f"r/{name}", parent=None)
    with pytest.raises(LimitExceeded, match=r"2 of 2 sessions of implement in iteration 1 began.*--add-fan-out 1$"):
        await ledger.begin_session("r/1/implement/T-3", parent=None)


async def test_depth(store: Store) -> None:
    ledger = await opened(store, Caps(depth=2))
    await ledger.begin_session("r/1/implement/T-1", parent=None)
    await ledger.begin_session("r/1/implement/T-1.1", parent="r/1/implement/T-1")
    with pytest.raises(LimitExceeded, match=r"2 of 2 levels .*--add-depth 1$"):
        await ledger.begin_session("r/1/implement/T-1.1.1", parent="r/1/implement/T-1.1")
    await ledger.begin_session("r/1/implement/T-2", parent=None)


async def test_sessions_that_begin_at_once_are_counted_one_by_one(store: Store) -> None:
    ledger = await opened(store, Caps(sessions=12, fan_out=7))
    begun = await asyncio.gather(
        *(ledger.begin_session(f"r/1/{phase}/T-{number % 20}", parent=None) for phase in ("use", "implement")
          for number in range(40)),
        return_exceptions=True,
    )  # fmt: skip
    assert {type(each) for each in begun} == {type(None), LimitExceeded}
    assert (await ledger.state()).sessions == 12


async def test_what_was_really_spent_counts_even_if_it_is_more_than_was_reserved(store: Store) -> None:
    ledger = await opened(store, Caps(usd=1.0))
    await ledger.settle(await reserved(ledger, 0.9), actual_usd=1.3, actual_tokens=0)
    with pytest.raises(LimitExceeded, match=r"\$1\.30 of \$1\.00 spent"):
        await reserved(ledger, 0.0)


class Model:
    """What a ledger should do, in whole numbers."""

    def __init__(self, caps: Mapping[str, int]) -> None:
        self.caps, self.open = dict(caps), dict[str, tuple[int, int]]()
        self.ticks = self.tokens = self.calls = 0

    def held(self, of: int) -> int:
        return sum(amounts[of] for amounts in self.open.values())

    def fits(self, ticks: int, tokens: int) -> bool:
        return (
            self.ticks + self.held(0) + ticks <= self.caps["ticks"]
            and self.tokens + self.held(1) + tokens <= self.caps["tokens"]
            and self.calls < self.caps["calls"]
        )


STEPS = st.tuples(
    st.sampled_from(["reserve", "reserve", "settle", "again", "raise", "take over"]),
    st.integers(0, 6 * 10**9),
    st.integers(0, 600),
    st.integers(0, 5),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=30))
async def test_it_follows_the_model(store: Store, steps: list[tuple[str, int, int, int]]) -> None:
    model = Model({"ticks": 10**10, "tokens": 1000, "calls": 12})
    ledger = await opened(store, Caps(usd=1.0, tokens=1000, calls=12))
    settled: list[str] = []
    for step, ticks, tokens, which in steps:
        held = list(model.open)
        if step == "reserve":
            fits = model.fits(ticks, tokens)
            try:
                reservation = await reserved(ledger, to_usd(ticks), tokens)
            except LimitExceeded:
                assert not fits
            else:
                assert fits
                model.open[reservation] = ticks, tokens
                model.calls += 1
        elif step == "settle" and held:
            reservation = held[which % len(held)]
            worst_ticks, worst_tokens = model.open.pop(reservation)
            await ledger.settle(
                reservation, actual_usd=to_usd(min(ticks, worst_ticks)), actual_tokens=min(tokens, worst_tokens)
            )
            model.ticks += min(ticks, worst_ticks)
            model.tokens += min(tokens, worst_tokens)
            settled.append(reservation)
        elif step == "again" and settled:
            await ledger.settle(settled[which % len(settled)], actual_usd=to_usd(ticks), actual_tokens=tokens)
        elif step == "raise":
            await ledger.raise_caps(Caps(usd=to_usd(ticks), tokens=tokens))
            model.caps["ticks"] += ticks
            model.caps["tokens"] += tokens
        elif step == "take over":
            assert await ledger.release_all() == len(model.open)
            model.ticks, model.tokens = model.ticks + model.held(0), model.tokens + model.held(1)
            model.open.clear()
        state = await ledger.state()
        assert state.caps.usd is not None
        assert to_ticks(state.caps.usd) == model.caps["ticks"]
        assert (to_ticks(state.spent_usd), to_ticks(state.reserved_usd)) == (model.ticks, model.held(0))
        assert (state.spent_tokens, state.reserved_tokens, state.calls) == (model.tokens, model.held(1), model.calls)
        assert to_ticks(state.spent_usd) + to_ticks(state.reserved_usd) <= to_ticks(state.caps.usd)


async def spending(root: Path, url: str, home: Path, run_id: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.spending", url, str(home), run_id, *arguments,
        cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_200_sessions_in_4_processes_never_exceed_the_cap_by_a_tick(
    store: Store, run_id: str, url: str, tmp_path: Path, repository_root: Path
) -> None:
    cap = 3 * 10**9
    ledger = store.budget(run_id)
    await ledger.open(Caps(usd=to_usd(cap), sessions=200, fan_out=50))
    processes = [
        await spending(repository_root, url, tmp_path / "home", run_id, str(seed), "50") for seed in range(1, 5)
    ]
    highest = 0

    async def watch() -> None:
        nonlocal highest
        while True:
            state = await ledger.state()
            highest = max(highest, to_ticks(state.spent_usd) + to_ticks(state.reserved_usd))
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    told = [json.loads((await process.communicate())[0]) for process in processes]
    watching.cancel()
    state = await ledger.state()
    assert highest <= cap
    assert to_ticks(state.spent_usd) == sum(settled for settled, _ in told) <= cap
    assert sum(refused for _, refused in told) > 0
    assert (state.reserved_usd, state.reserved_tokens, state.sessions) == (0, 0, 200)
    assert state.calls == 800 - sum(refused for _, refused in told)


async def test_a_process_killed_in_the_middle_of_a_call_leaves_no_reservation_behind(
    store: Store, run_id: str, url: str, tmp_path: Path, repository_root: Path
) -> None:
    ledger = store.budget(run_id)
    await ledger.open(Caps(usd=1.0))
    process = await spending(repository_root, url, tmp_path / "home", run_id, "1", "hold")
    assert process.stdout is not None
    assert await process.stdout.readline() == b"reserved\n"
    state = await ledger.state()
    assert (state.reserved_usd, state.lost_usd) == (0.25, 0.0)
    process.send_signal(signal.SIGKILL)
    await process.wait()

    # Nobody took the run over yet: said, and not available to anybody.
    state = await ledger.state()
    assert (state.reserved_usd, state.lost_usd, state.spent_usd) == (0.25, 0.25, 0.0)
    assert await store.release_abandoned() == 0
    async with store._database.write() as session:
        long_ago = ReservationRow.created_at
        row = (await session.execute(update(ReservationRow).returning(long_ago).values(tokens=500))).scalar_one()
        await session.execute(update(ReservationRow).values(created_at=row - timedelta(seconds=ABANDONED_SECONDS)))
    assert await store.release_abandoned() == 1
    state = await ledger.state()
    assert (state.reserved_usd, state.lost_usd, state.spent_usd) == (0.0, 0.0, 0.25)
    assert (state.reserved_tokens, state.spent_tokens) == (0, 500)


async def test_what_a_process_at_work_has_reserved_is_left_to_it_however_long_it_takes(
    store: Store, run_id: str
) -> None:
    ledger = store.budget(run_id)
    await ledger.open(Caps(usd=1.0))
    async with store.hold(run_id):
        held = await reserved(ledger, 0.5)
        async with store._database.write() as session:
            row = await session.get_one(ReservationRow, held)
            row.created_at -= timedelta(seconds=2 * ABANDONED_SECONDS)
        assert await store.release_abandoned() == 0
        assert (await ledger.state()).lost_usd == 0
    assert (await ledger.state()).lost_usd == 0.5
    assert await store.release_abandoned() == 1
    assert (await ledger.state()).spent_usd == 0.5
