import json

import pytest

from macrohard.llm.redaction import Redactor

KEY = 'pa"ss/wörd+2026'


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"refused the key {KEY}.", id="as it is"),
        pytest.param(json.dumps({"got": KEY}), id="within JSON"),
        pytest.param(json.dumps({"got": KEY}, ensure_ascii=False), id="within JSON with letters"),
        pytest.param("http://a/?key=pa%22ss%2Fw%C3%B6rd%2B2026&x=1", id="within an address"),
    ],
)
def test_a_known_key_is_taken_out_however_it_is_spelled(text: str) -> None:
    redactor = Redactor([KEY])
    for redacted in (redactor.text(text), redactor.data(text.encode()).decode()):
        assert "[redacted]" in redacted
        assert "2026" not in redacted
        assert "rd+" not in redacted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer eyJhbGciOi.J9-x_y/1234==", "Authorization: Bearer [redacted]"),
        ('{"error": "Incorrect API key xai-A1b2C3d4E5f6G7h8i9J0"}', '{"error": "Incorrect API key xai-[redacted]"}'),
        ("sk-proj-abcdefghij0123456789", "sk-[redacted]"),
        ("AIzaSyA1234567890abcdefghijk", "AIza[redacted]"),
    ],
)
def test_the_usual_shapes_are_taken_out_of_what_nobody_told_us(text: str, expected: str) -> None:
    assert Redactor([]).text(text) == expected
    assert Redactor([]).data(text.encode()) == expected.encode()


@pytest.mark.parametrize(
    "text",
    [
        "Bearer authentication is what the API will use",
        "<div class='sk-folding-cube-large-and-wide'>",
        "the task-management-page-2026-in-december",
        "none of them, nonetheless",
        "bytes that are no text: \udcff",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    data = text.encode(errors="surrogateescape")
    redactor = Redactor(["none", ""])
    assert redactor.text(text) == text
    assert redactor.data(data) == data


def test_the_longer_of_two_keys_goes_first_and_json_stays_json() -> None:
    redactor = Redactor(["canary-one", "canary-one-and-two"])
    assert redactor.text("canary-one-and-two, canary-one") == "[redacted], [redacted]"
    body = redactor.data(json.dumps({"a": ["Bearer canary-one-and-two"]}).encode())
    assert json.loads(body) == {"a": ["Bearer [redacted]"]}


def test_a_redactor_does_not_show_what_it_hides() -> None:
    assert "canary" not in repr(Redactor(["canary-one"]))
