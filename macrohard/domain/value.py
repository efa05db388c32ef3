"""The base of every value: frozen, strict, and refusing what it does not know."""

from pydantic import BaseModel, ConfigDict, JsonValue

JsonObject = dict[str, JsonValue]
"""A JSON object as it stands on a wire or in a column."""


class Value(BaseModel):
    """An immutable value that compares by content; unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
