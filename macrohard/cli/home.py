"""Where a run came from and what went back there, for people."""

import shlex

from rich.console import Console
from rich.text import Text

from macrohard.cli.terminal import printable
from macrohard.domain import RunOverview
from macrohard.domain.provenance import Provenance


def print_provenance(provenance: Provenance, console: Console) -> None:
    """What the run began from."""
    if provenance.kind == "run":
        console.print(Text(f"Goes on with run {provenance.place}, commit {provenance.head[:10]}", "dim"))
    else:
        on = f" on {provenance.branch}" if provenance.branch else ""
        console.print(Text(printable(f"From {provenance.place}, commit {provenance.head[:10]}{on}"), "dim"))
    if provenance.included:
        console.print(Text("with what was not committed", "dim"))
    for note in provenance.notes:
        console.print(Text(f"note: {printable(note)}", "yellow"))


def print_returned(overview: RunOverview, console: Console) -> None:
    """What the person's repository got, and what to do with it."""
    returned, provenance = overview.returned, overview.provenance
    if returned is None or provenance is None:
        return
    for note in returned.notes:
        console.print(Text(f"note: {printable(note)}", "yellow"))
    if returned.branch:
        look = f"git -C {shlex.quote(provenance.place)} log -p HEAD..{returned.branch}"
        console.print(Text.assemble("Branch:   ", (printable(returned.branch), "bold"), printable(f"   {look}")))
    console.print(Text(f"Patch:    {printable(str(overview.product_path))}/changes.patch"))
    console.print(Text(f"For a pull request: {printable(str(overview.product_path))}/pull-request.md"))
