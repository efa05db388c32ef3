# mypy: ignore-errors
# Part of products, as agents could write them, and not of ours.
"""What the small products share: a server, a page, records in a file."""

import html
import json
import os
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

# ruff: noqa: E501, RET503
STYLE = """body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1rem;color:#1a1a1a;background:#fff}
a{color:#0645ad;display:inline-block;padding:.2rem 0}nav a{margin-right:1rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.4rem .5rem .4rem 0;overflow-wrap:anywhere}button,input,select{font:inherit;min-height:2.5rem;padding:.3rem .6rem;max-width:100%;
box-sizing:border-box}label{display:block}form p{margin:.6rem 0}[role=alert]{color:#8a0000}"""


def esc(value):
    return html.escape(str(value))


class Records:
    def __init__(self, name):
        self.file = Path("data") / f"{name}.json"

    def all(self):
        return json.loads(self.file.read_text()) if self.file.exists() else []

    def write(self, records):
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_text(json.dumps(records))

    def add(self, **values):
        records = self.all()
        record = {"id": max([one["id"] for one in records], default=0) + 1, **values}
        self.write([*records, record])
        return record

    def get(self, id):
        return next((one for one in self.all() if one["id"] == int(id)), None)

    def change(self, id, **values):
        self.write([{**one, **values} if one["id"] == int(id) else one for one in self.all()])


def field(name, label, value="", problem="", type="text", more=""):
    why = f'<span id="{name}-why">{esc(problem)}</span>' if problem else ""
    invalid = f' aria-invalid="true" aria-describedby="{name}-why"' if problem else ""
    return (
        f'<p><label for="{name}">{label}</label><input id="{name}" name="{name}" type="{type}" '
        f'value="{esc(value)}"{invalid} {more}> {why}</p>'
    )


def choice(name, label, options, value="", problem=""):
    rows = "".join(
        f'<option value="{esc(key)}"{" selected" if str(key) == str(value) else ""}>{esc(text)}</option>'
        for key, text in options
    )
    why = f' <span id="{name}-why">{esc(problem)}</span>' if problem else ""
    return f'<p><label for="{name}">{label}</label><select id="{name}" name="{name}">{rows}</select>{why}</p>'


def form(action, fields, problems, button="Save", back="/"):
    alert = '<p role="alert">Please correct what is marked.</p>' if problems else ""
    return (
        f'{alert}<form method="post" action="{action}" novalidate>{"".join(fields)}'
        f'<p><button>{button}</button> <a href="{back}">Cancel</a></p></form>'
    )


def button(action, label):
    return f'<form method="post" action="{action}"><button>{label}</button></form>'


def table(name, heads, rows, empty):
    if not rows:
        return f"<p>{empty}</p>"
    head = "".join(f'<th scope="col">{one}</th>' for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table aria-label="{name}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def page(title, body, status=200):
    return status, title, body


def go(path):
    return 303, path, ""


def serve(product, nav, routes):
    links = "".join(f'<a href="{path}">{text}</a>' for path, text in nav)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer("GET", {key: one[-1] for key, one in parse_qs(urlsplit(self.path).query).items()})

        def do_POST(self):
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode("utf-8", "replace")
            self.answer("POST", {key: one[-1] for key, one in parse_qs(sent, keep_blank_values=True).items()})

        def answer(self, method, data):
            path = urlsplit(self.path).path
            if path in ("/health", "/favicon.ico"):
                return self.send(200, "ok", "")
            for wanted, pattern, function in routes:
                if wanted == method and (found := re.fullmatch(pattern, path)):
                    said = 500, "Internal error", "<h1>Internal error</h1>"
                    try:
                        said = function(data, *found.groups())
                    finally:
                        # What the product did wrong is answered, and goes on to the server's log.
                        self.send(*said)
                    return None
            self.send(404, "Not found", '<h1>Not found</h1><p><a href="/">To the first page</a></p>')

        def send(self, status, title, body):
            self.send_response(status)
            if status == 303:
                self.send_header("Location", title)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            text = (
                ""
                if status == 303
                else (
                    f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{esc(title)} – {product}</title>'
                    f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
                    f'<body><header><nav aria-label="Main">{links}</nav></header><main>{body}</main></body></html>'
                )
            )
            content = text.encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    ThreadingHTTPServer.allow_reuse_address = True
    ThreadingHTTPServer((os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])), Handler).serve_forever()
