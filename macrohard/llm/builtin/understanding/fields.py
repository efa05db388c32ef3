"""Lists of fields as people write them, and single fields in them."""

import re
from dataclasses import dataclass
from functools import lru_cache

from macrohard.llm.builtin.blueprint import Field
from macrohard.llm.builtin.understanding.asking import asked_for
from macrohard.llm.builtin.understanding.constraints import choice_values, constrain
from macrohard.llm.builtin.understanding.draft import NUMERIC, FieldDraft, Said, re_space
from macrohard.llm.builtin.understanding.nouns import is_skipped, kind_of
from macrohard.llm.builtin.understanding.offering import bracketed
from macrohard.llm.builtin.understanding.words import identifier, label, singular

_LEAD = re.compile(
    r"(?i)^(?:(?:and|also|plus|with|then|maybe|optionally|perhaps|oh|a|an|the|their|its|his|her|my|our|your|"
    r"some|any|each|every|one|"
    r"his/her|possibly|ideally|of course|obviously|etc|simple|short|i need|i want|we need|we want|including|"
    r"include|includes|like|as well as|"
    r"as well|too|well|just|only|probably|optional|mandatory|required|unique|all|field|fields?:|has|have|needs?|must "
    r"have|should have|there is|there should be)\s+)+"
)
_TAIL = re.compile(
    r"(?i)\s+(?:etc|and so on|and stuff|too|as well|also|field|column|please|thanks|obviously|of course|for "
    r"each|each|thingy|and more|or so|maybe|if possible|and all that|for now|at least|themselves|itself)$"
)
_FIELDLIKE = ("date", "time", "date-time", "e-mail", "phone", "money", "web address")
_NAMING = re.compile(r"(?:.* )?(?:number|name|code|title|isbn|plate|sku)")
_VERBISH = re.compile(
    r"(?i)^(?:colou?r the|colou?r them|tick|flag|i|we|you|it|they|he|she|search|find|filter|sort|order by|show|"
    r"display|list|see|print|export|"
    r"import|download|upload|add|edit|delete|remove|"
    r"mark|highlight|warn|send|notify|remind|calculate|compute|be able|can|can't|must|should|shall|will|would|"
    r"need|want|make|allow|let|when|if|"
    r"no|not|never|don't|please|there|this|that|these|those|how|where|why|thanks?|hi|hello|use|build|create|do|"
    r"does|save|store|keep|track|"
    r"log in|login|look up|get|give|put|select|choose|click|press|works?|run|open(?= the)|close(?= the)|group|"
    r"count(?= the| how| all)|total up|only|nothing|everything|something|anything|nobody|everybody|"
    r"prevent|ensure|check that|make sure|is|are|was|has|have|for|by|on|in|at|so|because|but|or|as|of|from|"
    r"than|until|while|which|who|whose|whom|to|into|with|without|about|under|over|after|before|between|per|via|"
    r"using|through)\b(?!-)"
)
_NAME = re.compile(r"[A-Za-z0-9][\w'’&/.#%+-]*(?:\s+[\w'’&/.#%+€$£(-][\w'’&/.#%+)-]*){0,6}")
_KEEP_TOGETHER = re.compile(
    r"(?i)\b(date and time|time and date|date & time|pros and cons|terms and conditions|name and surname|first "
    r"and last name|"
    r"research and development|bed and breakfast|food and drinks?|health and safety|track and trace|wear and "
    r"tear|profit and loss|positive and negative|negative and positive)\b"
)


@dataclass(frozen=True)
class Item:
    """One thing of a list, with what is said about it."""

    name: str
    about: str
    source: str
    target: str = ""
    """The record type it refers to, when an arrow or "reference to" says so."""
    colon: bool = False
    """What is said about it follows a colon or stands in brackets: it may be the values to choose from."""


def split_list(text: str) -> list[str]:
    """The things of "a, b (x, y) and c"; brackets keep what is in them together."""
    return list(_split_list(text))


_SEPARATOR = re.compile(
    r"[,;\n]\s*(?:(?:and|plus|or|&)\s+(?:also\s+)?)?|\s+(?:and|plus|as well as|&|\+(?!\s*\d))\s+(?:also\s+)?|\s+[•|]\s+"
)


