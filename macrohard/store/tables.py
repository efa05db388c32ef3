"""The tables: events as they were told, and rows for what lists and sums need."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Date, DateTime, ForeignKey, Index, MetaData, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from macrohard.domain.project import DEFAULT

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Moment(TypeDecorator[datetime]):
    """A point in time; SQLite keeps no zone, so there it is kept as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text of any length; PostgreSQL has no place for NUL characters in it, which models and tools may well write."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else value.replace("\0", "\N{REPLACEMENT CHARACTER}")


class Table(DeclarativeBase):
    """Base of all tables. JSON stays text that is not looked into: PostgreSQL's jsonb refuses NUL characters."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own idiom)
        str: Words(),
        datetime: Moment(),
        date: Date(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
    }


class RunRow(Table):
    """A run and what lists show of it, kept up to date with every event."""

    __tablename__ = "runs"
    __table_args__ = (
        Index(None, "created_at", "id"),
        Index(None, "queued_at"),
        Index(None, "updated_at"),
        Index(None, "project", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    requirement: Mapped[str]
    options: Mapped[dict[str, Any]]
    model: Mapped[str]
    title: Mapped[str]
    status: Mapped[str]
    problem: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    worked_seconds: Mapped[float] = mapped_column(default=0.0)
    iterations: Mapped[int] = mapped_column(default=0)
    model_calls: Mapped[int] = mapped_column(default=0)
    cost_ticks: Mapped[int] = mapped_column(BigInteger, default=0)
    product_path: Mapped[str | None]
    wake_at: Mapped[datetime | None]
    """When a run that was parked is to go on by itself."""
    forecast: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What it will take, as far as that is known; the last word counts."""
    queued_at: Mapped[datetime | None]
    """Since when it waits for a worker, or one carries it out; None: no worker is to."""
    wish: Mapped[str | None]
    """What a person asked of the worker: pause or cancel."""
    project: Mapped[str] = mapped_column(default=DEFAULT, server_default=DEFAULT)
    """No foreign key, for SQLite cannot add one to a table: who makes a run holds the project's row."""


class ProjectRow(Table):
    """What runs belong to; a limit that is None is none."""

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    month_ticks: Mapped[int | None] = mapped_column(BigInteger)
    runs_at_work: Mapped[int | None]
    runs_per_day: Mapped[int | None]
    artifact_bytes: Mapped[int | None] = mapped_column(BigInteger)
    counted_day: Mapped[date | None]
    """In UTC; whose submissions `counted_runs` has, deleted ones too."""
    counted_runs: Mapped[int] = mapped_column(default=0, server_default="0")


class EventRow(Table):
    """A fact of a run; the number is its place in the order in which facts were told."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "run_id", "type"),)

    run_id: Mapped[str] = mapped_column(ForeignKey(RunRow.id), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    type: Mapped[str]
    worked_seconds: Mapped[float]
    """How long the run had been at work when this happened, without its pauses."""
    body: Mapped[dict[str, Any]]


class SessionRow(Table):
    """One agent's work on one assignment, with its sums."""

    __tablename__ = "sessions"

    run_id: Mapped[str] = mapped_column(ForeignKey(RunRow.id), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    iteration: Mapped[int]
    phase: Mapped[str]
    agent: Mapped[str]
    agent_hash: Mapped[str]
    persona: Mapped[str | None]
    task: Mapped[str]
    criteria: Mapped[list[str]]
    outcome: Mapped[str | None]
    problem: Mapped[str] = mapped_column(default="")
    commit: Mapped[str | None]
    model_calls: Mapped[int] = mapped_column(default=0)
    input_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    cached_tokens: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    output_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    cost_ticks: Mapped[int] = mapped_column(BigInteger, default=0)
    started_at: Mapped[datetime]
    seconds: Mapped[float] = mapped_column(default=0.0)
    parent: Mapped[str | None]
    """The session that started it; None: the factory did."""


class MessageRow(Table):
    """One message of a session's transcript; never changed."""

    __tablename__ = "messages"

    session_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    body: Mapped[dict[str, Any]]
    usage: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class ArtifactRow(Table):
    """What kind of content a blob is; the bytes are a file."""

    __tablename__ = "artifacts"

    digest: Mapped[str] = mapped_column(primary_key=True)
    media_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class ArtifactUseRow(Table):
    """That something of a run names an artifact: who may see the run may see it."""

    __tablename__ = "artifact_uses"

    digest: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey(RunRow.id), primary_key=True, index=True)


