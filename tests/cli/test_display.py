import io
from collections.abc import Sequence

import pytest

from macrohard.cli.board import Board
from macrohard.cli.display import LiveDisplay, PlainDisplay, display
from macrohard.cli.terminal import one_line, printable
from macrohard.domain import BudgetState, Caps, Finding, Forecast, Specification, Verdict
from macrohard.events import (
    Event,
    Found,
    IterationEnded,
    ModelCalled,
    ModelTroubled,
    PhaseEnded,
    PhaseStarted,
    Progress,
    RunEnded,
    RunStarted,
    SandboxAwaited,
    SessionEnded,
    SessionStarted,
    Specified,
    ToolUsed,
    Verified,
)

HOSTILE = "evil\x1b]0;owned\x07 [bold]x[/bold]\nline two \u202egpj"


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def session(name: str, task: str) -> SessionStarted:
    return SessionStarted(
        session_id=name, iteration=1, phase="implement", agent="coder", agent_hash="h", persona=None, task=task,
        criteria=(), resumed=False,
    )  # fmt: skip


def verdict(check: str, status: str) -> Verified:
    said = Verdict.model_validate(
        {
            "check": check, "kind": "scenario", "commit": "c", "status": status, "summary": HOSTILE,
            "duration_seconds": 1,
        }
    )  # fmt: skip
    return Verified(iteration=1, verdict=said)


STORY: tuple[Event, ...] = (
    RunStarted(model="builtin", sandbox_tier="runc", notices=("The built-in model follows rules.",)),
    Progress(text="building image base"),
    PhaseStarted(phase="analyse", iteration=0),
    PhaseEnded(phase="analyse", iteration=0, seconds=0.4),
    Specified(specification=Specification(decision="build", title="Office to-do list")),
    PhaseStarted(phase="implement", iteration=1),
    session("s1", "T-1 Storage"),
    session("s2", "T-2 Pages"),
    ToolUsed(session_id="s1", tool="write", summary=f"wrote {HOSTILE}", ok=True),
    ModelCalled(session_id="s1", model="m", input_tokens=1, output_tokens=1, cost_usd=0.25, seconds=1),
    SessionEnded(session_id="s2", outcome="stuck", problem="the same edit three times", commit=None, seconds=3),
    PhaseEnded(phase="implement", iteration=1, seconds=20),
    PhaseStarted(phase="verify", iteration=1),
    verdict("S-1", "passed"),
    verdict("S-2", "failed"),
    verdict("S-2", "failed"),
    PhaseEnded(phase="verify", iteration=1, seconds=4),
    Found(
        iteration=1,
        finding=Finding(
            id="F-1", commit="c", found_by="phone", category="layout", severity=2, title="t", detail="d"
        ),
    ),
)  # fmt: skip


def told(events: Sequence[Event]) -> str:
    stream = io.StringIO()
    with PlainDisplay(stream, board=Board(clock=lambda: 0.0)) as shown:
        for event in events:
            shown.observe(event)
    return stream.getvalue()


def test_plain_lines_tell_what_matters_one_fact_a_line() -> None:
    lines = [line.removeprefix("[   0.0 s] ") for line in told(STORY).splitlines()]
    assert lines == [
        "at work with model builtin in runc sandboxes",
        "note: The built-in model follows rules.",
        "building image base",
        "analyse …",
        "analyse done in 0.4 s",
        "specified: Office to-do list (0 criteria, 0 excluded)",
        "implement …",
        "coder: stuck, the same edit three times",
        "implement done in 20 s",
        "verify …",
        "S-2 failed: evil·]0;owned· [bold]x[/bold] line two gpj",
        "S-2 failed: evil·]0;owned· [bold]x[/bold] line two gpj",
        "verify done in 4.0 s, 1 passed, 1 failed",
    ]


def test_a_terminal_gets_a_picture_and_a_pipe_gets_lines() -> None:
    assert isinstance(display("r-1", stream=Terminal()), LiveDisplay)
    assert isinstance(display("r-1", stream=io.StringIO()), PlainDisplay)


