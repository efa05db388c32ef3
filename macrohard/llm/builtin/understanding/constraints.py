"""What is said about one field: required, unique, ranges, lengths, patterns, choices, defaults, units."""

import re

from macrohard.llm.builtin.understanding.draft import DATED, DEFAULT, NUMERIC, FieldDraft, Said
from macrohard.llm.builtin.understanding.lengths import TEXTS, Rest, lengths
from macrohard.llm.builtin.understanding.nouns import usual_choices
from macrohard.llm.builtin.understanding.patterns import pattern_between
from macrohard.llm.builtin.understanding.words import NUMBER, identifier, label, number

CURRENCIES = {
    "€": "€", "eur": "€", "euro": "€", "euros": "€", "$": "$", "usd": "$", "dollar": "$", "dollars": "$", "us$": "$",
    "£": "£", "gbp": "£", "pound": "£", "pounds": "£", "chf": "CHF", "francs": "CHF", "sek": "SEK", "nok": "NOK",
    "dkk": "DKK", "pln": "PLN", "zł": "zł", "zloty": "zł", "czk": "CZK", "¥": "¥", "jpy": "¥", "yen": "¥", "inr": "₹",
    "rupees": "₹", "₹": "₹", "aud": "AUD", "cad": "CAD", "nzd": "NZD", "brl": "R$", "zar": "ZAR",
}  # fmt: skip

CURRENCY = (
    r"(?:€|\$|£|¥|₹|zł|us\$|(?:eur|euros?|usd|dollars?|gbp|pounds|chf|francs|sek|nok|dkk|pln|zloty|czk|jpy|yen|inr|"
    r"rupees|aud|cad|nzd|brl|zar)\b)"
)

_UNIT = (
    r"(?:kg|g|grams?|kilos?|kilograms?|lbs?|cm|mm|km|kilomet(?:er|re)s?|met(?:er|re)s?|m²|m2|sqm|miles|inches|"
    r"feet|ft|hours?|hrs|h|"
    r"minutes?|mins?|seconds?|days|weeks|months|years|lit(?:re|er)s?|l|ml|%|percent|°c|°f|celsius|degrees|kcal|"
    r"bpm|kwh|pieces|pcs|"
    r"tons?|tonnes|hectares|acres|square (?:met(?:er|re)s|feet)|stars|points|gallons|mg|cl)"
)


_WORD_TYPES: tuple[tuple[str, str], ...] = (
    (r"(?:bool(?:ean)?|yes ?/ ?no|y/n|true/false|tick ?box|check ?box|a? ?(?:simple )?flag|yes or no|on/off)",
        "yes/no"),
    (r"(?:date ?time|date-time|timestamp|date (?:and|&|\+) time)", "date-time"),
    (r"date|a date", "date"),
    (r"time", "time"),
    ((
        r"(?:long ?text|multi-?line(?: text)?|text ?area|textarea|free text|(?:can|may|might) be (?:very |quite "
        r")?long|long|several lines|paragraphs?|memo)"
    ), "long text"),
    (r"(?:integer|int|whole numbers?(?: only)?|number|numeric|bigint|serial|year)", "whole number"),
    (r"(?:decimals?(?: number)?|float|double|numeric|real|with decimals)", "decimal number"),
    (r"(?:money|currency|monetary|amount of money)", "money"),
    (r"(?:e-?mail(?: address)?)", "e-mail"),
    (r"(?:phone(?: number)?)", "phone"),
    (r"(?:url|link|web address)", "web address"),
    (r"(?:text|string|varchar|short text|char|alphanumeric)", "text"),
)  # fmt: skip


BELOW_ZERO = r"(?:\bnegative\b|\b(?:below|under|beneath|less than) (?:zero|0)\b(?!\.\d))"
_OR = r"(?: ?/ ?|, (?:and |or )?| (?:and|or) )"
BELOW_ZERO_TOO = (
    rf"\b(?:(?:that |which )?(?:can|may|could|might) (?:be |go |drop |fall |get |become |also |even |both |sometimes )+"
    rf"(?:(?:positive|zero){_OR})*{BELOW_ZERO}(?:{_OR}(?:positive|zero)\b)*|"
    rf"positive{_OR}(?:zero{_OR})?negative\b(?:{_OR}zero\b)?|negative{_OR}(?:zero{_OR})?positive\b)"
)
"""Words that allow what is less than nothing, where most numbers are not."""


