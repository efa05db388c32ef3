"""How a run is watched: a live picture on a terminal, plain lines anywhere else; always on standard error."""

import sys
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from macrohard.cli.board import Board, Clock, PhaseLine, SessionLine, trouble
from macrohard.cli.terminal import counted, duration, one_line, printable, thousands
from macrohard.domain import BudgetState, Forecast
from macrohard.events import (
    CandidatesCompared,
    Event,
    IterationEnded,
    ModelCalled,
    ModelTroubled,
    PackagesFetched,
    PhaseEnded,
    PhaseStarted,
    Progress,
    RunStarted,
    SandboxAwaited,
    SessionEnded,
    SessionStarted,
    Specified,
    Staffed,
    Verified,
    waiting_in_words,
)

WORTH_A_LINE_SECONDS = 2.0
"""Of waiting for a sandbox."""
CALLS_SECONDS = 20.0
"""Of all model calls that end within so long, one gets a line."""
SESSIONS_NAMED = 3
SILENCE_SECONDS = 60.0
"""Nobody is left without a line for longer while agents are at work."""


class Display(AbstractContextManager["Display"], Protocol):
    """Something that can be told what happens."""

    def observe(self, event: Event) -> None:
        """Take one fact in."""

    def spending(self, budget: BudgetState, forecast: Forecast | None) -> None:
        """Take in where the budget stands."""


def display(run_id: str, *, title: str = "", stream: TextIO | None = None) -> Display:
    """The display that suits where standard error goes; `title`: what a run is called that was read before."""
    stream = stream or sys.stderr
    return LiveDisplay(run_id, stream, title=title) if stream.isatty() else PlainDisplay(stream)