@pytest.fixture
def picture(monkeypatch: pytest.MonkeyPatch) -> str:
    """What is on the terminal when the story has been told."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with LiveDisplay("r-7k2m9", stream, clock=lambda: 0.0) as shown:
        for event in STORY:
            shown.observe(event)
    return stream.getvalue()


@pytest.mark.parametrize(
    "part",
    [
        "Office to-do list", "run r-7k2m9", "model builtin", "sandbox runc", "iteration 1", "$0.25",
        "1 passed", "1 failed", "1 finding", "1 model call", "wrote evil", "note: The built-in model follows rules.",
    ],
)  # fmt: skip
def test_the_picture_shows(picture: str, part: str) -> None:
    assert part in picture


def test_a_run_that_was_read_before_has_its_title_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with display("r-1", title="Kites", stream=stream):
        pass
    assert "Kites" in stream.getvalue()
    assert "reading the requirement" not in stream.getvalue()


def test_the_picture_obeys_nothing_that_comes_from_outside(picture: str) -> None:
    assert "\x1b]0;owned" not in picture
    assert "\u202e" not in picture
    assert "[bold]x[/bold]" in picture


def test_sessions_that_ended_leave_the_picture() -> None:
    board = Board()
    for event in STORY:
        board.observe(event)
    assert [line.task for line in board.sessions.values()] == ["T-1 Storage"]
    board.observe(RunEnded(outcome="delivered", problem="", commit=None, product_path=None))
    assert not board.sessions


def test_a_new_iteration_forgets_verdicts_and_keeps_the_phases_before_it() -> None:
    board = Board()
    for event in STORY:
        board.observe(event)
    board.observe(IterationEnded(iteration=1, commit="c", kept=True, reason="one failed", gained=(), lost=()))
    board.observe(PhaseStarted(phase="implement", iteration=2))
    assert board.verdicts == {}
    assert board.phases["analyse"].state == "done"
    assert board.phases["verify"].state == "waiting"
    assert board.phases["implement"].state == "running"


def test_agents_side_by_side_are_one_phase_and_stretches_add_up() -> None:
    events: list[Event] = [PhaseStarted(phase="implement", iteration=1)] * 2
    events += [PhaseEnded(phase="implement", iteration=1, seconds=seconds) for seconds in (4.0, 6.0)]
    events += [PhaseStarted(phase="implement", iteration=1), PhaseEnded(phase="implement", iteration=1, seconds=1)]
    lines = [line.removeprefix("[   0.0 s] ") for line in told(events).splitlines()]
    assert lines == ["implement …", "implement done in 6.0 s", "implement …", "implement done in 1.0 s"]
    board = Board()
    for event in events:
        board.observe(event)
    assert (board.phases["implement"].state, board.phases["implement"].seconds) == ("done", 7.0)


def troubled(reaction: str, **given: object) -> ModelTroubled:
    said = {"endpoint": "xai", "problem": "no capacity left (429)", "reaction": reaction, **given}
    return ModelTroubled.model_validate(said)


def test_what_is_wrong_with_a_model_is_one_line_until_it_is_well_again() -> None:
    board = Board(clock=lambda: 0.0)
    board.observe(troubled("waits", seconds=12))
    assert board.troubles == {"xai": "xai waits 12 s: no capacity left (429)"}
    board.observe(troubled("asks another", instead="local", cost_usd=0.25))
    assert board.troubles == {"xai": "local is asked instead of xai: no capacity left (429)"}
    assert board.cost_usd == 0.25
    answer = ModelCalled(
        session_id="s", endpoint="local", model="m", input_tokens=1, output_tokens=1, cost_usd=0, seconds=1
    )
    board.observe(answer)
    assert board.troubles
    board.observe(troubled("well again"))
    assert board.troubles == {}
    board.observe(troubled("asks again"))
    board.observe(answer.model_copy(update={"endpoint": "xai"}))
    assert board.troubles == {}


def test_plain_lines_tell_of_waits_and_not_of_every_attempt() -> None:
    reactions = ["asks again", "waits", "asks another", "gives up", "well again"]
    lines = told([troubled(reaction, seconds=12, instead="local") for reaction in reactions]).splitlines()
    assert [line.removeprefix("[   0.0 s] ") for line in lines] == [
        "xai waits 12 s: no capacity left (429)",
        "local is asked instead of xai: no capacity left (429)",
        "xai does not answer: no capacity left (429)",
        "xai is well again",
    ]


def awaited(number: int, turn: int, seconds: float = 2.0) -> SandboxAwaited:
    return SandboxAwaited(id=f"w{number}", image="base", seconds=seconds, turn=turn, places=12)


def test_the_line_for_sandboxes_is_shown_as_long_as_somebody_stands_in_it() -> None:
    board = Board()
    seen = []
    for event in (awaited(1, 1), awaited(2, 2), awaited(2, 1, 32.0), awaited(1, 0, 33.0), awaited(2, 0, 34.0)):
        board.observe(event)
        seen.append(board.queue)
    one, two = (f"{who} for a sandbox: all 12 places are taken" for who in ("1 waits", "2 wait"))
    assert seen == [one, two, two, one, ""]


def test_a_run_that_ended_stands_in_no_line() -> None:
    board = Board()
    board.observe(awaited(1, 1))
    board.observe(RunEnded(outcome="paused", problem="interrupted", commit=None, product_path=None))
    assert board.queue == ""


def test_plain_lines_tell_of_long_waits_for_a_sandbox_only() -> None:
    lines = told((awaited(1, 3), awaited(1, 0, 14.2), awaited(2, 0, 0.3)))
    assert "waits for a sandbox: all 12 places are taken, number 3 in line" in lines
    assert "waited 14 s for a sandbox" in lines
    assert len(lines.splitlines()) == 2


def test_texts_for_the_terminal_are_short_and_harmless() -> None:
    assert printable("a\x1b[2Jb\x07\x9bc\u202ed") == "a·[2Jb··cd"
    assert one_line("a\n  b\tc", 80) == "a b c"
    assert one_line("abcdef", 4) == "abc…"


BUDGET = BudgetState(
    caps=Caps(usd=5.0), spent_usd=0.42, reserved_usd=0.1, spent_tokens=118_400, reserved_tokens=9000, calls=9
)
FORECAST = Forecast.model_validate(
    {
        "at": "2026-11-22T10:00:00Z", "after": "plan", "runs": 7, "cost_usd_low": 0.8, "cost_usd_high": 2.1,
        "seconds_low": 10.0, "seconds_high": 50.0,
    }
)  # fmt: skip


def test_the_budget_burns_down_in_the_picture_and_in_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with LiveDisplay("r-1", stream, clock=lambda: 0.0) as live:
        live.spending(BUDGET, FORECAST)
        for event in STORY:
            live.observe(event)
    assert "$0.42 of $5.00 · 118k tokens" in stream.getvalue()
    assert "10 % of the budget, $0.10 of it reserved, about $0.80–2.10 in all" in stream.getvalue()
    lines = io.StringIO()
    with PlainDisplay(lines, board=Board(clock=lambda: 0.0)) as plain:
        plain.spending(BUDGET, None)
        for event in STORY:
            plain.observe(event)
    assert "verify done in 4.0 s, 1 passed, 1 failed, $0.42 of $5.00 · 118k tokens" in lines.getvalue()


def test_a_budget_without_a_cap_has_no_share_of_it() -> None:
    board = Board(budget=BUDGET.model_copy(update={"caps": Caps(), "reserved_usd": 0.0}))
    assert (board.money, board.burn) == ("$0.42 · 118k tokens", "")


def called(name: str, cost_usd: float = 0.1) -> ModelCalled:
    return ModelCalled(
        session_id=name, model="m", input_tokens=23_400, output_tokens=1_200, cost_usd=cost_usd, seconds=9
    )


def test_finished_model_calls_get_a_line_now_and_then() -> None:
    now = [0.0]
    lines = io.StringIO()
    with PlainDisplay(lines, board=Board(clock=lambda: now[0])) as plain:
        plain.observe(session("s1", "T-1 Storage"))
        for second, tool in ((5, ""), (21, ""), (30, ""), (45, "pytest -q → exit code 1")):
            now[0] = float(second)
            if tool:
                plain.observe(ToolUsed(session_id="s1", tool="shell", summary=tool, ok=True))
            plain.observe(called("s1"))
    assert lines.getvalue().splitlines() == [
        "[    21 s] coder: thinking (23k tokens in, 1,200 out), $0.20",
        "[    45 s] coder: pytest -q → exit code 1 (23k tokens in, 1,200 out), $0.40",
    ]


def test_what_was_spent_is_told_as_it_stood_at_that_moment() -> None:
    now = [0.0]
    lines = io.StringIO()
    with PlainDisplay(lines, board=Board(clock=lambda: now[0])) as plain:
        plain.spending(BUDGET.model_copy(update={"spent_usd": 0.0, "spent_tokens": 0}), None)
        for event in (session("s1", "T-1"), PhaseStarted(phase="analyse", iteration=0)):
            plain.observe(event)
        now[0] = 25.0
        plain.observe(called("s1"))
        plain.observe(PhaseEnded(phase="analyse", iteration=0, seconds=25))
        plain.observe(PhaseStarted(phase="design", iteration=0))
        assert "design" not in lines.getvalue(), "it waits behind the line that waits for the budget"
        plain.spending(BUDGET, None)
        plain.observe(PhaseEnded(phase="design", iteration=0, seconds=1))
    assert [line.partition("] ")[2] for line in lines.getvalue().splitlines()] == [
        "analyse …",
        "coder: thinking (23k tokens in, 1,200 out), $0.42 of $5.00 · 118k tokens",
        "analyse done in 25 s, $0.42 of $5.00 · 118k tokens",
        "design …",
        "design done in 1.0 s, $0.42 of $5.00 · 118k tokens",
    ]


def test_nobody_is_left_without_a_line_while_agents_think() -> None:
    now = [0.0]
    lines = io.StringIO()
    with PlainDisplay(lines, board=Board(clock=lambda: now[0])) as plain:
        plain.spending(BUDGET, None)
        for name in ("s1", "s2", "s3", "s4"):
            plain.observe(session(name, "T-1"))
        plain.observe(ToolUsed(session_id="s2", tool="shell", summary=HOSTILE, ok=True))
        for second in (59, 60, 61, 119, 120):
            now[0] = float(second)
            plain.spending(BUDGET, None)
        for name in ("s1", "s2", "s3", "s4"):
            plain.observe(SessionEnded(session_id=name, outcome="finished", problem="", commit=None, seconds=3))
        now[0] = 500.0
        plain.spending(BUDGET, None)
    said = "coder: thinking; coder: evil·]0;owned· [bold]x[/bold] line two gpj; coder: thinking; and 1 more"
    assert lines.getvalue().splitlines() == [
        f"[{at:>8}] at work: {said}, $0.42 of $5.00 · 118k tokens" for at in ("60 s", "2:00 min")
    ]
