"""Lets in drawings that a model wrote: a small part of SVG that can neither act, nor load, nor be heavy."""

import re
from typing import Final
from xml.etree.ElementTree import Element, ParseError, register_namespace, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "{http://www.w3.org/1999/xlink}href"
_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"

SOURCE_CHARACTERS: Final = 40_000
ELEMENTS_AT_MOST: Final = 40
"""What is drawn: not counted are the root, groups of definitions, colour stops, parts of filters, titles."""
ALL_ELEMENTS_AT_MOST: Final = 160
DEPTH_AT_MOST: Final = 12
COMPLAINTS_AT_MOST: Final = 8
LARGEST_NUMBER: Final = 10_000.0

_DRAWN: Final = frozenset({"g", "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan"})
_SOURCES: Final = frozenset({"linearGradient", "radialGradient", "clipPath", "mask", "filter"})
_FILTERS: Final = frozenset(
    {"feGaussianBlur", "feOffset", "feMerge", "feMergeNode", "feFlood", "feComposite", "feBlend", "feColorMatrix",
     "feDropShadow"}
)  # fmt: skip
_SAID: Final = frozenset({"title", "desc"})
_ELEMENTS: Final = _DRAWN | _SOURCES | _FILTERS | _SAID | {"svg", "defs", "stop"}
_WITH_TEXT: Final = _SAID | {"text", "tspan"}
_REFERENCES: Final = frozenset({"clip-path", "mask", "filter"})

