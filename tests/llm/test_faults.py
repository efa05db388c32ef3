"""Calls through the gateway to an endpoint that fails in every way: each ends well or with a name, the books are exact.

The endpoint, its faults and its own book are in tests/faults.py; the model behind it is the built-in one.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from macrohard.domain import Caps, JsonObject
from macrohard.errors import LimitExceeded, MacrohardError, ModelUnavailable
from macrohard.events import ModelTroubled
from macrohard.llm.budget import Budget
from macrohard.llm.chat import Reply
from macrohard.llm.endpoint import open_endpoint
from macrohard.llm.gateway import Gateway, Persistence
from macrohard.llm.limits.health import Health
from macrohard.llm.limits.limiter import Limiter, Limiters
from macrohard.llm.target import EndpointSettings, Target, Wire
from macrohard.store import Store
from macrohard.store.money import to_ticks
from tests.faults import (
    BROKEN,
    KINDS,
    MISCOUNTED,
    PRICE,
    REFUSED,
    UNKNOWN_TOOL,
    UNREADABLE,
    FaultyEndpoint,
    serving,
)

ASSIGNMENT = {
    "agent": "analyst",
    "phase": "analyse",
    "persona": None,
    "material": {"requirement": "A list of plants: name (required)."},
}
CONVERSATION: list[JsonObject] = [
    {"role": "system", "content": "You are the analyst."},
    {"role": "user", "content": f"Your assignment:\n\n```json\n{json.dumps(ASSIGNMENT)}\n```"},
]
FINISH: JsonObject = {"type": "function", "function": {"name": "finish", "parameters": {"type": "object"}}}
QUICK = Persistence(patience_seconds=60.0, first_backoff_seconds=0.002, longest_backoff_seconds=0.02)
ALWAYS_SAID = (
    "429",
    "429 with a wait",
    "429 storm",
    "500",
    "502",
    "503",
    "reset before",
    "malformed arguments",
    "unknown tool",
    "duplicate ids",
    "slow drip",
)
"""Faults after which the client knows to the tick what was billed."""


def quick_limiter(endpoint: EndpointSettings) -> Limiter:
    """As in earnest, with pauses of moments."""
    return Limiter(
        parallel_calls=endpoint.parallel_calls,
        health=Health(cool_down_seconds=0.05, longest_cool_down_seconds=0.1),
        first_pause_seconds=0.005,
        longest_pause_seconds=0.02,
        return_seconds=0.01,
    )


class Firm:
    """One run, its books, and a gateway to faulty endpoints."""

    def __init__(self, store: Store, run_id: str, stack: AsyncExitStack) -> None:
        self._store, self._stack, self.run_id = store, stack, run_id
        self.budget = Budget(store.budget(run_id))
        self.replies: list[Reply] = []
        self.told: list[ModelTroubled] = []
        self.refusals: list[MacrohardError] = []

    async def gateway(
        self,
        *faulty: FaultyEndpoint,
        persistence: Persistence = QUICK,
        silence_seconds: float = 0.5,
        wire: Wire = "chat",
    ) -> Gateway:
        endpoints = []
        for number, endpoint in enumerate(faulty):
            endpoint.remember = True
            await self._stack.enter_async_context(serving(endpoint))
            settings = EndpointSettings(
                name=f"faulty-{number}",
                base_url=endpoint.base_url,
                conversation_header="x-conversation",
                silence_seconds=silence_seconds,
                wire=wire,
            )
            opened = open_endpoint(Target(endpoint=settings, model="m", price=PRICE))
            self._stack.push_async_callback(opened.close)
            endpoints.append(opened)

        async def tell(event: ModelTroubled) -> None:
            self.told.append(event)

        return Gateway(
            {"strong": endpoints},
            run_id=self.run_id,
            ledger=self.budget,
            limiters=Limiters(quick_limiter),
            tell=tell,
            persistence=persistence,
            dice=random.Random(1),
        )

    async def ask(self, gateway: Gateway, session: str = "s") -> Reply:
        """One call; what it raises has a name."""
        try:
            reply = await gateway.reply(
                CONVERSATION, role="strong", tools=[FINISH], session_id=f"{self.run_id}/0/analyse/{session}"
            )
        except (ModelUnavailable, LimitExceeded) as error:
            self.refusals.append(error)
            raise
        self.replies.append(reply)
        return reply

    async def sessions(self, gateway: Gateway, *, sessions: int, calls: int) -> None:
        """So many sessions at once, each with so many calls; a session ends with its first refusal."""

        async def session(number: int) -> None:
            try:
                for _ in range(calls):
                    await self.ask(gateway, f"s{number}")
            except (ModelUnavailable, LimitExceeded):
                return

        await asyncio.gather(*(session(number) for number in range(sessions)))

    def told_ticks(self) -> int:
        """What answers and events say was spent."""
        answered = sum(to_ticks(reply.usage.cost_usd) for reply in self.replies)
        return answered + sum(to_ticks(event.cost_usd) for event in self.told)

    async def spent_and_reserved(self) -> tuple[int, int]:
        state = await self._store.budget(self.run_id).state()
        return to_ticks(state.spent_usd), to_ticks(state.reserved_usd)


@pytest.fixture
async def firm(tmp_path: Path) -> AsyncIterator[Firm]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(await Store.open(None, home=tmp_path))
        run_id = await store.create_run("x", options={}, model="m")
        await store.budget(run_id).open(Caps(usd=100.0))
        yield Firm(store, run_id, stack)


@pytest.mark.parametrize(("rate", "kinds_met"), [(0.05, 5), (0.2, 15), (0.4, 20)])
async def test_every_call_ends_and_the_ledger_is_the_sum_of_all_attempts(
    firm: Firm, rate: float, kinds_met: int
) -> None:
    endpoint = FaultyEndpoint(rate=rate, seed=7, kinds=tuple(kind for kind in KINDS if kind != "429 with a date"))
    gateway = await firm.gateway(endpoint)
    await firm.sessions(gateway, sessions=50, calls=6)
    assert len(firm.replies) + len(firm.refusals) >= 50
    assert len(firm.replies) >= 290
    assert all(str(refusal) for refusal in firm.refusals)
    assert await firm.spent_and_reserved() == (firm.told_ticks(), 0)
    assert len(endpoint.met()) >= kinds_met
    # What the endpoint said was the price of an answer is what the answer is booked at.
    said = {entry.said_ticks for entry in endpoint.book}
    assert {to_ticks(reply.usage.cost_usd) for reply in firm.replies if reply.usage.exact} <= said


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.4])
async def test_the_ledger_agrees_with_the_endpoints_own_book_to_the_tick(firm: Firm, rate: float) -> None:
    endpoint = FaultyEndpoint(rate=rate, seed=11, kinds=ALWAYS_SAID)
    await firm.sessions(await firm.gateway(endpoint, silence_seconds=60), sessions=50, calls=4)
    assert endpoint.met()
    assert await firm.spent_and_reserved() == (endpoint.billed_ticks, 0)


async def test_a_price_table_gives_the_same_sum_where_the_endpoint_states_tokens_only(firm: Firm) -> None:
    endpoint = FaultyEndpoint(rate=0.3, seed=3, kinds=ALWAYS_SAID, exact=False)
    await firm.sessions(await firm.gateway(endpoint, silence_seconds=60), sessions=30, calls=4)
    assert await firm.spent_and_reserved() == (endpoint.billed_ticks, 0)


async def test_the_cap_holds_at_every_moment_while_200_sessions_meet_faults(firm: Firm, tmp_path: Path) -> None:
    async with await Store.open(None, home=tmp_path) as store:
        run_id = await store.create_run("x", options={}, model="m")
        ledger = store.budget(run_id)
        await ledger.open(Caps(usd=1.5))
        firm.run_id, firm.budget = run_id, Budget(ledger)
        gateway = await firm.gateway(FaultyEndpoint(rate=0.2, seed=5, kinds=(*ALWAYS_SAID, *BROKEN, *UNREADABLE)))
        over, done = [], asyncio.Event()

        async def watch() -> None:
            while not done.is_set():
                state = await ledger.state()
                if state.spent_usd + state.reserved_usd > 1.5:
                    over.append(state)
                await asyncio.sleep(0.005)

        watching = asyncio.create_task(watch())
        await firm.sessions(gateway, sessions=200, calls=3)
        done.set()
        await watching
        state = await ledger.state()
    assert over == []
    assert state.spent_usd <= 1.5
    assert state.reserved_usd == 0
    assert any(isinstance(refusal, LimitExceeded) for refusal in firm.refusals)
    assert len(firm.replies) > 100
    assert to_ticks(state.spent_usd) == firm.told_ticks()


async def test_an_endpoint_that_only_fails_ends_calls_with_a_reason_and_an_hour_to_try_again(firm: Firm) -> None:
    impatient = Persistence(patience_seconds=0.5, attempts=4, first_backoff_seconds=0.002, longest_backoff_seconds=0.01)
    gateway = await firm.gateway(FaultyEndpoint(rate=1.0, seed=1, kinds=("502", "429 storm")), persistence=impatient)
    await firm.sessions(gateway, sessions=20, calls=1)
    assert len(firm.refusals) == 20
    assert all(isinstance(refusal, ModelUnavailable) and refusal.wake_at is not None for refusal in firm.refusals)
    assert await firm.spent_and_reserved() == (0, 0)


# ── One fault at a time ──────────────────────────────────────────────────────────────────────────────────────────────

BILLED = {
    *("reset within", "closed within", "hang within", "truncated", "broken json", "noise", "error inside"),
    "empty answer",
}
"""Faults whose attempt is in the ledger, by estimate: something of the answer was there."""


@pytest.mark.parametrize("wire", ["chat", "responses"])
@pytest.mark.parametrize("kind", [*REFUSED, *BROKEN, *UNREADABLE, "empty answer"])
async def test_after_attempts_that_failed_the_same_endpoint_is_asked_again(firm: Firm, kind: str, wire: Wire) -> None:
    endpoint = FaultyEndpoint(rate=0, seed=1)
    # The least that a date can say is a second.
    times = 1 if kind == "429 with a date" else 3
    endpoint.planned.extend([kind] * times)
    gateway = await firm.gateway(endpoint, wire=wire)
    reply = await firm.ask(gateway)
    assert [call.name for call in reply.tool_calls] == ["finish"]
    assert [entry.fault for entry in endpoint.book] == [*[kind] * times, None]
    assert reply.usage.exact
    throttled = kind.startswith("429")
    # A 429 is a pause of the endpoint and no failure of the call; nothing is told of one that is short.
    assert [event.reaction for event in firm.told if event.reaction != "waits"] == ([] if throttled else ["asks again"])
    spent, reserved = await firm.spent_and_reserved()
    assert (spent, reserved) == (firm.told_ticks(), 0)
    assert (spent > to_ticks(reply.usage.cost_usd)) == (kind in BILLED)


@pytest.mark.parametrize("wire", ["chat", "responses"])
@pytest.mark.parametrize(
    ("kind", "name", "whole"),
    [
        pytest.param("malformed arguments", "finish", False, id="malformed arguments"),
        pytest.param("unknown tool", UNKNOWN_TOOL, True, id="unknown tool"),
        pytest.param("duplicate ids", "finish", True, id="duplicate ids"),
        pytest.param("slow drip", "finish", True, id="slow drip"),
        *(pytest.param(kind, "finish", True, id=kind) for kind in MISCOUNTED),
    ],
)
async def test_an_answer_that_came_is_given_to_the_session_as_it_is(
    firm: Firm, kind: str, name: str, *, whole: bool, wire: Wire
) -> None:
    endpoint = FaultyEndpoint(rate=0, seed=1)
    endpoint.planned.append(kind)
    reply = await firm.ask(await firm.gateway(endpoint, wire=wire))
    [call] = reply.tool_calls
    assert call.name == name
    if whole:
        assert json.loads(call.arguments)["decision"] == "build"
    else:
        with pytest.raises(ValueError, match="Expecting"):
            json.loads(call.arguments)
    assert len(endpoint.book) == 1
    assert firm.told == []
    assert await firm.spent_and_reserved() == (to_ticks(reply.usage.cost_usd), 0)
    assert 0 < reply.usage.cost_usd < 0.1
    if kind == "usage low":
        assert to_ticks(reply.usage.cost_usd) == endpoint.book[0].said_ticks
    elif kind in MISCOUNTED:
        assert (reply.usage.exact, reply.usage.estimated) == (False, True)
    else:
        assert to_ticks(reply.usage.cost_usd) == endpoint.book[0].billed_ticks


async def test_ids_that_an_endpoint_uses_again_are_made_unique_in_the_conversation(firm: Firm) -> None:
    endpoint = FaultyEndpoint(rate=1, seed=1, kinds=("duplicate ids",))
    gateway = await firm.gateway(endpoint)
    conversation, seen = list(CONVERSATION), set()
    for _ in range(3):
        reply = await gateway.reply(conversation, role="strong", tools=[FINISH], session_id="r/0/analyse/s")
        [call] = reply.tool_calls
        seen.add(call.id)
        earlier: JsonObject = {"id": call.id, "type": "function", "function": {"name": "look", "arguments": "{}"}}
        conversation += [
            {"role": "assistant", "content": None, "tool_calls": [earlier]},
            {"role": "tool", "tool_call_id": call.id, "content": "nothing"},
        ]
    assert len(seen) == 3


async def test_what_a_model_wrote_wrongly_can_be_sent_back_to_it(firm: Firm) -> None:
    endpoint = FaultyEndpoint(rate=0, seed=1)
    endpoint.planned.extend(["malformed arguments", "unknown tool", None])
    gateway = await firm.gateway(endpoint)
    conversation = list(CONVERSATION)
    for _ in range(3):
        reply = await gateway.reply(conversation, role="strong", tools=[FINISH], session_id="r/0/analyse/s")
        [call] = reply.tool_calls
        conversation += [reply.message, {"role": "tool", "tool_call_id": call.id, "content": "Error: once more"}]
    assert call.name == "finish"
    assert json.loads(call.arguments)["decision"] == "build"
    assert [entry.status for entry in endpoint.book] == [200, 200, 200]


async def test_a_second_endpoint_answers_while_the_first_is_down_and_the_books_keep_them_apart(firm: Firm) -> None:
    down, well = (
        FaultyEndpoint(rate=1.0, seed=1, kinds=("503", "reset before", "noise")),
        FaultyEndpoint(rate=0, seed=1),
    )
    await firm.sessions(await firm.gateway(down, well), sessions=10, calls=3)
    assert len(firm.replies) == 30
    assert {reply.endpoint for reply in firm.replies} == {"faulty-1"}
    assert [event.instead for event in firm.told if event.reaction == "asks another"] == ["faulty-1"]
    assert well.billed_ticks == sum(to_ticks(reply.usage.cost_usd) for reply in firm.replies)
    assert await firm.spent_and_reserved() == (firm.told_ticks(), 0)
