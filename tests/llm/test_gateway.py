"""The gateway with the real ledger, limiters and connections, against providers on loopback."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from macrohard.errors import ContextExceeded, ModelUnavailable
from macrohard.llm.gateway import Persistence
from macrohard.llm.limits.health import Health
from macrohard.llm.limits.limiter import Limiter, Limiters
from macrohard.store.money import to_ticks
from tests.llm.bureau import Bureau, ask, total
from tests.llm.provider import Fate, Provider, until

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
