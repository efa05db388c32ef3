"""The tables of the settings file that say where models answer and who uses which."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, PositiveInt, StringConstraints, field_validator, model_validator

from macrohard.domain import Value
from macrohard.llm.models.known import BUILTIN
from macrohard.llm.target import Effort, Wire

EndpointName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
Temperature = Annotated[float, Field(ge=0, le=2)]
_FORBIDDEN = ("api_key", "apikey", "api-key", "token", "secret", "password")


class EndpointTable(Value):
    """`[endpoints.NAME]`; what is left out is as usual for a well-known name."""

    base_url: str | None = None
    """Up to and with the version, e.g. http://127.0.0.1:8000/v1."""
    wire: Wire | None = None
    """"chat" for Chat Completions, "responses" for the Responses API."""
    key: str | None = None
    """Name of the environment variable that holds the key, or with _FILE behind it the path of a file that does."""
    conversation_header: str | None = None
    requests_per_second: float | None = Field(default=None, gt=0)
    tokens_per_minute: PositiveInt | None = None
    parallel_calls: int | None = Field(default=None, ge=1, le=10_000)
    silence_seconds: float | None = Field(default=None, gt=0)
    """An answer that says nothing for so long is given up, and the model asked again; usually 900, or what
    `patience_seconds` says if that is longer."""

    @model_validator(mode="before")
    @classmethod
    def _holds_no_key(cls, given: object) -> object:
        if isinstance(given, dict) and (wrong := next((name for name in _FORBIDDEN if name in given), None)):
            raise ValueError(
                f"{wrong} is not read: a key has no place in settings. Take the line out, and the key to the "
                "environment, or to the keyring by `macrohard keys set NAME`"
            )
        return given

    @field_validator("key")
    @classmethod
    def _names_a_variable(cls, name: str | None) -> str | None:
        if name is not None and not (name.isascii() and name.replace("_", "A").isalnum() and name == name.upper()):
            raise ValueError(
                "is the name of an environment variable in capitals, such as LAB_API_KEY, and never the key itself"
            )
        return name

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        return None if url is None else checked_url(url)


class ModelChoice(Value):
    """A model at an endpoint, and how it is asked; what is left out is as the provider has it."""

    model: str | None = Field(default=None, min_length=1)
    """May be written MODEL@ENDPOINT."""
    endpoint: EndpointName | None = None
    effort: Effort | None = None
    temperature: Temperature | None = None
    max_output_tokens: PositiveInt | None = None
    context_tokens: int | None = Field(default=None, ge=1000)
    """How long a conversation may be, its answer included."""


class FallbackTable(ModelChoice):
    """An entry of `fallback`."""

    model: str = Field(min_length=1)


class RoleTable(ModelChoice):
    """`[roles.NAME]`."""

    fallback: tuple[FallbackTable, ...] = ()
    """Asked in this order while the ones before are not well."""


def checked_url(url: str) -> str:
    """The address without a slash at its end; ValueError with what to write instead if it is none."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname is not None and parts.port != 0
        secret = parts.username is not None or parts.password is not None or bool(parts.query)
    except ValueError:
        known = secret = False
    if secret:
        raise ValueError("is an address without name, password or query; keys come from the environment")
    if not known:
        raise ValueError(f"{url!r} is not a web address such as http://127.0.0.1:8000/v1")
    return url.rstrip("/")


def split_model(name: str) -> tuple[str, str | None]:
    """MODEL@ENDPOINT in its two parts; the second is None where none is named.

    Names of models may hold "@" themselves: only the last one counts, and only before what can be an endpoint's name.
    """
    model, _, endpoint = name.rpartition("@")
    if model and re.fullmatch(r"[a-z0-9][a-z0-9.-]*", endpoint):
        return model, endpoint
    return name, BUILTIN if name.partition(":")[0] == BUILTIN else None
