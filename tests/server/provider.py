"""An OpenID Connect provider, a process of its own, behind something that can make it fail, lie and go away."""

import hmac
import json
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

import requests
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.server.listening import listening

Json = dict[str, Any]
OTHERS = RSAKey.generate_key(2048, {"kid": "others", "use": "sig"})
"""A key of somebody else."""


@dataclass
class Provider:
    """The provider; what it answers passes whatever is set here."""

    address: str = ""
    behind: str = ""
    answers: Callable[[str, int, Json], tuple[int, Json]] = field(default=lambda path, status, body: (status, body))
    """By path."""
    away: bool = False
    hours_ahead: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Which paths, and by what they were authorized."""

    def knows(self, subject: str, **claims: Any) -> None:
        """Somebody has an account there, with these claims from now on."""
        assert requests.put(f"{self.behind}/users/{subject}", json=claims, timeout=30).status_code == 204

    @contextmanager
    def with_token(self, change: Callable[[Json], Json]) -> Iterator[None]:
        """Its answer with the tokens is changed."""
        self.answers = lambda path, status, body: (status, change(body) if path == "/oauth2/token" else body)
        yield
        self.well()

    @contextmanager
    def with_claims(self, change: Callable[[Json], Json]) -> Iterator[None]:
        """Its ID tokens have other claims, and are signed by a key that it publishes."""

        def answers(path: str, status: int, body: Json) -> tuple[int, Json]:
            if path == "/jwks":
                return status, {"keys": [OTHERS.as_dict(private=False)]}
            return status, resigned(body, change) if path == "/oauth2/token" else body

        self.answers = answers
        yield
        self.well()

    def well(self) -> None:
        """It is as it was."""
        self.answers, self.away, self.hours_ahead = (lambda path, status, body: (status, body)), False, 0.0


def claims_of(body: Json) -> Json:
    part = body["id_token"].split(".")[1]
    return cast(Json, json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def resigned(body: Json, change: Callable[[Json], Json] = lambda claims: claims) -> Json:
    """The answer with an ID token of the other key."""
    return {**body, "id_token": jwt.encode({"alg": "RS256", "kid": "others"}, change(claims_of(body)), OTHERS)}


def unsigned(body: Json) -> Json:
    """The answer with an ID token that says it needs no signature."""
    head = urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    return {**body, "id_token": f"{head}.{body['id_token'].split('.')[1]}."}


def signed_by_all(body: Json) -> Json:
    """The answer with an ID token whose key everybody has: the public one of the other key."""
    head = urlsafe_b64encode(b'{"alg":"HS256","kid":"others"}').decode().rstrip("=")
    said = f"{head}.{body['id_token'].split('.')[1]}"
    signature = hmac.digest(OTHERS.as_pem(private=False), said.encode(), "sha256")
    return {**body, "id_token": f"{said}.{urlsafe_b64encode(signature).decode().rstrip('=')}"}


def altered(body: Json) -> Json:
    """The answer with another subject under the signature of the right one."""
    head, _, signature = body["id_token"].split(".")
    _, other, _ = resigned(body, lambda claims: {**claims, "sub": "chief"})["id_token"].split(".")
    return {**body, "id_token": f"{head}.{other}.{signature}"}


@contextmanager
def providing(*arguments: str) -> Iterator[Provider]:
    """A provider that answers, until the context is left."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    provider = Provider(behind=f"http://127.0.0.1:{port}")
    try:
        with listening(handler_of(provider)) as passing:
            provider.address = f"http://localhost:{passing}"
            deadline = time.monotonic() + 120
            while True:
                with suppress(requests.ConnectionError):
                    if requests.get(f"{provider.behind}/jwks", timeout=30).ok:
                        break
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield provider
    finally:
        process.kill()
        process.wait()


def handler_of(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Passing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass()

        def do_POST(self) -> None:
            self._pass()

        def _pass(self) -> None:
            path = self.path.partition("?")[0]
            provider.asked.append((path, self.headers.get("Authorization", "")))
            if provider.away:
                self.close_connection = True
                return
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            answer = requests.request(
                self.command, provider.behind + self.path, data=body, headers=dict(self.headers), timeout=30,
                allow_redirects=False,
            )  # fmt: skip
            status, content = answer.status_code, answer.content
            if answer.headers.get("Content-Type", "").startswith("application/json"):
                status, told = provider.answers(path, status, answer.json())
                content = json.dumps(told).encode()
            self.send_response_only(status)
            now = datetime.now(UTC).timestamp() + provider.hours_ahead * 3600
            self.send_header("Date", format_datetime(datetime.fromtimestamp(now, UTC), usegmt=True))
            for name in ("Content-Type", "Location"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """It says nothing."""

    return Passing
