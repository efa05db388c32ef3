"""From words to working products: what of the stated ended up as criteria, was built, and was met when it was checked.

Run: make bench NAME=understanding. Every example is read, built by the built-in model's coder and checked by its hidden
scenarios in sandboxes and a real browser. Then the same product with seeded mistakes is checked again, by the scenarios
of the criteria that those mistakes break: a mistake that leaves all of them green is a criterion reported met though it
is false. Takes about half a minute for an example on two cores. Ends with one JSON line.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from benchmarks.understanding.reading import Example, examples, matched
from macrohard.agent import ALL_FILES, PRODUCT_ROOT, open_workshop
from macrohard.domain import Look, Scenario, Verdict
from macrohard.llm.builtin.acceptance import scenarios
from macrohard.llm.builtin.blueprint import Blueprint
from macrohard.llm.builtin.understanding import read
from macrohard.llm.builtin.webapp import files
from macrohard.llm.builtin.webapp.mistakes import Mistake, mistakes_for, with_mistakes
from macrohard.product import verify
from macrohard.sandbox import SandboxProvider, build_images, choose_provider
from macrohard.workspace import Repository


class Kept:
    """Evidence is not looked at here."""

    async def put(self, content: bytes, *, media_type: str) -> str:
        """Forget it."""
        return "0" * 64

    async def get(self, digest: str) -> bytes:
        """There is nothing."""
        raise KeyError(digest)


class Workbench:
    """Sandboxes and a repository for products that live as long as one check."""

    def __init__(self, provider: SandboxProvider, repository: Repository) -> None:
        self._provider, self._repository = provider, repository

    async def checked(self, product: Mapping[str, str], tests: Sequence[Scenario], *, name: str) -> list[Verdict]:
        """The verdicts on these files."""
        base = await self._repository.initial_commit()
        async with open_workshop(
            self._provider,
            self._repository,
            image="base",
            base=base,
            saved=None,
            ref=f"refs/bench/{name}",
            author="bench",
            message="Write the product",
            files=ALL_FILES,
        ) as (sandbox, workshop):
            await sandbox.write({PRODUCT_ROOT / path: content.encode() for path, content in product.items()})
            commit = await workshop.save()
        assert commit is not None

        async def ignore(verdict: Verdict) -> None:
            return None

        return list(
            await verify(
                self._provider,
                bundle=await self._repository.bundle(commit),
                commit=commit,
                kind="web",
                scenarios=tests,
                artifacts=Kept(),
                on_verdict=ignore,
                already={},
            )
        )


def met(verdicts: Sequence[Verdict]) -> set[str]:
    """Criteria all of whose scenarios passed."""
    own = [verdict for verdict in verdicts if verdict.kind == "scenario"]
    return {str(v.criterion) for v in own} - {str(v.criterion) for v in own if v.status != "passed"}


def broken_by(mistake: Mistake, blueprint: Blueprint) -> set[str]:
    """The criteria that cannot hold with this mistake, at least one of them."""
    return {f"AC-{number}" for number, claim in enumerate(blueprint.claims, 1) if mistake.explains(claim)}


async def missed_mistakes(
    bench: Workbench, blueprint: Blueprint, product: Mapping[str, str], tests: Sequence[Scenario], *, name: str
) -> list[str]:
    """Mistakes that every criterion they break survives."""
    seeded = [mistake for mistake in mistakes_for(blueprint, product) if mistake.claim_kinds]
    touched = set[str]().union(*(broken_by(mistake, blueprint) for mistake in seeded))
    wanted = [test for test in tests if test.criterion in touched]
    if not wanted:
        return []
    green = met(await bench.checked(with_mistakes(seeded, product), wanted, name=f"{name}-careless"))
    return [mistake.title for mistake in seeded if broken_by(mistake, blueprint) <= green]


async def main(chosen: frozenset[str]) -> None:
    """All examples, or those that are named."""
    sums = {"examples": 0, "decided_rightly": 0, "stated": 0, "criteria": 0, "met": 0, "reported_met_but_false": 0}
    await build_images(("base", "browser"), progress=print)
    with tempfile.TemporaryDirectory() as folder:
        provider = await choose_provider("auto", home=Path(folder))
        try:
            bench = Workbench(provider, await Repository.create(Path(folder) / "repository.git"))
            for example in examples():
                if not chosen or example.id in chosen:
                    await measure(example, bench, sums)
        finally:
            await provider.close()
    print(json.dumps(sums))


async def measure(example: Example, bench: Workbench, sums: dict[str, int]) -> None:
    """Add one example to the sums."""
    reading = read(example.requirement)
    sums["examples"] += 1
    sums["decided_rightly"] += reading.decision == example.decision
    sums["stated"] += len(example.stated)
    claims = [claim for item in example.stated if (claim := matched(item, reading)) is not None]
    sums["criteria"] += len(claims)
    line = f"{example.id}: {reading.decision}, {len(example.stated)} stated, {len(claims)} criteria"
    if reading.blueprint is not None and reading.decision == "build":
        blueprint = reading.blueprint
        product, tests = files(blueprint, Look()), scenarios(blueprint)
        verdicts = await bench.checked(product, tests, name=example.id)
        green = met(verdicts)
        held = sum(f"AC-{blueprint.claims.index(claim) + 1}" in green for claim in claims)
        sums["met"] += held
        missed = await missed_mistakes(bench, blueprint, product, tests, name=example.id)
        sums["reported_met_but_false"] += len(missed)
        line += f", {held} met"
        for verdict in verdicts:
            if verdict.status != "passed":
                line += f"\n    {verdict.check} {verdict.criterion or ''} {verdict.status}: {verdict.summary[:200]}"
        line += "".join(f"\n    not noticed: {title}" for title in missed)
    print(line, flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(frozenset(sys.argv[1:])))
