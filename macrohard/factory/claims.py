"""What a session says it did, held against the log of what it did: by code, and careful not to accuse anybody."""

import json
import re
from collections.abc import Collection, Iterator, Sequence

from macrohard.agent import Entry
from macrohard.domain import JsonObject, Value
from macrohard.domain.verdict import Contradiction
from macrohard.factory.problems import Problem
from macrohard.factory.runners import TOOL, Summary, summary_of

CLAIM_CHARACTERS = 200

_PAGE_TOOLS = frozenset({"look", "act", "page", "look_at"})
_START_TOOLS = frozenset({"start", "start_product", *_PAGE_TOOLS})
_TEST_COMMAND = re.compile(
    r"\b(?:pytest|unittest|tox|nox|bats|jest|vitest|mocha|phpunit|rspec|doctest)\b|--test\b|\btests?\.(?:py|sh|m?js|ts)\b"
    r"|\b(?:npm|pnpm|yarn|bun|deno|go|cargo|mvn|gradle|dotnet|make)\s+(?:run\s+)?(?:test|check)\b|\btest_\w+\.\w+"
    r"|\.test\.[mc]?[jt]s\b|\brun_tests\b"
)
_ONLY_LOOKS = re.compile(
    r"^(?:cd|ls|cat|head|tail|grep|rg|find|sed|awk|wc|git|mkdir|rm|cp|mv|echo|printf|chmod|touch|tree|pwd|which|true|diff"
    r"|sort|sleep|export|kill|pip3?|npm (?:i|ci|install))\b"
)
_BROWSES = re.compile(r"playwright|chrom(?:e|ium)|puppeteer|selenium", re.IGNORECASE)

_HEDGED = re.compile(
    r"\bnot\b|n['’]t\b|\bno\b|\bnever\b|\bcannot\b|\bshould\b|\bwould\b|\bcould\b|\bmay\b|\bwill\b|\bonce\b|\bif\b|\buntil\b"
    r"|\bfail|\bwithout\b|\bexcept\b|\bmust\b|\bneeds?\b|\bopen\b:|\bunable\b|\bcolleague",
    re.IGNORECASE,
)
_TESTS_PASS = re.compile(
    r"\b(?:tests?|test suite|suite|specs)\b[^.;:]{0,30}\b(?:pass(?:es|ed|ing)?|(?:is|are) green|succeed(?:s|ed)?)\b"
    r"|\bpass(?:es|ed|ing)? (?:all|every|the)\b[^.;:]{0,20}\btests?\b|\b\d+ passed\b",
    re.IGNORECASE,
)
_HOW_MANY = re.compile(r"\b(\d+)\s+(?:[a-z-]+\s+){0,2}tests?\b[^.;:]{0,20}\bpass|\b(\d+) passed\b", re.IGNORECASE)
_DID = r"(?:^|\bI (?:have )?(?:also )?|\band )"
_STARTED = re.compile(
    _DID + r"(?:started|ran|launched|served|called|requested|curled)\b[^.;:]{0,30}"
    r"\b(?:app|application|server|service|product|program|command|tool|it|pages?)\b",
    re.IGNORECASE,
)
_SEEN = re.compile(
    _DID + r"(?:saw|looked|opened|viewed|clicked|checked|tried|tested|verified)\b[^.;:]{0,40}"
    r"\b(?:browser|screen|window|screenshots?)\b",
    re.IGNORECASE,
)
_MADE = re.compile(r"\b(?:wrote|created|added|implemented|edited|updated|rewrote)\b", re.IGNORECASE)
_PATH = re.compile(
    r"(?<![\w/.:-])((?:[\w-]+/)*[\w.-]*\w\.(?:py|m?js|ts|tsx|jsx|html|css|sql|toml|ya?ml|json|md|sh|svg|txt|csv))(?![\w/])"
)
_FRAMEWORK = re.compile(r"^[A-Z]\w*\.js$")


class Claims(Value):
    """Every contradiction in the sessions of one iteration, by the names of their tasks."""

    found: tuple[tuple[str, Contradiction], ...] = ()


class _Step(Value):
    """One tool call with its answer."""

    tool: str
    arguments: str
    answer: str

    @property
    def tests(self) -> bool:
        """Whether it ran tests."""
        return self.tool == TOOL or any(
            _TEST_COMMAND.search(part) and not _ONLY_LOOKS.match(part) for part in self._parts
        )

    @property
    def summary(self) -> Summary | None:
        """What a runner of tests said in it last."""
        return summary_of(self.answer, tool=self.tool)

    @property
    def _parts(self) -> list[str]:
        """The commands of a shell call."""
        commands = re.split(r"&&|\|\||[;|&\n]", self.arguments) if self.tool == "shell" else []
        return [part.strip() for part in commands if part.strip()]

    @property
    def starts(self) -> bool:
        """Whether it ran anything that could have been the product."""
        if self.tool in _START_TOOLS:
            return True
        return any(not _ONLY_LOOKS.match(part) and not _TEST_COMMAND.search(part) for part in self._parts)

    @property
    def browses(self) -> bool:
        """Whether it looked at a page."""
        return self.tool in _PAGE_TOOLS or (self.tool == "shell" and bool(_BROWSES.search(self.arguments)))


