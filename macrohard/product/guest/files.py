"""The text of a downloaded file: `python3 -m macrohard.product.guest.files FILE` for what is no text by itself.

A program of its own, because files that somebody else made can be broken, or endless, in any way.
"""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

TEXT_BYTES = 1 << 20
"""Of a text file, and of the text of any other, no more is looked at."""
READ_SECONDS = 10.0
PDF, ZIP = b"%PDF-", b"PK\x03\x04"


def text_of(path: Path) -> tuple[int, str]:
    """How many bytes the file has, and what people read in it.

    Of a PDF all words, with one space between them and one line for each page; of a spreadsheet (XLSX) each sheet's
    name and then each row as a line, cells apart by tabs; of anything else the file as UTF-8.
    """
    with path.open("rb") as file:
        content = file.read(TEXT_BYTES)
    size = path.stat().st_size
    if not content.startswith(PDF) and not (content.startswith(ZIP) and _is_spreadsheet(path)):
        return size, content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    kind = "PDF" if content.startswith(PDF) else "spreadsheet"
    command = (sys.executable, "-m", "macrohard.product.guest.files", str(path))
    try:
        done = subprocess.run(command, capture_output=True, timeout=READ_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return size, f"(a {kind} that could not be read within {READ_SECONDS:g} seconds)"
    if done.returncode != 0:
        why = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return size, f"(a {kind} that cannot be read: {why})"
    return size, done.stdout[:TEXT_BYTES].decode(errors="replace")


def _is_spreadsheet(path: Path) -> bool:
    return zipfile.is_zipfile(path) and "xl/workbook.xml" in zipfile.ZipFile(path).namelist()


def _pdf(path: Path) -> str:
    from pypdf import PdfReader  # type: ignore[import-not-found,unused-ignore]

    return "\n".join(" ".join(page.extract_text().split()) for page in PdfReader(path).pages)


def _spreadsheet(path: Path) -> str:
    from openpyxl import load_workbook  # type: ignore[import-untyped,import-not-found,unused-ignore]

    # A formula is told by what it came to when the file was written; where that was left out, by itself.
    content = path.read_bytes()
    values, formulas = load_workbook(BytesIO(content), data_only=True), load_workbook(BytesIO(content))
    lines = []
    for sheet in values.worksheets:
        lines.append(sheet.title)
        for row, written in zip(sheet.iter_rows(), formulas[sheet.title].iter_rows(), strict=True):
            shown = (
                cell.value if cell.value is not None else other.value for cell, other in zip(row, written, strict=True)
            )
            lines.append("\t".join("" if value is None else str(value) for value in shown))
    return "\n".join(lines)


def main(path: Path) -> None:
    """Write the text of a PDF or a spreadsheet."""
    with path.open("rb") as file:
        read: Callable[[Path], str] = _pdf if file.read(len(PDF)) == PDF else _spreadsheet
    sys.stdout.buffer.write(read(path).encode(errors="replace"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))


def axe_source() -> str:
    """The text of axe-core, which the image brings."""
    return Path(os.environ["MACROHARD_AXE"]).read_text()
