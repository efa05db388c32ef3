"""Lists of fields as people write them, and single fields in them."""

import re
from dataclasses import dataclass

from macrohard.llm.builtin.blueprint import Field
from macrohard.llm.builtin.understanding.constraints import choice_values, constrain
from macrohard.llm.builtin.understanding.draft import DEFAULT, FieldDraft, Said, re_space
from macrohard.llm.builtin.understanding.nouns import is_skipped, kind_of
from macrohard.llm.builtin.understanding.words import identifier, is_plural, label, singular

_LEAD = re.compile(
    r"(?i)^(?:(?:and|also|plus|with|then|maybe|optionally|perhaps|oh|a|an|the|their|its|his|her|my|our|your|some|any|each|every|one|"
    r"his/her|possibly|ideally|of course|obviously|etc|simple|short|i need|i want|we need|we want|including|include|includes|like|as well as|"
    r"as well|too|well|just|only|probably|what|which|optional|mandatory|required|all|field|fields?:|has|have|needs?|must have|should have|there is|there should be)\s+)+"
)
_TAIL = re.compile(
    r"(?i)\s+(?:etc|and so on|and stuff|too|as well|also|field|column|please|thanks|obviously|of course|for each|each|thingy|and more|or so|maybe|if possible|and all that|for now|to|at least|themselves|itself|per \w+)$"
)
_VERBISH = re.compile(
    r"(?i)^(?:i|we|you|it|they|he|she|search|find|filter|sort|order by|show|display|list|see|print|export|import|download|upload|add|edit|delete|remove|"
    r"mark|highlight|warn|send|notify|remind|calculate|compute|be able|can|can't|must|should|shall|will|would|need|want|make|allow|let|when|if|"
    r"no|not|never|don't|please|there|this|that|these|those|how|where|why|thanks?|hi|hello|use|build|create|do|does|save|store|keep|track|"
    r"log in|login|look up|get|give|put|select|choose|click|press|works?|run|open(?= the)|close(?= the)|group|count(?= the| how| all)|total up|only|nothing|everything|something|anything|nobody|everybody|"
    r"prevent|ensure|check that|make sure|is|are|was|has|have|for|by|on|in|at|so|because|but|or|as|of|from|than|until|while|which|who|whose|whom|to|into|with|without|about|under|over|after|before|between|per|via|using|through)\b(?!-)"
)
_NAME = re.compile(r"[A-Za-z0-9][\w'’&/.#%+-]*(?:\s+[\w'’&/.#%+€$£(-][\w'’&/.#%+)-]*){0,6}")
_KEEP_TOGETHER = re.compile(
    r"(?i)\b(date and time|time and date|date & time|pros and cons|terms and conditions|name and surname|first and last name|"
    r"research and development|bed and breakfast|food and drinks?|health and safety|track and trace|wear and tear|profit and loss)\b"
)
_ASKING = {
    "who": "Person", "when": "Date", "where": "Location", "how much": "Amount", "what": "Description", "why": "Reason",
    "what for": "Purpose", "how many": "Quantity", "how long": "Duration", "how often": "Frequency",
}  # fmt: skip


@dataclass
class Item:
    """One thing of a list, with what is said about it."""

    name: str
    about: str
    source: str
    target: str = ""
    """The record type it refers to, when an arrow or "reference to" says so."""


def split_list(text: str) -> list[str]:
    """The things of "a, b (x, y) and c"; brackets keep what is in them together."""
    pieces: list[str] = []
    depth, start, position = 0, 0, 0
    together = [m.span() for m in _KEEP_TOGETHER.finditer(text)]
    quoted = False
    while position < len(text):
        char = text[position]
        if char == '"':
            quoted = not quoted
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth = max(0, depth - 1)
        elif depth == 0 and not quoted and not any(a <= position < b for a, b in together):
            match = re.compile(
                r"[,;\n]\s*(?:(?:and|plus|or|&)\s+(?:also\s+)?)?|\s+(?:and|plus|as well as|&|\+(?!\s*\d))\s+(?:also\s+)?|\s+[•|]\s+"
            ).match(text, position)
            if (
                match
                and not (char == "," and re.match(r",\d{3}\b", text[position:]))
                and not _is_range(text, position, match)
            ):
                pieces.append(text[start:position])
                start = position = match.end()
                continue
        position += 1
    pieces.append(text[start:])
    return _with_choices([piece.strip(" \t.:;,") for piece in pieces if re.search(r"\w", piece)])


