"""Spends a run's budget from a process of its own; run as a program by the tests.

Arguments: database URL, home, run id, seed, number of sessions; or "hold" instead of the number: reserve 0.25 USD and
500 tokens for one call, say so, and wait to be killed. Prints what it settled, in ticks, and what it was refused.
"""

import asyncio
import json
import random
import sys
from pathlib import Path

from macrohard.errors import LimitExceeded
from macrohard.store import BudgetLedger, Store
from macrohard.store.money import to_usd

LARGEST_TICKS = 4 * 10**7


async def session(ledger: BudgetLedger, dice: random.Random, name: str) -> tuple[int, int]:
    """Four calls; what they cost, and how many were refused."""
    settled = refused = 0
    await ledger.begin_session(name, parent=None)
    for _ in range(4):
        worst = dice.randrange(LARGEST_TICKS)
        try:
            held = await ledger.reserve(session_id=name, worst_case_usd=to_usd(worst), worst_case_tokens=100)
        except LimitExceeded:
            refused += 1
            continue
        await asyncio.sleep(dice.random() / 100)
        actual = dice.choice([worst, dice.randrange(worst + 1), 0])
        await ledger.settle(held, actual_usd=to_usd(actual), actual_tokens=dice.randrange(101))
        settled += actual
    return settled, refused


async def main(url: str, home: Path, run_id: str, seed: int, work: str) -> None:
    """Do as the arguments say."""
    async with await Store.open(url, home=home) as store:
        ledger = store.budget(run_id)
        if work == "hold":
            async with store.hold(run_id):
                await ledger.reserve(session_id=f"{run_id}/1/implement/T-1", worst_case_usd=0.25, worst_case_tokens=500)
                print("reserved", flush=True)
                await asyncio.Event().wait()
        dice = random.Random(seed)
        done = await asyncio.gather(
            *(session(ledger, dice, f"{run_id}/{seed}/implement/T-{number}") for number in range(int(work)))
        )
        print(json.dumps([sum(settled for settled, _ in done), sum(refused for _, refused in done)]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]))
