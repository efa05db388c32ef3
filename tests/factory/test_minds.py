"""Products that minds behind the endpoint made, delivered once more from their recorded answers, in real sandboxes.

What such a mind says is not what a test's author would think of: its schemas half filled, its several calls in one
answer, its tests that fail at first. Prompts may change; what was answered has to go on being understood.
"""

import gzip
import os
from pathlib import Path

import pytest

from tests.factory.conftest import Macrohard

pytestmark = pytest.mark.usefixtures("sandboxes")

REQUIREMENTS = {
    "tabs": "A command-line tool 'tabs' that converts tables between CSV, TSV, JSON (array of objects) and Markdown: "
    "tabs convert IN [OUT] --from --to (guessed from the ending, - for standard input and output), picks columns with "
    "--columns name,age, sorts with --sort column (numbers as numbers), and says what is wrong with a file by line "
    "number. Exit codes 0 fine, 1 bad data, 2 wrong use.",
    "rooms": "A REST service for booking meeting rooms: admins manage rooms (name, seats, floor) and members book them "
    "(start, end, title); tokens per person with the role admin or member; a room can't be booked twice at once (409 "
    "that says by whom until when), bookings only in the future, at most 4 hours and 30 days ahead; members cancel "
    "only their own; search free rooms by time and seats; export of a day's bookings as CSV; errors as JSON with a "
    "code and a sentence; the first admin's token comes from the environment variable ADMIN_TOKEN.",
    "minesweeper": "Minesweeper in the browser: three levels (9x9 with 10 mines, 16x16 with 40, 30x16 with 99), the "
    "first click is never a mine, flags by right click or long press, a key for everything (arrows, space, F), a "
    "timer, a counter of mines left, best times per level kept in the browser, looks good in dark and light.",
}
# The others need the image `web`, and minutes.
USUAL = ("tabs", *(("rooms", "minesweeper") if os.environ.get("MACROHARD_TEST_EVERY_MIND") else ()))


@pytest.mark.parametrize("name", USUAL)
def test_what_a_mind_answered_is_delivered_again(
    macrohard: Macrohard, tmp_path: Path, repository_root: Path, name: str
) -> None:
    environment = {
        # Nobody answers there: the run exists, and what it would have been told is put in its place.
        "MACROHARD_BASE_URL": "http://127.0.0.1:9/v1",
        "MACROHARD_MODEL": "relay-1",
        "MACROHARD_API_KEY": "none",
        "MACROHARD_PATIENCE_SECONDS": "1",
        "MACROHARD_PRICES": '{"relay-1": {"input": 1, "cached_input": 0.1, "output": 3}}',
        "MACROHARD_SANDBOXES": f'{{"products": "{"base" if name == "tabs" else "web"}"}}',
    }
    waiting = macrohard("build", REQUIREMENTS[name], "--yes", environment=environment)
    assert waiting.code == 5, waiting.told[-2000:]
    run = waiting.result["run"]
    recorded = gzip.decompress((repository_root / "tests" / "cassettes" / "runs" / f"{name}.jsonl.gz").read_bytes())
    (tmp_path / "home" / "runs" / run / "traffic.jsonl").write_bytes(recorded)

    replayed = macrohard("replay", run, environment=environment, timeout_seconds=900)
    assert replayed.result is not None, replayed.told[-3000:]
    shown = macrohard("show", replayed.result["run"], environment=environment).result
    assert shown["outcome"] == "delivered", shown
    assert {row["status"] for row in shown["criteria"] if row["priority"] == "MUST"} == {"met"}
    assert replayed.result["answers"] > 0
