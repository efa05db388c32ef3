"""Macrohard's service from Python: submit a requirement, follow what happens, answer, take the product along.

client = Client("http://127.0.0.1:8700", token)
run = client.submit("A to-do list with due dates.")
for told in client.events(run.id, until_done=True):
    print(told.number, told.event["type"])
client.download(run.id, Path("todo.zip"))
"""

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote

import requests
from pydantic import TypeAdapter

from macrohard.domain import Caps, JsonObject, Question, RunOverview, RunStatus, RunSummary, Value
from macrohard.domain.approval import Approvals, Point
from macrohard.domain.comparison import Compared
from macrohard.domain.feedback import Feedback, Remark
from macrohard.domain.requirement import Attachment
from macrohard.errors import Conflict, NotFound, RequestError, Unavailable

TRIES = 5
"""For requests that may be repeated, where the service does not answer."""
FIRST_WAIT_SECONDS = 0.5
"""Between two tries; each time twice as long."""
SILENCE_SECONDS = 60.0
"""A stream says something every 15 seconds, if only that it is there."""
AT_REST: frozenset[RunStatus] = frozenset({"delivered", "partial", "refused", "cancelled", "failed", "paused"})

T = TypeVar("T")


class Told(Value):
    """Something that happened in a run."""

    number: int
    at: datetime
    event: JsonObject
    """Its `type` says what else it has."""