def _with_choices(pieces: list[str]) -> list[str]:
    """Give "status: open" the values after it that are no fields: "closed", "on hold"."""
    merged: list[str] = []
    for piece in pieces:
        opener = (
            re.match(
                r"(?i)([\w -]{2,30}?)\s*(?::|=|\b(?:is|are|can be|could be|like|either|one of|such as|e\.g\.?)\b)\s*[\w]",
                merged[-1],
            )
            if merged
            else None
        )
        if (
            opener
            and kind_of(opener[1].strip().lower()).type in ("choice", "text")
            and kind_of(opener[1].strip().lower()).known
            and not re.search(r"\bor\b", merged[-1].rpartition(",")[2])
            and (kind_of(piece.lower()).type == "yes/no" or not kind_of(piece.lower()).known)
            and ":" not in piece
            and "(" not in piece
            and len(piece.split()) <= 4
        ):
            merged[-1] = f"{merged[-1]}, {piece}"
            continue
        merged.append(piece)
    return merged


def _is_range(text: str, position: int, match: re.Match[str]) -> bool:
    """Whether the "and" belongs to "between 1 and 5"."""
    before = text[max(0, position - 30) : position]
    return match.group().strip().lower() == "and" and bool(
        re.search(r"(?i)\bbetween\s+[^\s,]+(?:\s(?:kg|g|cm|m|euros?|%|dollars?))?$", before)
        or re.search(r"(?i)\bbetween\s+[^\s,]+$", before)
    )


def extract_either(text: str) -> tuple[str, list[Item]]:
    """Take "if they are a lead, a customer or former" out of a list: a choice that commas would tear apart."""
    items = []
    match = re.search(
        r"(?i)(?:,?\s*(?:and|plus)?\s*)\b(?:if|whether)\s+(?:(?:it|he|she|they|there|this|that|someone|the \w+)(?:'s|'re| is| are| was)?\s+)?"
        r"(?P<v>(?:(?:a|an|still|already)\s+)?[\w-]+(?:\s(?!or\b)[\w-]+)?(?:(?:,|,?\s+or\b)\s*(?:a |an )?[\w-]+(?:\s(?!or\b)[\w-]+)?){0,5},?\s+or\s+(?:a |an )?[\w-]+(?:\s(?!and\b|or\b)[\w-]+)?)",
        text,
    )
    if match:
        values = choice_values(match["v"])
        if 2 <= len(values) and all(len(v.split()) <= 3 for v in values):
            negated = len(values) == 2 and values[1].lower() in ("not", f"not {values[0].lower()}")
            if negated:
                items.append(Item(values[0], "yes/no", match.group().strip(" ,")))
            else:
                items.append(
                    Item("status", f"one of {', '.join(values[:-1])} or {values[-1]}", match.group().strip(" ,"))
                )
            text = f"{text[: match.start()]}, {text[match.end() :]}".strip(" ,")
    return text, items


