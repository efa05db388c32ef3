"""A film of the simulated users' visits: every step they took, in order, what they meant by it and what came of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from macrohard.domain import Artifacts, JsonObject, UserSession, UserStep, Value
from macrohard.sandbox.contract import WORKSPACE, SandboxProvider, SandboxSpec

IMAGE: Final = "media"
LONGEST_SECONDS: Final = 120.0
"""Longer visits are shown faster, never shorter by a step."""
SHORTEST_STEP_SECONDS: Final = 0.6
FILM_LIMIT_BYTES: Final = 64 << 20
MAKE_SECONDS: Final = 240
_FOLDER: Final = WORKSPACE / "film"
_PROGRAM: Final = WORKSPACE / "driver"
_GUEST: Final = Path(__file__).parent / "guest"
_MOODS: Final = ("", "", "wrong", "shocking")
"""By surprise."""


class Film(Value):
    """An MP4 (H.264) with a chapter for each visit."""

    content: bytes
    seconds: float
    steps: int
    without_picture: int
    """Steps that left no picture, and are shown without one."""


class NoFilm(Value):
    """It could not be made."""

    reason: str


class Ending(Value):
    """What the last card says: how the release came out."""

    heading: str
    lines: tuple[str, ...] = ()
    all_well: bool


async def make_film(
    provider: SandboxProvider,
    visits: Sequence[UserSession],
    *,
    title: str,
    summary: str,
    ending: Ending,
    artifacts: Artifacts,
) -> Film | NoFilm:
    """Lay out the visits' frames with captions and encode them, in a sandbox of the image `media`.

    Nothing is left out: a step that went wrong is shown like any other. Pictures are not decoded on this machine.

    Raises:
        SandboxUnavailable: the image is not built, no sandbox could be had, or it was lost.
    """
    story = _Story(title=title, summary=summary, visits=visits)
    for number, visit in enumerate(visits, 1):
        await story.tell(number, visit, artifacts)
    story.end(ending)
    files = {
        _PROGRAM / "macrohard" / "product" / "guest" / name: (_GUEST / name).read_bytes()
        for name in ("__init__.py", "film.py", "film.js")
    }
    files |= {_FOLDER / name: content for name, content in story.pictures.items()}
    files[_FOLDER / "story.json"] = json.dumps(story.written()).encode()
    async with provider.open(SandboxSpec(image=IMAGE)) as sandbox:
        await sandbox.write(files)
        result = await sandbox.run(
            ("python3", "-m", "macrohard.product.guest.film", str(_FOLDER)),
            directory=_PROGRAM,
            timeout_seconds=MAKE_SECONDS,
        )
        if result.exit_code != 0:
            killed = "it took too long" if result.timed_out else result.limit_hit or result.stderr.strip()[-500:]
            return NoFilm(reason=killed or f"the program ended with {result.exit_code}")
        told: Any = json.loads(result.stdout)
        if problem := told.get("problem"):
            return NoFilm(reason=str(problem))
        content = await sandbox.read(_FOLDER / "film.mp4", limit_bytes=FILM_LIMIT_BYTES)
    return Film(
        content=content, seconds=float(told["seconds"]), steps=story.steps, without_picture=story.without_picture
    )


class _Story:
    """The cards in order, and the chapters that they fall into."""

    def __init__(self, *, title: str, summary: str, visits: Sequence[UserSession]) -> None:
        self._title, self._visits = title, visits
        self._cards: list[JsonObject] = []
        self._chapters: list[tuple[str, int]] = []
        self.pictures: dict[str, bytes] = {}
        self.steps = self.without_picture = 0
        total = sum(len(visit.steps) for visit in visits)
        self._chapters.append((title, 0))
        self._title_card(
            2.4,
            eyebrow="What simulated users did with",
            heading=title,
            text=summary,
            lines=(f"{_counted(len(visits), 'visit')}, {_counted(total, 'step')}, none left out",),
        )

    async def tell(self, number: int, visit: UserSession, artifacts: Artifacts) -> None:
        name = visit.persona.replace("-", " ")
        name = name[:1].upper() + name[1:]
        self._chapters.append((name, len(self._cards)))
        self._title_card(
            1.8,
            eyebrow=f"Simulated user {number} of {len(self._visits)}",
            heading=name,
            text=visit.goal,
            lines=(f"Window of {visit.width} × {visit.height}", f"Commit {visit.commit[:10]}"),
        )
        for step in visit.steps:
            await self._step(name, visit, step, artifacts)
        report = visit.report
        reached = report is not None and report.goal_reached
        heading = "Reached the goal" if reached else "Did not reach the goal" if report else "Gave up"
        self._title_card(
            1.8,
            eyebrow=name,
            heading=heading,
            text=f"“{report.quote}”" if report and report.quote else "",
            lines=(),
            mood="" if reached else "wrong",
        )

    async def _step(self, name: str, visit: UserSession, step: UserStep, artifacts: Artifacts) -> None:
        self.steps += 1
        card: JsonObject = {
            "kind": "step",
            "mood": _MOODS[min(max(step.surprise or 0, 0), 3)],
            "seconds": min(max(1.2 + len(step.intention + step.action) / 60, 1.4), 3.0),
            "who": f"{name} · {step.number} of {len(visit.steps)}",
            "intention": step.intention,
            "action": step.action,
            "outcome": f"{step.result} “{step.remark}”" if step.remark else step.result,
        }
        content = await _picture(step.frame, artifacts)
        if content is None:
            self.without_picture += 1
        else:
            file = f"frame-{len(self._cards):04}"
            self.pictures[file] = content
            card["picture"] = file
        self._cards.append(card)

    def end(self, ending: Ending) -> None:
        self._chapters.append(("Result", len(self._cards)))
        self._title_card(
            3.0,
            eyebrow="How it came out",
            heading=ending.heading,
            text="",
            lines=ending.lines[:7],
            mood="" if ending.all_well else "wrong",
        )

    def written(self) -> JsonObject:
        """As the program in the sandbox reads it."""
        steps = [card for card in self._cards if card["kind"] == "step"]
        stepping = sum(_seconds(card) for card in steps)
        resting = sum(_seconds(card) for card in self._cards) - stepping
        pace = min(max(LONGEST_SECONDS - resting, 0.0) / stepping, 1.0) if stepping else 1.0
        for card in steps:
            card["seconds"] = max(_seconds(card) * pace, SHORTEST_STEP_SECONDS)
        starts = [0.0]
        for card in self._cards:
            starts.append(starts[-1] + _seconds(card))
        marks = [*(place for _, place in self._chapters), len(self._cards)]
        chapters: list[JsonObject] = [
            {"title": name, "start": starts[place], "end": starts[until]}
            for (name, place), until in zip(self._chapters, marks[1:], strict=True)
        ]
        return {"title": self._title, "cards": list(self._cards), "chapters": list(chapters)}

    def _title_card(
        self, seconds: float, *, eyebrow: str, heading: str, text: str, lines: Sequence[str], mood: str = ""
    ) -> None:
        self._cards.append(
            {
                "kind": "title",
                "mood": mood,
                "seconds": seconds,
                "eyebrow": eyebrow,
                "heading": heading,
                "text": text,
                "lines": list(lines),
            }
        )


async def _picture(digest: str | None, artifacts: Artifacts) -> bytes | None:
    """A frame that a browser can show; None if there was none, or it is gone."""
    if digest is None:
        return None
    try:
        content = await artifacts.get(digest)
    except KeyError:
        return None
    return content if content.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) else None


def _seconds(card: JsonObject) -> float:
    seconds = card["seconds"]
    assert isinstance(seconds, float)
    return seconds


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