def constrain(one: FieldDraft, words: str, said: Said) -> str:
    """Apply what `words` say about the field; what was not understood is returned."""
    rest = Rest(words)
    if one.type == "reference" or one.value.computed:
        _presence(one, rest, said)
        return rest.text.strip(" ;,.-:()[]*")
    if rest.take(
        r"^\W*(?:is |are )?(?:auto(?:matically)? ?)?(?:computed|calculated)(?: automatically| by the (?:app|system))?\b"
    ):
        one.said["computed"] = said
    _presence(one, rest, said)
    _checksum(one, rest, said)
    _default(one, rest, said)
    _choices(one, rest, said)
    _money_and_unit(one, rest, said)
    _dates(one, rest, said)
    lengths(one, rest, said)
    _ranges(one, rest, said)
    _type(one, rest, said)
    return re.sub(r"(?:\s*;\s*)+", " ; ", rest.text).strip(" ;,.-:()[]*")


def _presence(one: FieldDraft, rest: Rest, said: Said) -> None:
    if rest.take(
        r"\b(?:(?:(?:must|should|can|may)(?: not|n't)|can't|cannot) be (?:empty|blank|left (?:empty|blank|out)|"
        r"missing|null)|can't be (?:empty|blank|left (?:empty|blank|out)|missing)|"
        r"(?:is |are )?(?:never|not) (?:empty|blank|null|nullable)|not null|non-?(?:empty|null)|(?:must|has to|"
        r"have to) be (?:filled(?: in| out)?|given|entered|provided|present|set|there|specified)|"
        r"without (?:it|one) (?:it|the \w+) (?:can't|must not|may not) be saved)\b"
    ) or (
        not rest.has(r"\b(?:not|isn't|aren't|n't) (?:required|mandatory|compulsory|needed|necessary)")
        and rest.take(
            r"(?:^|(?<=[\s(,;\[]))\*(?=$|[\s),;\]])|\b(?:always |is |are |field is |must be )?(?:required|"
            r"mandatory|compulsory|obligatory|needed|necessary)\b(?: field)?|^must$|\(must\)"
        )
    ):
        one.change("required", said, required=True)
    elif rest.take(
        r"\b(?:is |are |not required|not mandatory|isn't (?:required|mandatory)|(?:can|may) (?:be )?(?:left |"
        r"stay |remain )?(?:be )?(?:empty|blank|left out|omitted|missing|null)|"
        r"nullable|(?:only )?if (?:known|any|available|given|there is one|they have one|applicable|needed)|"
        r"when known|not (?:always|necessarily) (?:known|given|needed|there)|voluntary|n?ot? needed)\b|(?:is |"
        r"are )?\boptional(?:ly)?\b"
    ):
        one.change("field", said if not one.stated else one.said["field"], required=False)
        one.said.pop("required", None)
        one.said["optional"] = said
    if not rest.has(r"unique (?:together|per|with)") and rest.take(
        r"\b(?:must be |is |are |has to be |have to be |should be )?unique(?:ly)?\b(?: \(?(?:ignoring|"
        r"regardless of) case\)?)?|\bno (?:duplicates?|doubles?)\b|\bnot? twice\b|\bonly once\b|\b(?:(?:must|"
        r"may|can)(?: not|n't)|can't|cannot) (?:be )?(?:repeat(?:ed)?|used twice|exist twice|occur twice)\b"
    ):
        one.change("unique", said, unique=True)
        rest.take(r"\(?(?:ignoring|regardless of) (?:upper.{0,20}|case)\)?|case[- ]insensitive(?:ly)?")
    if rest.take(
        r"\b(?:auto(?:matic(?:ally)?)?(?: set| filled)?|set automatically|filled in automatically|generated)\b"
    ) and one.type in (*DATED, "time"):
        one.change("default", said, default="today" if one.type == "date" else "now")


