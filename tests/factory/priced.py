"""The built-in model under another name on a port, so that it can be given a price; run as a program by the tests."""

import json
import sys
from collections.abc import MutableMapping
from typing import Any

import uvicorn

from macrohard.llm.builtin.app import Receive, Scope, Send, application


async def renamed(scope: Scope, receive: Receive, send: Send) -> None:
    """Every model's name means the built-in one."""
    if scope["type"] != "http":
        await application(scope, receive, send)
        return
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    request = json.loads(body)
    changed = json.dumps({**request, "model": "builtin"}).encode()

    async def once() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": changed, "more_body": False}

    await application(scope, once, send)


if __name__ == "__main__":
    uvicorn.run(renamed, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
