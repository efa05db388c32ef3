"""The parts of a sentence that each ask for one thing."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from macrohard.llm.builtin.understanding.draft import Draft, RecordDraft, Said
from macrohard.llm.builtin.understanding.text import Passage, is_wish, wish_of

_START = (
    r"(?:search\w*|find(?:able)?|look(?:ing)? up|filter\w*|sort\w*|order(?:ed)? by|show(?:s|ing)?|display\w*|"
    r"list(?:s|ing)?\b(?! price)|see(?:ing)?|view(?:ing)?|print(?:able|ing|s|out)?|export\w*|import\w*|"
    r"download\w*|upload\w*|mark(?:ing)?|"
    r"tick(?:ing)?|highlight\w*|warn\w*|alert\w*|notif\w*|remind\w*|send\w*|calculat\w*|comput\w*|count(?:s|"
    r"ing)?|total(?:s)?|sum(?:s)?|average|group(?:ed|ing)?|edit(?:ing)?|delet(?:e|es|ing)|remov(?:e|es|ing)|"
    r"archiv(?:e|es|ing)|check(?:ing)? (?:in|out)|"
    r"extend\w*|return(?:ing)?(?! date)|approv(?:e|es|ing)|only (?:show|list|see|one|active|open|the)|just "
    r"(?:show|list)|be able|able to|can(?:'t)?|could|should|must|may|i (?:want|need|would|must|should|can|also|"
    r"also want)|we (?:want|need|would|must|should|can|also)|"
    r"it (?:should|must|would|can|needs)|they (?:should|must|can)|there (?:should|must)|(?:a |an )?(?:list|"
    r"overview|report|page|view|total|sum|summary|count|button|history|search|filter|warning|reminder|"
    r"highlight|export|import|print)\b|no (?:double|duplicate|two|overlap|login|negative)|"
    r"(?:the )?(?:number|sum|total|count|average|amount) of|how many|how much|which (?:\w+ )?(?:are|is|have|"
    r"has)|who (?:is|has|have|are)|whose|with (?:a )?(?:search|filter|sort|export|total)|overdue|low[- ]stock|"
    r"log ?in|save\b|never\b|don't|do not|not more|max(?:imum)?\b|at most|paginat\w*|paging|the [\w-]+ of "
    r"(?:each|every|a|an|all)\b|[\w-]+(?: [\w-]+)? (?:never|must|can't|cannot|may not|must not)\b|(?:former|"
    r"past|inactive) \w+)"
)
_CUT = re.compile(
    rf"(?i)\s*(?:;|\s-\s|,\s*(?:and|but|then|also|plus|or)?\s*|\s+(?:and|but|then|plus|\+|&)\s+)(?:(?:also|"
    rf"then|please|to|that|maybe|ideally|optionally|i can|we can|you can|it|which)\s+)*(?={_START}\b)|\s*;\s*|"
    rf"(?:,\s*|\s+)(?:but|plus|and also|as well as)\s+(?=\w)|\s+\+\s+|\s+->\s+(?=(?:show|list|mark)\b)"
)
_CHATTER = re.compile(
    r"(?i)^(?:(?:stay(?:s)? in the list|(?:don't|do not|doesn't) (?:block|count|occupy)(?: (?:the|a|any) "
    r"(?:slot|room|time|place))?|hi|hello|hey|dear|good (?:morning|day|evening)|thanks?(?: you)?(?: very much| "
    r"so much| a lot| in advance)?|many thanks|cheers|regards|best(?: regards)?|kind regards|greetings|please|"
    r"pls|ok(?:ay)?|so|well|yes|no|that is (?:it|all)|that's (?:it|all)|"
    r"etc|and so on|and more|and stuff|lol|haha|:\)|by the way|also|too|as well|oh|um+|hm+|sorry|bye|xoxo|you "
    r"know|i guess|i think|all of that|everything|everyone|everybody|there|team|guys|folks|all|sir|madam|and|"
    r"or|but|if possible|soon|for now|right|cool|great|nice|not important|if i want|when i want|fast|quickly|"
    r"easily|"
    r"in advance|a|the|to|of|it|just|only|really|very|that|this|is|one|more|thing|things)[\s,.!?:;)-]*)+$"
)
_BACKGROUND = re.compile(
    r"(?i)^(?:(?:and|so|well|hi|hello|hey|also|but|because|since|as|right|now|currently|today|at the moment|"
    r"right now|until now|so far|up to now|currently),? )*(?:"
    r"(?:we|i|they)(?:'re| are| am|'m| have| had| got|'ve| use| used| do| did| work| run| own| were| was| lose|"
    r" lost| forget| keep forgetting| always| sometimes| often| currently| now| still| usually| live| sell| "
    r"lend| rent| teach| meet| love| like| hate| don't know| write| write everything)\b(?!.*\b(?:want|need|"
    r"would like|must|should) )|"
    r"(?:at the moment|currently|right now|today|until now|so far|up to now|now)\b|(?:it|this|that)(?:'s| is| "
    r"was)(?: (?:for|about|just|only|because|a|an|the|our|my|all|currently|always|done|now|very|so|getting|too|"
    r"hard|annoying|a mess)\b)|because\b|my (?:wife|husband|boss|colleague|colleagues|team|mother|father|"
    r"daughter|son|partner|office|kids|friend)\b|our (?:club|company|team|school|office|members|customers|"
    r"staff|secretary|treasurer|people)\b.*\b(?:is|are|has|have|do|does|use|uses)\b|there are (?:about|around|"
    r"currently|\d)|as an? [\w ]+$|for (?:my|our|the|a|use|us|me|\w+ people)\b[\w' ]*$|in (?:my|our|the|a) "
    r"[\w' ]+$|(?:nothing fancy|no rush|keep it simple|simple is fine))"
)
_QUALITY = re.compile(
    r"(?i)\b(?:easy|simple|simply|intuitive|user[- ]friendly|clean|modern|nice(?:r|ly)?|pretty|beautiful|fast|"
    r"quick|responsive|clear|tidy|stable|reliable|professional|good[- ]looking|self[- ]explanatory|lightweight|"
    r"not (?:too )?complicated|accessible|readable|neat|minimal\w*|big (?:buttons|letters|font)|well[- "
    r"]designed)\b"
)


@dataclass
class Clause:
    """One wish of the person."""

    source: str
    text: str
    """Correctly spelt."""
    said: Said
    headings: tuple[str, ...]
    record: RecordDraft
    """The record type it is most likely about."""
    named: bool
    """Whether the clause itself names that record type or one of its fields."""

    @property
    def low(self) -> str:
        return self.text.lower()


def split_clauses(text: str) -> list[str]:
    """Where one sentence asks for several things, each of them."""
    pieces: list[str] = []
    start = 0
    for match in _CUT.finditer(text):
        if (
            match.start() <= start
            or _inside(text, match.start())
            or _bound(text[start : match.start()], text[match.end() :])
        ):
            continue
        pieces.append(text[start : match.start()])
        start = match.end()
    pieces.append(text[start:])
    return [piece.strip(" ,.;!?") for piece in pieces if re.search(r"\w{2}", piece)]


def _inside(text: str, position: int) -> bool:
    before = text[:position]
    return before.count("(") > before.count(")") or before.count("[") > before.count("]") or before.count('"') % 2 == 1


def _bound(before: str, after: str) -> bool:
    """Whether a cut would tear a list of verbs apart: "add, edit and delete", "sort and filter by date"."""
    verb = (
        r"(?:add|create|enter|edit|change|update|delete|remove|view|see|list|show|search|find|filter|sort|read|"
        r"print|export|import|mark|check|save|store|browse|archive|manage|find)"
    )
    if re.search(
        rf"(?i)(?:^|\b(?:to|can|could|should|must|able to|want to|,|and|or|i|we)\s*){verb}(?:\s*,)?$", before.strip()
    ) and re.match(rf"(?i){verb}\b", after):
        return not re.search(r"(?i)(?:search|find|filter|sort|export|import|print)$", before.strip()) or bool(
            re.match(r"(?i)(?:search|filter|sort|find)\w*\s+(?:by|for|on)?\s*\w", after)
        )
    return False


def is_chatter(text: str) -> bool:
    """Whether nothing is asked for: a greeting, thanks, a filler."""
    return bool(_CHATTER.match(text)) or not re.search(r"[A-Za-z]{2}", text)


_REASON = re.compile(
    r"(?i)\s*,?\s*\b(?:so (?:that )?(?:i|we|they|he|she|you|people|everyone|nobody|no ?one|one|it)\b|in order "
    r"to\b|because\b|since (?:we|i|they|it)\b|otherwise\b|which is why\b).*$"
)


def reason_in(text: str) -> str:
    """The part of a clause that only tells why."""
    match = _REASON.search(text)
    return (
        match.group().strip(" ,")
        if match
        and not re.search(
            rf"(?i)\b{_START}",
            re.sub(r"(?i)\b(?:can|could|see|should|must|may|we can|i can|want|need)\b", "", match.group()),
        )
        else ""
    )


_HABIT = re.compile(
    r"(?i)^(?:(?:and|so|well|hi|hello|hey|also|but|because|since|as|right|now|currently|today|at the moment|"
    r"right now|until now|so far),? )*(?:we|i|they)(?:'re| are| am|'m| have| had| got|'ve| use| used| run| own|"
    r" were| was| lose| lost| forget| keep forgetting| currently| now| still| usually| live| sell| lend| rent| "
    r"teach| meet| love| like| hate| don't know| write)\b"
)


def is_habit(text: str) -> bool:
    """Whether the person tells what they do today: "We rent out bikes"."""
    return (
        bool(_HABIT.match(text))
        and "(" not in text
        and not re.search(
            r"(?i)\b(?:want|need|would like|must|should|to (?:be able|see|know|do|have)|can't|no longer)\b", text
        )
    )


def is_background(text: str) -> bool:
    """Whether it tells about the person's situation and asks for nothing."""
    if re.match(r"(?i)^(?:our|the|my) [\w ]+? (?:has|have|is|are|owns?) (?:about |around |some )?\d+\b", text):
        return True
    return bool(_BACKGROUND.match(text.strip()))


