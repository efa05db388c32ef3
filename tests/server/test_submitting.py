"""Submitting, listing and deleting runs, as programs do it."""

import asyncio
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from macrohard.assembly import Worker
from macrohard.errors import Conflict, StoreUnavailable
from macrohard.server.api.runs import Submission
from macrohard.store.submissions import Claim, Earlier
from tests.server.conftest import waited_for
from tests.server.served import Served, served

REFUSED = "A multiplayer first-person shooter with ray tracing."
"""The built-in model reads it, and says that it cannot: one call."""


@pytest.fixture
def service(tmp_path: Path, url: str) -> Iterator[Served]:
    """A service without a worker: what is submitted waits."""
    with served(tmp_path / "home", url=url) as service:
        yield service


def submitted(service: Served, *, key: str | None = None, **body: Any) -> requests.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return service.ask("POST", "/api/v1/runs", json={"requirement": REFUSED, **body}, headers=headers)


def listed(service: Served, **query: str | int) -> list[str]:
    answer = service.ask("GET", "/api/v1/runs", params=query)
    assert answer.status_code == 200, answer.text
    return [run["id"] for run in answer.json()["runs"]]


def test_a_submission_that_is_sent_again_makes_no_second_run(service: Served) -> None:
    first, again = submitted(service, key="k-1"), submitted(service, key="k-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"] == f"/api/v1/runs/{first.json()['id']}"
    other = submitted(service, key="k-1", iterations=2)
    assert (other.status_code, other.headers["Content-Type"]) == (409, "application/problem+json")
    assert "something else" in other.json()["detail"]
    assert submitted(service, key="k-2").json()["id"] != first.json()["id"]
    assert len(listed(service)) == 2


def test_of_many_that_send_the_same_at_once_one_makes_a_run(service: Served) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: submitted(service, key="k"), range(8)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert listed(service) == list(made)
    assert len(made) == 1


def test_a_key_whose_submission_was_refused_is_free_again(service: Served) -> None:
    assert submitted(service, key="k", model="nobody@nowhere").status_code == 422
    assert submitted(service, key="k").status_code == 201


@pytest.mark.parametrize("key", ["", "with space", "x" * 201])
def test_a_key_that_is_none_is_refused(service: Served, key: str) -> None:
    assert submitted(service, key=key).status_code == 422
    assert listed(service) == []


def test_attachments_stand_behind_the_requirement_and_are_held_to_the_same_rules(service: Served) -> None:
    answer = submitted(service, attachments=[{"name": "a.csv", "text": "x;y\n"}, {"name": "b.md", "text": "# B"}])
    assert answer.json()["requirement"] == f"{REFUSED}\n\nAttached, a.csv:\n\nx;y\n\n\nAttached, b.md:\n\n# B"
    for text, complaint in (("a\0b", "control character 0x00"), ("  ", "empty"), ("x" * 199_990, "larger than 200 kB")):
        refused = submitted(service, attachments=[{"name": "bad.txt", "text": text}])
        assert refused.status_code == 422
        assert complaint in refused.json()["detail"]
    raw = b'{"requirement": "A list \\ud800"}'
    refused = service.ask("POST", "/api/v1/runs", data=raw, headers={"Content-Type": "application/json"})
    assert refused.status_code == 422
    assert len(listed(service)) == 1


def test_lists_are_filtered_and_read_page_by_page(service: Served) -> None:
    ids = [submitted(service, requirement=f"A list of {thing}.").json()["id"] for thing in ("CATS", "dogs", "50% off")]
    ids.reverse()
    assert listed(service) == ids
    page = service.ask("GET", "/api/v1/runs", params={"limit": 2}).json()
    assert [run["id"] for run in page["runs"]] == ids[:2]
    assert listed(service, limit=2, before=page["before"]) == ids[2:]
    assert listed(service, text="cats") == [ids[2]]
    assert listed(service, text="0%") == [ids[0]]
    assert listed(service, text=ids[1]) == [ids[1]]
    assert listed(service, model="builtin") == ids
    assert listed(service, model="other") == []
    assert listed(service, since="2020-01-01T00:00:00Z") == ids
    assert listed(service, since="2999-01-01T00:00:00Z") == []
    assert listed(service, status="waiting") == ids
    assert listed(service, status="paused") == listed(service, status="running") == []


@pytest.mark.usefixtures("sandboxes")
def test_a_run_that_is_not_at_work_is_deleted_with_all_that_is_kept_of_it(service: Served) -> None:
    run, other = (submitted(service, key=key).json()["id"] for key in ("k-1", "k-2"))
    store, folder = service.factory.store, service.home / "runs" / run

    async def refused_while_held() -> requests.Response:
        async with store.hold(run):
            return await asyncio.to_thread(service.ask, "DELETE", f"/api/v1/runs/{run}")

    held = service.within(refused_while_held())
    assert (held.status_code, "is being carried out" in held.json()["detail"]) == (409, True)

    async def work() -> None:
        working = asyncio.create_task(Worker(service.factory, slots=2).work())
        await asyncio.to_thread(waited_for, lambda: set(listed(service, status="refused")) == {run, other})
        working.cancel()
        await asyncio.wait([working])

    service.within(work())
    session = service.ask("GET", f"/api/v1/runs/{run}/sessions").json()[0]["id"]
    assert service.within(store.transcripts.load(session))
    assert folder.is_dir()
    used = service.ask("GET", "/api/v1/usage").json()
    assert [(day["runs"], day["calls"], day["model"]) for day in used] == [(2, 2, "builtin")]
    assert service.ask("DELETE", f"/api/v1/runs/{run}").status_code == 204
    assert not folder.exists()
    assert service.within(store.transcripts.load(session)) == []
    assert listed(service) == [other]
    for path in ("", "/criteria", "/sessions"):
        assert service.ask("GET", f"/api/v1/runs/{run}{path}").status_code == 404
    assert service.ask("DELETE", f"/api/v1/runs/{run}").status_code == 404
    assert service.ask("GET", "/api/v1/usage").json() == used, "what its calls took stays counted"
    assert submitted(service, key="k-1").json()["id"] not in (run, other), "its key is free again"


