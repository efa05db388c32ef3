"""Environment variables that a product is started with."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator

VARIABLES_AT_MOST: Final = 32
VALUE_CHARACTERS: Final = 4_000
NONE: Final[Mapping[str, str]] = MappingProxyType({})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_OURS = frozenset({"PATH", "HOME", "PORT", "HOST", "PWD", "SHELL", "USER", "TMPDIR"})
"""What the place where a product runs settles."""


def checked_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables, if a product can be started with them.

    Raises:
        ValueError: there are too many, a name is none or is not theirs to set, or a value is too long or no text.
    """
    if len(variables) > VARIABLES_AT_MOST:
        raise ValueError(f"{len(variables)} environment variables; {VARIABLES_AT_MOST} are allowed")
    for name, value in variables.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of an environment variable: letters, digits and _, 64 at most")
        if name in _OURS or name.startswith(("MACROHARD_", "LD_")):
            raise ValueError(f"{name} is settled by the place where the product runs; take another name")
        if len(value) > VALUE_CHARACTERS or "\0" in value:
            raise ValueError(f"the value of {name} is longer than {VALUE_CHARACTERS} characters, or holds a zero byte")
    return dict(variables)


Environment = Annotated[dict[str, str], AfterValidator(checked_environment)]
"""Names with their values."""
