"""`product.toml`: what a product is, and the commands that install, test, start and run it."""

import tomllib
from typing import Self

from pydantic import Field, ValidationError, model_validator

from macrohard.domain import SERVED, ProductKind, Value
from macrohard.errors import ToolError

FILE = "product.toml"


class Commands(Value):
    """Each for `bash -c` in the product's root folder."""

    install: str = ""
    """Fetches what the product needs; empty when it needs nothing."""
    test: str = Field(min_length=1)
    """Runs the product's own tests: exits with 0 when all passed, and says how many they were."""
    start: str = ""
    """Starts the service on 127.0.0.1:$PORT and keeps running; web and api only."""
    run: str = ""
    """How a command-line tool is called in the product's folder, without arguments."""


class ServiceSettings(Value):
    """How a running service is recognised."""

    health: str = Field(default="/", pattern=r"^/")
    """A path that answers below 400 once the service is ready."""


class Manifest(Value):
    """The whole of `product.toml`."""

    kind: ProductKind
    name: str = Field(min_length=1, max_length=80)
    commands: Commands
    service: ServiceSettings = ServiceSettings()

    @property
    def is_served(self) -> bool:
        """Whether it is a process that others ask, rather than something that is called."""
        return self.kind in SERVED

    @model_validator(mode="after")
    def _has_its_command(self) -> Self:
        if self.is_served and not self.commands.start:
            raise ValueError(f"a product of kind {self.kind} needs commands.start")
        if self.kind == "cli" and not self.commands.run:
            raise ValueError("a product of kind cli needs commands.run")
        return self


def read_manifest(content: bytes) -> Manifest:
    """The manifest in the content of `product.toml`.

    Raises:
        ToolError: it is not TOML, or not a manifest; names every field that is wrong.
    """
    try:
        return Manifest.model_validate(tomllib.loads(content.decode()))
    except UnicodeDecodeError as error:
        raise ToolError(f"{FILE} is not a UTF-8 text file") from error
    except tomllib.TOMLDecodeError as error:
        raise ToolError(f"{FILE} is not valid TOML: {error}") from error
    except ValidationError as error:
        problems = "; ".join(_problem(tuple(one["loc"]), one["msg"]) for one in error.errors())
        raise ToolError(f"{FILE}: {problems}") from error


def _problem(location: tuple[int | str, ...], message: str) -> str:
    where = ".".join(str(part) for part in location)
    message = message.removeprefix("Value error, ").replace("Extra inputs are not permitted", "is not a known field")
    return f"{where}: {message}" if where else message
