"""What `macrohard sandboxes build|list|save|load` shows."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from macrohard.cli.drive import output, until_interrupted
from macrohard.cli.terminal import one_line
from macrohard.errors import RequestError
from macrohard.sandbox import Engine, ListedImage, build_images, list_images, load_images, save_images
from macrohard.sandbox import definition as definitions


def tell(text: str) -> None:
    """Progress, for people."""
    print(one_line(text, 200), file=sys.stderr)


def build(names: Sequence[str], *, engine: Engine) -> None:
    """Make what is missing of those, or of all."""
    built = until_interrupted(build_images(_known(names) or definitions.names(), progress=tell, engine=engine))
    for image in built:
        how = "was there already" if image.cached else f"built in {image.seconds:.0f} s"
        print(f"{image.name}: {_megabytes(image.size_bytes)}, {how}")


def listed() -> tuple[ListedImage, ...]:
    return until_interrupted(list_images(progress=tell))


def print_images(images: Sequence[ListedImage]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("image", "tag", "with", "size", "built", "state", "for"):
        table.add_column(column, justify="right" if column == "size" else "left", overflow="fold")
    for image in images:
        table.add_row(
            one_line(image.name, 40),
            image.tag.partition(":")[2],
            image.engine or "–",
            _megabytes(image.size_bytes) if image.engine else "–",
            _ago(image.built) if image.built else "not yet",
            _state(image),
            image.purpose,
        )
    output().print(table)


def save(file: Path, names: Sequence[str]) -> None:
    """Write those, or all current ones of the Docker engine."""
    chosen = _known(names) or [image.name for image in listed() if image.current and image.engine == "docker"]
    if not chosen:
        raise RequestError("no image of Docker is built. First: macrohard sandboxes build")
    saved = until_interrupted(save_images(chosen, file, progress=tell))
    print(f"{saved.path}: {_megabytes(saved.size_bytes)}, {', '.join(saved.tags)}")


def load(file: Path) -> None:
    """Take what is in the file."""
    loaded = until_interrupted(load_images(file, progress=tell))
    for tag in loaded.tags:
        print(f"{tag}: loaded")


def _known(names: Sequence[str]) -> Sequence[str]:
    if unknown := [name for name in names if name not in definitions.names()]:
        raise RequestError(f"no image {', '.join(map(repr, unknown))}; there are {', '.join(definitions.names())}")
    return names


def _state(image: ListedImage) -> str:
    words = ["in use"] if image.in_use else []
    return ", ".join([*words, *([] if image.current else ["old: prune"])])


def _ago(moment: datetime) -> str:
    hours = (datetime.now(UTC) - moment).total_seconds() / 3600
    return f"{hours / 24:.0f} days ago" if hours >= 48 else f"{hours:.0f} h ago" if hours >= 1 else "just now"


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB"