def _checksum(one: FieldDraft, rest: Rest, said: Said) -> None:
    name = one.label.lower()
    kind = next((k for k in ("isbn-13", "isbn-10", "ean-13", "iban") if k in name.replace("isbn13", "isbn-13")), None)
    kind = kind or (
        "isbn-13"
        if "isbn" in name
        else "ean-13"
        if "ean" in name or "barcode" in name
        else "luhn"
        if "card" in name
        else None
    )
    if rest.take(
        r"\b(?:check ?sum|check ?digit)s?(?: (?:must be|is|are))?(?: (?:valid|verified|checked|correct))?\b|"
        r"\b(?:valid|verified|checked) (?:check ?sum|check ?digit)\b|\bcheck ?sum\b"
    ) or (
        kind in ("isbn-13", "isbn-10", "iban")
        and rest.take(r"\b(?:must be |is |only )?valid(?:ated)?\b(?: isbn| iban)?")
    ):
        if kind:
            one.change("checksum", said, checksum=kind)
        else:
            one.said.setdefault("checksum", DEFAULT)
            one.said.pop("checksum")
            rest.text += " checksum"


def _default(one: FieldDraft, rest: Rest, said: Said) -> None:
    follows = re.search(
        (
            r"(?i)(?:=|\bdefaults? to|\bis|\bby default|^)\s*(?P<f>[a-z]\w*(?: "
            r"\w+)?)\s*\+\s*(?P<n>\d{1,4})\s*-?(?P<u>d|days?|w|weeks?|m|months?|y|years?)\b"
        ),
        rest.text,
    )
    if follows and one.type == "date":
        rest.text = f"{rest.text[: follows.start()]} ; {rest.text[follows.end() :]}"
        start = "today" if follows["f"].lower() in ("today", "now") else identifier(follows["f"])
        days = int(follows["n"]) * {"d": 1, "w": 7, "m": 30, "y": 365}[follows["u"][0].lower()]
        one.change("default", said, default=f"{start} + {days}d" if start != "today" else f"today+{days}d")
        return
    before = rest.text
    match = rest.take(
        r"(?:\bby default(?: is)?:?|\bdefaults?(?: value)?(?: is| to|:|=)?:?|\bstarts? (?:as|at|with)|"
        r"\bpre-?filled with|\binitially(?: set to)?|\bpreset(?: to)?)(?!\s*(?:or|and)\b)"
        r"\s*(?P<v>\"[^\"]{1,40}\"|'[^']{1,40}'|[^,;()\]]{1,40})"
    ) or rest.take(r"\(?\b(?P<v>\w[\w -]{0,30}?) (?:by default|is (?:the )?default|\(default\)|as (?:the )?default)\)?")
    if match:
        _set_default(one, match["v"].strip(" \"'.)"), said)
        ahead, after = before[: match.start()], before[match.end() :]
        among = re.search(r"(?:,|\bor)\s*$", ahead) or re.match(r"\s*(?:,|or\b)", after)
        if among and one.type in ("choice", "text") and match.group().startswith(match["v"]):
            # "new, open by default or closed": it stays among the values.
            rest.text = f"{ahead}{match['v']}{after}"


def _set_default(one: FieldDraft, value: str, said: Said) -> None:
    lower = value.lower()
    if one.type in (*DATED, "time"):
        if re.match(r"(?:today|now|the current|current|this)", lower):
            one.change("default", said, default="today" if one.type == "date" else "now")
        return
    if one.type == "yes/no":
        one.change("default", said, default="no" if re.match(r"no|false|off|un|not|0", lower) else "yes")
        return
    if one.type in NUMERIC:
        if digits := re.search(NUMBER, lower):
            one.change("default", said, default=number(digits.group()))
        return
    if one.type == "choice" or one.value.choices:
        found = next((c for c in one.value.choices if c.lower() == lower), None)
        if found is None:
            found = label(value)
            one.value = one.value.model_copy(update={"choices": (found, *one.value.choices)})
        one.change("default", said, default=found)
        return
    if one.type in ("text", "long text") and value:
        one.change("default", said, default=value)