_STYLES: Final = frozenset(
    {"fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin",
     "stroke-miterlimit", "stroke-dasharray", "stroke-dashoffset", "stroke-opacity", "opacity", "color", "display",
     "visibility", "clip-rule", "clip-path", "mask", "filter", "stop-color", "stop-opacity", "flood-color",
     "flood-opacity", "font-family", "font-size", "font-weight", "font-style", "font-variant", "letter-spacing",
     "word-spacing", "text-anchor", "dominant-baseline", "alignment-baseline", "paint-order", "vector-effect",
     "mix-blend-mode", "isolation", "transform-origin", "transform-box", "text-decoration"}
)  # fmt: skip
_ATTRIBUTES: Final = _STYLES | frozenset(
    {"id", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "fx", "fy", "fr", "d", "points", "width",
     "height", "viewBox", "preserveAspectRatio", "transform", "gradientUnits", "gradientTransform", "spreadMethod",
     "offset", "clipPathUnits", "maskUnits", "maskContentUnits", "filterUnits", "primitiveUnits", "dx", "dy", "rotate",
     "textLength", "lengthAdjust", "pathLength", "stdDeviation", "in", "in2", "result", "mode", "operator", "k1", "k2",
     "k3", "k4", "type", "values", "edgeMode", "mask-type", "role", "aria-label", "aria-hidden", "class", "version",
     "style"}
)  # fmt: skip
_WORDS: Final = frozenset({"aria-label", "class"})
"""Attributes whose value is for people, or means nothing here."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,60}")
_VALUE: Final = re.compile(r"[A-Za-z0-9#%.,()\s+_-]*")
_FONTS: Final = re.compile(r"[A-Za-z0-9 ,'\"_-]*")
_CALL: Final = re.compile(r"([A-Za-z-]*)\s*\(")
_CALLS: Final = frozenset(
    {"rgb", "rgba", "hsl", "hsla", "translate", "translateX", "translateY", "rotate", "scale", "matrix", "skewX",
     "skewY"}
)  # fmt: skip
_OWN: Final = re.compile(r"url\(\s*(['\"]?)#([A-Za-z_][A-Za-z0-9_.-]{0,60})\1\s*\)")
_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class SvgRefused(ValueError):
    """The drawing is not let in; the text says what is wrong with it, for whoever drew it."""


def sanitised(source: str) -> str:
    """The drawing, written anew from what was understood of it; nothing of the given text is passed on as it is.

    What is not on the list is refused, not taken out: whoever drew it knows what it was for. Comments go.

    Raises:
        SvgRefused: it is no SVG, too large, or holds what is not allowed.
    """
    text = source.strip().removeprefix("\ufeff")
    if len(text) > SOURCE_CHARACTERS:
        raise SvgRefused(f"{len(text)} characters; at most {SOURCE_CHARACTERS}")
    try:
        root: Element = fromstring(text, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        raise SvgRefused("no document type, no entities") from error
    except (ParseError, ValueError, LookupError) as error:
        raise SvgRefused(f"not well-formed XML: {error}") from error
    complaints = _Inspection(root).complaints
    if complaints:
        more = f" (and {len(complaints) - COMPLAINTS_AT_MOST} more)" if len(complaints) > COMPLAINTS_AT_MOST else ""
        raise SvgRefused("; ".join(complaints[:COMPLAINTS_AT_MOST]) + more)
    register_namespace("", SVG)
    root.tail = None
    return tostring(root, encoding="unicode") + "\n"


def size_of(drawing: str) -> tuple[float, float]:
    """Width and height of the view of a drawing that was let in."""
    box = fromstring(drawing).get("viewBox", "").replace(",", " ").split()
    return float(box[2]), float(box[3])


class _Inspection:
    """One look at every element; `complaints` says what was found, each thing once."""

    def __init__(self, root: Element) -> None:
        self._found: dict[str, None] = {}
        self._drawn = self._all = 0
        if root.tag != f"{{{SVG}}}svg":
            self._complain(f'the root is to be <svg xmlns="{SVG}">')
        else:
            self._look(root, depth=0, within_source=False)
            self._view(root)
        if self._drawn > ELEMENTS_AT_MOST:
            self._complain(f"{self._drawn} elements; at most {ELEMENTS_AT_MOST}")

    @property
    def complaints(self) -> list[str]:
        return list(self._found)

    def _complain(self, problem: str) -> None:
        self._found.setdefault(problem)

    def _look(self, element: Element, *, depth: int, within_source: bool) -> None:
        self._all += 1
        if self._all > ALL_ELEMENTS_AT_MOST or depth > DEPTH_AT_MOST:
            self._complain(f"more than {DEPTH_AT_MOST} levels deep" if depth > DEPTH_AT_MOST else "too many elements")
            return
        namespace, _, name = str(element.tag).rpartition("}")
        if namespace != f"{{{SVG}" or name not in _ELEMENTS or (name == "svg" and depth):
            self._complain(f"<{name[:40]}> is not allowed")
            return
        self._drawn += name in _DRAWN
        within_source = within_source or name in _SOURCES
        for attribute, value in element.attrib.items():
            self._attribute(name, attribute, value, within_source=within_source)
        if (element.text or "").strip() and name not in _WITH_TEXT:
            self._complain(f"text inside <{name}>")
        for child in element:
            if (child.tail or "").strip() and name not in _WITH_TEXT:
                self._complain(f"text inside <{name}>")
            self._look(child, depth=depth + 1, within_source=within_source)

    def _attribute(self, element: str, name: str, value: str, *, within_source: bool) -> None:
        if name in ("href", _XLINK):
            if element not in ("linearGradient", "radialGradient") or not value.startswith("#"):
                self._complain(f"href on <{element}> is not allowed")
            elif not _NAME.fullmatch(value[1:]):
                self._complain(f"href={value[:40]!r} is not the name of a gradient")
            return
        if name == _LANG:
            if not re.fullmatch(r"[A-Za-z-]{1,20}", value):
                self._complain("xml:lang is no language")
            return
        if name not in _ATTRIBUTES:
            self._complain(f"attribute {name.rpartition('}')[2][:40]} is not allowed")
        elif name == "id":
            if not _NAME.fullmatch(value):
                self._complain(f"id {value[:40]!r} is no plain name")
        elif name == "style":
            for declaration in filter(None, (part.strip() for part in value.split(";"))):
                style, _, said = declaration.partition(":")
                if style.strip() not in _STYLES:
                    self._complain(f"style {style.strip()[:40]!r} is not allowed")
                else:
                    self._value(style.strip(), said, within_source=within_source)
        elif name not in _WORDS:
            self._value(name, value, within_source=within_source)

    def _value(self, name: str, value: str, *, within_source: bool) -> None:
        # Masks of masks and the like multiply the work of whoever shows the drawing.
        if name in _REFERENCES and within_source and value.strip() != "none":
            self._complain(f"{name} inside a gradient, clip path, mask or filter")
        rest = _OWN.sub("", value)
        if "url" in rest.lower():
            self._complain(f"{name} refers to something outside of the drawing")
        elif not (_FONTS if name == "font-family" else _VALUE).fullmatch(rest):
            self._complain(f"{name}={value[:40]!r} is not understood")
        elif unknown := [call for call in _CALL.findall(rest) if call not in _CALLS]:
            self._complain(f"{name} uses {unknown[0][:40]}(), which is not allowed")
        elif name not in ("font-family", "fill", "stroke", "color", "stop-color", "flood-color"):
            numbers = (float(number) for number in _NUMBER.findall(rest))
            if any(abs(number) > LARGEST_NUMBER for number in numbers):
                self._complain(f"{name} holds a number above {LARGEST_NUMBER:g}")

    def _view(self, root: Element) -> None:
        parts = root.get("viewBox", "").replace(",", " ").split()
        numbers = [float(part) for part in parts if _NUMBER.fullmatch(part)]
        if len(parts) != 4 or len(numbers) != 4 or min(numbers[2:]) <= 0:
            self._complain('a viewBox is needed, e.g. viewBox="0 0 256 256"')
        elif not 1 / 8 <= numbers[2] / numbers[3] <= 8:
            self._complain("the view is more than eight times as long as it is wide")