def test_a_run_that_another_one_builds_on_is_kept(service: Served) -> None:
    run = submitted(service).json()["id"]
    store = service.factory.store
    fork = service.within(store.create_run("Else.", options={"forked_from": f"{run}@1"}, model="builtin"))
    options: dict[str, Any] = {"solo": run}
    later = service.within(store.create_run("More.", options=options, model="builtin"))
    refused = service.ask("DELETE", f"/api/v1/runs/{run}")
    assert (refused.status_code, later in refused.json()["detail"]) == (409, True)
    assert service.ask("DELETE", f"/api/v1/runs/{later}").status_code == 204
    assert service.ask("DELETE", f"/api/v1/runs/{run}").status_code == 204
    assert listed(service) == [fork]


def test_what_is_to_be_improved_must_have_been_delivered(service: Served) -> None:
    run = submitted(service).json()["id"]
    answer = submitted(service, improves=run)
    assert (answer.status_code, "has delivered nothing yet" in answer.json()["detail"]) == (422, True)
    assert submitted(service, improves="r-none").status_code == 404


def test_what_no_database_keeps_gets_an_answer_and_is_no_mistake_of_ours(service: Served) -> None:
    run = submitted(service).json()["id"]
    for query in ("text=%00", "model=%00", "text=%25_%5C"):
        assert service.ask("GET", f"/api/v1/runs?{query}").json()["runs"] == []
    for path in ("%00", f"{run}%00", f"{run}/sessions/%00", f"{run}/sessions/a%00/transcript", "%F0%9F%92%A9", "a%2Fb"):
        assert service.ask("GET", f"/api/v1/runs/{path}").status_code == 404
    assert service.ask("GET", "/api/v1/runs?before=%00").status_code == 404
    for since in ("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "2026-11-22T12:00:00"):
        assert service.ask("GET", f"/api/v1/runs?since={since}").status_code == 422
    for path in (f"{run}/events?after=", f"{run}/sessions/a/transcript?after="):
        assert service.ask("GET", f"/api/v1/runs/{path}{10**30}").status_code == 422
    raw = b'{"text": "Gr\\ud800een", "about": "run"}'
    headers = {"Content-Type": "application/json"}
    assert service.ask("POST", f"/api/v1/runs/{run}/feedback", data=raw, headers=headers).status_code == 422
    said = service.ask("POST", f"/api/v1/runs/{run}/feedback", json={"text": "a\0b"})
    assert said.status_code == 201
    answered = service.ask("POST", f"/api/v1/runs/{run}/answers", json={"answers": {"Q\0": "\0"}})
    assert answered.status_code == 409


@pytest.mark.parametrize(
    ("part", "step"),
    [
        pytest.param("forecast", "before it has a forecast", id="before the forecast"),
        pytest.param("summary", "before its sender can be told", id="before the answer"),
    ],
)
def test_a_submission_that_broke_off_behind_its_run_goes_on_with_that_run(
    service: Served, monkeypatch: pytest.MonkeyPatch, part: str, step: str
) -> None:
    def away(*_: object, **__: object) -> Any:
        raise StoreUnavailable(f"the database went away {step}")

    with monkeypatch.context() as broken:
        broken.setattr(service.factory.store, part, away)
        assert submitted(service, key="k").status_code == 503
    (run,) = listed(service)
    again = submitted(service, key="k")
    assert (again.status_code, again.json()["id"], again.json()["queued"]) == (201, run, True)
    assert submitted(service, key="k").json() == again.json()
    assert listed(service) == [run]
    assert service.within(service.factory.store.budget(run).state()) is not None


def test_who_slept_over_a_submission_makes_no_second_run(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    store = service.factory.store
    monkeypatch.setattr("macrohard.store.submissions.ABANDONED_SECONDS", -1.0)

    async def made(claim: Claim | Earlier) -> str:
        assert isinstance(claim, Claim)
        return await store.create_run("A list.", options={}, model="builtin", claim=claim)

    async def slept() -> tuple[str, Claim | Earlier]:
        sleeper = await store.submissions.begin("you", "k", digest="d")
        other = await store.submissions.begin("you", "k", digest="d")
        with pytest.raises(Conflict, match="another one took over"):
            await made(sleeper)
        assert isinstance(sleeper, Claim)
        await store.submissions.give_up(sleeper)
        run = await made(other)
        with pytest.raises(Conflict, match="another one took over"):
            await made(other)
        await store.submissions.give_up(sleeper)
        return run, await store.submissions.begin("you", "k", digest="d")

    run, found = service.within(slept())
    assert listed(service) == [run]
    assert found == Earlier(run_id=run, answer=None)


def test_who_sends_what_is_being_worked_on_is_told_when_to_send_it_again(service: Served) -> None:
    run: dict[str, Any] = {"requirement": REFUSED}
    digest = hashlib.sha256(Submission.model_validate(run).model_dump_json().encode()).hexdigest()
    claim = service.within(service.factory.store.submissions.begin("you", "k", digest=digest))
    assert isinstance(claim, Claim)
    answer = submitted(service, key="k")
    assert (answer.status_code, "being worked on" in answer.json()["detail"]) == (409, True)
    assert int(answer.headers["Retry-After"]) > 0
    service.within(service.factory.store.submissions.give_up(claim))
    assert submitted(service, key="k").status_code == 201
