"""`macrohard sandboxes`: the images in which products are built and run."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from macrohard.cli.options import JsonOption, SandboxOption, print_json

sandboxes = typer.Typer(help="The locked rooms in which products are built and run.", no_args_is_help=True)

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Images, by their names in `macrohard sandboxes list`.", metavar="NAME", show_default=False),
]


@sandboxes.command(name="build")
def build_sandboxes(names: NamesArgument = None, sandbox: SandboxOption = None) -> None:
    """Make the images that are missing, all of them or those named, so that the first build need not."""
    from macrohard.cli import images
    from macrohard.settings import load_settings

    images.build(names or [], engine=load_settings(sandbox=sandbox).sandbox)


@sandboxes.command(name="list")
def list_sandboxes(json: JsonOption = False) -> None:
    """List the images that are here or could be built: size, age, use, and what for."""
    from macrohard.cli import images

    found = images.listed()
    if json:
        print_json({"images": [image.model_dump(mode="json") for image in found]})
        return
    images.print_images(found)


@sandboxes.command(name="save")
def save_sandboxes(
    file: Annotated[Path, typer.Argument(help="A new file, e.g. macrohard-images.tar.", metavar="FILE")],
    names: NamesArgument = None,
) -> None:
    """Write images to a file, for a machine without a network; without names, all that are built.

    What an image is built on goes with it, and what images share is in the file once. It holds what went into the
    images, so also this machine's certificates and package sources.
    """
    from macrohard.cli import images

    images.save(file, names or [])


@sandboxes.command(name="load")
def load_sandboxes(
    file: Annotated[Path, typer.Argument(help="What `macrohard sandboxes save` wrote.", metavar="FILE")],
) -> None:
    """Take images from a file that `macrohard sandboxes save` wrote elsewhere.

    A file that names anything but images of this version is refused. What is in the images cannot be checked: load
    only a file that you, or somebody you trust, saved, because products and their tests run in what it brings.
    """
    from macrohard.cli import images

    images.load(file)


@sandboxes.command(name="prune")
def prune_sandboxes() -> None:
    """Remove sandbox images made for definitions that have changed since, and snapshots unused for a day."""
    from macrohard.assembly import prune_sandboxes as prune_all
    from macrohard.cli.drive import until_interrupted
    from macrohard.cli.terminal import one_line
    from macrohard.settings import load_settings

    lines = until_interrupted(prune_all(load_settings(), tell=lambda text: print(one_line(text, 200), file=sys.stderr)))
    for line in lines or ("nothing to remove",):
        print(line)
