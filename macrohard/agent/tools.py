"""What agents can do; a tool is a function, its docstring is for the model, its mistakes are told to the model."""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from macrohard.agent.artwork import clip, picture
from macrohard.agent.bench import Answer, Bench
from macrohard.agent.editing import Replacement, replaced
from macrohard.agent.outputs import as_left_on_screen, readable
from macrohard.agent.repair import complaint, is_left_out, parameters_of
from macrohard.agent.trial import WIDTH, PageStep
from macrohard.agent.visiting import act, command, look, request
from macrohard.domain import JsonObject, ProductKind
from macrohard.errors import ToolError
from macrohard.sandbox import OUTPUT_LIMIT_BYTES

READ_LIMIT_BYTES = 2 << 20
SHELL_SECONDS_AT_MOST = 600
ENTRIES_SHOWN = 500
"""Of a folder."""
QUESTIONS_AT_MOST = 5
"""To colleagues, in one session."""
QUESTION_CHARACTERS = 60_000
"""Of the files that go with a question."""
MORE = "more"
"""The tool that everybody has who has any."""


async def shell(
    bench: Bench,
    command: Annotated[
        str,
        Field(
            description="Run by bash, first in the product's root. Folder and exported variables stay between calls."
        ),
    ],
    timeout_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=SHELL_SECONDS_AT_MOST,
            description="After this everything it started is killed; 120 if you do not say, 600 at most.",
        ),
    ] = 120,
) -> str:
    """Run a command in the sandbox and see what it writes, errors in their place, and its exit code.

    For what runs on, or takes longer than 600 s, use `background`.
    """
    result = await bench.shell.run(command, timeout_seconds=timeout_seconds)
    written = readable(as_left_on_screen(result.stdout)).rstrip()
    parts = [written] if written else []
    if result.dropped_bytes:
        kept = OUTPUT_LIMIT_BYTES >> 20
        parts.append(f"({result.dropped_bytes} bytes of output were dropped: {kept} MiB is kept)")
    if result.timed_out:
        longer = f"Give a longer timeout_seconds, {SHELL_SECONDS_AT_MOST} at most; what takes longer goes"
        instead = longer if timeout_seconds < SHELL_SECONDS_AT_MOST else "Longer than that nothing runs here: it goes"
        parts.append(
            f"(killed after {timeout_seconds} s; folder and variables are as before it. {instead} into `background`)"
        )
    if result.limit_hit:
        parts.append(f"({result.limit_hit})")
    if result.hint:
        parts.append(f"({result.hint})")
    if bench.folder != bench.root:
        parts.append(f"(you are in {bench.folder})")
    parts.append(f"exit code {result.exit_code}")
    return "\n".join(parts)


async def background(
    bench: Bench,
    action: Literal["start", "list", "output", "wait", "stop"],
    command: Annotated[
        str, Field(description="To start: run by bash where the shell stands, with its variables.")
    ] = "",
    process: Annotated[str, Field(description="For output, wait and stop: p1, as start named it.")] = "",
    timeout_seconds: Annotated[int, Field(ge=1, le=600, description="Of wait.")] = 120,
) -> str:
    """Servers and other processes that run on between calls: start one, read its new output, stop it.

    `wait` gives the output as soon as there is some that you have not seen, or the process ends.
    """
    if action == "start":
        if not command.strip():
            raise ToolError("start needs a command")
        return await bench.shell.start(command)
    if action == "list":
        return bench.shell.listed()
    if action == "wait":
        return await bench.shell.wait(process, timeout_seconds=timeout_seconds)
    return await (bench.shell.output(process) if action == "output" else bench.shell.stop(process))


