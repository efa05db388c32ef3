"""People who log in by an OpenID Connect provider: one that is well, one that lies, and one that is away."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from playwright.sync_api import Page, sync_playwright
from pydantic import SecretStr

from macrohard.cli.checkup import _login
from macrohard.errors import RequestError
from macrohard.server.people.oidc import Provider as Relying
from macrohard.server.people.oidc import provider_of
from macrohard.settings import load_settings
from macrohard.settings.oidc import OidcSettings
from tests.server.conftest import Installation, Running, installed
from tests.server.provider import OTHERS, Json, Provider, altered, providing, resigned, signed_by_all, unsigned
from tests.server.seeding import AXE

SECRET = "hush-hush-not-to-be-shown"
PASSWORD = "correct horse battery"
ROLES = {"admin": ["bosses"], "operator": ["devs"], "viewer": ["staff"]}
RETURN = "/login/oidc/return"


@dataclass
class Firm:
    """A service whose people log in by a provider, and a second one for the same people with other settings."""

    provider: Provider
    service: Running
    strict: Running
    """Behind a proxy; takes no passwords, and takes users with a verified address for those who had one before."""

    def knows(self, subject: str, group: str, **claims: Any) -> None:
        address = {"email": f"{subject}@example.com", "email_verified": True}
        self.provider.knows(subject, **{**address, "groups": [group], **claims})

    def way(self, browser: requests.Session, subject: str, *, to: str = "/", service: Running | None = None) -> str:
        """Where the provider sends a browser back to in which somebody says that they are this one."""
        service = service or self.service
        out = browser.get(f"{service.base_url}/login/oidc", params={"to": to}, allow_redirects=False)
        assert out.status_code == 303, out.text
        back = browser.post(out.headers["Location"], {"sub": subject}, allow_redirects=False)
        assert back.status_code == 302, back.text
        return back.headers["Location"]

    def comes(
        self, subject: str, *, to: str = "/", service: Running | None = None
    ) -> tuple[requests.Session, requests.Response]:
        browser = requests.Session()
        return browser, browser.get(self.way(browser, subject, to=to, service=service), allow_redirects=False)

    def admin(self) -> requests.Session:
        self.knows("boss", "bosses")
        browser, _ = self.comes("boss")
        browser.headers["Origin"] = self.service.base_url
        return browser

    def me(self, browser: requests.Session) -> Any:
        return browser.get(f"{self.service.base_url}/api/v1/me").json()

    def audited(self) -> list[Json]:
        answer = self.admin().get(f"{self.service.base_url}/api/v1/audit?limit=60")
        return list(answer.json()["entries"])


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory, repository_root: Path) -> Iterator[Firm]:
    with providing() as provider, installed(tmp_path_factory.mktemp("firm"), repository_root) as installation:
        settings = {
            "issuer": provider.address, "client_id": "macrohard", "title": "Example <b>ID</b>", "roles": ROLES,
            "domains": ["example.com"],
        }  # fmt: skip
        installation.environment |= {
            "MACROHARD_OIDC": json.dumps(settings), "MACROHARD_OIDC_CLIENT_SECRET": SECRET, "NO_PROXY": "*",
        }  # fmt: skip
        service = installation.serve("--team", "--workers", "0")
        installation.environment["MACROHARD_OIDC"] = json.dumps(
            {**settings, "passwords": False, "adopt_by_email": True}
        )
        proxied = ("--proxy", "127.0.0.1", "--host-name", "factory.example")
        yield Firm(provider, service, installation.serve("--team", "--workers", "0", *proxied))


def problem(answer: requests.Response) -> str:
    """What the login's page says went wrong."""
    found = re.search(r'role="alert">([^<]*)<', answer.text)
    assert found is not None, answer.text
    return found[1]