class ServiceError(RequestError):
    """The service refused a request; the text is its `detail`."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class NotThere(ServiceError, NotFound):
    """404."""


class NotNow(ServiceError, Conflict):
    """409: it does not go with how things stand."""


class NotAnswering(Unavailable):
    """The service cannot be reached, or does not answer as one."""


class Client:
    """One service, as somebody with this token.

    Every method raises ServiceError (NotThere, NotNow) when the service refuses, and NotAnswering when there is none.
    A run is named by its id, or by a beginning of it that only one run has.
    """

    def __init__(self, url: str, token: str, *, timeout_seconds: float = 60.0) -> None:
        self._url, self._timeout = url.rstrip("/"), timeout_seconds
        self._session = requests.Session()
        # Else a .netrc on this machine would go before the token.
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Let go of the connections."""
        self._session.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        ask: bool = True,
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
            "ask": ask,
        }
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        return self._read(RunSummary, "POST", "runs", json=body, headers=headers, repeatable=True)

    def runs(
        self, *, limit: int | None = None, status: RunStatus | None = None, text: str = "", model: str = ""
    ) -> Iterator[RunSummary]:
        """Runs, the latest first, page by page."""
        query: dict[str, Any] = {"limit": min(limit or 200, 200), "status": status, "text": text, "model": model}
        left = limit
        while True:
            page = self._ask("GET", "runs", params=query).json()
            for run in page["runs"][:left]:
                yield RunSummary.model_validate(run)
            left = None if left is None else left - len(page["runs"])
            if page["before"] is None or (left is not None and left <= 0):
                return
            query["before"] = page["before"]

    def run(self, run: str) -> RunOverview:
        """All of one run."""
        return self._read(RunOverview, "GET", f"runs/{_named(run)}")

    def compare(self, left: str, right: str) -> Compared:
        """Two places side by side: each RUN:ITERATION, or RUN for its last iteration that was kept."""
        return self._read(Compared, "GET", "compare", params={"left": left, "right": right})

    def events(
        self, run: str, *, after: int = 0, types: Sequence[str] = (), until_done: bool = False
    ) -> Iterator[Told]:
        """What happened behind event `after`, and what happens as it does; a broken connection is taken up again.

        With `until_done` it ends when the run is over, or waits for a person or its hour; else never.
        """
        types, tries = tuple(each.replace("-", " ") for each in types), 0
        while True:
            if until_done and (summary := self.run(run).summary).status in AT_REST:
                if summary.queued and summary.wake_at is None:
                    time.sleep(FIRST_WAIT_SECONDS)  # It is about to be taken up again, or out of the queue.
                    continue
                # What was told before it came to rest may still be unread.
                yield from self._page(run, after=after, types=types)
                return
            try:
                for told in self._streamed(run, after=after, types=types):
                    after, tries = told.number, 0
                    if not types or told.event["type"] in types:
                        yield told
                    if until_done and told.event["type"] == "run ended":
                        break
            except requests.RequestException as error:
                tries += 1
                if tries == TRIES:
                    raise NotAnswering(f"{self._url} broke off and does not answer any more: {error}") from error
                time.sleep(FIRST_WAIT_SECONDS * 2**tries)

    def questions(self, run: str) -> tuple[Question, ...]:
        """What the run waits for somebody to say."""
        return TypeAdapter(tuple[Question, ...]).validate_python(
            self._ask("GET", f"runs/{_named(run)}/questions").json()
        )

    def answer(self, run: str, answers: Mapping[str, str]) -> RunSummary:
        """Answer questions, by their ids; the run goes on."""
        return self._read(RunSummary, "POST", f"runs/{_named(run)}/answers", json={"answers": dict(answers)})

    def approve(self, run: str, point: Point) -> RunSummary:
        """Say yes where the run waits for it."""
        return self._read(RunSummary, "POST", f"runs/{_named(run)}/approvals", json={"point": point, "approved": True})

    def send_back(self, run: str, point: Point, comment: str) -> RunSummary:
        """Say no where the run waits for a yes, and what is to be different."""
        body = {"point": point, "approved": False, "comment": comment}
        return self._read(RunSummary, "POST", f"runs/{_named(run)}/approvals", json=body)

    def feedback(self, run: str, remark: Remark) -> Feedback:
        """Say something of the run, an iteration, a criterion, a finding, or a line."""
        return self._read(Feedback, "POST", f"runs/{_named(run)}/feedback", json=remark.model_dump(mode="json"))

    def add_budget(self, run: str, more: Caps) -> RunSummary:
        """Allow the run so much more."""
        return self._read(RunSummary, "POST", f"runs/{_named(run)}/budget", json=more.model_dump())

    def pause(self, run: str) -> RunSummary:
        """Have it stop where it stands."""
        return self._read(RunSummary, "POST", f"runs/{_named(run)}/pause")

    def resume(self, run: str) -> RunSummary:
        """Have it go on."""
        return self._read(RunSummary, "POST", f"runs/{_named(run)}/resume")

    def cancel(self, run: str) -> RunSummary:
        """End it for good."""
        return self._read(RunSummary, "POST", f"runs/{_named(run)}/cancel")

    def delete(self, run: str) -> None:
        """Delete it, with all that is kept of it."""
        self._ask("DELETE", f"runs/{_named(run)}")

    def download(self, run: str, to: Path, *, iteration: int | None = None) -> Path:
        """Write the product as a zip; with `iteration`, what stood at its end. What is there is replaced."""
        query = {} if iteration is None else {"iteration": iteration}
        part = to.with_name(f"{to.name}.part")
        try:
            with (
                closing(self._ask("GET", f"runs/{_named(run)}/product.zip", params=query, stream=True)) as answer,
                part.open("wb") as file,
            ):
                for chunk in answer.iter_content(1 << 16):
                    file.write(chunk)
            part.replace(to)
        except requests.RequestException as error:
            raise NotAnswering(f"{self._url} broke off: {error}") from error
        finally:
            part.unlink(missing_ok=True)
        return to

    def report(self, run: str) -> str:
        """The report, one HTML page."""
        return self._ask("GET", f"runs/{_named(run)}/report").text

    def _page(self, run: str, *, after: int, types: Sequence[str]) -> Iterator[Told]:
        while True:
            query = {"after": after, "type": list(types), "limit": 1000}
            page = self._ask("GET", f"runs/{_named(run)}/events", params=query).json()
            if not page["events"]:
                return
            yield from (Told.model_validate(each) for each in page["events"])
            after = page["after"]

    def _streamed(self, run: str, *, after: int, types: Sequence[str]) -> Iterator[Told]:
        # The end is always listened for: it says when there is nothing more to come.
        query = {"type": [*types, "run ended"]} if types else {}
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        answer = self._ask(
            "GET", f"runs/{_named(run)}/events", params=query, headers=headers, stream=True, timeout=SILENCE_SECONDS
        )
        with closing(answer):
            number, data = 0, ""
            # In pieces, because of one that is longer nothing would be had before all of it is there.
            for line in answer.iter_lines(chunk_size=256):
                field, _, value = line.decode().partition(": ")
                match field:
                    case "id":
                        number = int(value)
                    case "data":
                        data = value
                    case "" if data:
                        event = json.loads(data)
                        yield Told(number=number, at=event.pop("at"), event=event)
                        data = ""

    def _read(self, kind: type[T], method: str, path: str, **arguments: Any) -> T:
        return TypeAdapter(kind).validate_python(self._ask(method, path, **arguments).json())

    def _ask(self, method: str, path: str, *, repeatable: bool = False, **arguments: Any) -> requests.Response:
        repeatable = repeatable or method in ("GET", "DELETE")
        arguments.setdefault("timeout", self._timeout)
        for wait in (FIRST_WAIT_SECONDS * 2**number for number in range(TRIES)):
            try:
                answer = self._session.request(method, f"{self._url}/api/v1/{path}", allow_redirects=False, **arguments)
            except requests.RequestException as error:
                problem: Exception = error
            else:
                if answer.status_code < 400:
                    return answer
                if answer.status_code != 503:
                    raise _refusal(answer)
                problem = _refusal(answer)
            if not repeatable:
                break
            time.sleep(wait)
        raise NotAnswering(f"{self._url} does not answer: {problem}") from problem


def _named(run: str) -> str:
    """As it stands in an address."""
    return quote(run, safe="")


def _refusal(answer: requests.Response) -> ServiceError:
    try:
        detail = str(cast(dict[str, Any], answer.json())["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"{answer.url} answered {answer.status_code}, and not as Macrohard does"
    kind = {404: NotThere, 409: NotNow}.get(answer.status_code, ServiceError)
    return kind(answer.status_code, detail)
