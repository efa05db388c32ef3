"""Requests to a service: repeated where they may be, and refusals as exceptions."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar, cast

import requests
from pydantic import TypeAdapter

from macrohard.errors import Conflict, NotFound, RequestError, Unavailable

TRIES = 5
"""For requests that may be repeated, where the service does not answer."""
FIRST_WAIT_SECONDS = 0.5
"""Between two tries; each time twice as long."""
LAST_WAIT_SECONDS = 5.0
"""At most, between two looks at a run that is about to be taken up."""
UNDER_WAY_SECONDS = 120.0
"""So long it is asked for what is being done already: more than a service takes to see that who did it died."""
SILENCE_SECONDS = 60.0
"""A stream says something every 15 seconds, if only that it is there."""

T = TypeVar("T")


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


class Connection:
    """The way to one service, as somebody with this token."""

    def __init__(self, url: str, token: str, *, timeout_seconds: float) -> None:
        self.url, self._timeout = url.rstrip("/"), timeout_seconds
        self._session = requests.Session()
        # Else a .netrc on this machine would go before the token.
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Let go of the sockets."""
        self._session.close()

    def ask(self, method: str, path: str, *, repeatable: bool = False, **arguments: Any) -> requests.Response:
        """The answer to a request below `/api/v1`, or of the service itself if the path begins with a slash.

        Raises:
            ServiceError: it was refused.
            NotAnswering: nobody answers as a service.
        """
        repeatable = repeatable or method in ("GET", "DELETE")
        arguments.setdefault("timeout", self._timeout)
        address = self.url + path if path.startswith("/") else f"{self.url}/api/v1/{path}"
        tries, patient_until = 0, time.monotonic() + UNDER_WAY_SECONDS
        while tries < (TRIES if repeatable else 1):
            if tries:
                time.sleep(FIRST_WAIT_SECONDS * 2 ** (tries - 1))
            tries += 1
            try:
                answer = self._session.request(method, address, allow_redirects=False, **arguments)
            except requests.RequestException as error:
                problem: Exception = error
                continue
            if answer.status_code < 400:
                return answer
            problem = _refusal(answer)
            if repeatable and _is_under_way(answer) and time.monotonic() < patient_until:
                tries = 1
            elif answer.status_code != 503:
                raise problem
        raise NotAnswering(f"{self.url} does not answer: {problem}") from problem

    def read(self, kind: type[T], method: str, path: str, **arguments: Any) -> T:
        """The same, as a value of this kind."""
        return TypeAdapter(kind).validate_python(self.ask(method, path, **arguments).json())

    def save(self, path: str, to: Path, *, query: Mapping[str, int]) -> Path:
        """Write the answer to a GET into a file; what is there is replaced, once all of the answer has come."""
        part = to.with_name(f"{to.name}.part")
        try:
            with closing(self.ask("GET", path, params=query, stream=True)) as answer, part.open("wb") as file:
                for chunk in answer.iter_content(1 << 16):
                    file.write(chunk)
            part.replace(to)
        except requests.RequestException as error:
            raise NotAnswering(f"{self.url} broke off: {error}") from error
        finally:
            part.unlink(missing_ok=True)
        return to

    def stream(self, path: str, *, query: Mapping[str, Any], after: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """The events behind this one, and those to come, until the connection breaks.

        Raises:
            Broken: it did.
        """
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        answer = self.ask("GET", path, params=query, headers=headers, stream=True, timeout=SILENCE_SECONDS)
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
                        yield number, json.loads(data)
                        data = ""


Broken = requests.RequestException
"""A connection within an answer."""


def _is_under_way(answer: requests.Response) -> bool:
    return answer.status_code == 409 and "Retry-After" in answer.headers


def _refusal(answer: requests.Response) -> ServiceError:
    try:
        detail = str(cast(dict[str, Any], answer.json())["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"{answer.url} answered {answer.status_code}, and not as Macrohard does"
    kind = {404: NotThere, 409: NotNow}.get(answer.status_code, ServiceError)
    return kind(answer.status_code, detail)
