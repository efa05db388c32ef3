"""A team's service as its people, its programs and their enemies meet it: a real process, asked over HTTP."""

import re
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, sync_playwright

from macrohard.assembly import open_factory
from macrohard.server.gate import MAX_BODY_BYTES
from macrohard.settings import load_settings
from tests.server.conftest import Installation, Running, installed
from tests.server.seeding import AXE
from tests.server.test_products import made
from tests.starting import Said, ended

PASSWORD = "correct horse battery"
ROLES = ("viewer", "reviewer", "operator", "admin")
RUN = "/api/v1/runs/RUN"
TODO = {"requirement": "A to-do list.", "model": "builtin"}


@dataclass
class Team:
    """A service with a user of each role, who is called like it."""

    installation: Installation
    service: Running
    proxied: Running
    """The same, behind a proxy on this machine."""
    browsers: dict[str, requests.Session] = field(default_factory=dict)

    def command(self, *arguments: str, given: str = "") -> Said:
        return ended(
            "macrohard", *arguments, cwd=self.installation.root, environment=self.installation.environment, given=given
        )

    def log_in(self, name: str, *, password: str = PASSWORD) -> requests.Session:
        """A browser of the user."""
        browser = requests.Session()
        browser.headers["Origin"] = self.service.base_url
        answer = browser.post(
            f"{self.service.base_url}/login", {"name": name, "password": password}, allow_redirects=False
        )
        assert answer.status_code == 303, answer.text
        return browser

    def browser(self, name: str) -> requests.Session:
        """One that stays logged in for all tests: passwords may not be tried so often."""
        if name not in self.browsers:
            self.browsers[name] = self.log_in(name)
        return self.browsers[name]

    def token(self, name: str, *, role: str) -> str:
        made = self.browser(name).post(
            f"{self.service.base_url}/api/v1/tokens", json={"label": "t", "role": role, "days": 1}
        )
        assert made.status_code == 201, made.text
        return str(made.json()["token"])

    def audited(self) -> list[dict[str, Any]]:
        """The latest entries first."""
        answer = self.browser("admin").get(f"{self.service.base_url}/api/v1/audit?limit=50")
        return list(answer.json()["entries"])


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory, repository_root: Path) -> Iterator[Team]:
    with installed(tmp_path_factory.mktemp("team"), repository_root) as installation:
        arguments = ("--team", "--workers", "0", "--host-name", "factory.example")
        service = installation.serve(*arguments)
        team = Team(installation, service, installation.serve(*arguments, "--proxy", "127.0.0.1"))
        added = team.command("users", "add", "admin", "--role", "admin", given=f"{PASSWORD}\n")
        assert added.code == 0, added.told
        for role in ROLES[:-1]:
            user = {"name": role, "role": role, "password": PASSWORD}
            answer = team.browser("admin").post(f"{service.base_url}/api/v1/users", json=user)
            assert answer.status_code == 201, answer.text
        yield team


def asked(service: Running, method: str, path: str, *, token: str, **arguments: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}", **arguments.pop("headers", {})}
    return requests.request(method, service.base_url + path, headers=headers, timeout=30, **arguments)


OPERATIONS = {
    "viewer": [("GET", "/api/v1/runs"), ("GET", f"{RUN}/findings"), ("GET", "/api/v1/tokens")],
    "reviewer": [("POST", f"{RUN}/answers"), ("POST", f"{RUN}/approvals"), ("POST", f"{RUN}/feedback")],
    "operator": [
        ("POST", "/api/v1/runs"), ("POST", f"{RUN}/pause"), ("POST", f"{RUN}/cancel"),
        ("POST", f"{RUN}/resume"), ("POST", f"{RUN}/budget"), ("POST", f"{RUN}/fork"),
        ("POST", "/runs/RUN/delete"), ("POST", "/runs/RUN/budget"), ("GET", "/new"),
    ],
    "admin": [
        ("GET", "/api/v1/doctor"), ("GET", "/api/v1/users"), ("POST", "/api/v1/users"),
        ("PATCH", "/api/v1/users/viewer"), ("DELETE", "/api/v1/users/nobody"), ("GET", "/api/v1/audit"),
        ("GET", "/api/v1/audit/verdict"), ("GET", "/settings"), ("GET", "/users"), ("GET", "/audit"),
        ("POST", "/users/nobody/remove"),
    ],
}  # fmt: skip


