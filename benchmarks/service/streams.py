"""Many who follow one run while another process writes into it: whether all of it arrives, and how late."""

import asyncio
import json
import re
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path

from benchmarks.service.figures import p95
from macrohard.domain import JsonObject
from macrohard.events import Progress
from macrohard.store import Store

STREAMS, EVENTS_PER_SECOND, SECONDS = 200, 200, 10
PATIENCE_SECONDS = 60.0
"""For what is still on its way after the last event was written."""
_TOLD = re.compile(rb'"told at ([0-9.]+)"')


async def measure(port: int, token: str, home: Path, url: str | None) -> JsonObject:
    """Follow a run by many connections while it is written."""
    command = (sys.executable, "-m", "benchmarks.service.streams", str(home), url or "")
    writer = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert writer.stdin is not None
    assert writer.stdout is not None
    run = (await writer.stdout.readline()).decode().strip()
    wanted = EVENTS_PER_SECOND * SECONDS
    followers = [asyncio.create_task(_follow(port, token, run, wanted)) for _ in range(STREAMS)]
    await asyncio.sleep(3)
    writer.stdin.write(b"go\n")
    told = json.loads(await writer.stdout.readline())
    done, late = await asyncio.wait(followers, timeout=PATIENCE_SECONDS)
    for each in late:
        each.cancel()
    await writer.wait()
    latencies = [late for task in done for late in task.result()]
    return {
        "streams": len(done),
        "events_per_s": round(wanted / told["seconds"], 1),
        "events_received": len(latencies),
        "events_expected": wanted * STREAMS,
        "stream_ms_p95": round(p95(latencies) * 1000, 1) if latencies else None,
    }


async def _follow(port: int, token: str, run: str, wanted: int) -> list[float]:
    """How late each event was, in seconds; ends when all are there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**22)
    head = f"GET /api/v1/runs/{run}/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    writer.write(f"{head}Accept: text/event-stream\r\n\r\n".encode())
    latencies: list[float] = []
    rest = b""
    while len(latencies) < wanted:
        chunk = await reader.read(2**20)
        if not chunk:
            raise SystemExit("a stream ended")
        now = time.time()
        # An event ends with an empty line; half of one waits for its other half.
        whole, _, rest = (rest + chunk).rpartition(b"\n\n")
        latencies += [now - float(at) for at in _TOLD.findall(whole)]
    writer.close()
    return latencies


async def write(home: Path, url: str | None) -> None:
    """Be a worker: hold a run, and tell events at an even rate."""
    async with await Store.open(url, home=home) as store:
        run = await store.create_run("Followed by many", options={}, model="builtin")
        async with store.hold(run) as lease:
            log = await store.log(lease)
            print(run, flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            began, telling = time.monotonic(), []
            for number in range(EVENTS_PER_SECOND * SECONDS):
                await asyncio.sleep(max(0.0, began + number / EVENTS_PER_SECOND - time.monotonic()))
                telling.append(asyncio.create_task(log(Progress(text=f"told at {time.time()}"))))
            await asyncio.gather(*telling)
            print(json.dumps({"seconds": time.monotonic() - began}), flush=True)


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1]), sys.argv[2] or None))
