"""What checks said about a commit, and what users, testers and scanners noticed."""

from typing import Literal

from macrohard.domain.value import Value


class Exchange(Value):
    """One thing that our driver asked of a product or gave it, and what came of it."""

    asked: str
    """A request, a command, a file; in words."""
    answered: str
    """Status and body, or exit code and output, from their beginning; empty: there is nothing to answer."""


class Exchanges(Value):
    """Everything that was asked in one scenario, in order."""

    exchanges: tuple[Exchange, ...] = ()
    left_out: int = 0
    """So many more that were not written down."""


CheckKind = Literal["manifest", "install", "start", "tests", "scenario", "earlier tests", "test quality", "new tests"]
"""The last three are about the product's own tests, and gate nothing by themselves: those of the last kept commit that
were changed or removed since; whether they notice lines that are broken on purpose; whether, in a product that existed
before, they fail without the change."""
VerdictStatus = Literal["passed", "failed", "not run"]


class Verdict(Value):
    """What one check, run by our code in a fresh sandbox, said about one commit. Only verdicts make anything done."""

    check: str
    """The scenario's id, or the kind of the check."""
    kind: CheckKind
    criterion: str | None = None
    commit: str
    status: VerdictStatus
    summary: str
    """What was expected and what was seen, in words that give away no scenario steps."""
    duration_seconds: float
    evidence: tuple[str, ...] = ()
    """Artifact digests: screenshots, logs."""
    exchanges: str | None = None
    """Artifact digest of its `Exchanges`; None: only pages were used, or nothing was."""


Severity = Literal[1, 2, 3, 4]
"""4 task impossible or data lost · 3 serious · 2 detour · 1 cosmetic (rules: docs/agents.md)."""

Flaw = Literal[
    "crash",
    "data loss",
    "wrong result",
    "security",
    "slow",
    "accessibility",
    "misleading",
    "layout",
    "maintenance",
]
"""What can be wrong with a product, seen in use or in its code."""


class Finding(Value):
    """What somebody noticed while using or reading the product; feeds triage, gates nothing by itself."""

    id: str
    commit: str
    found_by: str
    """The session's agent or persona, or "axe"."""
    category: Flaw | Literal["dead end", "wish"]
    severity: Severity
    title: str
    detail: str
    page: str = ""
    element: str = ""
    file: str = ""
    """Where in the code; empty if whoever found it saw the running product only."""
    line: int = 0
    expected: str = ""
    """What was expected instead, by who acted on the element."""
    step: int = 0
    """Of the visit of who found it; 0: no particular one."""
    seen_by: tuple[str, ...] = ()
    """All who noticed it, when what several noticed is told as one."""
    reproduced: bool | None = None
    """On a fresh product by fresh means; None: not tried, or the way there could not be gone again."""
    evidence: tuple[str, ...] = ()


class Contradiction(Value):
    """Something that a session's report says and its own log of tool calls denies; decides nothing by itself."""

    about: Literal["tests", "start", "page", "file"]
    claim: str
    """The report's own words."""
    log: str
    """What the log has instead, in one sentence for people."""
    path: str = ""
    """Of the file that the claim is about."""
