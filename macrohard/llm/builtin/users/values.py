"""What a person would type into a field, from its label and what the page says about it, and how it is shown later."""

import re
from datetime import date, timedelta

from macrohard.llm.builtin.users.page import Control

_PEOPLE = ("Ada Byron", "Grace Brewster", "Alan Mathison", "Mary Somerville")
_THINGS = ("Blue lantern", "Paper garden", "Quiet harbour", "Silver kettle", "Wooden bridge")
_FIRST = ("Ada", "Grace", "Alan", "Mary")
_LAST = ("Byron", "Brewster", "Mathison", "Somerville")
_CITIES = ("Lisbon", "Oslo", "Turin", "Gdansk")
_COMPANIES = ("Northwind", "Meridian", "Fabrikam", "Contoso")
_ISBN_13 = ("9780306406157", "9783161484100", "9780140449136", "9780262033848")
_ISBN_10 = ("0306406152", "0140449132", "0262033844", "316148410X")
_EAN = ("4006381333931", "5901234123457", "7350053850019")
_IBAN = ("DE89370400440532013000", "GB82WEST12345698765432", "FR1420041010050500013M02606")
_PERSON = (
    "name|person|author|customer|client|contact|member|pupil|student|teacher|host|visitor|owner|guest|employee|assignee"
)
MEASURED = re.compile(
    r"\b(price|cost|amount|quantity|age|seats|capacity|portions?|servings|people|persons|guests|pages|copies|minutes|"
    r"hours|grams?|kilograms?|kg|km|kilomet\w+|weight|distance|year)\b",
    re.I,
)
"""What is counted or measured, so that neither words nor less than nothing can be meant."""
BEGIN = re.compile(r"(from|start|starts|begin|begins|check.?in|departure|pick.?up|opens)\b", re.I)
END = re.compile(r"(to|until|till|end|ends|check.?out|return|drop.?off|closes)\b", re.I)
_CARDS = ("4539578763621486", "79927398713", "4111111111111111")


def plausible(control: Control, number: int, *, hint: str = "", about: str = "") -> str:
    """The `number`-th person's answer to a field; for lists one of the options; "" if there is none to choose.

    `hint` is what the page says about the field, e.g. after it refused a value; `about` what kind of thing it is.
    """
    if control.options:
        real = real_options(control)
        return real[number % len(real)] if real else ""
    if hint and (meant := from_hint(control.name, hint, number)) is not None:
        return meant
    label = control.name.casefold()
    if re.fullmatch(r"(full )?name", label) and about and not re.search(_PERSON.replace("name|", ""), about, re.I):
        return _THINGS[number % 5]
    return _by_label(label, number)


def real_options(control: Control) -> tuple[str, ...]:
    """Options that are a choice, not an invitation to choose."""
    return tuple(
        option
        for option in control.options
        if option.strip() and not re.match(r"(choose|select|please|any\b|all\b|none\b|—|–|-|…)", option.strip(), re.I)
    )


def kind_of(label: str) -> str:
    """ "date", "date-time", "time", "number" or "text", judged by the label alone."""
    value = _by_label(label.casefold(), 0)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}", value):
        return "date-time"
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return "date"
    if re.fullmatch(r"\d{2}:\d{2}", value):
        return "time"
    return "number" if re.fullmatch(r"\d+(\.\d+)?", value) and len(value) < 8 else "text"


def form_of(value: str) -> str:
    """ "date", "date-time", "time" or "text", as a field takes it."""
    forms = {"date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d", "date": r"\d{4}-\d\d-\d\d", "time": r"\d\d:\d\d"}
    return next((form for form, pattern in forms.items() if re.fullmatch(pattern, value)), "text")


def from_hint(label: str, hint: str, number: int) -> str | None:
    """A value that follows what the page says, e.g. "Shelf must be a shelf from A1 to Z99."; None: it says nothing."""
    today = date.today()
    if matched := re.search(
        r"(?:for example|such as|e\.g\.|like|for instance)[ :]+[“\"']?([^\s“”\"',;]+(?: \d\d:\d\d)?)", hint
    ):
        example = matched[1].rstrip(".")
        return _varied(example, number)
    if matched := re.search(r"\bfrom (\S+) to (\S+?)\.?(?:[,\s]|$)", hint):
        return _varied(matched[1], number)
    rules: list[tuple[str, str]] = [
        (r"check digit|checksum", _with_check_digit(label.casefold(), number)),
        (r"whole number", str(3 + number)),
        (r"e-?mail", f"{_FIRST[number % 4].lower()}{number}@example.com"),
        (r"phone", f"+49 30 901820{number}"),
        (r"web address|url|link", f"https://example.com/{number}"),
        (r"date and time", f"{today}T09:30"),
        (r"future and past|a time\b", f"{9 + number:02d}:30"),
        (r"must not be in the future|must be in the past", str(today - timedelta(days=3 + number))),
        (r"must not be in the past|must be in the future", str(today + timedelta(days=3 + number))),
    ]
    if matched := re.search(r"(?:must not be|not) before (\d{4}-\d{2}-\d{2})", hint):
        return str(date.fromisoformat(matched[1]) + timedelta(days=1 + number))
    if matched := re.search(r"(?:must not be|not) after (\d{4}-\d{2}-\d{2})", hint):
        return str(date.fromisoformat(matched[1]) - timedelta(days=1 + number))
    if matched := re.search(r"at (least|most) (\d+) characters", hint):
        count = int(matched[2])
        text = _by_label(label.casefold(), number)
        return text[:count] if matched[1] == "most" else text.ljust(count, "n")
    if matched := re.search(r"(at least|more than|at most|less than) (-?\d+(?:\.\d+)?)", hint):
        limit = float(matched[2])
        meant = limit + 1 + number if matched[1] in {"at least", "more than"} else limit - 1
        return f"{meant:g}"
    for pattern, value in rules:
        if re.search(pattern, hint, re.I):
            return value
    if re.search(r"a number|an amount", hint):
        return str(7 + number)
    return None


