"""HTTP: reading requests within limits, refusing those of other sites, and writing responses."""

import logging
import re
import socket
from email.message import Message
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from .routes import Request, Response, Site

FORM_BYTES = 1_000_000
FILE_BYTES = 8_000_000
log = logging.getLogger(__name__)
_SAFE = (
    (
        "Content-Security-Policy",
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; object-src 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
)


class _Unacceptable(Exception):
    """The request is not answered; `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"refused with {status}")
        self.status = status


class Server(ThreadingHTTPServer):
    """Listens for browsers; each connection has a thread of its own."""

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
        """A browser that went away is nothing to note."""
        log.debug("connection from %s ended early", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "app"
    sys_version = ""
    timeout = 30

    def _respond(self) -> None:
        try:
            response = self.server.site.answer(self._request())
        except _Unacceptable as error:
            self.close_connection = True
            response = self.server.site.refusal(error.status)
        except (ConnectionError, TimeoutError):
            raise
        except Exception:
            # The one wall: whatever goes wrong, the browser gets a page and the reason stays here.
            log.exception("%s %r failed", self.command, self.path)
            response = self.server.site.refusal(500)
        self._write(response)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _respond

    def _request(self) -> Request:
        address = urlsplit(self.path)
        try:
            query = dict(parse_qsl(address.query, keep_blank_values=True, max_num_fields=200))
        except ValueError as error:
            raise _Unacceptable(400) from error
        path = unquote(address.path)
        if self.command != "POST":
            if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
                # What is not read must not be taken for the next request.
                self.close_connection = True
            return Request(self.command, path, query, told=self._told())
        kind = self.headers.get("Content-Type", "")
        has_file = kind.startswith("multipart/form-data")
        body = self._body(FILE_BYTES if has_file else FORM_BYTES)
        if not _is_same_site(self.headers):
            raise _Unacceptable(403)
        if has_file:
            return Request("POST", path, query, file=_uploaded(kind, body), told=self._told())
        try:
            form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=500))
        except ValueError as error:
            raise _Unacceptable(400) from error
        return Request("POST", path, query, form, told=self._told())

    def _body(self, most: int) -> bytes:
        if "Transfer-Encoding" in self.headers:
            raise _Unacceptable(411)
        length = self.headers.get("Content-Length", "0")
        if not re.fullmatch(r"[0-9]{1,18}", length):
            raise _Unacceptable(400)
        if int(length) > most:
            self._discard(min(int(length), 10 * FILE_BYTES))
            raise _Unacceptable(413)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise _Unacceptable(400)
        return body

    def _discard(self, length: int) -> None:
        # A browser that is cut off while it sends does not show the page that says why.
        while length > 0 and (read := self.rfile.read(min(length, 65_536))):
            length -= len(read)

    def _told(self) -> str:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get("told")
        except CookieError:
            return ""
        return cookie.value if cookie else ""

    def _write(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in (*_SAFE, *response.headers):
            self.send_header(name, value)
        if not any(name == "Cache-Control" for name, _ in response.headers):
            self.send_header("Cache-Control", "no-store")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class refuses, e.g. an overlong address, looks like our own pages."""
        self.close_connection = True
        self.command = self.command or "GET"
        self._write(self.server.site.refusal(code))

    def log_message(self, format: str, *args: object) -> None:
        """Requests are noted on demand only."""
        log.debug(format, *args)


def _is_same_site(headers: Message) -> bool:
    """Whether a form was sent from one of our own pages; programs that are no browsers say nothing and are let in."""
    if headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return False
    sender = headers.get("Origin") or headers.get("Referer")
    return sender is None or urlsplit(sender).netloc == headers.get("Host")


def _uploaded(content_type: str, body: bytes) -> bytes | None:
    """The content of the field "file"; None if there is none."""
    matched = re.search(r'boundary="?([^";,]{1,200})"?', content_type)
    if not matched:
        raise _Unacceptable(400)
    for part in body.split(b"--" + matched[1].encode("ascii", "replace"))[1:-1]:
        head, found, content = part.partition(b"\r\n\r\n")
        if found and re.search(rb'\bname="file"', head):
            return content.removesuffix(b"\r\n")
    return None