class PlainDisplay:
    """One line for each thing worth telling, with the time since the start.

    Lines that say what was spent wait for the next look at the budget, and what comes after them waits with them.
    """

    def __init__(self, stream: TextIO, *, board: Board | None = None) -> None:
        self._stream, self._board = stream, board or Board()
        self._agents: dict[str, str] = {}
        self._told_call = self._printed = self._board.clock()
        self._waiting: list[tuple[str, str, bool]] = []
        """(time, text, whether what was spent comes behind it)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._print()

    def observe(self, event: Event) -> None:
        """Print what the event is worth to somebody who reads a log."""
        self._board.observe(event)
        with_money = self._says_money(event)
        at = duration(self._board.elapsed_seconds)
        self._waiting += [(at, text, with_money) for text in self._lines(event)]
        if self._board.budget is None or not any(money for _, _, money in self._waiting):
            self._print()

    def spending(self, budget: BudgetState, forecast: Forecast | None) -> None:
        """Told at the end of each phase, and with model calls."""
        self._board.budget, self._board.forecast = budget, forecast
        if self._board.sessions and self._board.clock() - self._printed >= SILENCE_SECONDS:
            doing = [f"{one.agent}: {_doing(one)}" for one in self._board.sessions.values()]
            more = f"; and {len(doing) - SESSIONS_NAMED} more" if len(doing) > SESSIONS_NAMED else ""
            at = duration(self._board.elapsed_seconds)
            self._waiting.append((at, f"at work: {'; '.join(doing[:SESSIONS_NAMED])}{more}", True))
        self._print()

    def _print(self) -> None:
        if self._waiting:
            self._printed = self._board.clock()
        for at, text, with_money in self._waiting:
            money = f", {self._board.money}" if with_money else ""
            print(f"[{at:>8}] {one_line(text, 200)}{money}", file=self._stream, flush=True)
        self._waiting.clear()

    def _says_money(self, event: Event) -> bool:
        return isinstance(event, ModelCalled) or (isinstance(event, PhaseEnded) and self._board.budget is not None)

    def _call(self, event: ModelCalled) -> list[str]:
        if self._board.clock() - self._told_call < CALLS_SECONDS:
            return []
        self._told_call = self._board.clock()
        session = self._board.sessions.get(event.session_id)
        agent = self._agents.get(event.session_id, event.session_id)
        doing = _doing(session) if session else "thinking"
        return [f"{agent}: {doing} ({thousands(event.input_tokens)} tokens in, {thousands(event.output_tokens)} out)"]

    def _lines(self, event: Event) -> list[str]:
        match event:
            case RunStarted():
                first = f"at work with model {event.model} in {event.sandbox_tier} sandboxes"
                return [first, *(f"note: {notice}" for notice in event.notices)]
            case Specified():
                specification = event.specification
                if specification.decision != "build":
                    return [f"{specification.decision}: {specification.reason}"]
                criteria = f"{len(specification.criteria)} criteria"
                return [f"specified: {specification.title} ({criteria}, {len(specification.exclusions)} excluded)"]
            case Staffed():
                if event.team.reviewers:
                    return [f"reviewers: {', '.join(event.team.reviewers)}"]
                return [f"team: {event.team.in_words}"]
            case PhaseStarted() if self._board.phases[event.phase].inside == 1:
                return [f"{_named(event)} …"]
            case PhaseEnded() if self._board.phases[event.phase].inside == 0:
                verdicts = f", {_verdicts(self._board)}" if event.phase == "verify" else ""
                took = self._board.phases[event.phase].stretch_seconds
                return [f"{_named(event)} done in {duration(took)}{verdicts}"]
            case ModelCalled():
                return self._call(event)
            case SessionStarted():
                self._agents[event.session_id] = event.persona or event.agent
                return []
            case SessionEnded() if event.outcome != "finished":
                return [f"{self._agents.get(event.session_id, event.session_id)}: {event.outcome}, {event.problem}"]
            case CandidatesCompared():
                chosen, task = event.comparison.chosen, event.comparison.task
                return [
                    f"{task}: what {chosen.agent} made was chosen ({chosen.approach}), because {event.comparison.why}"
                ]
            case Verified() if event.verdict.status != "passed":
                return [f"{event.verdict.check} {event.verdict.status}: {event.verdict.summary}"]
            case IterationEnded():
                fate = "kept" if event.kept else "not kept"
                return [f"iteration {event.iteration} {fate}: {event.reason}"]
            case ModelTroubled() if event.reaction != "asks again":
                return [trouble(event)]
            case SandboxAwaited() if event.turn or event.seconds >= WORTH_A_LINE_SECONDS:
                return [waiting_in_words(event)]
            case PackagesFetched():
                who = self._agents.get(event.session_id or "", "checks")
                return [f"{who} fetched {event.fetched.in_words}"]
            case Progress():
                return [event.text]
            case _:
                return []


def _doing(session: SessionLine) -> str:
    """The last tool that was used; before the first one it thinks."""
    return one_line(session.doing, 70) or "thinking"


def _named(event: PhaseStarted | PhaseEnded) -> str:
    return f"{event.phase} {event.iteration}" if event.iteration > 1 else event.phase


def _verdicts(board: Board) -> str:
    parts = [f"{board.verdict_count('passed')} passed"]
    parts += [f"{count} {status}" for status in ("failed", "not run") if (count := board.verdict_count(status))]
    return ", ".join(parts)


class LiveDisplay:
    """A picture that is drawn anew four times a second."""

    def __init__(self, run_id: str, stream: TextIO, *, title: str = "", clock: Clock = time.monotonic) -> None:
        self._run_id = run_id
        self._board = Board(clock, title)
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._live = Live(console=self._console, get_renderable=self._picture, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def observe(self, event: Event) -> None:
        """Take one fact in; what must stay readable is printed above the picture."""
        self._board.observe(event)
        if isinstance(event, IterationEnded):
            fate = "kept" if event.kept else "not kept"
            self._console.print(Text(f"iteration {event.iteration} {fate}: {printable(event.reason)}", "dim"))
        if isinstance(event, RunStarted):
            for notice in event.notices:
                self._console.print(Text(f"note: {printable(notice)}", "yellow"))

    def spending(self, budget: BudgetState, forecast: Forecast | None) -> None:
        """Drawn with the next picture."""
        self._board.budget, self._board.forecast = budget, forecast

    def _picture(self) -> Group:
        board = self._board
        head = Table.grid(expand=True, padding=(0, 1))
        head.add_column(ratio=1, no_wrap=True)
        head.add_column(justify="right", no_wrap=True)
        title = Text.assemble(
            ("Macrohard ", "bold"), (one_line(board.title or "reading the requirement", 60), "bold cyan")
        )
        head.add_row(title, Text(duration(board.elapsed_seconds), "bold"))
        facts = [f"run {self._run_id}", *([f"model {board.model}"] if board.model else [])]
        facts += [f"sandbox {board.tier}"] if board.tier else []
        facts += [f"iteration {board.iteration}"] if board.iteration else []
        head.add_row(Text(printable(" · ".join(facts)), "dim"), Text(board.money, "dim"))
        if board.burn:
            head.add_row(Text(), Text(board.burn, "dim"))
        parts: list[Text | Table] = [Text(), head, Text(), self._phases()]
        if board.verdicts or board.findings or board.model_calls:
            parts.append(self._counts())
        if board.sessions:
            parts += [Text(), self._sessions()]
        for line in board.troubles.values():
            parts.append(Text(f"  {one_line(line, self._console.width - 4)}", "yellow"))
        if board.queue:
            parts.append(Text(f"  {board.queue}", "yellow"))
        if board.progress:
            parts.append(Text(f"  {one_line(board.progress, self._console.width - 4)}", "dim"))
        return Group(*parts)

    def _phases(self) -> Table:
        lines = list(self._board.phases.values())
        wide = self._console.width >= 90
        columns = 4 if wide else 2
        table = Table.grid(padding=(0, 3))
        for start in range(0, len(lines), columns):
            table.add_row(*(Text("  ") + self._phase(line) for line in lines[start : start + columns]))
        return table

    def _phase(self, line: PhaseLine) -> Text:
        if line.state == "waiting":
            return Text(f"· {line.phase}", "dim")
        if line.state == "running":
            return Text(f"● {line.phase} {duration(self._board.clock() - line.began)}", "bold yellow")
        return Text.assemble(("✓ ", "green"), line.phase, (f" {duration(line.seconds)}", "dim"))

    def _counts(self) -> Text:
        board = self._board
        text = Text("\n  ")
        if board.verdicts:
            text.append(f"{board.verdict_count('passed')} passed", "green")
            for status in ("failed", "not run"):
                if count := board.verdict_count(status):
                    text.append(f"  {count} {status}", "bold red")
            text.append("   ")
        if board.findings:
            text.append(f"{counted(len(board.findings), 'finding')}   ", "yellow")
        text.append(counted(board.model_calls, "model call"), "dim")
        return text

    def _sessions(self) -> Table:
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, ratio=1)
        table.add_column(no_wrap=True, justify="right")
        shown = list(self._board.sessions.values())[:6]
        for line in shown:
            table.add_row(
                Text(f"  {one_line(line.agent, 24)}", "cyan"),
                Text(one_line(line.doing or line.task, 160)),
                Text(duration(self._board.clock() - line.began), "dim"),
            )
        if more := len(self._board.sessions) - len(shown):
            table.add_row(Text("  …", "dim"), Text(f"and {more} more", "dim"), Text())
        return table
