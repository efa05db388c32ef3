"""What checks said about a commit, and what users, testers and scanners noticed."""

from typing import Literal

from macrohard.domain.value import Value

CheckKind = Literal["manifest", "install", "start", "tests", "scenario"]
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


Severity = Literal[1, 2, 3, 4]
"""4 task impossible or data lost · 3 serious · 2 detour · 1 cosmetic (rules: docs/agents.md)."""


class Finding(Value):
    """What somebody noticed while using the product; feeds triage, gates nothing by itself."""

    id: str
    commit: str
    found_by: str
    """The session's agent or persona, or "axe"."""
    category: Literal["crash", "data loss", "accessibility", "misleading", "dead end", "layout", "wish"]
    severity: Severity
    title: str
    detail: str
    page: str = ""
    element: str = ""
    reproduced: bool | None = None
    """In a fresh browser; None: not tried."""
    evidence: tuple[str, ...] = ()
