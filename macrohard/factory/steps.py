"""What agents are told of the steps of scenarios: only those that a kind of product knows, and what they do."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, JsonValue, create_model
from pydantic.fields import FieldInfo

from macrohard.domain import JsonObject, ProductKind, Scenario, ServiceStep, TerminalStep, Value
from macrohard.domain.scenario import Keep, Request, Restart, SeeJson, Together, Wait

V = TypeVar("V", bound=Value)

_SERVED = tuple[Annotated[ServiceStep | TerminalStep | Restart | Wait, Field(discriminator="do")], ...]
_CALLED = tuple[Annotated[TerminalStep | SeeJson | Keep, Field(discriminator="do")], ...]
_STEPS: Final[Mapping[ProductKind, Any]] = {"api": _SERVED, "cli": _CALLED, "library": _CALLED}


def report_for(kind: ProductKind, report: type[V]) -> type[V]:
    """The same report with scenarios made of the steps that products of this kind know; its schema is much shorter.

    What is handed in by it is valid for `report`, too, and is to be read as that before it is compared.
    """
    if kind == "web":
        return report
    return with_fields(report, scenarios=tuple[scenario_for(kind), ...])  # type: ignore[misc]  # made at run time


def scenario_for(kind: ProductKind) -> type[Scenario]:
    """A scenario made of the steps that products of this kind know."""
    return Scenario if kind == "web" else with_fields(Scenario, steps=_STEPS[kind])


def with_fields(model: type[V], **types: Any) -> type[V]:
    """The same model whose fields of these names have these types."""
    fields: dict[str, Any] = {name: (made_of, model.model_fields[name]) for name, made_of in types.items()}
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields)


def described(scenarios: Sequence[Scenario]) -> JsonObject:
    """What each kind of step means that occurs in these scenarios, by its `do`."""
    kinds = {type(step) for scenario in scenarios for step in scenario.steps}
    if Together in kinds:
        kinds.add(Request)
    return {each.model_fields["do"].default: _words(each) for each in sorted(kinds, key=lambda each: each.__name__)}


def told(scenario: Scenario) -> JsonObject:
    """A scenario as its reviewer reads it: a line for each step, e.g. "click role=`button` name=`Save`".

    A step that holds objects or lists, or a text with a backtick, stays an object.
    """
    return {**scenario.as_told, "steps": [_line(step.as_told) for step in scenario.steps]}


def _line(step: JsonObject) -> JsonValue:
    said = {name: _plain(value) for name, value in step.items() if name != "do"}
    if None in said.values():
        return step
    return " ".join([str(step["do"]), *(f"{name}={value}" for name, value in said.items())])


def _plain(value: JsonValue) -> str | None:
    if isinstance(value, str):
        return None if "`" in value else f"`{value}`"
    return None if isinstance(value, dict | list) else json.dumps(value)


def portions(scenarios: Sequence[Scenario], *, tokens: int) -> tuple[tuple[Scenario, ...], ...]:
    """The scenarios in as few parts as hold `tokens` each, where all of one criterion are in one part."""
    by_criterion: dict[str, list[Scenario]] = {}
    for scenario in scenarios:
        by_criterion.setdefault(scenario.criterion, []).append(scenario)
    parts: list[list[Scenario]] = []
    left = 0
    for together in by_criterion.values():
        size = sum(tokens_of(told(scenario)) for scenario in together)
        if not parts or size > left:
            parts.append([])
            left = tokens
        parts[-1] += together
        left -= size
    return tuple(tuple(part) for part in parts)


def tokens_of(material: JsonObject) -> int:
    """About so many tokens, as sessions estimate."""
    return len(json.dumps(material, ensure_ascii=False).encode()) // 4


def _words(step: type[Value]) -> str:
    fields = [
        f"`{name}`: {' '.join([*(field.description or '').split(), left_out])}".rstrip()
        for name, field in step.model_fields.items()
        if name != "do" and ((left_out := _left_out(field)) or field.description)
    ]
    return " ".join([" ".join((step.__doc__ or "").split()), *fields])


def _left_out(field: FieldInfo) -> str:
    """What holds where a step does not say it, if that is anything."""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    return "" if default in (None, "", (), {}) else f"Left out: {json.dumps(default)}."
