"""What is let in of a drawing that a model wrote, and what is not, whatever it looks like."""

import re
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macrohard.product.svg import (
    _ATTRIBUTES,
    _ELEMENTS,
    ELEMENTS_AT_MOST,
    SOURCE_CHARACTERS,
    SVG,
    SvgRefused,
    sanitised,
    size_of,
)

NS = f'xmlns="{SVG}"'
XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'

GOOD = f"""<?xml version="1.0" encoding="UTF-8"?>
<!-- drawn by a model -->
<svg {NS} {XLINK} viewBox="0 0 320 180" role="img" aria-label="Books; a shelf">
  <title>School library &amp; loans</title>
  <defs>
    <linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">
      <stop offset="0" stop-color="#dbeafe"/><stop offset="100%" stop-color="rgb(255, 255, 255)" stop-opacity=".8"/>
    </linearGradient>
    <linearGradient id="dusk" xlink:href="#sky" gradientTransform="rotate(90)"/>
    <clipPath id="round"><rect width="320" height="180" rx="16"/></clipPath>
    <filter id="soft"><feDropShadow dx="0" dy="2" stdDeviation="3" flood-color="#000" flood-opacity=".2"/></filter>
  </defs>
  <g clip-path="url(#round)">
    <rect width="320" height="180" fill="url(#sky)"/>
    <g filter="url(#soft)" style="stroke: #1d4ed8; stroke-width: 2; fill: url('#dusk')">
      <rect x="60" y="50" width="24" height="90" rx="3"/>
      <rect x="90" y="60" width="30" height="80" rx="3" transform="rotate(-6 105 100)"/>
      <path d="M140 140 V70 h26 v70z M170,140l10-60 20 4-10 56z"/>
    </g>
    <text x="160" y="30" font-family="system-ui, 'Segoe UI', sans-serif" font-size="14" text-anchor="middle">Loans
      <tspan dx="4">today</tspan></text>
  </g>
</svg>"""


def svg(inner: str, *, root: str = 'viewBox="0 0 10 10"') -> str:
    return f"<svg {NS} {XLINK} {root}>{inner}</svg>"


def test_a_good_drawing_comes_through_whole() -> None:
    made = sanitised(GOOD)
    before, after = fromstring(GOOD), fromstring(made)
    assert [each.tag for each in after.iter()] == [each.tag for each in before.iter()]
    assert [each.attrib for each in after.iter()] == [each.attrib for each in before.iter()]
    assert "drawn by a model" not in made
    assert made.startswith(f'<svg xmlns="{SVG}"')
    assert sanitised(made) == made
    assert size_of(made) == (320, 180)


