"""Drawings in front of the real browser: what is good comes back as pixels, what is not comes back with words."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from macrohard.domain import Look
from macrohard.llm.builtin.webapp import sign
from macrohard.product import DrawingTable, SvgRefused
from macrohard.sandbox import SandboxProvider

from .test_svg import GOOD, NS


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def table(provider: SandboxProvider) -> AsyncIterator[DrawingTable]:
    async with DrawingTable(provider) as table:
        yield table


def svg(inner: str, view: str = "0 0 100 100") -> str:
    return f'<svg {NS} viewBox="{view}">{inner}</svg>'


@pytest.mark.parametrize(
    ("drawing", "size"),
    [
        pytest.param(GOOD, (1024, 576), id="an illustration"),
        pytest.param(svg('<circle cx="50" cy="50" r="46" fill="#2563eb"/>'), (1024, 1024), id="a free-standing sign"),
        pytest.param(
            svg('<rect width="100" height="100" fill="#eff6ff"/><circle cx="95" cy="5" r="40" fill="#1d4ed8"/>'),
            (1024, 1024), id="a picture that fills its frame and goes on outside",
        ),
        pytest.param(svg('<path d="M4 50h92" stroke="#000" stroke-width="3"/>'), (1024, 1024), id="one line"),
        pytest.param(
            svg('<text x="50" y="60" font-size="30" text-anchor="middle">Tasks</text>'), (1024, 1024), id="a word"
        ),
    ],
)  # fmt: skip
async def test_what_can_be_seen_is_taken(table: DrawingTable, drawing: str, size: tuple[int, int]) -> None:
    made = await table.draw(drawing)
    assert (made.width, made.height) == size
    assert made.png.startswith(b"\x89PNG")
    assert int.from_bytes(made.png[16:20]) == size[0]
    assert made.png[25] == 6, "with an alpha channel: the background stays open"


@pytest.mark.parametrize(
    ("drawing", "complaint"),
    [
        (svg(""), "blank"),
        (svg('<rect width="100" height="100" fill="#fff"/>'), "blank"),
        (svg('<rect width="90" height="90" fill="none"/>'), "blank"),
        (svg('<rect x="200" y="200" width="50" height="50"/>'), "blank"),
        (svg('<circle cx="50" cy="50" r="30" opacity="0"/>'), "blank"),
        (svg('<rect x="1" y="1" width="9" height="9"/>'), "fills only 9% of the width"),
        (svg('<circle cx="100" cy="50" r="40" fill="#b91c1c"/>'), "outside of its viewBox"),
        (svg('<text x="5" y="60" font-size="30">A name that is too long</text>'), "text is cut off"),
        (svg('<script>document.title = "x"</script>'), "<script> is not allowed"),
        ("A logo with a book", "not well-formed"),
    ],
)
async def test_what_a_person_would_send_back_is_sent_back(table: DrawingTable, drawing: str, complaint: str) -> None:
    with pytest.raises(SvgRefused) as refused:
        await table.draw(drawing)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    "title", ["Team tasks", "Inventory of the workshop", "The", "", "Ça & là <b>", "日本", "a\0b\x1b", "𝕏" * 300, "ßß"]
)
@pytest.mark.parametrize("plain", [False, True])
async def test_the_built_in_models_sign_is_taken_for_any_name(table: DrawingTable, title: str, plain: bool) -> None:
    made = await table.draw(sign(title, Look(accent="#0f766e"), plain=plain))
    assert sign(title, Look(accent="#0f766e"), plain=plain) == sign(title, Look(accent="#0f766e"), plain=plain)
    assert "#0f766e" in made.svg
