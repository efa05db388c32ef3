"""How much the panel of simulated users is worth: bugs it finds, and what it finds where nothing is wrong.

Run: make bench NAME=panel, or python -m benchmarks.panel [--model NAME] [PRODUCT …]. Six small products that were
written by hand are visited by the whole panel, once with five bugs each and once without. A finding counts as right if
it is about one of the bugs, by words that stand beside each bug; what did not happen again in a fresh browser, wishes
and trifles (severity 1) count for nothing. Ends with one JSON line; the figures hold for the model that was used.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from benchmarks.panel.seeded import PRODUCTS, Product
from macrohard.agent import Catalogue
from macrohard.agent.panel import drawn_panel
from macrohard.assembly import catalogue
from macrohard.domain import Caps, Design, Finding, Specification
from macrohard.events import Event
from macrohard.execution.carry_out import Transcripts
from macrohard.execution.endpoints import open_endpoints
from macrohard.factory.context import FactoryContext
from macrohard.factory.panel import WRONG_FROM, clustered
from macrohard.factory.problems import Findings
from macrohard.factory.state import VisitInput
from macrohard.factory.usage import use
from macrohard.llm.budget import Budget
from macrohard.llm.gateway import Gateway
from macrohard.llm.limits.limiter import Limiters
from macrohard.sandbox import SandboxProvider, build_images, choose_provider
from macrohard.settings import Settings, load_settings
from macrohard.store import Store
from macrohard.workspace import Repository

BUDGET_USD = 50.0
SEED = "calibration"
AT_ONCE = 2


async def visited(
    product: Product,
    *,
    seeded: bool,
    settings: Settings,
    agents: Catalogue,
    store: Store,
    sandboxes: SandboxProvider,
    folder: Path,
) -> tuple[Finding, ...]:
    """What the panel found in the end."""
    repository = await Repository.create(folder / f"{product.name}-{'seeded' if seeded else 'clean'}.git")
    commit = await repository.initial_commit()
    for path, text in product.files(seeded=seeded).items():
        commit = await repository.with_file(commit, path, text.encode(), message=f"Add {path}")
    run_id = await store.create_run(product.title, options={}, model=settings.model)
    await store.budget(run_id).open(Caps(usd=BUDGET_USD))
    budget = Budget(store.budget(run_id))
    panel = drawn_panel(agents.personas, kind="web", seed=SEED)

    async def ignore(event: Event) -> None:
        return None

    async with open_endpoints(settings.targets(settings.model), record_to=None) as endpoints:
        context = FactoryContext(
            run_id=run_id,
            requirement="",
            answers={},
            ask=False,
            iterations=1,
            seed=SEED,
            catalogue=agents,
            model=Gateway(endpoints, run_id=run_id, ledger=budget, limiters=Limiters(), tell=ignore),
            budget=budget,
            sandboxes=sandboxes,
            repository=repository,
            transcripts=Transcripts(store),
            artifacts=store.artifacts,
            emit=ignore,
            slots=asyncio.Semaphore(AT_ONCE),
            # Nobody draws here, and nobody delivers.
            studio=cast(Any, None),
            prepare_film=None,
            deliver=cast(Any, None),
        )
        specification = Specification(decision="build", title=product.title, stories=product.stories)
        specified, designed = await context.keep(specification), await context.keep(Design(summary=""))

        async def visit(persona: str) -> tuple[Finding, ...]:
            given = VisitInput(
                iteration=1, commit=commit, visitor=persona, specification=specified, design=designed,
                pictured=False, tested=None, problems=None, gained=[],
            )  # fmt: skip
            left = await use(given, cast(Any, SimpleNamespace(context=context)))
            return (await context.load(Findings, left["findings"][0])).findings

        found = await asyncio.gather(*(visit(persona) for persona in panel))
    return clustered([finding for each in found for finding in each], panel=len(panel))


def counted(findings: Sequence[Finding]) -> list[Finding]:
    """Those that somebody would be asked to repair."""
    return [
        finding
        for finding in findings
        if finding.severity >= WRONG_FROM and finding.category != "wish" and finding.reproduced is not False
    ]


async def main(model: str | None, chosen: frozenset[str]) -> None:
    """All products, or those that are named."""
    sown = bugs_found = told = right = clean = false_alarms = 0
    await build_images(("base", "browser"), progress=print)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = load_settings(home=folder, **({"model": model} if model else {}))
        agents = catalogue(settings)
        store = await Store.open(None, home=folder)
        sandboxes = await choose_provider("auto", home=folder)
        try:
            for product in PRODUCTS:
                if chosen and product.name not in chosen:
                    continue
                for seeded in (True, False):
                    findings = counted(
                        await visited(
                            product,
                            seeded=seeded,
                            settings=settings,
                            agents=agents,
                            store=store,
                            sandboxes=sandboxes,
                            folder=folder,
                        )
                    )
                    if not seeded:
                        clean, false_alarms = clean + 1, false_alarms + len(findings)
                        print(f"{product.name}, clean: {len(findings)} false alarms", flush=True)
                        for finding in findings:
                            print(f"  ? {finding.title[:160]}", flush=True)
                        continue
                    about = {finding.id: [b for b in product.bugs if b.is_meant(finding)] for finding in findings}
                    found = [bug for bug in product.bugs if any(bug in each for each in about.values())]
                    sown, bugs_found = sown + len(product.bugs), bugs_found + len(found)
                    told, right = told + len(findings), right + sum(1 for each in about.values() if each)
                    print(f"{product.name}, seeded: {len(found)} of {len(product.bugs)} bugs", flush=True)
                    for bug in product.bugs:
                        print(f"  {'+' if bug in found else '-'} {bug.kind}", flush=True)
                    for finding in findings:
                        kinds = ", ".join(bug.kind for bug in about[finding.id])
                        print(f"  {'=' if kinds else '?'} {finding.title[:160]} [{kinds}]", flush=True)
        finally:
            await sandboxes.close()
            await store.close()
    figures = {
        "recall": round(bugs_found / sown, 3) if sown else None,
        "precision": round(right / told, 3) if told else None,
        "false_alarms_per_clean": round(false_alarms / clean, 3) if clean else None,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--model", help="who plays the users; the one of the settings, else the built-in one")
    arguments.add_argument("products", nargs="*", help="their names; all if none is given")
    given = arguments.parse_args()
    asyncio.run(main(given.model, frozenset(given.products)))
