"""The table `[oidc]`: by which provider a team's people log in, and what they may do by what it says of them."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from macrohard.domain import Value
from macrohard.domain.people import RoleName

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def safe_address(url: str) -> str:
    """The address as it is given; by https, but for what is on this machine."""
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("https", "http") or parts.query or parts.fragment:
        raise ValueError(f"{url!r} is no address such as https://login.example")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError(f"{url!r} has to be https: who is on the way could let anybody in")
    return url


Domain = Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,253}$")]
Scope = Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,200}$")]
"""As RFC 6749 has them: printable, without spaces."""


class OidcSettings(Value):
    """What a team's service knows of its OpenID Connect provider; the client's secret stands elsewhere."""

    issuer: Annotated[str, AfterValidator(safe_address)]
    """What the provider calls itself in its tokens, such as https://login.example/realms/staff."""
    client_id: str = Field(min_length=1, max_length=500)
    """What the provider calls this service."""
    title: str = Field(default="", max_length=40)
    """What people call the provider, for the button; empty: the issuer's host."""
    scopes: tuple[Scope, ...] = ("email", "profile")
    """What the provider is asked for besides `openid`."""
    name_claim: str = Field(default="email", min_length=1)
    """What people are called here. Who they are is known by issuer and subject alone."""
    groups_claim: str = Field(default="groups", min_length=1)
    """Where the provider lists somebody's groups; `a.b`: `b` in `a`, where there is no claim `a.b`."""
    roles: dict[RoleName, tuple[str, ...]] = Field(default_factory=dict)
    """Which groups have which role; who is in several has the one that may do most."""
    default_role: RoleName | None = None
    """Of who is in none of these groups; None: they are not let in."""
    domains: tuple[Domain, ...] = ()
    """Domains that an e-mail address has to be of, which the provider says it verified; empty: any, or none."""
    require: dict[str, str] = Field(default_factory=dict)
    """Claims that have to be just so, such as `hd` or `tid`."""
    adopt_by_email: bool = False
    """Whether a user with a password whose name is somebody's verified e-mail address is taken to be that person."""
    passwords: bool = True
    """Whether users who have a password can log in by it as well."""
    hours: int = Field(default=24, ge=1, le=24 * 14)
    """How long a login is good for: roles are looked at when somebody logs in."""

    @model_validator(mode="after")
    def _somebody_is_let_in(self) -> "OidcSettings":
        if self.default_role is None and not any(self.roles.values()):
            raise ValueError("nobody would be let in: give roles to groups (roles), or a default_role")
        return self

    @property
    def called(self) -> str:
        """What the provider is called."""
        return self.title or urlsplit(self.issuer).hostname or self.issuer
