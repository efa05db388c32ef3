"""A model that knows one little repository, on a port: run as a program by the tests of existing repositories.

Its second argument names a file with what the coder writes: a JSON object of paths and contents.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

HEARD = Path(sys.argv[2] + ".heard")
CHANGES: dict[str, str] = json.loads(Path(sys.argv[2]).read_text())

CRITERION = {
    "id": "AC-1",
    "text": "`python3 -m greet --loud NAME` prints the greeting in capital letters",
    "priority": "MUST",
    "source": "add --loud",
}
SPECIFICATION = {
    "decision": "build", "title": "Loud greetings", "summary": "Greets in capital letters.", "kind": "cli",
    "criteria": [CRITERION],
}  # fmt: skip
DESIGN = {
    "summary": "One more option.",
    "screens": [{"path": "/", "title": "Terminal", "purpose": "Where it is called."}],
    "commands": [{"usage": "python3 -m greet [--loud] NAME", "purpose": "Greet", "output": "HELLO, ADA"}],
}
TASK = {
    "id": "T-1", "title": "Add --loud", "agent": "full-stack-coder", "instructions": "Add it.", "criteria": ["AC-1"],
    "files": ["greet/", "tests/"],
}  # fmt: skip
REPORTS: dict[str, dict[str, Any]] = {
    "repository-reader": {
        "summary": "Greets people by name.", "kind": "cli", "name": "Greet", "test": "python3 -m pytest -q",
        "run": "python3 -m greet", "places": ["greet/__main__.py: the command"], "conventions": ["plain functions"],
    },
    "reader": {"specification": SPECIFICATION, "design": DESIGN, "plan": {"tasks": [TASK]}},
    "analyst": SPECIFICATION,
    "designer": DESIGN,
    "planner": {"tasks": [TASK]},
    "scenario-writer": {
        "scenarios": [
            {
                "id": "S-1", "criterion": "AC-1", "title": "A loud greeting",
                "steps": [
                    {"do": "run", "command": "python3 -m greet --loud Ada"},
                    {"do": "see_exit", "code": 0},
                    {"do": "see_output", "text": "HELLO, ADA"},
                ],
            }
        ]
    },
    "scenario-reviewer": {"summary": "fair"},
    "full-stack-coder": {"summary": "Added it."},
}  # fmt: skip


def note_down(request: dict[str, str]) -> None:
    """Leave what was asked where the test reads it."""
    with HEARD.open("a") as heard:
        heard.write(json.dumps(request) + "\n")


async def answer(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    messages = body["messages"]
    opening = json.dumps(messages)
    agent = next(name for name in re.findall(r'\\"agent\\": ?\\"([a-z-]+)\\"', opening))
    note_down({"agent": agent, "opening": messages[1]["content"]})
    wrote = any(message["role"] == "tool" for message in messages)
    if agent == "full-stack-coder" and not wrote:
        calls = [("write", {"path": path, "content": content}) for path, content in CHANGES.items()]
    else:
        calls = [("finish", REPORTS[agent])]
    made = [
        {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
        for number, (name, given) in enumerate(calls)
    ]
    said = {"role": "assistant", "content": None, "tool_calls": made}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    reply = {
        "id": "r", "object": "chat.completion", "created": 0, "model": "colleague", "usage": usage,
        "choices": [{"index": 0, "message": said, "finish_reason": "tool_calls"}],
    }  # fmt: skip
    if not body.get("stream"):
        return web.json_response(reply)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    delta = {**said, "tool_calls": [{"index": number, **call} for number, call in enumerate(made)]}
    chunk = {**reply, "object": "chat.completion.chunk"}
    for choices, more in (
        ([{"index": 0, "delta": delta, "finish_reason": None}], {}),
        ([{"index": 0, "delta": {}, "finish_reason": "tool_calls"}], {"usage": usage}),
    ):
        part = {**{key: value for key, value in chunk.items() if key != "usage"}, "choices": choices, **more}
        await response.write(f"data: {json.dumps(part)}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


if __name__ == "__main__":
    application = web.Application(client_max_size=64 << 20)
    application.router.add_post("/v1/chat/completions", answer)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None)
