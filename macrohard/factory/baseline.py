"""The tests that an existing product had: what each said before, and that no earlier pass is lost."""

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from macrohard.domain import Verdict
from macrohard.domain.environment import NONE
from macrohard.domain.ground import TestResults
from macrohard.errors import ToolError
from macrohard.factory.context import FactoryContext
from macrohard.product.service import PORT, TEST_SECONDS, checkout, readable
from macrohard.sandbox import SandboxSpec

NAMED = 12
"""Tests named in a verdict; the log has all."""
TOLD = {
    # Runners of these kinds then name each test, however deep in a Makefile they are called.
    "PYTEST_ADDOPTS": "-rA --color=no",
    "NO_COLOR": "1",
    "FORCE_COLOR": "0",
    "CI": "1",
    "PORT": str(PORT),
}

_FILE_SECONDS = 20.0

_PYTEST = re.compile(r"^(PASSED|XPASS|FAILED|ERROR) (\S+?::.+?|\S+\.py)(?: - .*)?$", re.M)
_TAP = re.compile(r"^ *(ok|not ok) \d+ -? ?(.+?)(?: # (?:time|duration).*)?$", re.M)
_GO = re.compile(r"^ *--- (PASS|FAIL): (\S+)", re.M)
_UNITTEST = re.compile(r"^(\S+ \([\w.]+\))(?:\n.*)? \.\.\. (ok|FAIL|ERROR)$", re.M)
_MARKED = re.compile(r"^ *([✓✔√]|[✗✖×✕]) (.+?)(?: \(?[\d.]+ ?m?s\)?)?$", re.M)
"""As vitest, jest and node's spec reporter write them."""
_CARGO = re.compile(r"^test (\S+) \.\.\. (ok|FAILED)$", re.M)
_GOOD = {"PASSED", "XPASS", "ok", "PASS", "✓", "✔", "√"}


