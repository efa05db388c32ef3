"""`macrohard replay`: a recorded run again without a model, and where it departs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from macrohard.cli.options import JsonOption, SandboxOption, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from macrohard.execution.replay import Replayed
    from macrohard.llm.recording.cassette import Departure
    from macrohard.settings import Settings

DEPARTED = 3
EXIT_CODES = """\
Exit codes: 0 nothing departs · 1 a failure of ours · 2 usage or input, or nothing was recorded · 3 it departs."""

_KINDS = {
    "commit": "commit",
    "run": "run id",
    "time": "time",
    "day": "date",
    "duration": "duration",
    "port": "port",
    "folder": "temporary folder",
}


def replay(
    run: Annotated[
        str, typer.Argument(help="A run's id, or its beginning; with --check also a cassette file.", metavar="RUN")
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Only read the recorded answers again; no sandbox is needed.")
    ] = False,
    on_departure: Annotated[
        Literal["stop", "go-on"],
        typer.Option(help="What to do at a request that is not as recorded: stop, or answer as recorded and go on."),
    ] = "go-on",
    sandbox: SandboxOption = None,
    json: JsonOption = False,
) -> None:
    """Run a recorded run again, without a model, and say where it departs from what was recorded."""
    from macrohard.cli.drive import output, until_interrupted
    from macrohard.settings import load_settings

    replayed = until_interrupted(_replayed(load_settings(sandbox=sandbox), run, check, on_departure))
    if json:
        print_json(replayed.model_dump(mode="json"))
    else:
        print_replayed(replayed, output())
    raise typer.Exit(DEPARTED if replayed.departures else 0)


async def _replayed(settings: "Settings", run: str, check: bool, on_departure: Literal["stop", "go-on"]) -> "Replayed":
    from macrohard.assembly import open_factory
    from macrohard.cli.display import display
    from macrohard.execution.replay import check_cassette

    if check and (file := Path(run)).is_file():
        return await check_cassette(file)
    async with open_factory(settings, sandbox=settings.sandbox) as factory:
        original = (await factory.overview(run)).summary.id
        if check:
            return await factory.replays().check(original)
        with display(f"replay of {original}") as shown:
            return await factory.carry_out_again(original, on_departure=on_departure, observe=shown.observe)


def print_replayed(replayed: "Replayed", console: "Console") -> None:
    """What was replayed, and every departure."""
    from rich.text import Text

    from macrohard.cli.terminal import counted, dollars

    if replayed.departures:
        console.print(Text(f"Departs in {counted(len(replayed.departures), 'place')}", "bold yellow"))
        for departure in replayed.departures:
            _print_departure(departure, console)
    else:
        console.print(Text("Nothing departs.", "bold green"))
    told = f"{counted(replayed.answers, 'recorded answer')} in {counted(replayed.sessions, 'session')}"
    console.print(Text(f"\n{told}, worth {dollars(replayed.cost_usd)}; nothing was paid.", "dim"))
    if replayed.taken_as_equal:
        expected = ", ".join(counted(number, _KINDS[kind]) for kind, number in sorted(replayed.taken_as_equal.items()))
        console.print(Text(f"Different as expected: {expected}.", "dim"))
    if replayed.torn:
        console.print(Text(f"{counted(replayed.torn, 'line')} of the recording cut off by a kill.", "dim"))
    if replayed.run is not None:
        console.print(Text(f"The replay is run {replayed.run}: macrohard show {replayed.run}", "dim"))


def print_recording(run_id: str, recording: Path | None, console: "Console") -> None:
    """Whether the run was recorded."""
    from rich.text import Text

    if recording is None:
        console.print(Text("\nNot recorded, so it cannot be replayed", "dim"))
        return
    size = f"{recording.stat().st_size / 1e6:.1f} MB"
    console.print(Text(f"\nRecorded: {recording} ({size}); macrohard replay {run_id}", "dim"))


def _print_departure(departure: "Departure", console: "Console") -> None:
    from rich.text import Text

    from macrohard.cli.terminal import one_line, printable

    where = departure.session or "the run"
    if departure.call is not None:
        where += f", call {departure.call}"
    at = f" at {departure.place}" if departure.place else ""
    console.print(Text(f"  ✗ {printable(where)}: {printable(departure.what)}{printable(at)}"))
    if departure.recorded or departure.now:
        console.print(Text(f"      recorded  {one_line(departure.recorded, 140)}", "red"))
        console.print(Text(f"      now       {one_line(departure.now, 140)}", "green"))
