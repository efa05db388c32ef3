"""What a report says is held against the log of the session; honest reports are left alone."""

import json
from collections.abc import Sequence

import pytest

from macrohard.agent import Entry
from macrohard.domain import JsonObject, SessionResult
from macrohard.domain.verdict import Contradiction
from macrohard.factory.claims import Claims, contradictions, with_claims
from macrohard.factory.problems import Problem
from macrohard.factory.runners import Summary, summary_of

Step = tuple[str, dict[str, str], str]

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

RAN: Step = ("run_tests", {}, "passed: 100 passed in 69.64s (0:01:09); exit code 0\n(the whole output is output-4)")
RAN_FAILED: Step = (
    "run_tests", {}, "failed: 2 failed, 98 passed in 9.47s; exit code 1\nFAILED tests/test_problems.py::test_it - As..."
)  # fmt: skip
NODE = "passed: ℹ pass 38; ℹ fail 0; exit code 0\n(the running product was stopped for it)"
FOUR = "ruff check --fix . ; git diff --stat; mypy tool && python3 -m pytest -q 2>&1 | tail -3"
FIXED = """tests/conftest.py:20:16: PLW1510 `subprocess.run` without explicit `check` argument
Found 7 errors (3 fixed, 4 remaining).
 2 files changed, 22 insertions(+), 5 deletions(-)
Success: no issues found in 9 source files
........................................................................ [ 72%]
............................                                             [100%]
100 passed in 8.07s
exit code 0"""
LINT = "Found 7 errors.\nFound 1 error in 1 file (checked 9 source files)\nexit code 0"


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
            "100 tests pass.", [RAN, RAN_FAILED], "tests", "the last tests it ran said '2 failed'", id="by our tool",
        ),
        pytest.param(
            "All tests pass.", [("shell", {"command": FOUR}, f"{FIXED}\n1 failed, 99 passed in 8.10s\nexit code 0")],
            "tests", "the last tests it ran said '1 failed'", id="the last one in an output",
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
        pytest.param("All tests pass.", [RAN], id="our own tool"),
        pytest.param("All 5 tests pass.", [("shell", {"command": "./try.sh"}, PASSED)], id="under another name"),
        pytest.param("All tests pass.", [("shell", {"command": "pytest > log"}, "exit code 1")], id="left open"),
        pytest.param(
            "ruff and mypy are content, and 100 tests pass.",
            [("shell", {"command": FOUR}, FIXED)],
            id="linters count errors too",
        ),
        pytest.param("100 tests pass.", [RAN, ("shell", {"command": FOUR}, FIXED)], id="linters after our tool"),
        pytest.param("All 100 tests pass.", [RAN, ("shell", {"command": "ruff check; mypy ."}, LINT)], id="lint last"),
        pytest.param("All tests pass.", [RAN, ("shell", {"command": "cat tests/test_a.py"}, FAILED)], id="only read"),
        pytest.param("All 38 tests pass.", [("run_tests", {}, NODE)], id="node by our tool"),
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


@pytest.mark.parametrize(
    ("output", "passed", "failed"),
    [
        ("===== 5 passed, 1 warning in 0.10s =====", 5, ""),
        ("==== 1 failed, 2 errors in 61.02s (0:01:01) ====", None, "1 failed"),
        ("2 errors in 0.31s", None, "2 errors"),
        ("# tests 4\n# pass 3\n# fail 1", 3, "fail 1"),
        ("ℹ pass 38\nℹ fail 0", 38, ""),
        ("Ran 3 tests in 0.1s\n\nOK", 3, ""),
        ("Ran 3 tests in 0.1s\n\nFAILED (failures=1)", 3, "FAILED (failures=1)"),
        ("Tests:       1 failed, 5 passed, 6 total", 5, "1 failed"),
        ("      Tests  6 passed (6)", 6, ""),
        ("  5 passing (12ms)\n  1 failing", 5, "1 failing"),
        ("test result: ok. 5 passed; 0 failed; 0 ignored", 5, ""),
        ("test result: FAILED. 4 passed; 1 failed; 0 ignored", 4, "1 failed"),
        ("ok  \texample.com/tool\t0.012s", None, ""),
        ("--- FAIL: TestIt (0.00s)\nFAIL\texample.com/tool\t0.012s\nFAIL", None, "FAIL"),
        ("12 tests, 0 failures", 12, ""),
    ],
)
def test_runners_are_understood_by_their_last_line(output: str, passed: int | None, failed: str) -> None:
    assert summary_of(f"Found 9 errors.\n{output}\nexit code 0", tool="shell") == Summary(passed=passed, failed=failed)


def test_what_linters_count_is_no_result_of_tests() -> None:
    assert summary_of(LINT, tool="shell") is None
    assert summary_of("error: there is no product.toml yet", tool="run_tests") is None


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
