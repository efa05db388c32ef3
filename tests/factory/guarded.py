"""The priced model behind keys, which repeats them in its complaints; run as a program by the tests.

Arguments: port, and a file. The keys are the lines of standard input: the environment and the arguments of a program
can be seen by others. A key's number is written into the file when it is first used, and that first request is
answered 500; a key that is not among them is answered 401.
"""

import json
import sys
from pathlib import Path

import uvicorn

from macrohard.llm.builtin.app import Receive, Scope, Send
from tests.factory.priced import renamed


class Guarded:
    """Asks for a key before anything else."""

    def __init__(self, keys: list[str], used: Path) -> None:
        self._keys, self._used, self._seen = keys, used, set[int]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        given = dict(scope["headers"]).get(b"authorization", b"").decode()
        if given.removeprefix("Bearer ") not in self._keys:
            await _complain(send, 401, f"Incorrect API key provided: {given}")
            return
        number = self._keys.index(given.removeprefix("Bearer "))
        if number not in self._seen:
            self._seen.add(number)
            self._used.write_text(json.dumps(sorted(self._seen)))
            bare = given.removeprefix("Bearer ")
            await _complain(send, 500, f"internal error while serving {given}; key={bare}; headers={scope['headers']}")
            return
        await renamed(scope, receive, send)


async def _complain(send: Send, status: int, text: str) -> None:
    body = json.dumps({"error": {"message": text, "type": "error"}}).encode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


if __name__ == "__main__":
    keys = sys.stdin.read().split()
    uvicorn.run(Guarded(keys, Path(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
