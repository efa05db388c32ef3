"""HTTP: reading requests within limits, and writing responses."""

import logging
import re
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from .routes import Request, Response, Site

BODY_BYTES = 1_000_000
log = logging.getLogger(__name__)


class Server(ThreadingHTTPServer):
    """Listens for programs; each connection has a thread of its own."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, site: Site) -> None:
        """Listen at once.

        Raises:
            OSError: the port is in use or not allowed.
        """
        self.site = site
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking for this host's name, which may take seconds."""
        # Else the port stays taken for a minute after a stop, and a restart fails.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A program that went away is nothing to note."""
        log.debug("connection from %s ended early", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "app"
    sys_version = ""
    timeout = 30

    def _respond(self) -> None:
        try:
            response = self._response()
        except (ConnectionError, TimeoutError):
            raise
        except Exception:
            # The one wall: whatever goes wrong, the program gets an answer and the reason stays here.
            log.exception("%s %r failed", self.command, self.path)
            response = Response(500, {"error": "This is our mistake; it was noted. Nothing was changed."})
        self._write(response)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _respond

    def _response(self) -> Response:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not re.fullmatch(r"[0-9]{1,18}", length):
            self.close_connection = True
            return Response(411, {"error": "a Content-Length is needed"})
        if int(length) > BODY_BYTES:
            self.close_connection = True
            return Response(413, {"error": f"the body is longer than {BODY_BYTES} bytes"})
        body = self.rfile.read(int(length))
        address = urlsplit(self.path)
        try:
            query = dict(parse_qsl(address.query, keep_blank_values=True, max_num_fields=200))
        except ValueError:
            return Response(400, {"error": "the address cannot be understood"})
        method = "GET" if self.command == "HEAD" else self.command
        return self.server.site.answer(Request(method, unquote(address.path), query, body))

    def _write(self, response: Response) -> None:
        self.send_response(response.status)
        if response.status != 204:
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(response.body)))
        for name, value in (*response.headers, ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are noted on demand only."""
        log.debug(format, *args)
