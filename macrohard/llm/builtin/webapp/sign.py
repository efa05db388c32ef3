"""A product's sign: its initials on a plain ground, the same for the same name."""

import hashlib
import math
import re
from html import escape

from macrohard.domain import Look
from macrohard.llm.builtin.webapp import palette

SIDE = 64
FILLERS = frozenset({"a", "an", "and", "app", "for", "of", "our", "system", "the", "to", "with"})


def sign(title: str, look: Look, *, plain: bool = False) -> str:
    """A square SVG: a ground in the accent colour, a mark chosen by the words of the title, and its initials."""
    colours = palette.light(look).colours
    words = [word for word in re.findall(r"[^\W_]+", title.lower()) if word not in FILLERS] or ["product"]
    choice = hashlib.sha256(" ".join(words).encode()).digest()
    initials = "".join(word[0] for word in words[:2]).upper()
    ground = _GROUNDS[choice[0] % len(_GROUNDS)]
    mark = "" if plain else _MARKS[choice[1] % len(_MARKS)]
    size, middle = (28, 42) if plain or len(initials) == 2 else (32, 43)
    # Some characters have no place in XML, not even written as numbers.
    name = "".join(letter if letter.isprintable() else " " for letter in title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}" role="img">'
        f"<title>{escape(name)}</title>"
        f'<g fill="{colours["accent"]}">{ground}</g>'
        f'<g fill="none" stroke="{colours["on-accent"]}" stroke-width="3" stroke-linecap="round" opacity="0.45">'
        f"{mark}</g>"
        f'<text x="32" y="{middle - (0 if plain else 3)}" font-family="system-ui, sans-serif" font-size="{size}" '
        f'font-weight="700" text-anchor="middle" fill="{colours["on-accent"]}">{escape(initials)}</text></svg>'
    )


def _polygon(corners: int) -> str:
    points = []
    for corner in range(corners):
        angle = 2 * math.pi * corner / corners - math.pi / 2
        points.append(f"{32 + 31 * math.cos(angle):.1f},{32 + 31 * math.sin(angle):.1f}")
    return f'<polygon points="{" ".join(points)}"/>'


_GROUNDS = (
    '<rect x="1" y="1" width="62" height="62" rx="14"/>',
    '<circle cx="32" cy="32" r="31"/>',
    '<path d="M5 4h54v32c0 14-12 22-27 26C17 58 5 50 5 36z"/>',
    _polygon(6),
    _polygon(8),
)
_MARKS = (
    '<line x1="20" y1="48" x2="44" y2="48"/><line x1="24" y1="54" x2="40" y2="54"/>',
    '<polyline points="24,50 30,55 41,46"/>',
    '<path d="M24 54v-3M32 54v-8M40 54v-5"/>',
    '<path d="M18 51q7 -6 14 0t14 0"/>',
    '<path d="M24 51h.1M32 51h.1M40 51h.1"/>',
)
"""Small, below the initials: a list, a tick, bars, a wave, dots."""