def parse_item(piece: str) -> Item | None:
    """The name and the rest of one thing of a list; None if it does not read like a field."""
    source = piece.strip()
    text = source.strip(" .,;:-\"'")
    question = text.endswith("?")
    text = text.rstrip("?!. ")
    target = ""
    if arrow := re.match(r"^([\w ]+?)\s*-+>\s*([A-Za-z][\w ]*?)(?:\.\w+)?(?=$|\s*[\[(,])", text):
        target = arrow[2]
        text = f"{arrow[1]} {text[arrow.end() :]}".strip()
    about = ""
    if match := re.search(r"[\[({<]", text):
        head = text[: match.start()].strip()
        if head:
            inner = re.sub(r"^[\[({<]|[\])}>]\s*$", "", text[match.start() :].strip())
            about, text = re.sub(r"[\])}>]", " ", re.sub(r"\s[\[({<]", " ; ", inner)), head
    for separator in (r"\s*:\s+|:$", r"\s+[-–]+\s+", r"\s*=\s*", r"\s+(?=[<>]=?\s*\d)"):
        head, *rest = re.split(separator, text, maxsplit=1)
        if rest and head.strip() and len(head.split()) <= 6:
            text = head.strip()
            about = f"{'= ' if '=' in separator and '[<' not in separator else ''}{rest[0]} ; {about}"
            break
    text, tail = _split_tail(text)
    about = f"{tail} ; {about}" if tail else about
    lead = _LEAD.match(text)
    if lead and re.search(r"(?i)\b(?:optional|optionally|maybe|perhaps|possibly)\b", lead.group()):
        about += " ; optional"
    if lead and re.search(r"(?i)\b(?:mandatory|required)\b", lead.group()):
        about += " ; required"
    text = _LEAD.sub("", text + " ").strip()
    if text.endswith("*"):
        about += " ; required"
        text = text.rstrip("* ")
    while (shorter := _TAIL.sub("", text)) != text:
        text = shorter
    if text.lower() in _ASKING:
        return Item(_ASKING[text.lower()], about, source, target)
    text = re.sub(r"(?i)^(?:who|when|what) (?:is |it was |they (?:were )?)?", lambda m: m.group(), text)
    if asked := re.fullmatch(
        r"(?i)(who) (\w+ed|took|bought|brought|has|owns|made|did|wrote|sold|paid)(?: it| them)?", text
    ):
        return Item(
            {"borrowed": "borrower", "took": "taken by", "has": "holder", "owns": "owner"}.get(
                asked[2].lower(), f"{asked[2]} by"
            ),
            about,
            source,
            target,
        )
    if asked := re.fullmatch(
        r"(?i)when (?:it|they|he|she) (?:is|are|was|were) (due(?: back)?|\w+ed|bought|born|sold|made|given|sent|taken|built|planted)",
        text,
    ):
        word = asked[1].lower()
        return Item("due date" if word.startswith("due") else f"{word} on", about, source, target)
    if asked := re.fullmatch(r"(?i)how much (?:it |they |i |we )?(?:cost|costs|paid|spent|was)(?: it| for it)?", text):
        return Item("cost", about, source, target)
    if asked := re.fullmatch(
        r"(?i)(?:how many|number of) (\w+(?: \w+)?)(?: (?:there are|we have|i have|are left|left|in stock))?", text
    ):
        return Item(f"number of {asked[1]}", about, source, target)
    if asked := re.fullmatch(r"(?i)where (?:it|they) (?:is|are)(?: (?:stored|kept|located))?", text):
        return Item("location", about, source, target)
    if asked := re.fullmatch(
        r"(?i)(?:whether|if) (?:it|they|he|she|the \w+)(?: is| are|'s|'re| was| has been| have been| were)? (?:been )?([\w-]+)(?: (?:it|yet|or not|already))?",
        text,
    ):
        return Item(asked[1], f"yes/no ; {about}", source, target)
    if asked := re.fullmatch(r"(?i)(?:is (?:it|he|she)|are they) ([\w -]+)", text):
        return Item(asked[1], f"yes/no ; {about}", source, target)
    if question and not about:
        about = "yes/no" if len(text.split()) <= 3 and kind_of(text.lower()).type in ("yes/no", "text") else ""
    if pair := re.fullmatch(r"(?i)(\w+(?: \w+)?)\s*/\s*(?:not|un|in)[- ]?(\w+)", text):
        return Item(pair[1], f"yes/no ; {about}", source, target)
    if yes_no := re.fullmatch(r"(?i)(.+?)[ :,-]*\(?(?:yes ?/ ?no|y/n|or not)\)?", text):
        return Item(yes_no[1].strip(), f"yes/no ; {about}", source, target)
    if (
        not text
        or len(text) > 60
        or len(text.split()) > 6
        or not _NAME.fullmatch(text)
        or not re.search(r"[A-Za-z]{2}", text)
    ):
        return None
    if _VERBISH.match(text) and not (
        kind_of(text.lower()).known
        and len(text.split()) <= 3
        and not re.match(r"(?i)(?:is|are|has|was) ", text)
        or re.fullmatch(r"(?i)(?:is|has)_?\w+|from|to|order|open|close", text)
    ):
        return None
    return Item(text, about, source, target)


