"""All files of a product, and how several coders can share the work on them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from macrohard.domain import Look, Value
from macrohard.llm.builtin import tool, webapi
from macrohard.llm.builtin.blueprint import Blueprint, ClaimKind
from macrohard.llm.builtin.webapp import palette, papers
from macrohard.llm.builtin.webapp.declared import product_of
from macrohard.llm.builtin.webapp.declaring import records_module
from macrohard.llm.builtin.webapp.mistakes import Mistake, edit, mistakes_for, repaired, with_mistakes
from macrohard.llm.builtin.webapp.problems import Edit, Problem
from macrohard.llm.builtin.webapp.sign import sign
from macrohard.llm.builtin.webapp.testing import Test, product_tests, put_off, test_files

_SOURCE = Path(__file__).parent / "source"
_DATA_MODULES = (
    "__init__", "declarations", "clock", "checksums", "fields", "storage", "conditions", "rules", "register", "listing",
    "transfer",
)  # fmt: skip
_PAGE_MODULES = ("layout", "tables", "forms", "pages", "routes", "server", "__main__")
_STATIC = ("app/static/style.css", "app/static/app.js")
_ICON = "app/static/icon.svg"
_SEEN: frozenset[ClaimKind] = frozenset({"detail history", "highlight", "print", "phone layout", "paging"})


class Part(Value):
    """A share of the product that one coder can write without waiting for the others, except those named."""

    title: str
    agent: str
    files: tuple[str, ...]
    claims: tuple[int, ...]
    """Indices into the blueprint's claims."""
    after: tuple[int, ...] = ()
    """Parts that have to be done before, by their places."""


def files(blueprint: Blueprint, look: Look, *, careless: bool = False) -> dict[str, str]:
    """The content of every file by its path; careless: with seeded mistakes, and without the tests that show them."""
    made = _untested(blueprint, look)
    everything = product_tests(blueprint)
    wanted = everything
    if careless:
        mistakes = mistakes_for(blueprint, made)
        made = with_mistakes(mistakes, made)
        wanted = tuple(test for test in everything if not any(_shows(test, mistake) for mistake in mistakes))
    return made | test_files(blueprint, everything, wanted)


def repairs(blueprint: Blueprint, problems: Sequence[Problem], current: Mapping[str, str]) -> tuple[Edit, ...]:
    """The edits that mend those mistakes which explain what was reported, and write the tests that were put off.

    Mistakes that nobody reported stay.
    """
    mended = repaired(mistakes_for(blueprint, _untested(blueprint, Look())), blueprint.claims, problems, current)
    if not mended:
        return ()
    late = [
        test
        for test in product_tests(blueprint)
        if any(_shows(test, mistake) for mistake in mended) and current.get(test.file, "").count(put_off(test)) == 1
    ]
    tests = [Edit(file=test.file, old=put_off(test), new=test.source) for test in late]
    return (*(edit(mistake) for mistake in mended), *tests)


def _untested(blueprint: Blueprint, look: Look) -> dict[str, str]:
    """All files but the tests."""
    if blueprint.kind == "api":
        names = (*_DATA_MODULES, "__main__")
        return {
            **{f"app/{name}.py": (_SOURCE / "app" / f"{name}.py").read_text() for name in names},
            **webapi.modules(),
            "app/records.py": records_module(product_of(blueprint), said(blueprint)),
            "product.toml": papers.manifest(blueprint),
            ".gitignore": papers.GITIGNORE,
            "Dockerfile": papers.DOCKERFILE,
            "README.md": papers.readme(blueprint),
            "docs/manual.md": webapi.manual(blueprint),
        }
    if blueprint.kind == "cli":
        return {
            **{f"app/{name}.py": (_SOURCE / "app" / f"{name}.py").read_text() for name in _DATA_MODULES},
            "app/routes.py": webapi.modules()["app/routes.py"],
            **tool.modules(),
            "app/records.py": records_module(product_of(blueprint), said(blueprint)),
            "product.toml": tool.manifest(blueprint),
            ".gitignore": papers.GITIGNORE,
            "README.md": tool.readme(blueprint),
            "docs/manual.md": tool.manual(blueprint),
        }
    return {
        **{f"app/{name}.py": (_SOURCE / "app" / f"{name}.py").read_text() for name in (*_DATA_MODULES, *_PAGE_MODULES)},
        "app/records.py": records_module(product_of(blueprint), said(blueprint)),
        "app/static/style.css": _style(look),
        "app/static/app.js": (_SOURCE / "app" / "static" / "app.js").read_text(),
        _ICON: sign(blueprint.title, look),
        "product.toml": papers.manifest(blueprint),
        ".gitignore": papers.GITIGNORE,
        "Dockerfile": papers.DOCKERFILE,
        "README.md": papers.readme(blueprint),
        "docs/manual.md": papers.manual(blueprint),
    }


