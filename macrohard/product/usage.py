"""What a simulated user's tools stand on: one visit with its friction log, its frames, and what it brought to light."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from macrohard.domain import Artifacts, Design, Finding, JsonObject, Looks, Picture, UserStep, Value
from macrohard.errors import ToolError
from macrohard.product.browser import View
from macrohard.product.ground import open_ground
from macrohard.product.scene import Act, Deed, Noted, Scene, finding_id, finding_of, pattern_of
from macrohard.sandbox.contract import SandboxProvider

SAME_ACTION_AT_MOST = 3
UNCHANGED_AT_MOST = 5
FIELD_PARTS = 9
"""A date with its time has seven parts and a button; moving from one to the next changes nothing that can be told."""


class VisitRecord(Value):
    """What remains of a visit, for the session's result."""

    steps: tuple[UserStep, ...] = ()
    findings: tuple[Finding, ...] = ()
    """What broke, what was measured, and where the user got stuck; without the user's own opinions."""
    acts: tuple[Act, ...] = ()


class UserVisit:
    """One simulated user before one fresh product; every act becomes a step of the log."""

    def __init__(
        self, scene: Scene, *, visitor: str, commit: str, artifacts: Artifacts, patience: int | None = None
    ) -> None:
        """After so many acts as there is `patience`, no further one is possible."""
        self.visitor = visitor
        self._patience = patience
        self.commit = commit
        self.stuck = ""
        """Why going on makes no sense; empty while it does."""
        self.whole = ""
        """What the last act showed in part only; empty: nothing was left out."""
        self._scene = scene
        self._artifacts = artifacts
        self._begin = time.monotonic()
        self._looked = False
        self._steps: list[UserStep] = []
        self._acts: list[Act] = []
        self._findings: dict[str, Finding] = {}
        self._dead: dict[tuple[str, str], int] = {}
        self._lively: set[tuple[str, str]] = set()
        self._repeated: Counter[tuple[object, ...]] = Counter()
        self._unchanged = 0

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
        """What is there in full; the first look opens the product.

        Raises:
            ToolError: there is nothing to see.
            SandboxUnavailable: the sandbox was lost.
        """
        sight = await self._scene.look()
        self._looked = True
        frame = await self._frame()
        self._keep(self._scene.take_noted(), frame)
        await self._audit(frame)
        return sight.text

    async def picture(self) -> Picture | None:
        """What the window looks like now, at most `PICTURE_PIXELS` wide and high; None if there is no picture.

        Raises:
            SandboxUnavailable: the sandbox was lost.
        """
        taken = await self._scene.picture()
        if taken is None:
            return None
        content, width, height = taken
        digest = await self._artifacts.put(content, media_type="image/jpeg")
        return Picture(artifact=digest, media_type="image/jpeg", width=width, height=height)

    async def looks(self) -> Looks | None:
        """The first page in light and in dark colours, as the visit has left it; None if they are the same.

        No act of the visitor can follow.

        Raises:
            SandboxUnavailable: the sandbox was lost.
        """
        light, dark = await self._scene.in_colours("light"), await self._scene.in_colours("dark")
        if light is None or dark is None or light == dark:
            return None
        kept = [await self._artifacts.put(picture, media_type="image/jpeg") for picture in (light, dark)]
        return Looks(commit=self.commit, light=kept[0], dark=kept[1])

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
        """Do something like a person, and answer what changed, or why it did not work.

        `surprise` (0 as expected to 3 shocked; None: not said) and `remark` are about what an earlier step showed: the
        one whose number is `about`, else the last one. Actions and targets are those of the scene.

        Raises:
            ToolError: the request makes no sense, is not possible for this person, or the user is stuck.
            SandboxUnavailable: the sandbox was lost.
        """
        if self.stuck:
            raise ToolError(f"You are stuck: {self.stuck}. End the visit with your report.")
        self.judge(surprise=surprise, remark=remark, about=about)
        if not self._looked:
            await self.look()
        deed = await self._scene.act(action, target, value)
        self.whole = deed.whole
        noted = self._scene.take_noted()
        frame = await self._frame()
        number = len(self._steps) + 1
        self._acts.append(
            Act(
                action=action,
                target=deed.target,
                value=value,
                place=deed.place,
                worked=not deed.problem,
                result=deed.result,
                noted=tuple(one.title for one in noted if one.repeats),
            )
        )
        self._steps.append(
            UserStep(
                number=number,
                intention=intention,
                expectation=expectation,
                action=deed.told,
                element=deed.element,
                box=deed.box,
                result=deed.result,
                surprise=3 if deed.broke else None,
                page=deed.after.address,
                frame=frame,
                at_seconds=time.monotonic() - self._begin,
            )
        )
        self._keep(noted, frame, step=number)
        self._watch(deed, number)
        await self._audit(frame)
        self._guard(deed, frame)
        if self._patience is not None and number >= self._patience:
            # Who leaves has found nothing by that alone: what kept them from their goal is for them to say.
            self.stuck = self.stuck or f"you did {number} things, and have no patience for another one"
        lines = [f"Step {number}."]
        lines += [f"It did not work: {deed.problem}."] if deed.problem else []
        lines += [f"The product broke: {one}" for one in deed.broke]
        lines += deed.remarks
        lines += [f"You are stuck: {self.stuck}. End the visit with your report."] if self.stuck else []
        return "\n".join([*lines, deed.shown])

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

    def _keep(self, noted: tuple[Noted, ...], frame: str | None, *, step: int = 0) -> None:
        for one in noted:
            finding = finding_of(one, commit=self.commit, visitor=self.visitor, step=step, evidence=frame)
            self._findings.setdefault(finding.id, finding)

    def _watch(self, deed: Deed, number: int) -> None:
        """Remember whether something that is there to do something did anything at all."""
        control = (pattern_of(deed.before.address), deed.element or deed.target)
        if deed.stirred:
            self._lively.add(control)
        elif deed.stirred is False:
            self._dead.setdefault(control, number)

    def _dead_controls(self) -> list[Finding]:
        """Buttons that never did anything, as far as can be told."""
        found = []
        for (page, named), number in self._dead.items():
            if (page, named) in self._lively:
                continue
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

    async def _frame(self) -> str | None:
        picture = await self._scene.frame()
        return await self._artifacts.put(picture, media_type="image/jpeg") if picture is not None else None

    async def _audit(self, frame: str | None) -> None:
        await self._scene.audit()
        self._keep(self._scene.take_noted(), frame)
        self.stuck = self.stuck or self._scene.lost

    def _guard(self, deed: Deed, frame: str | None) -> None:
        """Notice that nothing leads anywhere any more."""
        before, after = deed.before, deed.after
        if before.address != after.address:
            # Whoever gets on may do the same on the same page again, e.g. enter the next record.
            self._repeated.clear()
        done = (before.address, before.state, deed.told)
        self._repeated[done] += 1
        self._unchanged = self._unchanged + 1 if before.state == after.state else 0
        same_at_most, unchanged_at_most = SAME_ACTION_AT_MOST, UNCHANGED_AT_MOST
        if deed.only_moved:
            same_at_most = unchanged_at_most = FIELD_PARTS
        if self._repeated[done] >= same_at_most:
            self.stuck = f"the same action where nothing was different, {same_at_most} times"
        elif self._unchanged >= unchanged_at_most:
            self.stuck = f"nothing changed in {unchanged_at_most} steps"
        if self.stuck:
            page = pattern_of(after.address)
            title, detail = f"A user gets stuck on {page}", f"{self.stuck}. The last action: {deed.told}."
            stuck = Noted(category="dead end", severity=2, title=title, detail=detail, page=page)
            self._keep((stuck,), frame, step=len(self._steps))


@asynccontextmanager
async def open_visit(
    provider: SandboxProvider,
    *,
    bundle: bytes,
    commit: str,
    artifacts: Artifacts,
    visitor: str,
    view: View,
    keyboard_only: bool,
    patience: int | None = None,
    design: Design | None = None,
) -> AsyncIterator[UserVisit]:
    """A visit to a product of its own, just installed and, if it is a service, started with empty data.

    Pages are visited in a fresh browser; a service is asked by requests, where `design` says which answers it promises;
    tools and libraries are called in a terminal. After so many acts as they have `patience`, visitors go.

    Raises:
        ToolError: the product cannot be installed or started.
        SandboxUnavailable: no sandbox, or the browser does not start in it.
    """
    async with (
        open_ground(provider, bundle=bundle, commit=commit, design=design) as ground,
        ground.scene(view, keyboard_only=keyboard_only) as scene,
    ):
        yield UserVisit(scene, visitor=visitor, commit=commit, artifacts=artifacts, patience=patience)