@lru_cache(maxsize=1024)
def _split_list(text: str) -> tuple[str, ...]:
    text = bracketed(text)
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
            match = _SEPARATOR.match(text, position) if char in ",;\n " else None
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
    return tuple(_with_choices([piece.strip(" \t.:;,") for piece in pieces if re.search(r"\w", piece)]))


def _with_choices(pieces: list[str]) -> list[str]:
    """Give "status: open" the values after it that are no fields, and a field the properties after it."""
    merged: list[str] = []
    until = -1  # values go on up to the piece with "or"
    for position, piece in enumerate(pieces):
        if merged and is_modifier(piece) and not is_modifier(merged[-1]):
            before = merged[-1]
            merged[-1] = f"{before[:-1]} ; {piece})" if before.endswith(")") else f"{before} ({piece})"
            continue
        opener = _OPENER.match(merged[-1]) if merged else None
        if (
            opener
            and position > until
            and (kind := kind_of(opener[1].strip().lower())).known
            and kind.type in ("choice", "text")
        ):
            ahead = next(
                (i for i in range(position, min(position + 9, len(pieces))) if re.search(r"\bor\b|\betc\b", pieces[i])),
                -1,
            )
            if (
                ahead >= 0
                and (kind.type == "choice" or opener["eg"])
                and not re.search(r"\bor\b", merged[-1])
                and all(":" not in one and "(" not in one for one in pieces[position : ahead + 1])
            ):
                until = ahead
        plain = ":" not in piece and ("(" not in piece or "(default" in piece) and len(piece.split()) <= 6
        other = kind_of(piece.lower())
        if position <= until or (
            opener
            and plain
            and (kind_of(opener[1].strip().lower()).known or re.match(r"[\w ]+:", merged[-1]))
            and kind_of(opener[1].strip().lower()).type in ("choice", "text")
            and not re.search(r"\bor\b", merged[-1].rpartition(",")[2])
            and (other.type == "yes/no" or not other.known)
        ):
            merged[-1] = f"{merged[-1]}, {piece}"
            continue
        merged.append(piece)
    return merged


_OPENER = re.compile(
    r"(?i)(?:an? |the )?([\w -]{2,30}?)\s*(?::|=|\b(?:is|are|can be|could be|(?P<eg>like|either|one of|such as|"
    r"e\.g\.?,?))(?=\s))\s*\w"
)


def _is_range(text: str, position: int, match: re.Match[str]) -> bool:
    """Whether the "and" belongs to "between 1 and 5"."""
    before = text[max(0, position - 30) : position]
    return match.group().strip().lower() == "and" and bool(
        re.search(r"(?i)\bbetween\s+[^\s,]+(?:\s(?:kg|g|cm|m|euros?|%|dollars?))?$", before)
        or re.search(r"(?i)\bbetween\s+[^\s,]+$", before)
    )


def extract_either(text: str) -> tuple[str, list[Item]]:
    """Take "if they are a lead, a customer or former" out of a list: a choice that commas would tear apart."""
    text = re.sub(
        (
            r"(?i)\b(answer|status|state|type|kind|result|category|priority|level|reply|vote|grade|mood|size|"
            r"outcome) ((?:[a-z]+, )*[a-z]+,? or [a-z]+)(?=$|[,.;]| and )"
        ),
        lambda m: f"{m[1]} ({re.sub(r',? or |, ', '/', m[2])})",
        text,
    )
    text = re.sub(r"(?i)\bdate ?\+ ?time\b", "date and time", text)
    items = []
    match = re.search(
        (
            r"(?i)(?:,?\s*(?:and|plus)?\s*)\b(?:if|whether)\s+(?:(?:it|he|she|they|there|this|that|someone|the "
            r"\w+)(?:'s|'re| is| are| was)?\s+)?"
            r"(?P<v>(?:(?:a|an|still|already)\s+)?[\w-]+(?:\s(?!or\b)[\w-]+)?(?:(?:,|,?\s+or\b)\s*(?:a |an "
            r")?[\w-]+(?:\s(?!or\b)[\w-]+)?){0,5},?\s+or\s+(?:a |an )?[\w-]+(?:\s(?!and\b|or\b)[\w-]+)?)"
        ),
        text,
    )
    if match:
        values = choice_values(match["v"])
        if len(values) >= 2 and all(len(v.split()) <= 3 for v in values):
            negated = len(values) == 2 and values[1].lower() in ("not", f"not {values[0].lower()}")
            if negated:
                items.append(Item(values[0], "yes/no", match.group().strip(" ,")))
            else:
                items.append(
                    Item("status", f"one of {', '.join(values[:-1])} or {values[-1]}", match.group().strip(" ,"))
                )
            text = f"{text[: match.start()]}, {text[match.end() :]}".strip(" ,")
    return text, items


