"""Who may do what in a team's service, what lets them in, and what is kept of what they did."""

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum
from typing import Annotated, Literal

from pydantic import Field

from macrohard.domain.value import Value

RoleName = Literal["viewer", "reviewer", "operator", "admin"]
UserName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._@-]{0,63}$", examples=["ada"])]
Password = Annotated[str, Field(min_length=12, max_length=1000)]
"""Longer ones would make others wait: every letter is hashed."""


class Role(IntEnum):
    """What somebody may do; each may do what those before may."""

    VIEWER = 1
    """Look at everything."""
    REVIEWER = 2
    """Comment, answer questions, approve."""
    OPERATOR = 3
    """Submit, pause, cancel, spend."""
    ADMIN = 4
    """Users, tokens, settings."""

    @classmethod
    def named(cls, name: str) -> "Role":
        """The role of this name, in small letters."""
        return cls[name.upper()]


class User(Value):
    """Somebody of the team."""

    name: UserName
    role: RoleName
    """Theirs in the project "default", if they are a member of it; an admin is one everywhere."""
    created_at: datetime
    active: bool = True
    """False: they are not let in, in whatever way they come."""
    issuer: str | None = None
    """Of the OpenID Connect provider that says who they are, and by their groups which role they have."""


class ApiToken(Value):
    """What lets a program in on behalf of a user; the token itself is shown once, and only its hash is kept."""

    id: str
    user: str
    label: str
    role: RoleName
    """What it may be used for; never more than its user may do at the time."""
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    """To the minute; None: never."""
    project: str | None
    """It is good for this one only; None: for all that its user sees."""


class AuditEntry(Value):
    """Something that was done, or tried; it is never changed, and holds the hash of the one before."""

    number: int
    at: datetime
    who: str
    through: str
    """What showed who it was: "browser", "console", "password", "oidc", or the id of an API token."""
    address: str
    """From where, as far as the service can tell."""
    action: str
    """Such as "POST /api/v1/runs", "login", or "answer" for what became of an earlier entry."""
    facts: Mapping[str, str | int | None]
    previous: str
    hash: str
    """SHA-256, in hex, of `previous` and all other fields as canonical JSON."""


class AuditVerdict(Value):
    """Whether the audit log is as it was written."""

    entries: int
    """How many are known to be so, from the first one on."""
    hash: str
    """Of the last one of them; noted elsewhere, it shows later that all up to it are still the same."""
    problem: str
    """What is wrong behind them; empty: nothing."""