def test_people_log_in_where_they_wanted_to_go_and_out_again(firm: Firm) -> None:
    base = firm.service.base_url
    firm.provider.knows("ada", email="Ada@Example.com", email_verified=True, groups=["staff", "devs"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = browser.new_context()
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(f"{base}/fleet")
        assert page.url == f"{base}/login?to=%2Ffleet"
        page.get_by_role("link", name="Continue with Example <b>ID</b>").click()
        asked = parse_qs(urlsplit(page.url).query)
        assert asked["redirect_uri"] == [f"{base}{RETURN}"]
        assert (asked["code_challenge_method"], asked["response_type"]) == (["S256"], ["code"])
        assert all(len(asked[name][0]) >= 20 for name in ("state", "nonce", "code_challenge"))
        says_who(page, "ada")
        page.wait_for_url(f"{base}/fleet")
        assert page.evaluate("fetch('/api/v1/me').then(answer => answer.json())")["role"] == "operator"
        page.goto(f"{base}/account")
        assert page.get_by_label("Current password").count() == 0

        firm.knows("ada", "bosses")
        log_out(page, base)
        page.get_by_role("link", name="Continue with").click()
        says_who(page, "ada")
        page.wait_for_url(f"{base}/")
        page.goto(f"{base}/users")
        row = page.get_by_role("row", name="ada@example.com")
        assert firm.provider.address in row.inner_text()
        assert row.get_by_label("Role of").input_value() == "admin"

        log_out(page, base)
        page.goto(f"{base}/fleet")
        assert page.url == f"{base}/login?to=%2Ffleet"
        page.goto(f"{base}/login?left=true")
        page.get_by_role("link", name="log out there too").click()
        page.wait_for_url(f"{firm.provider.address}/oauth2/end_session?client_id=macrohard")

        firm.knows("eve", "bosses", email="eve@evil.example")
        page.goto(f"{base}/login")
        page.get_by_role("link", name="Continue with").click()
        says_who(page, "eve")
        page.get_by_role("alert").get_by_text("people with addresses of evil.example are not let in").wait_for()
        assert [cookie["name"] for cookie in context.cookies(base)] == []
        assert wrong == []
        browser.close()
    entries = firm.audited()
    refused = next(entry for entry in entries if entry["facts"].get("email") == "eve@evil.example")
    assert (refused["action"], refused["through"], refused["facts"]["succeeded"]) == ("login", "oidc", "no")
    made = next(entry for entry in entries if entry["action"] == "users add" and entry["who"] == "ada@example.com")
    assert (made["facts"]["subject"], made["facts"]["role"]) == ("ada", "operator")
    came = [entry["facts"] for entry in entries if entry["action"] == "login" and entry["who"] == "ada@example.com"]
    assert [(each["before"], each["role"]) for each in came] == [("operator", "admin"), (None, "operator")]


def says_who(page: Page, subject: str) -> None:
    page.get_by_placeholder("sub").fill(subject)
    page.get_by_role("button", name="Authorize").click()


def log_out(page: Page, base: str) -> None:
    page.goto(f"{base}/account")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{base}/login?left=true")


def test_the_login_is_readable_for_everybody_however_it_went(firm: Firm) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 375, "height": 780}, color_scheme="dark", bypass_csp=True)
        for address in ("/login?left=true", f"{RETURN}?state=x&code=y"):
            page.goto(firm.service.base_url + address)
            page.evaluate(AXE)
            found = page.evaluate("axe.run({resultTypes: ['violations']})")
            assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        browser.close()


def test_a_way_back_is_good_once_and_in_its_own_browser_only(firm: Firm) -> None:
    firm.knows("bea", "staff")
    browser = requests.Session()
    way = firm.way(browser, "bea")
    kept = browser.cookies.copy()
    assert requests.get(way, allow_redirects=False, timeout=30).status_code == 400, "another browser"
    other = requests.Session()
    firm.way(other, "bea")
    assert other.get(way, allow_redirects=False).status_code == 400, "another login's state"
    made_up = requests.Session()
    made_up.cookies.set("macrohard-errand", kept["macrohard-errand"].partition(".")[0] + ".x.y")
    assert made_up.get(way, allow_redirects=False).status_code == 400, "a cookie that is not ours"
    came = browser.get(way, allow_redirects=False)
    assert (came.status_code, came.headers["Location"]) == (303, "/")
    assert "macrohard-errand" not in browser.cookies
    again = requests.Session()
    again.cookies.update(kept)
    answer = again.get(way, allow_redirects=False)
    assert (answer.status_code, "macrohard" in again.cookies) == (400, False)
    assert "is over; log in again" in problem(answer)

    used = parse_qs(urlsplit(way).query)["code"][0]
    state = parse_qs(urlsplit(firm.way(again, "bea")).query)["state"][0]
    answer = again.get(f"{firm.service.base_url}{RETURN}", params={"code": used, "state": state})
    assert (answer.status_code, "macrohard" in again.cookies) == (400, False)
    assert "it was used before, or took too long" in problem(answer)


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_led_elsewhere(firm: Firm, to: str) -> None:
    firm.knows("bea", "staff")
    _, came = firm.comes("bea", to=to)
    assert (came.status_code, came.headers["Location"]) == (303, "/")


