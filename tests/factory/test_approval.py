"""A run that waits for a person's yes before anything is built, and takes over what they change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from macrohard.assembly import Factory, open_factory
from macrohard.domain import Caps, RunOverview
from macrohard.domain.approval import Approvals, Ruling
from macrohard.errors import Conflict, RequestError
from macrohard.events import Event, PhaseStarted
from macrohard.settings import load_settings

pytestmark = pytest.mark.usefixtures("sandboxes")


@pytest.fixture
async def factory(tmp_path: Path) -> AsyncIterator[Factory]:
    async with open_factory(load_settings(home=tmp_path / "home"), sandbox="auto") as opened:
        yield opened


async def waiting(factory: Factory, approvals: Approvals) -> RunOverview:
    """A run that was taken to the point where its plan waits."""
    run = await factory.submit(
        "A list of plants: name (required).",
        model="builtin", caps=Caps(usd=1.0), iterations=1, ask=False, approvals=approvals,
    )  # fmt: skip
    return await factory.carry_out(run, out=None, observe=lambda event: None)


async def until_coders_begin(factory: Factory, run: str) -> tuple[RunOverview, bool]:
    """Carry the run on until it pauses by itself, or somebody is to write code; whether that came about."""
    begun = False

    def observe(event: Event) -> None:
        nonlocal begun
        if isinstance(event, PhaseStarted) and event.phase == "implement":
            begun = True
            task.cancel()

    task = asyncio.create_task(factory.carry_out(run, out=None, observe=observe))
    with suppress(asyncio.CancelledError):
        await task
    return await factory.overview(run), begun


def ruling(*, approved: bool, **changes: object) -> Ruling:
    return Ruling.model_validate(
        {"point": "plan", "approved": approved, "by": "ada", "at": datetime.now(UTC), **changes}
    )


async def test_nothing_is_built_before_the_plan_is_approved_and_then_it_is_built_as_the_person_changed_it(
    factory: Factory,
) -> None:
    shown = await waiting(factory, {"plan": None})
    run = shown.summary.id
    assert shown.summary.status == "paused"
    assert shown.awaited is not None
    assert shown.awaited.point == "plan"
    assert {session.phase for session in shown.sessions} == {"analyse", "design", "plan"}

    again = await factory.carry_out(run, out=None, observe=lambda event: None)
    assert again.awaited == shown.awaited
    assert len(again.sessions) == len(shown.sessions), "looking again costs nothing"

    assert shown.specification is not None
    first, *others = shown.specification.criteria
    changed = shown.specification.model_copy(
        update={"criteria": (first.model_copy(update={"text": "A plant can be added by its name."}), *others)}
    )
    gapped = changed.model_copy(update={"criteria": changed.criteria[1:]})
    with pytest.raises(RequestError, match="without gaps"):
        await factory.rule(run, ruling(approved=True, specification=gapped))
    await factory.rule(run, ruling(approved=True, specification=changed))
    with pytest.raises(Conflict, match="already ruled"):
        await factory.rule(run, ruling(approved=True))

    built, begun = await until_coders_begin(factory, run)
    assert begun
    assert built.specification == changed


async def test_who_wants_something_else_gets_another_plan(factory: Factory) -> None:
    shown = await waiting(factory, {"plan": None})
    run = shown.summary.id
    with pytest.raises(RequestError, match="what is to be different"):
        await factory.rule(run, ruling(approved=False))
    await factory.rule(run, ruling(approved=False, comment="Plants have a price, too."))
    again, begun = await until_coders_begin(factory, run)
    assert not begun
    assert again.awaited is not None
    assert again.awaited.number == 1
    with pytest.raises(Conflict, match="another by now; look at it again"):
        await factory.rule(run, ruling(approved=True), seen=0)
    assert [said.approved for said in await factory.store.rulings(run)] == [False]
    await factory.rule(run, ruling(approved=True), seen=1)
    told = [session.id for session in again.sessions if session.phase == "analyse"]
    assert len(told) == 2
    entries = await factory.store.transcripts.load(told[1])
    assert "Plants have a price, too." in str(entries[0])


class Later(datetime):
    """The clock two hours on."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Later":
        return super().now(tz) + timedelta(hours=2)


async def test_when_nobody_rules_in_time_it_goes_on_and_says_so(
    factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = await waiting(factory, {"plan": 3600})
    assert shown.summary.status == "paused"
    assert shown.summary.wake_at is not None
    monkeypatch.setattr("macrohard.factory.approval.datetime", Later)
    _, begun = await until_coders_begin(factory, shown.summary.id)
    assert begun
    told = [recorded.event for recorded in await factory.store.events(shown.summary.id, limit=10_000)]
    assert [(event.approved, event.by) for event in told if event.type == "ruled"] == [(True, "")]


async def test_who_does_not_answer_in_time_gets_the_defaults_as_assumptions(factory: Factory) -> None:
    run = await factory.submit(
        "make the app like we talked about yesterday, with the list and the button",
        model="builtin", caps=Caps(usd=1.0), iterations=1, ask=True, approvals={"plan": None}, answer_seconds=0.001,
    )  # fmt: skip
    asked = await factory.carry_out(run, out=None, observe=lambda event: None)
    assert asked.open_questions
    assert asked.summary.wake_at is not None
    went_on = await factory.carry_out(run, out=None, observe=lambda event: None)
    assert went_on.awaited is not None, went_on.problem
    assert went_on.specification is not None
    assert any("Nobody answered" in each for each in went_on.specification.assumptions)
