"""Projects: what runs belong to, who sees it, and how much it may take."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import Field

from macrohard.domain.people import RoleName, UserName
from macrohard.domain.value import Value

DEFAULT: Final = "default"
"""The project that is always there, to which a run belongs of which nobody says otherwise."""

ProjectName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", examples=["website"])]


class Quotas(Value):
    """What the runs of one project may take together; None: no limit."""

    usd_per_month: float | None = Field(default=None, gt=0, le=10**7, allow_inf_nan=False, examples=[500])
    """In one calendar month of UTC. What a run may still spend is counted from its submission until it is over."""
    runs_at_work: int | None = Field(default=None, ge=1, le=10_000, examples=[4])
    """At once; others wait in the queue."""
    runs_per_day: int | None = Field(default=None, ge=1, le=10**6, examples=[50])
    """Submitted on one day of UTC, forks included, deleted ones too."""
    artifact_bytes: int | None = Field(default=None, ge=1, le=2**53, examples=[20_000_000_000])
    """Of the screenshots, logs, films and documents that its runs keep; behind it nothing new begins."""


class Project(Value):
    """A project."""

    name: ProjectName
    created_at: datetime
    quotas: Quotas


class Member(Value):
    """Somebody who sees a project, and what they may do in it."""

    user: UserName
    role: RoleName


class ProjectUsage(Value):
    """What the runs of a project take now."""

    spent_usd: float
    """This month, by calls, also those of deleted runs."""
    reserved_usd: float
    """What runs that are not over may still spend, and what is lost of calls that nobody knows the cost of."""
    runs_at_work: int
    runs_waiting: int
    """For a worker, or a place."""
    runs_today: int
    """Submitted since midnight UTC."""
    artifact_bytes: int