NOT_ASKED_FOR = "is not what OpenID Connect asks for"
TOKENS: dict[str, tuple[Callable[[Json], Json], str]] = {
    "signed by somebody else": (resigned, NOT_ASKED_FOR),
    "not signed": (unsigned, NOT_ASKED_FOR),
    "signed by what everybody has": (signed_by_all, NOT_ASKED_FOR),
    "altered": (altered, NOT_ASKED_FOR),
    "no token": (lambda body: {**body, "id_token": "x"}, NOT_ASKED_FOR),
    "left out": (lambda body: {key: value for key, value in body.items() if key != "id_token"}, "sent no ID token"),
}


@pytest.mark.parametrize("case", TOKENS)
def test_an_id_token_that_the_provider_did_not_sign_lets_nobody_in(firm: Firm, case: str) -> None:
    change, why = TOKENS[case]
    firm.knows("boss", "bosses")
    with firm.provider.with_token(change):
        browser, answer = firm.comes("boss")
    assert (answer.status_code, browser.cookies.get_dict()) == (502, {})
    assert why in problem(answer)


def test_a_key_that_everybody_has_is_no_key_though_the_provider_published_it(firm: Firm) -> None:
    def answers(path: str, status: int, body: Json) -> tuple[int, Json]:
        if path == "/jwks":
            return status, {"keys": [OTHERS.as_dict(private=False)]}
        if path.endswith("openid-configuration"):
            return status, {**body, "id_token_signing_alg_values_supported": ["none", "HS256", "RS256"]}
        return status, signed_by_all(body) if path == "/oauth2/token" else body

    firm.knows("boss", "bosses")
    firm.provider.answers = answers
    browser, answer = firm.comes("boss")
    firm.provider.well()
    assert (answer.status_code, browser.cookies.get_dict()) == (502, {})


NOT_NOW, NOT_US = "see to its clock", "is not for this service"
CLAIMS: dict[str, tuple[Json, str]] = {
    "for somebody else": ({"aud": "other"}, NOT_US),
    "for somebody else, by way of us": ({"aud": "other", "azp": "macrohard"}, NOT_US),
    "for us, by way of somebody else": ({"aud": ["macrohard", "other"], "azp": "other"}, NOT_US),
    "of another issuer": ({"iss": "https://evil.example"}, NOT_US),
    "too old": ({"exp": time.time() - 3600}, NOT_NOW),
    "of later": ({"iat": time.time() + 3600, "exp": time.time() + 7200}, NOT_NOW),
    "for another login": ({"nonce": "x"}, "answered to another login"),
    "of nobody": ({"sub": None}, NOT_US),
}


@pytest.mark.parametrize("case", CLAIMS)
def test_an_id_token_of_something_else_lets_nobody_in(firm: Firm, case: str) -> None:
    change, why = CLAIMS[case]
    firm.knows("bea", "staff")
    with firm.provider.with_claims(lambda claims: claims):
        assert firm.comes("bea")[1].status_code == 303, "what is only signed anew is good"
    with firm.provider.with_claims(lambda claims: {**claims, **change}):
        browser, answer = firm.comes("bea")
    assert (answer.status_code, browser.cookies.get_dict()) == (502, {})
    assert why in problem(answer)
    with firm.provider.with_claims(lambda claims: {key: claims[key] for key in claims if key not in change}):
        assert "azp" in change or firm.comes("bea")[1].status_code == 502, "it may not be left out either"


def test_what_the_token_does_not_say_is_asked_for_and_is_of_the_same_person(firm: Firm) -> None:
    firm.knows("cy", "devs")

    def thin(claims: Json) -> Json:
        return {name: value for name, value in claims.items() if name not in ("email", "email_verified", "groups")}

    with firm.provider.with_claims(thin):
        browser, _ = firm.comes("cy")
        assert firm.me(browser)["role"] == "operator"
        exchanged = firm.provider.answers

        def mixed_up(path: str, status: int, body: Json) -> tuple[int, Json]:
            return exchanged(path, status, {**body, "sub": "boss"} if path == "/userinfo" else body)

        firm.provider.answers = mixed_up
        assert firm.comes("cy")[1].status_code == 502


