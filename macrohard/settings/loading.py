"""The settings and their sources: flags, `MACROHARD_*`, one TOML file, the keys of the environment, in this order."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from macrohard.domain import Caps, Value
from macrohard.errors import RequestError
from macrohard.llm.chat import ModelRole
from macrohard.llm.media import MediaPlan, MediaSettings
from macrohard.llm.models.known import BUILTIN, DEFAULT_MODEL
from macrohard.llm.price import ModelPrice
from macrohard.llm.target import RoleTargets
from macrohard.settings.keys import find_key, in_environment, variable_of
from macrohard.settings.media import media_plan
from macrohard.settings.oidc import OidcSettings
from macrohard.settings.sandboxes import SandboxSettings
from macrohard.settings.spans import Span
from macrohard.settings.tables import EndpointName, EndpointTable, FallbackTable, RoleTable, checked_url
from macrohard.settings.targets import Probed, Resolver

PREFIX = "MACROHARD_"
_NO_KEYS_IN_FILES = (
    "api_key is not read from a file: a key has no place in settings. Take the line out, and set MACROHARD_API_KEY "
    "(or MACROHARD_API_KEY_FILE to a file's path), or run `macrohard keys set ENDPOINT`"
)
_NO_SECRET_IN_FILES = (
    "the client's secret is not read from a file: it has no place in settings. Take the line out, and set the "
    "environment variable MACROHARD_OIDC_CLIENT_SECRET (or MACROHARD_OIDC_CLIENT_SECRET_FILE to a file's path)"
)

SandboxChoice = Literal["auto", "docker", "bubblewrap"]

_FROM_FILES = ("api_key", "database_url", "oidc_client_secret")
"""What `MACROHARD_…_FILE` can name a file for."""


def settings_file() -> Path:
    """The settings file: `MACROHARD_SETTINGS`, or the usual place, where it may be missing."""
    if named := os.environ.get(f"{PREFIX}SETTINGS"):
        return Path(named).expanduser()
    return _config() / "settings.toml"


def _config() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "macrohard"


def _home() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "macrohard"


def _default_model(given: dict[str, Any]) -> str:
    """What a run is said to use where nobody named one model for everything."""
    strong = given.get("roles", {}).get("strong")
    if strong and strong.model:
        return f"{strong.model}@{strong.endpoint}" if strong.endpoint else str(strong.model)
    if named := given.get("model_strong"):
        return str(named)
    table = given.get("endpoints", {}).get("xai")
    return DEFAULT_MODEL if find_key("xai", (table and table.key) or variable_of("xai")) else BUILTIN


class Settings(BaseSettings):
    """One person's, or one server's, choices."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    home: Path = Field(default_factory=_home)
    """Where runs, product repositories, artifacts and the SQLite file are kept."""
    agents_folder: Path = Field(default_factory=lambda: _config() / "agents")
    """The person's own agents, personas, parts and skills; what is named like one that comes along replaces it."""
    database_url: str = Field(default="", repr=False)
    """An SQLAlchemy URL; empty: an SQLite file in `home`."""
    endpoints: dict[EndpointName, EndpointTable] = Field(default_factory=dict)
    """Where models answer, by name; the well-known ones need no table."""
    roles: dict[ModelRole, RoleTable] = Field(default_factory=dict)
    """Who is asked for what, how, and who instead; a role without a table uses `model`."""
    model_strong: str | None = None
    """Short for `model` in the table of that role, and goes before it; so for the others."""
    model_fast: str | None = None
    model_vision: str | None = None
    model_judge: str | None = None
    model: str = Field(default_factory=_default_model, min_length=1)
    """"builtin", "builtin:careless", or MODEL or MODEL@ENDPOINT; grok-4.7 when there is a key of xAI."""
    base_url: str | None = None
    """An OpenAI-compatible endpoint for every model whose endpoint is not named."""
    api_key: SecretStr | None = None
    """For `base_url`, or for the provider that goes with the model; from the environment only."""
    max_output_tokens: PositiveInt = 16_000
    """Of one answer, unless its role says otherwise."""
    prices: dict[str, ModelPrice] = Field(default_factory=dict)
    """US dollars per million tokens by model or MODEL@ENDPOINT, added to the known ones: the budget is kept by them."""
    media: MediaSettings = MediaSettings()
    """Who makes pictures and clips, how many for one product, and whether the users' visits are filmed."""
    budget_usd: float = Field(default=20.0, gt=0)
    """For each run, unless said otherwise; at the cap the run pauses and asks."""
    max_tokens: PositiveInt | None = None
    """Of each run, input and output of all calls; so for the other limits, and none by default."""
    max_calls: PositiveInt | None = None
    """Of models, failed attempts included."""
    max_time: Span | None = None
    """At work, pauses left out, e.g. "2h" or "1h30m"."""
    max_sessions: PositiveInt | None = None
    """Assignments of agents, in all."""
    max_fan_out: PositiveInt | None = None
    """Sessions of one phase in one iteration."""
    max_depth: PositiveInt | None = None
    """How far sessions may be started by sessions; 1: by the factory only."""
    iterations: int = Field(default=4, ge=1, le=50)
    """How often at most a run implements, verifies and is used."""
    test_quality: bool = True
    """Break some lines of each version on purpose, to see whether the product's own tests notice."""
    parallel_sessions: int = Field(default=4, ge=1, le=64)
    """Agents of one run at work at the same time."""
    patience_seconds: float = Field(default=120.0, gt=0)
    """So long a call to a model waits for an endpoint that has no room or does not answer, before another one is asked
    or the run is parked. Above 900 it is also how long an answer may say nothing, if the endpoint's table is silent."""
    auto_resume: bool = False
    """Wait for the hour at which a parked run can go on, and go on; else somebody resumes it."""
    record: bool = True
    """Keep what is said to models and what they answer, keys taken out, so that `macrohard replay` can repeat a run."""
    webhooks_inside: tuple[str, ...] = ()
    """Hosts, as they stand in webhooks' addresses, that are told although they are in this machine's own networks."""
    oidc: OidcSettings | None = None
    """By which OpenID Connect provider a team's people log in; None: by passwords only."""
    oidc_client_secret: SecretStr | None = None
    """What this service shows the provider; from the environment only."""
    sandbox: SandboxChoice = "auto"
    """Auto: Docker where an engine answers, else bubblewrap, and said so."""
    sandboxes: SandboxSettings = SandboxSettings()
    """How strong sandboxes have to be, how many there are at once, and what they can install."""

    @field_validator("home", "agents_folder")
    @classmethod
    def _absolute(cls, folder: Path) -> Path:
        return folder.expanduser().absolute()

    @field_validator("base_url")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        return None if url is None else checked_url(url)

    @field_validator("endpoints")
    @classmethod
    def _not_the_built_in(cls, tables: dict[str, EndpointTable]) -> dict[str, EndpointTable]:
        if BUILTIN in tables:
            raise ValueError(f"{BUILTIN!r} is the model that comes along and has nothing to set; take another name")
        return tables

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        keys = {name: in_environment(f"{PREFIX}{name.upper()}") for name in _FROM_FILES}
        mounted = {name: key.secret.get_secret_value() for name, key in keys.items() if key}
        return (
            init_settings,
            env_settings,
            InitSettingsSource(settings_cls, mounted),
            InitSettingsSource(settings_cls, _content(settings_file())),
        )

    @property
    def caps(self) -> Caps:
        """What each run may take."""
        return Caps(
            usd=self.budget_usd,
            tokens=self.max_tokens,
            calls=self.max_calls,
            seconds=self.max_time,
            sessions=self.max_sessions,
            fan_out=self.max_fan_out,
            depth=self.max_depth,
        )

    @property
    def database(self) -> str:
        """The SQLAlchemy URL to use."""
        return self.database_url or f"sqlite+aiosqlite:///{self.home / 'macrohard.db'}"

    @property
    def model_is_chosen(self) -> bool:
        """Whether somebody named a model or has a key for the default one; else the built-in one is a stopgap."""
        return "model" in self.model_fields_set or self.model != BUILTIN

    def targets(self, run_model: str, *, probed: Probed | None = None) -> RoleTargets:
        """Where each role's model answers, and how it is asked.

        A run that was given another model than `model` uses it alone in every role, without the tables of the roles.
        What was `probed` goes before what is known of a model, and what the settings say before both.

        Raises:
            RequestError: a model is not known, has no key, or no price; says what to set and where.
        """
        return Resolver(self, run_model=run_model, probed=probed or {}, path=str(settings_file())).targets()

    def media_plan(self, run_model: str) -> MediaPlan:
        """Who makes pictures and clips for a run; raises as `targets` does."""
        return media_plan(self, run_model=run_model, path=str(settings_file()))


