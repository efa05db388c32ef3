"""Runs, their lists, their events and the answers to their questions."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from macrohard.errors import RequestError, StoreUnavailable
from macrohard.events import Progress, RunEnded, RunStarted
from macrohard.store import Store

STARTED = RunStarted(model="builtin", sandbox_tier="runc", notices=("The model is built in.",))


async def test_a_new_run_waits(store: Store, run_id: str) -> None:
    (summary,) = await store.runs(limit=10)
    assert (summary.id, summary.title, summary.status) == (run_id, "A todo list.", "waiting")
    assert summary.created_at.tzinfo == UTC
    assert abs((datetime.now(UTC) - summary.created_at).total_seconds()) < 60
    assert await store.options(run_id) == {"budget": 2}
    overview = await store.overview(run_id)
    assert overview.summary == summary
    assert (overview.criteria, overview.sessions, overview.budget_usd) == ((), (), None)


async def test_runs_are_listed_page_by_page(store: Store) -> None:
    made = [await store.create_run(f"App {number}", options={}, model="builtin") for number in range(5)]
    first = await store.runs(limit=2)
    second = await store.runs(limit=2, before=first[-1].id)
    third = await store.runs(limit=2, before=second[-1].id)
    assert [run.id for run in (*first, *second, *third)] == made[::-1]


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
async def test_what_is_not_text_is_no_requirement(store: Store, text: str) -> None:
    with pytest.raises(RequestError, match="not text"):
        await store.create_run(text, options={}, model="builtin")
    assert await store.runs(limit=10) == ()


async def test_a_long_requirement_is_kept_whole(store: Store) -> None:
    text = "ä€𝄞\n" * 200_000
    run_id = await store.create_run(text, options={}, model="builtin")
    assert (await store.overview(run_id)).summary.requirement == text


async def test_an_unknown_run_is_said_to_be_unknown(store: Store) -> None:
    for attempt in (
        store.overview("r-1"), store.options("r-1"), store.runs(limit=1, before="r-1"),
        store.save_answers("r-1", {"Q-1": "yes"}),
    ):  # fmt: skip
        with pytest.raises(RequestError, match="no run 'r-1'"):
            await attempt


async def test_an_id_may_be_cut_short(store: Store) -> None:
    one, two = [await store.create_run("x", options={}, model="builtin") for _ in range(2)]
    if one[:-1] != two[:-1]:
        assert (await store.overview(one[:-1])).summary.id == one
    with pytest.raises(RequestError, match="several runs begin with 'r-'"):
        await store.overview("r-")
    for nothing in ("", "%", "_"):
        with pytest.raises(RequestError, match="no run"):
            await store.overview(nothing)


async def test_the_database_is_described_without_its_password(store: Store, url: str) -> None:
    assert store.describe() in url or "macrohard@" in store.describe()


async def test_control_characters_and_long_words_do_no_harm(store: Store, run_id: str) -> None:
    async with store.hold(run_id) as lease:
        log = await store.log(lease)
        await log(RunStarted(model="m" * 1000, sandbox_tier="runc", notices=()))
        await log(RunEnded(outcome="failed", problem="NUL \0 " + "x" * 5000, commit="c" * 500, product_path=None))
    assert (await store.overview(run_id)).problem.startswith("NUL \N{REPLACEMENT CHARACTER} xxx")


async def test_events_come_back_as_told(store: Store, run_id: str) -> None:
    async with store.hold(run_id) as lease:
        log = await store.log(lease)
        odd = Progress(text='NUL \0, quote ", newline \n, ü, 𝄞')
        await log(STARTED)
        await log(odd)
    events = await store.events(run_id)
    assert [(each.number, each.event) for each in events] == [(1, STARTED), (2, odd)]
    assert [each.number for each in await store.events(run_id, after=1)] == [2]
    assert [each.number for each in await store.events(run_id, limit=1)] == [1]


async def test_facts_told_at_once_are_numbered_without_gaps(store: Store, run_id: str) -> None:
    async with store.hold(run_id) as lease:
        log = await store.log(lease)
        await asyncio.gather(*(log(Progress(text=str(number))) for number in range(1200)))
    events = await store.events(run_id, limit=2000)
    assert [each.number for each in events] == list(range(1, 1201))
    assert [each.event for each in events] == [Progress(text=str(number)) for number in range(1200)]


async def test_a_fact_is_kept_though_its_teller_was_cancelled(store: Store, run_id: str) -> None:
    async with store.hold(run_id) as lease:
        log = await store.log(lease)
        teller = asyncio.create_task(log(Progress(text="told")))
        await asyncio.sleep(0)
        teller.cancel()
        await log(Progress(text="later"))
    assert [each.event for each in await store.events(run_id)] == [Progress(text="told"), Progress(text="later")]
    assert teller.cancelled()


async def test_a_run_goes_from_waiting_to_delivered(store: Store, run_id: str) -> None:
    async with store.hold(run_id) as lease:
        log = await store.log(lease)
        await log(STARTED)
        assert (await store.overview(run_id)).summary.status == "running"
        await log(RunEnded(outcome="delivered", problem="", commit="a" * 40, product_path="/home/ada/todo"))
    overview = await store.overview(run_id)
    assert overview.summary.status == "delivered"
    assert overview.product_path == "/home/ada/todo"
    assert overview.notices == STARTED.notices
    assert overview.sandbox_tier == "runc"


async def test_parked_runs_are_due_from_their_hour_on_until_they_are_taken_up(store: Store) -> None:
    now = datetime.now(UTC)
    hours = {"late": 1, "first": -2, "second": -1, "budget": None}
    runs = {}
    for name, hour in hours.items():
        runs[name] = await store.create_run(name, options={}, model="builtin")
        wake_at = None if hour is None else now + timedelta(hours=hour)
        async with store.hold(runs[name]) as lease:
            log = await store.log(lease)
            await log(RunEnded(outcome="paused", problem="x", commit=None, product_path=None, wake_at=wake_at))
    assert await store.runs_due(now) == (runs["first"], runs["second"])
    assert (await store.overview(runs["late"])).summary.wake_at == now + timedelta(hours=1)
    assert (await store.overview(runs["budget"])).summary.wake_at is None
    async with store.hold(runs["first"]) as lease:
        await (await store.log(lease))(RunStarted(model="m", sandbox_tier="runc", notices=()))
        assert await store.runs_due(now) == (runs["second"],)


async def test_the_last_answer_counts(store: Store, run_id: str) -> None:
    await store.save_answers(run_id, {"Q-1": "yes", "Q-2": "blue"})
    await store.save_answers(run_id, {"Q-1": "no"})
    assert await store.answers(run_id) == {"Q-1": "no", "Q-2": "blue"}


async def test_everything_is_there_after_opening_it_again(url: str, tmp_path: Path) -> None:
    async with await Store.open(url, home=tmp_path / "home") as store:
        run_id = await store.create_run("A todo list.", options={}, model="builtin")
        digest = await store.artifacts.put(b"picture", media_type="image/png")
        await store.transcripts.append("s", {"role": "user"})
    async with await Store.open(url, home=tmp_path / "home") as store:
        assert [run.id for run in await store.runs(limit=10)] == [run_id]
        assert await store.artifacts.get(digest) == b"picture"
        assert await store.transcripts.load("s") == [{"role": "user"}]


async def test_the_default_database_is_a_file_at_home(tmp_path: Path) -> None:
    async with await Store.open(None, home=tmp_path / "deep" / "home"):
        assert (tmp_path / "deep" / "home" / "macrohard.db").is_file()


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite://", "sqlite:///:memory:"])
async def test_urls_of_other_databases_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(RequestError, match="not understood"):
        await Store.open(url, home=tmp_path)


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="check that the server runs") as caught:
        await Store.open(f"postgresql://ada:secret@/runs?host={tmp_path}", home=tmp_path)
    assert "secret" not in str(caught.value)


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "macrohard.db").write_bytes(b"holiday pictures" * 1000)
    with pytest.raises(StoreUnavailable, match="database of Macrohard"):
        await Store.open(None, home=tmp_path)


async def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be made"):
        await Store.open(None, home=tmp_path / "file" / "home")
