"""How much of what people state becomes a claim: reads the examples, builds nothing, ends with one JSON line.

Each line of `examples.jsonl` holds a requirement, the expected decision and the items it states. An item's `expect`
says which claim it should have become: `kind` (one or several), and, as far as given, what that claim is about. Texts
are regular expressions; names of records and fields are matched whole, everything else anywhere, ignoring case.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field, JsonValue

from macrohard.domain import Value
from macrohard.llm.builtin.blueprint import Blueprint, Claim, Condition, Reading, Record
from macrohard.llm.builtin.understanding import consistent, read

EXAMPLES = Path(__file__).with_name("examples.jsonl")
_FACTS = (
    "type", "required", "unique", "minimum", "maximum", "exclusive_minimum", "min_length", "max_length", "checksum",
    "default", "currency", "unit", "choices",
)  # fmt: skip


class Expected(Value):
    """Which claim an item should have become."""

    kind: str | tuple[str, ...]
    record: str | None = None
    field: str | None = None
    priority: str | None = None
    says: str | None = None
    """In the claim's text or its source."""
    rule: str | tuple[str, ...] | None = None
    on: tuple[str, ...] = ()
    """Fields of the rule."""
    limit: int | None = None
    strict: bool | None = None
    when: tuple[str, ...] = ()
    """Conditions as "due date before today", "status not equal Closed", "quantity at most minimum stock"."""
    sets: str | None = None
    """ "done=yes"."""
    sort: str | None = None
    descending: bool | None = None
    group: str | None = None
    how: str | None = None
    covers: tuple[str, ...] = ()
    """Fields that are searched."""
    facts: dict[str, JsonValue] = Field(default_factory=dict)
    """Attributes of the field."""


class Stated(Value):
    """One thing the person said."""

    item: str
    expect: Expected


class Example(Value):
    """One requirement with what an attentive reader finds in it."""

    id: str
    requirement: str
    decision: str
    stated: tuple[Stated, ...] = ()
    excluded: tuple[str, ...] = ()
    """Texts that must be reported as not followed."""
    held_out: bool = False


def examples(path: Path = EXAMPLES) -> Iterator[Example]:
    """The examples of a file; attributes of a field may stand beside the other expectations."""
    for line in path.read_text(encoding="utf-8").splitlines():
        loaded = json.loads(line)
        for stated in loaded.get("stated", ()):
            expect = stated["expect"]
            if expect == "not covered":
                stated["expect"] = {"kind": "not covered", "says": re.escape(stated["item"])}
                continue
            expect["facts"] = {name: expect.pop(name) for name in _FACTS if name in expect}
        yield Example.model_validate(loaded)


def matched(stated: Stated, reading: Reading) -> Claim | None:
    """The claim that the stated item became, if it did."""
    blueprint = reading.blueprint
    if blueprint is None:
        return None
    return next((claim for claim in blueprint.claims if _fits(stated.expect, claim, blueprint)), None)


def _fits(expect: Expected, claim: Claim, blueprint: Blueprint) -> bool:
    kinds = (expect.kind,) if isinstance(expect.kind, str) else expect.kind
    if claim.kind not in kinds or (expect.priority and claim.priority != expect.priority):
        return False
    if expect.says and not re.search(expect.says, f"{claim.text} {claim.source}"):
        return False
    if claim.record is None:
        return expect.record is None
    record = blueprint.record(claim.record)
    if expect.record and not re.fullmatch(f"(?i){expect.record}", record.label):
        return False
    return _field_fits(expect, claim, record) and _part_fits(expect, claim, blueprint, record)


def _field_fits(expect: Expected, claim: Claim, record: Record) -> bool:
    about = [record.field(claim.field)] if claim.field else list(record.fields) if claim.kind == "field" else []
    if expect.field is None and not expect.facts:
        return True
    for field in about:
        if expect.field and not re.fullmatch(f"(?i){expect.field}", field.label):
            continue
        if claim.kind == "field" and (field.computed or field.label.lower() not in claim.text.lower()):
            continue
        if all(_same(wanted, getattr(field, name)) for name, wanted in expect.facts.items()):
            return True
    return False


