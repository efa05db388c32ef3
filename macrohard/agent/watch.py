"""Notices that a session goes round in circles, and how often it was told; all of it follows from the transcript."""

import re
from collections import deque
from collections.abc import Sequence
from typing import Final

from macrohard.agent.conversation import ERROR, Said, readable_arguments
from macrohard.agent.transcript import Entry

SILENT_TURNS = 3
"""So many answers in a row without a tool call are too many."""
SAME_TURNS = 4
"""So many equal calls with equal answers in a row, or with other calls between them if they fail alike."""
CYCLES: Final = ((2, 3), (3, 3))
"""(length, times): so many times the same few calls with the same answers."""
UNCHANGED_TURNS = 20
"""So many rounds of tools without a change of a file, where the agent has files to change."""
SHOWN_CHARACTERS = 300
_DIGITS = re.compile(r"\d+")
_EXIT = re.compile(r"exit code (-?\d+)\s*\Z")
TESTS_PASSED = "passed: "
"""What the answer to `run_tests` begins with when all is well."""


class Watch:
    """What repeats in one session."""

    def __init__(self) -> None:
        self.writes = False
        """Whether the agent has files to change, which are saved round by round."""
        self.told = 0
        """How often the session was told so, or handed over."""
        self.silent = 0
        """So many answers in a row without a tool call."""
        self._forget()

    def _forget(self) -> None:
        self.silent = 0
        self._unchanged = 0
        self._latest: deque[tuple[str, str]] = deque(maxlen=max(length * times for length, times in CYCLES))
        self._failed_alike: dict[str, tuple[str, int]] = {}
        self._failed_edits: dict[str, int] = {}

    def recall(self, entry: Entry, said: Sequence[Said]) -> None:
        """Take an entry in; `said` are its messages with what they call or answer."""
        if entry.nudge in ("repeats", "taken over"):
            self.told += 1
            self._forget()
            return
        answered = False
        for one in said:
            if one.role == "assistant":
                self.silent = 0 if one.calls else self.silent + 1
            elif one.role == "tool" and one.calls:
                answered = True
                self._note(one)
        if answered:
            self._unchanged = 0 if entry.snapshot else self._unchanged + 1

    def _note(self, said: Said) -> None:
        call, text = said.calls[0], str(said.message["content"])
        made = f"{call.name} {call.arguments}"
        self._latest.append((made, text))
        if call.name in ("edit", "write"):
            path = str(readable_arguments(call).get("path", ""))
            self._failed_edits[path] = self._failed_edits.get(path, 0) + 1 if text.startswith(ERROR) else 0
        elif call.name in ("shell", "run_tests"):
            ended = _EXIT.search(text)
            if text.startswith(TESTS_PASSED) or (ended is not None and ended[1] == "0"):
                self._failed_alike.pop(made, None)
                return
            same = _DIGITS.sub("#", text)
            before, times = self._failed_alike.get(made, ("", 0))
            self._failed_alike[made] = (same, times + 1 if same == before else 1)

    @property
    def trouble(self) -> str | None:
        """What repeats, in words; None if nothing does."""
        if self.silent >= SILENT_TURNS:
            return f"{SILENT_TURNS} answers without a tool call"
        latest = list(self._latest)
        if len(latest) >= SAME_TURNS and len(set(latest[-SAME_TURNS:])) == 1:
            return f"the same call {SAME_TURNS} times, with the same answer: {_shown(latest[-1][0])}"
        for length, times in CYCLES:
            tail = latest[-length * times :]
            if len(tail) == length * times and tail == tail[:length] * times:
                calls = ", then ".join(_shown(made, SHOWN_CHARACTERS // length) for made, _ in tail[:length])
                return f"the same {length} calls {times} times in turn, with the same answers: {calls}"
        for made, (_, times) in self._failed_alike.items():
            if times >= SAME_TURNS:
                return f"{times} times the same failure of {_shown(made)}"
        for path, times in self._failed_edits.items():
            if times >= SAME_TURNS:
                return f"{times} changes of {path} in a row that could not be made"
        if self.writes and self._unchanged >= UNCHANGED_TURNS:
            return f"{self._unchanged} rounds of tools without a change of any file"
        return None


def _shown(made: str, characters: int = SHOWN_CHARACTERS) -> str:
    return made if len(made) <= characters else f"{made[:characters]}…"