@lru_cache(maxsize=4096)
def parse_item(piece: str) -> Item | None:
    """The name and the rest of one thing of a list; None if it does not read like a field."""
    source = piece.strip()
    text = source.strip(" .,;:-\"'")
    question = text.endswith("?")
    text = re.sub(r"(\d+) ?\([\w ]+\) (?:to|-) (\d+) ?\([\w ]+\)", r"\1 to \2", text.rstrip("?!. "))
    target, about, colon = "", "", False
    if arrow := re.match(r"^([\w ]+?)\s*-+>\s*([A-Za-z][\w ]*?)(?:\.\w+)?(?=$|\s*[\[(,])", text):
        target = arrow[2]
        text = f"{arrow[1]} {text[arrow.end() :]}".strip()
    if match := re.search(r"[\[({<](?!\s*\d)|[\[(]", text):
        head = text[: match.start()].strip()
        if head:
            inner = re.sub(r"^[\[({<]|[\])}>]\s*$", "", text[match.start() :].strip())
            about, text, colon = (
                re.sub(r"[\])}]|>(?!\s*=?\s*\d)", " ", re.sub(r"\s(?:[\[({]|<(?!\s*=?\s*\d))", " ; ", inner)),
                head,
                True,
            )
    for separator in (r"\s*:\s+|:$", r"\s+[-–]+\s+", r"\s*=\s*", r"\s+(?=[<>]=?\s*\d)"):
        head, *rest = re.split(separator, text, maxsplit=1)
        if rest and head.strip() and len(head.split()) <= 6:
            text, colon = head.strip(), True
            about = f"{'= ' if '=' in separator and '[<' not in separator else ''}{rest[0]} ; {about}"
            break
    if of := re.search(
        (
            r"(?i)\b(?:one|any) of (?:the|our|my) (?:existing )?([a-z]+(?: [a-z]+)?)|\b(?:reference|link|refers?|"
            r"linked|foreign key|fk) (?:to )?(?:an? |the )?([a-z]+)|\b(?:chosen|selected|picked|choose|select|"
            r"pick) from (?:the |our |a )?(?:list of )?(?:the |our )?([a-z]+)\b(?! ?list)"
        ),
        about,
    ):
        target = next(part for part in of.groups() if part)
        about = f"{about[: of.start()]} ; {about[of.end() :]}"
    lead = _LEAD.match(text)
    if lead and re.search(r"(?i)\b(?:optional|optionally|maybe|perhaps|possibly)\b", lead.group()):
        about += " ; optional"
    if lead and re.search(r"(?i)\b(?:mandatory|required)\b", lead.group()):
        about += " ; required"
    if lead and re.search(r"(?i)\bunique\b", lead.group()):
        about += " ; unique"
    text = _LEAD.sub("", text + " ").strip()
    if not (name := asked_for(text)):
        text, tail = _split_tail(text)
        about = f"{tail} ; {about}" if tail else about
    if text.endswith("*"):
        about += " ; required"
        text = text.rstrip("* ")
    text = re.sub(r"(?i)(?<=\w) (?:no|nr)\.?$", " number", text)
    while (shorter := _TAIL.sub("", text)) != text:
        text = shorter
    if text.lower().endswith(" to") and not re.search(
        (r"(?i)(?:ed|en|nt|ld|up|ed out|given|sent|lent|sold|paid|belongs) to$"), text
    ):
        text = text[:-3]
    if relative := re.match(r"(?i)([a-z][\w -]*?) (?:that |which )?(?:i|we|you|they|he|she) [a-z]+(?: .*)?$", text):
        text = relative[1]
    if name or (name := asked_for(text)):
        return Item(name, about, source, target, colon)
    if asked := re.fullmatch(
        (
            r"(?i)(?:whether|if) (?:(?:it|they|he|she|someone|the \w+)(?: is| are|'s|'re| was| has been| have been|"
            r" were| has| have)? )?(?:been )?(?:is |was )?([\w-]+)(?: (?:it|yet|or not|already))?"
        ),
        text,
    ):
        return Item(asked[1], f"yes/no ; {about}", source, target)
    if asked := re.fullmatch(r"(?i)(?:is (?:it|he|she)|are they) ([\w -]+)", text):
        return Item(asked[1], f"yes/no ; {about}", source, target)
    if moment := re.fullmatch(
        (
            r"(?i)(?:date|day|time)(?: when| on which| that)? (?:it|they|he|she|the \w+) (?:was|were|is|got|has "
            r"been) (?:last )?(\w+)"
        ),
        text,
    ):
        return Item(f"{moment[1]} on", about, source, target)
    if question and not about and len(text.split()) <= 3 and kind_of(text.lower()).type in ("yes/no", "text"):
        about = "yes/no"
    if made := re.fullmatch(
        (
            r"(?i)(.+?),? (?:is |gets )?(?:computed|calculated|automatic(?:ally)?(?: computed| calculated)?|auto[- "
            r"]calculated)"
        ),
        text,
    ):
        text, about = made[1], f"computed ; {about}"
    if pair := re.fullmatch(r"(?i)(\w+(?: \w+)?)\s*/\s*(?:not|un|in)[- ]?(\w+)", text):
        return Item(pair[1], f"yes/no ; {about}", source, target)
    if done := re.fullmatch(
        (
            r"(?i)(?:whether|if) (?:an? |the |their |its )?([a-z]+(?: [a-z]+)?) (?:was|is|has been|were|are|have "
            r"been|got) (?:already )?([a-z]+)(?: or not| yet)?"
        ),
        text,
    ):
        return Item(f"{done[1]} {done[2]}", f"yes/no ; {about}", source, target)
    if yes_no := re.fullmatch(r"(?i)(.+?)[ :,-]*\(?(?:yes ?/ ?no|y/n|y / n|or not)\)?", text):
        return Item(yes_no[1].strip(), f"yes/no ; {about}", source, target)
    values = re.fullmatch(r"(?i)((?:[a-z]+ )?[a-z]+) ([\w+-]+(?:\s?/\s?[\w+-]+)+)", text)
    if values and kind_of(values[1].lower()).known and kind_of(values[1].lower()).type in ("choice", "text"):
        return Item(values[1], f"{values[2]} ; {about}", source, target, True)
    if (
        not text
        or len(text) > 60
        or len(text.split()) > 6
        or not _NAME.fullmatch(text)
        or not re.search(r"[A-Za-z]{2}", text)
    ):
        return None
    if re.fullmatch(
        (
            r"(?i)(?:max(?:imum)?|min(?:imum)?|at least|at most|up to|less|more|about|around|only|yes|no|true|"
            r"false)\b.{0,3}"
        ),
        text,
    ) or is_modifier(text):
        return None
    if re.search(r"(?i)\w\s(?:with|enters?|which|who|that|has|have|having|must|should|gets?|are|is)\s\w", text):
        return None
    known = kind_of(text.lower()).known and len(text.split()) <= 3 and not re.match(r"(?i)(?:is|are|has|was) ", text)
    if (
        _VERBISH.match(text)
        and "yes/no" not in about
        and not (known or re.fullmatch(r"(?i)(?:is|has)_?\w+|from|to|until|till|by|order|open|close", text))
    ):
        return None
    return Item(text, about, source, target, colon)


