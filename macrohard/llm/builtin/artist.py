"""The built-in model with a pencil: a plain sign from the product's name and colours, the same for the same text."""

import hashlib
import math
import re
from html import escape

from macrohard.domain import JsonObject, Look
from macrohard.llm.builtin.conversation import Call, Conversation, Turn
from macrohard.llm.builtin.office import look_of
from macrohard.llm.builtin.webapp import palette

SIDE = 64
FILLERS = frozenset({"a", "an", "and", "app", "for", "of", "our", "system", "the", "to", "with"})


def artist(conversation: Conversation) -> Turn:
    """Draw the task's files; what is not taken is drawn once more, plainer."""
    task = conversation.material.get("task")
    task = task if isinstance(task, dict) else {}
    files = task.get("files")
    paths = [str(path) for path in files if str(path).endswith((".svg", ".png"))] if isinstance(files, list) else []
    tried: dict[str, list[str]] = {path: [] for path in paths}
    for exchange in conversation.exchanges:
        if exchange.call.name == "picture":
            tried.setdefault(str(exchange.call.arguments["path"]), []).append(exchange.result)
    look, title = look_of(conversation.material), _title(conversation.material)
    missing = [path for path, answers in tried.items() if not any(answer.startswith("wrote ") for answer in answers)]
    if again := [path for path in missing if len(tried[path]) < 2]:
        calls = []
        for path in again:
            drawing = sign(title, look, plain=bool(tried[path]))
            prompt = f"A plain sign for {title}: its initials and a simple shape."
            calls.append(Call(name="picture", arguments={"path": path, "prompt": prompt, "svg": drawing}))
        return Turn(text=f"I draw {len(calls)} of {len(paths)}.", calls=tuple(calls))
    made = [path for path in paths if path not in missing]
    summary = f"Drew {', '.join(made)} as a plain sign with initials." if made else "Nothing was drawn."
    left = [f"{path}: {tried[path][-1]}" for path in missing]
    others = [str(path) for path in files if str(path) not in paths] if isinstance(files, list) else []
    left += [f"{path}: neither .svg nor .png" for path in others]
    return Turn(calls=(Call(name="finish", arguments={"summary": summary, "open_points": list(left)}),))


def sign(title: str, look: Look, *, plain: bool = False) -> str:
    """A square SVG: a ground in the accent colour, a mark chosen by the words of the title, and its initials."""
    colours = palette.light(look).colours
    words = [word for word in re.findall(r"[^\W_]+", title.lower()) if word not in FILLERS] or ["product"]
    choice = hashlib.sha256(" ".join(words).encode()).digest()
    initials = "".join(word[0] for word in words[:2]).upper()
    ground = _GROUNDS[choice[0] % len(_GROUNDS)]
    mark = "" if plain else _MARKS[choice[1] % len(_MARKS)]
    size, middle = (28, 42) if plain or len(initials) == 2 else (32, 43)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}" role="img">'
        f"<title>{escape(title)}</title>"
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


def _title(material: JsonObject) -> str:
    specification = material.get("specification")
    title = specification.get("title") if isinstance(specification, dict) else None
    return str(title or "Product")
