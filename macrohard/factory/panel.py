"""What a panel of simulated users comes to: stumbles become findings, those of several become one, weighed by rule."""

import re
from collections.abc import Sequence

from macrohard.domain import Finding, Severity, UserReport, UserStep
from macrohard.product import pattern_of

WRONG_FROM = 2
"""Surprise from which a step counts as a detour."""
DETOURS = 2
"""More than these in one visit make a finding serious."""
ALIKE_FROM = 0.4
"""Share of words that two broken expectations about one element have in common, to be the same."""
NEAR_LINES = 5
_WORD = re.compile(r"[^\W\d_]{3,}")
_BY_RULE = frozenset({"misleading", "dead end"})
"""Kinds of findings that are weighed by who stumbled, and how often; the others bring their weight with them."""


def rated(steps: Sequence[UserStep], report: UserReport | None) -> tuple[UserStep, ...]:
    """The steps of a visit that came to its end: unrated was as expected, and the report rates the last one.

    Of a visit that was cut off (no report) nobody knows what else would have been said, so that its steps stay unrated.
    What broke stays shocking.
    """
    if not steps or report is None:
        return tuple(steps)
    *before, last = steps
    known = [each for each in (report.last_surprise, last.surprise) if each is not None]
    said = {"surprise": max(known, default=None), "remark": report.last_remark or last.remark}
    return (
        *(step if step.surprise is not None else step.model_copy(update={"surprise": 0}) for step in before),
        last.model_copy(update=said),
    )


def stumbles(visitor: str, commit: str, steps: Sequence[UserStep], report: UserReport | None) -> tuple[Finding, ...]:
    """A finding for each step that was wrong, or odd with a remark, and one for each wish.

    Weights: 4 the task could not be done, and this was the last thing in its way; 3 more than two detours; 2 a detour;
    1 odd. A step that nobody rated is none.
    """
    wrong = [step for step in steps if (step.surprise or 0) >= WRONG_FROM]
    failed = report is not None and not report.goal_reached
    found = []
    for step in steps:
        if not step.surprise or (step.surprise < WRONG_FROM and not step.remark):
            continue
        severity: Severity = 1 if step.surprise < WRONG_FROM else 2
        if failed and wrong and step is wrong[-1]:
            severity = 4
        before = steps[step.number - 2].page if step.number > 1 else "/"
        found.append(
            Finding(
                id=f"{visitor}-{step.number}",
                commit=commit,
                found_by=visitor,
                category="dead end" if severity == 4 else "misleading",
                severity=severity,
                title=step.remark or f"{step.action}: {step.result[:120]}",
                detail=f"Meant: {step.intention} Expected: {step.expectation} Did: {step.action} "
                f"Got: {step.result[:500]}",
                page=pattern_of(before),
                element=step.element,
                expected=step.expectation,
                step=step.number,
                evidence=(step.frame,) if step.frame else (),
            )
        )
    wishes = report.wishes if report is not None else ()
    return (*found, *(_wish(visitor, commit, number, text) for number, text in enumerate(wishes, 1)))


def _wish(visitor: str, commit: str, number: int, text: str) -> Finding:
    return Finding(
        id=f"{visitor}-wish-{number}",
        commit=commit,
        found_by=visitor,
        category="wish",
        severity=1,
        title=text,
        detail="Nobody promised this; whether it is to be built is for you to say.",
    )


def clustered(findings: Sequence[Finding], *, panel: int) -> tuple[Finding, ...]:
    """One finding for what several noticed: the same element, the same expectation broken.

    `panel` is the number of simulated users who were there. What at least half of them, and more than one, stumbled
    over is serious, and so is what cost one of them more than two detours. All that was said is kept.
    """
    groups: list[list[Finding]] = []
    for finding in findings:
        group = next((each for each in groups if _same(each[0], finding)), None)
        if group is None:
            groups.append([finding])
        else:
            group.append(finding)
    return tuple(_as_one(group, panel) for group in groups)


def _same(one: Finding, other: Finding) -> bool:
    if one.id == other.id:
        return True
    if one.category == other.category == "wish":
        return alike(one.title, other.title)
    if one.file or other.file:
        return _same_place(one, other)
    if one.category not in _BY_RULE or other.category not in _BY_RULE or not (one.step and other.step):
        return False
    there = one.page == other.page and one.element == other.element
    return there and bool(one.element) and alike(one.expected, other.expected) and _both_repeat(one, other)


def _same_place(one: Finding, other: Finding) -> bool:
    """Two readers mean the same: by the line, or, as who looks from elsewhere points at a neighbour, by the words."""
    if one.file != other.file:
        return False
    near = abs(one.line - other.line) <= NEAR_LINES
    return one.line == other.line or (near and alike(one.title, other.title))


def _both_repeat(one: Finding, other: Finding) -> bool:
    # What does not happen again is a note; it must not take along what does, nor be carried by it.
    return (one.reproduced is False) == (other.reproduced is False)


def alike(one: str, other: str) -> bool:
    """Whether two sentences say the same, as far as their words tell."""
    first, second = (set(_WORD.findall(text.casefold())) for text in (one, other))
    return bool(first | second) and len(first & second) / len(first | second) >= ALIKE_FROM


def _as_one(group: Sequence[Finding], panel: int) -> Finding:
    heaviest = max(group, key=lambda finding: (finding.severity, finding.reproduced is True))
    seen_by = tuple(dict.fromkeys(name for each in group for name in (*each.seen_by, each.found_by)))
    severity = heaviest.severity
    if heaviest.category in _BY_RULE and not heaviest.file and severity >= WRONG_FROM:
        most = max(sum(1 for each in group if each.found_by == name and each.severity > 1) for name in seen_by)
        by_many = len(seen_by) > 1 and 2 * len(seen_by) >= panel
        severity = max(severity, 3) if most > DETOURS or by_many else severity
    details = dict.fromkeys(each.detail for each in (heaviest, *group))
    return heaviest.model_copy(
        update={
            "seen_by": seen_by,
            "severity": severity,
            "detail": "\n".join(details),
            "reproduced": _reproduced(group),
            "evidence": tuple(dict.fromkeys(digest for each in group for digest in each.evidence)),
        }
    )


def _reproduced(group: Sequence[Finding]) -> bool | None:
    said = [each.reproduced for each in group if each.reproduced is not None]
    return any(said) if said else None
