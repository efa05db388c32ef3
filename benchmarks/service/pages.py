"""How long the server takes for each page and its JSON twin, asked one after the other over one connection."""

import http.client
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.service.figures import p95 as percentile
from benchmarks.service.seeded import ITERATIONS, LONG, SESSIONS

ROUNDS = 25

_RUN = f"/runs/{LONG}"
_SESSION = f"{_RUN}/sessions/{ITERATIONS}/implement/T-{SESSIONS - 1}"
PAGES = (
    "/",
    "/new",
    "/fleet",
    "/agents",
    "/agents/planner",
    "/settings",
    _RUN,
    f"{_RUN}/iterations",
    f"{_RUN}/iterations/{ITERATIONS}",
    f"{_RUN}/iterations/{ITERATIONS}?since=1",
    f"{_RUN}/criteria",
    f"{_RUN}/criteria/AC-1",
    f"{_RUN}/users",
    f"{_RUN}/users/{ITERATIONS}/user-1",
    f"{_RUN}/sessions",
    _SESSION,
    f"{_RUN}/budget",
    f"{_RUN}/product",
    "/api/v1/runs",
    "/api/v1/runs?status=delivered&limit=200",
    "/api/v1/runs?text=plants+77",
    "/api/v1/agents",
    f"/api/v1{_RUN}",
    f"/api/v1{_RUN}/criteria",
    f"/api/v1{_RUN}/iterations",
    f"/api/v1{_RUN}/iterations/{ITERATIONS}",
    f"/api/v1{_RUN}/iterations/{ITERATIONS}/diff",
    f"/api/v1{_RUN}/findings",
    f"/api/v1{_RUN}/sessions",
    f"/api/v1{_SESSION}/transcript",
    f"/api/v1{_RUN}/budget",
    f"/api/v1{_RUN}/feedback",
    f"/api/v1{_RUN}/events?after=199000",
)
"""Those of the long run, and of the whole installation."""


class Measured(NamedTuple):
    """Milliseconds by page."""

    p95: Mapping[str, float]
    processor: Mapping[str, float]
    """What the server's process took of the processor, on average: what a busy machine does not change."""
    first: Mapping[str, float]
    """How long the very first look took."""


def measure(port: int, token: str, *, process: int) -> Measured:
    """How long each page takes; `process` is the server's number."""
    p95, processor, first = {}, {}, {}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    for page in PAGES:
        first[page] = round(_once(connection, page, token), 1)
        before = _processor(process)
        took = [_once(connection, page, token) for _ in range(ROUNDS)]
        processor[page] = round((_processor(process) - before) * 1000 / ROUNDS, 1)
        p95[page] = round(percentile(took), 1)
    connection.close()
    return Measured(p95, processor, first)


def _processor(process: int) -> float:
    """Seconds that the process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _once(connection: http.client.HTTPConnection, page: str, token: str) -> float:
    began = time.perf_counter()
    accept = "application/json" if page.startswith("/api/") else "text/html"
    connection.request("GET", page, headers={"Authorization": f"Bearer {token}", "Accept": accept})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{page}: {answer.status} {body[:300]!r}")
    return (time.perf_counter() - began) * 1000
