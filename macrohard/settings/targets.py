"""From settings to targets: which endpoint a model is asked at, with which key, at what price, and how."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

from macrohard.errors import RequestError
from macrohard.llm.chat import MODEL_ROLES, ModelRole
from macrohard.llm.models.known import (
    BUILTIN,
    BUILTIN_ANSWER_TOKENS,
    BUILTIN_CAPABILITIES,
    BUILTIN_MODELS,
    KNOWN_ENDPOINTS,
    KNOWN_MODELS,
    KnownModel,
)
from macrohard.llm.price import FREE, ModelPrice
from macrohard.llm.target import SILENCE_SECONDS, Capabilities, EndpointSettings, RoleTargets, Target
from macrohard.settings.keys import find_key, variable_of
from macrohard.settings.tables import EndpointTable, ModelChoice, checked_url, split_model

if TYPE_CHECKING:
    from macrohard.settings.loading import Settings

UNKNOWN_CONTEXT_TOKENS = 32_000
"""Assumed of a model that neither a table, nor a probe, nor the person says anything about."""
Probed = Mapping[tuple[str, str], Capabilities]
"""What was found out, by the endpoint's base URL and the model."""


class Resolver:
    """Builds targets for one run."""

    def __init__(self, settings: "Settings", *, run_model: str, probed: Probed, path: str) -> None:
        self._settings, self._run_model, self._probed, self._path = settings, run_model, probed, path
        self._endpoints: dict[str, EndpointSettings] = {}
        # MACROHARD_API_KEY is for one endpoint, and shown to no other.
        plain = [name for name in (settings.model, run_model) if split_model(name)[1] != BUILTIN]
        self._key_owner = self._base_name() if settings.base_url else self._where(plain[0])[1] if plain else None

    def targets(self) -> RoleTargets:
        """See `Settings.targets`."""
        return {role: self._of_role(role) for role in MODEL_ROLES}

    def _of_role(self, role: ModelRole) -> tuple[Target, ...]:
        settings = self._settings
        if self._run_model != settings.model:
            # A run that was given a model of its own uses it alone, and as its provider has it.
            return (self._target(ModelChoice(model=self._run_model), role),)
        table = settings.roles.get(role)
        short: Mapping[ModelRole, str | None] = {
            "strong": settings.model_strong,
            "fast": settings.model_fast,
            "vision": settings.model_vision,
            "judge": settings.model_judge,
        }
        if table is None:
            return (self._target(ModelChoice(model=short[role] or self._run_model), role),)
        first = table
        if named := short[role]:
            first = table.model_copy(update={"model": named, "endpoint": None})
        elif table.model is None:
            first = table.model_copy(update={"model": self._run_model})
        return tuple(self._target(choice, role) for choice in (first, *table.fallback))

    def _target(self, choice: ModelChoice, role: ModelRole) -> Target:
        assert choice.model is not None
        model, endpoint_name = self._where(choice.model, choice.endpoint)
        endpoint = self.endpoint(endpoint_name, model)
        known = KNOWN_MODELS.get(model) if endpoint_name not in _LOCAL else None
        capabilities = self._capabilities(endpoint, model, known)
        price = self._price(model, endpoint_name, known)
        said_context = choice.context_tokens or capabilities.context_tokens
        context = said_context or UNKNOWN_CONTEXT_TOKENS
        said = self._settings.max_output_tokens
        if endpoint_name == BUILTIN and "max_output_tokens" not in self._settings.model_fields_set:
            said = BUILTIN_ANSWER_TOKENS
        limit = choice.max_output_tokens or min(said, context // 2)
        effort = choice.effort or (known.effort(role) if known else None)
        temperature = choice.temperature if choice.temperature is not None else known and known.temperature
        # The person's word counts more than table and probe; a default of ours does not.
        if choice.effort and choice.effort not in capabilities.efforts:
            capabilities = capabilities.model_copy(update={"efforts": (*capabilities.efforts, choice.effort)})
        if choice.temperature is not None and not capabilities.temperature:
            capabilities = capabilities.model_copy(update={"temperature": True})
        return Target(
            endpoint=endpoint,
            model=model,
            price=price,
            effort=effort if effort in capabilities.efforts else None,
            temperature=temperature if capabilities.temperature else None,
            max_output_tokens=limit,
            context_tokens=context,
            context_is_assumed=said_context is None,
            capabilities=capabilities,
        )

    def _where(self, name: str, endpoint: str | None = None) -> tuple[str, str]:
        """A model's own name, and the name of the endpoint that it is asked at."""
        model, written = split_model(name)
        if written and endpoint and written != endpoint:
            raise RequestError(f"{self._path}: model {name!r} and endpoint {endpoint!r} say different things")
        if found := endpoint or written:
            return model, found
        if self._settings.base_url:
            return model, self._base_name()
        return model, "xai" if model.startswith("grok") else "openai"

    def _base_name(self) -> str:
        """What the endpoint of `base_url` is called: as the table of the same address, else by its host."""
        base_url = self._settings.base_url
        assert base_url is not None
        for name, table in self._settings.endpoints.items():
            if table.base_url == base_url:
                return name
        for name in _HOSTED:
            if base_url == KNOWN_ENDPOINTS[name].base_url:
                return name
        return urlsplit(base_url).hostname or base_url

    def endpoint(self, name: str, model: str) -> EndpointSettings:
        """The endpoint of that name; `model` is for the message where it cannot be had.

        Raises:
            RequestError: there is no such endpoint, or its key is missing.
        """
        if name == BUILTIN:
            if model not in BUILTIN_MODELS:
                raise RequestError(f"no built-in model {model!r}; there are {', '.join(BUILTIN_MODELS)}")
            return EndpointSettings(name=BUILTIN, base_url=None)
        if name not in self._endpoints:
            self._endpoints[name] = self._made(name, model)
        return self._endpoints[name]

    def _made(self, name: str, model: str) -> EndpointSettings:
        settings, known = self._settings, KNOWN_ENDPOINTS.get(name)
        table = settings.endpoints.get(name, EndpointTable())
        base_url = table.base_url or (known.base_url if known else None)
        if settings.base_url and name == self._base_name():
            base_url = settings.base_url
        elif name == "openai" and table.base_url is None and (proxy := os.environ.get("OPENAI_BASE_URL")):
            try:
                base_url = checked_url(proxy)
            except ValueError as error:
                raise RequestError(f"environment variable OPENAI_BASE_URL: {error}") from error
        if base_url is None:
            others = ", ".join(sorted({*settings.endpoints, *KNOWN_ENDPOINTS, BUILTIN}))
            raise RequestError(
                f"model {model!r} is to be asked at {name!r}, and there is no such endpoint. Known: {others}. "
                f'Add it to {self._path}:\n[endpoints.{name}]\nbase_url = "https://…/v1"'
            )
        return EndpointSettings(
            name=name,
            base_url=base_url,
            api_key=self._key(name, model, table, needed=known is not None and base_url == known.base_url),
            wire=table.wire or (known.wire if known else "chat"),
            conversation_header=table.conversation_header or (known.conversation_header if known else None),
            requests_per_second=table.requests_per_second,
            tokens_per_minute=table.tokens_per_minute,
            parallel_calls=table.parallel_calls or (known.parallel_calls if known else 64),
            # Who has more patience than that with a model means its answers first of all.
            silence_seconds=table.silence_seconds or max(SILENCE_SECONDS, settings.patience_seconds),
        )

    def _key(self, name: str, model: str, table: EndpointTable, *, needed: bool) -> SecretStr:
        own = self._settings.api_key
        if name == self._key_owner and own is not None:
            return own
        variable = table.key or variable_of(name)
        if found := find_key(name, variable):
            return found.secret
        known = KNOWN_ENDPOINTS.get(name)
        if table.key or (needed and known is not None and known.needs_key):
            raise RequestError(
                f"model {model!r} at {name} needs a key: set {variable} (or {variable}_FILE to a file's path), "
                f"or run `macrohard keys set {name}`; --model builtin needs none"
            )
        return SecretStr("")

    def _capabilities(self, endpoint: EndpointSettings, model: str, known: KnownModel | None) -> Capabilities:
        if endpoint.base_url and (probed := self._probed.get((endpoint.base_url, model))):
            context = probed.context_tokens or (known.capabilities.context_tokens if known else None)
            return probed.model_copy(update={"context_tokens": context})
        if endpoint.base_url is None:
            return BUILTIN_CAPABILITIES
        # What a provider says of a model holds at the provider: others serve it through other programs.
        if known and endpoint.name == "xai":
            return known.capabilities
        return Capabilities(context_tokens=known.capabilities.context_tokens if known else None)

    def _price(self, model: str, endpoint: str, known: KnownModel | None) -> ModelPrice:
        prices = self._settings.prices
        if given := prices.get(f"{model}@{endpoint}") or prices.get(model):
            return given
        if endpoint == BUILTIN or endpoint in _LOCAL:
            return FREE
        if known:
            return known.price
        raise RequestError(
            f"what model {model!r} costs at {endpoint} is not known, so no budget could be kept; "
            f"add it to {self._path} in US dollars per million tokens:\n"
            f'[prices."{model}"]\ninput = 0.0\ncached_input = 0.0\noutput = 0.0'
        )


_LOCAL = frozenset(name for name, known in KNOWN_ENDPOINTS.items() if known.local)
_HOSTED = frozenset(KNOWN_ENDPOINTS) - _LOCAL