def _split_tail(text: str) -> tuple[str, str]:
    """Cut plain-word properties off a name: "price in euro", "code unique", "rating from 1 to 5"."""
    match = re.search(
        r"(?i)\s+(?=(?:(?:is|are|must|should|has to|have to|can|may|can't|cannot|which|that|needs to|defaults?|starting|starts|between|nullable|required|optional|optionally|mandatory|compulsory|"
        r"unique|if (?:known|any|available|given|there|applicable|needed)|not null|with (?:values?|default|options?|choices|at least|at most|max|check|the (?:values|options|choices))|such as|like (?=\w+ or|\w+,)|e\.g\.?|for example|for when|so (?:that )?(?:i|we)|"
        r"at least|at most|max(?:imum)? (?:of )?\d|min(?:imum)? (?:of )?\d|up to \d|never|no duplicates|as (?:a|an|text|number|date|drop|check)|because|either|one of|from (?:a list|\d|the list)|\d+\s*(?:-|to|\.\.)\s*\d+|\d+ (?:characters|chars|digits|stars)|"
        r"in (?:€|\$|£|eur\b|euros?\b|usd\b|dollars?\b|gbp\b|pounds\b|chf\b|kg\b|g\b|grams?\b|cm\b|mm\b|km\b|m\b|metres\b|meters\b|minutes\b|hours\b|days\b|litres\b|liters\b|miles\b|percent\b|%|°|the (?:future|past)|euro cents|celsius|ml\b|feet\b|inches\b|lbs?\b)|not in the|only (?:numbers|digits)|>=?|<=?|\(|€|\$|%|yes/no)(?=\W|$|\d)|(?:€|\$|£)\s*$))",
        text,
    )
    if not match:
        return text, ""
    head = text[: match.start()].strip()
    if not head or head.lower() in ("e-mail must",):
        return text, ""
    return head, text[match.end() :]


def make_field(item: Item, said: Said) -> tuple[FieldDraft, str]:
    """The field an item means, and what of the words about it was not understood."""
    name = re_space(item.name).strip(" -/.'\"")
    if possessive := re.match(r"(?i)(?:\w+'s?|\w+s')\s+(.+)", name):
        name = possessive[1]
    name = re.sub(r"(?i)^(?:an? |the |their |its |of )+", "", name)
    lower = name.lower()
    number_like = re.match(r"(?:number of|no\. of|amount of|how many)\b", lower)
    if (
        not number_like
        and is_plural(lower.split()[-1])
        and singular(lower) != lower
        and kind_of(singular(lower)).type in ("date", "e-mail", "phone", "money", "choice", "web address", "time")
        and kind_of(lower).type != "long text"
    ):
        name = singular(name)
        lower = name.lower()
    kind = kind_of(lower)
    shown = label(re.sub(r"(?i)^(?:is|has|was) (?=\w)", "", name) if kind.type == "yes/no" else name)
    shown = {
        "Phone no": "Phone number",
        "Phone no.": "Phone number",
        "Mail": "E-mail",
        "Mail address": "E-mail address",
        "Desc": "Description",
        "Tick": "Done",
    }.get(shown, shown)
    one = FieldDraft(
        Field(name=identifier(re.sub(r"^(is|has)_(?=\w)", "", name) if False else name), label=shown, type=kind.type),
        {"field": said},
        {lower, singular(lower)},
    )
    about = item.about
    if re.match(r"(?i)^(?:[a-z]+ )?(?:\w+)$", about.strip(" ;")) and False:
        return one, about
    left = constrain(one, about, said) if about.strip(" ;") else ""
    return one, left


def field_list(text: str) -> list[Item]:
    """The items of a list that read like fields; what does not is left out."""
    rest, items = extract_either(text)
    for piece in split_list(rest):
        if item := parse_item(piece):
            items.append(item)
    return items


def looks_like_fields(text: str) -> bool:
    """Whether a text is nothing but a list of things whose names are those of fields."""
    rest, either = extract_either(text)
    pieces = split_list(rest)
    items = [parse_item(piece) for piece in pieces]
    if not pieces or any(item is None for item in items):
        return False
    known = sum(
        1
        for item in items
        if item and (kind_of(item.name.lower()).known or kind_of(singular(item.name.lower())).known or item.about)
    )
    return known + len(either) > 0 and (known + len(either)) * 2 >= len(items)


def is_kept_anyway(item: Item) -> bool:
    """An id or the like, which every product keeps by itself."""
    return is_skipped(item.name.lower().replace("_", " ")) or is_skipped(item.name.lower())


__all__ = [
    "DEFAULT",
    "Item",
    "extract_either",
    "field_list",
    "is_kept_anyway",
    "looks_like_fields",
    "make_field",
    "parse_item",
    "split_list",
]
