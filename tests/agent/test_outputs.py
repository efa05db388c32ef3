"""Answers too long for a conversation, and output that is not text."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from macrohard.agent.outputs import ANSWER_LIMIT_CHARACTERS, answer_limit, as_left_on_screen, excerpt, folded, readable
from macrohard.agent.watch import SAME_TURNS
from macrohard.domain import JsonObject
from tests.agent.scripted import FINISH, MemoryArtifacts, MemoryTranscripts, OpenBench, calls, run


def answers(messages: Sequence[JsonObject]) -> list[str]:
    return [str(message["content"]) for message in messages if message["role"] == "tool"]


async def test_a_long_answer_is_kept_whole_and_read_on_piece_by_piece(room: OpenBench) -> None:
    artifacts = MemoryArtifacts()
    result, model, transcripts, _ = await run(
        room,
        calls(("shell", {"command": "seq 100000 100 300000; echo '== needle =='; seq 300000 100 900000"})),
        calls(
            ("more", {"output": "output-1", "first_line": 1500, "last_line": 1502}),
            ("more", {"output": "output-1", "search": "NEEDLE"}),
            ("more", {"output": "1", "first_line": 1200}),
            ("more", {"output": "output-2"}),
            ("more", {"output": "output-1", "first_line": 99999}),
        ),
        FINISH,
        artifacts=artifacts,
    )
    assert result.outcome == "finished"
    [shown, lines, found, rest, none, beyond] = answers(model.requests[2])
    assert len(shown) <= ANSWER_LIMIT_CHARACTERS + 200
    assert shown.startswith("100000\n100100\n")
    assert shown.endswith("900000\nexit code 0")
    assert "the whole output is output-1: read it with `more` …" in shown
    assert lines == "(output-1, lines 1,500 to 1,502 of 8,004)\n249900\n250000\n250100"
    assert found == "(output-1: 1 of 8,004 lines hold 'NEEDLE')\n2002: == needle =="
    assert len(rest) <= ANSWER_LIMIT_CHARACTERS
    assert "… go on with first_line=" in rest
    assert none == "Error: no output 'output-2'; there are output-1 to output-1"
    assert beyond == "Error: output-1 has 8,004 lines only"
    [output] = [output for entry in transcripts.entries for output in entry.outputs]
    assert artifacts.kept[output.digest].decode().count("\n") == 8_003


async def test_a_kept_answer_is_read_after_a_kill(room: OpenBench) -> None:
    artifacts, transcripts = MemoryArtifacts(), MemoryTranscripts()
    long = calls(("shell", {"command": "seq 20000"}))
    with pytest.raises(IndexError):  # The script ends here, as a killed process would.
        await run(room, long, transcripts=transcripts, artifacts=artifacts)
    _, model, _, _ = await run(
        room,
        calls(("more", {"output": "output-1", "first_line": 9000, "last_line": 9000})),
        calls(("shell", {"command": "seq 20001"})),
        calls(("more", {"output": "output-2", "first_line": 9001, "last_line": 9001})),
        FINISH,
        transcripts=transcripts,
        artifacts=artifacts,
    )
    assert [answer.rpartition("\n")[2] for answer in answers(model.requests[-1])[1::2]] == ["9000", "9001"]


async def test_who_gets_the_same_long_answer_again_and_again_is_stuck(room: OpenBench) -> None:
    long = calls(("shell", {"command": "seq 20000"}))
    result, _, transcripts, _ = await run(room, *[long] * SAME_TURNS * 2)
    assert result.outcome == "stuck"
    assert len([output for entry in transcripts.entries for output in entry.outputs]) == 1


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        pytest.param("head -c 4000 /dev/urandom", "(not text: ", id="binary"),
        pytest.param(r"printf '\033[1;31mred\033[0m and \033]0;title\007plain\n'", "red and plain\n", id="colours"),
        pytest.param(r"printf 'a\0b\n'", "a\ufffdb\n", id="a zero byte"),
        pytest.param(r"printf ' 1%%\r50%%\r100%%\nready\n'", "100%\nready\n", id="a progress bar"),
        pytest.param(r"printf 'caf\351\n'", "caf\ufffd\n", id="another encoding"),
    ],
)
async def test_output_that_is_not_plain_text_is_made_safe(room: OpenBench, command: str, shown: str) -> None:
    _, model, _, _ = await run(room, calls(("shell", {"command": command})), FINISH)
    [answer] = answers(model.requests[1])
    assert answer.startswith(shown)
    assert answer.endswith("exit code 0")
    answer.encode()


@settings(deadline=None)
@given(text=st.text() | st.binary().map(lambda content: content.decode("utf-8", "surrogateescape")))
def test_what_is_shown_can_be_stored_and_sent(text: str) -> None:
    shown = as_left_on_screen(readable(text))
    assert not any(character in shown for character in "\0\x1b\x07")
    shown.encode()


@settings(deadline=None)
@given(
    lines=st.lists(st.integers(0, 3_000).map(lambda length: "x" * length), min_size=1, max_size=40),
    limit=st.integers(1_000, 4_000),
)
def test_an_excerpt_is_head_and_tail_and_counts_what_is_between(lines: list[str], limit: int) -> None:
    text = "\n".join(lines)
    shown = excerpt(text, "output-1", limit_characters=limit).split("\n")
    place = next(number for number, line in enumerate(shown) if line.startswith("… "))
    head, tail, whole = shown[:place], shown[place + 1 :], folded(text)
    assert "".join(whole) == text.replace("\n", "")
    assert whole[: len(head)] == head
    assert whole[len(whole) - len(tail) :] == tail
    assert sum(len(line) + 1 for line in [*head, *tail]) <= limit
    if len(text) > limit:
        assert f"lines {len(head) + 1:,} to {len(whole) - len(tail):,} of {len(whole):,}" in shown[place]


@pytest.mark.parametrize(
    ("prompt_tokens", "characters"), [(500_000, 16_000), (80_000, 16_000), (8_000, 4_000), (600, 1_000)]
)
def test_small_windows_get_short_answers(prompt_tokens: int, characters: int) -> None:
    assert answer_limit(prompt_tokens) == characters
