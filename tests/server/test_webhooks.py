"""Programs that are told what happens in runs: signed, at least once, and never inside our own networks unasked."""

import asyncio
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import update

from macrohard.domain.webhook import Delivery
from macrohard.errors import StoreUnavailable
from macrohard.events import RunEnded, RunStarted
from macrohard.server import courier
from macrohard.server.courier import AT_ONCE, FOR_ONE, Courier
from macrohard.store import Store
from macrohard.store.tables import DeliveryRow
from macrohard.store.webhooks import Parcel
from tests.server.conftest import Installation, waited_for
from tests.server.served import served
from tests.serving import on_loopback


class Receiver:
    """A program that is told."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        """Of the first answers; 200 from then on, 0: hangs up."""
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.held: asyncio.Event | None = None

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.got.append((dict(request.headers), await request.read()))
        if self.held is not None:
            await self.held.wait()
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 0:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=status or 200, headers={"Location": "/elsewhere"} if status == 302 else {})

    @property
    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _, body in self.got]


@pytest.fixture
async def store(url: str, tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(url, home=tmp_path / "home") as opened:
        yield opened


async def ended(store: Store) -> str:
    """A run that began and was refused."""
    run = await store.create_run("A game", options={}, model="builtin")
    async with store.hold(run) as lease:
        log = await store.log(lease)
        await log(RunStarted(model="builtin", sandbox_tier="runc", notices=()))
        await log(RunEnded(outcome="refused", problem="it cannot", commit=None, product_path=None))
    return run


async def until(store: Store, holds: Callable[[Delivery], bool]) -> tuple[Delivery, ...]:
    """Every delivery, once it holds for all."""
    async with asyncio.timeout(60):
        while not (found := await store.webhooks.deliveries(limit=100)) or not all(map(holds, found)):  # noqa: ASYNC110 (another process writes)
            await asyncio.sleep(0.05)
    return found


async def test_a_notice_is_signed_and_sent_until_it_is_taken(store: Store) -> None:
    receiver = Receiver(500, 0)
    async with on_loopback(receiver.answer) as address:
        hook, secret = await store.webhooks.add(f"{address}/told", ["run.ended"], run_id=None, by="ada")
        other = await store.create_run("Another", options={}, model="builtin")
        await store.webhooks.add(f"{address}/other", ["run.ended"], run_id=other, by="ada")
        run = await ended(store)
        async with Courier(store, inside=["127.0.0.1"], again_seconds=(0.01, 0.01, 0.01)):
            [delivery] = await until(store, lambda each: each.status == "delivered")
    assert (delivery.webhook, delivery.run, delivery.event) == (hook.id, run, "run.ended")
    assert (delivery.attempts, delivery.problem) == (3, "")
    assert len(receiver.got) == 3
    assert len({body for _, body in receiver.got}) == 1
    headers, body = receiver.got[-1]
    told = json.loads(body)
    assert (told["id"], told["run"], told["data"]["outcome"]) == (delivery.id, run, "refused")
    at, _, digest = headers["Macrohard-Signature"].removeprefix("t=").partition(",v1=")
    assert digest == hmac.new(secret.encode(), f"{at}.".encode() + body, sha256).hexdigest()


async def test_two_processes_send_each_delivery_once(store: Store) -> None:
    receiver = Receiver()
    async with on_loopback(receiver.answer) as address:
        await store.webhooks.add(address, ["run.started", "run.ended"], run_id=None, by="ada")
        for _ in range(6):
            await ended(store)
        async with Courier(store, inside=["127.0.0.1"]), Courier(store, inside=["127.0.0.1"]):
            found = await until(store, lambda each: each.status == "delivered")
    assert Counter(receiver.ids) == Counter(each.id for each in found)
    assert len(found) == 12


async def test_a_silent_address_keeps_no_other_waiting(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "ANSWER_SECONDS", 600.0)
    silent, healthy = Receiver(), Receiver()
    silent.held = asyncio.Event()
    async with on_loopback(silent.answer) as held_up, on_loopback(healthy.answer) as address:
        mute, _ = await store.webhooks.add(held_up, ["run.started", "run.ended"], run_id=None, by="ada")
        for _ in range(AT_ONCE):
            await ended(store)
        await store.webhooks.add(address, ["run.ended"], run_id=None, by="ada")
        await ended(store)
        async with Courier(store, inside=["127.0.0.1"]):
            await until(store, lambda each: each.webhook == mute.id or each.status == "delivered")
            assert len(healthy.got) == 1
            await ended(store)
            await until(store, lambda each: each.webhook == mute.id or each.status == "delivered")
            assert len(healthy.got) == 2
            assert len(silent.got) <= FOR_ONE
            silent.held.set()
            found = await until(store, lambda each: each.status == "delivered")
    assert Counter(silent.ids + healthy.ids) == Counter(each.id for each in found)
    assert len(silent.got) == 2 * (AT_ONCE + 2)


async def test_what_cannot_be_noted_stops_no_other_and_nothing_goes_on_after_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    silent, healthy = Receiver(), Receiver()
    silent.held = asyncio.Event()
    settle = store.webhooks.settle
    async with on_loopback(silent.answer) as held_up, on_loopback(healthy.answer) as address:
        hook, _ = await store.webhooks.add(address, ["run.ended"], run_id=None, by="ada")
        await store.webhooks.add(held_up, ["run.ended"], run_id=None, by="ada")
        failed: list[str] = []

        async def once_away(parcel: Parcel, *, problem: str, again_in: float | None) -> None:
            if parcel.webhook == hook.id and not failed:
                failed.append(parcel.id)
                raise StoreUnavailable("the database is away")
            await settle(parcel, problem=problem, again_in=again_in)

        monkeypatch.setattr(store.webhooks, "settle", once_away)
        await ended(store)
        before = asyncio.all_tasks()
        async with Courier(store, inside=["127.0.0.1"]):
            async with asyncio.timeout(60):
                while not (failed and silent.got):  # noqa: ASYNC110 (a server answers meanwhile)
                    await asyncio.sleep(0.05)
            await ended(store)
            await until(store, lambda each: each.webhook != hook.id or each.id in failed or each.status == "delivered")
            assert len(healthy.got) == 2
        left = [str(each.get_coro()) for each in asyncio.all_tasks() - before]
        assert not [each for each in left if "Courier" in each]
    assert "the database is away" in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "inside.invalid"])
async def test_what_is_inside_our_networks_is_not_told_unless_it_is_named(tmp_path: Path, host: str) -> None:
    receiver = Receiver()
    async with await Store.open(None, home=tmp_path) as store, on_loopback(receiver.answer) as address:
        port = address.rpartition(":")[2]
        await store.webhooks.add(f"http://{host}:{port}/", ["run.ended"], run_id=None, by="ada")
        await ended(store)
        async with Courier(store, inside=["10.1.2.3"], again_seconds=()):
            [delivery] = await until(store, lambda each: each.status == "failed")
        assert not receiver.got
        assert delivery.problem.startswith("it cannot be ")


async def test_a_redirect_is_not_followed_and_what_failed_is_sent_again_by_hand(tmp_path: Path) -> None:
    receiver = Receiver(302)
    async with await Store.open(None, home=tmp_path) as store, on_loopback(receiver.answer) as address:
        await store.webhooks.add(address, ["run.ended"], run_id=None, by="ada")
        await ended(store)
        async with Courier(store, inside=["127.0.0.1"], again_seconds=()):
            [delivery] = await until(store, lambda each: each.status == "failed")
            assert (delivery.problem, len(receiver.got)) == ("it answered 302", 1)
            await store.webhooks.send_again(delivery.id)
            await until(store, lambda each: each.status == "delivered")
    assert receiver.ids == [delivery.id] * 2


async def test_what_a_killed_service_was_sending_is_sent_by_the_next(installation: Installation) -> None:
    installation.environment["MACROHARD_WEBHOOKS_INSIDE"] = '["127.0.0.1"]'
    receiver = Receiver()
    receiver.held = asyncio.Event()

    def until_killed() -> None:
        service = installation.serve("--workers", "0")
        waited_for(lambda: len(receiver.got) == 1)
        service.kill()

    async with on_loopback(receiver.answer) as address, await Store.open(None, home=installation.home) as store:
        await store.webhooks.add(address, ["run.ended"], run_id=None, by="ada")
        await ended(store)
        await asyncio.to_thread(until_killed)
        receiver.held = None
        async with store._database.write() as session:
            past = datetime.now(UTC) - timedelta(seconds=1)
            await session.execute(update(DeliveryRow).values(taken_until=past))
        await asyncio.to_thread(installation.serve, "--workers", "0")
        [delivery] = await until(store, lambda each: each.status == "delivered")
    assert receiver.ids == [delivery.id] * 2


def test_rest_shows_a_secret_once_and_says_what_is_wrong(tmp_path: Path) -> None:
    with served(tmp_path / "home") as service:

        def problem(**body: Any) -> tuple[int, str]:
            answer = service.ask("POST", "/api/v1/webhooks", json=body)
            return answer.status_code, answer.json()["detail"]

        assert problem(url="ftp://example.com", events=["run.ended"])[0] == 422
        assert problem(url="https://example.com", events=["run.exploded"])[0] == 422
        assert problem(url="https://example.com", events=["run.ended"], run="r-none")[0] == 404
        wanted = {"url": "https://example.com/", "events": ["run.ended"]}
        made = service.ask("POST", "/api/v1/webhooks", json=wanted).json()
        listed = service.ask("GET", "/api/v1/webhooks")
        assert listed.json() == [made["webhook"]]
        assert made["secret"].startswith("whsec_")
        page = service.ask("GET", "/webhooks", headers={"Accept": "text/html"})
        assert "https://example.com/" in page.text
        assert made["secret"] not in listed.text + page.text
        assert service.ask("GET", "/api/v1/webhooks/deliveries").json() == []
        assert service.ask("DELETE", f"/api/v1/webhooks/{made['webhook']['id']}").status_code == 204
        assert service.ask("DELETE", f"/api/v1/webhooks/{made['webhook']['id']}").status_code == 404
        assert service.ask("POST", "/api/v1/webhooks/deliveries/d-none/resend").status_code == 404
