"""One acceptance test, or more, for each claim of a blueprint."""

from collections.abc import Callable, Iterator

from macrohard.domain import Scenario, Value
from macrohard.llm.builtin.acceptance import calling, fields, lists, records, rules, services
from macrohard.llm.builtin.acceptance.samples import NoSample
from macrohard.llm.builtin.acceptance.script import Script
from macrohard.llm.builtin.blueprint import Blueprint, Claim, ClaimKind

_WRITERS: dict[ClaimKind, Callable[[Blueprint, Claim], Iterator[tuple[str, Script]]]] = {
    "add and list": records.add_and_list,
    "edit": records.edit,
    "delete": records.delete,
    "survives restart": records.survives_restart,
    "detail history": records.detail_history,
    "field": fields.field,
    "required": fields.required,
    "unique": fields.unique,
    "range": fields.range_,
    "length": fields.length,
    "pattern": fields.pattern,
    "checksum": fields.checksum,
    "type": fields.type_,
    "choices": fields.choices,
    "default": fields.default,
    "computed": fields.computed,
    "rule": rules.rule,
    "action": rules.action,
    "view": lists.view,
    "search": lists.search,
    "filter": lists.filter_,
    "sort": lists.sort,
    "paging": records.paging,
    "total": lists.total,
    "highlight": lists.highlight,
    "export": records.export,
    "import": records.import_,
    "print": lists.print_,
    "phone layout": records.phone_layout,
}

_OF_SERVICES: dict[ClaimKind, Callable[[Blueprint, Claim], Iterator[tuple[str, Script]]]] = {
    "add and list": services.add_and_list,
    "edit": services.edit,
    "delete": services.delete,
    "survives restart": services.survives_restart,
    "choices": services.choices,
    "action": services.action,
    "view": services.view,
    "search": services.search,
    "filter": services.filter_,
    "sort": services.sort,
    "paging": services.paging,
    "total": services.total,
    "highlight": services.highlight,
}
"""Instead of those for pages; what else there is about services is said in the same way of both."""

_OF_TOOLS: dict[ClaimKind, Callable[[Blueprint, Claim], Iterator[tuple[str, Script]]]] = {
    **_OF_SERVICES,
    "export": calling.export,
    "import": calling.import_,
}


class Missing(Value):
    """A claim for which no scenario could be written; its criterion can never be met."""

    criterion: str
    reason: str


class Writing(Value):
    """All that could be written for a blueprint."""

    scenarios: tuple[Scenario, ...]
    missing: tuple[Missing, ...]
    """Claims that are to be covered, but for which no test was found."""


def scenarios(blueprint: Blueprint) -> tuple[Scenario, ...]:
    """Scenarios S-1, S-2, … for every claim that is covered, the first claim being AC-1.

    A claim that cannot be tested has none, so that it is never taken for met; `written` says why.
    """
    return written(blueprint).scenarios


def written(blueprint: Blueprint) -> Writing:
    """The scenarios, and the claims for which there are none."""
    found: list[Scenario] = []
    missing: list[Missing] = []
    own = {"web": {}, "api": _OF_SERVICES, "cli": _OF_TOOLS}[blueprint.kind]
    for number, claim in enumerate(blueprint.claims, start=1):
        if claim.kind == "not covered":
            continue
        criterion = f"AC-{number}"
        try:
            drafts = list((_WRITERS | own)[claim.kind](blueprint, claim))
        except (NoSample, LookupError) as error:
            missing.append(Missing(criterion=criterion, reason=str(error)))
            continue
        for title, script in drafts:
            scenario = Scenario(id=f"S-{len(found) + 1}", criterion=criterion, title=title, steps=tuple(script.steps))
            if not scenario.asserts:
                raise AssertionError(f"the scenario for {criterion} checks nothing")
            found.append(scenario)
    return Writing(scenarios=tuple(found), missing=tuple(missing))