ATTACKS = {
    "script": svg("<script>alert(1)</script>"),
    "script in another namespace": svg('<s:script xmlns:s="http://www.w3.org/1999/xhtml">alert(1)</s:script>'),
    "script in upper case": svg("<SCRIPT>alert(1)</SCRIPT>"),
    "event handler": svg('<rect width="5" height="5" onclick="alert(1)"/>'),
    "event handler of the root": svg("", root='viewBox="0 0 10 10" onload="alert(1)"'),
    "event handler in mixed case": svg('<rect oNmOuSeOver="alert(1)"/>'),
    "event handler in a namespace": svg('<rect xmlns:v="http://www.w3.org/2001/xml-events" v:onclick="alert(1)"/>'),
    "foreign object": svg('<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><img/></body></foreignObject>'),
    "link": svg('<a href="javascript:alert(1)"><rect width="5" height="5"/></a>'),
    "image from elsewhere": svg('<image href="https://example.org/x.png"/>'),
    "image as data": svg('<image xlink:href="data:image/svg+xml;base64,PHN2Zz4="/>'),
    "use of a file": svg('<use href="/etc/passwd#x"/>'),
    "use within": svg('<g id="a"/><use href="#a"/>'),
    "animated href": svg('<a><animate attributeName="href" values="javascript:alert(1)"/></a>'),
    "set": svg('<rect><set attributeName="onclick" to="alert(1)"/></rect>'),
    "animated transform": svg('<rect><animateTransform attributeName="transform" type="rotate"/></rect>'),
    "style sheet": svg("<style>@import url(https://example.org/x.css);</style>"),
    "style sheet as instruction": f'<?xml-stylesheet href="https://example.org/x.css"?>{svg("<iframe/>")}',
    "import in a style": svg('<rect style="@import url(x)"/>'),
    "background from elsewhere": svg('<rect style="background: url(https://example.org/x.png)"/>'),
    "fill from elsewhere": svg('<rect fill="url(https://example.org/x.svg#a)"/>'),
    "fill from elsewhere, quoted": svg("<rect fill=\"url('//example.org/x.svg#a')\"/>"),
    "fill by an escape": svg('<rect fill="u\\72l(//example.org)"/>'),
    "fill with a comment": svg('<rect fill="url/**/(//example.org)"/>'),
    "mask by image-set": svg("<rect style=\"mask: image-set('//example.org/x.png' 1x)\"/>"),
    "mask by src": svg('<rect mask="src(//example.org/x.png)"/>'),
    "filter from elsewhere": svg('<rect filter="url(https://example.org/f.svg#f)"/>'),
    "cursor": svg('<rect style="cursor: url(https://example.org/x.cur), auto"/>'),
    "expression": svg('<rect style="width: expression(alert(1))"/>'),
    "binding": svg('<rect style="-moz-binding: url(https://example.org/x.xml#x)"/>'),
    "behaviour": svg('<rect style="behavior: url(x.htc)"/>'),
    "variable": svg('<rect fill="var(--x)"/>'),
    "script in a colour": svg('<rect fill="javascript:alert(1)"/>'),
    "gradient from elsewhere": svg('<linearGradient id="a" href="https://example.org/x.svg#g"/>'),
    "gradient from script": svg('<linearGradient id="a" xlink:href="javascript:alert(1)"/>'),
    "image in a filter": svg('<filter id="f"><feImage href="https://example.org/x.png"/></filter>'),
    "mask of a mask": svg('<mask id="a"><rect mask="url(#b)"/></mask><mask id="b"><rect/></mask>'),
    "clip path of itself": svg('<clipPath id="a" clip-path="url(#a)"><rect/></clipPath>'),
    "pattern": svg('<pattern id="p"><rect fill="url(#p)"/></pattern>'),
    "video": svg('<video src="https://example.org/x.mp4"/>'),
    "embedded page": svg('<iframe src="https://example.org"/>'),
    "embedded object": svg('<object data="https://example.org/x.svg"/>'),
    "metadata": svg("<metadata><x/></metadata>"),
    "base address": svg("<rect/>", root='viewBox="0 0 10 10" xml:base="https://example.org/"'),
    "another svg inside": svg(f'<svg {NS} viewBox="0 0 1 1"/>'),
    "hidden in a switch": svg("<switch><foreignObject/></switch>"),
    "text where none belongs": svg("<g>javascript:alert(1)</g>"),
    "document type": f'<!DOCTYPE svg SYSTEM "http://example.org/x.dtd">{svg("<rect/>")}',
    "entity": f'<!DOCTYPE svg [<!ENTITY a "b">]>{svg("<title>&a;</title>")}',
    "file by entity": f'<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>{svg("<title>&a;</title>")}',
    "entities of entities": (
        '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>'
        f"{svg('<title>&c;</title>')}"
    ),
    "HTML": "<html><body><svg viewBox='0 0 1 1'></svg></body></html>",
    "no namespace": '<svg viewBox="0 0 10 10"><rect/></svg>',
    "other namespace": '<svg xmlns="http://www.w3.org/1999/xhtml" viewBox="0 0 10 10"/>',
    "no view": f'<svg {NS} width="10" height="10"><rect/></svg>',
    "no area": svg("<rect/>", root='viewBox="0 0 0 10"'),
    "view of nothing": svg("<rect/>", root='viewBox="NaN NaN inf inf"'),
    "endless view": svg("<rect/>", root='viewBox="0 0 1e300 1e300"'),
    "endless blur": svg('<filter id="f"><feGaussianBlur stdDeviation="99999999"/></filter>'),
    "name that breaks out": svg('<g id="a&quot;&gt;&lt;script&gt;"/>'),
    "not XML": "<svg",
    "nothing": "",
    "only text": "Here is your logo!",
    "NUL": svg("<title>a\0b</title>"),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_what_is_not_known_to_be_harmless_is_refused(attack: str) -> None:
    with pytest.raises(SvgRefused) as refused:
        sanitised(attack)
    assert str(refused.value)


@pytest.mark.parametrize(
    ("drawing", "complaint"),
    [
        (svg("<rect/>" * (ELEMENTS_AT_MOST + 1)), f"{ELEMENTS_AT_MOST + 1} elements; at most {ELEMENTS_AT_MOST}"),
        (svg("<g>" * 13 + "</g>" * 13), "levels deep"),
        (svg(f"<title>{'a' * SOURCE_CHARACTERS}</title>"), f"at most {SOURCE_CHARACTERS}"),
        (svg("<rect/>", root='viewBox="0 0 900 10"'), "eight times"),
        (svg('<rect onclick="x"/><image/>'), "attribute onclick is not allowed; <image> is not allowed"),
        (svg("<stop/>" * 200), "elements"),
    ],
)
def test_the_one_who_drew_it_is_told_what_to_mend(drawing: str, complaint: str) -> None:
    with pytest.raises(SvgRefused, match=re.escape(complaint)):
        sanitised(drawing)


def test_comments_and_instructions_do_not_come_through() -> None:
    made = sanitised(f'<?xml-stylesheet href="https://example.org/x.css"?>{svg("<!-- onload= --><rect/>")}<!-- x -->')
    assert made == f'<svg xmlns="{SVG}" viewBox="0 0 10 10"><rect /></svg>\n'


_names = st.sampled_from(["svg", "g", "rect", "text", "script", "a", "style", "image", "mask", "foreignObject", "use"])
_keys = st.sampled_from(
    ["id", "fill", "href", "xlink:href", "onload", "onclick", "style", "mask", "d", "viewBox", "src", "class", "filter"]
)
_bits = st.sampled_from(
    ["url(", "#a", ")", "javascript:", "//evil", "https://evil/x", "data:text/html,", "@import ", "expression(", ";",
     "fill:", "mask:", "1", "red", " ", "\\75", "'", "/*", "*/", "image-set(", "a"]
)  # fmt: skip
_values = st.one_of(st.lists(_bits, max_size=6).map("".join), st.text(max_size=12))


@st.composite
def _elements(draw: st.DrawFn, depth: int = 3) -> str:
    from xml.sax.saxutils import escape, quoteattr

    name = draw(_names)
    pairs = draw(st.dictionaries(_keys, _values, max_size=3))
    inner = "".join(draw(st.lists(_elements(depth - 1), max_size=3))) if depth else escape(draw(st.text(max_size=8)))
    return f"<{name} {' '.join(f'{key}={quoteattr(value)}' for key, value in pairs.items())}>{inner}</{name}>"


@settings(deadline=None)
@given(_elements())
def test_whatever_comes_through_is_harmless(inner: str) -> None:
    try:
        made = sanitised(svg(inner))
    except SvgRefused:
        return
    harmless(made)


@settings(deadline=None)
@given(st.data())
def test_a_good_drawing_with_something_changed_stays_harmless_or_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD)))
    until = data.draw(st.integers(at, min(at + 30, len(GOOD))))
    inserted = data.draw(st.one_of(_values, _elements(depth=1)))
    try:
        made = sanitised(GOOD[:at] + inserted + GOOD[until:])
    except SvgRefused:
        return
    harmless(made)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_let_in_or_refused(text: str) -> None:
    try:
        made = sanitised(text)
    except SvgRefused:
        return
    harmless(made)


ACTS = r"javascript|data:|//|@|\\|expression|image-set|/\*"


def harmless(made: str) -> None:
    """Looked at anew, with other eyes: no word of what acts or loads, wherever a browser would take it for one."""
    root = fromstring(made)
    for element in root.iter():
        assert element.tag.removeprefix(f"{{{SVG}}}") in _ELEMENTS
        for name, value in element.attrib.items():
            plain = name.rpartition("}")[2]
            assert not plain.startswith("on")
            assert plain in _ATTRIBUTES | {"href", "lang"}
            if plain in ("aria-label", "class"):
                continue
            assert not re.search(r"javascript|data:|//|@|\\|expression|image-set|/\*", value, re.IGNORECASE), (
                name,
                value,
            )
            assert not re.search(r"url\(\s*(?!['\"]?#)", value, re.IGNORECASE), (name, value)
            if plain == "href":
                assert value.startswith("#")
    assert "<!" not in made
    assert "<?" not in made