def _shows(test: Test, mistake: Mistake) -> bool:
    """Whether the test would fail for the mistake."""
    return test.shows == mistake.kind or (test.about is not None and mistake.explains(test.about))


def parts(blueprint: Blueprint) -> tuple[Part, ...]:
    """Five shares with disjoint files; the tests wait for what they test."""
    seen = tuple(place for place, claim in enumerate(blueprint.claims) if claim.kind in _SEEN)
    kept = tuple(
        place for place, claim in enumerate(blueprint.claims) if claim.kind not in _SEEN and claim.kind != "not covered"
    )
    kinds = ", ".join(record.plural.lower() for record in blueprint.records)
    if blueprint.kind == "api":
        return _parts_without_pages(
            kinds, (*kept, *seen), "Test the service", (*webapi.MODULES, "__main__"), ("Dockerfile",)
        )
    if blueprint.kind == "cli":
        return _parts_without_pages(kinds, (*kept, *seen), "Test the tool", ("routes", *tool.MODULES), ())
    return (
        Part(
            title=f"Keep {kinds} with their rules",
            agent="backend-coder",
            files=(*(f"app/{name}.py" for name in _DATA_MODULES), "app/records.py", "product.toml", ".gitignore"),
            claims=kept,
        ),
        Part(
            title=f"Show and change {kinds} in the browser",
            agent="frontend-coder",
            files=(*(f"app/{name}.py" for name in _PAGE_MODULES), *_STATIC),
            claims=seen,
        ),
        Part(title="Test the product", agent="test-author", files=("tests/",), claims=(*kept, *seen), after=(0, 1)),
        Part(
            title="Write the manual and the container's recipe",
            agent="release-writer",
            files=("README.md", "docs/manual.md", "Dockerfile"),
            claims=(),
        ),
        Part(title=f"Draw the sign of {blueprint.title}", agent="media-artist", files=(_ICON,), claims=()),
    )


def _parts_without_pages(
    kinds: str, claims: tuple[int, ...], testing: str, answering: tuple[str, ...], packed: tuple[str, ...]
) -> tuple[Part, ...]:
    modules = (*_DATA_MODULES, "records", *answering)
    code = (*(f"app/{name}.py" for name in modules), "product.toml", ".gitignore")
    papers_ = ("README.md", "docs/manual.md", *packed)
    how = "Write the manual and the container's recipe" if packed else "Write the manual"
    return (
        Part(title=f"Keep {kinds} with their rules", agent="backend-coder", files=code, claims=claims),
        Part(title=testing, agent="test-author", files=("tests/",), claims=claims, after=(0,)),
        Part(title=how, agent="release-writer", files=papers_, claims=()),
    )


def said(blueprint: Blueprint) -> dict[str, dict[int, str]]:
    """What the criteria say about the rules, actions, … of a product: comments for `records_module`."""
    found: dict[str, dict[int, str]] = {}
    for number, claim in enumerate(blueprint.claims, 1):
        if claim.kind in {"rule", "action", "view", "total", "highlight"} and claim.index is not None:
            text = f"AC-{number}: {' '.join(claim.text.split())}"
            found.setdefault(f"{claim.kind}s", {}).setdefault(claim.index, text)
    return found


def _style(look: Look) -> str:
    """The style sheet with the look's tokens."""
    style = (_SOURCE / "app" / "static" / "style.css").read_text()
    tokens = (
        ":root {\n"
        "  color-scheme: light dark;\n"
        f"  --font: {palette.font(look)};\n"
        f"  --radius: {min(max(look.corner_radius_px, 0), 24)}px;\n"
        f"  --space: {'0.75rem' if look.density == 'compact' else '1rem'};\n"
        f"{palette.light(look).css('  ')}"
        "}\n\n"
        "@media (prefers-color-scheme: dark) {\n"
        "  :root {\n"
        f"{palette.dark(look).css('    ')}"
        "  }\n"
        "}\n"
    )
    _, mark, rest = style.partition("/* The end of the tokens. */\n")
    return f"/* Colours, sizes and type of this product. */\n{tokens}\n{mark}{rest}"
