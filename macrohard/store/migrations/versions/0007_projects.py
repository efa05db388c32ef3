"""Projects that runs belong to, their members and quotas, and which run has which artifact."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_DIGEST = re.compile(r'"([0-9a-f]{64})"')
BATCH = 500


def upgrade() -> None:
    projects = op.create_table(
        "projects",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("month_ticks", sa.BigInteger(), nullable=True),
        sa.Column("runs_at_work", sa.Integer(), nullable=True),
        sa.Column("runs_per_day", sa.Integer(), nullable=True),
        sa.Column("artifact_bytes", sa.BigInteger(), nullable=True),
        sa.Column("counted_day", sa.Date(), nullable=True),
        sa.Column("counted_runs", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_projects")),
    )
    op.bulk_insert(projects, [{"name": "default", "created_at": datetime.now(UTC), "counted_runs": 0}])
    op.create_table(
        "members",
        sa.Column("project", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.name"], name=op.f("fk_members_project")),
        sa.ForeignKeyConstraint(["user"], ["users.name"], name=op.f("fk_members_user")),
        sa.PrimaryKeyConstraint("project", "user", name=op.f("pk_members")),
    )
    op.create_index(op.f("ix_members_user"), "members", ["user"], unique=False)
    op.execute("""INSERT INTO members (project, "user", role) SELECT 'default', name, role FROM users""")
    op.add_column("runs", sa.Column("project", sa.Text(), server_default="default", nullable=False))
    op.create_index(op.f("ix_runs_project_created_at_id"), "runs", ["project", "created_at", "id"], unique=False)
    op.add_column("usage", sa.Column("project", sa.Text(), server_default="default", nullable=False))
    op.create_index(op.f("ix_usage_project_day"), "usage", ["project", "day"], unique=False)
    op.add_column("tokens", sa.Column("project", sa.Text(), nullable=True))
    uses = op.create_table(
        "artifact_uses",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_artifact_uses_run_id")),
        sa.PrimaryKeyConstraint("digest", "run_id", name=op.f("pk_artifact_uses")),
    )
    op.create_index(op.f("ix_artifact_uses_run_id"), "artifact_uses", ["run_id"], unique=False)
    _note_who_has_what(uses)


def _note_who_has_what(uses: sa.Table) -> None:
    """What events and transcripts of before name; a message belongs to the run with which its session's id begins."""
    here = op.get_bind()
    kept = set(here.scalars(sa.text("SELECT digest FROM artifacts")))
    if not kept:
        return
    runs = set(here.scalars(sa.text("SELECT id FROM runs")))
    rows = [
        {"digest": digest, "run_id": run} for digest, run in sorted(set(_named(here))) if digest in kept and run in runs
    ]
    for start in range(0, len(rows), BATCH):
        op.bulk_insert(uses, rows[start : start + BATCH])


def _named(here: Any) -> Iterator[tuple[str, str]]:
    for table, owner in (("events", "run_id"), ("messages", "session_id")):
        said = sa.table(table, sa.column(owner, sa.Text()), sa.column("body", sa.JSON()))
        wanted = sa.select(said.c[owner], said.c.body)
        for name, body in here.execute(wanted, execution_options={"yield_per": BATCH}):
            for digest in _DIGEST.findall(json.dumps(body)):
                yield digest, name.split("/", 1)[0]
