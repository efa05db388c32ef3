"""The tools that make pictures and clips for the product; see `macrohard.product.easel` for how."""

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field

from macrohard.agent.bench import Bench
from macrohard.errors import ToolError
from macrohard.llm.media import Aspect

FRAME_LIMIT_BYTES = 8 << 20
JPEG_NAMES = frozenset({".jpg", ".jpeg"})


async def picture(
    bench: Bench,
    path: Annotated[str, Field(description="Where it goes, relative to the product's root; ends in .svg, .png, …")],
    prompt: Annotated[str, Field(min_length=3, description="What is to be seen, in which style and colours.")],
    aspect: Annotated[Aspect, Field(description="Width to height of a generated picture.")] = "1:1",
    transparent: Annotated[bool, Field(description="Of a generated picture: without a background.")] = False,
    svg: Annotated[
        str, Field(description="Your own drawing; it is checked, shown to a browser, and taken instead of a prompt.")
    ] = "",
) -> str:
    """Make a picture and put it among the product's files; the answer says by which means it was made.

    Without svg an image endpoint makes it from the prompt; if there is none, the answer says so. With svg your drawing
    is taken; a path ending in .png holds its pixels. Logos, icons and favicons are better drawn.
    """
    target = bench.owned(path)
    if svg:
        drawing = await bench.easel.drawing(svg)
        content = {".svg": drawing.svg.encode(), ".png": drawing.png}.get(target.suffix)
        if content is None:
            raise ToolError(f"a drawing is kept as .svg or .png, not as {target.suffix or 'a file without an ending'}")
        await bench.sandbox.write({target: content})
        return f"wrote {path} ({len(content)} bytes): your drawing, checked at {drawing.width} by {drawing.height}"
    if target.suffix == ".svg":
        raise ToolError("an SVG is drawn, not generated: give it as svg, or choose another ending")
    made = await bench.easel.picture(prompt, aspect=aspect, transparent=transparent)
    where = await _put(bench, target, made.content, made.ending)
    return f"wrote {where} ({len(made.content)} bytes): {made.means}"


async def clip(
    bench: Bench,
    path: Annotated[str, Field(description="Where it goes, relative to the product's root; ends in .mp4.")],
    prompt: Annotated[str, Field(min_length=3, description="What is to be seen and how it moves.")],
    seconds: Annotated[int, Field(ge=1, le=15)] = 6,
    aspect: Aspect = "16:9",
    first_frame: Annotated[
        str, Field(description="Path of a PNG or JPEG of the product that the clip begins with; empty: none.")
    ] = "",
) -> str:
    """Have a video endpoint make a short clip and put it among the product's files; it takes minutes and is dear.

    It must never show a user interface that does not exist.
    """
    target = bench.owned(path)
    frame: bytes | None = None
    if first_frame:
        relative = PurePosixPath(first_frame)
        if relative.is_absolute() or ".." in relative.parts:
            raise ToolError(f"{first_frame!r} is not a path below the product's root")
        try:
            frame = await bench.sandbox.read(bench.root / relative, limit_bytes=FRAME_LIMIT_BYTES)
        except (FileNotFoundError, IsADirectoryError) as error:
            raise ToolError(f"no such file: {first_frame}") from error
        if not frame.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
            raise ToolError(f"{first_frame} is neither PNG nor JPEG")
    made = await bench.easel.clip(prompt, seconds=seconds, aspect=aspect, first_frame=frame)
    where = await _put(bench, target, made.content, made.ending)
    return f"wrote {where} ({len(made.content)} bytes): {made.means}"


async def _put(bench: Bench, target: PurePosixPath, content: bytes, ending: str) -> str:
    """Write under a name that says what kind of file it is; gives the name relative to the product's root."""
    same = target.suffix == ending or (ending == ".jpg" and target.suffix in JPEG_NAMES)
    fitting = target if same else target.with_suffix(ending)
    where = str(fitting.relative_to(bench.root))
    bench.owned(where)
    await bench.sandbox.write({fitting: content})
    return where