def _same(wanted: JsonValue, found: object) -> bool:
    if isinstance(wanted, list):
        there = {str(one).lower() for one in found} if isinstance(found, tuple) else {str(found).lower()}
        if isinstance(found, tuple):
            return {str(one).lower() for one in wanted} <= there
        return str(found).lower() in {str(one).lower() for one in wanted}
    return wanted == found


def _part_fits(expect: Expected, claim: Claim, blueprint: Blueprint, record: Record) -> bool:
    if expect.covers:
        labels = [record.field(name).label for name in record.search]
        return _all_there(expect.covers, labels)
    if claim.index is None:
        return not (expect.when or expect.sets or expect.rule or expect.group)
    match claim.kind:
        case "rule":
            rule = blueprint.rules[claim.index]
            kinds = (expect.rule,) if isinstance(expect.rule, str) else expect.rule
            names = {one.name: one.label for one in record.fields}
            return (
                (kinds is None or rule.kind in kinds)
                and _all_there(expect.on, [names.get(name, name) for name in (*rule.fields, *rule.scope)])
                and expect.limit in (None, rule.limit, 1 if rule.kind == "unique together" else None)
                and expect.strict in (None, rule.strict)
                and (rule.kind == "reference condition" or _meets(expect.when, rule.when, record))
            )
        case "action":
            action = blueprint.actions[claim.index]
            sets = [f"{record.field(name).label}={value}" for name, value in action.sets.items()]
            return (expect.sets is None or _all_there((expect.sets,), sets)) and _meets(
                expect.when, action.when, record
            )
        case "view" | "print":
            view = blueprint.views[claim.index]
            sort = record.field(view.sort).label if view.sort else ""
            return (
                _meets(expect.when, view.when, record)
                and (expect.sort is None or bool(re.fullmatch(f"(?i){expect.sort}", sort)))
                and expect.descending in (None, view.descending)
            )
        case "total":
            total = blueprint.totals[claim.index]
            group = record.field(total.group_by).label if total.group_by else ""
            return (
                expect.how in (None, total.how)
                and (expect.group is None or bool(re.fullmatch(f"(?i).*{expect.group}.*", group)))
                and _meets(expect.when, total.when, record)
            )
        case "highlight":
            return _meets(expect.when, blueprint.highlights[claim.index].when, record)
    return True


def _all_there(wanted: Sequence[str], found: Sequence[str]) -> bool:
    return all(any(re.fullmatch(f"(?i){one}", text) for text in found) for one in wanted)


def _meets(wanted: Sequence[str], when: Sequence[Condition], record: Record) -> bool:
    texts = [_text(one, record) for one in when]
    return all(any(re.fullmatch(f"(?i){one}", text) for text in texts) for one in wanted)


def _text(one: Condition, record: Record) -> str:
    value = record.field(one.other).label if one.other else one.value or ""
    return f"{record.field(one.field).label} {one.is_} {value}".strip()


def main() -> None:
    """Print what did not become a claim, then one JSON line."""
    verbose = "--quiet" not in sys.argv
    sums = {False: [0, 0, 0, 0], True: [0, 0, 0, 0]}  # held out → examples, right decisions, stated, matched
    for example in examples():
        reading = read(example.requirement)
        sums_here = sums[example.held_out]
        sums_here[0] += 1
        sums_here[1] += reading.decision == example.decision
        problems = consistent(reading.blueprint) if reading.blueprint else []
        missing = [stated.item for stated in example.stated if matched(stated, reading) is None]
        excluded = " ".join(one.text for one in reading.exclusions)
        missing += [text for text in example.excluded if text not in excluded]
        total = len(example.stated) + len(example.excluded)
        sums_here[2] += total
        sums_here[3] += total - len(missing)
        if verbose and (missing or problems or reading.decision != example.decision):
            print(f"{example.id}: {reading.decision} (expected {example.decision}); missing: {missing} {problems}")
    print(
        json.dumps(
            {
                name: {"examples": n, "decided_right": right, "stated": stated, "criteria": found}
                for name, (n, right, stated, found) in (("tuned", sums[False]), ("held_out", sums[True]))
            }
        )
    )


if __name__ == "__main__":
    main()