class LeaseRow(Table):
    """Which process carries a run out; no row: none."""

    __tablename__ = "leases"

    run_id: Mapped[str] = mapped_column(ForeignKey(RunRow.id), primary_key=True)
    holder: Mapped[str]
    """A random word of this one lease: a process that lost it cannot mistake the next one for its own."""
    owner: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime]


class BudgetRow(Table):
    """What a run may spend and has spent; amounts are ticks of 1e-10 USD, no cap is no limit."""

    __tablename__ = "budgets"

    run_id: Mapped[str] = mapped_column(ForeignKey(RunRow.id), primary_key=True)
    cap_ticks: Mapped[int | None] = mapped_column(BigInteger)
    cap_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cap_calls: Mapped[int | None] = mapped_column(BigInteger)
    cap_seconds: Mapped[float | None]
    cap_sessions: Mapped[int | None] = mapped_column(BigInteger)
    cap_fan_out: Mapped[int | None] = mapped_column(BigInteger)
    cap_depth: Mapped[int | None] = mapped_column(BigInteger)
    spent_ticks: Mapped[int] = mapped_column(BigInteger, default=0)
    reserved_ticks: Mapped[int] = mapped_column(BigInteger, default=0)
    spent_tokens: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    reserved_tokens: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    calls: Mapped[int] = mapped_column(BigInteger, default=0)
    sessions: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class ReservationRow(Table):
    """What one call may cost at worst, while it is not known what it did cost."""

    __tablename__ = "reservations"

    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey(BudgetRow.run_id), index=True)
    session_id: Mapped[str]
    ticks: Mapped[int] = mapped_column(BigInteger)
    tokens: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    created_at: Mapped[datetime]


class AdmissionRow(Table):
    """A session that the budget let begin; there is one row however often it is resumed."""

    __tablename__ = "admissions"
    __table_args__ = (Index(None, "run_id", "stage"),)

    run_id: Mapped[str] = mapped_column(ForeignKey(BudgetRow.run_id), primary_key=True)
    session_id: Mapped[str] = mapped_column(primary_key=True)
    stage: Mapped[str]
    """One phase in one iteration, `<run>/<iteration>/<phase>`: what a fan-out is counted in."""
    parent: Mapped[str | None]
    depth: Mapped[int]
    """1: started by the factory."""


class SpendingRow(Table):
    """What the calls of one session took at one endpoint's model; of failed calls the session is "" (none)."""

    __tablename__ = "spendings"

    run_id: Mapped[str] = mapped_column(ForeignKey(RunRow.id), primary_key=True)
    session_id: Mapped[str] = mapped_column(primary_key=True)
    endpoint: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    calls: Mapped[int] = mapped_column(BigInteger, default=0)
    input_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    cached_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    output_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    cost_ticks: Mapped[int] = mapped_column(BigInteger, default=0)


class CapabilityRow(Table):
    """What a model at an endpoint was seen to accept."""

    __tablename__ = "capabilities"

    endpoint_url: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    probed_at: Mapped[datetime]
    body: Mapped[dict[str, Any]]


class AnswerRow(Table):
    """What the person said to a question of the specification."""

    __tablename__ = "answers"

    run_id: Mapped[str] = mapped_column(ForeignKey(RunRow.id), primary_key=True)
    question_id: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]
    at: Mapped[datetime]


class RulingRow(Table):
    """What a person said where the run waited for a yes."""

    __tablename__ = "rulings"

    run_id: Mapped[str] = mapped_column(ForeignKey(RunRow.id), primary_key=True)
    point: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    """Its place among those at this point."""
    at: Mapped[datetime]
    body: Mapped[dict[str, Any]]


