"""Projects as their members, and those who are none, meet them: over HTTP, as people of a team."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from fastapi.routing import iter_route_contexts
from playwright.sync_api import sync_playwright

from macrohard.client import Client, NotNow
from macrohard.domain import Caps
from macrohard.domain.people import RoleName
from macrohard.domain.project import Quotas
from macrohard.events import Progress, RunStarted
from macrohard.server.people.passwords import hashed
from tests.server.conftest import Installation
from tests.server.seeding import AXE
from tests.server.served import Served, served
from tests.server.test_products import made, told

PASSWORD = "correct horse battery"
SECRET = "Payroll"
TODO = {"requirement": "A to-do list.", "model": "builtin", "caps": {"usd": 5}}


@dataclass
class Team:
    """A service with the projects default, pay and web; ada is an admin, each other user is in one of them."""

    service: Served
    run: str
    """Of the project pay."""
    artifact: str
    """Of this run."""

    def token(self, user: str, *, role: RoleName = "operator", project: str | None = None) -> str:
        people = self.service.factory.store.people
        return self.service.within(people.make_token(user, label="t", role=role, days=1, project=project))[1]

    def ask(self, token: str, method: str, path: str, **arguments: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}", **arguments.pop("headers", {})}
        return self.service.ask(method, path, headers=headers, allow_redirects=False, **arguments)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with served(tmp_path_factory.mktemp("projects") / "home", team=True) as service:
        run, artifact = service.within(_peopled(service))
        yield Team(service, run, artifact)


async def _peopled(service: Served) -> tuple[str, str]:
    store, word = service.factory.store, await hashed(PASSWORD)
    await store.people.add("ada", role="admin", password_hash=word)
    for user, project, role in (("pia", "pay", "operator"), ("wes", "web", "operator"), ("lea", "web", "admin")):
        if project not in await store.projects.names():
            await store.projects.add(project, Quotas())
        await store.people.add(user, role="viewer", password_hash=word)
        await store.projects.drop_member("default", user)
        await store.projects.put_member(project, user, role=role)  # type: ignore[arg-type]  # a word of the tuple
    await store.people.add("def", role="operator", password_hash=word)
    run, _ = await made(service.factory, project="pay", requirement=f"{SECRET} <b>list</b>.")
    artifact = await store.artifacts.put(b"what is paid", media_type="text/plain")
    await told(service.factory, run, Progress(text=artifact))
    return run, artifact


def _routes(service: Served) -> list[tuple[str, str]]:
    """Every operation and page about one run."""
    found = []
    for route in iter_route_contexts(service.app.routes):
        path = getattr(route, "path", "")
        if "{run" in path:
            found += [(method, path) for method in sorted(getattr(route, "methods", None) or ())]
    return found


FILLED = {"number": "1", "iteration": "1", "criterion": "AC-1", "session": "1/implement/app", "persona": "p"}


def test_who_is_no_member_finds_no_run_by_any_address_that_there_is(team: Team) -> None:
    routes = _routes(team.service)
    assert len(routes) > 55
    outsiders = {
        "of another project": team.token("wes"),
        "an admin of another project": team.token("lea", role="admin"),
        "of the default project": team.token("def"),
        "an admin's token for another project": team.token("ada", role="admin", project="web"),
    }
    wrong = []
    for method, path in routes:
        accept = "text/event-stream" if path.endswith("/events") else "text/html"
        for who, token in outsiders.items():
            # Cut short, too: what it begins with may not say that there is one.
            name = team.run[:-1] if "another" in who else team.run
            filled = re.sub(r"\{(\w+)(:\w+)?\}", lambda found: FILLED.get(found[1], "x"), path.replace("{run}", name))
            answer = team.ask(token, method, filled, headers={"Accept": accept})
            if answer.status_code not in (403, 404) or SECRET in answer.text:
                wrong.append((who, method, filled, answer.status_code))
    assert wrong == []
    for method, path in (("GET", "/api/v1/runs/{run}"), ("GET", "/runs/{run}"), ("GET", "/api/v1/runs/{run}/events")):
        assert team.ask(team.token("pia"), method, path.replace("{run}", team.run[:-1])).status_code == 200


def test_who_is_no_member_finds_nothing_of_it_elsewhere(team: Team) -> None:
    pia, wes = team.token("pia"), team.token("wes")
    for path in (
        "/", f"/?q={SECRET}", "/fleet", "/new", "/projects", "/account", "/api/v1/runs", f"/api/v1/runs?text={SECRET}",
        "/api/v1/projects", "/api/v1/usage", "/metrics", "/api/v1/me", "/api/v1/fleet", "/?waits=you", "/waiting",
    ):  # fmt: skip
        text = team.ask(wes, "GET", path, headers={"Accept": "text/html"}).text
        assert not [
            word for word in ("payroll &lt;", "payroll <", team.run, '"pay"', ">pay<") if word in text.lower()
        ], (path, text)
    for path in (
        f"/api/v1/artifacts/{team.artifact}", "/api/v1/projects/pay", "/projects/pay", "/api/v1/projects/pay/members",
        f"/changes?run={team.run}", f"/api/v1/runs?before={team.run}", "/api/v1/runs?project=pay", "/?project=pay",
        "/fleet?project=pay", "/api/v1/usage?project=pay", "/api/v1/fleet?project=pay", "/?waits=you&project=pay",
        f"/compare?left={team.run}", f"/new?improves={team.run}", f"/compare?left={team.run}:1&right={team.run}:2",
        f"/api/v1/compare?left={team.run}:1&right={team.run}:2",
        f"/compare/file?left={team.run}:1&right={team.run}:2&path=second.txt",
    ):  # fmt: skip
        assert team.ask(wes, "GET", path).status_code == 404, path
        if "changes" not in path:
            assert team.ask(pia, "GET", path).status_code == 200, path
    assert 'macrohard_runs{status="paused"} 0.0' in team.ask(wes, "GET", "/metrics").text
    assert 'macrohard_runs{status="running"} 1.0' in team.ask(pia, "GET", "/metrics").text
    improving = team.ask(wes, "POST", "/api/v1/runs", json={**TODO, "improves": team.run})
    assert improving.status_code == 404
    for method, path in (("PUT", "/api/v1/projects/pay/members/wes"), ("DELETE", "/api/v1/projects/pay/members/pia")):
        assert team.ask(team.token("lea", role="admin"), method, path, json={"role": "admin"}).status_code == 404


def test_streams_say_nothing_of_other_projects_and_end_with_the_membership(team: Team) -> None:
    store = team.service.factory.store
    team.service.within(store.projects.put_member("web", "def", role="viewer"))
    headers = {"Authorization": f"Bearer {team.token('def')}"}
    with requests.get(f"{team.service.base_url}/changes", headers=headers, stream=True, timeout=60) as stream:
        lines = (line for line in stream.iter_lines() if line.startswith(b"event"))
        assert next(lines) == b"event: changed"
        team.service.within(told(team.service.factory, team.run, Progress(text="of pay")))
        mine = team.service.within(store.create_run("A list", options={}, model="builtin", project="web"))
        assert next(lines) == b"event: changed"
        team.service.within(store.projects.drop_member("web", "def"))
        assert next(lines, None) is None, "it ended, and of pay nothing was said"
    assert team.ask(team.token("def"), "GET", f"/api/v1/runs/{mine}").status_code == 404


def test_what_one_may_do_is_said_by_the_role_in_the_project(team: Team) -> None:
    store = team.service.factory.store
    run = team.service.within(store.create_run("A list", options={}, model="builtin"))
    team.service.within(store.projects.put_member("default", "wes", role="viewer"))
    wes, lea = team.token("wes"), team.token("lea", role="admin")
    assert team.ask(wes, "POST", f"/api/v1/runs/{run}/pause").status_code == 403
    assert team.ask(wes, "POST", "/api/v1/runs", json={**TODO, "project": "default"}).status_code == 403
    begun = team.ask(wes, "POST", "/api/v1/runs", json=TODO)
    assert (begun.status_code, begun.json()["project"]) == (201, "web"), "the only one where they may"
    assert team.ask(wes, "POST", f"/api/v1/runs/{begun.json()['id']}/pause").status_code == 202
    assert team.ask(wes, "PUT", "/api/v1/projects/web/members/wes", json={"role": "admin"}).status_code == 403
    assert team.ask(lea, "PUT", "/api/v1/projects/web/members/wes", json={"role": "operator"}).status_code == 200
    for method, path, body in (
        ("PUT", "/api/v1/projects/web/quotas", {}), ("POST", "/api/v1/projects", {"name": "new"}),
        ("DELETE", "/api/v1/projects/web", None), ("GET", "/api/v1/users", None), ("GET", "/api/v1/audit", None),
        ("GET", "/api/v1/webhooks", None),
    ):  # fmt: skip
        assert team.ask(lea, method, path, json=body).status_code == 403, path
    team.service.within(store.projects.drop_member("default", "wes"))


def test_a_bound_token_is_good_for_its_project_only(team: Team) -> None:
    ada, bound = team.token("ada", role="admin"), team.token("ada", role="admin", project="web")
    assert team.ask(ada, "GET", f"/api/v1/runs/{team.run}").status_code == 200
    assert {run["project"] for run in team.ask(bound, "GET", "/api/v1/runs").json()["runs"]} <= {"web"}
    assert team.ask(bound, "GET", "/api/v1/users").status_code == 403
    assert team.ask(bound, "GET", "/api/v1/me").json()["projects"] == {"web": "admin"}
    more = team.ask(bound, "POST", "/api/v1/tokens", json={"label": "more", "role": "viewer"}).json()
    assert more["about"]["project"] == "web", "what is made with it goes no further"
    pay = {"label": "x", "role": "viewer", "project": "pay"}
    assert team.ask(bound, "POST", "/api/v1/tokens", json=pay).status_code == 404
    assert team.ask(team.token("wes"), "POST", "/api/v1/tokens", json=pay).status_code == 404


def test_a_quota_holds_and_says_what_is_left_and_who_can_raise_it(team: Team) -> None:
    ada = team.token("ada", role="admin")
    made = team.ask(ada, "POST", "/api/v1/projects", json={"name": "small", "quotas": {"usd_per_month": 12}})
    assert (made.status_code, made.headers["Location"]) == (201, "/api/v1/projects/small")
    assert team.ask(ada, "POST", "/api/v1/projects", json={"name": "small"}).status_code == 409
    wanted = {**TODO, "project": "small"}
    first = team.ask(ada, "POST", "/api/v1/runs", json=wanted).json()
    assert team.ask(ada, "POST", "/api/v1/runs", json=wanted).status_code == 201
    refused = team.ask(ada, "POST", "/api/v1/runs", json=wanted)
    assert refused.status_code == 409
    for word in ("project small has $2.00 left of $12.00", f"{datetime.now(UTC):%B}", "an admin (ada)"):
        assert word in refused.json()["detail"]
    assert team.ask(ada, "POST", "/api/v1/runs", json={**wanted, "caps": {"calls": 5}}).status_code == 422
    raised = team.ask(ada, "POST", f"/api/v1/runs/{first['id']}/budget", json={"usd": 3})
    assert (raised.status_code, "$2.00 left" in raised.json()["detail"]) == (409, True)
    assert team.ask(ada, "POST", f"/api/v1/runs/{first['id']}/budget", json={"usd": 2}).status_code == 202
    team.ask(ada, "DELETE", f"/api/v1/runs/{first['id']}")
    shown = team.ask(ada, "GET", "/api/v1/projects/small").json()
    assert (shown["usage"]["reserved_usd"], shown["usage"]["runs_today"]) == (5, 2), "it is free again"
    quotas = {"runs_per_day": 2, "runs_at_work": 1}
    assert team.ask(ada, "PUT", "/api/v1/projects/small/quotas", json=quotas).json()["quotas"]["runs_per_day"] == 2
    late = team.ask(ada, "POST", "/api/v1/runs", json=wanted)
    assert (late.status_code, 0 < int(late.headers["Retry-After"]) <= 24 * 3600) == (429, True)
    assert team.ask(ada, "DELETE", "/api/v1/projects/small").status_code == 409
    audited = team.ask(ada, "GET", "/api/v1/audit?limit=40").json()["entries"]
    assert any(quotas.items() <= entry["facts"].items() for entry in audited)


def test_a_run_beyond_those_at_work_says_for_what_it_waits(team: Team) -> None:
    ada, store = team.token("ada", role="admin"), team.service.factory.store
    quotas = Quotas(runs_at_work=1)
    team.service.within(store.projects.add("narrow", quotas))
    first, second = [
        team.ask(ada, "POST", "/api/v1/runs", json={**TODO, "project": "narrow"}).json()["id"] for _ in range(2)
    ]

    async def seen_meanwhile() -> tuple[str, str, tuple[str, ...]]:
        async with store.hold(first, at_work=True) as lease:
            await (await store.log(lease))(RunStarted(model="builtin", sandbox_tier="runc", notices=()))
            summary = await store.summary(second)
            return (
                summary.waits,
                (await store.overview(second)).summary.waits,
                await store.queue.free(besides=(), limit=100),
            )

    waits, again, free = team.service.within(seen_meanwhile())
    assert waits == again == "waits for a place in project narrow: 1 of 1 runs are at work"
    assert second not in free


def test_people_make_a_project_let_somebody_in_and_see_its_pages(team: Team) -> None:
    base, wrong = team.service.base_url, []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 375, "height": 780}, color_scheme="dark", bypass_csp=True)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"{base}/projects")
        page.get_by_label("Name").fill("ada")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(f"{base}/projects")
        page.get_by_label("Name").fill("Shop")
        page.get_by_role("button", name="Add").click()
        page.wait_for_url(f"{base}/projects/shop")
        page.get_by_text("Change the quotas").click()
        page.get_by_label("Dollars a month").fill("100")
        page.get_by_label("Runs at work", exact=True).fill("2")
        page.get_by_role("button", name="Set them").click()
        page.get_by_text("of $100.00").wait_for()
        page.get_by_label("Name").fill("wes")
        page.locator("#role").select_option("operator")
        page.get_by_role("button", name="Let in").click()
        page.get_by_label("Role of wes").wait_for()
        assert page.get_by_label("Role of wes").input_value() == "operator"
        page.locator("#chooser").select_option("shop")
        page.wait_for_url(f"{base}/?project=shop")
        page.get_by_text("Nothing was asked for yet in shop").wait_for()
        for scheme, width in (("dark", 375), ("light", 1280)):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # a word of the tuple
            page.set_viewport_size({"width": width, "height": 780})
            for address in ("/projects", "/projects/shop", "/projects/pay", "/?project=pay", "/new?project=shop"):
                page.goto(base + address)
                page.evaluate(AXE)
                found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
                wrong += [f"{address} {each['id']} {each['nodes'][0]['html']}" for each in found]
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    wrong.append(f"{address} is wider than the window")
        browser.close()
    assert wrong == []


def test_one_persons_machine_shows_nothing_of_projects_until_there_is_a_second_one(tmp_path: Path) -> None:
    with served(tmp_path / "home") as service:
        pages = [service.ask("GET", path, headers={"Accept": "text/html"}).text for path in ("/", "/new", "/fleet")]
        assert not [text for text in pages if "project" in text.lower().replace("projects and", "")]
        assert service.ask("POST", "/api/v1/projects", json={"name": "two"}).status_code == 201
        assert 'id="chooser"' in service.ask("GET", "/", headers={"Accept": "text/html"}).text
        begun = service.ask("POST", "/api/v1/runs", json={**TODO, "project": "two"}).json()
        assert [run["id"] for run in service.ask("GET", "/api/v1/runs?project=two").json()["runs"]] == [begun["id"]]
        assert service.ask("GET", "/api/v1/runs?project=default").json()["runs"] == []
        assert service.ask("PUT", "/api/v1/projects/two/members/ada", json={"role": "viewer"}).status_code == 409
        with Client(service.base_url, service.token) as client:
            client.projects.add("three", Quotas(usd_per_month=9))
            assert [project.name for project in client.projects.all()] == ["default", "three", "two"]
            run = client.submit("A list.", model="builtin", caps=Caps(usd=8), project="three")
            assert [each.id for each in client.runs(project="three")] == [run.id]
            assert client.projects.usage("three").reserved_usd == 8
            with pytest.raises(NotNow, match=r"\$1\.00 left"):
                client.submit("A list.", model="builtin", caps=Caps(usd=2), project="three")
            client.delete(run.id)
            assert client.projects.limit("three", Quotas()).quotas == Quotas()
            client.projects.remove("three")
            assert client.projects.members("two") == ()


def test_the_machine_has_projects_too(installation: Installation) -> None:
    installation.run("projects", "add", "web")
    installation.run("projects", "quota", "web", "--usd-per-month", "20", "--runs-per-day", "3")
    installation.run("projects", "quota", "web", "--runs-per-day", "0")
    listed = json.loads(installation.run("projects", "list", "--json"))
    assert [(each["name"], each["quotas"]["usd_per_month"], each["quotas"]["runs_per_day"]) for each in listed] == [
        ("default", None, None),
        ("web", 20, None),
    ]
    assert json.loads(installation.run("runs", "--project", "web", "--json")) == []
