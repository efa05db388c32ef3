"""What a person may change where a plan waits for their yes, told from what was shown to them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from macrohard.assembly import Factory, open_factory
from macrohard.domain import Command, Criterion, Design, JsonObject, Plan, Specification, Task
from macrohard.domain.approval import Awaited, Ruling
from macrohard.domain.provenance import FROM, Provenance
from macrohard.domain.specification import Superseded
from macrohard.errors import RequestError
from macrohard.events import ApprovalAwaited, Designed, Event, Planned, RunEnded, Specified
from macrohard.settings import load_settings

DESIGN = Design(summary="", commands=(Command(usage="words", purpose="Counts", output="the number"),))


def criterion(number: int, **other: Any) -> Criterion:
    return Criterion.model_validate({"id": f"AC-{number}", "text": f"It does {number}.", "priority": "MUST", **other})


def specification(*criteria: Criterion, superseded: tuple[Criterion, ...] = ()) -> Specification:
    gone = tuple(Superseded(criterion=each, reason="It ends otherwise.") for each in superseded)
    return Specification(decision="build", title="Words", kind="cli", criteria=criteria, superseded=gone)


def plan(*criteria: str, agent: str = "cli-coder") -> Plan:
    task = Task(id="T-1", title="Count", agent=agent, instructions="", criteria=criteria, files=("./",))
    return Plan(tasks=(task,))


BEFORE = specification(criterion(1), criterion(2))
CHANGED = specification(criterion(1), criterion(3), superseded=(criterion(2),))
"""AC-2 does not hold any more, AC-3 is new: there is a gap, and no task serves what the product keeps already."""


@pytest.fixture
async def factory(tmp_path: Path) -> AsyncIterator[Factory]:
    async with open_factory(load_settings(home=tmp_path / "home"), sandbox="auto") as opened:
        yield opened


async def told(factory: Factory, run: str, *events: Event) -> None:
    async with factory.store.hold(run) as lease:
        log = await factory.store.log(lease)
        for event in events:
            await log(event)


async def begun(factory: Factory, shown: Specification, planned: Plan, *, options: JsonObject | None = None) -> str:
    run = await factory.store.create_run("Counts words.", options=options or {}, model="builtin")
    await told(
        factory, run, Specified(specification=shown), Designed(design=DESIGN), Planned(iteration=1, plan=planned)
    )  # fmt: skip
    return run


async def waits(factory: Factory, run: str) -> str:
    await told(
        factory,
        run,
        ApprovalAwaited(awaited=Awaited(point="plan", number=0, until=None)),
        RunEnded(outcome="paused", problem="The plan waits.", commit=None, product_path=None),
    )
    return run


async def improving(factory: Factory) -> str:
    """A run that changes a delivered product, and waits with its plan."""
    before = await begun(factory, BEFORE, plan("AC-1", "AC-2"))
    await told(factory, before, RunEnded(outcome="delivered", problem="", commit="c" * 40, product_path=None))
    # The first commit is the same in every repository.
    base = await (await factory.repository(before)).initial_commit()
    provenance = Provenance(kind="run", place=before, head="c" * 40, base=base)
    run = await begun(factory, CHANGED, plan("AC-3"), options={FROM: provenance.model_dump(mode="json")})
    await (await factory.repository(run)).initial_commit()
    return await waits(factory, run)


def ruling(**changes: Any) -> Ruling:
    return Ruling.model_validate({"point": "plan", "approved": True, "by": "ada", "at": datetime.now(UTC), **changes})


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(ruling(), id="as it is"),
        pytest.param(ruling(approved=False, comment="Count letters."), id="declined"),
        pytest.param(
            ruling(specification=specification(*CHANGED.criteria, criterion(4), superseded=(criterion(2),)),
                   plan=plan("AC-3", "AC-4")),
            id="with a criterion more",
        ),
    ],
)  # fmt: skip
async def test_the_plan_of_a_change_passes_though_it_keeps_what_no_task_serves(factory: Factory, given: Ruling) -> None:
    run = await improving(factory)
    await factory.rule(run, given)
    assert await factory.store.rulings(run) == (given,)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param(ruling(plan=plan()), "no task serves AC-3", id="new criterion without a task"),
        pytest.param(ruling(specification=specification(criterion(1, text="Other."), criterion(3))),
                     "AC-1: agreed before", id="agreed criterion rewritten"),
        pytest.param(ruling(specification=specification(criterion(1), criterion(2))),
                     "numbered on from AC-4", id="number used before"),
    ],
)  # fmt: skip
async def test_what_was_agreed_before_a_change_stays(factory: Factory, given: Ruling, problem: str) -> None:
    run = await improving(factory)
    with pytest.raises(RequestError, match=problem):
        await factory.rule(run, given)
    assert await factory.store.rulings(run) == ()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param(ruling(plan=plan("AC-1", "AC-2", agent="nobody")), "no agents nobody; .*cli-coder", id="nobody"),
        pytest.param(ruling(plan=plan("AC-1", "AC-2", agent="analyst")), "no agents analyst", id="one who judges"),
        pytest.param(ruling(plan=plan("AC-1")), "no task serves AC-2", id="criterion without a task"),
        pytest.param(ruling(plan=plan("AC-1", "AC-2", "AC-9")), "no criteria AC-9", id="task for no criterion"),
        pytest.param(ruling(specification=specification(criterion(2))), "without gaps", id="criterion left out"),
        pytest.param(ruling(specification=BEFORE.model_copy(update={"kind": "web"})), "of kind cli", id="other kind"),
        pytest.param(ruling(specification=specification(criterion(1, covered=False), criterion(2, covered=False))),
                     "at least one MUST", id="nothing left"),
        pytest.param(ruling(approved=False, comment="No.", plan=plan("AC-1", "AC-2")), "nowhere else", id="declined"),
    ],
)  # fmt: skip
async def test_who_changed_the_plan_is_told_why_it_cannot_be_worked_with(
    factory: Factory, given: Ruling, problem: str
) -> None:
    run = await waits(factory, await begun(factory, BEFORE, plan("AC-1", "AC-2")))
    with pytest.raises(RequestError, match=problem):
        await factory.rule(run, given)
    assert await factory.store.rulings(run) == ()
    given = ruling(specification=specification(criterion(1), criterion(2, covered=False)), plan=plan("AC-1"))
    await factory.rule(run, given)
    assert await factory.store.rulings(run) == (given,), "what is not wanted any more is not covered"
