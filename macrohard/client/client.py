"""Each operation of REST version 1 as a method; what has no value of its own comes as the JSON object it is."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from macrohard.client.connection import FIRST_WAIT_SECONDS, LAST_WAIT_SECONDS, TRIES, Broken, Connection, NotAnswering
from macrohard.client.projects import Projects
from macrohard.domain import (
    BudgetState,
    Caps,
    Costs,
    CriterionState,
    Diagnosis,
    Finding,
    Forecast,
    IterationSummary,
    JsonObject,
    Plan,
    Question,
    RunOverview,
    RunStatus,
    RunSummary,
    SessionSummary,
    Specification,
    Value,
)
from macrohard.domain.approval import Approvals, Point
from macrohard.domain.comparison import Compared
from macrohard.domain.feedback import Feedback, Remark
from macrohard.domain.people import ApiToken, AuditEntry, AuditVerdict, RoleName, User
from macrohard.domain.requirement import Attachment
from macrohard.domain.webhook import Delivery, Notice, Webhook

AT_REST: frozenset[RunStatus] = frozenset({"delivered", "partial", "refused", "cancelled", "failed", "paused"})


class Told(Value):
    """Something that happened in a run."""

    number: int
    at: datetime
    event: JsonObject
    """Its `type` says what else it has."""


class Spending(Value):
    """Where a run's budget stands."""

    budget: BudgetState
    forecast: Forecast | None
    costs: Costs


class Found(Value):
    """A finding, and the iteration in which it was found."""

    iteration: int
    finding: Finding


