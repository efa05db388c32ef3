"""Products that minds behind the endpoint made, delivered once more from their recorded answers, in real sandboxes.

What such a mind says is not what a test's author would think of: its schemas half filled, its several calls in one
answer, its tests that fail at first. Prompts may change; what was answered has to go on being understood.
"""

import gzip
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from macrohard.agent import load_catalogue
from macrohard.assembly import open_factory
from macrohard.domain import Caps
from macrohard.execution.replay import visitors_of
from macrohard.llm.recording.cassette import read_cassette
from macrohard.llm.recording.recorder import traffic_path
from macrohard.settings import Settings, load_settings
from macrohard.workspace import ExistingRepository


@dataclass(frozen=True)
class Recording:
    """A run that a mind answered."""

    requirement: str
    image: Literal["base", "web"] = "base"
    begins_at: str = ""
    """The commit of the diary that it began with; empty: it began from nothing."""


RECORDINGS = {
    "tabs": Recording(
        "A command-line tool 'tabs' that converts tables between CSV, TSV, JSON (array of objects) and Markdown: tabs "
        "convert IN [OUT] --from --to (guessed from the ending, - for standard input and output), picks columns with "
        "--columns name,age, sorts with --sort column (numbers as numbers), and says what is wrong with a file by line "
        "number. Exit codes 0 fine, 1 bad data, 2 wrong use."
    ),
    "agenda": Recording(
        "the headings No, Time and Title of 'agenda week' stand two columns too far right, put them above what they "
        "name; and a long title should not break the table in a terminal of 80 columns",
        begins_at="424854aceca103b734d74580a27fdf381eb365c6",
    ),
    "minesweeper": Recording(
        "Minesweeper in the browser: three levels (9x9 with 10 mines, 16x16 with 40, 30x16 with 99), the first click "
        "is never a mine, flags by right click or long press, a key for everything (arrows, space, F), a timer, a "
        "counter of mines left, best times per level kept in the browser, looks good in dark and light.",
        image="web",
    ),
}
USUAL = RECORDINGS if os.environ.get("MACROHARD_TEST_EVERY_MIND") else ("agenda",)
"""The others take minutes, and one the image `web`."""


def test_a_game_is_visited_again_by_those_who_were_heard_of(tmp_path: Path, repository_root: Path) -> None:
    recorded = repository_root / "tests" / "cassettes" / "runs" / "minesweeper.jsonl.gz"
    (tmp_path / "traffic.jsonl").write_bytes(gzip.decompress(recorded.read_bytes()))
    cassette = read_cassette(tmp_path / "traffic.jsonl")
    catalogue = load_catalogue((repository_root / "agents",), images=frozenset({"base", "web", "browser", "media"}))
    # The product tester is nobody who is drawn.
    assert visitors_of(cassette, catalogue) == ("phone", "wrong-input-first", "keyboard-only")


def settings_for(home: Path, recording: Recording) -> Settings:
    """Nobody answers there: the run exists, and what it would have been told is put in its place."""
    home.mkdir()
    (home / "settings.toml").write_text(
        'base_url = "http://127.0.0.1:9/v1"\nmodel = "relay-1"\npatience_seconds = 0.1\nmedia = { film = false }\n'
        f'sandboxes = {{ products = "{recording.image}" }}\n'
        "[prices.relay-1]\ninput = 1.0\ncached_input = 0.1\noutput = 3.0\n"
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MACROHARD_SETTINGS", str(home / "settings.toml"))
        return load_settings(home=home)


def diary(bundle: Path, folder: Path, commit: str) -> ExistingRepository:
    """The repository of a person's diary, as it was."""
    subprocess.run(["git", "clone", "--quiet", str(bundle), str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "reset", "--quiet", "--hard", commit], check=True)
    return ExistingRepository(folder, include_changes=False, publish=True)


@pytest.mark.usefixtures("sandboxes")
@pytest.mark.parametrize("name", USUAL)
async def test_what_a_mind_answered_is_delivered_again(tmp_path: Path, repository_root: Path, name: str) -> None:
    recordings, recording = repository_root / "tests" / "cassettes" / "runs", RECORDINGS[name]
    settings = settings_for(tmp_path / "home", recording)
    existing = recording.begins_at and diary(recordings / "agenda.bundle", tmp_path / "agenda", recording.begins_at)
    async with open_factory(settings, sandbox="auto") as factory:
        run = await factory.submit(
            recording.requirement,
            model=settings.model,
            caps=Caps(),
            iterations=4,
            ask=False,
            existing=existing or None,
        )
        waiting = await factory.carry_out(run, out=tmp_path / "product", observe=lambda event: None)
        assert waiting.summary.status == "paused", waiting.problem
        recorded = gzip.decompress((recordings / f"{name}.jsonl.gz").read_bytes())
        traffic_path(settings.home, run).write_bytes(recorded)
        replayed = await factory.carry_out_again(run, on_departure="go-on", observe=lambda event: None)
        assert replayed.run is not None
        overview = await factory.overview(replayed.run)
    assert overview.summary.status == "delivered", overview.problem
    assert {row.status for row in overview.criteria if row.criterion.priority == "MUST"} == {"met"}
    assert replayed.answers > 0
