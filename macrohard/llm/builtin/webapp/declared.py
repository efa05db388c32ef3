"""The blueprint in the words of the product itself, as its `records.py` declares it."""

import re
from collections.abc import Iterable

from macrohard.llm.builtin.blueprint import Blueprint
from macrohard.llm.builtin.blueprint import Condition as ConditionPlan
from macrohard.llm.builtin.blueprint import Field as FieldPlan
from macrohard.llm.builtin.blueprint import Record as RecordPlan
from macrohard.llm.builtin.webapp.addresses import record_address, view_address
from macrohard.llm.builtin.webapp.source.app.declarations import (
    Action,
    Computed,
    Condition,
    Field,
    Highlight,
    Product,
    Record,
    Rule,
    Total,
    View,
)

_DANGER = re.compile(r"overdue|late|expired|exceed|over|out of|negative|missed|urgent|critical|lost|broken", re.I)
_GOOD = re.compile(r"\b(done|paid|in|available|free|completed?|on time|new|today|active)\b", re.I)


def product_of(blueprint: Blueprint) -> Product:
    """What `app/records.py` of the blueprint's product declares."""
    return Product(
        title=blueprint.title,
        records=tuple(_record(one) for one in blueprint.records),
        rules=tuple(
            Rule(**{**one.model_dump(exclude={"when"}), "when": _conditions(one.when)}) for one in blueprint.rules
        ),
        actions=tuple(
            Action(**{**one.model_dump(exclude={"when"}), "when": _conditions(one.when)}) for one in blueprint.actions
        ),
        views=tuple(
            View(
                **{
                    **one.model_dump(exclude={"when", "name"}),
                    "when": _conditions(one.when),
                    "address": view_address(one),
                }
            )
            for one in blueprint.views
        ),
        totals=tuple(
            Total(**{**one.model_dump(exclude={"when"}), "when": _conditions(one.when)}) for one in blueprint.totals
        ),
        highlights=tuple(
            Highlight(record=one.record, label=one.label, when=_conditions(one.when), tone=_tone(one.label))
            for one in blueprint.highlights
        ),
    )


def _record(plan: RecordPlan) -> Record:
    return Record(
        **{
            **plan.model_dump(exclude={"fields"}),
            "address": record_address(plan),
            "fields": tuple(_field(one) for one in plan.fields),
        }
    )


def _field(plan: FieldPlan) -> Field:
    computed = None
    if plan.computed:
        computed = Computed(
            how=plan.computed.how,
            fields=plan.computed.fields,
            record=plan.computed.record,
            when=_conditions(plan.computed.when),
            minus_when=_conditions(plan.computed.minus_when),
        )
    return Field(
        **{
            **plan.model_dump(exclude={"computed"}),
            "computed": computed,
            "currency": plan.currency or "",
            "unit": plan.unit or "",
        }
    )


def _conditions(plans: Iterable[ConditionPlan]) -> tuple[Condition, ...]:
    return tuple(Condition(one.field, one.is_, one.value, one.other) for one in plans)


def _tone(label: str) -> str:
    if _DANGER.search(label):
        return "danger"
    return "good" if _GOOD.search(label) else "warning"