def seen_as(value: str) -> tuple[str, ...]:
    """The ways in which a typed value may stand on a page; any of them will do."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2})?", value):
        day = value.split("T")[0]
        there = date.fromisoformat(day)
        ways = [day, f"{there:%d.%m.%Y}", f"{there:%d/%m/%Y}", f"{there:%m/%d/%Y}", f"{there.day} {there:%b}"]
        ways += [f"{there:%b} {there.day}", f"{there:%B} {there.day}", f"{there.day} {there:%B}", f"{there:%b %d}"]
        return tuple(ways)
    if re.fullmatch(r"-?\d+\.\d+", value):
        return value, f"{float(value):g}", value.replace(".", ",")
    if re.fullmatch(r"\d{4,}", value) and len(value) < 10:
        return value, f"{int(value):,}"
    return (value,)


def _by_label(label: str, number: int) -> str:
    """What the words of a label ask for."""
    today = date.today()

    def has(words: str) -> bool:
        return re.search(rf"\b(?:{words})", label) is not None

    if has("isbn"):
        return (_ISBN_10 if "10" in label else _ISBN_13)[number % 4]
    if has("iban"):
        return _IBAN[number % len(_IBAN)]
    if has("ean|barcode|gtin"):
        return _EAN[number % len(_EAN)]
    if has("card number|credit card"):
        return _CARDS[number % len(_CARDS)]
    if has("e-?mail"):
        return f"{_FIRST[number % 4].lower()}.{_LAST[number % 4].lower()}{number or ''}@example.com"
    if has("phone|mobile|telephone|fax"):
        return f"+49 30 901820{number}"
    if has("web|url|website|homepage|link|page$"):
        return f"https://example.com/{number}"
    if has("birth|born"):
        return str(date(1990 + number, 5, 17))
    if (has("date") and has("time")) or re.search(r"\b(at|timestamp)$", label):
        return f"{today + timedelta(days=number)}T{9 + number:02d}:30"
    if has("date|deadline|due|expir|renewal|day$|until|since|hired|joined|returned|bought|paid on|valid"):
        return str(today + timedelta(days=7 + number))
    if has("time|hour of|clock|opens|closes"):
        return f"{9 + number:02d}:30"
    if has("year"):
        return str(2001 + number)
    if has("price|amount|cost|fee|salary|budget|value|total|rate|sum|paid|deposit|discount"):
        return f"{12 + 8 * number}.50"
    if has(
        "quantity|number of|count|stock|seats|capacity|age|pages|duration|minutes|hours|weight|size|limit|points|score|"
        "rating|max|min|attendees|guests|persons|people|copies|mileage|distance|kilomet|units|level|rank|room number"
    ):
        return str(3 + number)
    if has("sku|code|serial|reference|inventory|badge|plate|id$|number$|no\\.?$"):
        return f"K{number + 1}-40{number}"
    if has("first name|given name|forename"):
        return _FIRST[number % 4]
    if has("last name|surname|family name"):
        return _LAST[number % 4]
    if has("company|organi[sz]ation|supplier|vendor|employer|manufacturer|brand|publisher"):
        return _COMPANIES[number % 4]
    if has("city|town|place|location|destination"):
        return _CITIES[number % 4]
    if has("street|address"):
        return f"{12 + number} Harbour Street"
    if has("post ?code|zip"):
        return f"1011{number}"
    if has("note|description|comment|remark|details|message|text|summary"):
        return f"Ask again before the weekend, please ({_THINGS[number % 5].lower()})."
    if has(_PERSON) and not has("title|product|item|project|event|room|course|task"):
        return _PEOPLE[number % 4]
    return _THINGS[number % 5]


def _varied(example: str, number: int) -> str:
    """The example, or for later people one that differs in its last digit."""
    last = next((place for place in reversed(range(len(example))) if example[place].isdigit()), None)
    if number == 0 or last is None or re.fullmatch(r"\d{4}-\d{2}-\d{2}.*|\d{1,2}:\d{2}", example):
        return example
    digit = (int(example[last]) - 1 + number) % 9 + 1
    return example[:last] + str(digit) + example[last + 1 :]


def _with_check_digit(label: str, number: int) -> str:
    if "10" in label:
        return _ISBN_10[number % 4]
    if "ean" in label or "barcode" in label:
        return _EAN[number % len(_EAN)]
    if "iban" in label or "account" in label:
        return _IBAN[number % len(_IBAN)]
    if "card" in label:
        return _CARDS[number % len(_CARDS)]
    return _ISBN_13[number % 4]
