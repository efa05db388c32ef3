"""Whether what somebody noticed happens again: the same acts on a fresh product, in a visit of its own."""

import re
from collections.abc import Sequence
from contextlib import suppress

from macrohard.domain import Design, Finding, Value
from macrohard.errors import ToolError
from macrohard.product.browser import View
from macrohard.product.ground import open_ground
from macrohard.product.scene import Act, Scene
from macrohard.sandbox.contract import SandboxProvider

TRIES = 3
_DRAWN = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b(?=[\w-]*\d)[\w-]{20,}\b")
"""Names that products draw anew each time: numbers of records, sessions, tokens."""
_PASSING = re.compile(
    rf"\b\d{{1,2}}:\d\d(?::\d\d)?(?:\.\d+)?\b|\b[0-9a-f]{{16,}}\b|\b\d+ (?:ms|seconds?)\b|{_DRAWN.pattern}"
)
"""Times of day and drawn names differ from visit to visit without meaning anything."""


class Again(Value):
    """What one act led to this time."""

    worked: bool
    result: str
    noted: tuple[str, ...]
    """Titles of what our code noted."""


async def reproduce(
    provider: SandboxProvider,
    findings: Sequence[Finding],
    acts: Sequence[Act],
    *,
    bundle: bytes,
    commit: str,
    view: View,
    design: Design | None = None,
) -> tuple[Finding, ...]:
    """The findings, those of a particular step with whether the same acts lead to the same in at most three tries.

    What our code noted must be noted again, anywhere on the way; anything else must look as it looked. Where an act
    that had worked does not work any more, the way cannot be gone again and nothing is known.

    Raises:
        ToolError, SandboxUnavailable: as for `open_visit`.
    """
    open_ = [finding for finding in findings if finding.step]
    known: dict[str, bool] = {}
    if not open_:
        return tuple(findings)
    acts = acts[: max(finding.step for finding in open_)]
    async with open_ground(provider, bundle=bundle, commit=commit, design=design) as ground:
        for _ in range(TRIES):
            async with ground.scene(view) as scene:
                seen = await _act_again(scene, acts)
            for finding in open_:
                if (same := _same(finding, acts, seen)) is not None:
                    known[finding.id] = same or known.get(finding.id, False)
            # What cannot be gone again now cannot be gone again later.
            if all(known.get(finding.id, True) for finding in open_):
                break
    return tuple(finding.model_copy(update={"reproduced": known.get(finding.id)}) for finding in findings)


def _same(finding: Finding, acts: Sequence[Act], seen: Sequence[Again]) -> bool | None:
    there = acts[finding.step - 1]
    was_noted = finding.title in there.noted
    if was_noted and any(finding.title in again.noted for again in seen):
        return True
    if any(act.worked and not again.worked for act, again in zip(acts[: finding.step - 1], seen, strict=False)):
        return None
    if was_noted:
        return False
    return _lasting(seen[finding.step - 1].result) == _lasting(there.result)


def _lasting(result: str) -> str:
    return _PASSING.sub("…", result)


async def _act_again(scene: Scene, acts: Sequence[Act]) -> list[Again]:
    # What cannot be opened cannot be acted on either, and each act says so.
    with suppress(ToolError):
        await scene.look()
    scene.take_noted()
    seen: list[Again] = []
    drawn: dict[str, str] = {}
    for act in acts:
        try:
            deed = await scene.act(act.action, scene.target_of(_with(act, drawn)), _with(act, drawn).value)
        except ToolError as error:
            seen.append(Again(worked=False, result=str(error), noted=()))
            continue
        noted = tuple(one.title for one in scene.take_noted())
        seen.append(Again(worked=not deed.problem, result=deed.result, noted=noted))
        before, now = _DRAWN.findall(act.result), _DRAWN.findall(deed.result)
        if len(before) == len(now):
            drawn |= dict(zip(before, now, strict=True))
    return seen


def _with(act: Act, drawn: dict[str, str]) -> Act:
    """The act with the names that were drawn this time."""
    target, value = act.target, act.value
    for before, now in drawn.items():
        target, value = target.replace(before, now), value.replace(before, now)
    return act.model_copy(update={"target": target, "value": value})
