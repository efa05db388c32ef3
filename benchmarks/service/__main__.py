"""What one node serves: pages over 10,000 runs and a run of 200,000 events, streams, submissions, first paint.

Run: make bench NAME=service. A real server (`macrohard serve --workers 0`) on a home of its own, SQLite unless
MACROHARD_DATABASE_URL names an empty PostgreSQL database; another process writes as workers do. Times are a client's
on loopback. Demanded: every page under 100 ms at p95, 200 streams of 200 events/s, 50 submissions/s, paint < 0.5 s.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.service import pages, painting, streams, submitting
from benchmarks.service.seeded import fill

RUNS, EVENTS = 10_000, 200_000


def main() -> None:
    """Fill a home, serve it, measure, print one JSON line."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        url = os.environ.get("MACROHARD_DATABASE_URL")
        asyncio.run(fill(home, url, runs=RUNS, events=EVENTS))
        print(f"filled: {RUNS} runs, one with {EVENTS} events", flush=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {**os.environ, "MACROHARD_HOME": str(home)}
        serve = [sys.executable, "-m", "macrohard", "serve", "--port", str(port), "--workers", "0"]
        server = subprocess.Popen(serve, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            link = server.stdout.readline().removeprefix("open ").strip()
            while not answers(port):
                time.sleep(0.1)
            token = (home / "service-token").read_text(encoding="ascii").strip()
            measured = pages.measure(port, token, process=server.pid)
            for page, milliseconds in measured.p95.items():
                took = f"{measured.processor[page]:8.1f} ms of processor {measured.first[page]:8.1f} ms the first time"
                print(f"{milliseconds:8.1f} ms p95 {took}  {page}", flush=True)
            followed = asyncio.run(streams.measure(port, token, home, url))
            print(followed, flush=True)
            figures = {
                "page_ms_p95": measured.p95,
                **followed,
                "submits_per_s": submitting.measure(port, token),
                "first_paint_ms": painting.measure(port, link),
                "page_processor_ms": measured.processor,
                "first_look_ms": max(measured.first.values()),
                "load": round(os.getloadavg()[0], 1),
            }
            print(json.dumps(figures))
        finally:
            server.terminate()
            server.wait()


def answers(port: int) -> bool:
    """Whether the server is there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