async def read(
    bench: Bench,
    path: Annotated[str, Field(description="Relative to the product's root.")],
    first_line: Annotated[int, Field(ge=1)] = 1,
    last_line: Annotated[int | None, Field(ge=1)] = None,
    numbers: Annotated[bool, Field(description="Put its number before each line.")] = False,
) -> str:
    """Read a text file, or some lines of it, after a line that says how long it is; of a folder, what is in it."""
    try:
        text = await _text(bench, path)
    except _IsFolder:
        return await _listing(bench, path)
    # By line feeds only, as editors, compilers and `edit` count them.
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    shown = lines[first_line - 1 : last_line]
    if lines and not shown:
        raise ToolError(f"{path} has {len(lines):,} lines only")
    part = "" if len(shown) == len(lines) else f"lines {first_line:,} to {first_line + len(shown) - 1:,} of "
    head = f"({path}: {part}{len(lines):,} lines in all, {len(text.encode()):,} bytes)\n"
    if numbers:
        width = len(str(first_line + len(shown)))
        shown = [f"{number:>{width}}: {line}" for number, line in enumerate(shown, first_line)]
    return head + "".join(shown)


async def write(
    bench: Bench,
    path: Annotated[str, Field(description="Relative to the product's root; folders are made.")],
    content: str,
    append: Annotated[bool, Field(description="Add to the end of the file instead of replacing it.")] = False,
) -> str:
    """Create or replace a whole file, or add to it."""
    target = bench.owned(path)
    _refuse_notes(content)
    before = await _text(bench, path) if append else ""
    await bench.sandbox.write({target: (before + content).encode()})
    lines = f"{len(content.splitlines())} lines"
    return f"added {lines} to {path}" if append else f"wrote {path} ({lines})"


async def edit(
    bench: Bench,
    path: Annotated[str, Field(description="Relative to the product's root.")],
    old: Annotated[str, Field(min_length=1, description="Text that stands in the file exactly once, to the space.")],
    new: Annotated[str, Field(description="What takes its place.")],
    further: Annotated[
        tuple[Replacement, ...], Field(description="More replacements in this file, made after it; all or none.")
    ] = (),
    every: Annotated[bool, Field(description="Replace every place where an old text stands.")] = False,
) -> str:
    """Replace pieces of text in a file by others."""
    target = bench.owned(path)
    replacements = (Replacement(old=old, new=new), *further)
    _refuse_notes(*(text for one in replacements for text in (one.old, one.new)))
    text = replaced(await _text(bench, path), replacements, path=path, every=every)
    await bench.sandbox.write({target: text.encode()})
    return f"edited {path}" if not further else f"edited {path} ({len(replacements)} replacements)"


async def search(
    bench: Bench,
    pattern: Annotated[str, Field(min_length=1, description="A regular expression as ripgrep understands it.")],
    path: Annotated[str, Field(description="File or folder to search in.")] = ".",
    files: Annotated[str, Field(description="Only files of this glob, e.g. *.py or !tests/**.")] = "",
    context: Annotated[int, Field(ge=0, le=20, description="Lines shown before and after each match.")] = 0,
    limit: Annotated[int, Field(ge=1, le=1000, description="Show so many lines at most.")] = 100,
) -> str:
    """Search the product's files; answers path:line:text."""
    glob = ("--glob", files) if files else ()
    options = ("--line-number", "--no-heading", "--with-filename", "--sort", "path", "--max-columns", "300")
    command = ("rg", *options, *glob, "--context", str(context), "-e", pattern, "--", path)
    result = await bench.sandbox.run(command, timeout_seconds=30, directory=bench.root)
    if result.exit_code == 2:
        raise ToolError(result.stderr.strip() or "the search failed")
    if result.timed_out:
        raise ToolError("the search took more than 30 s: narrow it by path or files")
    lines = result.stdout.splitlines()
    if not lines:
        return f"nothing found in {path}{f' in files {files}' if files else ''}; hidden and ignored files are left out"
    left = [f"… {len(lines) - limit:,} more lines: narrow it by path or files, or raise limit"] * (len(lines) > limit)
    return "\n".join([*lines[:limit], *left])


async def run_tests(
    bench: Bench,
    arguments: Annotated[
        str, Field(description="Put after the test command of product.toml, e.g. a test file; empty: all tests.")
    ] = "",
) -> Answer:
    """Run the product's own tests and see what failed, in short. A running product is started again after it."""
    ran = await bench.trial.run_tests(arguments)
    return Answer(text=ran.summary, whole=ran.output)


