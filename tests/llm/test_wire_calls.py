"""Tool calls as servers send them, over HTTP: split, merged, unnamed, unnumbered, and cut off."""

import json
from collections.abc import Sequence

import pytest

from macrohard.domain import JsonObject
from macrohard.llm import Reply
from macrohard.llm.failures import Interrupted
from tests.llm.speaking import DONE, QUESTION, Speaker, call_chunk, chunk, reply_to, whole

END = [chunk({}, "tool_calls"), DONE]
A, B = ("read", '{"path": "a"}'), ("read", '{"path": "b"}')
LIST = ("list", "{}")


def made(reply: Reply) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for call in reply.tool_calls]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        pytest.param(
            [call_chunk("", id="c1", name="read"), call_chunk('{"path"'), call_chunk(': "a"}'), *END],
            [A],
            id="split over chunks",
        ),
        pytest.param([call_chunk(A[1], id="c1", name="read"), *END], [A], id="whole in one chunk"),
        pytest.param(
            [
                call_chunk("", id="c1", name="read"),
                call_chunk("", index=1, id="c2", name="read"),
                call_chunk(B[1], index=1),
                call_chunk(A[1]),
                *END,
            ],
            [A, B],
            id="two calls in turns",
        ),
        pytest.param(
            [
                chunk(
                    {
                        "tool_calls": [
                            {"index": 0, "id": "c1", "function": {"name": "read", "arguments": A[1]}},
                            {"index": 0, "id": "c2", "function": {"name": "read", "arguments": B[1]}},
                        ]
                    }
                ),
                *END,
            ],
            [A, B],
            id="both in one chunk, both at 0",
        ),
        pytest.param(
            [
                call_chunk("", id="c1", name="read"),
                call_chunk(A[1]),
                call_chunk("", id="c2", name="read"),
                call_chunk(B[1]),
                *END,
            ],
            [A, B],
            id="all at index 0, told apart by id",
        ),
        pytest.param(
            [call_chunk(A[1], name="read"), call_chunk(B[1], name="read"), call_chunk("{}", name="list"), *END],
            [A, B, LIST],
            id="all at index 0 without ids",
        ),
        pytest.param(
            [call_chunk("", name="list"), call_chunk("", name="read"), call_chunk(A[1]), *END],
            [LIST, A],
            id="a call without arguments, then one at the same index",
        ),
        pytest.param(
            [
                call_chunk("", index=None, id="c1", name="read"),
                call_chunk(A[1], index=None),
                call_chunk("", index=None, id="c2", name="list"),
                *END,
            ],
            [A, LIST],
            id="no index",
        ),
        pytest.param(
            [call_chunk('{"path"', id="c1", name="read"), call_chunk(': "a"}', id="c9"), *END],
            [A],
            id="a new id for every piece",
        ),
        pytest.param(
            [call_chunk('{"path"', id="c1", name="read"), call_chunk(': "a"}', id="c1", name="read"), *END],
            [A],
            id="id and name repeated in every piece",
        ),
        pytest.param(
            [call_chunk("", id="c1", name="re"), call_chunk(name="ad"), call_chunk(A[1]), *END],
            [A],
            id="a name in pieces",
        ),
        pytest.param(
            [call_chunk(A[1], id="c1", name="read"), call_chunk(A[1], id="c1", name="read"), *END],
            [A],
            id="the same event twice",
        ),
        pytest.param([call_chunk({"path": "a"}, id="c1", name="read"), *END], [A], id="arguments as an object"),
        pytest.param([call_chunk(None, id="c1", name="list"), *END], [LIST], id="no arguments"),
        pytest.param([call_chunk("null", id="c1", name="list"), *END], [LIST], id="arguments null"),
        pytest.param(
            [chunk({"content": "I read."}), call_chunk(A[1], id="c1", name="read"), chunk({}, "stop"), DONE],
            [A],
            id="after the content, and called a stop",
        ),
        pytest.param([call_chunk(A[1], id="c1", name="read"), DONE], [A], id="no finish reason"),
        pytest.param([call_chunk(A[1], id="c1", name="read"), chunk({}, "tool_calls")], [A], id="no [DONE]"),
        pytest.param(
            [
                chunk({"function_call": {"name": "read", "arguments": ""}}),
                chunk({"function_call": {"arguments": A[1]}}),
                chunk({}, "function_call"),
                DONE,
            ],
            [A],
            id="the old form",
        ),
        pytest.param(
            [call_chunk(A[1] + B[1], id="c1", name="read"), *END], [A, B], id="two calls' arguments run together"
        ),
        pytest.param([call_chunk('{"path": "a",}', id="c1", name="read"), *END], [A], id="a trailing comma"),
        pytest.param([call_chunk('```json\n{"path": "a"}\n```', id="c1", name="read"), *END], [A], id="a code fence"),
        pytest.param(
            [call_chunk(json.dumps('{"path": "a"}'), id="c1", name="read"), *END], [A], id="an object in a string"
        ),
        pytest.param(
            [call_chunk('{"text": "a\nb,}",}', id="c1", name="write"), *END],
            [("write", '{"text": "a\\nb,}"}')],
            id="a line break in a string, and a comma that belongs there",
        ),
        pytest.param(
            [call_chunk('{"path": "a", oops}', id="c1", name="read"), *END],
            [("read", '{"path": "a", oops}')],
            id="what is no JSON comes as it is",
        ),
        pytest.param(
            [call_chunk('{"path": "a"', id="c1", name="read"), chunk({}, "length"), DONE],
            [("read", '{"path": "a"')],
            id="cut off at the limit, as it came",
        ),
    ],
)
async def test_calls_are_put_together(chunks: Sequence[bytes], expected: list[tuple[str, str]]) -> None:
    reply = await reply_to(Speaker(chunks=chunks))
    assert made(reply) == expected
    ids = [call.id for call in reply.tool_calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert [(call["id"], call["function"]["arguments"]) for call in reply.message["tool_calls"]] == [  # type: ignore[call-overload, index, union-attr]  # JSON
        (call.id, call.arguments) for call in reply.tool_calls
    ]


async def test_calls_of_a_whole_answer_are_read() -> None:
    calls = [{"id": "", "function": {"name": name, "arguments": arguments}} for name, arguments in (A, A, LIST)]
    reply = await reply_to(whole({"content": "", "tool_calls": calls}, "stop"))
    assert made(reply) == [A, A, LIST]
    assert reply.finish == "tool_calls"
    assert reply.message["content"] is None


@pytest.mark.parametrize("id", ["", None, "c1", "taken"])
async def test_ids_are_there_unique_in_the_conversation_and_the_same_for_the_same_answer(id: str | None) -> None:
    before: JsonObject = {"id": "taken", "type": "function", "function": {"name": "list", "arguments": "{}"}}
    messages: list[JsonObject] = [
        *QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [before]},
        {"role": "tool", "tool_call_id": "taken", "content": "nothing"},
    ]
    chunks = [call_chunk(A[1], id=id, name="read"), call_chunk(B[1], index=1, id=id, name="read"), *END]
    first, again = [await reply_to(Speaker(chunks=chunks), messages=messages) for _ in range(2)]
    ids = [call.id for call in first.tool_calls]
    assert len({*ids, "taken"}) == 3
    assert [call.id for call in again.tool_calls] == ids
    assert (ids[0] == "c1") == (id == "c1")
    assert all(made == "c1" or len(made) == 9 for made in ids)


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([call_chunk('{"path": "a', id="c1", name="read"), *END], id="in a string"),
        pytest.param([call_chunk('{"path"', id="c1", name="read"), chunk({}, "stop"), DONE], id="after a key"),
        pytest.param([call_chunk('{"path": tr', id="c1", name="read"), DONE], id="in a word"),
        pytest.param([call_chunk(A[1], id="c1", name="read")], id="before the end was said"),
        pytest.param([call_chunk(A[1], id="c1"), *END], id="without a name"),
        pytest.param([call_chunk("", id="c1", name="read"), call_chunk(A[1], index=3), *END], id="whose begin is lost"),
    ],
)
async def test_a_call_that_is_not_whole_is_never_made_to_look_whole(chunks: Sequence[bytes]) -> None:
    with pytest.raises(Interrupted) as caught:
        await reply_to(Speaker(chunks=chunks))
    assert caught.value.spent is not None
    assert caught.value.spent.estimated


async def test_a_call_of_which_nothing_came_before_the_limit_is_left_out() -> None:
    chunks = [
        call_chunk(A[1], id="c1", name="read"),
        call_chunk("", index=1, id="c2", name="list"),
        chunk({}, "length"),
    ]
    reply = await reply_to(Speaker(chunks=chunks))
    assert made(reply) == [A]
    assert reply.finish == "length"
