"""What agents, products and pages say reaches a person's terminal as text, whichever command shows it."""

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from macrohard.cli.display import LiveDisplay, PlainDisplay
from macrohard.domain import BudgetState, Caps, Question, RunOverview, RunSummary
from macrohard.domain.printable import printable, printable_json
from macrohard.errors import LimitExceeded, MacrohardError, ModelUnavailable, RequestError, SandboxUnavailable
from macrohard.events import Event, IterationEnded, ModelTroubled, SessionEnded
from tests.cli.conftest import Run, ScriptedFactory
from tests.cli.test_display import STORY, Terminal
from tests.hostile import EVERYTHING, SEQUENCES, obeyed, poisoned
from tests.report.sample import overview as sample

EVENTS: tuple[Event, ...] = (
    *STORY,
    IterationEnded(iteration=1, kept=False, reason="", commit="c", gained=(), lost=()),
    SessionEnded(session_id="s", outcome="failed", problem="p", commit=None, seconds=1.0),
    ModelTroubled.model_validate({"endpoint": "xai", "problem": "p", "reaction": "waits", "seconds": 1.0}),
)


def poisoned_run(overview: RunOverview) -> RunOverview:
    """All but the run's id, which is ours."""
    found = poisoned(overview)
    return found.model_copy(update={"summary": poisoned_summary(overview.summary)})


def poisoned_summary(summary: RunSummary) -> RunSummary:
    return poisoned(summary).model_copy(update={"id": summary.id})


@pytest.fixture
def hostile(factory: ScriptedFactory, monkeypatch: pytest.MonkeyPatch) -> ScriptedFactory:
    """A factory in whose runs everything that can speak is hostile."""

    async def overview(run_id: str) -> RunOverview:
        return poisoned_run(sample({}, status=factory.status))

    async def runs(limit: int, *, project: str | None = None) -> tuple[RunSummary, ...]:
        return (poisoned_summary(sample({}).summary),)

    monkeypatch.setattr(factory, "overview", overview)
    monkeypatch.setattr(factory, "runs", runs)
    factory.events = [poisoned(event) for event in EVENTS]
    return factory


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_a_sequence_is_obeyed_as_it_is_and_not_once_it_is_shown(sequence: str) -> None:
    assert obeyed(sequence)
    assert not obeyed(printable(sequence))
    told = printable_json({"said": sequence})
    assert not obeyed(told)
    assert json.loads(told) == {"said": sequence}


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["show", "r"], id="show"),
        pytest.param(["show", "r", "--json"], id="show as JSON"),
        pytest.param(["runs"], id="runs"),
        pytest.param(["runs", "--json"], id="runs as JSON"),
        pytest.param(["build", "todo app", "--yes"], id="build"),
        pytest.param(["build", "todo app", "--yes", "--json"], id="build as JSON"),
    ],
)
@pytest.mark.parametrize("status", ["delivered", "partial", "paused", "failed"])
def test_commands_show_it_as_text(hostile: ScriptedFactory, run: Run, arguments: list[str], status: str) -> None:
    hostile.status = status  # type: ignore[assignment]  # one of the literals
    hostile.endings = [status]  # type: ignore[list-item]
    _, said, told = run(*arguments)
    assert "owned" in said
    assert not obeyed(said)
    assert not obeyed(told)
    # Square brackets are shown, and name no colours.
    assert "[red]rich[/red]" in said or "…" in said


def test_questions_are_text(hostile: ScriptedFactory, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile.questions = (Question(id="Q-1", text="Which?", default="euro"),)

    async def overview(run_id: str) -> RunOverview:
        return poisoned_run(await ScriptedFactory.overview(hostile, run_id))

    monkeypatch.setattr(hostile, "overview", overview)
    hostile.endings = ["paused"]
    _, said, told = run("resume", "r-7k2m9", "--yes")
    assert "Which?" in said
    assert not obeyed(said + told)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RequestError(EVERYTHING), id="request"),
        pytest.param(SandboxUnavailable(EVERYTHING), id="sandbox"),
        pytest.param(ModelUnavailable(EVERYTHING), id="model"),
        pytest.param(LimitExceeded("usd", used=1, allowed=1, problem=EVERYTHING, remedy=EVERYTHING), id="limit"),
    ],
)
def test_errors_are_text(factory: ScriptedFactory, run: Run, error: MacrohardError) -> None:
    error.add_note(EVERYTHING)
    factory.endings = [error]
    _, said, told = run("build", "todo app", "--yes")
    assert "owned" in told
    assert not obeyed(said + told)


def test_the_file_about_a_mistake_of_ours_is_text(factory: ScriptedFactory, run: Run) -> None:
    factory.endings = [ZeroDivisionError(EVERYTHING)]
    _, _, told = run("build", "todo app", "--yes")
    kept = re.search(r"details are in (\S+)", told)
    assert kept is not None
    content = Path(kept[1]).read_text()
    assert "ZeroDivisionError" in content
    assert not obeyed(content)


def shown(events: Sequence[Event], *, terminal: bool) -> str:
    stream = Terminal() if terminal else io.StringIO()
    display = LiveDisplay("r-7k2m9", stream) if terminal else PlainDisplay(stream)
    budget = BudgetState(caps=Caps(usd=5.0), spent_usd=0.4, reserved_usd=0.1, spent_tokens=118_400, calls=9)
    with display:
        for event in events:
            display.observe(event)
            display.spending(budget, None)
            if isinstance(display, LiveDisplay):
                display._live.refresh()
    return stream.getvalue()


@pytest.mark.parametrize("terminal", [True, False], ids=["picture", "lines"])
def test_what_happens_is_shown_as_text(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    text = shown([poisoned(event) for event in EVENTS], terminal=terminal)
    assert "owned" in text
    assert not obeyed(text, to_terminal=terminal)