_MODIFIER = re.compile(
    r"(?i)^(?:(?:is |are |must be |has to be |should be |can be |may be )?(?:unique|required|mandatory|"
    r"compulsory|obligatory|optional|nullable|not null|not empty|not negative|non-negative|positive|never "
    r"negative|at least .{1,30}|at most .{1,30}|"
    r"max(?:imum)?\.? (?:of )?\d.{0,30}|min(?:imum)?\.? (?:of )?\d.{0,30}|between \S+ and \S+.{0,20}|from \d+ "
    r"to \d+|\d+ ?(?:-|to|\.\.) ?\d+(?: \w+)?|not in (?:the )?(?:future|past)|in the (?:future|past)|today or "
    r"(?:later|earlier)|no future dates?|no past dates?|default(?:s to|:| is|=)? ?.{1,30}|.{1,20} by default|"
    r"(?:a |as )?(?:whole |decimal )numbers?(?: only)?|numbers only|integer|decimal|boolean|bool|yes/no|"
    r"checkbox|drop ?down(?: list)?|multi-?line|several lines|long text|exactly \d+ .{1,20}|\d+ (?:digits|"
    r"characters|chars|letters)(?: max)?|in (?:€|\$|£|euros?|eur|usd|dollars|pounds|kg|cm|km|minutes|hours|"
    r"litres|%)|"
    r"more than \S+(?: \w+)?|less than \S+(?: \w+)?|greater than \S+|[<>]=? ?\S+|no duplicates|only once|"
    r"valid(?: \w+)?|must be valid|must exist|auto(?:matic(?:ally)?)?|can be (?:very )?long|can be (?:left "
    r")?empty|may be (?:left )?empty|if known|if any|if available|not before today|not after today|cannot be "
    r".{1,30}|can't be .{1,30}|must not be .{1,30}|case[- ]insensitive|not required|not mandatory))$"
)


