"""Shows what a library says, and whether the mirror of packages can still be reached."""

import os
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import greeting


def mirror():
    try:
        with urllib.request.urlopen("http://127.0.0.1:8731/pypi/simple/greeting/", timeout=5) as page:
            return f"the mirror answers {page.status}"
    except OSError:
        return "the mirror is gone"


class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        text = f"<!doctype html><title>Greeter</title><h1>{greeting.__name__}</h1><p>{mirror()}</p>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(text)


print("greeting:", greeting.__name__, "settings:", [name for name in os.environ if "8731" in os.environ[name]])
HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Pages).serve_forever()
