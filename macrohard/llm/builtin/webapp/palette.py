"""Colours of a product: the look's own, and those derived from it so that everything stays readable."""

import re
from dataclasses import dataclass

from macrohard.domain import Look

Colour = tuple[float, float, float]
_TONES = {"danger": "#b42318", "warning": "#92600a", "good": "#17703c"}
_SHADES = ("#1d4ed8", "#92600a", "#b42318", "#17703c", "#7a2fb8", "#0f6a75")


@dataclass(frozen=True)
class Palette:
    """One scheme's colours as #rrggbb by the name of the style sheet's variable."""

    colours: dict[str, str]

    def css(self, indent: str) -> str:
        """The declarations, one a line."""
        return "".join(f"{indent}--{name}: {colour};\n" for name, colour in self.colours.items())


def light(look: Look) -> Palette:
    """The scheme of the look as it is given."""
    return _scheme(_read(look.background), _read(look.text), _read(look.accent))


def dark(look: Look) -> Palette:
    """The scheme for people who prefer dark pages; for a dark look, the look itself."""
    if _luminance(_read(look.background)) < 0.2:
        return light(look)
    accent = _read(look.accent)
    background = _mix(_read("#101418"), accent, 0.05)
    return _scheme(background, _read("#e8eaed"), accent)


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG, from 1 to 21."""
    first, second = sorted((_luminance(_read(one)), _luminance(_read(other))), reverse=True)
    return (first + 0.05) / (second + 0.05)


def font(look: Look) -> str:
    """The look's font as it may stand in a style sheet."""
    safe = re.sub(r"[^A-Za-z0-9 ,'\"-]", "", look.font).strip()
    return safe or "system-ui, sans-serif"


def _scheme(background: Colour, text: Colour, accent: Colour) -> Palette:
    text = _readable(text, background, 7)
    is_dark = _luminance(background) < _luminance(text)
    ground = _mix(background, text, 0.0 if is_dark else 0.035)
    sheet = _mix(background, text, 0.055) if is_dark else background
    raised = _mix(sheet, text, 0.05)
    accent = _readable(accent, raised, 4.6)
    colours = {
        "ground": ground,
        "sheet": sheet,
        "raised": raised,
        "line": _mix(sheet, text, 0.14),
        "edge": _readable(_mix(sheet, text, 0.4), sheet, 3.1),
        "text": text,
        "muted": _readable(_mix(sheet, text, 0.62), raised, 4.8),
        "accent": accent,
        "accent-strong": _mix(accent, text, 0.22),
        "accent-soft": _mix(sheet, accent, 0.1 if not is_dark else 0.18),
        "on-accent": _on(accent),
    }
    for name, hexadecimal in _TONES.items():
        soft = _mix(sheet, _read(hexadecimal), 0.1 if not is_dark else 0.24)
        colours[f"{name}-soft"] = soft
        colours[name] = _readable(_read(hexadecimal), soft, 4.8)
    colours["on-danger"] = _on(colours["danger"])
    for number, hexadecimal in enumerate(_SHADES, 1):
        soft = _mix(sheet, _read(hexadecimal), 0.09 if not is_dark else 0.24)
        colours[f"shade-{number}-soft"] = soft
        colours[f"shade-{number}"] = _readable(_read(hexadecimal), soft, 4.8)
    return Palette({name: _written(colour) for name, colour in colours.items()})


def _on(colour: Colour) -> Colour:
    """White or nearly black, whichever is easier to read on the colour."""
    white, black = _read("#ffffff"), _read("#10131a")
    return white if _ratio(white, colour) >= _ratio(black, colour) else black


def _readable(colour: Colour, on: Colour, ratio: float) -> Colour:
    """The colour, shifted towards black or white until it can be read on the other."""
    target = _read("#000000") if _luminance(on) > 0.18 else _read("#ffffff")
    for step in range(21):
        shifted = _read(_written(_mix(colour, target, step / 20)))
        if _ratio(shifted, on) >= ratio:
            return shifted
    return target


def _ratio(one: Colour, other: Colour) -> float:
    first, second = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (first + 0.05) / (second + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (part + (aim - part) * share for part, aim in zip(one, other, strict=True))
    return red, green, blue


def _read(hexadecimal: str) -> Colour:
    """Three shares from 0 to 1.

    Raises:
        ValueError: it is not written #rrggbb.
    """
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", hexadecimal):
        raise ValueError(f"{hexadecimal!r} is no colour such as #2563eb")
    return int(hexadecimal[1:3], 16) / 255, int(hexadecimal[3:5], 16) / 255, int(hexadecimal[5:7], 16) / 255


def _written(colour: Colour) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)
