"""A deed that is done when the audit log goes away."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from fastapi import Request
from starlette.responses import JSONResponse
from starlette.types import Message

from macrohard.domain.people import Role
from macrohard.errors import StoreUnavailable
from macrohard.server.access import Principal
from macrohard.server.people.recording import Recorder
from macrohard.store import Store


async def test_what_was_done_and_not_recorded_is_said_to_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope: dict[str, Any] = {
        "type": "http", "method": "DELETE", "path": "/api/v1/runs/r", "headers": [], "client": ("192.0.2.7", 4711)
    }  # fmt: skip
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def nothing() -> Message:
        raise AssertionError("nothing is read")

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("it went away")

    async with await Store.open(None, home=tmp_path) as store:
        request = Request(scope, nothing, send)
        principal = Principal(name="ada", role=Role.ADMIN, by_cookie=True)
        answering = await Recorder(store.audit).recorded(request, principal, send)
        with monkeypatch.context() as broken:
            broken.setattr(store.audit, "add", away)
            await JSONResponse({"id": "secret"}, 201)(scope, nothing, answering)
        (entry,) = await store.audit.page(limit=9)
    assert (entry.action, entry.address) == ("DELETE /api/v1/runs/r", "192.0.2.7")
    assert [(message["type"], message.get("status")) for message in sent] == [
        ("http.response.start", 503),
        ("http.response.body", None),
    ]
    assert "this was done, and answered 201" in orjson.loads(sent[1]["body"])["detail"]