def contradictions(entries: Sequence[Entry], *, files: Collection[str]) -> tuple[Contradiction, ...]:
    """What the session's report says and its transcript denies; empty unless it finished.

    Only plain statements are held against the log: what is hedged, denied, or said of somebody else is left alone, and
    what the log leaves open counts as true. `files` are those of the commit that the session left.
    """
    result = entries[-1].result if entries else None
    if result is None or result.outcome != "finished":
        return ()
    steps = _steps(entries)
    found: dict[tuple[str, str], Contradiction] = {}
    for sentence in _sentences(result.report):
        for each in _denied(sentence, steps, files):
            found.setdefault((each.about, each.path), each)
    return tuple(found.values())


def with_claims(problems: Sequence[Problem], claims: Claims, *, files: Collection[str]) -> tuple[Problem, ...]:
    """The problems, with what was claimed about those that our own checks found; and files that are not there.

    A claim that our checks bear out matters to nobody, however it was come by.
    """
    told = []
    for problem in problems:
        about = [(task, each) for task, each in claims.found if problem.kind == "gate" and each.about == problem.id]
        words = [f'{task} reported "{each.claim}", but {each.log}.' for task, each in about]
        told.append(problem.model_copy(update={"detail": "\n".join([problem.detail, *words])}) if words else problem)
    missing = [
        Problem(
            id=f"claim-{number}",
            kind="finding",
            title=f"{each.path} is not there",
            detail=f'{task} reported "{each.claim}", but {each.log}. Write it, or see that nothing needs it.',
            severity=2,
        )
        for number, (task, each) in enumerate(claims.found, 1)
        if each.about == "file" and not _there(each.path, files)
    ]
    return (*told, *missing)


def _denied(sentence: str, steps: Sequence[_Step], files: Collection[str]) -> Iterator[Contradiction]:
    if _HEDGED.search(sentence):
        return
    claim = sentence[:CLAIM_CHARACTERS]
    if _TESTS_PASS.search(sentence) and (why := _tests_denied(sentence, steps)):
        yield Contradiction(about="tests", claim=claim, log=why)
    if _SEEN.search(sentence) and not any(step.browses for step in steps):
        yield Contradiction(about="page", claim=claim, log="it looked at no page")
    elif _STARTED.search(sentence) and not any(step.starts for step in steps):
        yield Contradiction(about="start", claim=claim, log="it ran nothing but tests and commands that look at files")
    if _MADE.search(sentence):
        touched = "\n".join(step.arguments for step in steps)
        for path in dict.fromkeys(_PATH.findall(sentence)):
            if not _FRAMEWORK.match(path) and path not in touched and not _there(path, files):
                yield Contradiction(about="file", claim=claim, log=f"it neither wrote nor named {path}", path=path)


def _tests_denied(sentence: str, steps: Sequence[_Step]) -> str:
    """Why the log denies that tests pass; empty if it does not, or leaves it open."""
    runs = [step for step in steps if step.tests]
    # Whoever shows what a runner said has run it, under whatever name.
    summaries = [summary for step in steps if (summary := step.summary) is not None]
    if not runs:
        return "" if summaries else "it ran no tests"
    last = runs[-1].summary
    if last is not None and last.failed:
        return f"the last tests it ran said {last.failed!r}"
    counts = [summary.passed for summary in summaries if summary.passed is not None]
    said = {int(next(filter(None, groups))) for groups in _HOW_MANY.findall(sentence)}
    # Runs of several parts may have been added up.
    if counts and (wrong := {number for number in said if number not in counts and number > sum(counts)}):
        return f"no tests it ran were as many as {max(wrong)}: they were {', '.join(map(str, sorted(set(counts))))}"
    return ""


def _there(path: str, files: Collection[str]) -> bool:
    return any(file == path or file.endswith(f"/{path}") for file in files)


def _sentences(report: JsonObject) -> list[str]:
    """All that the report says, sentence by sentence."""
    texts: list[str] = []

    def collect(value: object) -> None:
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict):
            for each in value.values():
                collect(each)
        elif isinstance(value, list):
            for each in value:
                collect(each)

    # What is open is said to be so, and what is said of it is no claim.
    collect({name: value for name, value in report.items() if name != "open_points"})
    return [part.strip() for text in texts for part in re.split(r"(?<=[.!?;])\s+|\n+", text) if part.strip()]


def _steps(entries: Sequence[Entry]) -> list[_Step]:
    """Every call that was carried out, in order, with what it was answered."""
    asked: dict[str, tuple[str, str]] = {}
    steps = []
    for message in (message for entry in entries for message in entry.messages):
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else []:
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(call, dict) and isinstance(function, dict):
                asked[str(call.get("id"))] = (str(function.get("name")), str(function.get("arguments")))
        if message.get("role") == "tool" and (call_id := str(message.get("tool_call_id"))) in asked:
            tool, arguments = asked[call_id]
            answer = message.get("content")
            text = answer if isinstance(answer, str) else ""
            steps.append(_Step(tool=tool, arguments=_told(tool, arguments), answer=text))
    return [step for step in steps if step.tool != "finish"]


def _told(tool: str, arguments: str) -> str:
    """The command of a shell call, or the arguments as they are."""
    if tool != "shell":
        return arguments
    try:
        return str(json.loads(arguments).get("command", ""))
    except (ValueError, AttributeError):
        return arguments