def test_each_role_may_do_what_it_may_and_nothing_more(team: Team) -> None:
    submitted = asked(team.service, "POST", "/api/v1/runs", token=team.token("admin", role="admin"), json=TODO).json()
    for rank, role in enumerate(ROLES):
        token = team.token(role, role=role)
        for wanted, operations in OPERATIONS.items():
            for method, path in operations:
                status = asked(team.service, method, path.replace("RUN", submitted["id"]), token=token).status_code
                forbidden = ROLES.index(wanted) > rank
                assert (status == 403) == forbidden, (role, method, path, status)
                assert status != 401
    for operations in OPERATIONS.values():
        for method, path in operations:
            assert team.service.ask(method, path).status_code == 401, path


def test_no_page_offers_what_its_reader_may_not_do(team: Team) -> None:
    headers = {"Accept": "text/html"}
    order = {"requirement": "A list of boats"}
    run = asked(team.service, "POST", "/api/v1/runs", token=team.token("operator", role="operator"), json=order).json()
    offered: dict[str, set[str]] = {}
    for role in ROLES:
        token = team.token(role, role=role)
        offered[role] = set()
        for path in ("/", "/fleet", f"/runs/{run['id']}", f"/runs/{run['id']}/product", f"/runs/{run['id']}/preview"):
            answer = asked(team.service, "GET", path, token=token, headers=headers)
            assert answer.status_code == 200, (role, path)
            links = {("GET", each) for each in re.findall(r'<a [^>]*href="(/[^"#]*)"', answer.text)}
            forms = {("POST", each) for each in re.findall(r'method="post" action="(/[^"]*)"', answer.text)}
            for method, offer in sorted(links | forms):
                # Another run of that name is none: what is allowed finds nothing, and changes nothing.
                offer_elsewhere = offer.replace(run["id"], "r-none") if method == "POST" else offer
                status = asked(team.service, method, offer_elsewhere, token=token, headers=headers).status_code
                assert status != 403, (role, path, method, offer)
                offered[role].add(offer.replace(run["id"], "RUN"))
    assert {"/new", "/runs/RUN/delete"}.isdisjoint(offered["reviewer"])
    assert {"/new", "/runs/RUN/delete"} <= offered["operator"]
    assert "/settings" in offered["admin"] - offered["operator"]


def test_a_token_does_no_more_than_it_is_for_and_than_its_user_may(team: Team) -> None:
    admin = team.browser("admin")
    users = f"{team.service.base_url}/api/v1/users"
    assert admin.post(users, json={"name": "carl", "role": "admin", "password": PASSWORD}).status_code == 201
    small, large = team.token("carl", role="viewer"), team.token("carl", role="admin")
    assert asked(team.service, "GET", "/api/v1/users", token=small).status_code == 403
    assert asked(team.service, "GET", "/api/v1/users", token=large).status_code == 200
    more = {"label": "more", "role": "reviewer"}
    assert asked(team.service, "POST", "/api/v1/tokens", token=small, json=more).status_code == 422
    longer = asked(team.service, "POST", "/api/v1/tokens", token=small, json={"label": "x", "role": "viewer"})
    own = asked(team.service, "GET", "/api/v1/me", token=small).json()["token"]
    assert longer.json()["about"]["expires_at"] == own["expires_at"]
    tokens = {each["role"]: each["id"] for each in asked(team.service, "GET", "/api/v1/tokens", token=large).json()}
    assert asked(team.service, "DELETE", f"/api/v1/tokens/{tokens['admin']}", token=small).status_code == 403
    assert (
        asked(team.service, "DELETE", f"/api/v1/tokens/{longer.json()['about']['id']}", token=small).status_code == 204
    )
    browser = team.log_in("carl")
    assert admin.patch(f"{users}/carl", json={"role": "reviewer"}).status_code == 200
    assert asked(team.service, "GET", "/api/v1/users", token=large).status_code == 403
    assert asked(team.service, "GET", "/api/v1/me", token=large).json()["role"] == "reviewer"
    assert browser.get(f"{team.service.base_url}/api/v1/me").status_code == 401
    assert admin.delete(f"{users}/carl").status_code == 204
    assert asked(team.service, "GET", "/api/v1/me", token=large).status_code == 401


