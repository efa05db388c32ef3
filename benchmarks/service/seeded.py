"""A home like that of a team which has worked for a year: many runs, and one that is far longer than any should be."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from sqlalchemy import insert

from macrohard.domain import (
    Criterion,
    Finding,
    Plan,
    RunStatus,
    Scenario,
    Specification,
    Task,
    UserReport,
    UserSession,
    UserStep,
    Verdict,
)
from macrohard.events import (
    Event,
    Found,
    IterationEnded,
    ModelCalled,
    PhaseEnded,
    PhaseStarted,
    Planned,
    Progress,
    Reported,
    RunEnded,
    RunStarted,
    ScenariosWritten,
    SessionEnded,
    SessionStarted,
    Specified,
    ToolUsed,
    Used,
    Verified,
)
from macrohard.store.database import Database
from macrohard.store.tables import BudgetRow, EventRow, MessageRow, RunRow, SessionRow, SpendingRow

LONG = "r-20260101-long"
ITERATIONS, SESSIONS, CALLS, CRITERIA, SCENARIOS, USERS, STEPS = 20, 100, 24, 30, 90, 5, 15
"""Of the long run; sessions, users and scenarios in each iteration, calls in each session."""
MESSAGES = 400
"""Of its last session."""
TICKS = 200_000_000
"""Of each call: two cents."""
BATCH = 2000
DIGEST = "0" * 64
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def commits(home: Path) -> list[str]:
    """Make the long run's repository; gives the commit of each iteration."""
    work = home / "work"
    work.mkdir(parents=True)

    def git(*arguments: str) -> str:
        person = ("-c", "user.name=coder", "-c", "user.email=coder@localhost")
        command = ["git", *person, *arguments]
        return subprocess.run(command, cwd=work, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet", "--initial-branch", "main")
    git("commit", "--quiet", "--allow-empty", "--message", "Begin")
    made = []
    for iteration in range(1, ITERATIONS + 1):
        for name in ("app/pages.py", "app/storage.py", "static/app.js", "tests/test_pages.py"):
            path = work / name
            path.parent.mkdir(exist_ok=True)
            lines = [f"def step_{line}(value: int) -> str:  # {iteration * (line % 3 == 0)}" for line in range(300)]
            path.write_text("\n".join(f"{line}\n    return f'{{value}} of {line[4:9]}'" for line in lines) + "\n")
        git("add", "--all")
        git("commit", "--quiet", "--message", f"Iteration {iteration}")
        made.append(git("rev-parse", "HEAD"))
    place = home / "runs" / LONG
    place.mkdir(parents=True)
    git("clone", "--quiet", "--bare", str(work), str(place / "repository.git"))
    return made


def long_events(made: list[str], count: int) -> Iterator[Event]:
    """So many events as a run tells them."""
    told = 0
    for event in _story(made, filling=max(0, count - sum(1 for _ in _story(made, filling=0)))):
        told += 1
        yield event
    assert told == count, told


def _story(made: list[str], *, filling: int) -> Iterator[Event]:
    """The run; `filling`: how many lines of progress it has besides."""
    each, rest = divmod(filling, ITERATIONS * SESSIONS)
    scenarios = tuple(_scenario(number) for number in range(1, SCENARIOS + 1))
    criteria = tuple(
        Criterion(
            id=f"AC-{number}", text=f"A task can be sorted by its {number}. field, and stays so.", priority="MUST"
        )
        for number in range(1, CRITERIA + 1)
    )
    yield RunStarted(model="grok-4", sandbox_tier="gvisor", notices=())
    yield Specified(specification=Specification(decision="build", title="Tasks of a team", criteria=criteria))
    yield ScenariosWritten(scenarios=scenarios)
    for iteration, commit in enumerate(made, 1):
        tasks = tuple(
            Task(id=f"T-{number}", title=f"Sort by field {number}", agent="coder", instructions="Write it.",
                 criteria=(f"AC-{number}",), files=(f"app/pages_{number}.py",))
            for number in range(1, 9)
        )  # fmt: skip
        yield Planned(iteration=iteration, plan=Plan(tasks=tasks))
        yield PhaseStarted(phase="implement", iteration=iteration)
        for number in range(SESSIONS):
            session_id = f"{LONG}/{iteration}/implement/T-{number}"
            yield SessionStarted(
                session_id=session_id, iteration=iteration, phase="implement", agent="coder", agent_hash=DIGEST,
                persona=None, task=f"Sort by field {number}", criteria=("AC-1",), resumed=False,
            )  # fmt: skip
            for call in range(CALLS):
                yield ModelCalled(
                    session_id=session_id, endpoint="xai", model="grok-4", input_tokens=20_000, cached_tokens=15_000,
                    output_tokens=700, cost_usd=0.02, seconds=4.0,
                )  # fmt: skip
                for tool in range(2):
                    summary = f"app/pages.py, lines {call} to {call + 40}"
                    yield ToolUsed(session_id=session_id, tool="read" if tool else "edit", summary=summary, ok=True)
            last = each + (rest if (iteration, number) == (ITERATIONS, SESSIONS - 1) else 0)
            for line in range(last):
                yield Progress(text=f"Iteration {iteration}: line {line} of what is going on")
            yield Reported(session_id=session_id, summary="The list sorts by it.", decisions=("Sorted in SQL.",))
            yield SessionEnded(session_id=session_id, outcome="finished", problem="", commit=commit, seconds=100.0)
        yield PhaseEnded(phase="implement", iteration=iteration, seconds=900.0)
        for scenario in scenarios:
            verdict = Verdict(
                check=scenario.id, kind="scenario", criterion=scenario.criterion, commit=commit, status="passed",
                summary="The list was sorted as expected.", duration_seconds=1.5, evidence=(DIGEST,),
            )  # fmt: skip
            yield Verified(iteration=iteration, verdict=verdict)
        for number in range(USERS):
            yield Used(iteration=iteration, session=_visit(f"user-{number}", commit))
            yield Found(iteration=iteration, finding=_finding(f"F-{iteration}-{number}", commit))
        yield IterationEnded(
            iteration=iteration, commit=commit, kept=True, reason="It holds more.", gained=("AC-1",), lost=()
        )
    yield RunEnded(outcome="delivered", problem="", commit=made[-1], product_path="products/tasks")


def _scenario(number: int) -> Scenario:
    steps = [
        {"do": "open", "path": "/tasks"},
        {"do": "click", "role": "link", "name": "Sort"},
        {"do": "see", "text": "1"},
    ]
    criterion = f"AC-{number % CRITERIA + 1}"
    return Scenario.model_validate({"id": f"S-{number}", "criterion": criterion, "title": "It sorts", "steps": steps})


def _visit(persona: str, commit: str) -> UserSession:
    steps = tuple(
        UserStep(
            number=number,
            intention="Find my task",
            expectation="It is on top",
            action='click link "Sort"',
            result="The list changed",
            surprise=0,
            page="/tasks",
            frame=DIGEST,
            at_seconds=3.0 * number,
        )
        for number in range(1, STEPS + 1)
    )
    report = UserReport(goal_reached=True, summary="It went well.", quote="That was quick.")
    return UserSession(
        persona=persona, goal="See what is due", commit=commit, steps=steps, report=report, width=1280, height=800
    )


def _finding(name: str, commit: str) -> Finding:
    return Finding(
        id=name, commit=commit, found_by="reviewer", category="layout", severity=2, title="The button is cut off",
        detail="At 375 px its right edge is outside.", page="/tasks", file="app/pages.py", line=40,
    )  # fmt: skip


async def fill(home: Path, url: str | None, *, runs: int, events: int) -> None:
    """Put it all there by bulk inserts, as the log and its rows would have it."""
    made = commits(home)
    database = await Database.open(url, home=home)
    try:
        await _insert(database, RunRow, (_run(number) for number in range(runs - 1)))
        await _insert(database, RunRow, iter([_long_run()]))
        budget = {"run_id": LONG, "cap_ticks": 20_000_000_000_000, "spent_ticks": ITERATIONS * SESSIONS * CALLS * TICKS}
        await _insert(database, BudgetRow, iter([budget]))
        story = enumerate(long_events(made, events), 1)
        await _insert(
            database,
            EventRow,
            (
                {
                    "run_id": LONG, "number": number, "at": BEGUN + timedelta(seconds=number), "type": event.type,
                    "worked_seconds": 0.5 * number, "body": event.model_dump(mode="json"),
                }
                for number, event in story
            ),
        )  # fmt: skip
        names = [(i, n) for i in range(1, ITERATIONS + 1) for n in range(SESSIONS)]
        await _insert(database, SessionRow, (_session(made[i - 1], i, n) for i, n in names))
        await _insert(database, SpendingRow, (_spending(i, n) for i, n in names))
        await _insert(database, MessageRow, (_message(number) for number in range(MESSAGES)))
    finally:
        await database.close()


async def _insert(database: Database, table: Any, rows: Iterator[dict[str, Any]]) -> None:
    while batch := list(islice(rows, BATCH)):
        async with database.write() as session:
            await session.execute(insert(table), batch)


def _run(number: int) -> dict[str, Any]:
    status = get_args(RunStatus)[number % len(get_args(RunStatus))]
    at = BEGUN + timedelta(minutes=number)
    name = sha256(str(number).encode()).hexdigest()[:8]
    return {
        "id": f"r-{at:%Y%m%d}-{name}", "requirement": f"A register of {number} kinds of plants, with due dates.",
        "options": {"iterations": 3, "ask": True}, "model": ("grok-4", "grok-4-fast", "builtin")[number % 3],
        "title": f"Plants {number}", "status": "paused" if status == "running" else status, "problem": "",
        "created_at": at, "updated_at": at, "worked_seconds": 900.0, "iterations": 3, "model_calls": 120,
        "cost_ticks": 12 * TICKS,
    }  # fmt: skip


def _long_run() -> dict[str, Any]:
    at = BEGUN + timedelta(days=30)
    return {
        **_run(1), "id": LONG, "title": "Tasks of a team", "status": "delivered", "created_at": at, "updated_at": at,
        "iterations": ITERATIONS, "model_calls": ITERATIONS * SESSIONS * CALLS,
        "cost_ticks": ITERATIONS * SESSIONS * CALLS * TICKS,
    }  # fmt: skip


def _session(commit: str, iteration: int, number: int) -> dict[str, Any]:
    return {
        "run_id": LONG, "id": f"{LONG}/{iteration}/implement/T-{number}", "iteration": iteration,
        "phase": "implement", "agent": "coder", "agent_hash": DIGEST, "persona": None,
        "task": f"Sort by field {number}", "criteria": ["AC-1"], "outcome": "finished", "commit": commit,
        "model_calls": CALLS, "input_tokens": 20_000 * CALLS, "cached_tokens": 15_000 * CALLS,
        "output_tokens": 700 * CALLS, "cost_ticks": CALLS * TICKS, "seconds": 100.0,
        "started_at": BEGUN + timedelta(seconds=5_000 * iteration + 40 * number),
    }  # fmt: skip


def _spending(iteration: int, number: int) -> dict[str, Any]:
    return {
        "run_id": LONG, "session_id": f"{LONG}/{iteration}/implement/T-{number}", "endpoint": "xai", "model": "grok-4",
        "calls": CALLS, "input_tokens": 20_000 * CALLS, "cached_tokens": 15_000 * CALLS, "output_tokens": 700 * CALLS,
        "cost_ticks": CALLS * TICKS,
    }  # fmt: skip


def _message(number: int) -> dict[str, Any]:
    text = f"Message {number}. " + "The page is sorted by the field that was asked for. " * 40
    body = {"messages": [{"role": "assistant" if number % 2 else "user", "content": text}]}
    return {
        "session_id": f"{LONG}/{ITERATIONS}/implement/T-{SESSIONS - 1}", "number": number,
        "at": BEGUN + timedelta(seconds=number), "body": body, "usage": None,
    }  # fmt: skip
