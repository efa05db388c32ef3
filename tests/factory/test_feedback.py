"""What a person says while a run is at work is what the next iteration is for, and is answered."""

from pathlib import Path

import pytest

from macrohard.assembly import open_factory
from macrohard.domain import Caps
from macrohard.domain.feedback import Remark
from macrohard.errors import Conflict
from macrohard.settings import load_settings


@pytest.mark.usefixtures("sandboxes")
async def test_a_remark_gets_an_iteration_and_an_answer_and_a_fork_goes_another_way(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home", test_quality=False, media={"film": False})
    async with open_factory(settings, sandbox="auto") as factory:
        run = await factory.submit(
            "A command-line tool that keeps plants: name (required).",
            model="builtin", caps=Caps(usd=1.0), iterations=1, ask=False,
        )  # fmt: skip
        remark = Remark(text="Call them flowers in the help.", about="line", file="README.md", line=1, iteration=1)
        given = await factory.store.remarks.add(run, remark, by="ada")
        overview = await factory.carry_out(run, out=tmp_path / "product", observe=lambda event: None)

        assert [iteration.number for iteration in overview.iterations] == [1, 2]
        (task,) = overview.iterations[1].tasks
        assert "Call them flowers in the help." in task.instructions
        assert overview.specification is not None
        assert any("README.md:1: Call them flowers" in each for each in overview.specification.assumptions)
        (answered,) = await factory.store.remarks.of(run)
        assert (answered.id, answered.answered_in) == (given.id, 2)
        assert answered.answer.startswith("Nothing was changed for it in iteration 2"), "the built-in model cannot"
        assert any(remark.text in point for session in overview.sessions for point in session.open_points)
        assert await factory.store.remarks.open(run) == ()
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
        other = await factory.carry_out(fork, out=tmp_path / "other", observe=lambda event: None)
        assert [each.number for each in other.iterations] == [1, 2]
        assert "Use short names." in other.iterations[1].tasks[0].instructions
        assert "flowers" not in other.iterations[1].tasks[0].instructions, "what was said later is not in its past"
        assert other.summary.status == "delivered"
        assert {session.id.partition("/")[0] for session in other.sessions} == {fork}
        assert await factory.overview(run) == overview, "the original is as it was"