def test_who_changed_their_password_is_out_everywhere(team: Team) -> None:
    base = team.service.base_url
    team.browser("admin").post(f"{base}/api/v1/users", json={"name": "dora", "role": "viewer", "password": PASSWORD})
    first, second = team.log_in("dora"), team.log_in("dora")
    wrong = first.put(f"{base}/api/v1/me/password", json={"current": "wrong", "new": "another password"})
    assert wrong.status_code == 403
    assert second.get(f"{base}/api/v1/me").json()["name"] == "dora"
    changed = first.put(f"{base}/api/v1/me/password", json={"current": PASSWORD, "new": "another password"})
    assert changed.status_code == 204
    assert [browser.get(f"{base}/api/v1/me").status_code for browser in (first, second)] == [401, 401]
    again = team.log_in("dora", password="another password")
    cookie = dict(again.cookies)
    assert again.post(f"{base}/logout", allow_redirects=False).status_code == 303
    assert requests.get(f"{base}/api/v1/me", cookies=cookie, timeout=30).status_code == 401


def test_a_stream_ends_when_its_user_may_no_longer_look(team: Team) -> None:
    base = team.service.base_url
    browser = team.log_in("reviewer")
    with (
        browser.get(f"{base}/changes", stream=True, timeout=60) as stream,
        team.browser("operator").get(f"{base}/changes", stream=True, timeout=60) as other,
    ):
        lines, others = stream.iter_lines(), other.iter_lines()
        assert (next(lines), next(others)) == (b"event: changed", b"event: changed")
        browser.post(f"{base}/logout")
        # Else it would go on with a word every 15 seconds.
        assert sum(1 for line in islice(lines, 20) if line.startswith(b":")) < 4
        assert next(lines, None) is None
        assert next(line for line in others if line.startswith(b":"))


