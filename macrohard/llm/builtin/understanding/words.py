"""Words: inflection, labels, identifiers, numbers."""

import re

_IRREGULAR = {
    "person": "people", "child": "children", "man": "men", "woman": "women", "mouse": "mice", "foot": "feet",
    "tooth": "teeth", "goose": "geese", "leaf": "leaves", "shelf": "shelves", "knife": "knives", "life": "lives",
    "wife": "wives", "half": "halves", "wolf": "wolves", "calf": "calves", "loaf": "loaves", "thief": "thieves",
    "analysis": "analyses", "diagnosis": "diagnoses", "criterion": "criteria", "quiz": "quizzes", "index": "indexes",
    "hero": "heroes", "potato": "potatoes", "tomato": "tomatoes", "echo": "echoes", "bus": "buses", "gas": "gases",
    "lens": "lenses", "alumnus": "alumni", "cactus": "cacti", "ox": "oxen", "movie": "movies", "cookie": "cookies",
    "tie": "ties", "pie": "pies", "series": "series", "species": "species", "sheep": "sheep", "fish": "fish",
    "aircraft": "aircraft", "stock": "stock", "equipment": "equipment", "inventory": "inventory", "news": "news",
    "staff": "staff", "feedback": "feedback", "software": "software", "hardware": "hardware", "furniture": "furniture",
    "information": "information", "money": "money", "wine": "wines", "selfie": "selfies", "calorie": "calories",
    "axis": "axes", "basis": "bases", "crisis": "crises", "thesis": "theses", "sms": "sms", "crm": "crm",
    "luggage": "luggage", "status": "statuses", "campus": "campuses", "virus": "viruses", "bonus": "bonuses",
    "canvas": "canvases", "atlas": "atlases", "census": "censuses", "address": "addresses", "process": "processes",
    "class": "classes", "glass": "glasses", "pass": "passes", "boss": "bosses", "loss": "losses",
    "business": "businesses",
    "access": "access", "chess": "chess", "illness": "illnesses", "witness": "witnesses", "mattress": "mattresses",
    "kiss": "kisses", "dress": "dresses", "cross": "crosses", "progress": "progress", "congress": "congresses",
    "house": "houses", "horse": "horses", "nurse": "nurses", "course": "courses", "license": "licenses",
    "expense": "expenses", "purchase": "purchases", "case": "cases", "base": "bases", "release": "releases",
    "exercise": "exercises", "response": "responses", "lease": "leases", "disease": "diseases", "phase": "phases",
    "warehouse": "warehouses", "greenhouse": "greenhouses", "franchise": "franchises", "promise": "promises",
    "size": "sizes", "prize": "prizes", "nose": "noses", "rose": "roses", "dose": "doses", "cause": "causes",
    "clause": "clauses", "vase": "vases", "hose": "hoses", "vehicle": "vehicles", "gps": "gps", "cheese": "cheeses",
    "database": "databases", "showcase": "showcases", "suitcase": "suitcases", "bookcase": "bookcases",
    "sense": "senses",
    "axe": "axes", "cache": "caches", "headache": "headaches", "niche": "niches", "shoe": "shoes", "toe": "toes",
    "canoe": "canoes", "piano": "pianos", "photo": "photos", "video": "videos", "memo": "memos", "logo": "logos",
    "studio": "studios", "kilo": "kilos", "demo": "demos", "zoo": "zoos", "tattoo": "tattoos", "radio": "radios",
    "belief": "beliefs", "chief": "chiefs", "roof": "roofs", "proof": "proofs", "cafe": "cafes", "physics": "physics",
    "maths": "maths", "debris": "debris", "lotus": "lotuses", "bias": "biases", "cv": "cvs",
}  # fmt: skip
_SINGULAR = {plural: singular for singular, plural in _IRREGULAR.items()}

_ACRONYMS = {
    "isbn": "ISBN", "url": "URL", "vat": "VAT", "id": "ID", "iban": "IBAN", "sku": "SKU", "ean": "EAN", "gps": "GPS",
    "pin": "PIN", "dob": "Date of birth", "tel": "Phone", "qty": "Quantity", "bpm": "BPM", "ph": "pH", "crm": "CRM",
    "csv": "CSV", "it": "it", "hr": "HR", "cv": "CV", "vin": "VIN", "bmi": "BMI", "gpa": "GPA", "ip": "IP", "os": "OS",
    "mot": "MOT", "dvd": "DVD", "cd": "CD", "tv": "TV", "isbn13": "ISBN-13", "isbn10": "ISBN-10", "isbn-13": "ISBN-13",
    "isbn-10": "ISBN-10", "email": "E-mail", "e-mail": "E-mail", "mac": "MAC", "imei": "IMEI", "ssn": "SSN",
    "bic": "BIC", "po": "PO", "usd": "USD", "eur": "EUR", "gbp": "GBP", "kpi": "KPI", "rsvp": "RSVP", "sla": "SLA",
}  # fmt: skip

