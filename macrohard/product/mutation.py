"""Whether a product's own tests notice broken code: some lines are changed, one at a time, and the tests run."""

import random
import re
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, Literal, NamedTuple

from macrohard.domain import Artifacts, Value, Verdict
from macrohard.domain.environment import NONE
from macrohard.errors import ToolError
from macrohard.product.earlier import is_test
from macrohard.product.service import PORT, Service, checkout
from macrohard.sandbox.contract import Sandbox, SandboxProvider, SandboxSpec

MUTANTS: Final = 8
LEAST: Final = 5
"""Fewer places to change say nothing."""
NOTICED_AT_LEAST: Final = 0.25
"""Of the changed lines. Tests that notice half of all that could be changed come out below a quarter in a sample of
eight once in thirty times; those that notice two thirds, once in four hundred; tests that cannot fail, always."""
SECONDS: Final = 90.0
"""After this long no further line is changed."""
LONGEST_SECONDS: Final = SECONDS / LEAST
"""Tests that take longer are not tried."""
FILE_BYTES: Final = 100_000
"""Larger files were hardly written by hand."""
NAMED: Final = 3

_TOUCHED: Final = Path(__file__).parent / "guest" / "touched.py"
_SPY: Final = PurePosixPath("/tmp/spy")
_SEEN: Final = _SPY / "seen"
_SEEN_BYTES: Final = 8 << 20
_DIGITS: Final = 7
_CHECK_SECONDS: Final = 20.0
_SLOWER: Final = 3.0
"""Tests that take so many times as long as usual have noticed something, e.g. a loop that does not end any more."""
_GRACE_SECONDS: Final = 5.0
_IN_BROWSERS: Final = frozenset({"static", "public", "assets", "frontend", "client", "www"})
_OTHERS: Final = frozenset({"node_modules", "vendor", "dist", "build", "docs", "examples", "migrations"})

_NUMBER: Final = r"(?P<number>(?<![\w.])[012](?![\w.]))"
_PYTHON: Final = re.compile(
    r"(?P<skip>\#[^\n]*|[rbfuRBFU]{0,2}(?:\"\"\"(?s:.*?)\"\"\"|'''(?s:.*?)'''|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|->|\*\*|<<|>>)"
    rf"|{_NUMBER}|(?P<word>[^\W\d]\w*)|(?P<operator>[=!<>]=|(?<= )[<>+-](?= ))"
)
_SCRIPT: Final = re.compile(
    r"(?P<skip>//[^\n]*|/\*(?s:.*?)\*/|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|=>|<<|>>)"
    rf"|{_NUMBER}|(?P<word>[^\W\d][\w$]*)|(?P<operator>[=!]==?|[<>]=|&&|\|\||(?<= )[<>+-](?= ))"
)
_SWAPS: Final[Mapping[str, str]] = {
    "==": "!=", "!=": "==", "===": "!==", "!==": "===", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "+": "-", "-": "+",
    "&&": "||", "||": "&&", "and": "or", "or": "and", "True": "False", "False": "True", "true": "false",
    "false": "true", "0": "1", "1": "2", "2": "3",
}  # fmt: skip


class _Language(NamedTuple):
    tokens: re.Pattern[str]
    nothing: str
    """What a function gives that gives nothing."""
    given: re.Pattern[str]
    """What a function gives, behind `return`, if it is all on that line."""
    words: frozenset[str]


_OF_PYTHON: Final = _Language(
    _PYTHON, "None", re.compile(r" (?!None\b)([^\n#;]*[^\n#;\s([{,])(?=\n)"), frozenset({"and", "or", "True", "False"})
)
_OF_SCRIPTS: Final = _Language(
    _SCRIPT, "undefined", re.compile(r" (?!undefined\b)([^\n;{]+)(?=;)"), frozenset({"true", "false"})
)
_LANGUAGES: Final[Mapping[str, _Language]] = {
    ".py": _OF_PYTHON, ".js": _OF_SCRIPTS, ".mjs": _OF_SCRIPTS, ".cjs": _OF_SCRIPTS, ".ts": _OF_SCRIPTS,
}  # fmt: skip
_MODULE: Final = re.compile(r"^\s*(?:import|export)\b", re.MULTILINE)


def _parses(path: str, text: str) -> tuple[str, ...] | None:
    """The command that fails for a program that cannot be read; None where there is none."""
    match PurePosixPath(path).suffix:
        case ".py":
            return ("python3", "-c", "import ast, sys; ast.parse(sys.stdin.buffer.read())")
        case ".ts":
            # Node reads TypeScript only by running it.
            return None
        case _:
            return ("node", "--check", f"--input-type={'module' if _MODULE.search(text) else 'commonjs'}", "-")


