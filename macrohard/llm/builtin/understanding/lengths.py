"""How long a text is and what it looks like: characters, digits, samples such as AB-1234."""

import re
from dataclasses import dataclass

from macrohard.llm.builtin.understanding.draft import FieldDraft, Said
from macrohard.llm.builtin.understanding.nouns import kind_of
from macrohard.llm.builtin.understanding.words import NUMBER, number

TEXTS = ("text", "long text")


@dataclass
class Rest:
    """What of the words is not understood yet."""

    text: str

    def take(self, pattern: str) -> re.Match[str] | None:
        match = re.search(rf"(?i){pattern}", self.text)
        if match:
            self.text = f"{self.text[: match.start()]} ; {self.text[match.end() :]}"
        return match

    def has(self, pattern: str) -> bool:
        return bool(re.search(rf"(?i){pattern}", self.text))


def lengths(one: FieldDraft, rest: Rest, said: Said) -> None:
    characters = r"\s*(?:-\s*)?(?:characters?|chars?|letters?|signs|symbols|c)\b(?: long| each| in length)?"
    if match := rest.take(rf"\b(?:between )?(?P<a>\d{{1,5}})\s*(?:-|to|and|\.\.)\s*(?P<b>\d{{1,5}}){characters}"):
        one.change("length", said, min_length=int(match["a"]), max_length=int(match["b"]))
    if match := rest.take(
        rf"\b(?:must have |with |of )?(?:at least|min(?:imum)?\.?(?: of)?|no(?:t)? (?:less|fewer|shorter) than|"
        rf"minimum length:?)\s*(?P<n>{NUMBER})(?:{characters}|(?<=\d)\s+long)"
    ):
        one.change("length", said, min_length=int(float(number(match["n"]))))
    if (
        match := rest.take(
            rf"\b(?:must have |with |of |can have )?(?:at most|max(?:imum)?\.?(?: of| length:?)?|up to|"
            rf"no(?:t)? (?:more|longer) than|limited to|not over|under)\s*(?P<n>{NUMBER})(?:{characters}|"
            rf"(?<=\d)\s+long)"
        )
        or rest.take(rf"(?P<n>\d{{1,5}}){characters}\s*(?:max(?:imum)?|or less|at most|or fewer)")
        or rest.take(r"max(?:imum)?[ _]?length:?\s*(?P<n>\d{1,5})")
    ):
        one.change("length", said, max_length=int(float(number(match["n"]))))
    if match := rest.take(
        rf"\b(?:exactly |of |with |must have |must be |always )?(?P<n>{NUMBER})[- ](?:characters?|chars?|"
        rf"letters?)\b(?: long)?"
    ):
        size = int(float(number(match["n"])))
        one.change("length", said, min_length=size, max_length=size)
    if match := rest.take(
        rf"\b(?:(?:exactly |of |with |must have |must be |has |have |always )*)(?P<n>{NUMBER})[ -]digits?\b(?: "
        rf"long| only| number)?"
    ):
        size = int(float(number(match["n"])))
        if 0 < size <= 40:
            one.change(
                "pattern",
                said,
                type="text",
                pattern=rf"[0-9]{{{size}}}",
                pattern_hint=f"{size} digits",
                pattern_example=("1234567890" * 4)[:size],
            )
    if match := rest.take(
        rf"\b(?:(?:exactly |of |with |must have |must be |has |have |always )*)(?P<n>{NUMBER}) (?:capital|"
        rf"upper[- ]?case|big) letters?(?: (?:and|followed by|then|plus|,) (?P<d>{NUMBER}) (?:digits|numbers))?"
    ):
        size, digits = int(float(number(match["n"]))), int(float(number(match["d"]))) if match["d"] else 0
        if 0 < size + digits <= 40:
            hint = f"{size} capital letters" + (f" followed by {digits} digits" if digits else "")
            tail = f"[0-9]{{{digits}}}" if digits else ""
            one.change(
                "pattern",
                said,
                type="text",
                pattern=f"[A-Z]{{{size}}}{tail}",
                pattern_hint=hint,
                pattern_example=("ABCDEFGHIJ" * 4)[:size] + ("1234567890" * 4)[:digits],
            )
    if (
        one.type in TEXTS
        and kind_of(one.label.lower()).known
        and (match := rest.take(r"\bmax(?:imum)?\.?:? (?P<n>\d{1,5})(?![\d.])(?! ?[a-z€$£%])"))
    ):
        one.change("length", said, max_length=int(match["n"]))
    if match := rest.take(r"\b(?:only digits|digits only|only numbers|numbers only)\b"):
        one.change("pattern", said, pattern=r"[0-9]+", pattern_hint="digits only", pattern_example="12345")
    if match := rest.take(r"\b(?:only letters|letters only)\b"):
        one.change("pattern", said, pattern=r"[A-Za-z ]+", pattern_hint="letters only", pattern_example="Example")
    if match := rest.take(
        r"\b(?:format|pattern|like|looks like|in the form|of the form|shape)[:= "
        r"]+\"?(?P<p>[A-Z#9X0-9]{1,8}(?:[-/. ][A-Z#9X0-9]{1,8}){1,3})\"?(?![\w-])"
    ):
        _shape(one, match["p"], said)
    if one.type == "text" and not kind_of(one.label.lower()).known and rest.has(r"^\W*\d{1,2}\s*(?:-|to)\s*\d{1,3}\b"):
        one.value = one.value.model_copy(update={"type": "whole number"})
    if one.type in TEXTS and (match := rest.take(r"^\s*(?P<a>\d{1,5})\s*(?:\.\.\.?|-)\s*(?P<b>\d{1,5})\s*$")):
        one.change("length", said, min_length=int(match["a"]), max_length=int(match["b"]), required=int(match["a"]) > 0)
    if one.type in TEXTS and (
        match := rest.take(
            r"^(?:(?:string|varchar|text|char))?\s*[(\[]?\s*(?:max\.? |<= ?|up to )?(?P<b>\d{1,5})\s*[)\]]?\s*$"
        )
    ):
        one.change("length", said, max_length=int(match["b"]))


def _shape(one: FieldDraft, shape: str, said: Said) -> None:
    """A sample such as AB-1234 or XXX-999: letters stand for letters, digits and # for digits."""
    parts = []
    for match in re.finditer(r"[A-Z]+|[0-9#]+|[^A-Z0-9#]", shape):
        text = match.group()
        kind = "[A-Z]" if text[0].isalpha() else "[0-9]" if text[0] in "0123456789#" else re.escape(text)
        parts.append(f"{kind}{{{len(text)}}}" if kind.startswith("[") and len(text) > 1 else kind)
    example = re.sub(r"#", "1", shape)
    one.change(
        "pattern",
        said,
        type="text",
        pattern="".join(parts).replace(r"\ ", " ").replace(r"\-", "-").replace("\\/", "/"),
        pattern_hint=f"of the form {shape}",
        pattern_example=example,
    )
