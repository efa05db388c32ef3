"""What test runners say of themselves at their end; nothing else in an output is taken for a result of tests."""

import re
from typing import Final

from macrohard.domain import Value

TOOL: Final = "run_tests"
_PASSED = re.compile(r"\b(\d+) (?:passed|passing)\b|\bpass (\d+)\b|\bRan (\d+) tests?\b|\b(\d+) tests?,")
_FAILED = re.compile(
    r"\b[1-9]\d* (?:failed|failing|failures?|errors?)\b|\bfail [1-9]\d*|\bFAILED \([^)\n]*\)|^FAIL\b",
    re.MULTILINE,
)
_SUMMARY = re.compile(
    # pytest, whose line alone ends with how long it took
    r"^=* ?(?:\d+ (?:failed|passed|skipped|deselected|xfailed|xpassed|rerun|warnings?|errors?|subtests \w+)(?:, )?)+"
    r" in \d[\d.]*s\b.*$"
    # node
    r"|^[#ℹ] pass \d+(?:\s*\n[#ℹ] fail \d+)?$|^[#ℹ] fail \d+$"
    # unittest
    r"|^Ran \d+ tests?\b.*(?:\s*\n(?:OK\b.*|FAILED \(.*\)))?$|^FAILED \((?:failures|errors)=.*\)$"
    # jest, vitest
    r"|^\s*Tests:?\s+\d+ (?:failed|passed|skipped|todo)\b.*$"
    # mocha
    r"|^\s*\d+ passing\b.*(?:\n\s*\d+ pending)?(?:\n\s*\d+ failing)?$"
    # cargo, go, bats
    r"|^test result: (?:ok|FAILED)\. .*$|^ok\s+\S+\s+(?:[\d.]+s|\(cached\)).*$|^FAIL(?:\s+\S+\s+[\d.]+s)?$"
    r"|^\d+ tests?, \d+ failures?.*$",
    re.MULTILINE,
)


class Summary(Value):
    """The last thing that a runner of tests said in one output."""

    passed: int | None
    """How many; None: it did not say."""
    failed: str
    """What it said of failures, in its own words; empty: there were none."""


def summary_of(output: str, *, tool: str) -> Summary | None:
    """The last summary of a runner in what a tool answered; None if there is none.

    What `run_tests` answers begins with its own word. Linters and compilers count errors too, and are never meant.
    """
    if tool == TOOL:
        head = output.partition("\n")[0]
        word, _, told = head.partition(": ")
        if word not in ("passed", "failed"):
            return None
        failed = _FAILED.search(told)
        return Summary(passed=_count(told), failed="" if word == "passed" else failed[0] if failed else told)
    found = [match[0] for match in _SUMMARY.finditer(output)]
    if not found:
        return None
    failed = _FAILED.search(found[-1])
    return Summary(passed=_count(found[-1]), failed=failed[0] if failed else "")


def _count(said: str) -> int | None:
    count = _PASSED.search(said)
    return int(next(filter(None, count.groups()))) if count else None
