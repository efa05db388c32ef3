"""Check digits of book numbers, article numbers, card numbers and bank accounts."""

import re


def compact(text: str) -> str:
    """The number without the spaces and hyphens people write into it."""
    return re.sub(r"[\s-]", "", text).upper()


def right(kind: str, text: str) -> bool:
    """Whether the number is well-formed and its check digit is right; `text` is compact."""
    return _CHECKS[kind](text)


def _weighted(text: str) -> bool:
    return text.isdigit() and sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(text)) % 10 == 0


def _isbn_13(text: str) -> bool:
    return re.fullmatch(r"97[89][0-9]{10}", text) is not None and _weighted(text)


def _ean_13(text: str) -> bool:
    return re.fullmatch(r"[0-9]{13}", text) is not None and _weighted(text)


def _isbn_10(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{9}[0-9X]", text):
        return False
    return sum((10 if digit == "X" else int(digit)) * (10 - place) for place, digit in enumerate(text)) % 11 == 0


def _luhn(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{2,30}", text):
        return False
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(text))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _iban(text: str) -> bool:
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}", text):
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


_CHECKS = {"isbn-13": _isbn_13, "isbn-10": _isbn_10, "ean-13": _ean_13, "luhn": _luhn, "iban": _iban}
