"""Blueprints in short, with a claim for everything in them."""

from collections.abc import Iterable

from macrohard.llm.builtin.blueprint import (
    Action,
    Blueprint,
    Claim,
    ClaimKind,
    Condition,
    Highlight,
    Record,
    Rule,
    Total,
    View,
)

_UNTYPED = frozenset({"text", "long text", "yes/no", "choice", "reference"})


def is_(field: str, is_: str, value: str | None = None, *, other: str | None = None) -> Condition:
    return Condition.model_validate({"field": field, "is": is_, "value": value, "other": other})


def _claims(records: Iterable[Record], blueprint: dict[str, tuple[object, ...]]) -> tuple[Claim, ...]:
    """One claim for everything that can be claimed."""
    made: list[Claim] = []

    def claim(kind: ClaimKind, text: str, record: str, field: str | None = None, index: int | None = None) -> None:
        made.append(Claim(kind=kind, text=text, priority="MUST", record=record, field=field, index=index))

    for record in records:
        plural = record.plural.lower()
        claim("add and list", f"{record.plural} can be added and are listed.", record.name)
        claim("edit", f"{record.plural} can be changed.", record.name)
        claim("delete", f"{record.plural} can be deleted.", record.name)
        claim("search", f"{record.plural} can be searched.", record.name)
        claim("paging", f"Long lists of {plural} have pages.", record.name)
        for name in record.filters:
            claim("filter", f"{record.plural} can be filtered by {name}.", record.name, name)
        for name in record.sortable:
            claim("sort", f"{record.plural} can be sorted by {name}.", record.name, name)
        if record.export_csv:
            claim("export", f"{record.plural} can be exported.", record.name)
        if record.import_csv:
            claim("import", f"{record.plural} can be imported.", record.name)
        for field in record.fields:
            said: list[tuple[ClaimKind, object]] = [
                ("required", field.required),
                ("unique", field.unique),
                ("range", field.minimum is not None or field.maximum is not None),
                ("length", field.min_length or field.max_length),
                ("pattern", field.pattern),
                ("checksum", field.checksum),
                ("choices", field.choices),
                ("default", field.default),
                ("computed", field.computed),
                ("type", field.type not in _UNTYPED and not field.computed and not field.automatic),
            ]
            for kind, applies in said:
                if applies:
                    claim(kind, f"{record.label}: {field.label} has its {kind}.", record.name, field.name)
            if field.references:
                claim("detail history", f"{record.plural} of a {field.references}.", record.name, field.name)
    kinds: tuple[ClaimKind, ...] = ("rule", "action", "view", "total", "highlight")
    for kind in kinds:
        for index, one in enumerate(blueprint.get(f"{kind}s", ())):
            assert isinstance(one, (Rule, Action, View, Total, Highlight))
            claim(kind, one.message if isinstance(one, Rule) else one.label, one.record, index=index)
    first = next(iter(records)).name
    claim("survives restart", "Everything survives a restart.", first)
    claim("phone layout", "It can be used on a phone.", first)
    return tuple(made)


def blueprint(title: str, slug: str, records: tuple[Record, ...], **parts: tuple[object, ...]) -> Blueprint:
    return Blueprint.model_validate(
        {"title": title, "slug": slug, "records": records, "claims": _claims(records, parts), **parts}
    )
