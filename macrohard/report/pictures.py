"""Which screenshots a report can carry, and how each is carried once, however often it is shown."""

import base64
from collections.abc import Iterable, Sequence

from macrohard.domain import Artifacts, RunOverview, UserSession, Value
from macrohard.domain.printable import cut
from macrohard.domain.verdict import Exchange, Exchanges

BYTES_FOR_PICTURES = 2_000_000
"""Before base64, which adds a third: the whole file stays near three megabytes."""
BYTES_OF_LOG = 4_000
MOST_LOGS = 20
EXCHANGES_SHOWN = 12
SHOWN_OF_ASKED, SHOWN_OF_ANSWERED = 160, 2_000
"""Characters: who looks wants the answer, and a command may be a file in full."""
BYTES_FOR_EXCHANGES = 400_000
"""Of all scenarios; what is shown of each is less."""

_JPEG_WITHOUT_SIZE = {0xC4, 0xC8, 0xCC}


class Picture(Value):
    """A screenshot as a style class of the report."""

    name: str
    """Of the class and of its place in the gallery, e.g. "i7"."""
    data_uri: str
    width: int
    height: int


class Album(Value):
    """What was found under the digests that a run refers to."""

    pictures: dict[str, Picture]
    """By digest."""
    logs: dict[str, str]
    """The end of each text artifact, by digest."""
    left_out: int
    """Screenshots that exist and were left out to keep the file small."""
    exchanges: dict[str, Exchanges]
    """What was asked and answered, by digest."""

    def picture(self, evidence: Sequence[str]) -> Picture | None:
        """The last screenshot among a verdict's evidence, which shows how it ended."""
        return next((self.pictures[digest] for digest in reversed(evidence) if digest in self.pictures), None)


async def collect(overview: RunOverview, artifacts: Artifacts) -> Album:
    """Fetch evidence and frames in order of what they tell, until the report is full. What is gone is skipped."""
    pictures: dict[str, Picture] = {}
    logs: dict[str, str] = {}
    seen: set[str] = set()
    used = left_out = 0
    for digest in _by_importance(overview):
        if digest in seen:
            continue
        seen.add(digest)
        if used >= BYTES_FOR_PICTURES:
            left_out += 1
            continue
        try:
            content = await artifacts.get(digest)
        except KeyError:
            continue
        size = _jpeg_size(content) or _png_size(content)
        if size is None:
            if len(logs) < MOST_LOGS:
                logs[digest] = content[-BYTES_OF_LOG:].decode(errors="replace").strip()
            continue
        if used + len(content) > BYTES_FOR_PICTURES:
            left_out += 1
            continue
        used += len(content)
        kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
        uri = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
        pictures[digest] = Picture(name=f"i{len(pictures) + 1}", data_uri=uri, width=size[0], height=size[1])
    return Album(pictures=pictures, logs=logs, left_out=left_out, exchanges=await _exchanges(overview, artifacts))


async def _exchanges(overview: RunOverview, artifacts: Artifacts) -> dict[str, Exchanges]:
    found: dict[str, Exchanges] = {}
    room = BYTES_FOR_EXCHANGES
    verdicts = [verdict for state in overview.criteria for verdict in state.verdicts]
    for verdict in sorted(verdicts, key=lambda verdict: verdict.status == "passed"):
        if verdict.exchanges is None:
            continue
        try:
            content = await artifacts.get(verdict.exchanges)
        except KeyError:
            continue
        asked = _shown(Exchanges.model_validate_json(content))
        room -= len(asked.model_dump_json())
        if room < 0:
            break
        found[verdict.exchanges] = asked
    return found


def _shown(all_of_it: Exchanges) -> Exchanges:
    shown = tuple(
        Exchange(asked=cut(each.asked, SHOWN_OF_ASKED), answered=cut(each.answered, SHOWN_OF_ANSWERED))
        for each in all_of_it.exchanges[:EXCHANGES_SHOWN]
    )
    return Exchanges(exchanges=shown, left_out=all_of_it.left_out + len(all_of_it.exchanges) - len(shown))


def _by_importance(overview: RunOverview) -> Iterable[str]:
    verdicts = [verdict for state in overview.criteria for verdict in state.verdicts]
    if overview.looks is not None:
        yield from (overview.looks.light, overview.looks.dark)
    kept = [iteration for iteration in overview.iterations if iteration.kept]
    verdicts += [verdict for verdict in kept[-1].verdicts if verdict.criterion is None] if kept else []
    for wanted in (("failed", "not run"), ("passed",)):
        for verdict in verdicts:
            if verdict.status in wanted:
                yield from reversed(verdict.evidence)
    visits = [visit for iteration in reversed(overview.iterations) for visit in iteration.users]
    for visit in visits:
        yield from _frames(visit, stumbles_only=True)
    for iteration in reversed(overview.iterations):
        for finding in iteration.findings:
            yield from finding.evidence
    latest = next((iteration.users for iteration in reversed(overview.iterations) if iteration.users), ())
    # One step of each in turn, so that a long visit does not push the others out.
    for position in range(max((len(visit.steps) for visit in latest), default=0)):
        for visit in latest:
            if position < len(visit.steps) and (frame := visit.steps[position].frame):
                yield frame
    for iteration in reversed(overview.iterations):
        for verdict in iteration.verdicts:
            if verdict.status == "failed":
                yield from verdict.evidence
    for visit in visits:
        yield from _frames(visit, stumbles_only=False)


def _frames(visit: UserSession, *, stumbles_only: bool) -> Iterable[str]:
    for step in visit.steps:
        if step.frame and ((step.surprise or 0) >= 2 or not stumbles_only):
            yield step.frame


def _png_size(content: bytes) -> tuple[int, int] | None:
    if not content.startswith(b"\x89PNG\r\n\x1a\n") or len(content) < 24:
        return None
    return int.from_bytes(content[16:20]) or 1, int.from_bytes(content[20:24]) or 1


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    if not content.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in _JPEG_WITHOUT_SIZE:
            height, width = int.from_bytes(content[at + 5 : at + 7]), int.from_bytes(content[at + 7 : at + 9])
            return width or 1, height or 1
        at += 2 + max(length, 2)
    return None
