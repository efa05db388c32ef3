"""All files of a product, and how several coders can share the work on them."""

from pathlib import Path

from macrohard.domain import Look, Value
from macrohard.llm.builtin.blueprint import Blueprint, ClaimKind
from macrohard.llm.builtin.webapp import palette, papers
from macrohard.llm.builtin.webapp.declaring import records_module

_SOURCE = Path(__file__).parent / "source"
_DATA_MODULES = (
    "__init__", "declarations", "clock", "checksums", "fields", "storage", "conditions", "rules", "register", "listing",
    "transfer",
)  # fmt: skip
_PAGE_MODULES = ("layout", "tables", "forms", "pages", "routes", "server", "__main__")
_STATIC = ("app/static/style.css", "app/static/app.js", "app/static/icon.svg")
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
    written = {
        f"app/{name}.py": (_SOURCE / "app" / f"{name}.py").read_text() for name in (*_DATA_MODULES, *_PAGE_MODULES)
    }
    written["app/records.py"] = records_module(blueprint)
    written["app/static/style.css"] = _style(look)
    written["app/static/app.js"] = (_SOURCE / "app" / "static" / "app.js").read_text()
    written["app/static/icon.svg"] = palette.icon(blueprint.title, look)
    written["product.toml"] = papers.manifest(blueprint)
    written[".gitignore"] = papers.GITIGNORE
    written["Dockerfile"] = papers.DOCKERFILE
    written["README.md"] = papers.readme(blueprint)
    written["docs/manual.md"] = papers.manual(blueprint)
    return written


def parts(blueprint: Blueprint) -> tuple[Part, ...]:
    """Four shares with disjoint files; the tests wait for what they test."""
    seen = tuple(place for place, claim in enumerate(blueprint.claims) if claim.kind in _SEEN)
    kept = tuple(
        place for place, claim in enumerate(blueprint.claims) if claim.kind not in _SEEN and claim.kind != "not covered"
    )
    kinds = ", ".join(record.plural.lower() for record in blueprint.records)
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
    )


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