class Source(Value):
    """A file of the product, and which of its lines may be changed."""

    text: str
    lines: frozenset[int]


class Mutant(Value):
    """One change of one line."""

    path: str
    line: int
    start: int
    end: int
    """Characters of the file from `start` on that are replaced."""
    before: str
    after: str

    @property
    def words(self) -> str:
        """E.g. "app/rules.py:12, `<` made `>=`"."""
        return f"{self.path}:{self.line}, `{self.before}` made `{self.after}`"


def is_mutable(path: str) -> bool:
    """Whether a file holds code that the product's own tests are for, as far as its path tells.

    What runs in browsers is not: users and scenarios are there for that.
    """
    file = PurePosixPath(path)
    folders = set(file.parts[:-1])
    if file.suffix not in _LANGUAGES or is_test(path) or folders & _OTHERS or ".min." in file.name:
        return False
    return file.suffix == ".py" or not folders & _IN_BROWSERS


def mutants_of(path: str, source: Source) -> Iterator[Mutant]:
    """All changes that could be made to the lines of a file: conditions, limits, signs and what is returned."""
    language = _LANGUAGES[PurePosixPath(path).suffix]
    starts = [0, *(found.end() for found in re.finditer("\n", source.text))]
    for token in language.tokens.finditer(source.text):
        place, before = token.span(), token[0]
        if before == "return" and (given := language.given.match(source.text, token.end())):
            place, before, after = given.span(1), given[1], language.nothing
        elif token.lastgroup == "skip" or (token.lastgroup == "word" and before not in language.words):
            continue
        else:
            after = _SWAPS[before]
        line = bisect_right(starts, place[0])
        if line in source.lines:
            yield Mutant(path=path, line=line, start=place[0], end=place[1], before=before, after=after)


def sampled(
    sources: Mapping[str, Source], *, commit: str, touched: frozenset[tuple[str, int]] = frozenset()
) -> tuple[Mutant, ...]:
    """Some of all, one for a line, of lines that the tests come to first; for the same commit the same."""
    by_line: dict[tuple[str, int], list[Mutant]] = {}
    for path in sorted(sources):
        for mutant in mutants_of(path, sources[path]):
            by_line.setdefault((mutant.path, mutant.line), []).append(mutant)
    # Not a secret: it has to come out the same again.
    lot = random.Random(commit)
    lines = sorted(by_line)
    lot.shuffle(lines)
    lines.sort(key=lambda line: line not in touched)
    return tuple(lot.choice(by_line[line]) for line in lines[:MUTANTS])


class _Bench:
    """A product whose files are changed and put back."""

    def __init__(self, service: Service, sources: Mapping[str, Source]) -> None:
        self._service, self._sources, self._runs = service, sources, 0

    @property
    def _sandbox(self) -> Sandbox:
        return self._service.sandbox

    async def touched(self, *, timeout_seconds: float) -> frozenset[tuple[str, int]]:
        """The lines of functions that the tests come to, as far as can be seen: Python's, in processes they start, too.

        Seen from inside of what is tested, so good for choosing lines and for nothing else.
        """
        try:
            await self._sandbox.write({_SPY / "sitecustomize.py": _TOUCHED.read_bytes()})
            spying = {
                "PYTHONPATH": str(_SPY),
                "MACROHARD_ROOT": f"{self._service.root}/",
                "MACROHARD_TOUCHED": str(_SEEN),
            }
            await self.tests_fail(timeout_seconds=timeout_seconds, environment=spying)
            listed = await self._sandbox.read(_SEEN, limit_bytes=_SEEN_BYTES)
        except (FileNotFoundError, IsADirectoryError, ToolError):
            return frozenset()
        found = (line.partition(" ") for line in listed.decode(errors="replace").splitlines())
        prefix = f"{self._service.root}/"
        return frozenset(
            (path.removeprefix(prefix), int(number))
            for number, _, path in found
            if number.isdecimal() and len(number) <= _DIGITS
        )

    async def tests_fail(self, *, timeout_seconds: float, environment: Mapping[str, str] | None = None) -> bool:
        """Whether the product's own tests fail; that they do not end in time is a failure, too."""
        return await self._tested(timeout_seconds=timeout_seconds, environment=environment) != "passed"

    async def _tested(
        self, *, timeout_seconds: float, environment: Mapping[str, str] | None = None
    ) -> Literal["passed", "failed", "late"]:
        self._runs += 1
        run = await self._sandbox.run(
            self._service.manifest.commands.test,
            timeout_seconds=timeout_seconds,
            directory=self._service.root,
            environment={
                **self._service.environment,
                "PORT": str(PORT),
                # The first failure is enough.
                "PYTEST_ADDOPTS": "-x -q -p no:cacheprovider",
                # Else a file that keeps its size, and the second of its last change, is taken for the one before.
                "PYTHONPYCACHEPREFIX": f"/tmp/compiled-{self._runs}",
                **(environment or {}),
            },
        )
        await self._sandbox.kill_all()
        if run.timed_out:
            return "late"
        return "passed" if run.exit_code == 0 and run.limit_hit is None else "failed"

    async def with_mutant(self, mutant: Mutant, *, timeout_seconds: float) -> bool | None:
        """Whether the tests notice it.

        None: it is no program any more, or tests are late on this machine without it, too; neither says anything.
        """
        text = self._sources[mutant.path].text
        broken = f"{text[: mutant.start]}{mutant.after}{text[mutant.end :]}".encode()
        if (check := _parses(mutant.path, text)) is not None:
            parsed = await self._sandbox.run(check, timeout_seconds=_CHECK_SECONDS, input=broken)
            if parsed.exit_code != 0:
                return None
        path = self._service.root / mutant.path
        await self._sandbox.write({path: broken})
        try:
            tested = await self._tested(timeout_seconds=timeout_seconds)
        finally:
            await self._sandbox.write({path: text.encode()})
        if tested == "late" and await self.tests_fail(timeout_seconds=timeout_seconds):
            return None
        return tested != "passed"


