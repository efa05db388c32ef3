"""Call the tool: `python3 -m app COMMAND …`; it keeps its data in $DATA (./data)."""

import io
import os
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from macrohard.llm.builtin.tool.source.app.commands import carry_out, understood
from macrohard.llm.builtin.webapp.source.app.records import PRODUCT
from macrohard.llm.builtin.webapp.source.app.storage import Storage


def main(arguments: Sequence[str]) -> int:
    """Carry one command out; the exit code is 1 when it is refused, 2 when it was called wrongly."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Whatever language the terminal is set to: no text may break the output.
            stream.reconfigure(encoding="utf-8", errors="replace")
    asked = understood(PRODUCT, arguments)
    file = Path(os.environ.get("DATA", "data")) / "records.sqlite3"
    try:
        storage = Storage(file, PRODUCT)
    except (OSError, sqlite3.Error) as error:
        print(f"error: the data in {file} cannot be opened: {error}", file=sys.stderr)
        return 1
    try:
        code = carry_out(storage, asked)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Who read the output went away, as `head` does; nothing more can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    finally:
        storage.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
