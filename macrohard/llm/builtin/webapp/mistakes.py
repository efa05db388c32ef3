"""Mistakes that a careless coder makes, and their repair once somebody reported what they cause."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from macrohard.domain import Value
from macrohard.llm.builtin.blueprint import Blueprint, Claim, ClaimKind
from macrohard.llm.builtin.webapp.declared import product_of
from macrohard.llm.builtin.webapp.declaring import INNER, member, written
from macrohard.llm.builtin.webapp.problems import Edit, Problem
from macrohard.llm.builtin.webapp.source.app.declarations import Field, Product

MOST = 9
_RECORDS = "app/records.py"


class Mistake(Value):
    """One wrong place in one file, as somebody in a hurry would leave it."""

    kind: str
    title: str
    file: str
    right: str
    wrong: str
    claim_kinds: tuple[ClaimKind, ...]
    """The claims that fail for it, if there are any …"""
    record: str | None = None
    field: str | None = None
    index: int | None = None
    """… and which of them exactly; None: any."""
    hints: tuple[str, ...] = ()
    """Regular expressions, one of which is found in what a visitor says about it."""

    def explains(self, claim: Claim) -> bool:
        """Whether the claim fails for this mistake."""
        return claim.kind in self.claim_kinds and all(
            own is None or told is None or own == told
            for own, told in (
                (self.record, claim.record),
                (self.field, claim.field),
                (self.index, claim.index),
            )
        )


def mistakes_for(blueprint: Blueprint, files: Mapping[str, str]) -> tuple[Mistake, ...]:
    """At most `MOST` mistakes of different kinds that this product gives occasion to, the same ones each time."""
    chosen: list[Mistake] = []
    for kind in _KINDS:
        for mistake in kind(product_of(blueprint), blueprint):
            text = files.get(mistake.file, "")
            fits = text.count(mistake.right) == 1 and mistake.wrong not in text
            apart = all(
                mistake.file != other.file or (mistake.right not in other.right and other.right not in mistake.right)
                for other in chosen
            )
            claimed = not mistake.claim_kinds or any(mistake.explains(claim) for claim in blueprint.claims)
            if fits and apart and claimed:
                chosen.append(mistake)
                break
    return tuple(chosen[:MOST])


def with_mistakes(mistakes: Sequence[Mistake], files: Mapping[str, str]) -> dict[str, str]:
    """The files as a careless coder writes them."""
    made = dict(files)
    for mistake in mistakes:
        made[mistake.file] = made[mistake.file].replace(mistake.right, mistake.wrong)
    return made


def repaired(
    mistakes: Sequence[Mistake], claims: Sequence[Claim], problems: Sequence[Problem], current: Mapping[str, str]
) -> tuple[Mistake, ...]:
    """Those of the mistakes that are still in the current files and explain one of the problems."""
    return tuple(
        mistake
        for mistake in mistakes
        if current.get(mistake.file, "").count(mistake.wrong) == 1
        and any(_explains(mistake, claims, problem) for problem in problems)
    )


def edit(mistake: Mistake) -> Edit:
    """What mends the mistake."""
    return Edit(file=mistake.file, old=mistake.wrong, new=mistake.right)


def _explains(mistake: Mistake, claims: Sequence[Claim], problem: Problem) -> bool:
    said = " ".join((problem.title, problem.detail, problem.page, problem.element, problem.category))
    if problem.kind == "finding":
        return any(re.search(hint, said, re.I) for hint in mistake.hints)
    number = int((problem.criterion or "AC-0").removeprefix("AC-"))
    if 0 < number <= len(claims) and mistake.explains(claims[number - 1]):
        return True
    # Whatever the criterion is about, it can fail on the way to it.
    return any(re.search(hint, problem.detail, re.I) for hint in mistake.hints)


_Found = Iterator[Mistake]


def _validation(product: Product, blueprint: Blueprint) -> _Found:
    """A field that is not checked as it was asked for."""
    kinds: dict[str, dict[str, Any]] = {
        "pattern": {"pattern": None, "pattern_hint": None, "pattern_example": None},
        "checksum": {"checksum": None},
        "range": {"minimum": None, "maximum": None, "exclusive_minimum": False},
        "unique": {"unique": False},
        "required": {"required": False},
    }
    for kind, forgotten in kinds.items():
        for claim in blueprint.claims:
            if claim.kind == kind and claim.record and claim.field:
                field = product.record(claim.record).field(claim.field)
                said = re.escape(field.label)
                yield Mistake(
                    kind="validation forgotten",
                    title=f"{field.label} is not checked ({kind})",
                    file=_RECORDS,
                    right=_written(field),
                    wrong=_written(replace(field, **forgotten)),
                    claim_kinds=(claim.kind,),
                    record=claim.record,
                    field=claim.field,
                    hints=(rf"{said}.*(accepted|saved|empty|without|twice|invalid|refus|required)",),
                )


def _filter(product: Product, blueprint: Blueprint) -> _Found:
    """A filter that lets through what it should not."""
    yield Mistake(
        kind="filter wrong",
        title="Filters let everything through that has a value",
        file="app/listing.py",
        right="return fields.plain(field, value).casefold() == chosen.casefold()",
        wrong='return fields.plain(field, value).casefold() != ""',
        claim_kinds=("filter",),
        hints=(r"filter",),
    )


def _persistence(product: Product, blueprint: Blueprint) -> _Found:
    """Data that is gone when the product starts again."""
    yield Mistake(
        kind="not persisted",
        title="Records are kept in memory only",
        file="app/__main__.py",
        right="storage = Storage(file, PRODUCT)",
        wrong='storage = Storage(Path(":memory:"), PRODUCT)',
        claim_kinds=("survives restart",),
        hints=(r"data loss", r"restart", r"\blost\b|\bgone\b"),
    )


def _total(product: Product, blueprint: Blueprint) -> _Found:
    """A number that is not what the rows add up to."""
    for index, total in enumerate(product.totals):
        if total.when:
            yield _member(
                "wrong total",
                f"“{total.label}” counts everything",
                total,
                replace(total, when=()),
                blueprint,
                "total",
                index,
                total.label,
            )
        elif total.how == "sum":
            yield _member(
                "wrong total",
                f"“{total.label}” is an average",
                total,
                replace(total, how="average"),
                blueprint,
                "total",
                index,
                total.label,
            )
    for index, view in enumerate(product.views):
        if len(view.when) > 1:
            yield _member(
                "view wrong",
                f"“{view.label}” lists too much",
                view,
                replace(view, when=view.when[:-1]),
                blueprint,
                "view",
                index,
                view.label,
            )


def _label(product: Product, blueprint: Blueprint) -> _Found:
    """An input that nobody can name who does not see it."""
    yield Mistake(
        kind="unlabelled input",
        title="The search box has no label",
        file="app/tables.py",
        right='tag("label", "Search", for_="search")',
        wrong='tag("span", "Search")',
        claim_kinds=("search",),
        hints=(r"label", r"no (field|searchbox|textbox) \"?Search", r"accessible name", r"#search\b"),
    )


def _crash(product: Product, blueprint: Blueprint) -> _Found:
    """Something people type that nobody thought of."""
    yield Mistake(
        kind="crash on odd input",
        title="Characters beyond Latin-1, such as an emoji, end in an error page",
        file="app/routes.py",
        right="content = repr(sorted(request.form.items())).encode()",
        wrong='content = repr(sorted(request.form.items())).encode("latin-1")',
        claim_kinds=(),
        hints=(r"crash", r"\b500\b", r"server error|went wrong", r"emoji|🎉"),
    )


def _rule(product: Product, blueprint: Blueprint) -> _Found:
    """A rule that was put off and forgotten."""
    for index, rule in enumerate(product.rules):
        comment = _comment(blueprint, "rule", index)
        yield Mistake(
            kind="rule forgotten",
            title=f"Not kept: {rule.message}",
            file=_RECORDS,
            right=f"    {member(rule, comment)}\n",
            wrong=f"    # TODO: {' '.join(rule.message.split())[:90]}\n",
            claim_kinds=("rule",),
            index=index,
            hints=(re.escape(rule.message.rstrip(".")),),
        )


def _order(product: Product, blueprint: Blueprint) -> _Found:
    """Lists that are sorted the wrong way round."""
    yield Mistake(
        kind="order reversed",
        title="Lists are sorted the wrong way round",
        file="app/listing.py",
        right="filled.sort(key=lambda pair: pair[0] or (), reverse=descending)",
        wrong="filled.sort(key=lambda pair: pair[0] or (), reverse=not descending)",
        claim_kinds=("sort",),
        hints=(r"\bsort|\border\b",),
    )


def _action(product: Product, blueprint: Blueprint) -> _Found:
    """A button that does something else than it says."""
    for index, action in enumerate(product.actions):
        record = product.record(action.record)
        sets = {name: _other(record.field(name), text) for name, text in action.sets.items()}
        if sets != action.sets:
            yield _member(
                "action wrong",
                f"“{action.label}” does not do what it says",
                action,
                replace(action, sets=sets),
                blueprint,
                "action",
                index,
                action.label,
            )


def _export(product: Product, blueprint: Blueprint) -> _Found:
    """A file that lacks a column."""
    exported = [record for record in product.records if record.export_csv]
    if exported and all(record.fields[-1].entered for record in exported):
        wrong = "columns = record.fields[:-1]"
    else:
        wrong = "columns = record.fields[1:]"
    yield Mistake(
        kind="export drops a column",
        title="A column is missing in exported files",
        file="app/transfer.py",
        right="columns = record.fields",
        wrong=wrong,
        claim_kinds=("export",),
        hints=(r"export|csv|column",),
    )


_KINDS: tuple[Callable[[Product, Blueprint], _Found], ...] = (
    _validation,
    _filter,
    _persistence,
    _total,
    _label,
    _crash,
    _rule,
    _order,
    _action,
    _export,
)


def _member(
    kind: str, title: str, right: Any, wrong: Any, blueprint: Blueprint, claim: ClaimKind, index: int, label: str
) -> Mistake:
    """A mistake in one of the declared totals, views or actions."""
    comment = _comment(blueprint, claim, index)
    return Mistake(
        kind=kind,
        title=title,
        file=_RECORDS,
        right=f"    {member(right, comment)}\n",
        wrong=f"    {member(wrong, comment)}\n",
        claim_kinds=(claim,),
        index=index,
        hints=(rf"\b{re.escape(label)}\b",),
    )


def _comment(blueprint: Blueprint, kind: ClaimKind, index: int) -> str:
    for number, claim in enumerate(blueprint.claims, 1):
        if (claim.kind, claim.index) == (kind, index):
            return f"AC-{number}: {' '.join(claim.text.split())}"
    return ""


def _written(field: Field) -> str:
    """The field as it stands within its record."""
    return f"{' ' * 2 * INNER}{written(field, 2 * INNER)},\n"


def _other(field: Field, text: str) -> str:
    """Something else that an action could set the field to."""
    if field.type == "yes/no":
        return "no" if text == "yes" else "yes"
    if field.type == "choice":
        return next((choice for choice in field.choices if choice.casefold() != text.casefold()), text)
    if matched := re.fullmatch(r"([+-])(\d+)([a-z]?)", text):
        return f"{matched[1]}{int(matched[2]) + 1}{matched[3]}"
    if field.type == "time":
        return "empty"
    return {"today": "today-1d", "now": "today-1d", "empty": text}.get(text, text)
