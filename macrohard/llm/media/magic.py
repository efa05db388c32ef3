"""What kind of file some bytes are, told from how they begin: what a server says of them is not asked."""

from typing import Literal

from macrohard.llm.media.results import ClipType, PictureType

Kind = Literal["image/png", "image/jpeg", "image/webp", "video/mp4", "video/webm"]

PICTURES: tuple[PictureType, ...] = ("image/png", "image/jpeg", "image/webp")
CLIPS: tuple[ClipType, ...] = ("video/mp4", "video/webm")
ENDINGS: dict[Kind, str] = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
}


def kind_of(content: bytes) -> Kind | None:
    """One of the kinds that are let in; None for anything else."""
    if content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR":
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    if content[4:8] == b"ftyp":
        return "video/mp4"
    if content.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm"
    return None


def picture_type(content: bytes) -> PictureType | None:
    """The kind, if it is a picture's."""
    kind = kind_of(content)
    return next((each for each in PICTURES if each == kind), None)


def clip_type(content: bytes) -> ClipType | None:
    """The kind, if it is a clip's."""
    kind = kind_of(content)
    return next((each for each in CLIPS if each == kind), None)
