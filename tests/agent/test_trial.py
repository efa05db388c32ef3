"""The product under work: its tests in short, its service, its pages in a real browser."""

import pytest

from macrohard.agent import AgentDefinition
from macrohard.agent.session import NO_PICTURES, PICTURES_SHOWN
from macrohard.agent.trial import killed, totals_of
from macrohard.domain import JsonObject
from tests.agent.scripted import (
    FINISH,
    MemoryArtifacts,
    MemoryTranscripts,
    OpenBench,
    ScriptedModel,
    calls,
    carry_out,
    coder,
    run,
)

MANIFEST = """\
kind = "web"
name = "Page"
[commands]
test = "python3 -m pytest -q"
start = "python3 app/server.py"
"""
SERVER = """\
import http.server, os
PAGE = b'''<!doctype html><title>Hello</title><h1>Hello</h1><button onclick="this.textContent='Pressed'; boom()">
Press</button><img src="/missing.png" alt="">'''
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = self.path.partition("?")[0] == "/"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE if found else b"")
print("serving", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
TESTS = """\
import pytest

@pytest.mark.parametrize("number", range(60))
def test_numbers(number):
    assert number != 7, "seven is not allowed"
"""
SHELL_WRITES = (
    f"mkdir -p app tests; cat > product.toml <<'END'\n{MANIFEST}END\ncat > app/server.py <<'END'\n{SERVER}END"
)


def maker() -> AgentDefinition:
    tools = ("shell", "background", "write", "run_tests", "start_product", "stop_product", "look_at_page")
    return coder().model_copy(update={"tools": tools})


def answers(model: ScriptedModel) -> list[str]:
    return [str(message["content"]) for message in model.requests[-1] if message["role"] == "tool"]


async def test_a_coder_starts_the_product_and_sees_its_page_as_a_person_would(bench: OpenBench) -> None:
    artifacts, transcripts = MemoryArtifacts(), MemoryTranscripts()
    press: JsonObject = {"steps": [{"action": "click", "target": 'button "Press"'}]}
    malformed: JsonObject = {"width": 375, "steps": [{"action": "click", "target": "the button"}]}
    model = ScriptedModel(
        calls(("shell", {"command": SHELL_WRITES}), ("look_at_page", {"path": "/"}), ("start_product", {})),
        calls(("look_at_page", {"path": "/?show=open"}), ("look_at_page", press)),
        calls(("look_at_page", malformed), ("look_at_page", {"steps": [{"action": "click", "target": 'link "No"'}]})),
        calls(("stop_product", {}), ("look_at_page", {})),
        FINISH,
    )
    model.vision = True
    result = await carry_out(bench, model, agent=maker(), artifacts=artifacts, transcripts=transcripts)
    assert result.outcome == "finished"
    _, early, started, seen, pressed, misnamed, missed, stopped, gone = answers(model)
    assert early.startswith("Error: nothing listens on 127.0.0.1:8000: start_product first")
    assert started.startswith(
        "started: / answers on http://127.0.0.1:8000; it runs until stop_product\nits log: serving"
    )
    assert 'heading 1 "Hello"' in seen
    assert "404" in seen
    assert 'button "Pressed"' in pressed
    assert "boom is not defined" in pressed
    assert misnamed.startswith(
        "step 1, click the button, did not work, and nothing was done after it: 'the button' names"
    )
    assert 'page "Hello" at /?show=open\n' in misnamed
    assert missed.startswith('step 1, click link "No", did not work')
    assert 'heading 1 "Hello"' in missed
    assert stopped.startswith("stopped; its log: serving")
    assert "start_product first" in gone
    assert any(content.startswith(b"\xff\xd8") for content in artifacts.kept.values())


def test_each_of_several_runners_is_told_and_the_test_that_hung() -> None:
    both = "...\n37 passed in 2.10s\n✔ adds (1ms)\nℹ tests 3\nℹ pass 3\nℹ fail 0\nℹ cancelled 0\n"
    assert totals_of(both) == ["37 passed in 2.10s", "ℹ pass 3", "ℹ fail 0"]
    hung = "tests/test_it.py::test_starts PASSED\ntests/test_it.py::test_waits_for_ever \n\n"
    assert killed(hung).endswith("the last thing it wrote: tests/test_it.py::test_waits_for_ever")


@pytest.mark.parametrize(("sees", "said"), [(True, PICTURES_SHOWN), (False, NO_PICTURES)])
async def test_who_looks_at_pages_is_told_whether_there_are_pictures(bench: OpenBench, sees: bool, said: str) -> None:
    model = ScriptedModel(FINISH)
    model.vision = sees
    await carry_out(bench, model, agent=maker(), artifacts=MemoryArtifacts(), transcripts=MemoryTranscripts())
    assert str(model.requests[0][1]["content"]).endswith(said.format("look_at_page"))


async def test_failures_come_in_short_and_the_whole_can_be_read_on(bench: OpenBench) -> None:
    _, model, _, _ = await run(
        bench,
        calls(
            ("run_tests", {}),
            ("shell", {"command": f"{SHELL_WRITES}\ncat > tests/test_it.py <<'END'\n{TESTS}END"}),
        ),
        calls(("start_product", {}), ("run_tests", {}), ("run_tests", {"arguments": "-k 59"}), ("look_at_page", {})),
        calls(("more", {"output": "output-1", "search": "seven"}), ("more", {"output": "output-2", "search": "[59]"})),
        FINISH,
        agent=maker(),
    )
    nothing, _, _, failed, passed, seen, more, named = answers(model)
    assert nothing == "Error: there is no product.toml in the product's root yet; it names the commands"
    assert failed.startswith("failed: 1 failed, 59 passed")
    assert "FAILED tests/test_it.py::test_numbers[7] - AssertionError: seven is not allowed" in failed
    assert failed.endswith("(the whole output is output-1: read it with `more`)")
    assert passed.startswith("passed: 1 passed, 59 deselected")
    assert "seven is not allowed" in more
    assert "tests/test_it.py::test_numbers[59] PASSED" in named
    again = "(the running product was stopped for it, and started again)"
    assert again in failed
    assert again in passed
    assert 'heading 1 "Hello"' in seen


@pytest.mark.parametrize(
    ("start", "told"),
    [
        pytest.param(
            "echo broken; exit 1", "the start command ended; it must keep running. It wrote: broken", id="ends"
        ),
        pytest.param(None, "something listens on port 8000 already; stop it first", id="port taken"),
    ],
)
async def test_a_product_that_does_not_start_says_why(bench: OpenBench, start: str | None, told: str) -> None:
    taken = calls(("background", {"action": "start", "command": "python3 -m http.server 8000 --bind 127.0.0.1"}))
    broken = calls(("shell", {"command": f"sed -i 's/^start.*/start = \"{start}\"/' product.toml"}))
    _, model, _, _ = await run(
        bench,
        calls(("shell", {"command": SHELL_WRITES})),
        broken if start else taken,
        calls(("shell", {"command": "true" if start else "until curl -s 127.0.0.1:8000 >/dev/null; do :; done"})),
        calls(("start_product", {})),
        FINISH,
        agent=maker(),
    )
    assert told in answers(model)[-1]
