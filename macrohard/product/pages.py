"""A product's pages as a visitor meets them: outlines, acts on elements, and what breaks, overlaps or says nothing."""

import re
from typing import Literal
from urllib.parse import unquote

from macrohard.domain import Severity
from macrohard.domain.usage import Box
from macrohard.errors import ToolError
from macrohard.product.browser import Noticed, StepFailed, StepMalformed, Violation, Visit
from macrohard.product.outline import Outline, carried_over, change_in_words, difference, outline_of, was_loaded
from macrohard.product.scene import Act, Deed, Scene, Sight, pattern_of, shortened
from macrohard.product.service import Service

KEYBOARD_ACTIONS = frozenset({"press", "type", "open", "back", "reload", "wait", "colours"})
ON_FOCUSED_ACTIONS = frozenset({"fill", "choose", "check", "uncheck"})
"""What keys do to an element once it has the focus."""
NARROW_PIXELS = 600
"""A window below this is a phone's."""
MOVES = frozenset({"Tab", "Shift+Tab", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"})
_DOWNLOAD_CHARACTERS = 600
_NAMED = re.compile(r'[a-z]+ "')
_IMPACTS: dict[str | None, Severity] = {"critical": 3, "serious": 3, "moderate": 2, "minor": 1}


class Pages(Scene):
    """One fresh browser context on a running product."""

    def __init__(self, visit: Visit, service: Service, *, keyboard_only: bool) -> None:
        super().__init__(service)
        self.keyboard_only = keyboard_only
        self._visit = visit
        self._outline: Outline | None = None
        self._audited: set[tuple[str, int | None]] = set()

    async def look(self) -> Sight:
        if self._outline is None:
            await self._visit.act("open", value="/")
        self._outline = await self._see()
        await self._note(self._visit.take_noticed(), after="opening the page")
        return _sight(self._outline)

    async def act(self, action: str, target: str, value: str) -> Deed:
        """Actions and targets are those of `Visit.act`."""
        self._allow(action, target)
        if self._outline is None:
            await self.look()
        before = self._outline
        assert before is not None, "a look leaves an outline"
        reference, named = before.references.get(target, target), before.names.get(target, target)
        problem, box = "", None
        try:
            box = await self._visit.act(action, target=reference, value=value)
        except StepMalformed:
            raise
        except StepFailed as error:
            await self.service.require_sandbox()
            problem = str(error).replace(reference, named) if reference else str(error)
        told = _in_words(action, named, value)
        after = await self._look_after(before)
        noticed = self._visit.take_noticed()
        broke = await self._note(noticed, after=told)
        self._outline = after
        sent_to = f"asked for {value or target} and were sent to {after.address}"
        redirected = (sent_to,) if not problem and action == "open" and _leads_elsewhere(value or target, after) else ()
        return Deed(
            told=told,
            before=_sight(before),
            after=_sight(after),
            result="; ".join([*broke, *redirected, problem or change_in_words(before, after)]),
            shown=difference(before, after),
            target=named,
            place=before.place_of(target),
            element=named if _NAMED.match(named) else "",
            box=box if box is not None and self._is_in_sight(box) else None,
            problem=problem,
            broke=broke,
            remarks=(
                *(f"You {one}." for one in redirected),
                *(f"A dialog appeared and was accepted: {dialog}" for dialog in noticed.dialogs),
                *(f"A file was downloaded: {file[:_DOWNLOAD_CHARACTERS]}" for file in noticed.downloads),
            ),
            stirred=None if problem or broke else _stirred(action, named, before, after, noticed),
            only_moved=action == "press" and value.partition("*")[0] in MOVES,
        )

    def target_of(self, act: Act) -> str:
        return (self._outline.reference_of(act.target, act.place) if self._outline else "") or act.target

    async def frame(self) -> bytes | None:
        try:
            return await self._visit.screenshot()
        except StepFailed:
            return None

    async def picture(self) -> tuple[bytes, int, int] | None:
        try:
            return await self._visit.picture()
        except StepFailed:
            return None

    async def in_colours(self, scheme: Literal["light", "dark"]) -> bytes | None:
        try:
            await self._visit.act("colours", value=scheme)
            await self._visit.act("open", value="/")
            return await self._visit.screenshot()
        except StepFailed:
            return None

    async def audit(self) -> None:
        """Run axe on a kind of page that this visit has not seen yet."""
        # Whoever goes back from the first page is on an empty one, which is not the product's.
        if self._outline is None or self.lost or not self._outline.address.startswith("/"):
            return
        refused = next((line for line in self._outline.lines if line.startswith("the server answered")), None)
        page = pattern_of(self._outline.address)
        kind = (page, int(refused.split()[-1]) if refused else None)
        if kind in self._audited:
            return
        self._audited.add(kind)
        try:
            violations = await self._visit.audit()
        except StepFailed as error:
            await self.service.require_sandbox()
            self.lost = str(error)
            return
        for violation in violations:
            self._note_violation(violation, page)

    def _is_in_sight(self, box: Box) -> bool:
        return -box.width < box.x < self._visit.width and -box.height < box.y < self._visit.height

    def _allow(self, action: str, target: str) -> None:
        if not self.keyboard_only or action in KEYBOARD_ACTIONS:
            return
        page = self._outline
        focused = page.focused if page else ""
        if action in ON_FOCUSED_ACTIONS and page and focused and target in (focused, page.names.get(focused)):
            return
        raise ToolError(
            f"You have no mouse, so you cannot {action} {target or 'anything'} that has not the focus. Press Tab until "
            "it is (focused) in the outline, then type or fill it, or press Enter, Space or the arrow keys."
        )

    async def _see(self) -> Outline:
        view = await self._visit.look()
        if view.overflow and self._visit.width < NARROW_PIXELS:
            self.note(
                "layout",
                2,
                f"The page is wider than a window of {self._visit.width} pixels",
                f"By {view.overflow} pixels, so that people have to scroll sideways.",
                page=pattern_of(view.address),
                repeats=False,
            )
        return carried_over(self._outline, outline_of(view))

    async def _look_after(self, before: Outline) -> Outline:
        try:
            return await self._see()
        except StepFailed as error:
            await self.service.require_sandbox()
            self.lost = str(error)
            return before

    async def _note(self, noticed: Noticed, *, after: str) -> tuple[str, ...]:
        page = pattern_of(self._outline.address) if self._outline else "/"
        broke = await self.note_broken(noticed.breakdowns, after=after, page=page)
        for request in noticed.outside_requests:
            title = "The product asks for something outside itself"
            detail = f"{request}: nothing outside the product can be reached."
            self.note("dead end", 2, title, detail, page=page, repeats=False)
        return broke

    def _note_violation(self, violation: Violation, page: str) -> None:
        severity = 2 if violation.rule == "color-contrast" else _IMPACTS.get(violation.impact, 1)
        first = violation.elements[0] if violation.elements else {"html": "", "why": ""}
        more = f" ({violation.count} elements)" if violation.count > 1 else ""
        self.note(
            "accessibility", severity, f"{violation.help}{more}", f"{violation.rule}: {first['why']}", found_by="axe",
            page=page, element=first["html"], identity=f"{violation.rule}\0{first['html']}", repeats=False,
        )  # fmt: skip


def _sight(outline: Outline) -> Sight:
    return Sight(text=outline.text, state=outline.bare, address=outline.address)


def _leads_elsewhere(asked: str, page: Outline) -> bool:
    """Whether the address that was opened is not the one that the page came from."""
    return unquote(asked.partition("#")[0]) != unquote(page.address)


def _stirred(action: str, named: str, before: Outline, after: Outline, noticed: Noticed) -> bool | None:
    """Whether a button did anything at all."""
    # A right click that the page does not answer is answered by the browser, with its own menu.
    if action not in ("click", "double click") or not named.startswith(("button ", "clickable ", "menuitem ", "tab ")):
        return None
    heard = noticed.dialogs or noticed.downloads or noticed.failed_requests or noticed.outside_requests
    changed = was_loaded(before, after) or before.content != after.content
    return bool(heard or after.bubble or after.is_drawn or changed)


def _in_words(action: str, target: str, value: str) -> str:
    parts = [action, *([target] if target else [])]
    if value:
        parts.append(f'with "{shortened(value)}"' if target else f'"{shortened(value)}"')
    return " ".join(parts)