FOREIGN = {
    "says nothing": {},
    "another origin": {"Origin": "http://evil.example"},
    "no origin": {"Origin": "null"},
    "what is no address": {"Origin": "http://["},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "a cross-site request": {"Sec-Fetch-Site": "cross-site", "Origin": "{ours}"},
    "a sibling's request": {"Sec-Fetch-Site": "same-site", "Origin": "{ours}"},
    "typed by a person": {"Sec-Fetch-Site": "none"},
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_cookie_is_no_use_to_other_pages(team: Team, case: str) -> None:
    browser = requests.Session()
    browser.cookies.update(team.browser("admin").cookies)
    headers = {name: value.format(ours=team.service.base_url) for name, value in FOREIGN[case].items()}
    for method, path in (("POST", "/logout"), ("POST", "/users"), ("PUT", "/api/v1/me/password")):
        answer = browser.request(method, team.service.base_url + path, headers=headers, allow_redirects=False)
        assert answer.status_code == 403
        assert "not sent by a page of this service" in answer.json()["detail"]
    if headers:
        login = requests.post(
            f"{team.service.base_url}/login", {"name": "admin", "password": PASSWORD}, headers=headers, timeout=30
        )
        assert (login.status_code, login.cookies.get_dict()) == (403, {})
    assert browser.get(f"{team.service.base_url}/api/v1/me").status_code == 200


def test_it_answers_to_its_names_only(team: Team) -> None:
    def status(host: str) -> int:
        return requests.get(f"{team.service.base_url}/login", headers={"Host": host}, timeout=30).status_code

    assert {status(host) for host in ("factory.example", "factory.example:8700", "localhost", "FACTORY.example")} == {
        200
    }
    others = ("evil.example", "factory.example.evil.example", "", "[::2]", "[", "[::1", "a]b", "localhost:[")
    assert {status(host) for host in others} == {400}


def test_behind_a_proxy_that_is_named_https_and_addresses_count(team: Team) -> None:
    headers = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https", "Host": "factory.example"}
    form = {"name": "admin", "password": PASSWORD}
    answer = requests.post(
        f"{team.proxied.base_url}/login", form, headers={**headers, "Origin": "https://factory.example"},
        allow_redirects=False, timeout=30,
    )  # fmt: skip
    assert answer.status_code == 303
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-macrohard=")
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert "max-age" in answer.headers["Strict-Transport-Security"]
    entry = next(entry for entry in team.audited() if entry["address"] == "192.0.2.7")
    assert (entry["action"], entry["facts"]["succeeded"]) == ("login", "yes")

    plain = requests.post(
        f"{team.service.base_url}/login",
        form,
        headers={"X-Forwarded-Proto": "https"},
        allow_redirects=False,
        timeout=30,
    )
    assert plain.headers["Set-Cookie"].startswith("macrohard=")
    assert {"HttpOnly", "SameSite=lax"} <= set(plain.headers["Set-Cookie"].split("; "))
    assert "Strict-Transport-Security" not in plain.headers


def test_a_body_has_an_end_whether_it_says_so_or_not(team: Team) -> None:
    token = team.token("operator", role="operator")
    piece = b" " * (1 << 20)
    pieces = MAX_BODY_BYTES // len(piece) + 1
    chunked = asked(team.service, "POST", "/api/v1/runs", token=token, data=(piece for _ in range(pieces)))
    assert chunked.status_code == 413
    assert chunked.headers["Content-Type"] == "application/problem+json"
    said = requests.Request("POST", f"{team.service.base_url}/api/v1/runs", data=b"x").prepare()
    said.headers["Content-Length"] = str(MAX_BODY_BYTES + 1)
    with requests.Session() as session:
        assert session.send(said, timeout=30).status_code == 413


def test_every_answer_says_what_a_browser_may_do_with_it(team: Team) -> None:
    admin = team.browser("admin")
    base = team.service.base_url
    answers = {
        "page": admin.get(f"{base}/"),
        "login": requests.get(f"{base}/login", timeout=30),
        "static": requests.get(f"{base}/static/app.css", timeout=30),
        "no static": requests.get(f"{base}/static/../nothing", timeout=30),
        "missing": admin.get(f"{base}/nothing"),
        "missing run": admin.get(f"{base}/runs/nothing", headers={"Accept": "text/html"}),
        "invalid": admin.get(f"{base}/api/v1/runs?limit=x"),
        "not allowed": admin.delete(f"{base}/api/v1/me"),
        "anonymous": requests.get(f"{base}/api/v1/me", timeout=30),
        "redirect": requests.get(f"{base}/", headers={"Accept": "text/html"}, allow_redirects=False, timeout=30),
        "host": requests.get(f"{base}/", headers={"Host": "evil.example"}, timeout=30),
        "no host": requests.get(f"{base}/", headers={"Host": "["}, timeout=30),
        "foreign": admin.post(f"{base}/logout", headers={"Origin": "http://evil.example"}),
    }
    assert {answer.status_code for answer in answers.values()} == {200, 303, 400, 401, 403, 404, 405, 422}
    for name, answer in answers.items():
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"], name
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], name
        assert answer.headers["X-Content-Type-Options"] == "nosniff", name
        assert answer.headers["Referrer-Policy"] == "no-referrer", name
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin", name
        assert "Server" not in answer.headers, name


def test_what_is_changed_stands_in_the_log_with_its_answer(team: Team) -> None:
    token = team.token("operator", role="operator")
    made = asked(
        team.service, "POST", "/api/v1/runs", token=token, json={"requirement": "A to-do list", "model": "builtin"}
    )
    assert made.status_code == 201, made.text
    assert asked(team.service, "POST", f"{RUN}/pause", token=token).status_code == 404
    refused, asked_for, answer, submitted = team.audited()[:4]
    assert (submitted["action"], submitted["who"]) == ("POST /api/v1/runs", "operator")
    assert submitted["through"].startswith("t-")
    assert answer["facts"] == {"to": submitted["number"], "status": 201, "location": made.headers["Location"]}
    assert asked_for["action"] == f"POST {RUN}/pause"
    assert refused["facts"] == {"to": asked_for["number"], "status": 404}
    whole = "\n".join(str(entry) for entry in team.audited())
    assert PASSWORD not in whole
    assert "mh_" not in whole