def _choices(one: FieldDraft, rest: Rest, said: Said) -> None:
    if one.type == "yes/no" or (one.type in NUMERIC and not rest.has(r"\bone of\b|/")):
        return
    match = rest.take(
        r"(?:\b(?:one of|either|whether (?:it(?:'s| is)|they(?:'re| are)?)?|choices?(?: are)?|options?(?: "
        r"are)?|values?(?: are)?|possible values?(?: are)?|allowed values?(?: are)?|can be|could be|may be|is|"
        r"are|drop ?down(?: list)?(?: with| of)?|"
        r"select(?: from)?|pick ?list(?: of)?|enum|e\.g\.?|for example|such as|like|i\.e\.?|"
        r"namely)\b(?! (?:between|from|at most|at least|up to)\b)[:,]?\s*\(?)(?P<v>[^;()\[\]]{1,40}"
        r"(?:(?:\s*[/|,]\s*|,? or |,? and )[^;,/|()\[\]]{1,40}){1,12})\)?"
    )
    if match is None and (one.type in ("choice", "text") or rest.has(r"\|")):
        match = re.search(r"(?P<v>[^;,()\[\]]{1,40}(?:\s*[/|]\s*[^;,/|()\[\]]{1,40}){1,12})", rest.text) or re.search(
            r"(?P<v>[^;,()\[\]]{1,40}(?:, [^;,()\[\]]{1,40}){0,12},? or [^;,()\[\]]{1,40})", rest.text
        )
        if match is None and one.type == "choice":
            match = re.search(r"(?P<v>[^;,()\[\]]{1,40}(?:(?:,| and|, and|;) [^;,()\[\]]{1,40}){1,12})", rest.text)
        if match is None and one.type == "choice":
            match = re.search(r"(?P<v>[^;,()\[\]>-]{1,40}(?:\s*-?->?\s*[^;,()\[\]>-]{1,40}){1,12})", rest.text)
        if match:
            values = choice_values(match["v"])
            if len(values) < 2 or any(
                re.search(
                    rf"^(?:{'|'.join(p for p, _ in _WORD_TYPES)}|required|optional|unique|min|max|between|from|not)\b",
                    v.lower(),
                )
                for v in values
            ):
                match = None
            else:
                rest.text = f"{rest.text[: match.start()]} ; {rest.text[match.end() :]}"
    if match is None:
        return
    values = choice_values(match["v"])
    if {v.lower() for v in values} <= {"yes", "no", "true", "false", "y", "n"}:
        one.change("type", said, type="yes/no")
        return
    if len(values) >= 2:
        default = (one.value.default or "").lower()
        usual = next((v for v in values if v.lower() == default), None)
        one.change("choices", said, type="choice", choices=values, default=usual)


def choice_values(text: str) -> tuple[str, ...]:
    """The labels in "low, medium or high", "a/b/c", "open -> closed"."""
    text = re.sub(r"(?i)\s*\b(?:etc|and so on|and more|or similar|or so|\.\.\.)\b\.?|\.\.\.", "", text)
    pieces = re.split(r"(?i)\s*(?:->|-->|=>|>|[/|,;])\s*(?:or |and )?|\s+(?:or|and)\s+", text.strip(" .:=()[]{}\"'"))
    values = []
    for piece in pieces:
        piece = re.sub(
            r"(?i)^(?:(?:that|which)(?: (?:is|are)\b|$) ?|an? |the |either |one of |maybe |then )+",
            "",
            piece.strip(" .\"'*:()"),
        )
        if piece and len(piece) <= 40 and re.search(r"\w", piece):
            values.append(label(piece) if not re.fullmatch(r"[a-z]{1,2}\d?|\d+\w*", piece) else piece)
    return tuple(dict.fromkeys(values))


