"""An endpoint that answers every request with one `look` call of 2 KB, and with `finish` after N of them.

Arguments: the port, and how many milliseconds an answer takes (0 if left out).
"""

import asyncio
import json
import sys

import uvicorn

from macrohard.llm.builtin.app import Receive, Scope, Send

DELAY_SECONDS = int(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.0


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The number of calls stands in the model's name: `look-400`."""
    if scope["type"] != "http":
        return
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    request = json.loads(body)
    await asyncio.sleep(DELAY_SECONDS)
    wanted = int(str(request["model"]).rpartition("-")[2])
    asked = sum(1 for message in request["messages"] if message["role"] == "assistant")
    name, arguments = ("finish", '{"summary": "done"}') if asked + 1 >= wanted else ("look", "{}")
    call = {"id": f"c{asked}", "type": "function", "function": {"name": name, "arguments": arguments}}
    reply = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": request["model"],
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {"role": "assistant", "content": None, "tool_calls": [call]},
            }
        ],
        "usage": {"prompt_tokens": len(body) // 4, "completion_tokens": 20, "total_tokens": len(body) // 4 + 20},
    }
    content = json.dumps(reply).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


if __name__ == "__main__":
    uvicorn.run(application, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