async def start_product(bench: Bench) -> str:
    """Start the product, again if it runs, with the design's `environment`; answers if it is healthy, and its log."""
    return await bench.trial.start()


async def stop_product(bench: Bench) -> str:
    """Stop the product and see the end of its log."""
    return await bench.trial.stop() or "it does not run"


async def look_at_page(
    bench: Bench,
    path: Annotated[
        str, Field(description="Of the running product, e.g. /tasks?x=1; empty: the page that is open.")
    ] = "",
    steps: Annotated[tuple[PageStep, ...], Field(max_length=20, description="Done one after the other first.")] = (),
    width: Annotated[
        int, Field(ge=320, le=2560, description="Of the window in pixels; another is a new visit.")
    ] = WIDTH,
) -> Answer:
    """See a page of the running product in a browser: outline, console errors, failed requests.

    With a picture of the window if the model behind you takes pictures; your assignment says which.
    """
    text = await bench.trial.look(path, steps, width=width)
    taken = await bench.trial.picture() if bench.takes_pictures else None
    if taken is None:
        return Answer(text=text)
    jpeg, pixels, height = taken
    return Answer(text=text, pictures=(await bench.outputs.keep_picture(jpeg, width=pixels, height=height),))


async def ask_colleague(
    bench: Bench,
    agent: Annotated[str, Field(description="Who is asked, e.g. designer, architect, security-engineer.")],
    question: Annotated[
        str, Field(min_length=10, max_length=4_000, description="One question, with all they must know.")
    ],
    files: Annotated[tuple[str, ...], Field(max_length=5, description="Files that they are to read with it.")] = (),
) -> str:
    """Ask a colleague one question. They see it, your assignment and these files, and answer once."""
    if bench.asked >= QUESTIONS_AT_MOST:
        raise ToolError(f"you have asked {QUESTIONS_AT_MOST} questions, no more are allowed: decide yourself")
    texts = {path: await _text(bench, path) for path in files}
    if sum(len(text) for text in texts.values()) > QUESTION_CHARACTERS:
        raise ToolError(f"the files have more than {QUESTION_CHARACTERS:,} characters: quote what matters instead")
    answer = await bench.colleagues.ask(agent, question, number=bench.asked + 1, files=texts)
    bench.asked += 1
    return answer


async def ask_person(
    bench: Bench,
    question: Annotated[
        str, Field(min_length=10, description="What only the person who wants the product can decide.")
    ],
    default: Annotated[str, Field(min_length=1, description="What holds without an answer; the likelier choice.")],
) -> str:
    """Put a question with its default to the person. Work is not held up: go on with the default."""
    return (
        f"Nobody is waited for. Assumed: {default}\nGo on with that. The person reads question and assumption with the "
        "result and can change it then."
    )


async def more(
    bench: Bench,
    output: Annotated[str, Field(description="As the note in the answer calls it, e.g. output-7.")],
    first_line: Annotated[int, Field(ge=1)] = 1,
    last_line: Annotated[int | None, Field(ge=1)] = None,
    search: Annotated[
        str, Field(description="Show only lines that hold this text, with their numbers; instead of a range.")
    ] = "",
) -> str:
    """Read on in an answer that was too long to be shown whole, or that was left out of the conversation later."""
    if search:
        return await bench.outputs.matches(output, search)
    return await bench.outputs.lines(output, first=first_line, last=last_line)


async def skill(
    bench: Bench,
    name: Annotated[str, Field(description="As the list at the end of your instructions has it.")],
    file: Annotated[str, Field(description="One of the skill's files; empty: the skill itself.")] = "",
) -> str:
    """Read a skill: how one kind of work is done well."""
    if name not in bench.skills:
        raise ToolError(f"there is no skill {name!r}; yours are {', '.join(bench.skills) or 'none'}")
    return bench.skills[name].text(file)


class _IsFolder(ToolError):
    """There is a folder where a file was asked for."""


