"""Every operation of REST version 1 is a method of the client, and asks what the contract says."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from macrohard.client import Client, ServiceError
from macrohard.domain import Caps
from macrohard.domain.feedback import Remark
from macrohard.domain.project import Quotas
from tests.server.listening import listening
from tests.server.served import served

RUN, SESSION, DIGEST = "r-1", "1/implement/app", "0" * 64
OPERATIONS: dict[str, Callable[[Client, Path], object]] = {
    "runs.submit": lambda client, to: client.submit("A list.", key="k", caps=Caps(usd=1), approvals={"plan": 60.0}),
    "runs.list_runs": lambda client, to: [*client.runs(text="t", since=datetime(2026, 1, 1, tzinfo=UTC))],
    "runs.show": lambda client, to: client.run(RUN),
    "runs.delete": lambda client, to: client.delete(RUN),
    "runs.fleet": lambda client, to: client.fleet(),
    "runs.fork": lambda client, to: client.fork(RUN, iteration=2, guidance="Greener", caps=Caps(usd=1)),
    "runs.pause": lambda client, to: client.pause(RUN),
    "runs.cancel": lambda client, to: client.cancel(RUN),
    "runs.resume": lambda client, to: client.resume(RUN),
    "steering.questions": lambda client, to: client.questions(RUN),
    "steering.answer": lambda client, to: client.answer(RUN, {"Q-1": "yes"}),
    "steering.rule": lambda client, to: client.send_back(RUN, "plan", "Greener"),
    "steering.list_feedback": lambda client, to: client.remarks(RUN),
    "steering.give_feedback": lambda client, to: client.feedback(RUN, Remark(text="Greener")),
    "steering.budget": lambda client, to: client.budget(RUN),
    "steering.add_budget": lambda client, to: client.add_budget(RUN, Caps(usd=1)),
    "events.events": lambda client, to: next(client.events(RUN, after=3, types=["run-ended"])),
    "evidence.criteria": lambda client, to: client.criteria(RUN),
    "evidence.iterations": lambda client, to: client.iterations(RUN),
    "evidence.iteration": lambda client, to: client.iteration(RUN, 1),
    "evidence.compare": lambda client, to: client.compare(f"{RUN}:1", f"{RUN}:2"),
    "evidence.diff": lambda client, to: client.diff(RUN, 2, since=1),
    "evidence.findings": lambda client, to: client.findings(RUN),
    "evidence.artifact": lambda client, to: client.artifact(DIGEST, to),
    "product.product": lambda client, to: client.download(RUN, to, iteration=1),
    "product.report": lambda client, to: client.report(RUN),
    "product.film": lambda client, to: client.film(RUN, to),
    "product.open_preview": lambda client, to: client.open_preview(RUN, iteration=1),
    "product.list_previews": lambda client, to: client.previews(RUN),
    "product.renew_preview": lambda client, to: client.renew_preview(RUN, "p-1"),
    "product.end_preview": lambda client, to: client.end_preview(RUN, "p-1"),
    "sessions.list_sessions": lambda client, to: client.sessions(RUN),
    "sessions.show_session": lambda client, to: client.session(RUN, SESSION),
    "sessions.transcript": lambda client, to: [*client.transcript(RUN, SESSION)],
    "sessions.write_to_session": lambda client, to: client.stop(RUN, SESSION, why="Enough"),
    "installation.agents": lambda client, to: client.agents(),
    "installation.agent": lambda client, to: client.agent("planner"),
    "installation.personas": lambda client, to: client.personas(),
    "installation.skills": lambda client, to: client.skills(),
    "installation.models": lambda client, to: client.models(),
    "installation.usage": lambda client, to: client.usage(since=date(2026, 1, 1), until=date(2026, 1, 2)),
    "installation.doctor": lambda client, to: client.doctor(),
    "webhooks.list_webhooks": lambda client, to: client.webhooks(),
    "webhooks.add_webhook": lambda client, to: client.add_webhook("https://example.com/", ["run.ended"], run=RUN),
    "webhooks.remove_webhook": lambda client, to: client.remove_webhook("w-1"),
    "webhooks.list_deliveries": lambda client, to: client.deliveries(webhook="w-1"),
    "webhooks.send_again": lambda client, to: client.send_again("d-1"),
    "watching.health": lambda client, to: client.health(),
    "watching.metrics": lambda client, to: client.metrics(),
    "projects.list_projects": lambda client, to: client.projects.all(),
    "projects.add_project": lambda client, to: client.projects.add("website"),
    "projects.show_project": lambda client, to: client.projects.usage("website"),
    "projects.remove_project": lambda client, to: client.projects.remove("website"),
    "projects.set_quotas": lambda client, to: client.projects.limit("website", Quotas(runs_at_work=2)),
    "projects.list_members": lambda client, to: client.projects.members("website"),
    "projects.put_member": lambda client, to: client.projects.put_member("website", "ada", role="viewer"),
    "projects.drop_member": lambda client, to: client.projects.drop_member("website", "ada"),
    "people.me": lambda client, to: client.me(),
    "people.change_password": lambda client, to: client.change_password(current="a" * 12, new="b" * 12),
    "people.list_tokens": lambda client, to: client.tokens(),
    "people.make_token": lambda client, to: client.make_token("nightly", role="viewer", days=2),
    "people.drop_token": lambda client, to: client.drop_token("t-1"),
    "people.list_users": lambda client, to: client.users(),
    "people.add_user": lambda client, to: client.add_user("ada", role="viewer", password="a" * 12),
    "people.change_user": lambda client, to: client.change_user("ada", role="admin", active=False),
    "people.remove_user": lambda client, to: client.remove_user("ada"),
    "people.audit": lambda client, to: [*client.audit(limit=2)],
    "people.verify_audit": lambda client, to: client.verify_audit(),
}  # fmt: skip
"""One call each."""


@dataclass
class Asked:
    """What a client asked of somebody who refuses everything."""

    base_url: str = ""
    requests: list[tuple[str, str, set[str], set[str]]] = field(default_factory=list)
    """Method, path, names in the query, names in the body."""


@contextmanager
def refusing() -> Iterator[Asked]:
    class Handler(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            address = urlsplit(self.path)
            asked.requests.append(
                (self.command, address.path, set(parse_qs(address.query)), set(json.loads(body or "{}")))
            )
            self.send_response(418)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = refuse

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    asked = Asked()
    with listening(Handler) as port:
        asked.base_url = f"http://127.0.0.1:{port}"
        yield asked


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The description that a real service gives of itself."""
    with served(tmp_path_factory.mktemp("contract") / "home") as service:
        described: dict[str, Any] = service.ask("GET", "/api/v1/openapi.json").json()
    return described