def _money_and_unit(one: FieldDraft, rest: Rest, said: Said) -> None:
    currency = rest.take(rf"(?:\b(?:in|as)\s+)?(?<![a-z]){CURRENCY}(?!\s*\d)")
    if currency and (one.type in (*NUMERIC, "text")):
        sign = re.search(rf"(?i){CURRENCY}", currency.group())
        assert sign is not None
        one.change("type", said, type="money", currency=CURRENCIES[sign.group().lower()])
    if one.type == "time" and rest.has(r"\bin (?:minutes|mins?|hours|hrs|seconds)\b"):
        one.value = one.value.model_copy(
            update={"type": "whole number" if rest.has(r"\bin (?:min|sec)") else "decimal number"}
        )
    if one.type in ("whole number", "decimal number", "text"):
        unit = rest.take(rf"\b(?:in|measured in|as)\s+(?P<u>{_UNIT})(?![a-z])") or rest.take(
            rf"^[\s(\[]*(?P<u>{_UNIT})[\s)\]]*$"
        )
        if unit:
            changes: dict[str, object] = {"unit": unit["u"]}
            if one.type == "text":
                changes["type"] = "decimal number"
            one.change("type", said, **changes)


_MOMENT = (
    r"(?P<m>today|now|the (?:current|present) (?:day|date|time|year)|current(?: date| day| year| time)?|this year|"
    r"present)"
)


def _dates(one: FieldDraft, rest: Rest, said: Said) -> None:
    dated = one.type in DATED
    if dated or one.type in ("text", "whole number"):
        if rest.take(
            r"\b(?:(?:(?:must|can|may|should)?(?: ?not|n't)|can't) (?:be |lie |be dated )?(?:in (?:the )?|a "
            r")?future(?: "
            r"dates?)?|no future dates?|never in the future|not (?:be )?(?:after|later than) (?:today|now)|"
            r"(?:only |must be )?(?:in the )?past(?: dates?)? or today|today or (?:earlier|before|in the past)|"
            r"up to today|(?:must be |only )in the past)\b"
        ):
            one.change("range", said, maximum="today" if dated else "this year")
        if rest.take(
            r"\b(?:(?:(?:must|can|may|should)?(?: ?not|n't)|can't) (?:be |lie |be dated )?(?:in (?:the )?|a )?past(?: "
            r"dates?)?|no past dates?|never in the past|not (?:be )?(?:before|earlier than) (?:today|now)|"
            r"today or (?:later|after|in the future)|from today(?: on)?|(?:must be |only )in the future|"
            r"(?:must be )?today or future)\b"
        ):
            one.change("range", said, minimum="today" if dated else "this year")
    if dated:
        for side, pattern in (
            ("minimum", r"(?:not before|not earlier than|from|after|since|>=)\s+(?P<d>\d{4}-\d\d-\d\d)"),
            ("maximum", r"(?:not after|not later than|until|till|before|to|<=)\s+(?P<d>\d{4}-\d\d-\d\d)"),
        ):
            if match := rest.take(pattern):
                one.change("range", said, **{side: match["d"]})
        if match := rest.take(
            rf"\b(?:at most|no more than|max(?:imum)?|within|not more than|up to) (?P<n>{NUMBER}) (?P<u>days?|"
            rf"weeks?|months?|years?) (?:in the future|ahead|in advance|from now)\b"
        ):
            one.change("range", said, maximum=f"today+{number(match['n'])}{match['u'][0].lower()}")
        if match := rest.take(
            rf"\b(?:at most|no more than|max(?:imum)?|not more than|up to) (?P<n>{NUMBER}) (?P<u>days?|weeks?|"
            rf"months?|years?) (?:ago|in the past|back|old)\b"
        ):
            one.change("range", said, minimum=f"today-{number(match['n'])}{match['u'][0].lower()}")


