"""Commands on a service elsewhere, or here: the same options, displays and exit codes, where others carry runs out."""

import asyncio
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from macrohard.cli.drive import (
    Interrupted,
    Wish,
    asked_for,
    asked_to_rule,
    check_free,
    exit_code,
    tell,
    until_interrupted,
)
from macrohard.cli.gates import Gates
from macrohard.cli.parking import wait_until
from macrohard.cli.terminal import printable
from macrohard.client import Client
from macrohard.domain import Caps, RunOverview
from macrohard.errors import RequestError
from macrohard.events import Event
from macrohard.settings import load_settings

REPORT = "report.html"
READABLE = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
HERE = ("127.0.0.1", "localhost", "::1")
_EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def check_heeded(options: Mapping[str, bool]) -> None:
    """Make sure that none of these was given: a service decides for itself where and how it carries runs out.

    Raises:
        RequestError: some were; names them.
    """
    if given := [name for name, is_given in options.items() if is_given]:
        raise RequestError(
            f"{', '.join(given)}: heeded only where the run is carried out; leave --server out, and MACROHARD_SERVER, "
            "or ask those who run the service"
        )


def client(server: str, token: str | None) -> Client:
    """The service at this address; without a token, one on this machine is asked with that of its folder.

    Raises:
        RequestError: the address is none, or there is no token.
    """
    host = urlsplit(server).hostname
    if host is None or not server.startswith(("http://", "https://")):
        raise RequestError(f"--server {server!r} is no address; write e.g. http://127.0.0.1:8700")
    if not token and host in HERE:
        kept = load_settings().home / "service-token"
        token = kept.read_text(encoding="ascii").strip() if kept.is_file() else None
    if not token:
        raise RequestError(f"MACROHARD_TOKEN is not set; {server} wants to know who asks")
    return Client(server, token)


def build(
    service: Client,
    requirement: str,
    wish: Wish,
    *,
    model: str | None,
    caps: Caps | None,
    iterations: int | None,
    gates: Gates,
    improves: str | None = None,
    project: str | None = None,
) -> int:
    """Submit it, and follow it until it ends or waits; the exit code.

    Raises:
        RequestError: there is something where the product is to be put; no run was made.
    """
    check_free(wish.out)
    run = service.submit(
        requirement, model=model, caps=caps, iterations=iterations, ask=wish.ask, improves=improves, project=project,
        approvals=gates.approvals, answer_seconds=gates.answer_seconds, budget_seconds=gates.budget_seconds,
    )  # fmt: skip
    return follow(service, run.id, wish)


def resume(service: Client, run: str, wish: Wish, *, add: Caps, answers: Mapping[str, str]) -> int:
    """Have a run go on, and follow it until it ends or waits; one that is at work is only followed.

    Raises:
        RequestError: there is something where the product is to be put; nothing was asked of the run.
    """
    check_free(wish.out)
    overview = service.run(run)
    run_id, status = overview.summary.id, overview.summary.status
    given = dict(answers)
    if not wish.ask:
        given = {question.id: question.default for question in overview.open_questions} | given
    if add != Caps():
        service.add_budget(run_id, add)
    if given:
        service.answer(run_id, given)
    elif status in ("waiting", "paused", "failed"):
        summary = service.run(run_id).summary
        # What is parked until an hour is in the queue, too, and does not go on before.
        if not summary.queued or summary.wake_at is not None:
            service.resume(run_id)
    return follow(service, run_id, wish)


def follow(service: Client, run_id: str, wish: Wish) -> int:
    """Show what happens until the run ends, or waits for something that is not to be had here; the exit code."""
    print(f"run {run_id}", file=sys.stderr, flush=True)
    if waits := service.run(run_id).summary.waits:
        print(f"it {printable(waits)}; it is taken up as soon as one of them ends", file=sys.stderr, flush=True)
    after, answered = 0, frozenset[str]()
    while True:
        after = _shown(service, run_id, after=after)
        overview = service.run(run_id)
        questions = [each for each in overview.open_questions if each.id not in answered] if wish.prompt else []
        if questions:
            answered |= {question.id for question in questions}
            service.answer(run_id, asked_for(run_id, tuple(questions)))
        elif wish.prompt and overview.awaited is not None and (ruling := asked_to_rule(overview)) is not None:
            if ruling.approved:
                service.approve(run_id, ruling.point, number=ruling.number)
            else:
                service.send_back(run_id, ruling.point, ruling.comment, number=ruling.number)
        elif wish.wait and overview.summary.wake_at is not None:
            until_interrupted(_its_hour(service, run_id, overview.summary.wake_at))
        else:
            break
    place = _taken_along(service, overview, wish.out) if wish.out is not None else None
    tell(overview.model_copy(update={"product_path": place and str(place)}), as_object=wish.json)
    if place is None and overview.product_commit is not None and not wish.json:
        print(f"Take it:  macrohard export {run_id} --out DIR")
    return exit_code(overview.summary.status)


def export(service: Client, run: str, out: Path, *, iteration: int | None) -> Path:
    """Put product and report into a new or empty folder; a report of the product's own gives way, as it does here.

    Raises:
        RequestError: the run has no product, or no such iteration, or there is something in the folder.
    """
    check_free(out)
    with TemporaryDirectory(prefix="macrohard-") as room:
        packed = service.download(run, Path(room) / "product.zip", iteration=iteration)
        with zipfile.ZipFile(packed) as archive:
            for entry in archive.infolist():
                # All of it is in one folder, which `out` takes the place of. Links become small text files.
                entry.filename = entry.filename.partition("/")[2]
                if entry.filename:
                    place = Path(archive.extract(entry, out))
                    if _is_program(entry):
                        mode = place.stat().st_mode
                        place.chmod(mode | (mode & READABLE) >> 2)
    (out / REPORT).write_text(service.report(run), encoding="utf-8")
    return out


def _is_program(entry: zipfile.ZipInfo) -> bool:
    mode = entry.external_attr >> 16
    return stat.S_ISREG(mode) and bool(mode & stat.S_IXUSR)


async def _its_hour(service: Client, run_id: str, wake_at: datetime) -> None:
    """Sleep until the hour at which the run goes on, or until somebody had it go on before."""

    async def goes_on() -> bool:
        return (await asyncio.to_thread(service.run, run_id)).summary.wake_at != wake_at

    await wait_until(wake_at, run_id, goes_on=goes_on)


def _taken_along(service: Client, overview: RunOverview, out: Path) -> Path | None:
    if overview.product_commit is None:
        return None
    return export(service, overview.summary.id, out, iteration=None)


def _shown(service: Client, run_id: str, *, after: int) -> int:
    """Display events until the run comes to rest; the number of the last one."""
    with _display(service, run_id) as observe:
        try:
            for told in service.events(run_id, after=after, until_done=True):
                after = told.number
                try:
                    observe(_EVENT.validate_python(told.event))
                except ValidationError:
                    continue  # A newer service tells of what we do not know.
        except KeyboardInterrupt:
            print(f"\nrun {run_id} goes on there; follow it with: macrohard resume {run_id}", file=sys.stderr)
            raise Interrupted from None
    return after


@contextmanager
def _display(service: Client, run_id: str) -> Iterator[Callable[[Event], None]]:
    from macrohard.cli.display import display

    known = service.run(run_id)
    with display(run_id, title=known.summary.title if known.specification else "") as shown:

        def observe(event: Event) -> None:
            shown.observe(event)
            if event.type in ("phase ended", "run ended"):
                overview = service.run(run_id)
                if overview.budget is not None:
                    shown.spending(overview.budget, overview.forecast)

        yield observe
