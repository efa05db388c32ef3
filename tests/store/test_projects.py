"""Projects on both databases: taken in turns, and no quota is exceeded however many take at once."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest
from sqlalchemy import update

from macrohard.domain import Caps
from macrohard.domain.project import ProjectUsage, Quotas
from macrohard.errors import Conflict, NotFound, QuotaExceeded, RequestError, RunHeld
from macrohard.events import Event, ModelCalled, RunEnded, RunStarted
from macrohard.store import Store
from macrohard.store.tables import ProjectRow, UsageRow

STARTED = RunStarted(model="builtin", sandbox_tier="runc", notices=())
OVER = RunEnded(outcome="delivered", problem="", commit=None, product_path=None)


async def run_of(store: Store, project: str, *, usd: float | None = 1.0, queued: bool = False) -> str:
    run = await store.create_run("A list", options={}, model="builtin", project=project, caps=Caps(usd=usd))
    if queued:
        await store.queue.put(run)
    return run


async def spend(store: Store, run: str, usd: float, *, over: bool = False) -> None:
    reserved = await store.budget(run).reserve(
        session_id=f"{run}/1/implement/a", worst_case_usd=usd, worst_case_tokens=1
    )
    await store.budget(run).settle(reserved, actual_usd=usd, actual_tokens=1)
    called = ModelCalled(
        session_id=f"{run}/1/implement/a", model="m", input_tokens=1, output_tokens=1, cost_usd=usd, seconds=1
    )
    async with store.hold(run) as lease:
        log = await store.log(lease)
        told: list[Event] = [STARTED, called, OVER] if over else [STARTED, called]
        for event in told:
            await log(event)


async def taken(store: Store, project: str) -> ProjectUsage:
    return await store.projects.usage(project)


async def test_projects_take_turns_however_many_runs_each_has_waiting(store: Store) -> None:
    for name in ("a", "b", "c"):
        await store.projects.add(name, Quotas())
    many = [await run_of(store, "a", queued=True) for _ in range(50)]
    late = [await run_of(store, name, queued=True) for name in ("b", "b", "c")]
    assert await store.queue.free(besides=(), limit=5) == (many[0], late[0], late[2], many[1], late[1])
    async with AsyncExitStack() as working:
        for run in (*many[:2], late[0]):
            await working.enter_async_context(store.hold(run))
        # c has none at work, b has one, a has two.
        assert await store.queue.free(besides=(), limit=3) == (late[2], late[1], many[2])
        assert await store.queue.free(besides=[late[2], late[1]], limit=1) == (many[2],)
    assert await store.queue.free(besides=many[:2], limit=3) == (late[0], late[2], late[1])


async def test_no_more_are_taken_up_than_may_be_at_work_and_what_is_to_end_needs_no_place(store: Store) -> None:
    await store.projects.add("a", Quotas(runs_at_work=2))
    runs = [await run_of(store, "a", queued=True) for _ in range(4)]
    other = await run_of(store, "default", queued=True)
    assert await store.queue.free(besides=(), limit=9) == (runs[0], other, runs[1])
    async with store.hold(runs[0], at_work=True), store.hold(runs[1], at_work=True):
        assert await store.queue.free(besides=(), limit=9) == (other,)
        waits = "waits for a place in project a: 2 of 2 runs are at work"
        assert [run.waits for run in await store.runs(limit=9)] == ["", waits, waits, "", ""]
        with pytest.raises(RunHeld, match=waits):
            async with store.hold(runs[2], at_work=True):
                pass
        await store.queue.wish(runs[3], "cancel")
        assert await store.queue.free(besides=(), limit=9) == (runs[3], other)


async def test_places_are_not_given_twice_to_workers_that_look_at_the_same_time(store: Store) -> None:
    await store.projects.add("a", Quotas(runs_at_work=2))
    runs = [await run_of(store, "a", queued=True) for _ in range(8)]
    full, had = asyncio.Event(), list[str]()

    async def take(run: str) -> bool:
        try:
            async with store.hold(run, at_work=True):
                had.append(run)
                await full.wait()
        except RunHeld:
            return False
        return True

    tasks = [asyncio.create_task(take(run)) for run in runs]
    for refused in islice(asyncio.as_completed(tasks), 6):
        assert not await refused
    full.set()
    assert sum(await asyncio.gather(*tasks)) == len(had) == 2


async def test_many_who_submit_at_once_do_not_exceed_the_month(store: Store) -> None:
    await store.projects.add("a", Quotas(usd_per_month=10))
    outcomes = await asyncio.gather(*(run_of(store, "a", usd=1.5) for _ in range(20)), return_exceptions=True)
    begun = [each for each in outcomes if isinstance(each, str)]
    refused = [each for each in outcomes if isinstance(each, QuotaExceeded)]
    assert (len(begun), len(refused)) == (6, 14)
    assert "project a has $1.00 left of $10.00" in str(refused[0])
    more = (store.budget(run).raise_caps(Caps(usd=0.4)) for run in begun)
    raised = await asyncio.gather(*more, return_exceptions=True)
    assert sum(each is None for each in raised) == 2
    assert (await taken(store, "a")).reserved_usd == pytest.approx(9.8)


async def test_what_a_run_did_not_take_is_free_when_it_is_over(store: Store) -> None:
    await store.projects.add("a", Quotas(usd_per_month=10))
    first, second = await run_of(store, "a", usd=6), await run_of(store, "a", usd=4)
    await spend(store, first, 2.5)
    assert ((now := await taken(store, "a")).spent_usd, now.reserved_usd) == (2.5, 7.5)
    await spend(store, second, 1.0, over=True)
    assert ((now := await taken(store, "a")).spent_usd, now.reserved_usd) == (3.5, 3.5)
    with pytest.raises(QuotaExceeded, match=r"\$3\.00 left"):
        await run_of(store, "a", usd=3.01)
    await run_of(store, "a", usd=3)
    await store.delete(second, folder=store.artifacts._folder / "none")
    assert (await taken(store, "a")).spent_usd == 3.5, "what calls took is not given back with their run"


async def test_what_is_lost_of_calls_counts_and_what_was_spent_in_another_month_does_not(store: Store) -> None:
    await store.projects.add("a", Quotas(usd_per_month=10))
    run = await run_of(store, "a", usd=6)
    await spend(store, run, 2)
    await store.budget(run).reserve(session_id=f"{run}/1/implement/a", worst_case_usd=1, worst_case_tokens=1)
    await store.budget(run).release_all()
    async with store.hold(run) as lease:
        await (await store.log(lease))(OVER)
    assert ((now := await taken(store, "a")).spent_usd, now.reserved_usd) == (2, 1)
    async with store._database.write() as session:
        before = datetime.now(UTC).date().replace(day=1) - timedelta(days=1)
        await session.execute(update(UsageRow).values(day=before))
    assert (await taken(store, "a")).spent_usd == 0


async def test_a_day_has_its_number_of_runs_and_deleted_ones_count(store: Store) -> None:
    await store.projects.add("a", Quotas(runs_per_day=3))
    outcomes = await asyncio.gather(*(run_of(store, "a") for _ in range(8)), return_exceptions=True)
    begun = [each for each in outcomes if isinstance(each, str)]
    assert len(begun) == 3
    await store.delete(begun[0], folder=store.artifacts._folder / "none")
    with pytest.raises(QuotaExceeded) as refused:
        await run_of(store, "a")
    assert refused.value.retry_seconds is not None
    assert 0 < refused.value.retry_seconds <= 24 * 3600
    async with store._database.write() as session:
        await session.execute(update(ProjectRow).values(counted_day=date(2026, 1, 1)))
    await run_of(store, "a")
    assert (await taken(store, "a")).runs_today == 1


async def test_money_without_an_end_and_money_that_is_limited_do_not_go_together(store: Store) -> None:
    await store.projects.add("a", Quotas())
    endless = await run_of(store, "a", usd=None)
    with pytest.raises(Conflict, match=endless):
        await store.projects.limit("a", Quotas(usd_per_month=5))
    await spend(store, endless, 1, over=True)
    await store.projects.limit("a", Quotas(usd_per_month=5))
    with pytest.raises(RequestError, match="needs a budget"):
        await run_of(store, "a", usd=None)
    with pytest.raises(NotFound, match="no project 'b'"):
        await run_of(store, "b")


async def test_artifacts_belong_to_whom_a_run_that_names_them_belongs(store: Store) -> None:
    await store.projects.add("a", Quotas(artifact_bytes=10))
    run = await run_of(store, "a")
    digest = await store.artifacts.put(b"0123456789", media_type="text/plain")
    assert not await store.artifacts.is_within(digest, ["a"])
    for _ in range(2):
        await store.transcripts.append(f"{run}/1/implement/a", {"messages": [{"content": [{"artifact": digest}]}]})
    assert await store.artifacts.is_within(digest, ["a"])
    assert not await store.artifacts.is_within(digest, ["default"])
    assert (await taken(store, "a")).artifact_bytes == 10
    with pytest.raises(QuotaExceeded, match="10 of 10 bytes"):
        await run_of(store, "a")
    await store.delete(run, folder=store.artifacts._folder / "none")
    assert not await store.artifacts.is_within(digest, ["a"])
    await run_of(store, "a")


async def test_a_project_with_runs_stays_and_so_does_the_first_one(store: Store) -> None:
    await store.projects.add("a", Quotas())
    await store.people.add("bo", role="operator", password_hash=None)
    await store.projects.put_member("a", "bo", role="viewer")
    token, _ = await store.people.make_token("bo", label="t", role="viewer", days=1, project="a")
    with pytest.raises(RequestError, match="more than bo may do"):
        await store.people.make_token("bo", label="t", role="operator", days=1, project="a")
    run = await run_of(store, "a")
    with pytest.raises(Conflict, match="has 1 runs"):
        await store.projects.remove("a")
    await store.delete(run, folder=store.artifacts._folder / "none")
    await store.projects.remove("a")
    assert token.id not in [each.id for each in await store.people.tokens("bo")]
    with pytest.raises(Conflict, match="stays"):
        await store.projects.remove("default")
    with pytest.raises(Conflict, match="already"):
        await store.projects.add("default", Quotas())
    await store.people.remove("bo")
    assert await store.projects.members("default") == ()
