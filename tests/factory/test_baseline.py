"""What runners say of each test, and that no earlier pass is lost."""

import pytest

from macrohard.domain.ground import TestResults
from macrohard.factory.baseline import compared, function_of, results_in

PYTEST = """\
=========================== short test summary info ============================
PASSED tests/test_a.py::test_one
PASSED tests/test_a.py::test_many[a b]
FAILED tests/test_a.py::test_two - AssertionError: assert 1 == 2
ERROR tests/test_b.py - ImportError
2 passed, 1 failed, 1 error in 0.02s
"""
TAP = "TAP version 13\n# Subtest: adds\nok 1 - adds\n  ---\n  duration_ms: 1\n  ...\nnot ok 2 - takes\n1..2\n"
SPEC = "✔ adds (0.5ms)\n▶ group\n  ✖ takes (1.2ms)\nℹ pass 1\n"
VITEST = " ✓ src/a.test.ts > adds 2ms\n × src/a.test.ts > takes 3ms\n"
GO = "=== RUN   TestAdds\n--- PASS: TestAdds (0.00s)\n--- FAIL: TestTakes (0.00s)\nFAIL\n"
UNITTEST = "test_adds (t.T.test_adds) ... ok\ntest_takes (t.T.test_takes) ... FAIL\n\nRan 2 tests in 0.0s\n"


@pytest.mark.parametrize(
    ("output", "passed", "failed"),
    [
        pytest.param(
            PYTEST,
            ("tests/test_a.py::test_many[a b]", "tests/test_a.py::test_one"),
            ("tests/test_a.py::test_two", "tests/test_b.py"),
            id="pytest",
        ),
        pytest.param(TAP, ("adds",), ("takes",), id="TAP"),
        pytest.param(SPEC, ("adds",), ("takes",), id="node"),
        pytest.param(VITEST, ("src/a.test.ts > adds",), ("src/a.test.ts > takes",), id="vitest"),
        pytest.param(GO, ("TestAdds",), ("TestTakes",), id="go"),
        pytest.param(UNITTEST, ("test_adds (t.T.test_adds)",), ("test_takes (t.T.test_takes)",), id="unittest"),
        pytest.param("All good.\n", (), (), id="a runner that names none"),
    ],
)
def test_each_test_is_known_by_name(output: str, passed: tuple[str, ...], failed: tuple[str, ...]) -> None:
    assert results_in(output) == (passed, failed)


def results(passed: str = "", failed: str = "", *, code: int | None = 0, problem: str = "") -> TestResults:
    return TestResults(
        commit="c", passed=tuple(passed.split()), failed=tuple(failed.split()), exit_code=code, problem=problem,
        output="0", seconds=1.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "now", "status", "said"),
    [
        pytest.param(results("a b"), results("a b c"), "passed", "all 2 that passed before still do", id="more"),
        pytest.param(
            results("a", "x", code=1), results("a n", "x", code=1), "passed", "1 failed before as well: x", id="as red"
        ),
        pytest.param(results("a", "x", code=1), results("a x"), "passed", "2 passed", id="mended"),
        pytest.param(results("a b"), results("a", "b", code=1), "failed", "do not pass now: b", id="broken"),
        pytest.param(results("a b"), results("a"), "failed", "do not pass now: b", id="deleted"),
        pytest.param(results("a"), results("a", "n", code=1), "failed", "new or untouched tests fail: n", id="new red"),
        pytest.param(results("a"), results(code=None, problem="no"), "failed", "could not be run: no", id="no tests"),
        pytest.param(results(), results(), "passed", "exit code 0", id="only the exit code"),
        pytest.param(results(code=1), results(code=1), "failed", "does not tell which", id="red and not told which"),
    ],
)
def test_a_commit_keeps_what_passed(before: TestResults, now: TestResults, status: str, said: str) -> None:
    verdict = compared(before, now)
    assert verdict.status == status
    assert said in verdict.summary


CASES = "t.py::test_f[a] t.py::test_f[b] t.py::test_g"


@pytest.mark.parametrize(
    ("now", "status", "said"),
    [
        pytest.param(
            results("t.py::test_f[a] t.py::test_f[B] t.py::test_f[c] t.py::test_g"),
            "passed",
            "all 3 that passed before still do; 1 case is named otherwise now: t.py::test_f[b]",
            id="another text and one more",
        ),
        pytest.param(
            results("t.py::test_f[B] t.py::test_g"), "failed", "1 that passed before do not pass now", id="one fewer"
        ),
        pytest.param(
            results("t.py::test_f[A] t.py::test_g", "t.py::test_f[B]", code=1),
            "failed",
            "new or untouched tests fail: t.py::test_f[B]",
            id="another text that fails",
        ),
        pytest.param(
            results("t.py::test_f[a] t.py::test_f[c] t.py::test_f[d] t.py::test_g", "t.py::test_f[b]", code=1),
            "failed",
            "do not pass now: t.py::test_f[b]",
            id="more pass and one fails",
        ),
        pytest.param(
            results("t.py::test_f[a] t.py::test_f[b] t.py::test_f[c] t.py::test_h"),
            "failed",
            "do not pass now: t.py::test_g",
            id="a function is gone and another one has more cases",
        ),
        pytest.param(
            results("t.py::test_f t.py::test_g"), "failed", "2 that passed before", id="one test for all cases"
        ),
    ],
)
def test_cases_of_one_test_may_be_named_otherwise(now: TestResults, status: str, said: str) -> None:
    verdict = compared(results(CASES), now)
    assert verdict.status == status
    assert said in verdict.summary


def test_a_case_that_failed_before_stands_for_no_other() -> None:
    before = results("t.py::test_f[a] t.py::test_f[b]", "t.py::test_f[c]", code=1)
    assert compared(before, results("t.py::test_f[a] t.py::test_f[c]")).status == "failed"


@pytest.mark.parametrize(
    ("test", "function"),
    [
        ("tests/[id]/t.py::test_f[a-b[0]]", "tests/[id]/t.py::test_f"),
        ("t.py::TestF::test_g", "t.py::TestF::test_g"),
        ("src/a.test.ts > adds [1]", "src/a.test.ts > adds [1]"),
    ],
)
def test_brackets_tell_pytests_cases_apart(test: str, function: str) -> None:
    assert function_of(test) == function
