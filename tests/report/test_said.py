"""What agents said of their own work, and that the report says no more than is known."""

from typing import Any

from rich.console import Console

from macrohard.cli.result import print_details
from macrohard.domain import RunOverview, Share
from macrohard.domain.budget import Costs
from macrohard.domain.candidate import Candidate, Comparison
from macrohard.domain.team import Team
from macrohard.report import render
from macrohard.report.burn import cost_tables
from macrohard.report.said import said_of
from macrohard.report.story import nothing
from tests.report.sample import Cupboard, overview

OPEN = "Dates are those of the server's clock."


def told(run: RunOverview, *iterations: tuple[str, ...]) -> RunOverview:
    """The run with these open points, iteration by iteration, each by one coder."""
    coders = [session for session in run.sessions if session.agent == "coder"][1:]
    sessions = tuple(
        coder.model_copy(update={"iteration": number, "id": f"r/{number}/implement/T-1", "open_points": points})
        for number, (coder, points) in enumerate(zip(coders, iterations, strict=False), 1)
    )
    return run.model_copy(update={"sessions": sessions})


def without_users(run: RunOverview) -> RunOverview:
    return run.model_copy(
        update={"iterations": tuple(each.model_copy(update={"users": (), "findings": ()}) for each in run.iterations)}
    )


def test_the_same_point_is_told_once_with_all_who_said_it() -> None:
    run = told(overview({}), ("No picture was seen.", "It is slow."), ("no  picture was seen", ""))
    first, second = said_of(run).open_points
    assert first.in_words == "No picture was seen. (coder in iteration 1, coder in iteration 2)"
    assert second.in_words == "It is slow. (coder in iteration 1)"


def test_what_became_no_part_of_the_product_is_left_out() -> None:
    run = told(overview({}), ("Of the first.",), ("Of the second.",))
    first, second = run.iterations
    dropped = run.model_copy(update={"iterations": (first, second.model_copy(update={"kept": False}))})
    assert [point.in_words for point in said_of(dropped).open_points] == ["Of the first. (coder)"]
    one, other = (
        Candidate(session_id=f"r/{number}/implement/T-1", agent="coder", approach="a", outcome="finished", commit=None)
        for number in (1, 2)
    )
    chosen = first.model_copy(update={"comparisons": (Comparison(task="T-1", candidates=(one, other), why="w"),)})
    beaten = run.model_copy(update={"iterations": (chosen, second)})
    assert [point.text for point in said_of(beaten).open_points] == ["Of the first."]
    again = run.sessions[0].model_copy(update={"id": "r/1/implement/T-1-again", "open_points": ("Mended.",)})
    given_back = run.model_copy(update={"sessions": (*run.sessions, again)})
    assert [point.text for point in said_of(given_back).open_points] == ["Of the second.", "Mended."]


async def test_the_report_tells_what_was_left_open_and_settled_in_their_own_words() -> None:
    html = await render(overview({}, words="<b>&amp;"), Cupboard())
    assert html.count("Dates are those of the server&#39;s clock.&lt;b&gt;&amp;amp;") == 1
    assert "Titles are trimmed before they are measured.&lt;b&gt;" in html
    assert "(coder in iteration 1, coder in iteration 2)" in html


def test_show_tells_it_too() -> None:
    console = Console(width=400, soft_wrap=True)
    with console.capture() as capture:
        print_details(overview({}), console)
    text = capture.get()
    assert f"Left open by those who made it\n  · {OPEN} (coder in iteration 1, coder in iteration 2)" in text
    assert (
        "Settled by those who made it\n  · Titles are trimmed before they are measured. (coder in iteration 1)" in text
    )


def test_no_more_is_said_than_is_known() -> None:
    run = told(overview({}))
    assert nothing(run) == (
        "Nothing that we know of: every criterion is met, and no simulated user noticed anything serious."
    )
    assert nothing(without_users(run)) == (
        "Nothing that we know of: every criterion is met. No simulated user has tried it."
    )
    assert nothing(without_users(overview({}))) == (
        "No check found anything: every criterion is met. No simulated user has tried it. "
        "What its makers left open stands below."
    )


async def test_stories_were_given_to_users_only_if_there_were_any(cupboard: Cupboard, shots: Any) -> None:
    assert "1 story that the simulated users were given" in await render(overview(shots), cupboard)
    html = await render(without_users(overview(shots)), cupboard)
    assert "<summary>1 story<" in html
    assert "were given" not in html
    assert "by an agent that saw no code" in html


async def test_solo_says_whose_design_it_used_and_what_that_cost(cupboard: Cupboard, shots: Any) -> None:
    team = Team(size="solo", reason="as asked: with criteria and design of run r-2, which cost $0.06 there")
    html = await render(overview(shots).model_copy(update={"team": team}), cupboard)
    assert "solo, as asked: with criteria and design of run r-2, which cost $0.06 there" in html
    assert Team(size="small", reason="kind cli").in_words == "small, because of kind cli"


def test_cost_by_criterion_is_told_only_where_sessions_served_different_ones() -> None:
    share = Share(
        name="AC-1", calls=1, input_tokens=1, cached_tokens=0, output_tokens=1, reasoning_tokens=0, cost_usd=1
    )
    run = overview({}).model_copy(update={"costs": Costs(by_criterion=(share,), by_agent=(share,))})
    assert [title for title, _ in cost_tables(run)] == ["agent", "criterion"]
    alike = tuple(session.model_copy(update={"criteria": ("AC-1", "AC-2")}) for session in run.sessions)
    assert [title for title, _ in cost_tables(run.model_copy(update={"sessions": alike}))] == ["agent"]
