"""B9 and D7: what people are shown of what agents and products said, on terminals and in reports."""

import io
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from playwright.async_api import async_playwright

from macrohard.cli.board import Board
from macrohard.cli.display import LiveDisplay, PlainDisplay
from macrohard.cli.terminal import one_line, printable
from macrohard.domain import Finding, Specification, Verdict
from macrohard.events import (
    Event,
    Found,
    PhaseStarted,
    Progress,
    RunStarted,
    SessionEnded,
    SessionStarted,
    Specified,
    ToolUsed,
    Verified,
)
from macrohard.report import render
from tests.attacks.attack import Attack, Ground, ProbeFailed
from tests.report.sample import Cupboard, overview

OBEYED = (
    "\x1b]0;owned",
    "\x1b]8;;http",
    "\x1b]52;",
    "\x1bP",
    "\x9b2J",
    "\x1b[2J",
    "\x1b[31m",
    "\u202e",
    "\x08",
    "\x07",
)
EVIL = "evil " + " ".join(OBEYED) + " \r overwritten"
HTML = '"><img src=http://127.0.0.1:{port}/img onerror="document.title=1"><script>document.title="owned"</script>'


def _story() -> Sequence[Event]:
    """A run in which everything that comes from outside is hostile."""
    told = Verdict.model_validate(
        {"check": "S-1", "kind": "scenario", "commit": "c", "status": "failed", "summary": EVIL, "duration_seconds": 1}
    )
    finding = Finding(id="F-1", commit="c", found_by=EVIL, category="layout", severity=2, title=EVIL, detail=EVIL)
    started = SessionStarted(
        session_id="s1", iteration=1, phase="implement", agent="coder", agent_hash="h", persona=None, task=EVIL,
        criteria=(), resumed=False,
    )  # fmt: skip
    return (
        RunStarted(model=EVIL, sandbox_tier="runc", notices=(EVIL,)),
        Progress(text=EVIL),
        Specified(specification=Specification(decision="build", title=EVIL)),
        PhaseStarted(phase="implement", iteration=1),
        started,
        ToolUsed(session_id="s1", tool="write", summary=f"wrote {EVIL}", ok=True),
        SessionEnded(session_id="s1", outcome="stuck", problem=EVIL, commit=None, seconds=3),
        Verified(iteration=1, verdict=told),
        Found(iteration=1, finding=finding),
    )


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def escapes_that_reach_the_terminal(ground: Ground) -> Sequence[str]:
    """Through the lines, the picture, and what commands print."""
    shown = {"the words of commands": printable(EVIL) + one_line(EVIL)}
    lines, picture = io.StringIO(), _Terminal()
    with PlainDisplay(lines, board=Board(clock=lambda: 0.0)) as plain:
        for event in _story():
            plain.observe(event)
    with LiveDisplay("r-1", picture, clock=lambda: 0.0) as live:
        for event in _story():
            live.observe(event)
    shown |= {"the lines": lines.getvalue(), "the picture": picture.getvalue()}
    if any("evil" not in text for text in shown.values()):
        raise ProbeFailed("nothing hostile was shown")
    # The picture is drawn with escapes of its own.
    drawn = ("\x1b[2J", "\x1b[31m", "\x08")
    return [
        f"{escape!r} in {where}"
        for where, text in shown.items()
        for escape in OBEYED
        if escape in text and not (where == "the picture" and escape in drawn)
    ]


async def escapes_printed_as_they_are(ground: Ground) -> Sequence[str]:
    lines = io.StringIO()
    print(EVIL, file=lines)
    return [repr(escape) for escape in OBEYED if escape in lines.getvalue()]


async def _opened(html: str, folder: Path, port: int, listener: socket.socket) -> Sequence[str]:
    """What a page that is opened from the disk does that it should not."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        raise ProbeFailed("there is no Chromium to open it in: apt-get install --yes chromium")
    path = folder / "report.html"
    path.write_text(html, encoding="utf-8")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = await browser.new_page()
        # What is loaded from our listener is never answered.
        await page.goto(path.as_uri(), wait_until="commit")
        await page.wait_for_timeout(2000)
        title = await page.title()
        await browser.close()
    listener.settimeout(0)
    found = ["a script that is not ours was run"] if title in ("1", "owned") else []
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return found
    return [*found, "something was loaded"]


async def report_with(ground: Ground, *, escaped: bool, policy: bool) -> Sequence[str]:
    cupboard = Cupboard()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        evil = HTML.format(port=port)
        shots = dict.fromkeys(("list", "form", "error", "phone"), "0" * 64)
        html = await render(overview(shots, words=evil), cupboard)
        if evil in html:
            return ["markup is not escaped"]
        if not escaped:
            html = html.replace("</body>", f'<p class="{evil}"></p></body>')
        if not policy:
            html = html.replace("Content-Security-Policy", "No-Policy")
        return await _opened(html, ground.folder, port, listener)


async def markup_in_a_report(ground: Ground) -> Sequence[str]:
    return await report_with(ground, escaped=True, policy=True)


async def markup_in_a_report_that_escapes_nothing(ground: Ground) -> Sequence[str]:
    return await report_with(ground, escaped=False, policy=False)


async def markup_past_all_escaping(ground: Ground) -> Sequence[str]:
    """Into a report with its policy, as if a place had been forgotten."""
    return await report_with(ground, escaped=False, policy=True)


ATTACKS = (
    Attack(
        id="B9",
        title="escape sequences on a terminal",
        probe=escapes_that_reach_the_terminal,
        control=escapes_printed_as_they_are,
        everywhere=True,
        quick=True,
    ),
    Attack(
        id="B9 report",
        title="markup in a report",
        probe=markup_in_a_report,
        control=markup_in_a_report_that_escapes_nothing,
        everywhere=True,
    ),
    Attack(
        id="D7",
        title="a report opened from disk in which a place was not escaped",
        probe=markup_past_all_escaping,
        control=markup_in_a_report_that_escapes_nothing,
        everywhere=True,
    ),
)
