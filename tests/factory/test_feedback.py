"""What people say of a run is what the next iteration is for, and is answered; a fork goes another way."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from macrohard.assembly import Factory, open_factory
from macrohard.domain import Caps, RunOverview
from macrohard.domain.approval import Ruling
from macrohard.domain.feedback import Remark
from macrohard.errors import Conflict
from macrohard.settings import load_settings
from tests.factory.conftest import TOOL


async def carried_out(factory: Factory, run: str, out: Path) -> RunOverview:
    return await factory.carry_out(run, out=out, observe=lambda event: None)


async def release(factory: Factory, run: str, *, unless: str = "") -> None:
    """Rule on the release that waits: yes, or what is to be different."""
    at = datetime.now(UTC)
    await factory.rule(run, Ruling(point="release", approved=not unless, by="ada", at=at, comment=unless))


@pytest.mark.usefixtures("sandboxes")
async def test_what_people_say_gets_an_iteration_and_an_answer_and_a_fork_goes_another_way(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home", test_quality=False, media={"film": False})
    async with open_factory(settings, sandbox="auto") as factory:
        run = await factory.submit(
            TOOL, model="builtin", caps=Caps(usd=1.0), iterations=1, ask=False, approvals={"release": None},
        )  # fmt: skip
        shown = await carried_out(factory, run, tmp_path / "product")
        assert shown.awaited is not None, shown.problem
        assert (shown.awaited.point, shown.awaited.number) == ("release", 0)
        remark = Remark(text="Call them flowers in the help.", about="line", file="README.md", line=1, iteration=1)
        given = await factory.store.remarks.add(run, remark, by="bob")
        await release(factory, run, unless="Keep it shorter.")

        # Behind the limit of iterations, too: who says something gets an answer.
        again = await carried_out(factory, run, tmp_path / "product")
        assert [iteration.number for iteration in again.iterations] == [1, 2]
        assert again.awaited is not None
        assert again.awaited.number == 1
        (task,) = again.iterations[1].tasks
        assert remark.text in task.instructions
        assert "Keep it shorter." in task.instructions
        assert again.specification is not None
        assert any("README.md:1: Call them flowers" in each for each in again.specification.assumptions)
        answered = {each.id: each for each in await factory.store.remarks.of(run)}
        assert {each.answered_in for each in answered.values()} == {2}
        assert answered[given.id].answer.startswith("Nothing was changed for it in iteration 2"), "built-in: it cannot"
        assert any(remark.text in point for session in again.sessions for point in session.open_points)
        assert await factory.store.remarks.open(run) == ()
        await release(factory, run)
        overview = await carried_out(factory, run, tmp_path / "product")
        assert overview.summary.status == "delivered"

        with pytest.raises(Conflict, match="iteration 7"):
            await factory.fork(run, iteration=7)
        fork = await factory.fork(run, iteration=1, caps=Caps(usd=0.5))
        begun = await factory.overview(fork)
        assert begun.summary.forked_from == f"{run}@1"
        assert [each.number for each in begun.iterations] == [1]
        assert begun.iterations[0].verdicts == overview.iterations[0].verdicts
        assert (begun.cost_usd, begun.budget_usd, begun.model_calls) == (0.0, 0.5, 0)
        await factory.store.remarks.add(fork, Remark(text="Use short names."), by="ada")
        other = await carried_out(factory, fork, tmp_path / "other")
        assert [each.number for each in other.iterations] == [1, 2]
        assert "Use short names." in other.iterations[1].tasks[0].instructions
        assert "flowers" not in other.iterations[1].tasks[0].instructions, "what was said later is not in its past"
        assert other.awaited is not None, "nor is what was approved later"
        await release(factory, fork)
        assert (await carried_out(factory, fork, tmp_path / "other")).summary.status == "delivered"
        assert {session.id.partition("/")[0] for session in other.sessions} == {fork}
        assert await factory.overview(run) == overview, "the original is as it was"