_NUMBERS = {
    "zero": 0, "no": 0, "one": 1, "a": 1, "an": 1, "once": 1, "single": 1, "two": 2, "twice": 2, "couple": 2,
    "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "fifty": 50, "hundred": 100, "week": 1,
}  # fmt: skip
NUMBER = (
    r"(?:\d{1,9}(?:[.,]\d{1,4})?|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|"
    r"twenty|thirty|fifty)"
)
"""A number in digits or words, as part of a pattern."""


def vocabulary(text: str) -> tuple[str, ...]:
    """The words of a text that lists them."""
    return tuple(text.split())


def number(text: str) -> str:
    """The digits of a number as matched by `NUMBER`; grouping commas ("1,000") vanish."""
    text = text.strip().lower()
    if text in _NUMBERS:
        return str(_NUMBERS[text])
    if re.fullmatch(r"\d+,\d{3}", text):
        return text.replace(",", "")
    return text.replace(",", ".")


def singular(phrase: str) -> str:
    """The phrase with its last word in the singular."""
    head, _, word = phrase.rpartition(" ")
    return f"{head} {_singular_word(word)}".strip()


def _singular_word(word: str) -> str:
    lower = word.lower()
    if lower in _IRREGULAR:
        return word
    if lower in _SINGULAR:
        return _like(word, _SINGULAR[lower])
    for ending, replacement in (
        ("ies", "y"),
        ("sses", "ss"),
        ("shes", "sh"),
        ("ches", "ch"),
        ("xes", "x"),
        ("zes", "ze"),
    ):
        if lower.endswith(ending) and len(lower) > len(ending) + 1:
            return word[: -len(ending)] + replacement
    if lower.endswith("s") and not lower.endswith(("ss", "us", "is", "'s", "as", "ics")) and len(lower) > 2:
        return word[:-1]
    return word


def plural(phrase: str) -> str:
    """The phrase with its last word (or the one before "of") in the plural."""
    if " of " in phrase:
        first, _, rest = phrase.partition(" of ")
        return f"{plural(first)} of {rest}"
    head, _, word = phrase.rpartition(" ")
    return f"{head} {_plural_word(word)}".strip()


def _plural_word(word: str) -> str:
    lower = word.lower()
    if lower in _IRREGULAR:
        return _like(word, _IRREGULAR[lower])
    if lower in _SINGULAR or (_singular_word(lower) != lower):
        return word
    if lower.endswith("y") and lower[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    if lower.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    return word + "s"


def is_plural(word: str) -> bool:
    """Whether a word looks like a plural."""
    return _singular_word(word.lower()) != word.lower()


def _like(model: str, word: str) -> str:
    return word.capitalize() if model[:1].isupper() else word


def label(phrase: str) -> str:
    """A phrase as a label: "due_date" → "Due date", "isbn13" → "ISBN-13"; words written in capitals keep them."""
    phrase = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", phrase.strip())
    words = phrase.replace("_", " ").split()
    if not words:
        return ""
    shown = [_ACRONYMS.get(word.lower(), word) for word in words]
    shouting = all(word.isupper() for word in words) and (len(words) > 1 or len(words[0]) > 4)
    lowered = [
        word if word != original or (word.isupper() and len(word) > 1 and not shouting) else word.lower()
        for word, original in zip(shown, words, strict=True)
    ]
    lowered = [word if index == 0 or word not in ("E-mail",) else "e-mail" for index, word in enumerate(lowered)]
    text = " ".join(lowered)
    return text[0].upper() + text[1:]


def lower_label(text: str) -> str:
    """A label inside a sentence: its first letter small unless it is an acronym or a single letter."""
    first = text.split(" ", 1)[0]
    if text in ("From", "To", "Until", "Till", "By", "In", "Out"):
        return f"“{text}”"
    if len(first) > 1 and (first.isupper() or first.split("-")[0].isupper() or any(c.isupper() for c in first[1:])):
        return text if first != "E-mail" else "e" + text[1:]
    return text[:1].lower() + text[1:]


def identifier(phrase: str) -> str:
    (
        """A name for code: lower-case ASCII letters, digits and underscores, at most 40 characters, starts with a """
        """letter."""
    )
    text = re.sub(r"[^a-z0-9]+", "_", phrase.lower().replace("e-mail", "email").replace("isbn-1", "isbn1")).strip("_")
    if not text or not text[0].isalpha():
        text = f"x_{text}".rstrip("_")
    return text[:40].rstrip("_")


def listed(items: list[str] | tuple[str, ...], joiner: str = "and") -> str:
    """ "a, b and c"."""
    items = list(items)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {joiner} {items[-1]}"


def article(noun: str) -> str:
    """The noun with "a" or "an"."""
    vowel = re.match(r"[AEIOaeio]|[Uu](?!ni|s[aei]|ti|r[aeio])|[Hh]our|[Hh]onest|[Xx]-|[FHLMNRSX][A-Z]+\b", noun)
    return f"{'an' if vowel and not re.match(r'(?i)one|eu', noun) else 'a'} {noun}"
