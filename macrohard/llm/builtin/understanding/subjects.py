"""What a text says it is about, before any details."""

import re

from macrohard.llm.builtin.understanding.domains import domain_of, domains_in
from macrohard.llm.builtin.understanding.nouns import kind_of
from macrohard.llm.builtin.understanding.words import is_plural, singular, vocabulary

APP = (
    r"(?:app|apps|application|tool|program|system|software|web ?site|web ?app|site|tracker|tracking|log ?book|"
    r"log|register|registry|"
    r"manager|management|database|planner|catalog(?:ue)?|directory|organi[sz]er|administration|journal|portal|"
    r"overview|solution|"
    r"platform|book ?keeping|keeper|list|lists|organi[sz]ation|service desk|records?|spreadsheet|sheet|thing|"
    r"thingy|page|file|files|card file|box|box file|collection|board|plan)"
)
DETERMINERS = (
    r"(?:(?:my|our|the|all|a|an|their|his|her|new|various|some|different|incoming|daily|personal|simple|small|"
    r"tiny|little|easy|basic|"
    r"nice|good|great|modern|big|few|of|own|family's|company's|these|those|any|every|each|many|several|online|"
    r"digital|web|minimal|"
    r"lightweight|private|shared|internal|custom|quick|following|kind of|sort of|type of|lot of|about|around|"
    r"exactly one|one of|one|which|what|"
    r"information about|information on|details of|details about|data about|data on|track of|upcoming|existing|"
    r"old|current|important|two|three|four|five|six|seven|eight|nine|ten|shared|\d+)\s+)*"
)
STOP = (
    r"(?:and|or|with|for|by|in|on|at|to|so|that|which|where|who|whose|from|including|because|when|if|is|are|"
    r"was|were|be|been|has|have|had|"
    r"we|i|it|its|they|them|of|off|about|per|via|using|can|can't|could|should|must|will|would|may|might|needs?|"
    r"wants?|as|like|e\.g|than|then|"
    r"also|plus|but|between|without|please|based|not|never|no|only|all|any|each|every|some|my|our|your|their|"
    r"his|her|the|an?|you|he|she|this|"
    r"these|those|there|here|just|really|very|max|min|do|does|don't|belongs?|gets?|how|us|me|him|them|gives?|"
    r"gave|makes?|goes|go|comes?|stays?|once|twice|daily|weekly|monthly|yearly|regularly)"
)
WORD = rf"(?!{STOP}(?!-)\b)[A-Za-z][\w'-]*"
NOUN = rf"(?P<np>{WORD}(?:\s+{WORD}){{0,3}})"
DOING = (
    r"(?:track|keep(?:ing)? track of|keep(?:ing)? (?:a |an )?(?:record|list|log|overview|register|eye|tabs|"
    r"note)s? (?:of|on)|keep(?:ing)?|manag(?:e|ing)|"
    r"record(?:ing|s)?|organi[sz](?:e|ing)|log(?:ging|s)?|register(?:ing)?|stor(?:e|ing)|sav(?:e|ing)|"
    r"collect(?:ing)?|handl(?:e|ing)|list(?:ing)?|"
    r"administer(?:ing)?|administrate|follow(?:ing)?(?: up(?: on)?)?|monitor(?:ing)?|not(?:e|ing)(?: down)?|"
    r"document(?:ing)?|plan(?:ning)?|"
    r"schedul(?:e|ing)|catalog(?:ue|uing|ing)?|maintain(?:ing)?|tracking|remember(?:ing)?|write down|writing "
    r"down|enter(?:ing)?|captur(?:e|ing)|see|"
    r"lend(?:ing)?(?: out)?|book(?:ing)?|rent(?:ing)?(?: out)?|sell(?:ing)?|add(?:ing)?|inventory|"
    r"count(?:ing)?|look after|overview (?:of|over)|control(?:ling)?|digiti[sz]e)"
)
_PLACES = (
    r"(?:workshop|office|reception|company|club|school|shop|practice|clinic|department|team|family|warehouse|"
    r"restaurant|hotel|gym|church|museum|farm|"
    r"garage|business|household|home|house|lab|laboratory|studio|store|cafe|bakery|community|village|town|city|"
    r"organi[sz]ation|association|"
    r"kindergarten|university|college|hospital|salon|firm|agency|band|choir|orchestra|theatre|theater|"
    r"neighbou?rhood|street|kitchen|garden|fleet|library|"
    r"startup|start-up|charity|parish|hostel|bar|pub|factory|site|campus|secretariat|secretary|boss|wife|"
    r"husband|kids|friends|us|me|mum|mom|dad|bookshop|bookstore|"
    r"meeting|it department|side project|sports "
    r"club|dance school|music school|driving school|allotment|allotments)"
)
_PEOPLE = (
    r"(?:members|volunteers|employees|staff|users?|people|colleagues|customers|clients|guests|students|team "
    r"members)"
)
CONTAINER = (
    r"(?:list|log|register|database|catalog(?:ue)?|collection|directory|overview|record|diary|inventory|archive|"
    r"table|tracker)"
)
_SUBJECTS: tuple[tuple[str, bool], ...] = (  # pattern, and whether an unknown singular noun may be the subject
    ((
        rf"(?i)^(?:app(?:lication)?|product|title|project|name of the app|system|software|program|"
        rf"tool)\s*[:=-]+\s*{DETERMINERS}{NOUN}"
    ), False),
    ((
        rf"(?i)\b{APP}\b.{{0,40}}?\b(?:to|for|that|which|where|can|could|should|must|lets|"
        rf"will)\b.{{0,30}}?\b{DOING}\s+(?:of\s+)?{DETERMINERS}{NOUN}"
    ), True),
    ((
        rf"(?i)\b{CONTAINER} (?:of|with) {DETERMINERS}{NOUN}"
    ), True),
    ((
        rf"(?i)(?:^|\b(?:a|an|my|our|the|need|want|make|build|create|simple|me|some|little|small|"
        rf"for)\s+){DETERMINERS}(?P<np>(?!{APP}\b){WORD}(?:[ -](?!{APP}\b){WORD}){{0,2}}?)[ -]{APP}\b"
    ), True),
    ((
        rf"(?i)\b(?:want|need|like|have|would like|help|must|try|trying|going|able|used|how|order|way|us|me|is|for|"
        rf"i|we|something)\s+(?:to )?(?:be able to )?{DOING}\s+(?:of\s+)?{DETERMINERS}{NOUN}"
    ), False),
    ((
        rf"(?i)\b(?:where|in which|with which|so that|which|that)\s+(?:\w+\s+){{1,2}}(?:can\s+|could\s+|"
        rf"should\s+)?(?:request|enter|book|register|report|submit|post|offer|rate|review|apply for|add|keep|share|"
        rf"see|find|order)\s+{DETERMINERS}{NOUN}"
    ), False),
    (rf"(?i)^(?:please |hi,? |hello,? |so )?{DOING}\s+(?:of\s+)?{DETERMINERS}{NOUN}", False),
    (rf"(?i)\b{APP}\b\s+(?:for|about|with|around|on)\s+{DETERMINERS}{NOUN}", False),
    (rf"(?i)^{DETERMINERS}{NOUN}\s*(?:[:.,(-]|$|\s(?:of|in|at|from|for)\s+(?:my|our|the|a)\b)", False),
)  # fmt: skip
_NO_SUBJECT = re.compile(
    r"(?i)^(?:app|application|tool|thing|things|thingy|something|stuff|everything|anything|it|them|that|this|"
    r"one|list|system|software|data|information|info|website|web|page|program|user|users|who|what|which|button|"
    r"new|simple|following|hi|hello|hey|hi so|dear|please|thanks|thank|good morning|make|build|create|i|we|you|"
    r"yes|no|ok|okay|so|and|also|records?|overview|search|filter|status|name|fields?|tables?|track|time|day|"
    r"way|lot|bit|kind|people|person|order(?=$)|"
    r"excel|paper|spreadsheet|computer|phone|details|same|before|yesterday|better|nicer|important|requirement|"
    r"requirements|project(?= description)|description|features?|work|here|there|let me|need|want|as an?|given|"
    r"when|then|if|my|our|the|table|"
    rf"clear|able|everyone|grip|idea(?= for)|title|notes?(?= to)|{_PLACES})$|.*(?<!-)\b(?:is|are|should|must|can|"
    rf"will|would|want|need|like|has|have|do|does|be)\b.*"
)
_COMMON = frozenset(
    vocabulary("""
    tool course courses order orders note notes check checks list class part parts service show shows mark marks
    table tables problem problems sale run runs build builds game office meeting question questions answer
    request requests group team teams house flat property found lost review reviews present presents goal goals
    word words step train offer offers number policy file files paper papers certificate certificates idea ideas
    time book key keys plan shift document documents track tracks
    """)
)


