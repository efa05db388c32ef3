"""Whether what somebody noticed happens again: the same acts on a fresh product in a fresh browser."""

import re
from collections.abc import Sequence

from macrohard.domain import Finding, Value
from macrohard.product.browser import StepFailed, Visit
from macrohard.product.outline import Outline, carried_over, change_in_words, outline_of
from macrohard.product.service import Service
from macrohard.product.usage import ENDED, NARROW_PIXELS, Act, open_pod, title_of
from macrohard.sandbox.contract import SandboxProvider

TRIES = 3
_PASSING = re.compile(
    r"\b\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?\b|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b[0-9a-f]{16,}\b|\b\d+ (?:ms|seconds?)\b"
)
"""Times of day and drawn names differ from visit to visit without meaning anything."""


class Again(Value):
    """What one act led to this time."""

    worked: bool
    result: str
    broke: tuple[str, ...]


async def reproduce(
    provider: SandboxProvider,
    findings: Sequence[Finding],
    acts: Sequence[Act],
    *,
    bundle: bytes,
    commit: str,
    width: int,
    height: int,
) -> tuple[Finding, ...]:
    """The findings, those of a particular step with whether the same acts lead to the same in at most three tries.

    Something that breaks must break again, anywhere on the way; anything else must look as it looked. Where an act that
    had worked does not work any more, the way cannot be gone again and nothing is known.

    Raises:
        ToolError, SandboxUnavailable: as for `open_visit`.
    """
    open_ = [finding for finding in findings if finding.step]
    known: dict[str, bool] = {}
    if not open_:
        return tuple(findings)
    acts = acts[: max(finding.step for finding in open_)]
    async with open_pod(provider, bundle=bundle, commit=commit) as (service, browser):
        for number in range(TRIES):
            if number:
                await service.restart(wiped=True)
            async with browser.visit(width=width, height=height, touch=width < NARROW_PIXELS) as visit:
                seen = await _act_again(visit, service, acts)
            for finding in open_:
                if (same := _same(finding, acts, seen)) is not None:
                    known[finding.id] = same or known.get(finding.id, False)
            # What cannot be gone again now cannot be gone again later.
            if all(known.get(finding.id, True) for finding in open_):
                break
    return tuple(finding.model_copy(update={"reproduced": known.get(finding.id)}) for finding in findings)


def _same(finding: Finding, acts: Sequence[Act], seen: Sequence[Again]) -> bool | None:
    if finding.category == "crash" and any(title_of(one) == finding.title for each in seen for one in each.broke):
        return True
    before, there = seen[: finding.step - 1], seen[finding.step - 1]
    if any(act.worked and not again.worked for act, again in zip(acts, before, strict=False)):
        return None
    if finding.category == "crash":
        return False
    return _lasting(there.result) == _lasting(acts[finding.step - 1].result)


def _lasting(result: str) -> str:
    return _PASSING.sub("…", result)


async def _act_again(visit: Visit, service: Service, acts: Sequence[Act]) -> list[Again]:
    outline: Outline | None = None
    seen: list[Again] = []
    # The visit began at the first page, before the first act.
    for act in (Act(action="open", target="", value="/"), *acts):
        problem, broke = "", list[str]()
        reference = outline.reference_of(act.target, act.place) if outline else ""
        target = (outline.references.get(reference, reference) if outline else "") or act.target
        before = outline
        try:
            await visit.act(act.action, target=target, value=act.value)
        except StepFailed as error:
            problem = str(error).replace(target, act.target)
        try:
            outline = carried_over(before, outline_of(await visit.look()))
        except StepFailed as error:
            problem = problem or str(error)
        broke += dict.fromkeys(visit.take_noticed().breakdowns)
        if await service.revive():
            broke.append(ENDED)
        await service.require_sandbox()
        told = problem or (change_in_words(before, outline) if outline else "")
        seen.append(Again(worked=not problem, result="; ".join([*broke, told]), broke=tuple(broke)))
    return seen[1:]
