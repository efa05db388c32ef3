"""Every attack on every kind of sandbox that can be had here, as a table; ends with one JSON line.

Run: make attacks, or some rows of it: make attacks ARGS="A2 B7". Exit code 1 if a row is unsafe, or if its control
found nothing where there is a hole, because then the row says nothing.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import Engine, build_images, choose_provider
from tests.attacks.attack import Attack, Attacker, Finding, Outcome, engine_client
from tests.attacks.rows import ABSENT, ATTACKS

OUTCOMES: tuple[Outcome, ...] = ("safe", "unsafe", "control failed", "not here")
ENGINES: tuple[Engine, ...] = ("docker", "bubblewrap")


async def main(arguments: Sequence[str]) -> int:
    """Try the rows of these ids, or all."""
    parser = argparse.ArgumentParser(prog="make attacks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="an id, such as A2")
    parser.add_argument("--engine", choices=ENGINES, action="append", help="only this kind of sandboxes")
    given = parser.parse_args(arguments)
    chosen = [attack for attack in ATTACKS if not given.rows or attack.id in given.rows]
    absent = [row for row in ABSENT if not given.rows or row.id in given.rows]
    if unknown := set(given.rows) - {row.id for row in chosen} - {row.id for row in absent}:
        parser.error(f"no such rows: {', '.join(sorted(unknown))}")
    findings = await _findings(chosen, given.engine or ENGINES)
    findings += [
        Finding(id=row.id, title=row.title, tier="", outcome="not here", detail=row.reason, seconds=0.0)
        for row in absent
    ]
    for finding in findings[-len(absent) :] if absent else ():
        _show(finding)
    counts = Counter(finding.outcome for finding in findings)
    print(json.dumps({outcome.replace(" ", "_"): counts[outcome] for outcome in OUTCOMES}))
    return 1 if counts["unsafe"] or counts["control failed"] else 0


async def _findings(attacks: Sequence[Attack], engines: Sequence[Engine]) -> list[Finding]:
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="attacks-") as folder, engine_client() as weak:
        # Controls are containers also where bubblewrap is attacked.
        await build_images(("base", "browser"), engine="docker", progress=print)
        attacker = Attacker(weak, Path(folder))
        for engine in engines:
            home = Path(folder) / engine
            home.mkdir()
            try:
                await build_images(("base", "browser"), engine=engine, progress=print)
                provider = await choose_provider(engine, home=home)
            except SandboxUnavailable as error:
                absent = {"outcome": "not here", "detail": str(error).splitlines()[0], "tier": engine, "seconds": 0.0}
                findings += [Finding.model_validate({"id": each.id, "title": each.title, **absent}) for each in attacks]
                print(f"{engine}: {error}")
                continue
            try:
                for attack in attacks:
                    findings.append(await attacker.attack(attack, provider))
                    _show(findings[-1])
            finally:
                await provider.close()
    return findings


def _show(finding: Finding) -> None:
    # The controls' finds can be many, and what matters of them is that there are some.
    detail = finding.detail if len(finding.detail) < 160 or finding.outcome == "unsafe" else finding.detail[:159] + "…"
    columns = f"{finding.id:<12} {finding.outcome:<14} {finding.tier:<11} {finding.seconds:5.1f} s"
    print(f"{columns}  {finding.title}: {detail}", flush=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