def subject_of(text: str) -> str | None:
    """What an opening sentence says the app is about."""
    text = text[:400]
    unknown = None
    for pattern, may_be_unknown in _SUBJECTS:
        for match in re.finditer(pattern, text):
            phrase = re.sub(rf"(?i)^{DETERMINERS}", "", match["np"].strip() + " ").strip(" -'")
            full = phrase.lower()
            if pattern in (_SUBJECTS[2][0], _SUBJECTS[7][0]) and _is_a_kind_of_list(
                text[: match.start()], match[0].split()[0]
            ):
                continue
            phrase = re.sub(rf"(?i)(?:[ -]{APP})+$", "", phrase)
            if domain_of(full) and full != phrase.lower() and domain_of(singular(phrase.lower())) is None:
                return full
            words = phrase.split()
            if (
                not words
                or _NO_SUBJECT.match(phrase)
                or (
                    re.search(rf"(?i)\bfor\s+{DETERMINERS}{re.escape(phrase)}\b", text)
                    and re.fullmatch(rf"(?i)(?:\w+ )?(?:{_PLACES}|{_PEOPLE})", phrase)
                )
            ):
                continue
            if (
                len(words) <= 3
                and domain_of(singular(phrase.lower()))
                and not (len(words) == 1 and full in _COMMON and pattern is _SUBJECTS[-1][0])
            ):
                return phrase
            if (
                unknown is None
                and len(words) <= 3
                and _names_things(words, may_be_unknown=may_be_unknown, of_what=pattern is _SUBJECTS[3][0])
            ):
                unknown = phrase
    nearby = [
        phrase
        for _, phrase in domains_in(text)
        if (
            phrase not in _COMMON
            and not re.search(rf"(?i)\b(?:for|of|in|at|my|our)\s+{DETERMINERS}{re.escape(phrase)}\b", text)
        )
        or is_plural(phrase.split()[-1])
    ]
    nearby = [phrase for phrase in nearby if phrase not in _COMMON and not re.fullmatch(rf"(?i){_PLACES}", phrase)]
    if nearby and (unknown is None or len(text) < 80):
        return nearby[0]
    return unknown


def _is_a_kind_of_list(before: str, container: str) -> bool:
    """Whether a list is one of something known, such as a to-do list: what it is "with" is in its entries."""
    words = before.split()[-2:]
    return any(domain_of(" ".join([*words[n:], container]).lower()) is not None for n in range(len(words)))


def _names_things(words: list[str], *, may_be_unknown: bool, of_what: bool) -> bool:
    """Whether an unknown noun reads like what is recorded."""
    if of_what:
        return len(words) <= 2 and (len(words) > 1 or not kind_of(words[0].lower()).known)
    return may_be_unknown or is_plural(words[-1])
