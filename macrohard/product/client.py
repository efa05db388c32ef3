"""Asking a product's service as a program would: HTTP over a stream into the sandbox, with everything bounded."""

import asyncio
import json
from dataclasses import dataclass
from email.message import Message
from http.cookiejar import CookieJar
from typing import Any, cast
from urllib.request import Request as CookieRequest

import h11

from macrohard.domain.scenario import Request
from macrohard.product.browser import ORIGIN, StepFailed, StepMalformed
from macrohard.product.service import PORT
from macrohard.sandbox.contract import Sandbox, Stream

ANSWER_SECONDS = 15.0
BODY_BYTES = 2 << 20


class Unanswered(StepFailed):
    """There was no answer, or none that is HTTP."""


@dataclass(frozen=True)
class Answer:
    """What the service answered."""

    asked: str
    """Method and path."""
    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


class Client:
    """One program that asks the service, with the cookies it was given; redirects are not followed."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._cookies = CookieJar()

    async def ask(self, request: Request) -> Answer:
        """Send the request on a connection of its own and read the whole answer.

        Raises:
            Unanswered: no answer, none in time, or one that is not HTTP.
            StepFailed: an answer that is too long.
            StepMalformed: what is to be sent is no HTTP.
            SandboxUnavailable: the sandbox was lost.
        """
        asked = f"{request.method} {request.path}"
        try:
            answer = await asyncio.wait_for(self._ask(request, asked), ANSWER_SECONDS)
        except TimeoutError as error:
            raise Unanswered(f"{asked} was not answered within {ANSWER_SECONDS:g} seconds") from error
        except h11.LocalProtocolError as error:
            raise StepMalformed(f"{asked} cannot be sent: {error}") from error
        except h11.RemoteProtocolError as error:
            raise Unanswered(f"{asked} was not answered in HTTP: {error}") from error
        except ConnectionError as error:
            raise Unanswered(f"{asked} was not answered: nothing listens, or the connection broke") from error
        self._cookies.extract_cookies(cast(Any, _Headed(answer.headers)), CookieRequest(ORIGIN + request.path))
        return answer

    async def _ask(self, request: Request, asked: str) -> Answer:
        body = b""
        if request.json_body is not None:
            body = json.dumps(request.json_body, ensure_ascii=False).encode()
        elif request.text_body is not None:
            body = request.text_body.encode()
        headers = {"Host": f"127.0.0.1:{PORT}", "Accept": "*/*", "Connection": "close"}
        if request.json_body is not None:
            headers["Content-Type"] = "application/json"
        if body or request.method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = str(len(body))
        with_cookies = CookieRequest(ORIGIN + request.path)
        self._cookies.add_cookie_header(with_cookies)
        if cookie := with_cookies.get_header("Cookie"):
            headers["Cookie"] = cookie
        given = {name.lower() for name in request.headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in given} | request.headers
        protocol = h11.Connection(h11.CLIENT)
        head = protocol.send(
            h11.Request(method=request.method, target=request.path.encode(), headers=list(headers.items()))
        )
        assert head is not None
        data = protocol.send(h11.Data(data=body)) if body else b""
        end = protocol.send(h11.EndOfMessage())
        stream = await self._sandbox.connect(PORT)
        try:
            await stream.write(head + (data or b"") + (end or b""))
            return await _read(stream, protocol, asked)
        finally:
            await stream.close()


async def _read(stream: Stream, protocol: h11.Connection, asked: str) -> Answer:
    response: h11.Response | None = None
    body = bytearray()
    while True:
        event = protocol.next_event()
        if event is h11.NEED_DATA:
            received = await stream.read()
            if not received and response is None:
                raise Unanswered(f"{asked} was not answered: the service closed the connection")
            protocol.receive_data(received)
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_BYTES:
                raise StepFailed(f"{asked} was answered with more than {BODY_BYTES >> 20} MiB")
        elif isinstance(event, h11.EndOfMessage):
            break
        elif isinstance(event, h11.ConnectionClosed):
            raise Unanswered(f"{asked} was not answered: the service closed the connection")
    assert response is not None
    headers = Message()
    for name, value in response.headers:
        headers.add_header(name.decode("latin-1"), value.decode("latin-1"))
    return Answer(asked=asked, status=response.status_code, headers=headers, body=bytes(body))


class _Headed:
    """An answer as `http.cookiejar` wants it."""

    def __init__(self, headers: Message) -> None:
        self._headers = headers

    def info(self) -> Message:
        return self._headers