def is_modifier(text: str) -> bool:
    """Whether words only say something about the field before them."""
    return bool(_MODIFIER.match(text.strip()))


def _split_tail(text: str) -> tuple[str, str]:
    """Cut plain-word properties off a name: "price in euro", "code unique", "rating from 1 to 5"."""
    match = re.search(
        (
            r"(?i)\s+(?=(?:(?:is|are|must|should|has to|have to|can|may|can't|cannot|which|that|who|needs to|"
            r"defaults?|starting|starts|between|nullable|required|optional|optionally|mandatory|compulsory|unique|"
            r"if (?:known|any|available|given|there|applicable|needed)|not null|with (?:values?|default|options?|"
            r"choices|at least|at most|max|check|the (?:values|options|choices))|such as|like(?= \w+(?: \w+)?(?:,|"
            r" or))|e\.g\.?|for example|for when|so (?:that )?(?:i|we)|of the form|in the form(?:at)?|"
            r"of the format|with the format|at least|at most|(?:more|less|greater|fewer) than \d|"
            r"max(?:imum)? (?:of )?\d|min(?:imum)? (?:of )?\d|up to \d|never|no duplicates|as (?:a|an|text|number|"
            r"date|drop|check)|because|either|one of|from (?:a list|\d|the list)|\d+\s*(?:-|to|\.\.)\s*\d+|"
            r"\d+ (?:characters|chars|digits|stars)|in (?:€|\$|£|eur\b|euros?\b|usd\b|dollars?\b|gbp\b|pounds\b|"
            r"chf\b|kg\b|g\b|grams?\b|cm\b|mm\b|km\b|m\b|metres\b|meters\b|minutes\b|seconds\b|hours\b|days\b|"
            r"weeks\b|months\b|years\b|square met(?:er|re)s\b|sqm\b|litres\b|liters\b|miles\b|percent\b|%|"
            r"°[CFcf]?|the (?:future|past)|euro cents|celsius|ml\b|feet\b|inches\b|lbs?\b)|not in the|"
            r"only (?:numbers|digits)|when (?:it |they )?(?:is |are |was )?(?:returned|paid|known|done|closed|"
            r"sold|finished|given|handed)|>=?|<=?|\(|€|\$|%|yes/no)(?=\W|$|\d)|(?:€|\$|£|EUR|USD|GBP|CHF)\s*$))"
        ),
        text,
    )
    if not match:
        return text, ""
    head = text[: match.start()].strip().removesuffix(" of")
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
    one_of_it = singular(lower)
    counted = re.match(r"(?:number of|no\. of|amount of|how many)\b", lower)
    if (
        not counted
        and one_of_it != lower
        and (
            kind_of(one_of_it).type in (*_FIELDLIKE, "choice", "yes/no")
            and kind_of(lower).type not in ("long text", "whole number")
        )
    ) or (one_of_it != lower and " " in lower and _NAMING.fullmatch(one_of_it)):
        name, lower = singular(name), one_of_it
    kind = kind_of(lower)
    shown = label(re.sub(r"(?i)^(?:is|has|was) (?=\w)", "", name) if kind.type == "yes/no" else name)
    shown = re.sub(r" (?:no|nr)\.?$", " number", _USUAL_LABELS.get(shown, shown))
    one = FieldDraft(Field(name=identifier(name), label=shown, type=kind.type), {"field": said}, {lower, one_of_it})
    about = item.about
    if (
        item.colon
        and (kind.type in ("text", "choice") or "/" in about)
        and kind.type not in NUMERIC
        and not item.target
    ):
        values, rest = _offered(about, anything=kind.type == "choice")
        if {value.lower() for value in values} <= {"yes", "no", "y", "n", "true", "false", "yes or no"}:
            values = ()
        if len(values) >= (2 if kind.type == "choice" or kind.known else 3):
            one.change("choices", said, type="choice", choices=values)
            about = rest
    left = constrain(one, about, said) if about.strip(" ;") else ""
    return one, left