def test_no_operation_is_forgotten(contract: dict[str, Any]) -> None:
    described = {each["operationId"] for path in contract["paths"].values() for each in path.values()}
    missing, gone = sorted(described - set(OPERATIONS)), sorted(set(OPERATIONS) - described)
    assert not missing, (
        f"REST has {', '.join(missing)}, and the client does not: add a method to macrohard/client/client.py that asks "
        "for it, with a value of macrohard.domain or a JsonObject as its answer, and a line with a call of it to "
        "OPERATIONS here, which is then held against the contract"
    )
    assert not gone, f"take {', '.join(gone)} out of OPERATIONS, and the method out of the client: REST has it no more"


def test_each_method_asks_for_its_operation_as_the_contract_says(contract: dict[str, Any], tmp_path: Path) -> None:
    with refusing() as asked, Client(asked.base_url, "t") as client:
        for path, operations in contract["paths"].items():
            for method, operation in operations.items():
                asked.requests.clear()
                with suppress(ServiceError):
                    OPERATIONS[operation["operationId"]](client, tmp_path / "file")
                ((sent, where, query, body),) = asked.requests
                assert (sent, bool(re.fullmatch(_shape(path), where))) == (method.upper(), True), (where, path)
                assert query <= {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
                properties, required = _body(contract, operation)
                assert required <= body <= properties, operation["operationId"]
    assert list(tmp_path.iterdir()) == []


def _shape(path: str) -> str:
    """Only a session's name has slashes."""
    return re.sub(r"\\\{(\w+)\\\}", lambda found: ".+" if found[1] == "session" else "[^/]+", re.escape(path))


def _body(contract: dict[str, Any], operation: dict[str, Any]) -> tuple[set[str], set[str]]:
    """What may stand in a body, and what must."""
    if "requestBody" not in operation:
        return set(), set()
    name = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    schema = contract["components"]["schemas"][name]
    return set(schema["properties"]), set(schema.get("required", ()))
