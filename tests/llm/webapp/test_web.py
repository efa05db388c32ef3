"""Generated products on the web and on the disk: odd requests, strangers, kills, other programs."""

import os
import re
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from .blueprints import TODO
from .conftest import books_and_pupils
from .running import Running, day, running

# --- the web ---------------------------------------------------------------------------------------------------------


def test_every_page_is_safe_and_complete(library: Running) -> None:
    books_and_pupils(library)
    library.post("/loans/new", book=1, pupil=1, out_date=day(0))
    for path in ("/", "/books", "/books/new", "/books/1", "/books/1/edit", "/books/1/delete", "/pupils/import", "/x"):
        page = library.get(path)
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self'"), path
        assert page.source.startswith('<!DOCTYPE html>\n<html lang="en">'), path
        assert page.source.count("<h1") == page.source.count("<main") == 1, path
        assert '<a href="#content" class="skip">Skip to content</a>' in page.source, path
        assert '<nav aria-label="Main">' in page.source, path
        assert not re.search(r'style="|onclick|<script>|https?://', page.source), path


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/books/7", 404),
        ("GET", "/books/seven", 404),
        ("GET", "/books/1/actions/return", 404),
        ("GET", "/pupils/export.csv?x=%FF", 200),
        ("GET", "/books/export.csv", 404),
        ("GET", "/static/../records.py", 404),
        ("GET", "/static/%2e%2e/records.py", 404),
        ("GET", "//elsewhere.example/", 404),
        ("PUT", "/books", 405),
        ("DELETE", "/books/1", 405),
        ("POST", "/books", 405),
        ("HEAD", "/books", 200),
        ("GET", "/books?" + "a=1&" * 300, 400),
        ("GET", "/" + "x" * 70_000, 414),
    ],
)
def test_odd_requests_get_a_proper_answer(library: Running, method: str, path: str, status: int) -> None:
    answer = library.ask(method, path)
    assert answer.status == status
    if status >= 400:
        assert "Back to the start" in answer.text
    if status == 404:
        assert "<h1>Not found</h1>" in answer.source


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Referer": "https://elsewhere.example/page"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_forms_of_other_sites_are_refused(todo: Running, headers: dict[str, str]) -> None:
    answer = todo.ask(
        "POST", "/tasks/new", b"title=A", {"Content-Type": "application/x-www-form-urlencoded", **headers}
    )
    assert answer.status == 403
    assert todo.get("/tasks").rows == []


def test_forms_of_our_own_pages_are_accepted(todo: Running) -> None:
    own = f"http://127.0.0.1:{todo.port}"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": own, "Sec-Fetch-Site": "same-origin"}
    assert todo.ask("POST", "/tasks/new", b"title=A", headers).status == 303


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        pytest.param(b"x=" + b"x" * 1_000_000, {}, 413, id="too large"),
        pytest.param(b"x", {"Content-Length": "many"}, 400, id="no length"),
        pytest.param(b"&".join(b"x=1" for _ in range(600)), {}, 400, id="too many fields"),
        pytest.param(b"title=%FF%00%F0%9F%8E%89", {}, 303, id="odd bytes"),
    ],
)
def test_odd_bodies_get_a_proper_answer(todo: Running, body: bytes, headers: dict[str, str], status: int) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    assert todo.ask("POST", "/tasks/new", body, headers).status == status


def test_half_a_form_is_not_saved(todo: Running) -> None:
    with socket.create_connection(("127.0.0.1", todo.port)) as connection:
        connection.sendall(b"POST /tasks/new HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\ntitle=Half")
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").readline() == b"HTTP/1.1 400 Bad Request\r\n"
    assert todo.get("/tasks").rows == []


def test_what_follows_a_request_that_has_no_body_is_no_request(todo: Running) -> None:
    with socket.create_connection(("127.0.0.1", todo.port)) as connection:
        hidden = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(hidden), hidden))
        said = connection.makefile("rb").read()
    assert said.count(b"HTTP/1.1") == said.count(b"200 OK") == 1


def test_a_form_sent_twice_is_saved_once_but_two_forms_are_two(todo: Running) -> None:
    for title, ticket in (("A", "1"), ("A", "1"), ("B", "1"), ("A", "2"), ("A", ""), ("A", "")):
        assert todo.post("/tasks/new", title=title, _ticket=ticket).status == 303
    assert len(todo.get("/tasks").rows) == 5


def test_texts_are_shown_as_they_were_typed(todo: Running) -> None:
    odd = "<script>alert(1)</script> & 'x' \"y\" 🎉 \u202eabc %s {0}"
    todo.post("/tasks/new", title=odd)
    assert "<script>alert" not in todo.get("/tasks").source
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#x27;x&#x27; &quot;y&quot; 🎉" in todo.get("/tasks/1").source


def test_the_browser_never_sees_a_traceback_and_the_log_keeps_it(tmp_path: Path) -> None:
    with running(TODO, tmp_path, careless=True) as todo:
        answer = todo.post("/tasks/new", title="🎉")
        assert answer.status == 500
        assert "Something went wrong" in answer.text
        assert "Traceback" not in answer.source
        assert "UnicodeEncodeError" in todo.log


# --- data ------------------------------------------------------------------------------------------------------------


def test_what_was_saved_survives_kills_and_asked_ends_are_peaceful(todo: Running) -> None:
    for number in range(3):
        assert todo.post("/tasks/new", title=f"Task {number}").status == 303
        todo.kill()
        todo.start()
    assert len(todo.get("/tasks").rows) == 3
    todo.process.terminate()
    assert todo.process.wait(10) == 0
    todo.start()
    assert len(todo.get("/tasks").rows) == 3


def test_a_new_field_gets_its_column_and_default(tmp_path: Path) -> None:
    (record,) = TODO.records
    fewer = record.model_copy(
        update={
            "fields": tuple(one for one in record.fields if one.name not in {"priority", "notes"}),
            "filters": (),
            "sortable": (),
            "search": (),
        }
    )
    with running(TODO.model_copy(update={"records": (fewer,), "totals": (), "claims": ()}), tmp_path) as early:
        early.post("/tasks/new", title="Old")
    with running(TODO, tmp_path) as later:
        assert later.get("/tasks").rows == ["Old – Medium – No Mark done Edit Delete"]


def test_another_program_may_write_to_the_file(todo: Running) -> None:
    todo.post("/tasks/new", title="Old")
    assert todo.get("/tasks").rows != []
    with sqlite3.connect(todo.folder / "data" / "records.sqlite3") as connection:
        connection.execute("UPDATE task SET title = 'New'")
    connection.close()
    assert todo.get("/tasks").rows[0].startswith("New ")


def test_it_says_why_it_cannot_start(todo: Running) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "app"],
        cwd=todo.folder,
        env=os.environ | {"PORT": str(todo.port)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 1
    assert second.stderr.startswith(f"Cannot start on 127.0.0.1:{todo.port}")
    assert "Traceback" not in second.stderr
