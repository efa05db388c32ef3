# mypy: ignore-errors
# A product as an agent could write it, not a part of ours.
"""A server that does all that connections can do: streams, uploads, WebSockets, silence, and dying."""

import asyncio
import base64
import hashlib
import json
import os
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

FAILURES = Path("data/failures")
CHUNK = b"x" * 65536
PAGE = """<!doctype html><html lang="en"><title>Live</title><h1>Live</h1>
<p id="socket"></p><p id="events"></p><p id="posted"></p>
<script>
const say = (id, text) => { document.getElementById(id).textContent += text };
const socket = new WebSocket(`ws://${location.host}/socket`);
socket.onopen = () => { socket.send("hello"); socket.send("é".repeat(70000)) };
socket.onmessage = message => say("socket", message.data.length + " ");
const events = new EventSource("/events?count=3");
events.onmessage = message => { say("events", message.data + " "); if (message.data == 3) events.close() };
fetch("/upload", {method: "POST", body: new Uint8Array(1000000)}).then(r => r.json())
  .then(found => say("posted", found.bytes));
</script></html>"""

seen = []
state = {"sent": 0, "streams": 0}
together = []
hold = asyncio.Event()


async def body_of(reader, headers):
    if "content-length" not in headers:
        while data := await reader.read(65536):
            yield data
        return
    left = int(headers["content-length"])
    while left:
        data = await reader.read(min(left, 65536))
        left -= len(data)
        yield data


def head(status="200 OK", kind="text/html; charset=utf-8", **more):
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", *(f"{name}: {value}" for name, value in more.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def answer(writer, text, kind="text/html; charset=utf-8", **more):
    data = text.encode()
    writer.write(head(kind=kind, **{"Content-Length": len(data)}, **more) + data)
    await writer.drain()


async def socket(reader, writer, headers):
    key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    writer.write(
        f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )
    while True:
        first, second = await reader.readexactly(2)
        size = second & 127
        if size > 125:
            size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
        mask = await reader.readexactly(4)
        data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(await reader.readexactly(size)))
        length = bytes([size]) if size < 126 else bytes([126 if size < 65536 else 127])
        length += b"" if size < 126 else size.to_bytes(2 if size < 65536 else 8, "big")
        writer.write(bytes([first]) + length + data)
        await writer.drain()
        if first & 15 == 8:
            return


async def events(reader, writer, count):
    state["streams"] += 1
    writer.write(head(kind="text/event-stream"))
    for number in range(1, count + 1):
        writer.write(f"data: {number}\n\n".encode())
        await writer.drain()
        await asyncio.sleep(0.01)
    await reader.read()
    state["streams"] -= 1


async def serve(reader, writer):
    try:
        while await one(reader, writer):
            pass
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def one(reader, writer):
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    _, target, version = lines[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    url = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    if url.path != "/health":
        seen.append(target)
    match url.path:
        case "/health":
            await answer(writer, "well")
        case "/":
            await answer(writer, PAGE, **{"Set-Cookie": "who=me; Path=/"})
        case "/seen":
            await answer(writer, json.dumps({"targets": seen, "cookie": headers.get("cookie", ""), **state}))
        case "/link":
            await answer(writer, f"http://{headers['host']}/absolute")
        case "/socket":
            await socket(reader, writer, headers)
            return False
        case "/events":
            await events(reader, writer, int(query["count"]))
            return False
        case "/download":
            left = state["left"] = int(query["bytes"])
            writer.write(head(kind="application/octet-stream", **{"Content-Length": left}))
            state["sent"] = 0
            while left:
                data = CHUNK[:left]
                writer.write(data)
                await writer.drain()
                left -= len(data)
                state["sent"] += len(data)
        case "/upload":
            if "hold" in query:
                hold.clear()
                await hold.wait()
            count, digest = 0, hashlib.sha256()
            async for data in body_of(reader, headers):
                count += len(data)
                digest.update(data)
            await answer(writer, json.dumps({"bytes": count, "sha256": digest.hexdigest()}))
        case "/release":
            hold.set()
            await answer(writer, "released")
        case "/together":
            together.append(waiting := asyncio.Event())
            if len(together) == int(query["count"]):
                for other in together:
                    other.set()
            await waiting.wait()
            await answer(writer, "together")
        case "/refuse-early":
            writer.write(head("413 Too Large", **{"Content-Length": 5}) + b"large")
            await writer.drain()
            return False
        case "/die":
            die(query.get("starts", "0"))
        case _:
            await answer(writer, "nothing here")
    return version == "HTTP/1.1" and headers.get("connection") != "close"


def die(failures):
    FAILURES.parent.mkdir(exist_ok=True)
    FAILURES.write_text(failures)
    # Else the system may hang up here before it stops to take connections, which would be lost.
    listening.close()
    os._exit(3)


def fail_if_told():
    failures = int(FAILURES.read_text()) if FAILURES.exists() else 0
    if failures:
        FAILURES.write_text(str(failures - 1))
        sys.exit("\x1b[31m<b>no start today</b>")


async def main():
    global listening
    listening = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]), backlog=256)
    await listening.serve_forever()


fail_if_told()
asyncio.run(main())
