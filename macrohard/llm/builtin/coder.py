"""The built-in model at a workbench: coders write and repair files, the integrator merges."""

import shlex
from collections.abc import Mapping, Sequence

from macrohard.domain import JsonObject, owns
from macrohard.llm.builtin.blueprint import Blueprint
from macrohard.llm.builtin.conversation import Call, Conversation, Turn
from macrohard.llm.builtin.office import blueprint_of, look_of
from macrohard.llm.builtin.webapp import files, repairs
from macrohard.llm.builtin.webapp.problems import Problem

CHECK = "python3 -m compileall -q app && python3 -m pytest -q tests 2>&1 | tail -n 15"
COMPILE = "python3 -m compileall -q ."
LINES = 200
"""Files are read in pieces of so many lines, so that no answer is cut."""

PORTION_CHARACTERS = 40_000
"""Of files are written in one answer, so that it is not cut off either."""


def coder(conversation: Conversation, *, careless: bool) -> Turn:
    """Write the task's files, or repair what was reported; run the checks; hand in."""
    material = conversation.material
    task = _object(material.get("task"))
    problems = [Problem.model_validate(_known(problem)) for problem in _objects(material.get("problems"))]
    if checked := conversation.results("shell"):
        return _hand_in(task, checked[-1], unheeded=[each.title for each in problems if each.kind == "feedback"])
    blueprint = blueprint_of(material)
    owned = tuple(str(file) for file in _strings(task.get("files")))
    if not problems:
        whole = files(blueprint, look_of(material), careless=careless)
        written = {each.call.arguments.get("path") for each in conversation.exchanges if each.call.name == "write"}
        left = {path: content for path, content in whole.items() if owns(owned, path) and path not in written}
        if not left:
            tested = written and any(file.startswith("tests/") for file in owned)
            return _shell(CHECK if tested else COMPILE)
        return _write(left)
    if conversation.results("edit"):
        return _shell(CHECK)
    return _repair(conversation, blueprint, problems, owned)


def _write(left: Mapping[str, str]) -> Turn:
    calls: list[Call] = []
    characters = 0
    for path, content in left.items():
        if calls and characters + len(content) > PORTION_CHARACTERS:
            break
        characters += len(content)
        calls.append(Call(name="write", arguments={"path": path, "content": content}))
    return Turn(text=f"I write {len(calls)} of {len(left)} files.", calls=tuple(calls))


def _repair(conversation: Conversation, blueprint: Blueprint, problems: list[Problem], owned: tuple[str, ...]) -> Turn:
    names = [path for path in files(blueprint, look_of(conversation.material)) if owns(owned, path)]
    reads = [
        exchange
        for exchange in conversation.exchanges
        if exchange.call.name == "read" and "path" in exchange.call.arguments
    ]
    if not reads:
        return Turn(text="I look at the code first.", calls=tuple(_piece(path, 1) for path in names))
    current: dict[str, str] = {}
    for exchange in reads:
        if not exchange.result.startswith("Error: "):
            path = str(exchange.call.arguments["path"])
            current[path] = current.get(path, "") + _content(exchange.result)
    latest = {str(exchange.call.arguments["path"]): exchange for exchange in reads}
    unfinished = [
        _piece(path, int(str(exchange.call.arguments["first_line"])) + LINES)
        for path, exchange in latest.items()
        if _content(exchange.result).count("\n") >= LINES
    ]
    if unfinished:
        return Turn(calls=tuple(unfinished))
    edits = repairs(blueprint, problems, current)
    if not edits:
        return _shell(CHECK)
    return Turn(
        text=f"I found {len(edits)} places to mend.",
        calls=tuple(
            Call(name="edit", arguments={"path": edit.file, "old": edit.old, "new": edit.new}) for edit in edits
        ),
    )


def _content(read: str) -> str:
    """What `read` answers, without the line that says how long the file is."""
    return read.partition("\n")[2]


def _piece(path: str, first: int) -> Call:
    return Call(name="read", arguments={"path": path, "first_line": first, "last_line": first + LINES - 1})


def _hand_in(task: JsonObject, check: str, *, unheeded: Sequence[str] = ()) -> Turn:
    passed = check.rstrip().endswith("exit code 0") and " failed" not in check
    summary = f"{task.get('title')}: {'the checks ran through' if passed else 'the checks did not run through'}."
    open_points = [] if passed else [check[-400:]]
    open_points += [f"The built-in model does not follow remarks; left for a real one: {each}" for each in unheeded]
    return Turn(calls=(Call(name="finish", arguments={"summary": summary, "open_points": list(open_points)}),))


def integrator(conversation: Conversation) -> Turn:
    """Merge one branch after the other, keeping who did what in the history."""
    branches = _objects(conversation.material.get("branches"))
    if ran := conversation.results("shell"):
        merged = ran[-1].rstrip().endswith("exit code 0")
        summary = f"Merged {len(branches)} branches." if merged else f"The merge failed: {ran[-1][-400:]}"
        return Turn(calls=(Call(name="finish", arguments={"summary": summary}),))
    merges = [
        f"git merge -q --no-ff -m {shlex.quote(title)} {commit}"
        for title, commit in [(f"Merge {branch['task']}: {branch['title']}", branch["commit"]) for branch in branches]
    ]
    return _shell(" && ".join(merges))


def _shell(command: str) -> Turn:
    return Turn(calls=(Call(name="shell", arguments={"command": command, "timeout_seconds": 120}),))


def _known(problem: JsonObject) -> JsonObject:
    return {name: problem[name] for name in Problem.model_fields if name in problem}


def _object(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
