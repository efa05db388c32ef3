"""Rows as the values that others work with."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, select

from macrohard.domain import RunSummary, SessionSummary
from macrohard.domain.overview import TRIAL
from macrohard.domain.provenance import FORKED_FROM, FROM, Provenance
from macrohard.events import Event
from macrohard.store.lease import is_held
from macrohard.store.money import to_usd
from macrohard.store.overview import Recorded
from macrohard.store.tables import BudgetRow, EventRow, LeaseRow, RunRow, SessionRow

STANDING = (
    select(RunRow, LeaseRow, BudgetRow)
    .outerjoin(LeaseRow, LeaseRow.run_id == RunRow.id)
    .outerjoin(BudgetRow, BudgetRow.run_id == RunRow.id)
)
"""Runs, with the rows that say where they stand."""

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def recorded_of(row: EventRow | Row[Any]) -> Recorded:
    """An event as it was recorded."""
    return Recorded(row.number, row.at, row.worked_seconds, _EVENT.validate_python(row.body))


def summary_of(
    run: RunRow, lease: LeaseRow | None, spent_ticks: int | None, *, waits: Mapping[str, str]
) -> tuple[RunSummary, str]:
    """The line of a list, and the run's problem; `waits`: why runs of a project are not taken up, see `quotas.full`."""
    status, problem = run.status, run.problem
    at_work = lease is not None and is_held(lease)
    if status == "running" and not at_work:
        status, problem = "paused", f"its process ended without finishing it; go on with: macrohard resume {run.id}"
    summary = RunSummary.model_validate(
        {
            "id": run.id,
            "title": run.title,
            "requirement": run.requirement,
            "status": status,
            "wake_at": run.wake_at,
            "project": run.project,
            "queued": run.queued_at is not None,
            "waits": waits.get(run.project, "") if run.queued_at is not None and not at_work else "",
            "model": run.model,
            "created_at": run.created_at,
            "seconds": run.worked_seconds,
            "iterations": run.iterations,
            "cost_usd": to_usd(run.cost_ticks if spent_ticks is None else spent_ticks),
            "forked_from": str(run.options.get(FORKED_FROM, "")),
            "trial_of": run.options.get(TRIAL, ""),
            "improves": origin.place if (origin := provenance_of(run)) and origin.kind == "run" else "",
        }
    )
    return summary, problem


def provenance_of(run: RunRow) -> Provenance | None:
    """What the run began from; None: from nothing."""
    return Provenance.model_validate(run.options[FROM]) if FROM in run.options else None


def session_of(row: SessionRow) -> SessionSummary:
    """The line of a list about one session, without its own words."""
    return SessionSummary.model_validate(
        {
            "id": row.id,
            "iteration": row.iteration,
            "phase": row.phase,
            "agent": row.agent,
            "persona": row.persona,
            "task": row.task,
            "criteria": row.criteria,
            "outcome": row.outcome,
            "problem": row.problem,
            "commit": row.commit,
            "model_calls": row.model_calls,
            "input_tokens": row.input_tokens,
            "cached_tokens": row.cached_tokens,
            "output_tokens": row.output_tokens,
            "reasoning_tokens": row.reasoning_tokens,
            "cost_usd": to_usd(row.cost_ticks),
            "started_at": row.started_at,
            "seconds": row.seconds,
            "parent": row.parent,
        }
    )
