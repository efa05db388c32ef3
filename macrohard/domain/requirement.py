"""What may be a requirement: text that a person wrote, with the text files that belong to it."""

import codecs
import re
from collections.abc import Sequence

from pydantic import Field

from macrohard.domain.value import Value
from macrohard.errors import RequestError

LIMIT_BYTES = 200_000
"""A few hundred pages of specification; more is a mistake, or somebody's data."""
ATTACHMENTS = 20

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Attachment(Value):
    """A text file that belongs to a requirement."""

    name: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["prices.csv"])
    text: str = Field(min_length=1, max_length=LIMIT_BYTES, examples=["article;price\nchair;49\n"])


def text_of(content: bytes, source: str) -> str:
    """The text, unchanged but for a byte order mark; `source` says in messages what it was read from.

    Raises:
        RequestError: it is no text a person wrote, empty, or too long; says what to do.
    """
    if len(content) > LIMIT_BYTES:
        raise RequestError(
            f"{source} is larger than {LIMIT_BYTES // 1000} kB; "
            "describe the product in less, and give it your data when it runs"
        )
    encoding = "utf-16" if content.startswith(_UTF16) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise RequestError(
            f"{source} is not text in UTF-8 (byte {error.start + 1}); save it as a plain text file"
        ) from error
    if found := _CONTROL.search(text):
        raise RequestError(
            f"{source} is not plain text: it holds the control character 0x{ord(found[0]):02x}; "
            "save it as a plain text file"
        )
    if not text.strip():
        raise RequestError(f"{source} is empty; say in a few words what you need")
    return text


def requirement_of(text: str, attachments: Sequence[Attachment] = ()) -> str:
    """The requirement with its attachments behind it, each under its name.

    Raises:
        RequestError: see `text_of`; all of it together counts.
    """
    parts = [_checked(text, "the requirement")]
    parts += [f"Attached, {each.name}:\n\n{_checked(each.text, f'{each.name!r}')}" for each in attachments]
    return _checked("\n\n".join(parts), "the requirement with what is attached")


def _checked(text: str, source: str) -> str:
    # Bytes that are no UTF-8 reach Python's text as surrogates, from a shell as from JSON.
    return text_of(text.encode("utf-8", "surrogatepass"), source)
