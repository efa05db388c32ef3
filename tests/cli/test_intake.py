import os
import subprocess
import sys
from pathlib import Path

import pytest

from macrohard.cli.intake import requirement
from macrohard.domain.requirement import LIMIT_BYTES
from macrohard.errors import RequestError


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param("", "the requirement is empty; say in a few words", id="empty"),
        pytest.param(" \n\t ", "the requirement is empty; say in a few words", id="whitespace"),
        pytest.param("x" * (LIMIT_BYTES + 1), "larger than 200 kB; describe the product in less", id="too long"),
        pytest.param("todo\x00app", "control character 0x00", id="nul"),
        pytest.param("todo \x1b[31m app", "control character 0x1b", id="escape sequence"),
        pytest.param("caf\udce9", "not text in UTF-8 (byte 4)", id="undecodable argument"),
    ],
)
def test_text_that_is_no_requirement(text: str, complaint: str) -> None:
    with pytest.raises(RequestError) as raised:
        requirement(text, None)
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not text in UTF-8 (byte 1)", id="picture"),
        pytest.param(b"PK\x03\x04 zip", "control character 0x03", id="archive"),
        pytest.param(b"a" * 2_000_000, "larger than 200 kB", id="two megabytes"),
        pytest.param(b"gr\xfc\xdfe", "save it as a plain text file", id="latin-1"),
        pytest.param(b"\xff\xfet\x00o", "not text in UTF-8", id="broken utf-16"),
    ],
)
def test_files_that_are_no_requirement(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "req.txt"
    path.write_bytes(content)
    with pytest.raises(RequestError) as raised:
        requirement(None, path)
    assert complaint in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no file"):
        requirement(None, tmp_path / "nothing.txt")
    with pytest.raises(RequestError, match="is a folder; name one text file in it"):
        requirement(None, tmp_path)


def test_a_device_without_end_is_read_only_to_the_limit() -> None:
    with pytest.raises(RequestError, match="larger than 200 kB"):
        requirement(None, Path("/dev/zero"))


def test_text_and_file_together_are_refused_and_nothing_is_too(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="not both"):
        requirement("todo app", tmp_path)
    with pytest.raises(RequestError, match="say what to build"):
        requirement(None, None)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"\xef\xbb\xbftodo app", "todo app", id="utf-8 with mark"),
        pytest.param("To-do für Büro ✓".encode("utf-16"), "To-do für Büro ✓", id="utf-16 with mark"),
        pytest.param(b"one\r\ntwo\n\ttabbed\x0c", "one\r\ntwo\n\ttabbed\x0c", id="kept to the letter"),
    ],
)
def test_text_of_other_editors_is_read(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "req.txt"
    path.write_bytes(content)
    assert requirement(None, path) == expected


@pytest.mark.parametrize(
    ("arguments", "given", "complaint"),
    [
        pytest.param(["build", ""], b"", "the requirement is empty", id="empty text"),
        pytest.param(["build", "-"], b"  \n", "standard input is empty", id="empty input"),
        pytest.param(["build", "-"], b"\0\1", "standard input is not plain text", id="binary input"),
        pytest.param(["build", "--file", "-"], b"\xff", "standard input is not text in UTF-8", id="undecodable input"),
        pytest.param(["build", "--file", "/no/such/file"], b"", "there is no file '/no/such/file'", id="no file"),
        pytest.param(["build"], b"", "say what to build", id="nothing"),
        pytest.param(["build", b"caf\xe9"], b"", "not text in UTF-8", id="undecodable bytes"),
    ],
)
def test_bad_input_ends_with_2_one_line_and_no_run(
    tmp_path: Path, arguments: list[str | bytes], given: bytes, complaint: str
) -> None:
    environment = {**os.environ, "MACROHARD_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "macrohard", *arguments], input=given, capture_output=True, env=environment
    )
    assert done.returncode == 2
    assert complaint in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == b""
    assert not (tmp_path / "home").exists()