async def verify_test_quality(
    provider: SandboxProvider,
    *,
    bundle: bytes,
    commit: str,
    sources: Mapping[str, Source],
    artifacts: Artifacts,
    environment: Mapping[str, str] = NONE,
) -> Verdict | None:
    """Change a sample of lines in a fresh sandbox, one at a time, and see whether the product's own tests notice,
    which run with `environment`.

    The verdict is "passed" if they notice at least `NOTICED_AT_LEAST` of those tried.

    Returns:
        None if that says nothing: too few places to change, tests that fail without any change or take too long.

    Raises:
        SandboxUnavailable: a sandbox could not be had, or was lost.
    """
    if len(sampled(sources, commit=commit)) < LEAST:
        return None
    began = time.monotonic()
    async with provider.open(SandboxSpec(image=provider.product_image, packages=provider.installs)) as sandbox:
        try:
            service = await checkout(sandbox, bundle=bundle, commit=commit, environment=environment)
            installed = await service.install()
            if installed is not None and installed.exit_code != 0:
                return None
            bench = _Bench(service, sources)
            tried = await _tried(bench, lambda touched: sampled(sources, commit=commit, touched=touched))
        except ToolError:
            # Manifest and room are what other checks are about.
            return None
    if len(tried) < LEAST:
        return None
    noticed = sum(was for _, was in tried)
    left = [mutant.words for mutant, was in tried if not was]
    more = f" and {len(left) - NAMED} more" if len(left) > NAMED else ""
    summary = f"the product's own tests noticed {noticed} of {len(tried)} lines that were broken on purpose"
    if left:
        summary += f"; not {'; '.join(left[:NAMED])}{more}"
    log = "\n".join(f"{'noticed' if was else 'NOT noticed'}: {mutant.words}" for mutant, was in tried)
    return Verdict(
        check="test quality",
        kind="test quality",
        commit=commit,
        status="passed" if noticed >= NOTICED_AT_LEAST * len(tried) else "failed",
        summary=summary,
        duration_seconds=time.monotonic() - began,
        evidence=(await artifacts.put(log.encode(), media_type="text/plain"),),
    )


async def _tried(
    bench: _Bench, choose: Callable[[frozenset[tuple[str, int]]], Sequence[Mutant]]
) -> list[tuple[Mutant, bool]]:
    """Those that were tried in time, and whether they were noticed; none if the tests fail without any."""
    began = time.monotonic()
    if await bench.tests_fail(timeout_seconds=LONGEST_SECONDS):
        return []
    limit = _SLOWER * (time.monotonic() - began) + _GRACE_SECONDS
    mutants = choose(await bench.touched(timeout_seconds=limit))
    began = time.monotonic()
    tried: list[tuple[Mutant, bool]] = []
    for mutant in mutants:
        if time.monotonic() - began > SECONDS:
            break
        noticed = await bench.with_mutant(mutant, timeout_seconds=limit)
        if noticed is not None:
            tried.append((mutant, noticed))
    # What a broken run left behind could make all later ones fail; those that passed show that it did not.
    if tried and tried[-1][1] and await bench.tests_fail(timeout_seconds=limit):
        return []
    return tried
