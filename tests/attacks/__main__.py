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
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest

from macrohard.errors import SandboxUnavailable
from macrohard.sandbox import DockerProvider, SandboxProvider, build_images, choose_provider, docker
from tests.attacks.attack import Attack, Attacker, Finding, Outcome, engine_client, environment
from tests.attacks.page import page
from tests.attacks.rows import ABSENT, ATTACKS
from tests.sandbox.engines import private_engine

OUTCOMES: tuple[Outcome, ...] = ("safe", "unsafe", "control failed", "not here")
IMAGES = ("base", "browser")
Kind = Literal["docker", "bubblewrap", "userns", "gvisor"]
KINDS: dict[Kind, str] = {
    "docker": "those of the Docker engine of this machine",
    "bubblewrap": "those without an engine",
    "userns": "an engine of its own that remaps users",
    "gvisor": "an engine of its own with gVisor",
}


async def main(arguments: Sequence[str]) -> int:
    """Try the rows of these ids, or all."""
    parser = argparse.ArgumentParser(prog="make attacks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="an id, such as A2")
    kinds = "; ".join(f"{name}: {what}" for name, what in KINDS.items())
    parser.add_argument("--engine", choices=KINDS, action="append", help=f"only this kind of sandboxes ({kinds})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row in full")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the table as a page, such as docs/attacks.md"
    )
    parser.add_argument(
        "--with",
        type=Path,
        metavar="FILE",
        action="append",
        dest="earlier",
        default=[],
        help="on the page also what an earlier --json wrote, such as that of other kinds of sandboxes",
    )
    given = parser.parse_args(arguments)
    chosen = [attack for attack in ATTACKS if not given.rows or attack.id in given.rows]
    absent = [row for row in ABSENT if not given.rows or row.id in given.rows]
    if unknown := set(given.rows) - {row.id for row in chosen} - {row.id for row in absent}:
        parser.error(f"no such rows: {', '.join(sorted(unknown))}")
    findings = await _findings(chosen, given.engine or list(KINDS))
    for row in absent:
        findings.append(
            Finding(id=row.id, title=row.title, tier="", outcome="not here", detail=row.reason, seconds=0.0)
        )
        _show(findings[-1])
    if given.json:
        given.json.write_text(json.dumps([finding.model_dump() for finding in findings], indent=1) + "\n")
    if given.markdown:
        earlier = [row for path in given.earlier for row in json.loads(path.read_text())]
        given.markdown.write_text(page([*map(Finding.model_validate, earlier), *findings]))
    counts = Counter(finding.outcome for finding in findings)
    print(json.dumps({outcome.replace(" ", "_"): counts[outcome] for outcome in OUTCOMES}))
    return 1 if counts["unsafe"] or counts["control failed"] else 0


async def _findings(attacks: Sequence[Attack], kinds: Sequence[Kind]) -> list[Finding]:
    findings: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="attacks-") as folder, engine_client() as weak:
        # Controls are containers also where bubblewrap is attacked.
        await build_images(IMAGES, engine="docker", progress=print)
        attacker = Attacker(weak, Path(folder))
        for kind in kinds:
            home = Path(folder) / kind
            home.mkdir()
            tried = {finding.id for finding in findings if not finding.tier}
            still = [attack for attack in attacks if attack.id not in tried]
            try:
                async with _sandboxes(kind, home) as provider:
                    for number, attack in enumerate(still, start=1):
                        print(f"{kind} {number}/{len(still)}: {attack.id}", file=sys.stderr, flush=True)
                        findings.append(await attacker.attack(attack, provider))
                        _show(findings[-1])
            except _NotHere as error:
                print(f"{kind}: {error}")
                absent = {"outcome": "not here", "detail": str(error).splitlines()[0], "tier": kind, "seconds": 0.0}
                findings += [Finding.model_validate({"id": each.id, "title": each.title, **absent}) for each in still]
    return findings


class _NotHere(Exception):
    """Sandboxes of this kind cannot be had."""


@asynccontextmanager
async def _sandboxes(kind: Kind, home: Path) -> AsyncIterator[SandboxProvider]:
    if kind in ("docker", "bubblewrap"):
        async with _opened("bubblewrap" if kind == "bubblewrap" else "docker", home) as provider:
            yield provider
        return
    print(f"starting {KINDS[kind]} …", file=sys.stderr, flush=True)
    try:
        # This gVisor cannot be where users are remapped.
        engine = private_engine(IMAGES, remapped=kind == "userns", runtimes={} if kind == "userns" else None)
        address = await engine.__aenter__()
    except (SandboxUnavailable, OSError, AssertionError) as error:
        raise _NotHere(str(error)) from error
    try:
        # It may be slow to start beside all else that goes on, and is waited for all the same.
        with environment(DOCKER_HOST=address), pytest.MonkeyPatch.context() as patch:
            patch.setattr(docker, "PROBE_SECONDS", 120.0)
            async with _opened("docker", home) as provider:
                wanted = "gvisor" if kind == "gvisor" else "runc+userns"
                if provider.tier != wanted:
                    why = "; ".join(provider.problems) if isinstance(provider, DockerProvider) else ""
                    raise _NotHere(f"{KINDS[kind]} gives sandboxes of tier {provider.tier}: {why}")
                yield provider
    finally:
        await engine.__aexit__(None, None, None)


@asynccontextmanager
async def _opened(engine: Literal["docker", "bubblewrap"], home: Path) -> AsyncIterator[SandboxProvider]:
    try:
        await build_images(IMAGES, engine=engine, progress=print)
        provider = await choose_provider(engine, home=home)
    except SandboxUnavailable as error:
        raise _NotHere(str(error)) from error
    try:
        yield provider
    finally:
        await provider.close()


def _show(finding: Finding) -> None:
    # The controls' finds can be many, and what matters of them is that there are some.
    detail = finding.detail if len(finding.detail) < 160 or finding.outcome == "unsafe" else finding.detail[:159] + "…"
    columns = f"{finding.id:<12} {finding.outcome:<14} {finding.tier or 'any':<11} {finding.seconds:5.1f} s"
    print(f"{columns}  {finding.title}: {detail}", flush=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
