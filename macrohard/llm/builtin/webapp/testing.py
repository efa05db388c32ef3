"""The product's own tests, written from its claims: what is accepted and what is refused, shown, found and counted."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from macrohard.llm.builtin import tool, webapi
from macrohard.llm.builtin.blueprint import Blueprint, Claim
from macrohard.llm.builtin.webapp import samples
from macrohard.llm.builtin.webapp.cases import ATTEMPTS, WRITERS
from macrohard.llm.builtin.webapp.declared import product_of
from macrohard.llm.builtin.webapp.samples import To, Typed, plain
from macrohard.llm.builtin.webapp.source.app.declarations import Product, Rule
from macrohard.llm.builtin.webapp.trial import Trial, Unfit, fitted

_SOURCE = Path(__file__).parent / "source" / "tests"
_PACKAGE = "macrohard.llm.builtin.webapp.source.app"
_FILES = {
    "tests/test_fields.py": ("FieldTest", "What each field accepts and refuses."),
    "tests/test_rules.py": ("RuleTest", "Rules between fields and records, and actions."),
    "tests/test_lists.py": ("ListTest", "Searching, filtering, sorting, views, totals and highlights."),
}


@dataclass(frozen=True)
class Test:
    """One method of the product's tests."""

    file: str
    name: str
    source: str
    about: Claim | None = None
    """What it tests."""
    shows: str = ""
    """The kind of mistake it would show, when that is about no claim."""


def product_tests(blueprint: Blueprint) -> tuple[Test, ...]:
    """All tests; each was carried out with the product's own code and holds."""
    product = product_of(blueprint)
    found: dict[tuple[str, str], Test] = {}
    for claim in blueprint.claims:
        writer = WRITERS.get(claim.kind)
        if writer is None or claim.record is None:
            continue
        file, write = writer
        name = _name(product, claim)
        for attempt in range(ATTEMPTS):
            trial = Trial(product)
            try:
                write(trial, claim, attempt)
                found.setdefault((file, name), Test(file, name, trial.source(name), claim))
                break
            except (Unfit, LookupError, ValueError, OverflowError):
                continue  # Other values may do.
    return (*found.values(), *_outer_tests(blueprint))


def test_files(blueprint: Blueprint, everything: Iterable[Test], tests: Iterable[Test]) -> dict[str, str]:
    """The files of the test suite; of everything, a test that is not among `tests` is put off in a comment."""
    wanted = {(test.file, test.name) for test in tests}
    written = {name: _copied(name) for name in ("tests/__init__.py", "tests/product.py")}
    outer, source = _outer_test(blueprint)
    written[outer] = source
    for test in everything:
        if test.file == outer and (test.file, test.name) not in wanted:
            written[test.file] = written[test.file].replace(test.source, put_off(test))
    for file, (case, title) in _FILES.items():
        own = [test for test in everything if test.file == file]
        if not own:
            continue
        body = "\n".join(test.source if (test.file, test.name) in wanted else put_off(test) for test in own)
        imports = _imports("".join(test.source for test in own))
        written[file] = f'"""{title}"""\n\n{imports}\n\n\nclass {case}(ProductCase):\n    """{title}"""\n\n{body}'
    if examples := _examples(blueprint):
        written["tests/examples.py"] = examples
    else:
        del written[outer]
    return written


def put_off(test: Test) -> str:
    """What stands in place of a test that somebody in a hurry did not write."""
    return f"    # TODO: {test.name}\n"


def _copied(path: str) -> str:
    return (_SOURCE / path.removeprefix("tests/")).read_text().replace(_PACKAGE, "app")


def _outer_test(blueprint: Blueprint) -> tuple[str, str]:
    """The test of the product as those meet it who use it, with its file."""
    if blueprint.kind == "cli":
        return "tests/test_commands.py", tool.commands_test()
    source = webapi.server_test() if blueprint.kind == "api" else _copied("tests/test_server.py")
    return "tests/test_server.py", source


def _imports(methods: str) -> str:
    lines = []
    if "clock." in methods or "register." in methods:
        lines.append(f"from app import {', '.join(name for name in ('clock', 'register') if f'{name}.' in methods)}")
    if "Refused" in methods:
        lines.append("from app.register import Refused")
    used = ["ProductCase"] + [name for name in ("day", "minute", "years_ago") if re.search(rf"\b{name}\(", methods)]
    return "\n".join([*lines, *([""] if lines else []), f"from .product import {', '.join(used)}"])


def _outer_tests(blueprint: Blueprint) -> list[Test]:
    file, text = _outer_test(blueprint)
    kept = next((claim for claim in blueprint.claims if claim.kind == "survives restart"), None)
    about = {
        "test_what_was_saved_survives_a_kill": kept,
        "test_what_was_saved_is_there_when_it_is_called_again": kept,
    }
    shows = {
        "test_what_was_saved_survives_a_kill": "not persisted",
        "test_what_was_saved_is_there_when_it_is_called_again": "not persisted",
        "test_lists_are_exported": "not persisted",
        "test_odd_texts_are_kept_and_shown_as_they_are": "crash on odd input",
    }
    methods = re.findall(r"(?ms)^    def (test_\w+)\(self\) -> None:\n.*?(?=\n    def |\Z)", text)
    sources = re.findall(r"(?ms)^    def test_\w+\(self\) -> None:\n.*?(?=\n    def |\Z)", text)
    return [
        Test(file, name, source, about.get(name), shows.get(name, ""))
        for name, source in zip(methods, sources, strict=True)
    ]


def _examples(blueprint: Blueprint) -> str | None:
    """The first record type that needs no other one, with a record that is accepted; None if none is found."""
    product = product_of(blueprint)
    for record in product.records:
        texts = samples.defaults(record) | samples.example(product, record)
        if any(isinstance(one, To) for one in texts.values()):
            continue
        trial = Trial(product)
        try:
            trial.add(record.name, texts)
        except Unfit:
            continue
        free = [
            one.name
            for one in record.fields
            if one.entered and one.type == "text" and not (one.pattern or one.checksum) and (one.max_length or 99) >= 50
        ]
        written = ", ".join(f'"{key}": {one.source}' for key, one in texts.items() if isinstance(one, Typed))
        helpers = [name for name in ("day", "minute", "years_ago") if f"{name}(" in written]
        first = f"from .product import {', '.join(helpers)}\n\n" if helpers else ""
        return (
            '"""A record that the product accepts."""\n\n'
            "from collections.abc import Mapping\n\n"
            f"{first}"
            f'RECORD = "{record.name}"\n'
            f"{fitted(f'TEXTS: Mapping[str, str] = {{{written}}}', 0)}"
            f"FREE_TEXT: str | None = {plain(free[0]).source if free else None}\n"
            '"""A field that takes any text."""\n'
        )
    return None


def _name(product: Product, claim: Claim) -> str:
    parts = [claim.record or "", claim.field or "", claim.kind]
    if claim.index is not None:
        group: Mapping[str, tuple[object, ...]] = {
            "rule": product.rules, "action": product.actions, "view": product.views, "total": product.totals,
            "highlight": product.highlights,
        }  # fmt: skip
        one = group[claim.kind][claim.index]
        parts = [claim.kind, one.message if isinstance(one, Rule) else str(getattr(one, "label", ""))]
    return "test_" + re.sub(r"[^a-z0-9]+", "_", " ".join(parts).lower()).strip("_")[:80]