def _ranges(one: FieldDraft, rest: Rest, said: Said) -> None:
    if one.type in (*TEXTS, "choice") and (
        match := rest.take(r"(?P<a>[A-Z]?\d{1,3}[A-Z]?)\s*(?:\.\.\.?|-|to)\s*(?P<b>[A-Z]?\d{1,3}[A-Z]?)(?!\w)")
    ):
        made = pattern_between(match["a"], match["b"])
        if made:
            one.change(
                "pattern",
                said,
                type="text",
                pattern=made.pattern,
                pattern_hint=made.hint,
                pattern_example=made.example,
                choices=(),
            )
            return
        rest.text += f" {match.group()}"
    value = rf"(?:{CURRENCY}\s*)?(?P<n>-?{NUMBER})(?:\s*{CURRENCY})?(?:\s*(?P<u>{_UNIT})(?![a-z]))?"
    low, high = value.replace("<n>", "<a>").replace("<u>", "<ua>"), value.replace("<n>", "<b>").replace("<u>", "<ub>")
    moment = r"(?P<m>current(?: year)?|this year|now|today|the current year|present)"
    if (
        one.type == "choice"
        and not one.value.choices
        and rest.has(r"^\W*(?:from |between )?\d+\s*(?:\.\.\.?|-|to|and)\s*\d+\b")
    ):
        one.value = one.value.model_copy(update={"type": "whole number"})
    if one.type == "yes/no" and rest.has(r"\b\d{4}\s*(?:\.\.\.?|-|to)\s*(?:\d{4}|current|now|today|this year)\b"):
        one.value = one.value.model_copy(update={"type": "whole number", "default": None})
    rangeable = one.type in NUMERIC or one.type == "text"
    if not rangeable:
        return
    if rest.take(BELOW_ZERO_TOO):
        one.said["below zero"] = said
    if match := rest.take(
        rf"(?:\b(?:between|from|range:?|in the range(?: of| from)?|must be|is|"
        rf"value)\s+)?(?<![\d.-])(?P<a>\d{{4}})\s*(?:\.\.\.?|-|to|and|until)\s*{moment}"
    ):
        _number_range(one, said, minimum=match["a"], maximum="this year")
    if match := rest.take(
        rf"(?<![\w.-])(?:(?:that |which )?(?:can|could|may|should) be )?(?:between|from|range:?|in the "
        rf"range(?: of| from)?|scale (?:of|from)|must be|is|value|values)?"
        rf"\s*{low}\s*(?:\.\.\.?|-|to|and|until|through)\s*{high}(?!\w)"
    ):
        _number_range(
            one, said, minimum=number(match["a"]), maximum=number(match["b"]), unit=match["ub"] or match["ua"]
        )
    if match := rest.take(r"(?P<n>\d+(?:[.,]\d+)?) (?:or|and) (?:more|higher|greater|above|up|over)\b"):
        _number_range(one, said, minimum=number(match["n"]))
    if match := rest.take(r"(?P<n>\d+(?:[.,]\d+)?) or (?:less|fewer|lower|below)\b"):
        _number_range(one, said, maximum=number(match["n"]))
    never = r"\b(?:(?:must|can|may|should|shall|is|are)?(?: ?not|n't)|can't|cannot|never|no)(?: be| get| go| exceed)*"
    if match := rest.take(
        rf"{never} (?:more|higher|greater|larger|bigger|longer|over|above) (?:than )?{value}|{never} exceed "
        rf"{value.replace('<n>', '<n2>').replace('<u>', '<u2>')}"
    ):
        _number_range(one, said, maximum=number(match["n"] or match["n2"]), unit=match["u"] or match["u2"])
    if match := rest.take(rf"{never} (?:less|lower|fewer|smaller|under|below) (?:than )?{value}"):
        _number_range(one, said, minimum=number(match["n"]), unit=match["u"])
    if rest.take(
        r"\b(?:must be |only )?(?:positive(?: number| amount)?s?|greater than (?:zero|0)|more than (?:zero|0)|"
        r"above (?:zero|0)|over (?:zero|0)|bigger than (?:zero|0)|larger than (?:zero|0))\b|>\s*0(?![\d.])"
    ):
        _number_range(one, said, minimum="0", exclusive=True)
    if rest.take(
        r"\b(?:(?:(?:can|must|may|should)?(?: ?not|n't)|can't) (?:be |become |go |get |fall )?(?:negative|"
        r"below (?:zero|0)|less than (?:zero|0)|under (?:zero|0)|minus)|non-?negative|never (?:be "
        r")?(?:negative|below (?:zero|0)|less than (?:zero|0))|(?:at least|minimum|min\.?) (?:0|zero)(?![\d.])|"
        r"no negative (?:numbers?|values?|amounts?|stock|quantit(?:y|ies)))\b|>=\s*0(?![\d.])"
    ):
        _number_range(one, said, minimum="0")
    if match := rest.take(
        rf"\b(?:at least|min(?:imum)?\.?(?: of| is|:)?|no(?:t)? (?:less|lower|fewer) than|not (?:under|below)|"
        rf"from|starting (?:at|from)|can't be (?:less|lower) than|>=)\s*{value}"
    ) or rest.take(rf">=\s*{value}"):
        _number_range(one, said, minimum=number(match["n"]), unit=match["u"])
    if match := rest.take(
        rf"\b(?:(?:more|greater|higher|larger|bigger) than|above|over|exceeds?)\s*{value}"
    ) or rest.take(rf">\s*{value}"):
        _number_range(one, said, minimum=number(match["n"]), exclusive=True, unit=match["u"])
    if match := rest.take(
        rf"\b(?:at most|max(?:imum)?\.?(?: of| is|:)?|no(?:t)? (?:more|higher|greater|larger|over) than|not "
        rf"(?:over|above|exceed(?:ing)?)|up to|can't (?:be (?:more|higher|greater|over) than|exceed)|must not "
        rf"exceed|limited to|capped at)\s*{value}"
    ) or rest.take(rf"<=\s*{value}"):
        _number_range(one, said, maximum=number(match["n"]), unit=match["u"])
    # "Amounts under 0 are shown in red" tells of some; only a demand keeps the others out.
    some = (
        ""
        if rest.has(rf"\b(?:must|has to|have to|should|always|only) (?:be )?{BELOW_ZERO}")
        else r"(?!(?:zero|0)\b(?!\.\d))"
    )
    if match := rest.take(rf"\b(?:(?:less|lower|fewer|smaller) than|below|under)\s+{some}{value}"):
        top = float(number(match["n"]))
        if top.is_integer():
            _number_range(one, said, maximum=str(int(top) - 1) if one.type == "whole number" else str(top - 0.01))


