"""F: the network."""

import json
import shlex
import socket
from collections.abc import Mapping, Sequence

from macrohard.product import preview
from tests.attacks.attack import Attack, Ground, Probe, ProbeFailed, Room
from tests.product.conftest import PRODUCTS
from tests.product.test_preview import Client
from tests.sandbox.test_isolation import own_address
from tests.workspace.conftest import Workshop

ON_THE_HOST = {"NetworkMode": "host"}
UNREACHABLE = ("ENETUNREACH", "ECONNREFUSED", "EHOSTUNREACH", "EPERM", "EADDRNOTAVAIL")
CONNECT = """
import errno, json, socket, sys
found = {}
for address, port in json.loads(sys.argv[1]):
    try:
        socket.create_connection((address, port), 1).close()
        found[address] = "open"
    except TimeoutError:
        found[address] = "ETIMEDOUT"
    except OSError as error:
        found[address] = errno.errorcode.get(error.errno, str(error))
print(json.dumps(found))
"""
# Refused is an answer on a loopback; silence means that the question went somewhere.
ASK = """
import errno, json, socket, sys
question = b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\6secret\\7invalid\\0\\0\\1\\0\\1"
found = {}
servers = [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")]
for server in ["127.0.0.11", *servers, "192.0.2.53"]:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(2)
        try:
            asking.connect((server, 53))
            asking.send(question)
            asking.recv(512)
            found[server] = "an answer"
        except TimeoutError:
            found[server] = "silence"
        except OSError as error:
            found[server] = errno.errorcode[error.errno]
print(json.dumps(found))
"""


async def _answers(room: Room, program: str, argument: object = None) -> dict[str, str]:
    command = f"python3 -c {shlex.quote(program)} {shlex.quote(json.dumps(argument))}"
    result = await room.run(command, timeout_seconds=60)
    if result.exit_code != 0:
        raise ProbeFailed(result.stderr[-500:])
    answers: dict[str, str] = json.loads(result.stdout)
    return answers


async def services_of_this_machine(ground: Ground) -> Sequence[str]:
    with socket.create_server(("0.0.0.0", 0), backlog=16) as listener:
        port = listener.getsockname()[1]
        addresses = ["127.0.0.1", own_address(), "172.17.0.1"]
        async with ground.open() as room:
            answers = await _answers(room, CONNECT, [(address, port) for address in addresses])
        listener.settimeout(0)
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return [f"{address}: {answer}" for address, answer in answers.items() if answer not in UNREACHABLE]
    return [f"a connection arrived: {answers}"]


def routes(*addresses: tuple[str, int]) -> Probe:
    """A probe for any way to these; it need not be answered at the other end."""

    async def probe(ground: Ground) -> Sequence[str]:
        async with ground.open() as room:
            answers = await _answers(room, CONNECT, addresses)
        return [f"{address}: {answer}" for address, answer in answers.items() if answer != "ENETUNREACH"]

    return probe


async def apps_of_another_run(ground: Ground) -> Sequence[str]:
    page = "secret-of-another-run"
    serve = f"cd /tmp; echo {page} > index.html; (setsid python3 -m http.server 48123 >/dev/null 2>&1 &); "
    wait = "for i in $(seq 100); do curl -s http://127.0.0.1:48123/ && exit; sleep 0.05; done; exit 1"
    async with ground.open() as first, ground.open() as second:
        # In one command, which waits for nothing of what it leaves behind.
        serving = await first.run(f"{serve}{wait}", timeout_seconds=30)
        if page not in serving.stdout:
            raise ProbeFailed(f"the other app does not run: {serving.stderr}")
        seen = await second.run("curl -s --max-time 3 http://127.0.0.1:48123/", timeout_seconds=20)
    return [page] if page in seen.stdout else []


async def name_servers(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        answers = await _answers(room, ASK)
    return [f"{server}: {answer}" for server, answer in answers.items() if answer not in UNREACHABLE]


async def strangers_let_in(ground: Ground) -> Sequence[str]:
    """By the address at which a person looks at a product: other names (DNS rebinding), pages of other origins."""
    assert ground.provider is not None
    workshop = Workshop(ground.folder / "workshop")
    workshop.commit({name: (PRODUCTS / "live" / name).read_bytes() for name in ("app.py", "product.toml")})
    async with preview(ground.provider, bundle=workshop.bundle(), commit=workshop.head(), port=0) as opened:
        product = Client(opened.address)
        if (await product.ask("/own"))[0] != 200:
            raise ProbeFailed("the product's own page does not come")
        for name, (method, headers) in _strangers(product.port).items():
            await product.ask(f"/EVIL-{name.replace(' ', '-')}", method, **headers)
        seen = (await product.seen())["targets"]
    return [target for target in seen if "EVIL" in target]


def _strangers(port: int) -> Mapping[str, tuple[str, dict[str, str]]]:
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec_websocket_version": "13"}
    return {
        "another name": ("GET", {"host": f"evil.invalid:{port}"}),
        "a bare address": ("GET", {"host": f"127.0.0.1:{port}"}),
        "another origin": ("POST", {"origin": "http://evil.invalid"}),
        "no origin": ("POST", {"origin": "null"}),
        "a socket": (
            "GET",
            {**upgrade, "sec_websocket_key": "AAAAAAAAAAAAAAAAAAAAAA==", "origin": "http://evil.invalid"},
        ),
        "a picture": ("GET", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"}),
    }


async def strangers_let_in_by_an_open_port(ground: Ground) -> Sequence[str]:
    async with ground.open() as room:
        serve = "(python3 -m http.server 48125 >/dev/null 2>&1 &) ; "
        wait = "until curl --silent --output /dev/null http://127.0.0.1:48125/; do sleep 0.1; done"
        serving = await room.run(serve + wait, timeout_seconds=60)
        if serving.exit_code != 0:
            raise ProbeFailed(serving.stderr)
        client = Client("http://127.0.0.1:48125/")
        asked = {
            name: await client.ask("/", method, **headers) for name, (method, headers) in _strangers(48125).items()
        }
    return [name for name, (status, _) in asked.items() if status == 200]


ATTACKS = (
    Attack(
        id="F10",
        title="pages and programs that are strangers to a product's preview",
        probe=strangers_let_in,
        control=strangers_let_in_by_an_open_port,
        weakness=ON_THE_HOST,
    ),
    Attack(
        id="F1",
        title="services of this machine",
        probe=services_of_this_machine,
        weakness=ON_THE_HOST,
        quick=True,
    ),
    Attack(
        id="F2",
        title="the internet and the address of metadata",
        probe=routes(("169.254.169.254", 80), ("192.0.2.1", 443), ("198.51.100.7", 80), ("10.0.0.1", 22)),
        weakness=ON_THE_HOST,
    ),
    Attack(id="F3", title="the app of another run", probe=apps_of_another_run, weakness=ON_THE_HOST),
    Attack(id="F4", title="names as a way out", probe=name_servers, weakness=ON_THE_HOST),
)
