"""Text and figures made short for a terminal."""

from macrohard.domain.printable import printable as printable


def one_line(text: str, width: int = 100) -> str:
    """The text on one line of at most so many characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= width else line[: width - 1] + "…"


def duration(seconds: float) -> str:
    """E.g. 0.4 s, 12 s, 3:05 min, 1:02:09 h."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h"


def dollars(amount: float) -> str:
    """E.g. $0.00, $1.37; four digits below a cent."""
    return f"${amount:.4f}" if 0 < amount < 0.01 else f"${amount:,.2f}"


def thousands(number: int) -> str:
    """E.g. 980, 118k, 1.4M."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1000:.0f}k" if number < 1_000_000 else f"{number / 1e6:.1f}M"


def counted(number: int, one: str, many: str = "") -> str:
    """E.g. 1 session, 3 sessions; `many` where an s does not make the plural."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"
