"""What a form of a page says, held to the same rules as what a program sends."""

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from fastapi import Form
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from macrohard.domain import Value

V = TypeVar("V", bound=Value)

Dollars = Annotated[str, Form(pattern=r"^(\d{1,6}(\.\d{1,2})?)?$")]
Iterations = Annotated[str, Form(pattern=r"^\d{0,2}$")]
Hours = Annotated[str, Form(pattern=r"^\d{0,4}$")]
"""Fields that may be left empty."""

_PLACE = re.compile(r"(/(?!/)[\w/%+.-]*)?(\?[\w/%=&+.-]*)?(#[\w.-]*)?", re.ASCII)


def understood(kind: type[V], form: Mapping[str, object]) -> V:
    """What the form says, as REST takes it.

    Raises:
        RequestValidationError: something in it is wrong; it is answered with the fields and what is wrong with them.
    """
    try:
        return kind.model_validate(form)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def place_here(address: str) -> str:
    """Path, query and anchor of a page of ours; nothing if it leads anywhere else: anybody may have sent the form."""
    return address if _PLACE.fullmatch(address) else ""
