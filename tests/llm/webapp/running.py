"""A generated product at work, and a visitor who knows HTTP only."""

import html
import http.client
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote, urlencode

from macrohard.domain import Look
from macrohard.llm.builtin.blueprint import Blueprint
from macrohard.llm.builtin.webapp import files


def written(blueprint: Blueprint, folder: Path, *, careless: bool = False, look: Look | None = None) -> dict[str, str]:
    """Put the product's files into the folder."""
    made = files(blueprint, look or Look(), careless=careless)
    put(made, folder)
    return made


def put(made: Mapping[str, str], folder: Path) -> None:
    """Write the files."""
    for path, content in made.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)


def day(days: int) -> str:
    """The date so many days from today."""
    return (date.today() + timedelta(days=days)).isoformat()


class Answer:
    """What came back."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.status = status
        self.body = body
        self.headers = headers

    @property
    def source(self) -> str:
        """The HTML."""
        return self.body.decode("utf-8-sig")

    @property
    def text(self) -> str:
        """What can be read in the page's main part, tags taken out."""
        main = self.source.partition("<main")[2].partition(">")[2] or self.source
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", main)).split())

    @property
    def alert(self) -> str:
        """What the alert says."""
        return " ".join(re.findall(r'role="alert".*?>(.*?)</div>', self.source))

    @property
    def errors(self) -> dict[str, str]:
        """The messages beside the fields."""
        found = re.findall(r'id="error-(\w+)" class="error">(.*?)<', self.source)
        return {name: html.unescape(message) for name, message in found}

    @property
    def rows(self) -> list[str]:
        """The texts of the first table's rows."""
        body = self.source.partition("<tbody")[2].partition("</tbody>")[0]
        lines = re.findall(r"(?s)<tr.*?</tr>", body)
        return [" ".join(html.unescape(re.sub(r"<[^>]*>", " ", line)).split()) for line in lines]

    @property
    def told(self) -> str:
        """What the next page will say."""
        return unquote(self.headers.get("Set-Cookie", "").partition(";")[0])


class Running:
    """The product as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start()

    def start(self) -> None:
        """Start it and wait until it says where it is."""
        environment = {name: value for name, value in os.environ.items() if name not in {"DATA", "HOST"}}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "app"],
                cwd=self.folder,
                env=environment | {"PORT": "0"},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        with self.process.stdout as said:
            self.address = said.readline().strip()
        self.port = int(self.address.rpartition(":")[2])

    def kill(self) -> None:
        """As kill -9 does."""
        self.process.kill()
        self.process.wait()

    def empty(self) -> None:
        """Take all records out of its file, and let numbers begin at 1 again."""
        with closing(sqlite3.connect(self.folder / "data" / "records.sqlite3")) as connection, connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in tables:
                connection.execute(f'DELETE FROM "{name}"')

    @property
    def log(self) -> str:
        """What it noted."""
        return (self.folder / "log").read_text()

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        answer = Answer(response.status, response.read(), dict(response.getheaders()))
        connection.close()
        return answer

    def get(self, path: str) -> Answer:
        """A page."""
        return self.ask("GET", path)

    def post(self, path: str, form: Mapping[str, object] | None = None, **fields: object) -> Answer:
        """A form."""
        body = urlencode({**(form or {}), **fields}).encode()
        return self.ask("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})

    def upload(self, path: str, content: bytes) -> Answer:
        """A form with a file."""
        edge = b"----edge"
        disposition = b'Content-Disposition: form-data; name="file"; filename="some.csv"'
        body = b"--%s\r\n%s\r\nContent-Type: text/csv\r\n\r\n%s\r\n--%s--\r\n" % (edge, disposition, content, edge)
        return self.ask("POST", path, body, {"Content-Type": "multipart/form-data; boundary=----edge"})


@contextmanager
def running(blueprint: Blueprint, folder: Path, *, careless: bool = False) -> Iterator[Running]:
    """The product with empty data."""
    written(blueprint, folder, careless=careless)
    product = Running(folder)
    try:
        yield product
    finally:
        product.kill()
