"""Events from bytes, however they are cut and whatever is around them."""

import json
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from macrohard.llm.wire.stream import EventDecoder, Unreadable, mended


def decoded(*chunks: bytes) -> list[object]:
    """What comes out: JSON, "[DONE]", or (name, JSON) where an event has a name."""
    decoder = EventDecoder()
    events = [event for chunk in chunks for event in decoder.feed(chunk)] + list(decoder.close())
    shown = ["[DONE]" if event.last else event.data for event in events]
    return [(event.name, data) if event.name else data for event, data in zip(events, shown, strict=True)]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param([b'data: {"a":1}\n\ndata: [DONE]\n\n'], [{"a": 1}, "[DONE]"], id="as it should be"),
        pytest.param([b'data: {"a":1}\r\n\r\ndata: {"a":2}\r\n\r\n'], [{"a": 1}, {"a": 2}], id="CRLF"),
        pytest.param([b'data: {"a":1}\r', b"\n\r", b'\ndata: {"a":2}\r\n'], [{"a": 1}, {"a": 2}], id="CRLF cut in two"),
        pytest.param([b'data: {"a":1}\r\rdata: {"a":2}\r\r'], [{"a": 1}, {"a": 2}], id="CR"),
        pytest.param([b'data:{"a":1}\n\n'], [{"a": 1}], id="no space"),
        pytest.param([b'data: {"a":\ndata: 1}\n\n'], [{"a": 1}], id="several data lines"),
        pytest.param([b'data: {"a":1}\ndata: {"a":2}\n\n'], [{"a": 1}, {"a": 2}], id="no blank line between"),
        pytest.param([b'data: {"a":1}\n\ndata: {"a":2}'], [{"a": 1}, {"a": 2}], id="no blank line at the end"),
        pytest.param(
            [b': keep-alive\n\ndata: {"a":1}\n\n: keep-alive\n\n', b": keep-alive\n"], [{"a": 1}], id="keep-alive"
        ),
        pytest.param([b'\xef\xbb\xbfdata: {"a":1}\n\n'], [{"a": 1}], id="byte order mark"),
        pytest.param([b"\xef", b'\xbb\xbfdata: {"a":1}\n\n'], [{"a": 1}], id="byte order mark cut in two"),
        pytest.param([b'event: x\nid: 7\nretry: 5\ndata: {"a":1}\n\n'], [("x", {"a": 1})], id="named"),
        pytest.param([b"data: \n\nevent: ping\ndata:\n\n"], [], id="empty events"),
        pytest.param([b' \n{"a":', b"1}"], [{"a": 1}], id="plain JSON"),
        pytest.param([b"[", b'{"a":1}]'], [[{"a": 1}]], id="a plain list"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_what_is_understood(chunks: list[bytes], expected: list[object]) -> None:
    assert decoded(*chunks) == expected


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'data: {"a":1\n\n', id="an event that is cut off"),
        pytest.param(b"data: oops\n\n", id="no JSON"),
        pytest.param(b'data: {"choi\xffes": 1}\n\n', id="a name that is no text"),
        pytest.param(b"data: " + b"\xff\xfe\x00" * 9 + b"\n\n", id="noise"),
        pytest.param(b"data: " + b"[" * 100_000 + b"\n\n", id="deeper than anybody can read"),
        pytest.param(b'{"a":1', id="plain JSON that is cut off"),
    ],
)
def test_what_cannot_be_read_is_said(content: bytes) -> None:
    with pytest.raises(Unreadable, match="no JSON"):
        decoded(content)


def test_an_answer_without_end_is_refused() -> None:
    with pytest.raises(Unreadable, match="more than 64 MiB"):
        decoded(*[b"x" * (1 << 20)] * 65)


def test_characters_whose_halves_came_apart_are_put_together() -> None:
    lone = decoded(b'data: "\\ud83d"\n\ndata: "\\ude00"\n\n')
    assert mended("".join(map(str, lone))) == "😀"
    first, second = "é".encode()
    raw = decoded(b'data: "' + bytes([first]) + b'"\n\ndata: "' + bytes([second]) + b'"\n\n')
    assert mended("".join(map(str, raw))) == "é"
    assert mended("a\ud83db\udcffc") == "a\ufffdb\ufffdc"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(
    events=st.lists(JSON, max_size=6),
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    comments=st.booleans(),
    cuts=st.lists(st.integers(0, 2000), max_size=12),
)
def test_it_does_not_matter_where_bytes_are_cut(
    events: list[object], end: bytes, comments: bool, cuts: list[int]
) -> None:
    blocks = [b"data: " + json.dumps(data, ensure_ascii=False).encode() + 2 * end for data in events]
    content = (b": still here" + 2 * end if comments else b"").join([b"", *blocks])
    places = sorted({min(cut, len(content)) for cut in cuts} | {0, len(content)})
    chunks = [content[start:stop] for start, stop in pairwise(places)]
    assert decoded(*chunks) == events


@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"data: ", b"\n\n", b"{", b'"', b"event: ", b"\r"])))
def test_any_bytes_give_events_or_unreadable(chunks: list[bytes]) -> None:
    with suppress(Unreadable):
        decoded(*chunks)
