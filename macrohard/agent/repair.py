"""What a model is told about a call that cannot be carried out: what is wrong, what was expected, and where."""

import difflib
import json
from collections.abc import Iterable, Sequence

import orjson
from pydantic import BaseModel, JsonValue, ValidationError

from macrohard.domain import JsonObject
from macrohard.errors import ToolError

PROBLEMS_AT_MOST = 12
SHOWN_CHARACTERS = 80
BAD_ARGUMENTS = "the arguments "
"""What every text about arguments begins with: so a resumed session knows which tools were called badly last."""
LEFT_OUT = "[left out here to save room: "
"""What stands for a long text in an old call; a model that copies it is told so."""


class BadArguments(ToolError):
    """Arguments that do not fit; nothing was done with them."""

    def __init__(self, problem: str, *, brief: str) -> None:
        """`brief` is for a model that was told once already."""
        super().__init__(BAD_ARGUMENTS + problem)
        self.brief = BAD_ARGUMENTS + brief


def parsed(arguments: str) -> JsonObject:
    """The JSON object that a model wrote as arguments.

    Raises:
        BadArguments: it is not one; shows the place.
    """
    try:
        value: JsonValue = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        before, after = arguments[max(error.pos - 60, 0) : error.pos], arguments[error.pos : error.pos + 40]
        raise BadArguments(
            f"are not a JSON object: {error.msg} ({where}), at ⟦HERE⟧ in {before}⟦HERE⟧{after}\n"
            "Nothing was done. Call the tool again with one JSON object; inside strings, write line breaks as \\n and "
            'quotes as \\".',
            brief=f"are again not a JSON object: {error.msg} ({where}).",
        ) from error
    if not isinstance(value, dict):
        raise BadArguments(
            f"are not a JSON object but {_shown(value)}. Nothing was done; call the tool again with an object.",
            brief="are again not a JSON object.",
        )
    return value


def complaint(error: ValidationError, schema: JsonObject) -> BadArguments:
    """What is wrong with arguments, field by field, with what the schema expects there and what was given."""
    problems = error.errors(include_url=False, include_context=False)
    lines, brief = [], []
    for problem in problems[:PROBLEMS_AT_MOST]:
        place = ".".join(str(part) for part in problem["loc"]) or "arguments"
        brief.append(f"{place}: {problem['msg']}")
        lines.append(f"- {place}: {problem['msg']}. {_expectation(problem['loc'], schema)}")
        if problem["type"] == "missing":
            continue
        if problem["type"] != "extra_forbidden":
            lines[-1] += f" You wrote: {_shown(problem['input'])}"
    if len(problems) > PROBLEMS_AT_MOST:
        lines.append(f"- and {len(problems) - PROBLEMS_AT_MOST} more problems")
    whole = "do not fit, so nothing was done:\n" + "\n".join(lines) + "\nCall the tool again with all arguments."
    return BadArguments(whole, brief="do not fit again: " + "; ".join(brief[:3]))


def with_example(text: str, schema: JsonObject) -> str:
    """The text, and a call that fits the schema."""
    made = json.dumps(example(schema, schema), ensure_ascii=False)
    return f"{text}\nArguments of the right form look like this, with your own values: {made}"


def unknown_tool(name: str, names: Sequence[str]) -> ToolError:
    """Says what there is, the nearest name first."""
    near = difflib.get_close_matches(name.casefold(), names, n=1, cutoff=0.5)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return ToolError(f"no tool {name!r}; you have {', '.join(names)}.{meant}")


def cut_off(tokens: int) -> ToolError:
    """For a call that the end of the model's answer cut through."""
    return ToolError(
        f"your answer was cut off at {tokens:,} tokens in the middle of this call, so it was not carried out. "
        "Make several smaller calls: write a long file in parts, the first with `write`, each further one with `write` "
        "and append=true, or change what is there with `edit`."
    )


def is_left_out(text: str) -> bool:
    """Whether a text is a note that stands for text, rather than text."""
    return text.lstrip().startswith(LEFT_OUT)


