"""Who somebody is by what a provider says of them, and who is not let in."""

from typing import Any

import pytest
from pydantic import ValidationError

from macrohard.errors import LoginRefused
from macrohard.server.people.claims import Person, person_of
from macrohard.settings.oidc import OidcSettings

ADA = {"sub": "7", "email": "Ada@Example.com", "email_verified": True, "groups": ["staff", "dev"]}


def person(claims: dict[str, Any], **settings: Any) -> Person:
    given = {"issuer": "https://login.example", "client_id": "m", "title": "Example", "default_role": "viewer"}
    return person_of({**ADA, **claims}, OidcSettings.model_validate({**given, **settings}))


ROLES = {"admin": ["boss"], "operator": ["dev"], "reviewer": ["staff"]}


@pytest.mark.parametrize(
    ("claims", "settings", "role"),
    [
        pytest.param({}, {"roles": ROLES}, "operator", id="the one of two that may do more"),
        pytest.param({"groups": "boss"}, {"roles": ROLES}, "admin", id="one group, not in a list"),
        pytest.param({"groups": ["others"]}, {"roles": ROLES}, "viewer", id="in none, with a default"),
        pytest.param({"groups": [7, None, "dev"]}, {"roles": ROLES}, "operator", id="things that are no groups"),
        pytest.param({"groups": {"boss": "boss"}}, {"roles": ROLES}, "viewer", id="no list of groups"),
        pytest.param(
            {"realm_access": {"roles": ["boss"]}},
            {"roles": ROLES, "groups_claim": "realm_access.roles"},
            "admin",
            id="groups in a claim",
        ),
        pytest.param(
            {"https://a.example/groups": ["boss"]},
            {"roles": ROLES, "groups_claim": "https://a.example/groups"},
            "admin",
            id="a claim with dots in its name",
        ),
    ],
)
def test_groups_say_what_one_may_do(claims: dict[str, Any], settings: dict[str, Any], role: str) -> None:
    assert person(claims, **settings).role == role


@pytest.mark.parametrize(
    ("claims", "settings", "why"),
    [
        pytest.param({}, {"roles": {"admin": ["boss"]}, "default_role": None}, "in no group at Example", id="no group"),
        pytest.param({"_claim_names": {"groups": "src1"}}, {}, "more groups than", id="too many groups to say"),
        pytest.param({}, {"domains": ["other.example"]}, "addresses of example.com are not", id="another domain"),
        pytest.param({"email": "a@example.com.evil"}, {"domains": ["example.com"]}, "not let in", id="a longer domain"),
        pytest.param({"email_verified": False}, {"domains": ["example.com"]}, "is verified", id="not verified"),
        pytest.param({"email_verified": None}, {"domains": ["example.com"]}, "is verified", id="not said whether"),
        pytest.param({"email_verified": "no"}, {"domains": ["example.com"]}, "is verified", id="another word"),
        pytest.param({"email_verified": False}, {}, "did not verify", id="called by an address of anybody"),
        pytest.param({"email": None}, {"domains": ["example.com"]}, "is verified", id="no address"),
        pytest.param({"email": None}, {}, "does not say your email; an admin", id="no name"),
        pytest.param({"email": "…"}, {}, "makes no name here", id="nothing to be called by"),
        pytest.param({"email": "a" * 65}, {}, "makes no name here", id="too long to be called by"),
        pytest.param({}, {"require": {"hd": "example.com"}}, "has 'example.com' as hd", id="a claim is not there"),
        pytest.param({"tid": "2"}, {"require": {"tid": "1"}}, "has '1' as tid", id="a claim is another"),
    ],
)
def test_who_is_not_let_in_is_told_why(claims: dict[str, Any], settings: dict[str, Any], why: str) -> None:
    with pytest.raises(LoginRefused) as refusal:
        person(claims, **settings)
    assert why in str(refusal.value)
    assert refusal.value.status == 403


@pytest.mark.parametrize(
    ("said", "name"),
    [("Ada@Example.com", "ada@example.com"), ("ada+x@example.com", "ada-x@example.com"), (" Zoë  A. ", "zo-a.")],
)
def test_people_are_called_as_names_are_here(said: str, name: str) -> None:
    assert person({"nick": said}, name_claim="nick").name == name


def test_somebody_is_taken_for_a_user_with_a_password_by_a_verified_address_only_and_if_that_is_wanted() -> None:
    assert person({}, adopt_by_email=True).adopt is True
    assert person({}).adopt is False
    assert person({"email_verified": None}, adopt_by_email=True).adopt is False
    assert person({"nick": "root"}, adopt_by_email=True, name_claim="nick").adopt is False
    assert person({"email": "a+b@example.com"}, adopt_by_email=True).adopt is False, "it is another one's address too"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"issuer": "http://login.example"}, "has to be https"),
        ({"issuer": "login.example"}, "no address"),
        ({"issuer": "https://login.example?x=1"}, "no address"),
        ({"default_role": None}, "nobody would be let in"),
        ({"default_role": None, "roles": {"admin": []}}, "nobody would be let in"),
        ({"roles": {"owner": ["a"]}}, "owner"),
        ({"client_secret": "x"}, "client_secret"),
    ],
)
def test_settings_that_could_not_be_meant_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        person({}, **settings)
