"""A service that keeps items, knows who asks, and has a command that counts them."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FILE = Path("data/items.json")


def items():
    return json.loads(FILE.read_text()) if FILE.exists() else []


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/me":
            return self.answer(200, {"name": (self.headers.get("Cookie") or "nobody").removeprefix("who=")})
        if self.path == "/crash":
            return self.answer(500, {"error": "oops"})
        if self.path == "/plain":
            return self.answer(200, None)
        if self.path.startswith("/items/"):
            found = [item for item in items() if str(item["id"]) == self.path.split("/")[-1]]
            return self.answer(200, found[0]) if found else self.answer(404, {"error": "no such item"})
        return self.answer(200, {"items": items(), "total": len(items())})

    def do_POST(self):
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        except ValueError:
            return self.answer(400, {"error": "not JSON"})
        if self.path == "/login":
            return self.answer(204, None, {"Set-Cookie": f"who={body['name']}; Path=/; HttpOnly"})
        if not body.get("name"):
            return self.answer(422, {"error": "name is required"})
        kept = [*items(), {"id": len(items()) + 1, **body}]
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(json.dumps(kept))
        return self.answer(201, kept[-1], {"Location": f"/items/{len(kept)}"})

    def answer(self, status, value, headers=None):
        content = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, text)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if sys.argv[1:] == ["count"]:
    print(len(items()))
else:
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Service).serve_forever()
