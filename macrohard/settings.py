"""What a person can set: by flag, by `MACROHARD_*`, in one TOML file, by the keys of the environment, in this order."""

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pydantic import Field, PositiveInt, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from macrohard.errors import RequestError
from macrohard.llm import FREE, KNOWN_PRICES, MODEL_ROLES, ModelPrice, ModelRole

if TYPE_CHECKING:
    from macrohard.llm.target import RoleTargets, Target

PREFIX = "MACROHARD_"
BUILTIN_MODELS = ("builtin", "builtin:careless")
XAI_URL, XAI_MODEL = "https://api.x.ai/v1", "grok-4.7"
OPENAI_URL = "https://api.openai.com/v1"

SandboxChoice = Literal["auto", "docker", "bubblewrap"]


def settings_file() -> Path:
    """The settings file: `MACROHARD_SETTINGS`, or the usual place, where it may be missing."""
    if named := os.environ.get(f"{PREFIX}SETTINGS"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "macrohard" / "settings.toml"


def _home() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "macrohard"


def _secret(name: str) -> str:
    """The variable's value, or the content of the file that `<name>_FILE` names; empty if neither is set."""
    if value := os.environ.get(name):
        return value
    if path := os.environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise RequestError(f"{name}_FILE: {path} cannot be read: {error}") from error
    return ""


def _model_by_keys() -> str:
    return XAI_MODEL if _secret("XAI_API_KEY") else "builtin"


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
    database_url: str = Field(default="", repr=False)
    """An SQLAlchemy URL; empty: an SQLite file in `home`."""
    model: str = Field(default_factory=_model_by_keys, min_length=1)
    """"builtin", "builtin:careless", or a model's name at an endpoint; grok-4.7 when there is an xAI key."""
    model_strong: str | None = None
    """Of the agents with this model role instead of `model`; so for the others."""
    model_fast: str | None = None
    model_vision: str | None = None
    model_judge: str | None = None
    base_url: str | None = None
    """An OpenAI-compatible endpoint for every model that is not built in."""
    api_key: SecretStr | None = None
    """For `base_url`, or for the provider that goes with the model."""
    max_output_tokens: PositiveInt = 16_000
    """Of one answer."""
    prices: dict[str, ModelPrice] = Field(default_factory=dict)
    """US dollars per million tokens by model, added to the known ones: the budget is kept by them."""
    budget_usd: float = Field(default=20.0, gt=0)
    """For each run, unless said otherwise; at the cap the run pauses and asks."""
    iterations: int = Field(default=4, ge=1, le=50)
    """How often at most a run implements, verifies and is used."""
    parallel_sessions: int = Field(default=4, ge=1, le=64)
    """Agents of one run at work at the same time."""
    sandbox: SandboxChoice = "auto"
    """Auto: Docker where an engine answers, else bubblewrap, and said so."""

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        secrets = {name: _secret(f"{PREFIX}{name.upper()}") for name in ("api_key", "database_url")}
        mounted = InitSettingsSource(settings_cls, {name: value for name, value in secrets.items() if value})
        return init_settings, env_settings, mounted, InitSettingsSource(settings_cls, _content(settings_file()))

    @property
    def database(self) -> str:
        """The SQLAlchemy URL to use."""
        return self.database_url or f"sqlite+aiosqlite:///{self.home / 'macrohard.db'}"

    def model_of(self, role: ModelRole, *, run_model: str) -> str:
        """The model for a role; a run that was given a model of its own uses it in every role."""
        if run_model != self.model:
            return run_model
        chosen: dict[ModelRole, str | None] = {
            "strong": self.model_strong,
            "fast": self.model_fast,
            "vision": self.model_vision,
            "judge": self.model_judge,
        }
        return chosen[role] or run_model

    def targets(self, run_model: str) -> "RoleTargets":
        """Where each role's model answers.

        Raises:
            RequestError: a model is not known, has no key, or no price; says what to set and where.
        """
        return {role: (self._target(self.model_of(role, run_model=run_model)),) for role in MODEL_ROLES}

    def _target(self, model: str) -> "Target":
        from macrohard.llm.target import EndpointSettings, Target

        if model.partition(":")[0] == "builtin":
            if model not in BUILTIN_MODELS:
                raise RequestError(f"no built-in model {model!r}; there are {', '.join(BUILTIN_MODELS)}")
            return Target(
                endpoint=EndpointSettings(name="built-in model", base_url=None),
                model=model,
                price=FREE,
                max_output_tokens=self.max_output_tokens,
            )
        by_model = XAI_URL if model.startswith("grok") else os.environ.get("OPENAI_BASE_URL") or OPENAI_URL
        base_url = self.base_url or by_model
        host = urlsplit(base_url).hostname
        if host is None:
            raise RequestError(f"base_url {base_url!r} is not a web address such as http://localhost:8000/v1")
        variable = "XAI_API_KEY" if host == urlsplit(XAI_URL).hostname else "OPENAI_API_KEY"
        key = self.api_key.get_secret_value() if self.api_key else _secret(variable)
        if not key and base_url in (XAI_URL, OPENAI_URL):
            raise RequestError(
                f"model {model!r} at {host} needs a key: set {variable}, or api_key in {settings_file()}; "
                "--model builtin needs none"
            )
        price = self.prices.get(model) or KNOWN_PRICES.get(model)
        if price is None:
            raise RequestError(
                f"what model {model!r} costs is not known, so no budget could be kept; "
                f"add it to {settings_file()} in US dollars per million tokens:\n"
                f'[prices."{model}"]\ninput = 0.0\ncached_input = 0.0\noutput = 0.0'
            )
        return Target(
            endpoint=EndpointSettings(
                name="xAI" if variable == "XAI_API_KEY" else host, base_url=base_url, api_key=SecretStr(key)
            ),
            model=model,
            price=price,
            max_output_tokens=self.max_output_tokens,
        )


def _content(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if os.environ.get(f"{PREFIX}SETTINGS"):
            raise RequestError(f"{PREFIX}SETTINGS: there is no file {path}") from error
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{path} is not valid TOML: {error}") from error


def load_settings(**flags: object) -> Settings:
    """All sources together; flags that are None count as not given.

    Raises:
        RequestError: something cannot be understood; names the variable, or the file and key, and what is wrong.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # the sources are checked by pydantic, not by mypy
    except SettingsError as error:
        # The one setting that is JSON in the environment.
        raise RequestError(f"environment variable {PREFIX}PRICES is not JSON: {error.__cause__}") from error
    except ValidationError as error:
        raise RequestError(
            "\n".join(_complaint(problem["loc"], problem["msg"], given) for problem in error.errors())
        ) from None


def _complaint(location: tuple[int | str, ...], problem: str, flags: dict[str, object]) -> str:
    key = ".".join(str(part) for part in location)
    name = str(location[0]) if location else ""
    if name in flags:
        return f"--{name.replace('_', '-').removesuffix('-usd')}: {problem}"
    variable = f"{PREFIX}{name.upper()}"
    if os.environ.get(variable) or os.environ.get(f"{variable}_FILE"):
        return f"environment variable {variable}: {problem}"
    if problem == "Extra inputs are not permitted":
        known = ", ".join(sorted(Settings.model_fields))
        return f"{settings_file()}: there is no setting {key!r}; there are {known}"
    return f"{settings_file()}: {key}: {problem}"
