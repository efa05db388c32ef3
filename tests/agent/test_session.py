"""A session: what the agent is told, where it ends, and how it goes on after a crash."""

import pytest

from macrohard.agent import AgentDefinition, Session
from macrohard.agent.watch import SAME_TURNS, SILENT_TURNS
from macrohard.errors import LimitExceeded, ModelUnavailable, ToolError
from macrohard.events import ModelCalled, SessionStarted, ToolUsed
from macrohard.factory.reports import WorkReport
from macrohard.llm import Reply
from macrohard.workspace import Repository
from tests.agent.scripted import (
    ASSIGNMENT,
    FINISH,
    MemoryArtifacts,
    MemoryTranscripts,
    OpenBench,
    ScriptedModel,
    Told,
    calls,
    coder,
    run,
    says,
)


async def test_files_that_the_task_owns_come_back_as_a_commit_and_others_do_not(
    bench: OpenBench, repository: Repository
) -> None:
    result, _, _, told = await run(
        bench,
        calls(("write", {"path": "app/a.py", "content": "A = 1\n"}), ("shell", {"command": "echo x > stray.txt"})),
        FINISH,
    )
    assert result.outcome == "finished"
    assert result.report == {"summary": "done", "open_points": [], "decisions": []}
    assert result.commit is not None
    assert await repository.files(result.commit) == ("app/a.py",)
    [author] = {commit.author for commit in await repository.log(result.commit)} - {"Macrohard"}
    assert author == "coder"
    assert [event.tool for event in told.events if isinstance(event, ToolUsed)] == ["write", "shell", "finish"]


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        pytest.param(("fly", {}), "no tool 'fly'; you have shell", id="unknown tool"),
        pytest.param(("read", "{oops"), "not a JSON object", id="malformed arguments"),
        pytest.param(("read", {"paht": "x"}), "path: Field required. Expected: string", id="missing argument"),
        pytest.param(("read", {"path": "nope"}), "no such file: nope", id="missing file"),
        pytest.param(("read", {"path": "../../etc/passwd"}), "not a path below", id="path outside"),
        pytest.param(("write", {"path": "other.py", "content": ""}), "not yours to write", id="file of another task"),
        pytest.param(("write", {"path": "app/.git/config", "content": ""}), "not yours to write", id="git's own files"),
        pytest.param(("edit", {"path": "app/a.py", "old": "x", "new": "y"}), "no such file", id="edit without file"),
        pytest.param(("finish", {"summary": ""}), "summary: String should have at least 1", id="report of wrong form"),
    ],
)
async def test_the_agent_is_told_about_its_mistakes(bench: OpenBench, made: tuple[str, str], complaint: str) -> None:
    result, model, _, _ = await run(bench, calls(made), FINISH)
    assert complaint in str(model.requests[1][-1]["content"])
    assert result.outcome == "finished"


async def test_an_edit_names_exactly_one_place(bench: OpenBench) -> None:
    _, model, _, _ = await run(
        bench,
        calls(("write", {"path": "app/a.py", "content": "one\none\ntwo\n"})),
        calls(
            ("edit", {"path": "app/a.py", "old": "one", "new": "1"}),
            ("edit", {"path": "app/a.py", "old": "three", "new": "3"}),
            ("edit", {"path": "app/a.py", "old": "two", "new": "2"}),
        ),
        calls(("read", {"path": "."}), ("read", {"path": "app/a.py", "first_line": 2})),
        FINISH,
    )
    assert str(model.requests[3][-2]["content"]).startswith("(.: a folder with ")
    assert "\napp/" in str(model.requests[3][-2]["content"])
    assert ".git/" not in str(model.requests[3][-2]["content"])
    answers = [str(message["content"]) for message in model.requests[2][-3:]]
    assert "stands 2 times" in answers[0]
    assert "does not stand" in answers[1]
    assert model.requests[3][-1]["content"] == "(app/a.py: lines 2 to 3 of 3 lines in all, 10 bytes)\none\n2\n"
    assert answers[2] == "edited app/a.py"


async def test_a_command_that_hangs_is_a_result_that_the_agent_reads(bench: OpenBench) -> None:
    _, model, _, _ = await run(
        bench, calls(("shell", {"command": "echo begun; sleep 60", "timeout_seconds": 1})), FINISH
    )
    answer = str(model.requests[1][-1]["content"])
    assert "begun" in answer
    assert "killed after 1 s" in answer
    assert "Give a longer timeout_seconds, 600 at most; what takes longer goes into `background`)" in answer