def results_in(output: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the tests that passed and of those that failed, as far as the output of a runner tells."""
    said: list[tuple[str, str]] = [(mark, name) for mark, name in _PYTEST.findall(output)]
    said += [(mark, name) for mark, name in _TAP.findall(output) if "# SKIP" not in name and "# TODO" not in name]
    said += _GO.findall(output)
    said += [(mark, name) for name, mark in (*_UNITTEST.findall(output), *_CARGO.findall(output))]
    if not said:
        said = _MARKED.findall(output)
    failed = {name.strip() for mark, name in said if mark not in _GOOD}
    # A name that was said twice, e.g. by two files, passed only if it never failed.
    return tuple(sorted({name.strip() for mark, name in said if mark in _GOOD} - failed)), tuple(sorted(failed))


async def run_tests(
    context: FactoryContext,
    commit: str,
    *,
    environment: Mapping[str, str] = NONE,
    instead: Mapping[str, bytes | None] | None = None,
) -> TestResults:
    """Install the commit in a fresh sandbox and run its own tests; whatever goes wrong there is a result.

    `environment` is what they run with; `instead`: files that have this content when the tests run, or are not there.
    """
    began = time.monotonic()
    spec = SandboxSpec(image=context.sandboxes.product_image, packages=context.sandboxes.installs)
    exit_code, problem, output = None, "", ""
    async with context.sandboxes.open(spec) as sandbox:
        try:
            service = await checkout(sandbox, bundle=await context.repository.bundle(commit), commit=commit)
        except ToolError as error:
            problem = str(error)
        else:
            installed = await service.install()
            if installed is not None and installed.exit_code != 0:
                problem = f"the install command ended with exit code {installed.exit_code}"
                output = readable(installed.stdout + installed.stderr)
            else:
                for path, content in (instead or {}).items():
                    if content is None:
                        await sandbox.run(("rm", "-f", path), timeout_seconds=_FILE_SECONDS, directory=service.root)
                    else:
                        await sandbox.write({service.root / path: content})
                ran = await sandbox.run(
                    service.manifest.commands.test,
                    timeout_seconds=TEST_SECONDS,
                    directory=service.root,
                    environment={**environment, **TOLD},
                )
                output = readable(ran.stdout + ran.stderr)
                exit_code = None if ran.timed_out else ran.exit_code
                problem = f"the tests took longer than {TEST_SECONDS:g} s" if ran.timed_out else ""
    passed, failed = results_in(output)
    return TestResults(
        commit=commit, passed=passed, failed=failed, exit_code=exit_code, problem=problem,
        output=await context.artifacts.put(output.encode(), media_type="text/plain"),
        seconds=time.monotonic() - began,
    )  # fmt: skip


def compared(before: TestResults, now: TestResults, *, superseded: Sequence[str] = ()) -> Verdict:
    """The verdict on a commit's own tests, where some may have failed before anybody touched the product.

    It passes if every test that passed before passes now, and none fails that did not fail before. The cases of one
    test function may be called otherwise, for their names hold texts and places that a change rightly alters: such a
    function lost cases only if fewer new ones pass than old ones are gone. Where a person's change took the place of
    criteria, a test may be gone: which ones is said.

    Args:
        superseded: the ids of those criteria.
    """
    failing = [name for name in before.passed if name in set(now.failed)]
    renamed, gone = _renamed_and_gone(before, now)
    lost = [*failing, *gone]
    if superseded and now.passed:
        lost = failing
    else:
        gone = []
    broken = [name for name in now.failed if name not in {*before.failed, *lost}]
    old = [name for name in now.failed if name in set(before.failed)]
    told = bool(before.passed or before.failed)
    parts = []
    if now.problem:
        parts.append(f"the tests could not be run: {now.problem}")
    elif told and lost:
        parts.append(f"{len(lost)} that passed before do not pass now: {_named(lost)}")
    if broken:
        parts.append(f"{len(broken)} new or untouched tests fail: {_named(broken)}")
    red = now.exit_code not in (0, None) and not broken and not lost
    if red and not old:
        parts.append(f"exit code {now.exit_code}, and the runner does not tell which tests failed")
    if parts:
        return _verdict(before, now, "failed", "; ".join(parts))
    good = f"{len(now.passed)} passed" if now.passed else "exit code 0"
    summary = f"{good}; all {len(before.passed)} that passed before still do" if before.passed and not gone else good
    if gone:
        are = "is" if len(gone) == 1 else "are"
        summary += (
            f"; of the {len(before.passed)} that passed before, {len(gone)} {are} gone, while "
            f"{', '.join(superseded)} {'does' if len(superseded) == 1 else 'do'} not hold any more: {_named(gone)}"
        )
    if renamed:
        cases = "1 case is" if len(renamed) == 1 else f"{len(renamed)} cases are"
        summary += f"; {cases} named otherwise now: {_named(renamed)}"
    if old:
        summary += f"; {len(old)} failed before as well: {_named(old)}"
    return _verdict(before, now, "passed", summary)


def _renamed_and_gone(before: TestResults, now: TestResults) -> tuple[list[str], list[str]]:
    """Of what passed before and is not there under its name: what other passing cases of its function stand for."""
    known = {*before.passed, *before.failed}
    fresh = Counter(function_of(name) for name in now.passed if name not in known and function_of(name) != name)
    renamed, gone = [], []
    for name in before.passed:
        if name in {*now.passed, *now.failed}:
            continue
        function = function_of(name)
        if function != name and fresh[function]:
            fresh[function] -= 1
            renamed.append(name)
        else:
            gone.append(name)
    return renamed, gone


def function_of(test: str) -> str:
    """The name of a test without what tells pytest's cases of it apart."""
    file, separator, place = test.partition("::")
    return f"{file}{separator}{place.partition('[')[0]}"


def _verdict(before: TestResults, now: TestResults, status: str, summary: str) -> Verdict:
    return Verdict.model_validate(
        {
            "check": "tests", "kind": "tests", "commit": now.commit, "status": status, "summary": summary,
            "duration_seconds": now.seconds, "evidence": (now.output, before.output),
        }
    )  # fmt: skip


def _named(tests: list[str]) -> str:
    more = f" and {len(tests) - NAMED} more" if len(tests) > NAMED else ""
    return ", ".join(tests[:NAMED]) + more
