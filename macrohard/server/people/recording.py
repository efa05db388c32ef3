"""What a team's people do, written to the audit log before it is done, and what came of it before they are told."""

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import Message, Send

from macrohard.errors import StoreUnavailable
from macrohard.server.access import Principal, address_of
from macrohard.server.problems import as_json, problem_of
from macrohard.store.audit import AuditLog

_LONGEST = 300
"""Of what a request may have written into the log."""


class Recorder:
    """Writes two entries for a request that changes something: what was asked, and how it was answered.

    An entry without an answer is a request during which the service died: what it asked for may have been done.
    """

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    async def recorded(self, request: Request, principal: Principal, send: Send) -> Send:
        """Write down what is asked; gives a `send` that writes down the answer.

        Raises:
            StoreUnavailable: it could not be written, so it must not be done.
        """
        who = {
            "who": principal.name,
            "through": principal.token.id if principal.token else "browser",
            "address": address_of(request),
        }
        facts = request.state.facts = dict[str, str | int | None]()
        action = f"{request.method} {request.url.path}"[:_LONGEST]
        number = await self._log.add(action, **who, facts={})

        unrecorded = False

        async def answering(message: Message) -> None:
            nonlocal unrecorded
            if message["type"] == "http.response.start":
                made = Headers(raw=message["headers"]).get("location")
                answer = {"to": number, "status": message["status"], **facts}
                try:
                    await self._log.add("answer", **who, facts={**answer, "location": made} if made else answer)
                except StoreUnavailable as error:
                    unrecorded = True
                    detail = (
                        f"this was done, and answered {message['status']}, but the audit log could not be told so: "
                        f"{error}. Look how things stand before you ask for it again"
                    )
                    await as_json(problem_of(503, detail))(request.scope, request.receive, send)
            if not unrecorded:
                await send(message)

        return answering

    async def login(self, name: str, *, through: str, address: str, succeeded: bool, **facts: str | int | None) -> None:
        """Write down that somebody tried to log in."""
        said = {"succeeded": "yes" if succeeded else "no", **facts}
        await self._log.add("login", who=name[:_LONGEST], through=through, address=address, facts=said)

    async def made(self, name: str, *, address: str, **facts: str | int | None) -> None:
        """Write down that somebody is to be a user because a provider knows them."""
        await self._log.add("users add", who=name, through="oidc", address=address, facts={"user": name, **facts})


def note(request: Request, **facts: str | int | None) -> None:
    """Have the audit log say so of what is done, where the address alone does not."""
    if hasattr(request.state, "facts"):
        request.state.facts.update(facts)