class Client:
    """One service, as somebody with this token.

    Every method raises ServiceError (NotThere, NotNow) when the service refuses, and NotAnswering when there is none.
    A run is named by its id, or by a beginning of it that only one run has; a session by its id without that of its
    run. What is a JSON object here is described at `/api/v1/openapi.json`.
    """

    def __init__(self, url: str, token: str, *, timeout_seconds: float = 60.0) -> None:
        self._service = Connection(url, token, timeout_seconds=timeout_seconds)
        self.projects = Projects(self._service)

    def close(self) -> None:
        """Let go of the connections."""
        self._service.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- runs -----------------------------------------------------------------------------------------------------

    def submit(
        self,
        requirement: str,
        *,
        attachments: Sequence[Attachment] = (),
        improves: str | None = None,
        model: str | None = None,
        caps: Caps | None = None,
        iterations: int | None = None,
        approvals: Approvals | None = None,
        answer_seconds: float | None = None,
        budget_seconds: float | None = None,
        ask: bool = True,
        project: str | None = None,
        key: str | None = None,
    ) -> RunSummary:
        """Submit a requirement, once: repeated with the same `key`, it is the same run. See `POST /api/v1/runs`."""
        body = {
            "requirement": requirement,
            "attachments": [each.model_dump() for each in attachments],
            "improves": improves,
            "model": model,
            "caps": caps.model_dump() if caps else None,
            "iterations": iterations,
            "approvals": dict(approvals or {}),
            "answer_seconds": answer_seconds,
            "budget_seconds": budget_seconds,
            "ask": ask,
            "project": project,
        }
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return self._service.read(RunSummary, "POST", "runs", json=body, headers=headers, repeatable=True)

    def runs(
        self,
        *,
        limit: int | None = None,
        status: RunStatus | None = None,
        text: str = "",
        model: str = "",
        since: datetime | None = None,
        project: str | None = None,
    ) -> Iterator[RunSummary]:
        """Runs, the latest first, page by page."""
        query: dict[str, Any] = {"limit": min(limit or 200, 200), "status": status, "text": text, "model": model}
        query |= {"since": since and since.isoformat(), "project": project}
        left = limit
        while True:
            page = self._service.ask("GET", "runs", params=query).json()
            for run in page["runs"][:left]:
                yield RunSummary.model_validate(run)
            left = None if left is None else left - len(page["runs"])
            if page["before"] is None or (left is not None and left <= 0):
                return
            query["before"] = page["before"]

    def run(self, run: str) -> RunOverview:
        """All of one run."""
        return self._service.read(RunOverview, "GET", _run(run))

    def compare(self, left: str, right: str) -> Compared:
        """Two places side by side: each RUN:ITERATION, or RUN for its last iteration that was kept."""
        return self._service.read(Compared, "GET", "compare", params={"left": left, "right": right})

    def fleet(self) -> JsonObject:
        """What is under way, and what it is blocked on."""
        return self._service.read(JsonObject, "GET", "fleet")

    def fork(
        self,
        run: str,
        *,
        iteration: int,
        guidance: str = "",
        model: str | None = None,
        caps: Caps | None = None,
        iterations: int | None = None,
    ) -> RunSummary:
        """Go another way from the end of an iteration on, as a run of its own."""
        body = {
            "iteration": iteration,
            "guidance": guidance,
            "model": model,
            "caps": caps.model_dump() if caps else None,
            "iterations": iterations,
        }
        return self._service.read(RunSummary, "POST", _run(run, "fork"), json=body)

    def pause(self, run: str) -> RunSummary:
        """Have it stop where it stands."""
        return self._service.read(RunSummary, "POST", _run(run, "pause"))

    def resume(self, run: str) -> RunSummary:
        """Have it go on."""
        return self._service.read(RunSummary, "POST", _run(run, "resume"))

    def cancel(self, run: str) -> RunSummary:
        """End it for good."""
        return self._service.read(RunSummary, "POST", _run(run, "cancel"))

    def delete(self, run: str) -> None:
        """Delete it, with all that is kept of it."""
        self._service.ask("DELETE", _run(run))

    def events(
        self, run: str, *, after: int = 0, types: Sequence[str] = (), until_done: bool = False
    ) -> Iterator[Told]:
        """What happened behind event `after`, and what happens as it does; a broken connection is taken up again.

        With `until_done` it ends when the run is over, or waits for a person or its hour; else never.
        """
        types, tries, pause = tuple(each.replace("-", " ") for each in types), 0, FIRST_WAIT_SECONDS / 2
        while True:
            if until_done and (summary := self.run(run).summary).status in AT_REST:
                if summary.queued and (summary.wake_at is None or summary.wake_at <= datetime.now(UTC)):
                    time.sleep(pause := min(2 * pause, LAST_WAIT_SECONDS))  # It is about to be taken up again.
                    continue
                # What was told before it came to rest may still be unread.
                yield from self._page(run, after=after, types=types)
                return
            pause = FIRST_WAIT_SECONDS / 2
            try:
                # The end is always listened for: it says when there is nothing more to come.
                query = {"type": [*types, "run ended"]} if types else {}
                for number, event in self._service.stream(_run(run, "events"), query=query, after=after):
                    told = Told(number=number, at=event.pop("at"), event=event)
                    after, tries = told.number, 0
                    if not types or told.event["type"] in types:
                        yield told
                    if until_done and told.event["type"] == "run ended":
                        break
            except Broken as error:
                tries += 1
                if tries == TRIES:
                    raise NotAnswering(f"{self._service.url} broke off and answers no more: {error}") from error
                time.sleep(FIRST_WAIT_SECONDS * 2**tries)

    def _page(self, run: str, *, after: int, types: Sequence[str]) -> Iterator[Told]:
        while True:
            query = {"after": after, "type": list(types), "limit": 1000}
            page = self._service.ask("GET", _run(run, "events"), params=query).json()
            if not page["events"]:
                return
            yield from (Told.model_validate(each) for each in page["events"])
            after = page["after"]

    # --- what people say to a run ---------------------------------------------------------------------------------

    def questions(self, run: str) -> tuple[Question, ...]:
        """What the run waits for somebody to say."""
        return self._service.read(tuple[Question, ...], "GET", _run(run, "questions"))

    def answer(self, run: str, answers: Mapping[str, str]) -> RunSummary:
        """Answer questions, by their ids; the run goes on."""
        return self._service.read(RunSummary, "POST", _run(run, "answers"), json={"answers": dict(answers)})

    def approve(
        self, run: str, point: Point, *, number: int | None = None, specification: Specification | None = None,
        plan: Plan | None = None,
    ) -> RunSummary:  # fmt: skip
        """Say yes where the run waits for it; criteria and tasks may be changed with it.

        `number`: of what was seen, as the run's `awaited` says; NotNow where it waits with another by now.
        """
        given = {"specification": specification, "plan": plan}
        changed = {name: each.model_dump(mode="json") for name, each in given.items() if each is not None}
        body = {"point": point, "number": number, "approved": True, **changed}
        return self._service.read(RunSummary, "POST", _run(run, "approvals"), json=body)

    def send_back(self, run: str, point: Point, comment: str, *, number: int | None = None) -> RunSummary:
        """Say no where the run waits for a yes, and what is to be different; `number` as for `approve`."""
        body = {"point": point, "number": number, "approved": False, "comment": comment}
        return self._service.read(RunSummary, "POST", _run(run, "approvals"), json=body)

    def feedback(self, run: str, remark: Remark) -> Feedback:
        """Say something of the run, an iteration, a criterion, a finding, or a line."""
        return self._service.read(Feedback, "POST", _run(run, "feedback"), json=remark.model_dump(mode="json"))

    def remarks(self, run: str) -> tuple[Feedback, ...]:
        """What people said of the run, and what became of it."""
        return self._service.read(tuple[Feedback, ...], "GET", _run(run, "feedback"))

    def budget(self, run: str) -> Spending:
        """What the run may take, has taken, and is expected to take."""
        return self._service.read(Spending, "GET", _run(run, "budget"))

    def add_budget(self, run: str, more: Caps) -> RunSummary:
        """Allow the run so much more."""
        return self._service.read(RunSummary, "POST", _run(run, "budget"), json=more.model_dump())

    # --- its agents -----------------------------------------------------------------------------------------------

    def sessions(self, run: str) -> tuple[SessionSummary, ...]:
        """Every session, as they began."""
        return self._service.read(tuple[SessionSummary, ...], "GET", _run(run, "sessions"))

    def session(self, run: str, session: str) -> SessionSummary:
        """One session."""
        return self._service.read(SessionSummary, "GET", _session(run, session))

    def transcript(self, run: str, session: str) -> Iterator[JsonObject]:
        """What was said in a session, step by step, page by page."""
        after: int | None = -1
        while after is not None:
            query = {"after": after, "limit": 500}
            page = self._service.ask("GET", f"{_session(run, session)}/transcript", params=query).json()
            yield from page["entries"]
            after = page["after"]

    def write_to(self, run: str, session: str, text: str) -> SessionSummary:
        """Say something to an agent at work."""
        return self._service.read(SessionSummary, "POST", f"{_session(run, session)}/messages", json={"text": text})

    def stop(self, run: str, session: str, *, why: str = "") -> SessionSummary:
        """Have an agent at work end; what it did is kept and checked."""
        body = {"text": why, "stop": True}
        return self._service.read(SessionSummary, "POST", f"{_session(run, session)}/messages", json=body)

    # --- what came of it ------------------------------------------------------------------------------------------

    def criteria(self, run: str) -> tuple[CriterionState, ...]:
        """The traceability matrix."""
        return self._service.read(tuple[CriterionState, ...], "GET", _run(run, "criteria"))

    def iterations(self, run: str) -> tuple[IterationSummary, ...]:
        """Every iteration."""
        return self._service.read(tuple[IterationSummary, ...], "GET", _run(run, "iterations"))

    def iteration(self, run: str, number: int) -> IterationSummary:
        """One iteration."""
        return self._service.read(IterationSummary, "GET", _run(run, f"iterations/{number}"))

    def diff(self, run: str, number: int, *, since: int | None = None) -> str:
        """What an iteration changed since another one (0: since the beginning), else since the last kept one."""
        query = {} if since is None else {"since": since}
        return self._service.ask("GET", _run(run, f"iterations/{number}/diff"), params=query).content.decode()

    def findings(self, run: str) -> tuple[Found, ...]:
        """What users, testers, reviewers and scanners noticed."""
        return self._service.read(tuple[Found, ...], "GET", _run(run, "findings"))

    def artifact(self, digest: str, to: Path) -> Path:
        """Write a screenshot, log or document to a file."""
        return self._service.save(f"artifacts/{quote(digest, safe='')}", to, query={})

    def download(self, run: str, to: Path, *, iteration: int | None = None) -> Path:
        """Write the product as a zip; with `iteration`, what stood at its end. What is there is replaced."""
        return self._service.save(
            _run(run, "product.zip"), to, query={} if iteration is None else {"iteration": iteration}
        )

    def film(self, run: str, to: Path) -> Path:
        """Write the film of the simulated users, an MP4."""
        return self._service.save(_run(run, "film"), to, query={})

    def report(self, run: str) -> str:
        """The report, one HTML page."""
        return self._service.ask("GET", _run(run, "report")).text

    def open_preview(self, run: str, *, iteration: int | None = None) -> JsonObject:
        """Start the product on the service's machine; its `address` is good for ten minutes."""
        return self._service.read(JsonObject, "POST", _run(run, "preview"), json={"iteration": iteration})

    def previews(self, run: str) -> tuple[JsonObject, ...]:
        """Those that run now."""
        return self._service.read(tuple[JsonObject, ...], "GET", _run(run, "preview"))

    def renew_preview(self, run: str, preview: str) -> JsonObject:
        """Ten minutes more."""
        return self._service.read(JsonObject, "POST", _run(run, f"preview/{quote(preview, safe='')}/renew"))

    def end_preview(self, run: str, preview: str) -> None:
        """Stop it now."""
        self._service.ask("DELETE", _run(run, f"preview/{quote(preview, safe='')}"))

    # --- the installation -----------------------------------------------------------------------------------------

    def agents(self) -> tuple[JsonObject, ...]:
        """Every specialist."""
        return self._service.read(tuple[JsonObject, ...], "GET", "agents")

    def agent(self, name: str) -> JsonObject:
        """One specialist with all that it is told."""
        return self._service.read(JsonObject, "GET", f"agents/{quote(name, safe='')}")

    def personas(self) -> tuple[JsonObject, ...]:
        """Every simulated user."""
        return self._service.read(tuple[JsonObject, ...], "GET", "personas")

    def skills(self) -> tuple[JsonObject, ...]:
        """Every text that agents can read up on."""
        return self._service.read(tuple[JsonObject, ...], "GET", "skills")

    def models(self) -> tuple[JsonObject, ...]:
        """For each role the models that are asked."""
        return self._service.read(tuple[JsonObject, ...], "GET", "models")

    def usage(
        self, *, since: date | None = None, until: date | None = None, project: str | None = None
    ) -> tuple[JsonObject, ...]:
        """Runs, calls, tokens and dollars by UTC day and model."""
        query = {"since": since and since.isoformat(), "until": until and until.isoformat(), "project": project}
        return self._service.read(tuple[JsonObject, ...], "GET", "usage", params=query)

    def doctor(self) -> tuple[Diagnosis, ...]:
        """What works there, and what to do about what does not."""
        return self._service.read(tuple[Diagnosis, ...], "GET", "doctor")

    def health(self) -> str:
        """Says "ok" if it and its database answer."""
        return self._service.ask("GET", "/healthz").text.strip()

    def metrics(self) -> str:
        """Its figures in Prometheus' format."""
        return self._service.ask("GET", "/metrics").text

    # --- webhooks -------------------------------------------------------------------------------------------------

    def webhooks(self) -> tuple[Webhook, ...]:
        """Every address that is told."""
        return self._service.read(tuple[Webhook, ...], "GET", "webhooks")

    def add_webhook(self, url: str, events: Sequence[Notice], *, run: str | None = None) -> tuple[Webhook, str]:
        """Have an address told, of one run or of every; with the secret that signs, which is told once."""
        body = {"url": url, "events": list(events), "run": run}
        made = self._service.ask("POST", "webhooks", json=body).json()
        return Webhook.model_validate(made["webhook"]), str(made["secret"])

    def remove_webhook(self, webhook: str) -> None:
        """Tell this address nothing more."""
        self._service.ask("DELETE", f"webhooks/{quote(webhook, safe='')}")

    def deliveries(self, *, webhook: str | None = None, limit: int = 50) -> tuple[Delivery, ...]:
        """What was sent, or is to be, the latest first; 200 at most."""
        query = {"webhook": webhook, "limit": limit}
        return self._service.read(tuple[Delivery, ...], "GET", "webhooks/deliveries", params=query)

    def send_again(self, delivery: str) -> Delivery:
        """Send a notice once more, now."""
        return self._service.read(Delivery, "POST", f"webhooks/deliveries/{quote(delivery, safe='')}/resend")

    # --- people ---------------------------------------------------------------------------------------------------

    def me(self) -> JsonObject:
        """Who asks, and in which role."""
        return self._service.read(JsonObject, "GET", "me")

    def change_password(self, *, current: str, new: str) -> None:
        """Change one's own."""
        self._service.ask("PUT", "me/password", json={"current": current, "new": new})

    def tokens(self) -> tuple[ApiToken, ...]:
        """One's own, the latest first."""
        return self._service.read(tuple[ApiToken, ...], "GET", "tokens")

    def make_token(
        self, label: str, *, role: RoleName, days: int = 90, project: str | None = None
    ) -> tuple[ApiToken, str]:
        """Make one, for all projects that one sees or for this one; with the token itself, which is told once."""
        body = {"label": label, "role": role, "days": days, "project": project}
        made = self._service.ask("POST", "tokens", json=body).json()
        return ApiToken.model_validate(made["about"]), str(made["token"])

    def drop_token(self, token: str) -> None:
        """Make one of one's own good for nothing, by its id."""
        self._service.ask("DELETE", f"tokens/{quote(token, safe='')}")

    def users(self) -> tuple[User, ...]:
        """All users, by name."""
        return self._service.read(tuple[User, ...], "GET", "users")

    def add_user(self, name: str, *, role: RoleName, password: str) -> User:
        """Add one, with a first password."""
        return self._service.read(User, "POST", "users", json={"name": name, "role": role, "password": password})

    def change_user(
        self, name: str, *, role: RoleName | None = None, password: str | None = None, active: bool | None = None
    ) -> User:
        """Give one another role or password, or let them in no more, and again."""
        body = {"role": role, "password": password, "active": active}
        return self._service.read(User, "PATCH", f"users/{quote(name, safe='')}", json=body)

    def remove_user(self, name: str) -> None:
        """Remove one."""
        self._service.ask("DELETE", f"users/{quote(name, safe='')}")

    def audit(self, *, limit: int | None = None) -> Iterator[AuditEntry]:
        """What was done and tried, the latest first, page by page."""
        query, left = {"limit": min(limit or 500, 500)}, limit
        while True:
            page = self._service.ask("GET", "audit", params=query).json()
            for entry in page["entries"][:left]:
                yield AuditEntry.model_validate(entry)
            left = None if left is None else left - len(page["entries"])
            if page["before"] is None or (left is not None and left <= 0):
                return
            query["before"] = page["before"]

    def verify_audit(self) -> AuditVerdict:
        """Whether the audit log is as it was written."""
        return self._service.read(AuditVerdict, "GET", "audit/verdict")


def _run(run: str, what: str = "") -> str:
    """A run's address, or that of something of it."""
    return f"runs/{quote(run, safe='')}" + (f"/{what}" if what else "")


def _session(run: str, session: str) -> str:
    return _run(run, f"sessions/{quote(session, safe='/')}")
