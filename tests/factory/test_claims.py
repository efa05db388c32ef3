"""What a report says is held against the log of the session; honest reports are left alone."""

import json
from collections.abc import Sequence

import pytest

from macrohard.agent import Entry
from macrohard.domain import JsonObject, SessionResult
from macrohard.domain.verdict import Contradiction
from macrohard.factory.claims import Claims, contradictions, with_claims
from macrohard.factory.problems import Problem

PASSED = "..... [100%]\n5 passed in 0.10s\nexit code 0"
PIPED = ("shell", {"command": "pytest -q | tail -5"}, "1 failed, 4 passed in 0.10s\nexit code 0")
FAILED = "FAILED tests/test_app.py::test_it\n1 failed, 4 passed in 0.10s\nexit code 1"
TESTED = ("shell", {"command": "python3 -m pytest -q"}, PASSED)
STARTED = (
    "shell",
    {"command": "PORT=8000 python3 -m app & sleep 1; curl -s localhost:8000"},
    "<h1>Hi</h1>\nexit code 0",
)
WROTE = ("write", {"path": "app/store.py", "content": "x = 1"}, "wrote app/store.py (1 lines)")
READ = ("shell", {"command": "ls -R && cat README.md"}, "README.md\nexit code 0")

Step = tuple[str, dict[str, str], str]


def session(summary: str, steps: Sequence[Step], *, open_points: Sequence[str] = ()) -> list[Entry]:
    entries = []
    for number, (tool, arguments, answer) in enumerate(steps):
        call: JsonObject = {
            "id": f"c{number}",
            "type": "function",
            "function": {"name": tool, "arguments": json.dumps(arguments)},
        }
        entries.append(Entry(messages=({"role": "assistant", "content": None, "tool_calls": [call]},), calls=1))
        entries.append(Entry(messages=({"role": "tool", "tool_call_id": f"c{number}", "content": answer},)))
    result = SessionResult(
        session_id="r/1/implement/T-1", outcome="finished", commit=None, model_calls=1, cost_usd=0, seconds=1,
        report={"summary": summary, "open_points": list(open_points)},
    )  # fmt: skip
    return [*entries, Entry(result=result)]


@pytest.mark.parametrize(
    ("summary", "steps", "about", "log"),
    [
        pytest.param("Built the store. All tests pass.", [WROTE], "tests", "it ran no tests", id="ran none"),
        pytest.param(
            "All 5 tests pass.", [TESTED, WROTE, ("shell", {"command": "pytest"}, FAILED)],
            "tests", "the last tests it ran said '1 failed'", id="the last run failed",
        ),
        pytest.param(
            "The test suite is green.", [PIPED],
            "tests", "the last tests it ran said '1 failed'", id="a pipe hid the exit code",
        ),
        pytest.param(
            "I added 12 tests, and all 12 tests pass.", [TESTED],
            "tests", "no tests it ran were as many as 12: they were 5", id="more than there were",
        ),
        pytest.param(
            "Started the server and saw the list.", [WROTE, TESTED, READ],
            "start", "it ran nothing but tests and commands that look at files", id="started nothing",
        ),
        pytest.param(
            "I opened every page in the browser; it looks right.", [STARTED], "page", "it looked at no page",
            id="never saw a page",
        ),
        pytest.param(
            "Wrote app/store.py and docs/format.md.", [WROTE],
            "file", "it neither wrote nor named docs/format.md", id="a file that is not there",
        ),
    ],
)  # fmt: skip
def test_what_the_log_denies_is_found(summary: str, steps: list[Step], about: str, log: str) -> None:
    [found] = contradictions(session(summary, steps), files=("app/store.py",))
    assert (found.about, found.log) == (about, log)
    assert found.claim in summary


@pytest.mark.parametrize(
    ("summary", "steps"),
    [
        pytest.param("All tests pass.", [TESTED], id="true"),
        pytest.param("All 5 tests pass.", [TESTED], id="counted right"),
        pytest.param("All 10 tests pass.", [TESTED, TESTED], id="two runs added up"),
        pytest.param("The tests do not pass yet.", [], id="denied"),
        pytest.param("Tests should pass once T-2 is merged.", [], id="hedged"),
        pytest.param("All tests pass.", [("shell", {"command": "pytest"}, FAILED), WROTE, TESTED], id="mended"),
        pytest.param("All tests pass.", [("shell", {"command": "npm test"}, "# pass 3\nexit code 0")], id="another"),
        pytest.param("All tests pass.", [("test", {}, "4 passed\nexit code 0")], id="a tool of its own"),
        pytest.param("I started the server and asked it for pages.", [STARTED], id="did start it"),
        pytest.param("I opened the page in the browser.", [("look", {}, "page")], id="did look"),
        pytest.param("Wrote store.py.", [WROTE], id="named by its last part"),
        pytest.param("Added notes.txt.", [("shell", {"command": "echo > notes.txt"}, "exit code 0")], id="by a shell"),
        pytest.param("Implemented the board with plain Node.js.", [], id="a name that looks like a file"),
        pytest.param("The page works in the browser.", [], id="says what the product does"),
        pytest.param("The checks ran through.", [], id="says nothing that can be checked"),
    ],
)  # fmt: skip
def test_who_says_what_is_so_is_left_alone(summary: str, steps: list[Step]) -> None:
    assert contradictions(session(summary, steps, open_points=["All tests pass."]), files=("app/store.py",)) == ()


def test_a_session_that_did_not_finish_claims_nothing() -> None:
    entries = session("All tests pass.", [])
    result = entries[-1].result
    assert result is not None
    limit = result.model_copy(update={"outcome": "limit"})
    assert contradictions([*entries[:-1], Entry(result=limit)], files=()) == ()
    assert contradictions([], files=()) == ()


GATE = Problem(id="tests", kind="gate", title="tests failed", detail="1 failed", severity=4)
CRITERION = Problem(id="AC-1:S-1", kind="criterion", title="It works.", detail="S-1", criterion="AC-1")
LIED = Claims(found=(("T-1 (coder)", Contradiction(about="tests", claim="All tests pass.", log="it ran no tests")),))


def test_a_claim_matters_only_where_our_own_check_failed() -> None:
    told, other = with_claims([GATE, CRITERION], LIED, files=())
    assert told.detail == '1 failed\nT-1 (coder) reported "All tests pass.", but it ran no tests.'
    assert other == CRITERION
    assert with_claims([], LIED, files=()) == ()


def test_a_file_that_was_reported_and_is_not_there_is_a_problem() -> None:
    denied = Contradiction(about="file", claim="Wrote a.py.", log="it neither wrote nor named a.py", path="a.py")
    claims = Claims(found=(("T-1 (coder)", denied),))
    [problem] = with_claims([], claims, files=("b.py",))
    assert (problem.kind, problem.title) == ("finding", "a.py is not there")
    assert with_claims([], claims, files=("src/a.py",)) == (), "somebody else wrote it"