class FeedbackRow(Table):
    """A remark of a person, and what became of it."""

    __tablename__ = "feedback"
    __table_args__ = (Index(None, "run_id", "at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey(RunRow.id))
    at: Mapped[datetime]
    by: Mapped[str]
    body: Mapped[dict[str, Any]]
    """The remark as it was sent."""
    taken_in: Mapped[int | None]
    answer: Mapped[str] = mapped_column(default="", server_default="")
    answered_in: Mapped[int | None]


class NoteRow(Table):
    """What a person said to a session at work; never changed."""

    __tablename__ = "notes"

    session_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    by: Mapped[str]
    text: Mapped[str]
    stop: Mapped[bool]


class SubmissionRow(Table):
    """A submission that its sender may send again without a second run coming of it."""

    __tablename__ = "submissions"

    sender: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    """The sender's own word for it."""
    digest: Mapped[str]
    """SHA-256 of what was sent."""
    at: Mapped[datetime]
    run_id: Mapped[str | None] = mapped_column(ForeignKey(RunRow.id), index=True)
    """None: it is being worked on, or whoever did died."""
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class UsageRow(Table):
    """What the calls of one run took on one day at one endpoint's model; stays when the run is deleted."""

    __tablename__ = "usage"
    __table_args__ = (Index(None, "project", "day"),)

    day: Mapped[date] = mapped_column(primary_key=True)
    """In UTC."""
    run_id: Mapped[str] = mapped_column(primary_key=True)
    endpoint: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    """Empty: attempts that failed and cost something all the same."""
    calls: Mapped[int] = mapped_column(BigInteger, default=0)
    input_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    cached_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    output_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    cost_ticks: Mapped[int] = mapped_column(BigInteger, default=0)
    project: Mapped[str] = mapped_column(default=DEFAULT, server_default=DEFAULT)
    """The run's."""


class UserRow(Table):
    """Somebody of a team."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(primary_key=True)
    role: Mapped[str]
    password: Mapped[str | None]
    """Its hash, with all that is needed to check it; None: they come by another way."""
    created_at: Mapped[datetime]
    deactivated_at: Mapped[datetime | None]
    """Since when they are not let in."""


class IdentityRow(Table):
    """As whom an OpenID Connect provider knows a user."""

    __tablename__ = "identities"

    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey(UserRow.name), unique=True)
    created_at: Mapped[datetime]


class MemberRow(Table):
    """Somebody who sees a project."""

    __tablename__ = "members"

    project: Mapped[str] = mapped_column(ForeignKey(ProjectRow.name), primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey(UserRow.name), primary_key=True, index=True)
    role: Mapped[str]


class LoginRow(Table):
    """A browser that was let in; the cookie itself is not kept."""

    __tablename__ = "logins"

    hash: Mapped[str] = mapped_column(primary_key=True)
    user: Mapped[str] = mapped_column(ForeignKey(UserRow.name), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class TokenRow(Table):
    """What lets a program in; the token itself is not kept."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(primary_key=True)
    hash: Mapped[str] = mapped_column(unique=True)
    user: Mapped[str] = mapped_column(ForeignKey(UserRow.name), index=True)
    label: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    project: Mapped[str | None]
    """It is good for this one only; None: for all that its user sees."""


class AuditRow(Table):
    """What somebody did; triggers of the database refuse to change or remove one."""

    __tablename__ = "audit"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    body: Mapped[str]
    """Canonical JSON, kept as the text that was hashed."""
    previous: Mapped[str]
    hash: Mapped[str]


class AuditHeadRow(Table):
    """The end of the audit log: one row, which whoever writes holds, so that there is one writer at a time."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str]


class WebhookRow(Table):
    """An address that is told what happens."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    events: Mapped[list[str]]
    run_id: Mapped[str | None] = mapped_column(ForeignKey(RunRow.id), index=True)
    """None: it is told of every run."""
    by: Mapped[str]
    secret: Mapped[str]
    created_at: Mapped[datetime]


class DeliveryRow(Table):
    """One fact on its way to one address."""

    __tablename__ = "deliveries"
    __table_args__ = (Index(None, "status", "next_at"), Index(None, "webhook_id", "created_at"))

    id: Mapped[str] = mapped_column(primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey(WebhookRow.id))
    run_id: Mapped[str] = mapped_column(ForeignKey(RunRow.id), index=True)
    event: Mapped[str]
    body: Mapped[str]
    status: Mapped[str]
    attempts: Mapped[int]
    created_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    taken_until: Mapped[datetime | None]
    """Until then no other process sends it."""
    delivered_at: Mapped[datetime | None]
    problem: Mapped[str]
