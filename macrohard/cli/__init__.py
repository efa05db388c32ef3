"""The command line: `macrohard build …`."""

import sys
import traceback
from pathlib import Path

from macrohard.errors import LimitExceeded, MacrohardError, RequestError

USAGE, FAILED, PAUSED = 2, 1, 5


def main() -> None:
    """Run the command that the arguments name, and exit.

    The one wall of the program: what was raised on purpose becomes a message and an exit code, Ctrl-C a pause,
    and anything else a short text with the traceback in a file.
    """
    from macrohard.cli.commands import app

    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets a question mark, not a failed run.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # the interpreter's own streams can
    try:
        app()
    except Exception as error:  # noqa: BLE001  # the wall: nothing that happened may reach the person as a traceback
        sys.exit(_explained(error))


def _explained(error: Exception) -> int:
    from macrohard.cli.drive import Interrupted
    from macrohard.cli.terminal import printable

    cause = _first_of_ours(error)
    advice = [printable(note) for note in getattr(error, "__notes__", ())]
    if isinstance(cause, Interrupted):
        advice = [printable(str(part)) for part in cause.args]
        print("; ".join(["paused", *advice] if advice else ["stopped"]), file=sys.stderr)
        return PAUSED if advice else 130
    if cause is None:
        path = _kept(error)
        print(f"macrohard: a mistake of ours, {type(error).__name__}; details are in {path}", file=sys.stderr)
    else:
        print(f"macrohard: {printable(str(cause))}", file=sys.stderr)
    for line in advice:
        print(f"    {line}", file=sys.stderr)
    match cause:
        case RequestError():
            return USAGE
        case LimitExceeded():
            return PAUSED
        case _:
            return FAILED


def _first_of_ours(error: BaseException) -> Exception | None:
    """The error that was raised on purpose, also when a group of tasks wrapped it; None: none was."""
    from macrohard.cli.drive import Interrupted

    if isinstance(error, MacrohardError | Interrupted):
        return error
    if isinstance(error, BaseExceptionGroup):
        ours = [_first_of_ours(part) for part in error.exceptions]
        return ours[0] if all(ours) else None
    return None


def _kept(error: Exception) -> Path:
    """Write the traceback to a file of its own and say where."""
    import tempfile
    from datetime import UTC, datetime

    from macrohard.cli.terminal import printable

    name = f"macrohard-{datetime.now(UTC):%Y%m%d-%H%M%S}-"
    with tempfile.NamedTemporaryFile("w", prefix=name, suffix=".log", delete=False, encoding="utf-8") as log:
        log.write(f"{' '.join(sys.argv[:2])}\n\n")
        # People read it with `cat`.
        log.write(printable("".join(traceback.format_exception(error))))
    return Path(log.name)