def is_quality(text: str) -> bool:
    """Whether it asks for a quality that no single test can decide."""
    return bool(_QUALITY.search(text))


def named_record(draft: Draft, text: str) -> RecordDraft | None:
    """The record type that a text names first."""
    best: tuple[int, int, RecordDraft] | None = None
    for one in draft.records:
        for name in {one.label, one.plural, *one.aliases}:
            match = re.search(rf"(?i)(?<![\w-]){re.escape(name)}(?:s|'s|s')?(?![\w-])", text)
            if match and (best is None or (match.start(), -len(name)) < best[:2]):
                best = (match.start(), -len(name), one)
    return best[2] if best else None


def record_with_field(draft: Draft, text: str) -> RecordDraft | None:
    """The record type most of whose fields a text mentions."""
    scores: list[tuple[int, int, RecordDraft]] = []
    for position, one in enumerate(draft.records):
        hits = 0
        for field in one.fields:
            names = {field.label.lower(), *field.aliases, field.name.replace("_", " ")} - {one.label.lower()}
            if field.type == "choice":
                names |= {choice.lower() for choice in field.value.choices}
            if any(
                len(name) > 2 and re.search(rf"(?i)(?<![\w-]){re.escape(name)}(?:s|es)?(?![\w-])", text)
                for name in names
            ):
                hits += 1
        if hits:
            scores.append((hits, -position, one))
    return max(scores, key=lambda score: score[:2])[2] if scores else None


