"""Files in folders that others may have changed meanwhile: read and written without following a link."""

import os
import shutil
from pathlib import Path


def small_text(path: Path, *, limit_bytes: int = 1 << 20) -> str | None:
    """The content of a small regular file without white space around it; None if there is none or it is a link."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(file, "rb") as opened:
        return opened.read(limit_bytes).decode(errors="replace").strip()


def replace(target: Path, content: bytes | Path) -> None:
    """Set a file at once, so that neither a crash nor a link in its place does harm."""
    draft = target.with_name(f".{target.name}.macrohard")
    draft.unlink(missing_ok=True)
    # "x": a link that something puts there meanwhile is not followed.
    with draft.open("xb") as file:
        if isinstance(content, bytes):
            file.write(content)
        else:
            with content.open("rb") as source:
                shutil.copyfileobj(source, file)
    draft.replace(target)
