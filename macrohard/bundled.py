"""Where the data folders agents/ and sandboxes/ are: in the wheel, or in a checkout."""

import os
from pathlib import Path
from typing import Literal


def folder(name: Literal["agents", "sandboxes"]) -> Path:
    """The data folder of that name; `MACROHARD_DATA` names another parent for all of them.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    package = Path(__file__).parent
    parents = [package / "_data", package.parent]
    if override := os.environ.get("MACROHARD_DATA"):
        parents = [Path(override)]
    for parent in parents:
        if (parent / name).is_dir():
            return parent / name
    raise FileNotFoundError(f"no {name}/ in {' or '.join(str(parent) for parent in parents)}")
