"""What a simulated user's tools stand on: one visit with its friction log, its frames, and what it brought to light."""

import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256

from macrohard.domain import Artifacts, Finding, JsonObject, Picture, Severity, UserStep, Value
from macrohard.errors import SandboxUnavailable, ToolError
from macrohard.product.browser import Browser, Noticed, StepFailed, StepMalformed, Violation, Visit, open_browser
from macrohard.product.outline import Outline, carried_over, change_in_words, difference, outline_of, was_loaded
from macrohard.product.service import Service, checkout
from macrohard.sandbox.contract import SandboxProvider, SandboxSpec

KEYBOARD_ACTIONS = frozenset({"press", "type", "open", "back", "reload"})
ON_FOCUSED_ACTIONS = frozenset({"fill", "choose", "check", "uncheck"})
"""What keys do to an element once it has the focus."""
NARROW_PIXELS = 600
"""A window below this is a phone's."""
SAME_ACTION_AT_MOST = 3
UNCHANGED_AT_MOST = 5
MOVES = frozenset(f'press "{key}"' for key in ("Tab", "Shift+Tab", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"))
FIELD_PARTS = 9
"""A date with its time has seven parts and a button; moving from one to the next changes nothing that can be told."""
ENDED = "the product ended by itself and had to be started again"
_VALUE_CHARACTERS = 120
_DOWNLOAD_CHARACTERS = 600
_NUMBERS = re.compile(r"/(?:\d+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,})(?=/|$)")
_IMPACTS: dict[str | None, Severity] = {"critical": 3, "serious": 3, "moderate": 2, "minor": 1}


class Act(Value):
    """An action as it can be repeated in another visit: its target by role and name."""

    action: str
    target: str
    value: str
    place: int = 0
    """How many elements of the same role and name come before the target."""
    worked: bool = True
    result: str = ""
    """What was seen afterwards."""


class VisitRecord(Value):
    """What remains of a visit, for the session's result."""

    steps: tuple[UserStep, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What broke, what axe says, and where the user got stuck; without the user's own opinions."""
    acts: tuple[Act, ...] = ()


class UserVisit:
    """One simulated user in one fresh browser context; every act becomes a step of the log."""

    def __init__(
        self,
        visit: Visit,
        service: Service,
        *,
        visitor: str,
        commit: str,
        keyboard_only: bool,
        artifacts: Artifacts,
    ) -> None:
        self.visitor = visitor
        self.commit = commit
        self.keyboard_only = keyboard_only
        self.stuck = ""
        """Why going on makes no sense; empty while it does."""
        self._visit = visit
        self._service = service
        self._artifacts = artifacts
        self._begin = time.monotonic()
        self._outline: Outline | None = None
        self._steps: list[UserStep] = []
        self._acts: list[Act] = []
        self._findings: dict[str, Finding] = {}
        self._dead: dict[tuple[str, str], int] = {}
        self._lively: set[tuple[str, str]] = set()
        self._repeated: Counter[tuple[object, ...]] = Counter()
        self._unchanged = 0
        self._audited: set[tuple[str, int | None]] = set()

    def record(self) -> JsonObject:
        """The visit so far, as a `VisitRecord` in JSON."""
        findings = (*self._findings.values(), *self._dead_controls())
        record = VisitRecord(steps=tuple(self._steps), findings=findings, acts=tuple(self._acts))
        return record.model_dump(mode="json")

    @staticmethod
    def read_record(record: JsonObject) -> VisitRecord:
        """What `record` gave."""
        return VisitRecord.model_validate(record)

    async def look(self) -> str:
        """The page in full, with references for `act`; the first look opens the product.

        Raises:
            ToolError: there is nothing to see.
            SandboxUnavailable: the sandbox was lost.
        """
        if self._outline is None:
            await self._visit.act("open", value="/")
        self._outline = await self._see()
        frame = await self._frame()
        await self._note(self._visit.take_noticed(), frame, after="opening the page")
        await self._audit(frame)
        return self._outline.text

    async def act(
        self,
        *,
        intention: str,
        expectation: str,
        action: str,
        target: str = "",
        value: str = "",
        surprise: int | None = None,
        remark: str = "",
        about: int = 0,
    ) -> str:
        """Do something like a person, and answer what changed on the page, or why it did not work.

        `surprise` (0 as expected to 3 shocked; None: not said) and `remark` are about what an earlier step showed: the
        one whose number is `about`, else the last one. Actions and targets are those of `Visit.act`.

        Raises:
            ToolError: the request makes no sense, is not possible for this person, or the user is stuck.
            SandboxUnavailable: the sandbox was lost.
        """
        if self.stuck:
            raise ToolError(f"You are stuck: {self.stuck}. End the visit with your report.")
        self._allow(action, target)
        self.judge(surprise=surprise, remark=remark, about=about)
        if self._outline is None:
            await self.look()
        before = self._outline
        assert before is not None, "a look leaves an outline"
        problem = ""
        try:
            await self._visit.act(action, target=before.references.get(target, target), value=value)
        except StepMalformed:
            raise
        except StepFailed as error:
            await self._service.require_sandbox()
            problem = str(error).replace(before.references.get(target, target), target)
        named = before.names.get(target, target)
        told = _in_words(action, named, value)
        number = len(self._steps) + 1
        after = await self._look_after(before)
        frame = await self._frame()
        noticed = self._visit.take_noticed()
        broke = await self._note(noticed, frame, after=told, step=number)
        result = "; ".join([*broke, problem or change_in_words(before, after)])
        place = before.place_of(target)
        self._acts.append(Act(action=action, target=named, value=value, place=place, worked=not problem, result=result))
        if not problem and not broke:
            self._watch(action, named, before, after, noticed, number)
        self._steps.append(
            UserStep(
                number=number,
                intention=intention,
                expectation=expectation,
                action=told,
                result=result,
                surprise=3 if broke else None,
                page=after.address,
                frame=frame,
                at_seconds=time.monotonic() - self._begin,
            )
        )
        self._outline = after
        await self._audit(frame)
        self._guard(before, after, told, frame)
        return "\n".join(self._answer(problem, before, after, noticed, broke))

    def judge(self, *, surprise: int | None, remark: str, about: int = 0) -> None:
        """Add to a step, by default the last, how surprising it was, and what the user thought aloud.

        What broke stays shocking even for those who take it for their own mistake.

        Raises:
            ToolError: the surprise is not between 0 and 3, or there is no such step.
        """
        if surprise is not None and surprise not in range(4):
            raise ToolError("surprise is 0 (as expected), 1 (slightly off), 2 (wrong) or 3 (shocked)")
        if about not in range(len(self._steps) + 1):
            raise ToolError(f"there is no step {about} yet; the last one was {len(self._steps)}")
        if not self._steps or (surprise is None and not remark):
            return
        step = self._steps[about - 1]
        known = [each for each in (surprise, step.surprise) if each is not None]
        said = {"surprise": max(known, default=None), "remark": remark or step.remark}
        self._steps[about - 1] = step.model_copy(update=said)

    def _watch(self, action: str, named: str, before: Outline, after: Outline, noticed: Noticed, number: int) -> None:
        """Remember whether a button did anything at all."""
        if "click" not in action or not named.startswith(("button ", "clickable ", "menuitem ", "tab ")):
            return
        button = (pattern_of(before.address), named)
        heard = noticed.dialogs or noticed.downloads or noticed.failed_requests or noticed.outside_requests
        if heard or after.bubble or after.is_drawn or was_loaded(before, after) or before.content != after.content:
            self._lively.add(button)
        else:
            self._dead.setdefault(button, number)

    def _dead_controls(self) -> list[Finding]:
        """Buttons that never did anything, as far as can be told from the page."""
        found = []
        for (page, named), number in self._dead.items():
            if (page, named) not in self._lively:
                step = self._steps[number - 1]
                found.append(
                    Finding(
                        id=finding_id(self.commit, "dead end", named, page),
                        commit=self.commit,
                        found_by=self.visitor,
                        category="dead end",
                        severity=2,
                        title=f"Nothing happens: {named}",
                        detail=f"After {step.action} on {page} the page is as it was, without a message, a download "
                        f"or a dialog. Expected: {step.expectation}",
                        page=page,
                        element=named,
                        expected=step.expectation,
                        step=number,
                        evidence=(step.frame,) if step.frame else (),
                    )
                )
        return found

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
            self._find(
                "layout",
                2,
                f"The page is wider than a window of {self._visit.width} pixels",
                f"By {view.overflow} pixels, so that people have to scroll sideways.",
                page=pattern_of(view.address),
            )
        return carried_over(self._outline, outline_of(view))

    async def _look_after(self, before: Outline) -> Outline:
        try:
            return await self._see()
        except StepFailed as error:
            await self._service.require_sandbox()
            self.stuck = str(error)
            return before

    async def picture(self) -> Picture | None:
        """What the window looks like now, at most `PICTURE_PIXELS` wide and high; None if the page cannot be taken.

        Raises:
            SandboxUnavailable: the sandbox was lost.
        """
        try:
            content, width, height = await self._visit.picture()
        except StepFailed:
            return None
        digest = await self._artifacts.put(content, media_type="image/jpeg")
        return Picture(artifact=digest, media_type="image/jpeg", width=width, height=height)

    async def _frame(self) -> str | None:
        try:
            picture = await self._visit.screenshot()
        except StepFailed:
            return None
        return await self._artifacts.put(picture, media_type="image/jpeg")

    async def _note(self, noticed: Noticed, frame: str | None, *, after: str, step: int = 0) -> list[str]:
        """Make findings of what broke; what they are about, in words."""
        page = pattern_of(self._outline.address) if self._outline else "/"
        broke = list(dict.fromkeys(noticed.breakdowns))
        log = self._service.log()[-_DOWNLOAD_CHARACTERS:]
        if await self._service.revive():
            broke.append(ENDED)
        if broke:
            await self._service.require_sandbox()
        for problem in broke:
            title = title_of(problem)
            detail = f"After: {after}. On the page {page}. The end of the product's log: {log or 'empty'}"
            self._find("crash", 4, title, detail, page=page, evidence=frame, step=step)
        for request in noticed.outside_requests:
            title = "The product asks for something outside itself"
            self._find("dead end", 2, title, f"{request}: nothing outside the product can be reached.", page=page)
        return broke

    async def _audit(self, frame: str | None) -> None:
        """Run axe on a kind of page that this visit has not seen yet."""
        # Whoever goes back from the first page is on an empty one, which is not the product's.
        if self._outline is None or self.stuck or not self._outline.address.startswith("/"):
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
            await self._service.require_sandbox()
            self.stuck = str(error)
            return
        for violation in violations:
            self._find_violation(violation, page, frame)

    def _find_violation(self, violation: Violation, page: str, frame: str | None) -> None:
        severity = 2 if violation.rule == "color-contrast" else _IMPACTS.get(violation.impact, 1)
        first = violation.elements[0] if violation.elements else {"html": "", "why": ""}
        more = f" ({violation.count} elements)" if violation.count > 1 else ""
        title = f"{violation.help}{more}"
        self._find(
            "accessibility", severity, title, f"{violation.rule}: {first['why']}", found_by="axe", page=page,
            element=first["html"], identity=f"{violation.rule}\0{first['html']}", evidence=frame,
        )  # fmt: skip

    def _find(
        self,
        category: str,
        severity: Severity,
        title: str,
        detail: str,
        *,
        page: str,
        found_by: str = "",
        element: str = "",
        identity: str = "",
        evidence: str | None = None,
        step: int = 0,
    ) -> None:
        """Keep a finding; what has the same identity, else the same title on the same kind of page, is one."""
        id = finding_id(self.commit, category, identity or f"{title}\0{page}")
        if id in self._findings:
            return
        self._findings[id] = Finding.model_validate(
            {
                "id": id,
                "step": step,
                "commit": self.commit,
                "found_by": found_by or self.visitor,
                "category": category,
                "severity": severity,
                "title": title,
                "detail": detail,
                "page": page,
                "element": element,
                "evidence": (evidence,) if evidence else (),
            }
        )

    def _guard(self, before: Outline, after: Outline, told: str, frame: str | None) -> None:
        """Notice that nothing leads anywhere any more."""
        if before.address != after.address:
            # Whoever gets on may do the same on the same page again, e.g. enter the next record.
            self._repeated.clear()
        self._repeated[(before.address, before.bare, told)] += 1
        self._unchanged = self._unchanged + 1 if before.bare == after.bare else 0
        same_at_most, unchanged_at_most = SAME_ACTION_AT_MOST, UNCHANGED_AT_MOST
        if told in MOVES:
            same_at_most = unchanged_at_most = FIELD_PARTS
        if self._repeated[(before.address, before.bare, told)] >= same_at_most:
            self.stuck = f"the same action on the same page {same_at_most} times"
        elif self._unchanged >= unchanged_at_most:
            self.stuck = f"nothing changed on the page in {unchanged_at_most} steps"
        if self.stuck:
            detail = f"{self.stuck}. The last action: {told}."
            title = f"A user gets stuck on {pattern_of(after.address)}"
            page = pattern_of(after.address)
            self._find("dead end", 2, title, detail, page=page, evidence=frame, step=len(self._steps))

    def _answer(self, problem: str, before: Outline, after: Outline, noticed: Noticed, broke: list[str]) -> list[str]:
        lines = [f"Step {len(self._steps)}."]
        lines += [f"It did not work: {problem}."] if problem else []
        lines += [f"The product broke: {one}" for one in broke]
        lines += [f"A dialog appeared and was accepted: {dialog}" for dialog in noticed.dialogs]
        lines += [f"A file was downloaded: {file[:_DOWNLOAD_CHARACTERS]}" for file in noticed.downloads]
        if self.stuck:
            lines.append(f"You are stuck: {self.stuck}. End the visit with your report.")
        return [*lines, difference(before, after)]


@asynccontextmanager
async def open_visit(
    provider: SandboxProvider,
    *,
    bundle: bytes,
    commit: str,
    artifacts: Artifacts,
    visitor: str,
    width: int,
    height: int,
    keyboard_only: bool,
) -> AsyncIterator[UserVisit]:
    """A visit to a product of its own, just started with empty data, in a fresh browser.

    Raises:
        ToolError: the product cannot be installed or started, or has no pages.
        SandboxUnavailable: no sandbox, or the browser does not start in it.
    """
    async with (
        open_pod(provider, bundle=bundle, commit=commit) as (service, browser),
        browser.visit(width=width, height=height, touch=width < NARROW_PIXELS) as visit,
    ):
        yield UserVisit(
            visit, service, visitor=visitor, commit=commit, keyboard_only=keyboard_only, artifacts=artifacts
        )


@asynccontextmanager
async def open_pod(provider: SandboxProvider, *, bundle: bytes, commit: str) -> AsyncIterator[tuple[Service, Browser]]:
    """The product of a commit, started with empty data, and a browser beside it; raises as `open_visit` does."""
    async with provider.open(SandboxSpec(image=provider.product_image, packages=provider.installs)) as sandbox:
        service = await checkout(sandbox, bundle=bundle, commit=commit)
        if service.manifest.kind != "web":
            raise ToolError(f"a product of kind {service.manifest.kind} has no pages")
        async with open_browser(provider, beside=sandbox) as browser:
            await service.prepare()
            try:
                yield service, browser
            finally:
                with suppress(SandboxUnavailable):
                    await service.stop()


def finding_id(*parts: str) -> str:
    """The same for everybody who finds the same."""
    return f"F-{sha256(chr(0).join(parts).encode()).hexdigest()[:12]}"


def title_of(problem: str) -> str:
    """The first line of what broke."""
    return problem.split("\n", 1)[0][:100]


def pattern_of(address: str) -> str:
    """The kind of page: the path with numbers left out."""
    return _NUMBERS.sub("/…", address.split("?", 1)[0])


def _in_words(action: str, target: str, value: str) -> str:
    shown = value if len(value) <= _VALUE_CHARACTERS else f"{value[:_VALUE_CHARACTERS]}… ({len(value)} characters)"
    parts = [action, *([target] if target else [])]
    if value:
        parts.append(f'with "{shown}"' if target else f'"{shown}"')
    return " ".join(parts)
