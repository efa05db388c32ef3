"""A claim for everything in a blueprint that is written by hand."""

from macrohard.llm.builtin.blueprint import (
    Blueprint,
    Claim,
    ClaimKind,
    Condition,
)


def is_(field: str, relation: str, value: str | None = None, *, other: str | None = None) -> Condition:
    """A condition, in short."""
    return Condition.model_validate({"field": field, "is": relation, "value": value, "other": other})


def with_claims(blueprint: Blueprint) -> Blueprint:
    """The blueprint with a claim for everything in it."""
    found: list[Claim] = []

    def claim(kind: ClaimKind, record: str, field: str | None = None, index: int | None = None) -> None:
        words = f"{kind}: {record}{f'.{field}' if field else ''}{f' {index}' if index is not None else ''}"
        found.append(Claim(kind=kind, text=words, priority="MUST", record=record, field=field, index=index))

    for record in blueprint.records:
        for kind in ("add and list", "edit", "field"):
            claim(kind, record.name)
        if record.deletable:
            claim("delete", record.name)
        for one in record.fields:
            if one.computed:
                claim("computed", record.name, one.name)
                continue
            if one.automatic:
                continue
            if one.required and one.type != "yes/no":
                claim("required", record.name, one.name)
            if one.unique:
                claim("unique", record.name, one.name)
            if one.minimum or one.maximum:
                claim("range", record.name, one.name)
            if one.min_length or one.max_length:
                claim("length", record.name, one.name)
            if one.pattern:
                claim("pattern", record.name, one.name)
            if one.checksum:
                claim("checksum", record.name, one.name)
            if one.choices:
                claim("choices", record.name, one.name)
            if one.default:
                claim("default", record.name, one.name)
            if one.references:
                claim("detail history", record.name, one.name)
            if one.type not in {"text", "long text", "choice", "reference"}:
                claim("type", record.name, one.name)
        if record.search:
            claim("search", record.name)
        for name in record.filters:
            claim("filter", record.name, name)
        for name in record.sortable:
            claim("sort", record.name, name)
        if record.page_size < 25:
            claim("paging", record.name)
        if record.export_csv:
            claim("export", record.name)
        if record.import_csv:
            claim("import", record.name)
    for index, rule in enumerate(blueprint.rules):
        claim("rule", rule.record, index=index)
    for index, action in enumerate(blueprint.actions):
        claim("action", action.record, index=index)
    for index, view in enumerate(blueprint.views):
        claim("view", view.record, index=index)
        if view.printable:
            claim("print", view.record, index=index)
    for index, total in enumerate(blueprint.totals):
        claim("total", total.record, index=index)
    for index, highlight in enumerate(blueprint.highlights):
        claim("highlight", highlight.record, index=index)
    main = blueprint.records[0].name
    claim("survives restart", main)
    claim("phone layout", main)
    found.append(Claim(kind="not covered", text="Sends an e-mail.", priority="SHOULD"))
    return blueprint.model_copy(update={"claims": tuple(found)})
