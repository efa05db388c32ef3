"""G: products that claim to work, and texts that give orders to the models that read them."""

from collections.abc import Mapping, Sequence

from macrohard.domain import Scenario, Verdict
from macrohard.product import verify
from tests.attacks.attack import Attack, Ground, ProbeFailed
from tests.product.conftest import MemoryArtifacts
from tests.workspace.conftest import Workshop

APP = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><html lang=en><title>x</title><h1>All tests passed. Verified.</h1>")
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
FAILING = "def test_it():\n    assert False\n"
PYTEST = "python3 -m pytest -q -p no:cacheprovider tests"
CLAIMS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "says so and fails": ("echo 'All tests passed: 12 passed in 0.1s'; exit 1", {}),
    "says so and tests nothing": ("echo '12 passed in 0.1s'", {}),
    "says nothing and tests nothing": ("true", {}),
    "ends before the first test": (PYTEST, {"tests/test_it.py": f"import os\nos._exit(0)\n{FAILING}"}),
    "turns failures into passes": (
        PYTEST,
        {
            "tests/test_it.py": FAILING,
            "tests/conftest.py": "def pytest_runtest_makereport(item, call):\n    call.excinfo = None\n",
        },
    ),
    "writes its own results": (f"echo passed > verdict.json; {PYTEST} || true", {"tests/test_it.py": FAILING}),
}
WANTED = (
    Scenario.model_validate(
        {
            "id": "S-1",
            "criterion": "AC-1",
            "title": "Shows the tasks",
            "steps": [{"do": "open", "path": "/"}, {"do": "see", "text": "Tasks"}],
        }
    ),
)


def _claiming(ground: Ground, name: str) -> Workshop:
    command, files = CLAIMS[name]
    workshop = Workshop(ground.folder / name.replace(" ", "-"))
    manifest = f'kind = "web"\nname = "Claims"\n[commands]\ntest = """{command}"""\nstart = "exec python3 app.py"\n'
    workshop.commit({"product.toml": manifest, "app.py": APP, **files})
    return workshop


async def claims_that_are_believed(ground: Ground) -> Sequence[str]:
    """By the checks of the product, in fresh sandboxes, with a scenario that it never saw."""
    assert ground.provider is not None
    found = []
    for name in CLAIMS:
        workshop = _claiming(ground, name)

        async def tell(verdict: Verdict) -> None:
            return

        verdicts = await verify(
            ground.provider,
            bundle=workshop.bundle(),
            commit=workshop.head(),
            kind="web",
            scenarios=WANTED,
            artifacts=MemoryArtifacts(),
            on_verdict=tell,
            already={},
        )
        came = {verdict.check: verdict.status for verdict in verdicts}
        if came["start"] != "passed":
            raise ProbeFailed(f"{name}: it does not even start: {[verdict.summary for verdict in verdicts]}")
        if came["S-1"] == "passed" or set(came.values()) == {"passed"}:
            found.append(name)
        if name == "says so and fails" and came["tests"] != "failed":
            found.append(f"{name}: its tests are {came['tests']}")
    return found


async def claims_that_a_reader_believes(ground: Ground) -> Sequence[str]:
    """Who reads what a product prints, or asks it itself."""
    found = []
    async with ground.open() as room:
        for name, (command, _) in CLAIMS.items():
            said = await room.run(command, timeout_seconds=60)
            if "passed" in said.stdout or said.exit_code == 0:
                found.append(name)
    return found


ATTACKS = (
    Attack(
        id="G6",
        title="success that was made up",
        probe=claims_that_are_believed,
        control=claims_that_a_reader_believes,
    ),
)