_USUAL_LABELS = {
    "Phone no": "Phone number", "Phone no.": "Phone number", "Mail": "E-mail", "Mail address": "E-mail address",
    "Desc": "Description",
    "Tick": "Done", "Favorite": "Favorite", "When": "Date", "Who": "Person", "Fav": "Favourite", "Where": "Location",
}  # fmt: skip


def _offered(about: str, *, anything: bool) -> tuple[tuple[str, ...], str]:
    """The values to choose from in "retail, industry, other; required", and the rest."""
    first, _, rest = about.partition(";")
    first = re.sub(
        r"(?i)^\s*(?:e\.g\.?|for example|such as|like|one of|either|i\.e\.?|choice of|options?:?|values?:?)\s*:?\s*",
        "",
        first.strip(" .,"),
    )
    pieces = [piece.strip() for piece in re.split(r"\s*[,/|]\s*(?:or |and )?|\s+or\s+", first) if piece.strip()]
    if any(
        is_modifier(piece)
        or len(piece.split()) > 4
        or (not anything and kind_of(piece.lower()).type in _FIELDLIKE)
        or re.search(r"[.:\d]{2,}|\b(?:must|should|max|min|is|are|can)\b", piece)
        for piece in pieces
    ):
        return (), about
    if not re.search(r"[,/|]|\bor\b", first):
        return (), about
    return choice_values(first), rest


def field_list(text: str) -> list[Item]:
    """The items of a list that read like fields; what does not is left out."""
    rest, either = extract_either(text)
    return [item for piece in split_list(rest) if (item := parse_item(piece))] + either


def unread(text: str) -> list[str]:
    """The things of a list that do not read like fields."""
    rest, _ = extract_either(text)
    return [piece for piece in split_list(rest) if parse_item(piece) is None and not _FILLER.fullmatch(piece)]


_FILLER = re.compile(
    r"(?i)(?:(?:and|or|etc|so on|more|stuff|things|that|it|all|everything|the usual(?: stuff| things)?|such|"
    r"like|maybe|thanks|please|also|too|other|others|details|info|information|data|fields?|like that|so|the|"
    r"following|these|necessary|relevant|basic)\b[\s.!]*)+"
)


def looks_like_fields(text: str, *, mostly: bool = False) -> bool:
    """Whether a text is nothing but a list of things whose names are those of fields."""
    rest, either = extract_either(text)
    pieces = split_list(rest)
    items = [parse_item(piece) for piece in pieces]
    bad = sum(item is None for item in items)
    if not pieces or bad > (1 if mostly and len(items) >= 4 else 0):
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
