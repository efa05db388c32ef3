"""Files that begin with names and values between two lines of three dashes, and go on with a text."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from macrohard.domain import Value
from macrohard.errors import DefinitionError

TEXT_LIMIT_BYTES = 256 << 10


def text_of(path: Path) -> str:
    """What the file says.

    Raises:
        DefinitionError: it cannot be read, is no text, or is longer than anybody would write by hand.
    """
    try:
        content = path.read_bytes()
        if len(content) > TEXT_LIMIT_BYTES:
            raise DefinitionError(path, f"has {len(content):,} bytes; {TEXT_LIMIT_BYTES:,} at most")
        return content.decode("utf-8").replace("\r\n", "\n")
    except OSError as error:
        raise DefinitionError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DefinitionError(path, "is not text in UTF-8") from error


def split_matter(path: Path) -> tuple[dict[str, object], str]:
    """The names with their values, and the text after them.

    Raises:
        DefinitionError: there is no front matter, or no text, or the matter is not YAML.
    """
    opening, _, rest = text_of(path).partition("---\n")
    matter, closed, body = rest.partition("\n---\n")
    if opening or not closed:
        raise DefinitionError(path, "does not begin with front matter between two lines of three dashes")
    try:
        values = yaml.safe_load(matter)
    except yaml.YAMLError as error:
        raise DefinitionError(path, f"front matter: {error}") from error
    if not isinstance(values, dict):
        raise DefinitionError(path, "front matter is not a list of names and values")
    if not body.strip():
        raise DefinitionError(path, "has no text after the front matter")
    return values, body.strip()


V = TypeVar("V", bound=Value)


def validated(kind: type[V], path: Path, values: Mapping[str, object]) -> V:
    """The values as that kind takes them.

    Raises:
        DefinitionError: they do not fit; names the file and the first field that is wrong.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "front matter"
        known = f"; there are {', '.join(sorted(kind.model_fields))}" if first["type"] == "extra_forbidden" else ""
        raise DefinitionError(path, f"{field}: {first['msg'].removeprefix('Value error, ')}{known}") from error
