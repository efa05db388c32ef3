"""Budgets of every kind, costs by endpoint, probed capabilities, forecasts, and runs that wake up by themselves."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _add("runs", sa.Column("wake_at", sa.DateTime(timezone=True), nullable=True))
    _add("runs", sa.Column("forecast", sa.JSON(none_as_null=True), nullable=True))
    _add("sessions", _count("cached_tokens"), _count("reasoning_tokens"), sa.Column("parent", sa.Text(), nullable=True))
    for of in ("tokens", "sessions", "fan_out", "depth"):
        _add("budgets", sa.Column(f"cap_{of}", sa.BigInteger(), nullable=True))
    _add("budgets", sa.Column("cap_seconds", sa.Double(), nullable=True))
    _add("budgets", _count("spent_tokens"), _count("reserved_tokens"), _count("sessions"))
    _add("reservations", _count("tokens"))

    op.create_table(
        "admissions",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["budgets.run_id"], name=op.f("fk_admissions_run_id")),
        sa.PrimaryKeyConstraint("run_id", "session_id", name=op.f("pk_admissions")),
    )
    op.create_index(op.f("ix_admissions_run_id_stage"), "admissions", ["run_id", "stage"], unique=False)
    op.create_table(
        "spendings",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cost_ticks", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_spendings_run_id")),
        sa.PrimaryKeyConstraint("run_id", "session_id", "endpoint", "model", name=op.f("pk_spendings")),
    )
    op.create_table(
        "capabilities",
        sa.Column("endpoint_url", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("probed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint_url", "model", name=op.f("pk_capabilities")),
    )
    _carry_over()


def _carry_over() -> None:
    """Fill in what the runs of before have taken already, so that their caps and sums stay true when they go on."""
    op.execute(
        "INSERT INTO admissions (run_id, session_id, stage, depth) "
        "SELECT run_id, id, run_id || '/' || iteration || '/' || phase, 1 FROM sessions "
        "WHERE run_id IN (SELECT run_id FROM budgets)"
    )
    # The endpoint was not recorded then.
    op.execute(
        "INSERT INTO spendings (run_id, session_id, endpoint, model, calls, input_tokens, cached_tokens, "
        "output_tokens, reasoning_tokens, cost_ticks) "
        "SELECT s.run_id, s.id, '', r.model, s.model_calls, s.input_tokens, 0, s.output_tokens, 0, s.cost_ticks "
        "FROM sessions s JOIN runs r ON r.id = s.run_id WHERE s.model_calls > 0"
    )
    op.execute(
        "UPDATE budgets SET sessions = (SELECT count(*) FROM admissions a WHERE a.run_id = budgets.run_id), "
        "spent_tokens = (SELECT coalesce(sum(input_tokens + output_tokens), 0) FROM spendings s "
        "WHERE s.run_id = budgets.run_id)"
    )


def _add(table: str, *columns: sa.Column[Any]) -> None:
    for column in columns:
        op.add_column(table, column)


def _count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
