"""Puts htmx beside our own static files when the package is built; nothing of others is kept in the repository."""

from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDORED = {"htmx-4.min.js": "htmx.js", "ext/hx-sse-4.min.js": "htmx-sse.js"}


class VendorHook(BuildHookInterface[Any]):
    """Copies the scripts that pages load from a package that is needed for building only."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a wheel is made, an editable one too."""
        found = find_spec("django_htmx")
        assert found is not None, "[build-system] in pyproject.toml names it"
        assert found.origin is not None, "it is a package with code"
        source = Path(found.origin).parent / "static" / "django_htmx"
        target = Path(self.root) / "macrohard" / "server" / "static" / "vendor"
        target.mkdir(parents=True, exist_ok=True)
        for name, here in VENDORED.items():
            copyfile(source / name, target / here)
