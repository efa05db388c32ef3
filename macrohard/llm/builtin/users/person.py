"""A person in front of a page: sees, expects, acts, is surprised, and says so."""

import re
from collections.abc import Callable, Generator
from typing import TypeAlias

from macrohard.domain import JsonObject
from macrohard.llm.builtin.conversation import Call
from macrohard.llm.builtin.users import page as seen
from macrohard.llm.builtin.users.page import Control, Page
from macrohard.llm.builtin.users.reading import disagreements

Doing: TypeAlias = Generator[Call, str, None]
"""Something a person does: yields calls, is sent their answers."""
Complaint: TypeAlias = tuple[int, str] | None
"""How surprising it is (1 to 3), and what was there instead."""
Judge: TypeAlias = Callable[[Page], Complaint]


_PARTICULARS = re.compile(r"“[^”]*”|\b[A-Z]\w*|[\d.:-]+")


class Enough(Exception):
    """The person has used up their patience; what is done is done."""


class Person:
    """What somebody knows and remembers during one visit."""

    def __init__(self, *, patience: int, goal: str = "") -> None:
        self.goal = goal
        """What people like this one want, in their words."""
        self.page = Page()
        self.acts = 0
        self.patience = patience
        """So many actions and no more."""
        self.is_narrow = False
        """Whether having to scroll sideways is a nuisance."""
        self.problem = ""
        """Why the last action did not work; empty if it did."""
        self.heard = ""
        """The last answer, word for word."""
        self.learned: dict[str, str] = {}
        """Label → what the product said about what belongs there."""
        self.forms: dict[str, str] = {}
        """Label → whether dates, times or text were taken there."""
        self.done: list[str] = []
        """What was achieved, in words."""
        self.trouble: list[str] = []
        """What was surprising."""
        self._surprise = 0
        self._remark = ""
        self._wide: set[str] = set()
        self._minded: set[str] = set()

    def look(self) -> Doing:
        """Take the page in from top to bottom."""
        answer = yield Call(name="look", arguments={})
        problem, broke = seen.told(answer)
        self.page = seen.follow(Page(), answer)
        if problem or broke:
            self.trouble.append(f"Opening the product: {broke or problem}")

    def act(
        self,
        intention: str,
        expectation: str,
        action: str,
        target: Control | str = "",
        value: str = "",
        *,
        judge: Judge | None = None,
        may_fail: bool = False,
    ) -> Doing:
        """Do one thing and compare what follows with what was expected.

        With `may_fail` it is no surprise that it cannot be done; `problem` tells.

        Raises:
            Enough: patience is used up.
        """
        if self.acts >= self.patience:
            raise Enough
        self.acts += 1
        answer = yield self._call(intention, expectation, action, target, value)
        if isinstance(target, Control) and "look again" in seen.told(answer)[0]:
            # The page was drawn anew meanwhile; a person would not even notice.
            yield from self.look()
            there = self._same(target)
            if there is not None:
                answer = yield self._call(intention, expectation, action, there, value)
        deed = _deed(action, target, value)
        self._surprise, self._remark = 0, ""
        self.heard = answer
        self.problem, broke = seen.told(answer)
        self.page = seen.follow(self.page, answer)
        if broke:
            self._complain(3, deed, expectation, f"the product broke: {broke}")
        elif self.page.status >= 500:
            self._complain(3, deed, expectation, f"an error page ({self.page.status}): {self.page.head}")
        elif "You are stuck" in answer:
            raise Enough
        elif self.problem:
            if not may_fail:
                self._complain(2, deed, expectation, self.problem)
        elif action in {"click", "open", "press"} and self.page.status in {404, 405}:
            self._complain(2, deed, expectation, f"the page “{self.page.head}” ({self.page.status})")
        elif self.is_narrow and self.page.overflow and self.page.head not in self._wide:
            self._wide.add(self.page.head)
            self._complain(2, deed, expectation, f"a page {self.page.overflow} pixels wider than my screen")
        elif judge is not None and (complaint := judge(self.page)):
            self._complain(complaint[0], deed, expectation, complaint[1])
        elif said := self._disagreement():
            self._complain(2, deed, expectation, said)

    def _disagreement(self) -> str:
        """What on the page cannot be right; each kind is said once, on one page."""
        for said in disagreements(self.page, self.goal):
            kind = f"{self.page.head}: {_PARTICULARS.sub('', said)}"
            if kind not in self._minded:
                self._minded.add(kind)
                return said
        return ""

    def _call(self, intention: str, expectation: str, action: str, target: Control | str, value: str) -> Call:
        name = self._named(target) if isinstance(target, Control) else target
        arguments: JsonObject = {
            "intention": intention,
            "expectation": expectation,
            "action": action,
            "target": name,
            "value": value,
        }
        if self._surprise:
            arguments |= {"surprise": self._surprise, "remark": self._remark}
        return Call(name="act", arguments=arguments)

    def _same(self, control: Control) -> Control | None:
        alike = [one for one in self.page.controls if (one.role, one.name) == (control.role, control.name)]
        return next((one for one in alike if (one.landmark, one.row) == (control.landmark, control.row)), None)

    def _named(self, control: Control) -> str:
        """By role and name where that is enough to tell it from others, as it is more lasting than a reference."""
        alike = [one for one in self.page.controls if (one.role, one.name) == (control.role, control.name)]
        return control.called if len(alike) == 1 and control.name and '"' not in control.name else control.ref

    @property
    def is_surprised(self) -> bool:
        """Whether something is still to be said about the last action."""
        return bool(self._surprise)

    def notice(self, surprise: int, remark: str) -> None:
        """Say something about the last action that only became clear afterwards, besides what is to be said anyway."""
        self._surprise = max(self._surprise, surprise)
        self._remark = f"{self._remark} And: {remark}"[:900] if self._remark else remark
        if surprise > 1:
            self.trouble.append(remark)

    def last_word(self) -> Doing:
        """Say what is still unsaid: a remark is told with the action after it."""
        if self._surprise:
            self.patience = max(self.patience, self.acts + 1)
            yield from self.act("Leave the product", "The first page again", "open", value="/", may_fail=True)

    def _complain(self, surprise: int, deed: str, expectation: str, got: str) -> None:
        self._surprise = surprise
        self._remark = f"I {deed}, expected “{expectation}”, and got: {got}"[:600]
        if surprise > 1:
            self.trouble.append(self._remark)


def _deed(action: str, target: Control | str, value: str) -> str:
    what = target.called if isinstance(target, Control) else target
    short = value if len(value) <= 60 else f"{value[:40]}… ({len(value)} characters)"
    match action:
        case "fill":
            return f"filled {what} with “{short}”"
        case "type":
            return f"typed “{short}”"
        case "choose":
            return f"chose “{short}” in {what}"
        case "press":
            return f"pressed {value}"
        case "open":
            return f"opened {value}"
        case "back":
            return "went back"
        case "reload":
            return "reloaded the page"
        case "double click":
            return f"double-clicked {what}"
        case "check" | "uncheck":
            return f"{'ticked' if action == 'check' else 'unticked'} {what}"
    return f"clicked {what}"