def test_who_alters_the_log_is_found_out(team: Team) -> None:
    with sqlite3.connect(team.installation.home / "macrohard.db", isolation_level=None) as database:
        with pytest.raises(sqlite3.IntegrityError, match="can only grow"):
            database.execute("UPDATE audit SET body = '{}' WHERE number = 2")
        trigger = database.execute("SELECT sql FROM sqlite_master WHERE name = 'audit_update'").fetchone()[0]
        (body,) = database.execute("SELECT body FROM audit WHERE number = 2").fetchone()
        database.execute("DROP TRIGGER audit_update")
        database.execute("UPDATE audit SET body = replace(body, 'admin', 'viewer') WHERE number = 2")
        bad = team.command("audit", "verify")
        verdict = team.browser("admin").get(f"{team.service.base_url}/api/v1/audit/verdict").json()
        database.execute("UPDATE audit SET body = ? WHERE number = 2", (body,))
        database.execute(trigger)
    assert (bad.code, bad.out) == (1, "entry 2 was altered; 1 before are as they were written\n")
    assert (verdict["problem"], verdict["entries"]) == ("entry 2 was altered", 1)
    good = team.command("audit", "verify")
    assert (good.code, "as they were written" in good.out) == (0, True), good.told


def test_the_machine_is_where_the_first_admin_comes_from(team: Team) -> None:
    assert "12 letters" in team.command("users", "add", "eve", "--role", "viewer", given="short\n").told
    assert "only admin" in team.command("users", "remove", "admin").told
    alone = team.command("serve", "--host", "0.0.0.0")
    assert (alone.code, "--team" in alone.told) == (2, True)


def test_people_log_in_make_a_token_and_log_out(team: Team) -> None:
    base = team.service.base_url
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        wrong: list[str] = []
        page.on("console", lambda message: wrong.append(str(message.location)) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))

        page.goto(f"{base}/account")
        assert page.url == f"{base}/login?to=%2Faccount"
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{base}/account")
        page.get_by_label("What it is for").fill("<b>nightly</b>")
        page.get_by_label("What it may do").select_option("viewer")
        page.get_by_role("button", name="Make it").click()
        token = page.locator("#token").inner_text()
        assert asked(team.service, "GET", "/api/v1/me", token=token).json()["role"] == "viewer"
        page.goto(f"{base}/account")
        assert token not in page.content()
        page.on("dialog", lambda asked: asked.accept())
        page.get_by_role("button", name="Drop <b>nightly</b>").click()
        page.get_by_role("button", name="Drop <b>nightly</b>").wait_for(state="detached")
        assert asked(team.service, "GET", "/api/v1/me", token=token).status_code == 401

        _add_and_remove(page, base)
        page.goto(f"{base}/audit")
        page.get_by_text("are as they were written").wait_for()
        assert page.get_by_role("cell", name="POST /users/fay/remove").count() == 1

        page.goto(f"{base}/account")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url(f"{base}/login")
        page.goto(f"{base}/users")
        assert page.url == f"{base}/login?to=%2Fusers"
        assert wrong == []
        browser.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark")], ids=["wide", "narrow and dark"])
def test_the_pages_of_people_are_readable_for_everybody(team: Team, width: int, scheme: Any) -> None:
    base, wrong = team.service.base_url, []
    token = team.browser("admin").post(f"{base}/api/v1/tokens", json={"label": "for <b>", "role": "viewer"})
    hook = {"url": "https://hooks.example/a/long/address/" + "a" * 80, "events": ["run.ended"]}
    made = team.browser("admin").post(f"{base}/api/v1/webhooks", json=hook)
    assert (token.status_code, made.status_code) == (201, 201), made.text
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": width, "height": 780}, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True
        )
        page = context.new_page()
        for address in ("/login", "/account", "/users", "/audit", "/webhooks"):
            answer = page.goto(base + address)
            assert answer is not None
            assert answer.status == 200
            page.evaluate(AXE)
            found = page.evaluate("axe.run({resultTypes: ['violations']})")
            wrong += [(address, each["id"], each["nodes"][0]["html"]) for each in found["violations"]]
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wrong.append((address, "wider than the window", ""))
            if address == "/login":
                context.add_cookies(
                    [{"name": "macrohard", "value": team.browser("admin").cookies["macrohard"], "url": base}]
                )
        assert page.url == f"{base}/webhooks", "who is not let in sees the login only"
        browser.close()
    assert wrong == []