def _content(path: Path) -> dict[str, object]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if os.environ.get(f"{PREFIX}SETTINGS"):
            raise RequestError(f"{PREFIX}SETTINGS: there is no file {path}") from error
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{path} is not valid TOML: {error}") from error
    if "api_key" in content:
        raise RequestError(f"{path}: {_NO_KEYS_IN_FILES}")
    table = content.get("oidc")
    if "oidc_client_secret" in content or (isinstance(table, dict) and "client_secret" in table):
        raise RequestError(f"{path}: {_NO_SECRET_IN_FILES}")
    return content


def load_settings(**flags: object) -> Settings:
    """All sources together; flags that are None count as not given.

    Raises:
        RequestError: something cannot be understood; names the variable, or the file and key, and what is wrong.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # the sources are checked by pydantic, not by mypy
    except SettingsError as error:
        # The tables are JSON in the environment.
        field = re.search(r'field "(\w+)"', str(error))
        name = field[1].upper() if field else "*"
        raise RequestError(f"environment variable {PREFIX}{name} is not JSON: {error.__cause__}") from error
    except ValidationError as error:
        # Without its context: that shows what was given, and a key may be among it.
        raise RequestError(
            "\n".join(_complaint(problem["loc"], problem["msg"], given) for problem in error.errors())
        ) from None


_TABLES: dict[str, type[Value]] = {
    "endpoints": EndpointTable,
    "roles": RoleTable,
    "prices": ModelPrice,
    "media": MediaSettings,
    "sandboxes": SandboxSettings,
    "oidc": OidcSettings,
}


def _complaint(location: tuple[int | str, ...], problem: str, flags: dict[str, object]) -> str:
    problem = problem.removeprefix("Value error, ")
    key = ".".join(str(part) for part in location if part != "[key]")
    name = str(location[0]) if location else ""
    if name in flags and not isinstance(flags[name], dict):
        return f"--{name.replace('_', '-').removesuffix('-usd')}: {problem}"
    variable = f"{PREFIX}{name.upper()}"
    if os.environ.get(variable) or os.environ.get(f"{variable}_FILE"):
        inner = f"{key.removeprefix(name).lstrip('.')}: " if len(location) > 1 else ""
        return f"environment variable {variable}: {inner}{problem}"
    if problem == "Extra inputs are not permitted":
        known = FallbackTable if "fallback" in location else _TABLES.get(name, Settings)
        names = ", ".join(sorted(known.model_fields))
        return f"{settings_file()}: there is no setting {key!r}; there are {names}"
    return f"{settings_file()}: {key}: {problem}"