def _number_range(
    one: FieldDraft,
    said: Said,
    *,
    minimum: str | None = None,
    maximum: str | None = None,
    exclusive: bool = False,
    unit: str | None = None,
) -> None:
    changes: dict[str, object] = {}
    if one.type == "text":
        changes["type"] = "decimal number" if any("." in (v or "") for v in (minimum, maximum)) else "whole number"
    if minimum is not None:
        changes |= {"minimum": minimum, "exclusive_minimum": exclusive}
    if maximum is not None:
        changes["maximum"] = maximum
    if unit and not one.value.unit and one.type != "money":
        changes["unit"] = unit
    one.change("range", said, **changes)


def _type(one: FieldDraft, rest: Rest, said: Said) -> None:
    for pattern, type_ in _WORD_TYPES:
        if re.search(
            (
                rf"(?i)(?:^|[\s;,(\[:])(?:as |a |is a |must be a |type |should be a |\()?(?:{pattern})(?: field| "
                rf"value| type)?(?=$|[\s;,)\].])"
            ),
            rest.text,
        ):
            rest.take(
                rf"(?:^|(?<=[\s;,(\[:]))(?:as |a |is a |must be a |type |should be a |\()?(?:{pattern})(?: "
                rf"field| value| type)?(?=$|[\s;,)\].])"
            )
            if (type_ == "whole number" and one.type in (*NUMERIC, "phone")) or (
                type_ == "text" and one.type != "long text"
            ):
                if type_ == "text" and one.type not in ("choice", "e-mail", "phone", "web address", "text"):
                    one.change("type", said, type="text")
                break
            if type_ == "decimal number" and one.type == "money":
                break
            one.change("type", said, type=type_)
            break
    if one.type == "yes/no" and rest.has(r"\b\d{4}\s*(?:\.\.\.?|-|to)\s*(?:\d{4}|current|now|today|this year)\b"):
        one.value = one.value.model_copy(update={"type": "whole number", "default": None})
    if one.type == "choice" and not one.value.choices and rest.has("drop"):
        values, default = usual_choices(one.label.lower())
        one.value = one.value.model_copy(update={"choices": values, "default": default})
    rest.take(r"\bdrop ?down(?: list)?\b|\bfield\b|\bcolumn\b")
    rest.take(
        r"\b(?:must be |is |has to be |should be |only )?(?:a )?valid(?:ated)?(?: (?:e-?mail|format|address|"
        r"number|date|one|url))?(?: address)?\b"
    )
