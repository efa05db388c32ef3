"""What other programs are told stays right when several deliver it, and when people change their minds meanwhile."""

import asyncio
from datetime import UTC, datetime

import pytest

from macrohard.domain.webhook import Delivery
from macrohard.events import RunEnded
from macrohard.store import Store
from macrohard.store.webhooks import Parcel, announce
from tests.store.conftest import waits_for_a_row

ENDED = RunEnded(outcome="refused", problem="", commit=None, product_path=None)


async def told(store: Store, run_id: str) -> None:
    async with store.hold(run_id) as lease:
        await (await store.log(lease))(ENDED)


async def delivery(store: Store) -> Delivery:
    (only,) = await store.webhooks.deliveries(limit=9)
    return only


async def taken(store: Store, *, limit: int = 9, for_seconds: float = 60, **under_way: int) -> tuple[Parcel, ...]:
    return await store.webhooks.take(limit=limit, for_seconds=for_seconds, for_one=3, under_way=under_way)


@pytest.fixture
async def hook(store: Store) -> str:
    added, _ = await store.webhooks.add("https://example.org/", ["run.ended"], run_id=None, by="ada")
    return added.id


@pytest.mark.usefixtures("hook")
async def test_who_comes_late_does_not_undo_what_another_one_did(store: Store, run_id: str) -> None:
    await told(store, run_id)
    (late,) = await taken(store, for_seconds=0)
    (other,) = await taken(store)
    await store.webhooks.settle(late, problem="it did not answer", again_in=None)
    assert (await delivery(store)).status == "waiting", "it is the other's by now"
    await store.webhooks.settle(other, problem="", again_in=None)
    await store.webhooks.settle(late, problem="it did not answer", again_in=None)
    assert ((await delivery(store)).status, (await delivery(store)).attempts) == ("delivered", 1)


@pytest.mark.usefixtures("hook")
async def test_what_is_to_be_sent_again_during_an_attempt_is_sent_again(store: Store, run_id: str) -> None:
    await told(store, run_id)
    (first,) = await taken(store)
    await store.webhooks.send_again(first.id)
    await store.webhooks.settle(first, problem="", again_in=None)
    assert (await delivery(store)).status == "waiting"
    (again,) = await taken(store)
    await store.webhooks.settle(again, problem="", again_in=None)
    assert (await delivery(store)).status == "delivered"


async def test_places_go_to_the_webhook_that_has_fewest_however_much_waits_for_another(
    store: Store, run_id: str, hook: str
) -> None:
    for _ in range(5):
        await told(store, run_id)
    late, _ = await store.webhooks.add("https://example.com/", ["run.ended"], run_id=None, by="ada")
    await told(store, run_id)
    first = await taken(store, limit=2)
    assert [each.webhook for each in first] == [hook, late.id]
    await told(store, run_id)
    (second,) = await taken(store, limit=1, **{hook: 1, late.id: 0})
    assert second.webhook == late.id
    others = await taken(store, **{hook: 1, late.id: 2})
    assert [each.webhook for each in others] == [hook] * 2, "three at once at most"
    assert await taken(store, **{hook: 3}) == ()
    assert len(await taken(store)) == 3
    assert len({each.id for each in (*first, second, *others)}) == 5


async def test_an_address_that_is_removed_while_it_is_told_stops_nobody(store: Store, run_id: str, hook: str) -> None:
    async with store._database.write() as session:
        await announce(session, run_id, ENDED, number=1, at=datetime.now(UTC))
        removing = asyncio.create_task(store.webhooks.remove(hook))
        while not removing.done() and not await waits_for_a_row(store):
            pass
    await removing
    assert await store.webhooks.all() == ()
    assert await store.webhooks.deliveries(limit=9) == ()