async def _listing(bench: Bench, path: str) -> str:
    """What a folder holds, folders with a slash behind their names."""
    listed = await bench.sandbox.run(("ls", "-1Ap", "--", path), timeout_seconds=30, directory=bench.root)
    if listed.exit_code != 0:
        raise ToolError(listed.stderr.strip() or f"the folder {path} cannot be listed")
    names = [name for name in listed.stdout.splitlines() if name != ".git/"]
    shown = names[:ENTRIES_SHOWN]
    more = [f"… {len(names) - len(shown):,} more"] if len(names) > len(shown) else []
    return "\n".join([f"({path}: a folder with {len(names):,} entries)", *shown, *more])


def _refuse_notes(*texts: str) -> None:
    if any(is_left_out(text) for text in texts):
        raise ToolError("that is the note which stands for a text in an old call, not the text itself; write it whole")


async def _text(bench: Bench, path: str) -> str:
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts:
        raise ToolError(f"{path!r} is not a path below the product's root")
    try:
        return (await bench.sandbox.read(bench.root / relative, limit_bytes=READ_LIMIT_BYTES)).decode()
    except FileNotFoundError as error:
        raise ToolError(f"no such file: {path}") from error
    except IsADirectoryError as error:
        raise _IsFolder(f"a folder: {path}; `read` lists it") from error
    except UnicodeDecodeError as error:
        raise ToolError(f"not a text file: {path}") from error


class Tool:
    """A function that agents can call; its signature is its schema."""

    def __init__(self, function: Callable[..., Awaitable[str | Answer]]) -> None:
        self.name = function.__name__
        self._function = function
        fields: dict[str, Any] = {
            name: (parameter.annotation, ... if parameter.default is inspect.Parameter.empty else parameter.default)
            for name, parameter in list(inspect.signature(function).parameters.items())[1:]
        }
        self._arguments: type[BaseModel] = create_model(
            f"{self.name}_arguments", __config__=ConfigDict(extra="forbid"), **fields
        )
        self.parameters = parameters_of(self._arguments)
        self.schema = function_schema(self.name, inspect.getdoc(function) or "", self.parameters)

    async def __call__(self, bench: Bench, arguments: JsonObject) -> Answer:
        """Run with the model's arguments.

        Raises:
            BadArguments: they do not fit; nothing was done.
            ToolError: the tool could not do it; the text teaches.
        """
        answer = await self._function(bench, **self.validated(arguments))
        return Answer(text=answer) if isinstance(answer, str) else answer

    def validated(self, arguments: JsonObject) -> dict[str, Any]:
        """The arguments as the function takes them.

        Raises:
            BadArguments: they do not fit.
        """
        try:
            checked = self._arguments.model_validate(arguments)
        except ValidationError as error:
            raise complaint(error, self.parameters) from error
        return {name: getattr(checked, name) for name in type(checked).model_fields}


def function_schema(name: str, description: str, parameters: JsonObject) -> JsonObject:
    """A tool in the form that chat completions take."""
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


_FUNCTIONS: tuple[Callable[..., Awaitable[str | Answer]], ...] = (
    *(shell, background, read, write, edit, search, more, skill),
    *(run_tests, start_product, stop_product, look_at_page),
    *(ask_colleague, ask_person),
    *(look, act, request, command),
    *(picture, clip),
)
TOOLS: Mapping[str, Tool] = {function.__name__: Tool(function) for function in _FUNCTIONS}

ONLY_FOR: Final[Mapping[str, tuple[ProductKind, ...]]] = {
    "start_product": ("web", "api"),
    "stop_product": ("web", "api"),
    "look_at_page": ("web",),
    "act": ("web",),
    "request": ("api",),
    "command": ("cli", "library"),
}
"""The kinds of product with which a tool can do anything; what is not named here, it can with every kind."""


def names_for(names: Sequence[str], kind: ProductKind) -> tuple[str, ...]:
    """Which of these tools an agent is offered that works on a product of this kind."""
    return tuple(name for name in names if kind in ONLY_FOR.get(name, (kind,)))


def names_with_more(names: Sequence[str]) -> tuple[str, ...]:
    """What an agent has whose file names these tools, beside `finish`."""
    return (*names, MORE) if names else ()
