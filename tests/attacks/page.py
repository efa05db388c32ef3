"""The table as a page for people: `docs/attacks.md`."""

import platform
import re
import shutil
import subprocess
from collections.abc import Sequence

from tests.attacks.attack import EVERY_TIER, Finding

INTRODUCTION = """\
# What was attacked, and what came of it
Written by `make attacks ARGS="--markdown docs/attacks.md"` (`--with` adds earlier runs); what each row tries stands in
`tests/attacks/`.

Before a row counts, the same probe, or the careless way of doing the same, has to find the hole where there is one: in
a container that is weak on purpose, or in a client that trusts what it reads. A row whose control finds nothing says
nothing and is shown as *control failed*. After each attack a fresh sandbox has to work.

**safe**: nothing was found. **unsafe**: a hole, or a probe that did not come to its end. **—**: it cannot be tried
there; the reason stands below. An empty cell was not tried in the runs that this page is of. Rows under *any* are
about this machine's side and the same whatever the tier.

That a row is safe means that this attack failed on these versions, and no more than that. Nobody tried an unknown hole
in the kernel.
"""
VERSION = re.compile(r"\d+\.\d[\d.+~a-z]*")
PROGRAMS = (
    ("Docker engine", ("docker", "version", "--format", "{{.Server.Version}}")),
    ("runc", ("runc", "--version")),
    ("gVisor", ("runsc", "--version")),
    ("bubblewrap", ("bwrap", "--version")),
    ("Chromium", ("chromium", "--version")),
    ("git", ("git", "--version")),
)


def page(findings: Sequence[Finding]) -> str:
    """The findings as Markdown: a row for each attack, a column for each tier, and the reasons of what is missing."""
    tiers = [tier for tier in EVERY_TIER if any(finding.tier == tier for finding in findings)]
    columns = ["any", *tiers]
    rows: dict[str, dict[str, Finding]] = {}
    for finding in findings:
        rows.setdefault(finding.id, {})[finding.tier or "any"] = finding
    lines = [
        INTRODUCTION,
        f"Tried with {'; '.join(_versions())}.\n",
        f"| row | attack | {' | '.join(columns)} |",
        f"|---|---|{'---|' * len(columns)}",
    ]
    for id, found in sorted(rows.items(), key=_place):
        title = next(iter(found.values())).title
        lines.append(f"| {id} | {title} | {' | '.join(_cell(found.get(column)) for column in columns)} |")
    reasons = {
        f"- **{finding.id}** {finding.tier}: {finding.detail}".replace("  ", " ").replace(" :", ":")
        for finding in findings
        if finding.outcome == "not here"
    }
    open_ = [
        f"- **{finding.id}** {finding.tier or 'any'}, {finding.outcome}: `{finding.detail.splitlines()[0][:200]}`"
        for finding in findings
        if finding.outcome in ("unsafe", "control failed")
    ]
    if open_:
        lines += ["\n## What is open", *open_]
    return "\n".join([*lines, "\n## Not tried, and why", *sorted(reasons), ""])


def _place(row: tuple[str, dict[str, Finding]]) -> tuple[str, int, str]:
    number, _, rest = row[0][1:].partition(" ")
    return row[0][0], int(number), rest


def _cell(finding: Finding | None) -> str:
    if finding is None:
        return ""
    return "—" if finding.outcome == "not here" else finding.outcome.replace("unsafe", "**unsafe**")


def _versions() -> Sequence[str]:
    found = [f"Linux {VERSION.findall(platform.release())[0]}"]
    for name, command in PROGRAMS:
        if shutil.which(command[0]):
            said = VERSION.findall(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
            found += [f"{name} {said[0]}"] if said else []
    return found