def example(schema: JsonObject, root: JsonObject) -> JsonValue:
    """A value that fits a JSON schema, as small as it may be; texts with a pattern are only described."""
    schema = _resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if isinstance(enum := schema.get("enum"), list) and enum:
        return enum[0]
    if isinstance(examples := schema.get("examples"), list) and examples:
        return examples[0]
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        properties, required = schema.get("properties"), schema.get("required")
        if not isinstance(properties, dict) or not isinstance(required, list):
            return {}
        return {
            str(name): example(field, root)
            for name in required
            if isinstance(name, str) and isinstance(field := properties.get(name), dict)
        }
    if kind == "array":
        items, fewest = schema.get("items"), schema.get("minItems")
        made = example(items, root) if isinstance(items, dict) else "…"
        return [made] * (fewest if isinstance(fewest, int) else 0)
    if kind in ("integer", "number"):
        lowest = schema.get("minimum", schema.get("exclusiveMinimum"))
        return lowest + ("exclusiveMinimum" in schema) if isinstance(lowest, int) else 1
    if kind == "boolean":
        return False
    if kind == "null":
        return None
    shortest = schema.get("minLength")
    return (
        f"(text like {schema['pattern']})"
        if "pattern" in schema
        else "…" * (shortest if isinstance(shortest, int) else 1)
    )


def _resolved(schema: JsonObject, root: JsonObject) -> JsonObject:
    """The schema behind references, and of alternatives the first."""
    for _ in range(10):
        if isinstance(reference := schema.get("$ref"), str):
            found: JsonValue = root
            for part in reference.removeprefix("#/").split("/"):
                found = found.get(part) if isinstance(found, dict) else None
        elif isinstance(choices := schema.get("anyOf") or schema.get("oneOf"), list) and choices:
            found = choices[0]
        else:
            return schema
        if not isinstance(found, dict):
            return schema
        schema = found
    return schema


def _expectation(place: Iterable[int | str], schema: JsonObject) -> str:
    """What the schema says about one place in the arguments."""
    root, described = schema, ""
    for part in place:
        inner: JsonValue
        if (chosen := _alternative(schema, part)) is not None:
            schema = chosen
            continue
        parent = _resolved(schema, root)
        if isinstance(part, int):
            inner = parent.get("items")
        else:
            properties = parent.get("properties")
            inner = properties.get(part) if isinstance(properties, dict) else parent.get("additionalProperties")
        if not isinstance(inner, dict):
            names = properties if isinstance(properties := parent.get("properties"), dict) else {}
            near = difflib.get_close_matches(str(part), list(names), n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            return f"Expected: one of {', '.join(names) or 'no fields'}{meant}"
        described = str(inner.get("description") or described)
        schema = inner
    wanted = _kind(_resolved(schema, root))
    return f"Expected: {wanted}" + (f" ({described})" if described else "")


def _alternative(schema: JsonObject, part: int | str) -> JsonObject | None:
    """Of values that are told apart by a field: the one that the place names by that field's value."""
    told_apart = schema.get("discriminator")
    mapping = told_apart.get("mapping") if isinstance(told_apart, dict) else None
    return {"$ref": mapping[part]} if isinstance(mapping, dict) and isinstance(part, str) and part in mapping else None


def _kind(schema: JsonObject) -> str:
    if isinstance(enum := schema.get("enum"), list):
        return "one of " + ", ".join(json.dumps(value, ensure_ascii=False) for value in enum)
    kind = str(schema.get("type") or ("object" if "properties" in schema else "value"))
    bounds = {
        "minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than",
        "minLength": "characters at least", "maxLength": "characters at most", "minItems": "items at least",
        "maxItems": "items at most", "pattern": "matching",
    }  # fmt: skip
    limits = [f"{word} {schema[key]}" for key, word in bounds.items() if key in schema]
    if kind == "object" and isinstance(required := schema.get("required"), list):
        limits.append("with " + ", ".join(map(str, required)))
    return ", ".join([kind, *limits])


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=lambda other: type(other).__name__)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"


def parameters_of(model: type[BaseModel]) -> JsonObject:
    """The JSON schema of a tool's arguments."""
    parameters: JsonObject = model.model_json_schema()
    parameters.pop("title", None)
    return parameters