def _add_and_remove(page: Page, base: str) -> None:
    page.get_by_role("link", name="Users").click()
    page.wait_for_url(f"{base}/users")
    page.get_by_label("Name").fill("Fay")
    page.get_by_label("Role", exact=True).select_option("operator")
    page.get_by_label("First password").fill(PASSWORD)
    page.get_by_role("button", name="Add").click()
    page.get_by_label("Role of fay").select_option("viewer")
    page.get_by_role("row", name="fay").get_by_role("button", name="Change").click()
    page.wait_for_url(f"{base}/users")
    assert page.get_by_label("Role of fay").input_value() == "viewer"
    page.get_by_role("button", name="Remove fay").click()
    page.get_by_role("row", name="fay").wait_for(state="detached")


async def test_a_team_clones_products_as_git_is_used(team: Team, tmp_path: Path) -> None:
    async with open_factory(load_settings(home=team.installation.home), sandbox="auto") as factory:
        run, (first, *_) = await made(factory)
    token, host = team.token("viewer", role="viewer"), team.service.base_url.removeprefix("http://")
    asking = tmp_path / "asking"
    asking.write_text(f"#!/bin/sh\ncase $1 in User*) echo viewer;; *) echo {token};; esac\n")
    asking.chmod(0o700)
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "GIT_TERMINAL_PROMPT": "0"}

    def git(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["git", *arguments], env={**plain, **environment}, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    def clone(to: str, *options: str, who: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return git(*options, "clone", "--quiet", f"http://{who}{host}/git/{run}.git", to, **environment)

    header = f"Authorization: Bearer {token}"
    ways = {
        "address": clone("address", who=f"viewer:{token}@"),
        "header": clone("header", "-c", f"http.extraHeader={header}"),
        "prompt": clone("prompt", GIT_ASKPASS=str(asking)),
        "variables": clone(
            "variables", GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="http.extraHeader", GIT_CONFIG_VALUE_0=header
        ),
    }
    for way, done in ways.items():
        assert (done.returncode, done.stderr) == (0, ""), way
        assert git("-C", way, "rev-parse", "HEAD").stdout.strip() == first
    for way in ways:
        kept = token in (tmp_path / way / ".git" / "config").read_text(encoding="utf-8")
        assert kept == (way == "address"), way
    assert git("-C", "prompt", "pull", "--quiet", GIT_ASKPASS=str(asking)).returncode == 0
    pushed = git("-C", "address", "push")
    assert (pushed.returncode, "nothing can be pushed" in pushed.stderr) == (128, True), pushed.stderr
    for wrong in ("mh_wrong", PASSWORD.replace(" ", "%20")):
        refused = clone("refused", who=f"viewer:{wrong}@")
        assert (refused.returncode, "an API token that is still good" in refused.stderr) == (128, True), refused.stderr
    own = asked(team.service, "GET", "/api/v1/me", token=token).json()["token"]["id"]
    assert asked(team.service, "DELETE", f"/api/v1/tokens/{own}", token=token).status_code == 204
    assert git("-C", "address", "fetch").returncode == 128


def test_who_tries_passwords_is_slowed_down_and_recorded(team: Team) -> None:
    # The last of all: from then on nobody at this address may try a password for a minute.
    base = team.service.base_url
    answers = [
        # What others say of where they come from counts for nothing.
        requests.post(
            f"{base}/login", {"name": "viewer", "password": f"guess {number}"}, timeout=30,
            headers={"X-Forwarded-For": f"10.0.0.{number}"},
        )
        for number in range(6)
    ]  # fmt: skip
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert requests.post(f"{base}/login", {"name": "viewer", "password": PASSWORD}, timeout=30).status_code == 429
    tried = [entry for entry in team.audited() if (entry["action"], entry["who"]) == ("login", "viewer")]
    assert {(entry["address"], entry["facts"]["succeeded"]) for entry in tried[:3]} == {("127.0.0.1", "no")}