FAILURES: dict[str, tuple[str, int, Json, int, str]] = {
    "another secret": ("/oauth2/token", 401, {"error": "invalid_client"}, 502, "an admin of this service has to set"),
    "a name": ("/oauth2/token", 400, {"error": "<script>"}, 502, "finds its reason in the service's log"),
    "out of order": ("/oauth2/token", 500, {}, 503, "is out of order (HTTP 500); try again later"),
    "no keys": ("/jwks", 404, {}, 503, "is out of order (HTTP 404)"),
    "no provider": ("/.well-known/openid-configuration", 404, {}, 502, "has to mend oidc.issuer"),
    "another name": (
        "/.well-known/openid-configuration", 200, {"issuer": "https://other.example"}, 502,
        "has to set oidc.issuer to that",
    ),
    "something else": ("/.well-known/openid-configuration", 200, {"issuer": 7}, 502, NOT_ASKED_FOR),
    "an address to listen at": (
        "/.well-known/openid-configuration", 200, {"token_endpoint": "http://evil.example/token"}, 502, NOT_ASKED_FOR,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES)
def test_who_has_to_act_is_said_when_the_provider_fails(firm: Firm, case: str) -> None:
    path, status, change, answered, why = FAILURES[case]
    firm.knows("bea", "staff")
    browser = requests.Session()
    way = firm.way(browser, "bea")
    firm.provider.answers = lambda asked, was, body: (status, {**body, **change}) if asked == path else (was, body)
    answer = browser.get(way)
    firm.provider.well()
    assert (answer.status_code, browser.cookies.get_dict()) == (answered, {})
    assert why in problem(answer).replace("&#39;", "'")
    assert SECRET not in answer.text


def test_a_provider_that_is_away_or_lives_at_another_time_is_told_apart(firm: Firm) -> None:
    login = f"{firm.service.base_url}/login/oidc"
    firm.provider.away = True
    away = requests.get(login, allow_redirects=False, timeout=30)
    firm.provider.well()
    firm.provider.hours_ahead = 2
    late = requests.get(login, allow_redirects=False, timeout=30)
    firm.provider.well()
    assert (away.status_code, "does not answer; try again later" in problem(away)) == (503, True)
    assert (late.status_code, "has to set its clock" in problem(late)) == (502, True)
    assert "hours" not in problem(away)
    browser = requests.Session()
    state = parse_qs(urlsplit(firm.way(browser, "bea")).query)["state"][0]
    said = {"error": "access_denied", "error_description": "call 555-1234", "state": state}
    denied = browser.get(f"{firm.service.base_url}{RETURN}", params=said)
    assert (denied.status_code, "ask who runs" in problem(denied), "555" in denied.text) == (403, True, False)
    made_up = requests.get(f"{firm.service.base_url}{RETURN}", params={**said, "state": "x"}, timeout=30)
    assert (made_up.status_code, "ask who runs" in problem(made_up)) == (400, False)


def test_who_is_deactivated_is_refused_wherever_they_come(firm: Firm) -> None:
    firm.knows("dan", "staff")
    browser, _ = firm.comes("dan")
    assert (firm.me(browser)["name"], firm.me(browser)["role"]) == ("dan@example.com", "viewer")
    admin, user = firm.admin(), f"{firm.service.base_url}/api/v1/users/dan@example.com"
    changed = admin.patch(user, json={"active": False})
    assert (changed.status_code, changed.json()["active"]) == (200, False)
    assert browser.get(f"{firm.service.base_url}/api/v1/me").status_code == 401
    _, answer = firm.comes("dan")
    assert (answer.status_code, "dan@example.com is deactivated" in problem(answer)) == (403, True)
    page = admin.post(f"{firm.service.base_url}/users/dan@example.com/active", {"active": "true"})
    assert (page.status_code, "Deactivate dan@example.com" in page.text) == (200, True)
    assert firm.comes("dan")[1].status_code == 303


def test_a_password_s_user_is_not_somebody_else_because_of_an_address(firm: Firm) -> None:
    user = {"name": "flo@example.com", "role": "viewer", "password": PASSWORD}
    admin = firm.admin()
    assert admin.post(f"{firm.service.base_url}/api/v1/users", json=user).status_code == 201
    firm.knows("flo", "devs")
    _, answer = firm.comes("flo")
    assert (answer.status_code, "another user called flo@example.com" in problem(answer)) == (403, True)
    firm.knows("flo", "devs", email_verified=False)
    assert firm.comes("flo", service=firm.strict)[1].status_code == 403
    firm.knows("flo", "devs")
    browser, answer = firm.comes("flo", service=firm.strict)
    assert (answer.status_code, firm.me(browser)["name"]) == (303, "flo@example.com")
    assert firm.me(browser)["role"] == "operator"
    firm.knows("flo2", "bosses", email="flo@example.com")
    assert firm.comes("flo2", service=firm.strict)[1].status_code == 403
    form = {"name": user["name"], "password": PASSWORD}
    for service, status in ((firm.service, 303), (firm.strict, 403)):
        headers = {"Origin": service.base_url}
        answer = requests.post(f"{service.base_url}/login", form, headers=headers, allow_redirects=False, timeout=30)
        assert answer.status_code == status
    assert 'type="password"' not in requests.get(f"{firm.strict.base_url}/login", timeout=30).text


def test_behind_a_proxy_the_provider_is_told_the_address_that_people_see(firm: Firm) -> None:
    headers = {"Host": "factory.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.9"}
    for service, wanted in ((firm.strict, f"https://factory.example{RETURN}"), (firm.service, None)):
        answer = requests.get(f"{service.base_url}/login/oidc", headers=headers, allow_redirects=False, timeout=30)
        if wanted is None:
            assert answer.status_code == 400, "a name that was not given is not answered to"
            continue
        assert parse_qs(urlsplit(answer.headers["Location"]).query)["redirect_uri"] == [wanted]
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-macrohard-errand=")
        assert all(part in cookie for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"))
    assert f"https://factory.example{RETURN}: register that there" in firm.strict.told()


async def test_doctor_says_whether_it_would_work_and_what_to_register(
    firm: Firm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oidc = {"issuer": firm.provider.address, "client_id": "m", "default_role": "viewer"}
    row = await _login(load_settings(home=tmp_path, oidc=oidc, oidc_client_secret=SECRET))
    assert (row.ok, "https://NAME/login/oidc/return" in row.detail) == (True, True), row
    row = await _login(load_settings(home=tmp_path, oidc=oidc))
    assert (row.ok, "MACROHARD_OIDC_CLIENT_SECRET" in row.advice) == (False, True)
    relying = Relying(OidcSettings.model_validate(oidc), SecretStr(SECRET))
    found = {"id_token_signing_alg_values_supported": ["HS256"], "code_challenge_methods_supported": ["plain"]}
    firm.provider.answers = lambda path, was, body: (was, {**body, **found} if "well-known" in path else {"keys": []})
    row = await relying.diagnose("x")
    firm.provider.away = True
    away = await relying.diagnose("https://factory.example/login/oidc/return")
    firm.provider.well()
    assert (row.ok, row.detail) == (
        False, "it publishes no keys; it signs by HS256 only; it does not know PKCE's S256",
    )  # fmt: skip
    assert (away.ok, "does not answer" in away.detail, "factory.example" in away.advice) == (False, True, True)


def test_a_service_that_cannot_let_people_in_does_not_start(installation: Installation) -> None:
    folder = installation.home.parent / "hidden"
    folder.mkdir()
    # As Python says it of what is not there.
    (folder / "authlib.py").write_text("raise ModuleNotFoundError('No module', name='authlib')")
    oidc = {"issuer": "https://login.example", "client_id": "m", "default_role": "viewer"}
    done = subprocess.run(
        [sys.executable, "-m", "macrohard", "serve", "--team", "--workers", "0"],
        env={
            **installation.environment, "PYTHONPATH": f"{folder}:{installation.environment['PYTHONPATH']}",
            "MACROHARD_OIDC": json.dumps(oidc), "MACROHARD_OIDC_CLIENT_SECRET": SECRET,
        },
        cwd=installation.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = " ".join(done.stderr.split())
    assert (done.returncode, "pip install 'macrohard[oidc]'" in said) == (2, True), done.stderr
    assert SECRET not in done.stderr + done.stdout
    with pytest.raises(RequestError, match="set MACROHARD_OIDC_CLIENT_SECRET"):
        provider_of(load_settings(home=installation.home, oidc=oidc))


def test_the_secret_is_shown_to_the_provider_alone(firm: Firm) -> None:
    shown = {path for path, authorization in firm.provider.asked if authorization.startswith("Basic ")}
    assert shown == {"/oauth2/token"}
    said = firm.service.told() + firm.strict.told()
    assert "login by OpenID Connect" in said
    assert SECRET not in said
    settings = firm.admin().get(f"{firm.service.base_url}/settings").text
    assert "Settings" in settings
    assert SECRET not in settings