@pytest.mark.parametrize(
    ("replies", "agent", "outcome", "problem"),
    [
        pytest.param([says("hm")] * SILENT_TURNS, coder(), "stuck", "without a tool call", id="only talks"),
        pytest.param(
            [calls(("read", {"path": "x"}))] * SAME_TURNS * 2, coder(), "stuck", "the same call", id="repeats itself"
        ),
        pytest.param([says("a"), says("b")], coder(turns=2), "limit", "turns", id="too many turns"),
        pytest.param([says("a"), says("b")], coder(cost_usd=0.4), "limit", "cost", id="too expensive"),
    ],
)
async def test_every_ending_is_a_result(
    bench: OpenBench, replies: list[Reply], agent: AgentDefinition, outcome: str, problem: str
) -> None:
    result, _, _, _ = await run(bench, *replies, agent=agent)
    assert result.outcome == outcome
    assert problem in result.problem
    assert result.report == {}


async def test_a_finished_session_is_never_asked_again(bench: OpenBench) -> None:
    first, _, transcripts, _ = await run(bench, calls(("write", {"path": "app/a.py", "content": "1"})), FINISH)
    again, model, _, told = await run(bench, transcripts=transcripts)
    assert again == first
    assert model.requests == []
    assert [event.type for event in told.events] == ["session ended"]


@pytest.mark.parametrize("problem", [ModelUnavailable("down"), LimitExceeded("budget", used=1, allowed=1)])
async def test_after_a_model_that_was_down_the_session_goes_on_with_its_files(
    bench: OpenBench, repository: Repository, problem: Exception
) -> None:
    transcripts = MemoryTranscripts()
    with pytest.raises(type(problem)):
        await run(bench, calls(("write", {"path": "app/a.py", "content": "1"})), problem, transcripts=transcripts)
    result, model, _, told = await run(
        bench, calls(("write", {"path": "app/b.py", "content": "2"})), FINISH, transcripts=transcripts
    )
    assert result.commit is not None
    assert await repository.files(result.commit) == ("app/a.py", "app/b.py")
    assert result.model_calls == 3
    assert len(model.requests) == 2
    assert [event.resumed for event in told.events if isinstance(event, SessionStarted)] == [True]


async def test_calls_that_were_cut_off_are_carried_out_without_asking_the_model_again(
    bench: OpenBench, repository: Repository
) -> None:
    whole = MemoryTranscripts()
    await run(
        bench,
        calls(("write", {"path": "app/a.py", "content": "1"})),
        calls(("edit", {"path": "app/a.py", "old": "1", "new": "2"}), ("write", {"path": "app/b.py", "content": "3"})),
        FINISH,
        transcripts=whole,
    )
    reply_of_second_round = 3
    cut = MemoryTranscripts(whole.entries[: reply_of_second_round + 1])
    result, model, _, told = await run(bench, FINISH, transcripts=cut)
    assert result.commit is not None
    assert await repository.read(result.commit, "app/a.py") == b"2"
    assert await repository.read(result.commit, "app/b.py") == b"3"
    assert len(model.requests) == 1
    assert len([event for event in told.events if isinstance(event, ModelCalled)]) == 1


async def test_nobody_finishes_before_they_have_read_what_their_tools_answered(bench: OpenBench) -> None:
    both = calls(("shell", {"command": "exit 1"}), ("finish", {"summary": "all is well"}))
    result, model, _, _ = await run(bench, both, calls(("finish", {"summary": "it failed"})))
    assert "read the answers" in str(model.requests[1][-1]["content"])
    assert result.report["summary"] == "it failed"


async def test_a_report_is_recorded_together_with_the_answers_so_that_nobody_is_asked_for_it_twice(
    bench: OpenBench,
) -> None:
    _, _, transcripts, _ = await run(bench, FINISH)
    assert [message["role"] for message in transcripts.entries[-1].messages] == ["tool"]
    assert transcripts.entries[-1].result is not None


async def test_a_report_with_the_right_form_and_the_wrong_content_is_sent_back(bench: OpenBench) -> None:
    def check(report: object) -> None:
        assert isinstance(report, WorkReport)
        if report.summary != "right":
            raise ToolError("say right")

    model = ScriptedModel(FINISH, calls(("finish", {"summary": "right"})))
    session = Session(
        coder(),
        ASSIGNMENT,
        iteration=1,
        report=WorkReport,
        model=model,
        transcripts=MemoryTranscripts(),
        artifacts=MemoryArtifacts(),
        emit=Told(),
        check=check,
    )
    result = await session.run(bench)
    assert result.report["summary"] == "right"
    assert model.requests[1][-1]["content"] == "Error: say right"
