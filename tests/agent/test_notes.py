"""What a person writes to an agent at work: heard once, before the next call, also by a session that was killed."""

from collections.abc import Sequence

from macrohard.agent import Note
from tests.agent.scripted import FINISH, MemoryTranscripts, OpenBench, ScriptedModel, calls, carry_out

LOOK = calls(("shell", {"command": "true"}))


async def test_a_note_is_heard_once_before_the_next_call(bench: OpenBench) -> None:
    model, log = ScriptedModel(LOOK, LOOK, FINISH), MemoryTranscripts()
    note = Note(by="ada", text="The date is day first.")

    async def inbox(session_id: str) -> Sequence[Note]:
        return [note] if model.requests else []

    result = await carry_out(bench, model, transcripts=log, inbox=inbox)
    assert result.outcome == "finished"
    said = [[str(message["content"]) for message in request if message["role"] == "user"] for request in model.requests]
    assert [sum(note.text in text for text in request) for request in said] == [0, 1, 1]
    assert [entry.nudge for entry in log.entries].count("person") == 1

    resumed = ScriptedModel(FINISH)
    cut = MemoryTranscripts(log.entries[: next(n for n, each in enumerate(log.entries) if each.nudge == "person") + 1])

    async def same(session_id: str) -> Sequence[Note]:
        return [note]

    await carry_out(bench, resumed, transcripts=cut, inbox=same)
    assert sum(note.text in str(message["content"]) for message in resumed.requests[0]) == 1


async def test_a_session_that_a_person_stops_ends_and_keeps_what_it_did(bench: OpenBench) -> None:
    model = ScriptedModel(calls(("write", {"path": "app/a.py", "content": "A = 1\n"})))

    async def inbox(session_id: str) -> Sequence[Note]:
        return [Note(by="ada", text="wrong way", stop=True)] if model.requests else []

    result = await carry_out(bench, model, inbox=inbox)
    assert (result.outcome, result.problem) == ("limit", "ada stopped it: wrong way")
    assert result.commit is not None