def clauses_of(passage: Passage, text: str, draft: Draft, context: RecordDraft | None) -> list[Clause]:
    """The clauses of what a passage says beyond fields."""
    found = []
    soft = wish_of(passage) == "wish"
    pieces = split_clauses(re.sub(r"(?i),? (?:please|pls|thanks|thank you)\W*$", "", text))
    # "It would be nice to have a, b and c" and "a, b and c, but that is not important" soften all of it.
    everywhere = soft and (
        is_heading_wish(passage)
        or is_wish(passage.text[:40])
        or is_chatter(pieces[-1])
        or (is_wish(pieces[-1]) and len(pieces[-1].split()) <= 5)
    )
    before = ""
    for piece in pieces:
        verb = re.match(
            r"(?i)(.{2,40}?)\s+(?=(?:is|are|must|should|may|can|can't|cannot|has to|have to|needs to)\b)", piece
        )
        if before and re.match(r"(?i)(?:must|should|may|can|can't|cannot|has to|have to|needs to|is|are)\b", piece):
            piece = f"{before} {piece}"
        elif verb:
            before = verb[1]
        named = named_record(draft, piece)
        by_field = record_with_field(draft, piece)
        record = context or named or by_field or named_record(draft, text) or draft.main
        wish = soft and (len(pieces) == 1 or everywhere or is_wish(piece))
        source = (
            passage.source
            if len(pieces) == 1 and len(text) * 5 > len(passage.text) * 4
            else own_words(passage.source, piece)
        )
        found.append(
            Clause(source, piece, Said(words=source, wish=wish), passage.headings, record, bool(named or by_field))
        )
    return found


def own_words(source: str, piece: str) -> str:
    """The part of the person's own words that a correctly spelt piece of them stands for."""
    mine, theirs = piece.split(), source.split()
    matcher = SequenceMatcher(None, [_plain(word) for word in theirs], [_plain(word) for word in mine], autojunk=False)
    blocks = [block for block in matcher.get_matching_blocks() if block.size]
    if not blocks:
        return piece
    start = max(0, blocks[0].a - blocks[0].b)
    end = min(len(theirs), blocks[-1].a + blocks[-1].size + len(mine) - blocks[-1].b - blocks[-1].size)
    if not 0 < end - start <= len(mine) * 2 + 2:
        return piece
    return " ".join(theirs[start:end]).strip(" ,;")


def _plain(word: str) -> str:
    return re.sub(r"\W", "", word.lower())


def is_heading_wish(passage: Passage) -> bool:
    """Whether the heading above makes all below it a wish."""
    return not is_wish(passage.text) and wish_of(passage) == "wish"
