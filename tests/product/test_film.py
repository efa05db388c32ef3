"""The film of the users' visits, made in the real sandbox and looked at there."""

import re
import struct
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import PurePosixPath

import pytest
import pytest_asyncio

from macrohard.domain import UserReport, UserSession, UserStep
from macrohard.product import Ending, Film, make_film
from macrohard.product.film import LONGEST_SECONDS
from macrohard.sandbox import Sandbox, SandboxProvider, SandboxSpec, build_images

from .conftest import MemoryArtifacts

COLOURS = {"add": (220, 40, 40), "search": (40, 200, 60), "edit": (40, 60, 220), "delete": (230, 200, 30)}
FRAMES_PER_SECOND = 5
HOSTILE = "</p><script>document.body.innerHTML = ''</script> %{eif:1} ' \" \\ : ; # = \n[CHAPTER]"


def frame(colour: tuple[int, int, int], width: int, height: int) -> bytes:
    """A window of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(colour) * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def step(number: int, intention: str, digest: str | None, *, surprise: int = 0) -> UserStep:
    return UserStep(
        number=number,
        intention=f"{intention}: {HOSTILE}",
        expectation="it works",
        action=f"click {HOSTILE}",
        result=HOSTILE,
        surprise=surprise,
        remark=HOSTILE if surprise else "",
        page="/",
        frame=digest,
        at_seconds=float(number),
    )


@dataclass(frozen=True)
class Shown:
    """A film and the sandbox that it lies in."""

    film: Film
    sandbox: Sandbox
    path: PurePosixPath

    async def ffmpeg(self, arguments: str) -> str:
        ran = await self.sandbox.run(f"ffmpeg -hide_banner -nostdin {arguments}", timeout_seconds=60)
        return ran.stderr


@pytest.fixture(scope="module")
def artifacts() -> MemoryArtifacts:
    return MemoryArtifacts()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shown(provider: SandboxProvider, artifacts: MemoryArtifacts) -> AsyncIterator[Shown]:
    await build_images(["media"], progress=print)

    async def picture(name: str, width: int, height: int) -> str:
        return await artifacts.put(frame(COLOURS[name], width, height), media_type="image/png")

    broken = await artifacts.put(b"\xff\xd8\xff and then nothing", media_type="image/jpeg")
    desk = (
        step(1, "add", await picture("add", 1280, 800)),
        step(2, "look", None),
        step(3, "search", await picture("search", 1280, 800), surprise=3),
        step(4, "lost", "0" * 64),
        step(5, "broken", broken),
    )
    phone = (
        step(1, "edit", await picture("edit", 375, 667), surprise=2),
        step(2, "delete", await picture("delete", 375, 667)),
    )
    report = UserReport(goal_reached=True, summary="Fine.", quote=HOSTILE)
    size = {"width": 1280, "height": 800}
    visits = [
        UserSession(persona="wrong-input-first", goal=HOSTILE, commit="a" * 40, steps=desk, report=None, **size),
        UserSession(persona="phone", goal="Keep", commit="a" * 40, steps=phone, report=report, width=375, height=667),
    ]
    made = await make_film(
        provider,
        visits,
        title=HOSTILE,
        summary="Tasks of a team",
        ending=Ending(heading="Partly delivered", lines=("6 of 8 criteria hold", HOSTILE), all_well=False),
        artifacts=artifacts,
    )
    assert isinstance(made, Film), made
    async with provider.open(SandboxSpec(image="media")) as sandbox:
        path = PurePosixPath("/workspace/film.mp4")
        await sandbox.write({path: made.content})
        yield Shown(film=made, sandbox=sandbox, path=path)


async def test_every_player_takes_it(shown: Shown) -> None:
    facts = await shown.ffmpeg(f"-i {shown.path}")
    assert "Video: h264" in facts
    assert "yuv420p(tv" in facts
    assert "1280x800" in facts
    assert shown.film.content.index(b"moov") < shown.film.content.index(b"mdat"), "it starts before it is there whole"


async def test_it_is_as_long_as_its_steps(shown: Shown) -> None:
    facts = await shown.ffmpeg(f"-i {shown.path} -map 0:v -f null -")
    frames = int(re.findall(r"frame= *(\d+)", facts)[-1])
    assert abs(frames / FRAMES_PER_SECOND - shown.film.seconds) < 1
    assert shown.film.steps == 7
    assert shown.film.without_picture == 2, "one that left none, and one whose picture is gone"


async def test_it_has_a_chapter_for_each_visit(shown: Shown) -> None:
    facts = await shown.ffmpeg(f"-i {shown.path} -f ffmetadata -")
    ran = await shown.sandbox.run(f"ffmpeg -loglevel error -i {shown.path} -f ffmetadata -", timeout_seconds=60)
    titles = re.findall(r"\[CHAPTER\]\nTIMEBASE=.*\nSTART=(\d+)\nEND=(\d+)\ntitle=(.*)", ran.stdout)
    assert [title for _, _, title in titles][1:] == ["Wrong input first", "Phone", "Result"], facts
    assert [int(start) for start, _, _ in titles[1:]] == [int(end) for _, end, _ in titles[:-1]]


async def test_every_step_is_seen_and_those_that_went_wrong_no_shorter(shown: Shown) -> None:
    seen = await shown.sandbox.run(
        f"ffmpeg -loglevel error -i {shown.path} -map 0:v -vf crop=4:4:640:300,scale=1:1 "
        "-f rawvideo -pix_fmt rgb24 points",
        timeout_seconds=60,
    )
    assert seen.exit_code == 0, seen.stderr
    points = await shown.sandbox.read(PurePosixPath("/workspace/points"), limit_bytes=1 << 20)
    times = dict.fromkeys(COLOURS, 0)
    for at in range(0, len(points), 3):
        for name, colour in COLOURS.items():
            if all(abs(one - other) < 24 for one, other in zip(points[at : at + 3], colour, strict=True)):
                times[name] += 1
    assert all(count / FRAMES_PER_SECOND > 1 for count in times.values()), times
    assert times["search"] >= times["add"], "the one that shocked"


async def test_many_steps_are_shown_faster_and_none_is_left_out(
    provider: SandboxProvider, artifacts: MemoryArtifacts, shown: Shown
) -> None:
    steps = tuple(step(number, "again", None) for number in range(1, 43))
    visit = UserSession(
        persona="impatient", goal="All of it", commit="a" * 40, steps=steps, report=None, width=1280, height=800
    )
    made = await make_film(
        provider,
        [visit],
        title="Tasks",
        summary="",
        ending=Ending(heading="Delivered", all_well=True),
        artifacts=artifacts,
    )
    assert isinstance(made, Film)
    assert made.steps == 42
    assert made.seconds == pytest.approx(LONGEST_SECONDS)
