"""Submissions that may be sent again, and what calls took by day."""

from collections import defaultdict
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

COUNTS = ("calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost_ticks")


def upgrade() -> None:
    op.create_table(
        "submissions",
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_submissions_run_id")),
        sa.PrimaryKeyConstraint("sender", "key", name=op.f("pk_submissions")),
    )
    op.create_index(op.f("ix_submissions_run_id"), "submissions", ["run_id"], unique=False)
    usage = op.create_table(
        "usage",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTS),
        sa.PrimaryKeyConstraint("day", "run_id", "endpoint", "model", name=op.f("pk_usage")),
    )
    _count_what_was_told(usage)


def _count_what_was_told(usage: sa.Table) -> None:
    """The sums of the calls that events tell of."""
    events = sa.table(
        "events",
        sa.column("run_id", sa.Text()),
        sa.column("at", sa.DateTime(timezone=True)),
        sa.column("type", sa.Text()),
        sa.column("body", sa.JSON()),
    )
    called = sa.select(events.c.run_id, events.c.at, events.c.type, events.c.body).where(
        events.c.type.in_(("model called", "model troubled"))
    )
    sums: dict[tuple[date, str, str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
    at: datetime
    body: dict[str, Any]
    for run_id, at, kind, body in op.get_bind().execute(called):
        ticks = round(body.get("cost_usd", 0.0) * 10**10)
        if kind == "model troubled" and not ticks:
            continue
        day = at.date() if at.tzinfo is None else at.astimezone(UTC).date()
        model = body["model"] if kind == "model called" else ""
        counts = sums[day, run_id, body.get("endpoint", ""), model]
        counts["calls"] += 1
        counts["cost_ticks"] += ticks
        for name in COUNTS[1:-1]:
            counts[name] += body.get(name, 0)
    rows = [
        {"day": day, "run_id": run_id, "endpoint": endpoint, "model": model, **counts}
        for (day, run_id, endpoint, model), counts in sums.items()
    ]
    if rows:
        op.bulk_insert(usage, rows)
