"""The way into an endpoint: fairness, concurrency, pauses, pace and cancellation."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macrohard.llm.limits.fair import FairQueue
from macrohard.llm.limits.health import Health
from macrohard.llm.limits.limiter import Limiter, Limiters, NotNow, Slot
from macrohard.llm.limits.pace import per_seconds
from macrohard.llm.target import EndpointSettings
from tests.llm.provider import until


def limiter(parallel_calls: int = 1, **given: Any) -> Limiter:
    """One that pauses for moments only."""
    quick = {"first_pause_seconds": 0.01, "longest_pause_seconds": 0.05, "return_seconds": 0.01}
    return Limiter(parallel_calls=parallel_calls, **{**quick, "dice": random.Random(1), **given})


def failing_health(failures: int = 1, *, cool_down_seconds: float = 0.05) -> Health:
    return Health(failures=failures, cool_down_seconds=cool_down_seconds, dice=random.Random(1))


@asynccontextmanager
async def place(
    way: Limiter, *, run: str = "r", session: str = "s", tokens: int = 1, patience: float = 60, elsewhere: bool = False
) -> AsyncIterator[Slot]:
    async with way.slot(
        run=run, session=session, tokens=tokens, patience_seconds=patience, elsewhere=elsewhere
    ) as slot:
        yield slot


async def drained(way: Limiter, calls: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """In which order these calls go through, all of them waiting before the first one goes."""
    order: list[tuple[str, str]] = []

    async def call(run: str, session: str) -> None:
        async with place(way, run=run, session=session):
            order.append((run, session))

    async with asyncio.TaskGroup() as group, place(way, run="other"):
        for run, session in calls:
            group.create_task(call(run, session))
        await until(lambda: way.waiting == len(calls))
    return order


async def test_a_run_with_4_calls_does_not_wait_for_one_with_40() -> None:
    calls = [("big", f"s{n % 8}") for n in range(40)] + [("small", "s") for _ in range(4)]
    order = await drained(limiter(), calls)
    assert [run for run, _ in order[:8]].count("small") == 4
    assert len(order) == 44


async def test_a_session_with_50_queued_calls_does_not_starve_anothers_first() -> None:
    order = await drained(limiter(), [("r", "greedy")] * 50 + [("r", "modest")])
    assert ("r", "modest") in order[:2]


async def test_calls_of_a_session_keep_their_order() -> None:
    way, order = limiter(), list[int]()

    async def call(number: int) -> None:
        async with place(way):
            order.append(number)

    async with asyncio.TaskGroup() as group, place(way):
        for number in range(20):
            group.create_task(call(number))
            await asyncio.sleep(0)
        await until(lambda: way.waiting == 20)
    assert order == [*range(20)]


async def test_no_more_calls_run_together_than_allowed() -> None:
    way, together = limiter(7), list[int]()

    async def call(number: int) -> None:
        async with place(way, run=f"r{number % 3}", session=f"s{number}"):
            together.append(way.under_way)
            await asyncio.sleep(0)

    await asyncio.gather(*(call(number) for number in range(300)))
    assert max(together) == 7
    assert (way.under_way, way.waiting) == (0, 0)


async def test_500_who_wait_wake_nobody() -> None:
    way, loop = limiter(), asyncio.get_running_loop()
    selector: Any = loop._selector  # type: ignore[attr-defined]  # only there can be seen how often the loop turns
    turns, select = list[float | None](), selector.select

    def counted(timeout: float | None) -> Any:
        turns.append(timeout)
        return select(timeout)

    async with place(way):
        waiting = [asyncio.create_task(_through(way, f"s{number}")) for number in range(500)]
        await until(lambda: way.waiting == 500)
        selector.select = counted
        await asyncio.sleep(0.3)
        selector.select = select
    await asyncio.gather(*waiting)
    assert len(turns) < 10


async def _through(way: Limiter, session: str) -> None:
    async with place(way, session=session):
        pass


# ── 429 ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_429_pauses_everybody_until_retry_after_and_halves_what_runs_together() -> None:
    way = limiter(8)
    loop = asyncio.get_running_loop()
    slots = [place(way, session=f"s{number}") for number in range(8)]
    held = [await slot.__aenter__() for slot in slots]
    told = loop.time()
    for slot in held:
        slot.throttled("busy", retry_after_seconds=0.3)  # All eight were refused together: that is one excess.
    for slot_context in slots:
        await slot_context.__aexit__(None, None, None)
    assert way.allowed == 4
    async with place(way) as slot:
        assert loop.time() - told >= 0.3
        assert slot.waited_seconds >= 0.29


async def test_what_runs_together_grows_again_with_answers() -> None:
    way = limiter(8)
    async with place(way) as slot:
        slot.throttled("busy", retry_after_seconds=None)
    assert way.allowed == 1
    for _ in range(60):
        async with place(way) as slot:
            slot.answered(tokens=1)
    assert way.allowed == 8


async def test_after_a_pause_they_come_back_one_by_one() -> None:
    way = limiter(16, return_seconds=0.2)
    came: list[float] = []

    async def call(number: int) -> None:
        async with place(way, session=f"s{number}"):
            came.append(asyncio.get_running_loop().time())
            await asyncio.sleep(1)

    blockers = [place(way, session=f"b{number}") for number in range(16)]
    held = [await blocker.__aenter__() for blocker in blockers]
    for slot in held:
        slot.throttled("busy", retry_after_seconds=0.05)
    for blocker in blockers:
        await blocker.__aexit__(None, None, None)
    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(call(number))
    assert way.allowed == 8
    assert len({round(moment, 4) for moment in came}) == 8
    assert came[-1] - came[0] > 0.05


async def test_who_would_wait_too_long_is_told_at_once_and_for_how_long() -> None:
    way = limiter(2)
    async with place(way) as slot:
        slot.throttled("come back later", retry_after_seconds=600)
    with pytest.raises(NotNow, match="come back later") as refused:
        async with place(way, patience=120):
            pass
    assert refused.value.promised
    assert 595 < refused.value.seconds <= 602


async def test_who_waits_already_is_told_when_the_pause_gets_too_long() -> None:
    way = limiter()
    async with place(way) as slot:
        waiting = asyncio.create_task(_through(way, "waits"))
        await until(lambda: way.waiting == 1)
        slot.throttled("busy", retry_after_seconds=600)
        with pytest.raises(NotNow):
            await waiting
    assert (way.under_way, way.waiting) == (0, 0)


async def test_time_behind_other_calls_is_not_counted_as_waiting() -> None:
    way = limiter()
    async with asyncio.TaskGroup() as group, place(way):
        task = group.create_task(_waited(way))
        await until(lambda: way.waiting == 1)
        await asyncio.sleep(0.05)
    assert task.result() == 0.0


async def _waited(way: Limiter) -> float:
    async with place(way, session="later", patience=0.01) as slot:
        return slot.waited_seconds


# ── Health ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_half_open_lets_exactly_one_of_50_through() -> None:
    way = limiter(50, health=failing_health())
    async with place(way) as slot:
        slot.failed("down")
    assert not way.is_well
    inside = list[Slot]()
    release = asyncio.Event()

    async def call(number: int) -> None:
        async with place(way, session=f"s{number}") as slot:
            inside.append(slot)
            await release.wait()
            slot.answered(tokens=1)

    callers = [asyncio.create_task(call(number)) for number in range(50)]
    await until(lambda: inside)
    await asyncio.sleep(0.1)
    assert (len(inside), way.waiting) == (1, 49)
    release.set()
    await asyncio.gather(*callers)
    assert len(inside) == 50
    assert way.is_well


async def test_a_probe_that_fails_sends_nobody_else_and_one_that_is_cancelled_makes_room_for_the_next() -> None:
    way = limiter(4, health=failing_health(cool_down_seconds=0.02))
    async with place(way) as slot:
        slot.failed("down")
    async with place(way) as slot:
        slot.failed("still down")
    assert not way.is_well
    entered = asyncio.Event()

    async def hang() -> None:
        async with place(way):
            entered.set()
            await asyncio.Event().wait()

    probe = asyncio.create_task(hang())
    await entered.wait()
    next_one = asyncio.create_task(_through(way, "next"))
    await until(lambda: way.waiting == 1)
    probe.cancel()
    await next_one
    assert way.under_way == 0


async def test_who_has_another_endpoint_does_not_wait_for_one_that_is_down() -> None:
    way = limiter(1, health=failing_health(cool_down_seconds=60))
    async with place(way) as slot:
        waiting = asyncio.create_task(_elsewhere(way))
        await until(lambda: way.waiting == 1)
        slot.failed("down")
    with pytest.raises(NotNow) as refused:
        await waiting
    assert refused.value.elsewhere
    with pytest.raises(NotNow):
        await _elsewhere(way)


async def _elsewhere(way: Limiter) -> None:
    async with place(way, session="flexible", elsewhere=True):
        pass


async def test_a_refused_request_shows_that_the_endpoint_is_there() -> None:
    way = limiter(2, health=failing_health(2))
    for _ in range(5):
        async with place(way) as slot:
            slot.failed("broken")
        async with place(way) as slot:
            slot.refused()
    assert way.is_well


# ── Pace ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_requests_a_second() -> None:
    way, began = limiter(100, requests_per_second=20), time.monotonic()
    await asyncio.gather(*(_through(way, f"s{number}") for number in range(20)))
    waiting = asyncio.create_task(_through(way, "one more"))
    await until(lambda: way.waiting == 1)
    await waiting
    assert time.monotonic() - began >= 0.99


@pytest.mark.parametrize(
    ("rate", "window"), [(20, (20, 1)), (2.5, (5, 2)), (2.34, (9, 4)), (1, (1, 1)), (0.3, (1, 4)), (0.01, (1, 100))]
)
def test_a_rate_is_whole_requests_in_whole_seconds_and_never_more(rate: float, window: tuple[int, int]) -> None:
    item = per_seconds(rate)
    assert (item.amount, item.get_expiry()) == window


async def test_tokens_a_minute_count_what_calls_really_took() -> None:
    way = limiter(100, tokens_per_minute=60_000)
    async with place(way, tokens=10_000) as slot:
        slot.answered(tokens=40_000)
    async with place(way, tokens=10_000) as slot:  # 40 000 are gone, 20 000 are left.
        slot.answered(tokens=10_000)
    late = asyncio.create_task(_tokens(way, 30_000))
    await until(lambda: way.waiting == 1)
    await asyncio.sleep(0.1)
    assert way.waiting == 1
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late


async def _tokens(way: Limiter, tokens: int) -> None:
    async with place(way, tokens=tokens):
        pass


async def test_a_call_larger_than_a_minute_goes_through_alone() -> None:
    await _tokens(limiter(tokens_per_minute=1000), 5000)


def test_a_limiter_has_the_limits_of_the_settings_and_there_is_one_for_each_endpoint() -> None:
    limiters = Limiters()
    endpoint = EndpointSettings(name="a", base_url="http://a/v1", parallel_calls=3)
    assert limiters.of(endpoint).allowed == 3
    assert limiters.of(endpoint) is limiters.of(endpoint)
    assert limiters.of(endpoint.model_copy(update={"name": "b"})) is not limiters.of(endpoint)


# ── Whatever happens ─────────────────────────────────────────────────────────────────────────────────────────────────

ENDS = ("answered", "throttled", "waits", "failed", "refused", "nothing", "error")


@pytest.mark.parametrize("seed", range(8))
async def test_no_place_is_lost_whoever_is_cancelled_whenever(seed: int) -> None:
    dice = random.Random(seed)
    pace = {"requests_per_second": 400.0} if seed % 4 == 3 else {}
    way = limiter(5, health=failing_health(3, cool_down_seconds=0.005), **pace)
    most = 0

    async def call(number: int, end: str, hold: float) -> None:
        nonlocal most
        async with place(way, run=f"r{number % 4}", session=f"s{number % 9}", patience=0.3) as slot:
            most = max(most, way.under_way)
            await asyncio.sleep(hold)
            match end:
                case "answered":
                    slot.answered(tokens=3)
                case "throttled":
                    slot.throttled("busy", retry_after_seconds=None)
                case "waits":
                    slot.throttled("busy", retry_after_seconds=0.005)
                case "failed":
                    slot.failed("down")
                case "refused":
                    slot.refused()
                case "error":
                    raise ValueError(number)

    tasks = []
    for number in range(200):
        tasks.append(asyncio.create_task(call(number, dice.choice(ENDS), dice.choice([0, 0, 0.001, 0.003]))))
        if dice.random() < 0.4:
            dice.choice(tasks).cancel()
        if dice.random() < 0.3:
            await asyncio.sleep(dice.choice([0, 0, 0.001]))
    async with asyncio.timeout(30):
        results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), asyncio.CancelledError, NotNow, ValueError}
    assert (way.under_way, way.waiting) == (0, 0)
    assert most <= 6  # Five, and a probe beside those that were under way when the circuit opened.
    async with asyncio.timeout(5):
        await asyncio.gather(*(_through(way, f"after{number}") for number in range(10)))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, 3), st.integers(0, 3)),
            st.tuples(st.just("pop"), st.just(0), st.just(0)),
            st.tuples(st.just("remove"), st.integers(0, 30), st.just(0)),
        ),
        max_size=60,
    )
)
def test_the_queue_loses_nobody_and_a_run_waits_one_round_at_most(steps: list[tuple[str, int, int]]) -> None:
    queue: FairQueue[int] = FairQueue()
    inside: dict[int, tuple[str, str]] = {}
    served: list[str] = []
    passed_over: dict[str, list[str]] = {}
    for number, (step, first, second) in enumerate(steps):
        if step == "add":
            run, session = f"r{first}", f"s{second}"
            queue.add(number, run=run, session=session)
            inside[number] = (run, session)
            passed_over.setdefault(run, [])
        elif step == "pop" and inside:
            assert queue.first() in inside
            run, _ = inside.pop(queue.pop())
            served.append(run)
            assert passed_over.pop(run).count(run) == 0
            for other in passed_over:
                assert passed_over[other].count(run) == 0, "served twice while another run waited"
                passed_over[other].append(run)
            if any(place[0] == run for place in inside.values()):
                passed_over[run] = []
        elif step == "remove" and inside:
            call = [*inside][first % len(inside)]
            run, session = inside.pop(call)
            queue.remove(call, run=run, session=session)
            queue.remove(call, run=run, session=session)
            if not any(place[0] == run for place in inside.values()):
                passed_over.pop(run)
        assert len(queue) == len(inside)
        assert sorted(queue) == sorted(inside)
