"""What a provider says of somebody, and who that is here: their name and role, or why they are not let in."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from macrohard.domain import Value
from macrohard.domain.people import Role, RoleName, UserName
from macrohard.errors import LoginRefused
from macrohard.settings.oidc import OidcSettings

_NAME: TypeAdapter[str] = TypeAdapter(UserName)
_ADMIN = "an admin of this service"


class Person(Value):
    """Somebody whom a provider knows, as they are to be here."""

    issuer: str
    subject: str
    name: str
    """If they are new."""
    role: RoleName
    adopt: bool
    """Whether they are the user of this name, if there is one with a password."""


def person_of(claims: Mapping[str, Any], settings: OidcSettings) -> Person:
    """Who somebody is by claims that were checked.

    Raises:
        LoginRefused: they may not come in; says why, and who could change that.
    """
    for claim, wanted in settings.require.items():
        if str(claims.get(claim, "")) != wanted:
            raise _refused(f"who comes in here has {wanted!r} as {claim} at {settings.called}, and you have not")
    email = str(claims.get("email") or "").lower()
    # Some providers send the word.
    verified = bool(email) and claims.get("email_verified") in (True, "true")
    if settings.domains:
        if not verified:
            raise _refused(f"{settings.called} does not say that your e-mail address is verified; ask who runs it")
        if email.rpartition("@")[2] not in settings.domains:
            raise _refused(f"people with addresses of {email.rpartition('@')[2]} are not let in; ask {_ADMIN}")
    name = _name(claims, settings)
    return Person(
        issuer=settings.issuer,
        subject=str(claims["sub"]),
        name=name,
        role=_role(claims, settings),
        adopt=settings.adopt_by_email and verified and name == email,
    )


def _name(claims: Mapping[str, Any], settings: OidcSettings) -> str:
    said = claims.get(settings.name_claim)
    if not isinstance(said, str) or not said.strip():
        raise _refused(
            f"{settings.called} does not say your {settings.name_claim}; {_ADMIN} has to set oidc.name_claim"
        )
    if settings.name_claim == "email" and claims.get("email_verified") in (False, "false"):
        raise _refused(f"{settings.called} did not verify your e-mail address yet; ask who runs it")
    name = re.sub(r"[^a-z0-9._@-]+", "-", said.strip().lower()).lstrip("._@-")
    try:
        return _NAME.validate_python(name)
    except ValidationError as error:
        raise _refused(
            f"your {settings.name_claim} at {settings.called} makes no name here; {_ADMIN} has to set oidc.name_claim"
        ) from error


def _role(claims: Mapping[str, Any], settings: OidcSettings) -> RoleName:
    groups = _groups(claims, settings)
    theirs = [role for role, names in settings.roles.items() if groups.intersection(names)]
    if theirs:
        return max(theirs, key=Role.named)
    if settings.default_role is None:
        raise _refused(
            f"you are in no group at {settings.called} that is let in here; ask who runs it to put you into one, or "
            f"{_ADMIN} to let one of yours in"
        )
    return settings.default_role


def _groups(claims: Mapping[str, Any], settings: OidcSettings) -> frozenset[str]:
    name = settings.groups_claim
    if name in (claims.get("_claim_names") or {}):
        raise _refused(
            f"you are in more groups than {settings.called} puts into a token; who runs it has to send only those that "
            "are assigned to this application"
        )
    said: Any = claims
    for part in (name,) if name in claims else name.split("."):
        said = said.get(part) if isinstance(said, Mapping) else None
    if isinstance(said, str):
        return frozenset((said,))
    return frozenset(each for each in said if isinstance(each, str)) if isinstance(said, list) else frozenset()


def _refused(problem: str) -> LoginRefused:
    return LoginRefused(problem, status=403)
