"""What tells declarations of records and fields from rules and wishes."""

import re

from macrohard.llm.builtin.understanding.domains import domain_of
from macrohard.llm.builtin.understanding.fields import field_list, looks_like_fields, split_list
from macrohard.llm.builtin.understanding.nouns import kind_of
from macrohard.llm.builtin.understanding.offering import clauses_of_values
from macrohard.llm.builtin.understanding.subjects import APP, CONTAINER, DETERMINERS, DOING, NOUN
from macrohard.llm.builtin.understanding.text import Passage
from macrohard.llm.builtin.understanding.words import is_plural, singular

PICTURES = re.compile(
    r"(?:.* )?(?:photos?|pictures?|images?|avatar|logo|scans?|attachments?|pdfs?|uploaded files?|files?|"
    r"signature|video|audio recording|screenshot)s?"
)


FIELDS_WORD = r"(?:fields?|columns?|attributes?|properties|details|data|information|values|entries)"


NOT_RECORDS = re.compile(
    r"(?i)^(?:(?:also|additionally|further|besides) \w+|(?:the |main |key |additional |other |more |business |"
    r"some |my )?(?:fields?|tables?|entit(?:y|"
    r"ies)|records?|data(?: model| fields)?|rules?|business rules|validations?|constraints?|views?|screens?|"
    r"pages?|lists?|features?|functions?|functionality|"
    r"requirements?|reports?|reporting|imports?|exports?|must(?:[- ]haves?)?|should(?:[- ]haves?)?|could(?:[- "
    r"]haves?)?|nice[- ]to[- ]haves?|optional|later|users?|roles?|notes?|actions?|workflow|states?|search|"
    r"filters?|sort(?:ing)?|apps?|title|"
    r"goal|purpose|overview|background|description|summary|user stor(?:y|ies)|acceptance criteria|totals?|"
    r"statistics|columns?|attributes?|properties|objects?|things?|bonus|example|examples|important|note|please|"
    r"it|they|we|i|you|this|that|there|what i need|what we need|here|also|todo|what|how|why|who|when|where|"
    r"problem|context|context is|sorting|printing|access|permissions|security|constraints?|behaviou?rs?|"
    r"details?|info(?:rmation)?|"
    r"e\.g|i\.e|ps|p\.s|hint|remark|question|questions|actors?|scope|out of scope|technical|non-functional|"
    r"language|design|look|layout|ui|style|use cases?|logic|extras?|basics?|dashboard|home ?page|start page|"
    r"menu|first|second|third|then|finally|one|two|three|mvp|need(?:ed|s)?|want(?:ed|s)?|i want|i need|we need|"
    r"we want|per \w+|for each \w+|every \w+|choices?|options?|values?|sort order|default|defaults|calculated|"
    r"computed|wishes|wish list for later)(?: i need| we need| are| is)?|.*\b(?:can|must|should|shall|will|i|"
    r"we|want|need)\b.*)$"
)


def balanced(text: str) -> bool:
    """Whether no bracket closes before it opens."""
    depth = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if depth < 0:
            return False
    return True


def without_verb(phrase: str) -> str:
    """ "store tasks" → tasks, "list of plants" → plants."""
    phrase = re.sub(rf"(?i)^{CONTAINER} of {DETERMINERS}(?=\w)", "", phrase)
    match = re.match(
        (
            r"(?i)(?:(?:to|can|must|should|i|we|want|need)\s+)*(?:store|register|manage|track|enter|keep|add|"
            r"create|list|see|show|save|collect|organi[sz]e|maintain|record|log|lend|sell|rent|handle)(?:\s+(?:out|"
            r"my|our|the|all|new))*\s+(?=\w)"
        ),
        phrase,
    )
    rest = phrase[match.end() :] if match else phrase
    return (
        rest
        if match
        and (is_plural(rest.split()[-1]) or (domain_of(singular(rest.lower())) and domain_of(phrase.lower()) is None))
        else phrase
    )


def bare_title(heading: str) -> str:
    """The noun of a heading: "2. Table: Customers" → Customers, "Each book has" → book."""
    title = re.sub(
        (
            rf"(?i)^(?:\d+[.)]\s*)?(?:entity|table|record(?: type)?|class|form|object)s?\s*[:-]?\s+(?=\w)|"
            rf"\s*(?:table|entity|record|{FIELDS_WORD})$"
        ),
        "",
        heading,
    ).strip(" :*")
    title = re.sub(r"(?i)\s*\(.*\)$", "", title)
    return re.sub(
        (
            r"(?i)^(?:each|every|an?|the|for each|for every|for an?|per|of each|of an?) |(?:'s)?\s+(?:has|have|"
            r"needs|with|contains|consists of|should have|must have|(?:(?:i|we) (?:want|need) )?(?:to )?(?:store|"
            r"record|save|keep|track))(?: (?:the )?(?:following|these)(?: fields?| details)?)?$"
        ),
        "", title,
    ).strip()  # fmt: skip


_LIST = r"(?P<list>.+)$"


_HAVE = (
    r"(?:has|have|having|need|needs|contains?|consists? of|includes?|including|comes? with|gets?|stores?|with|"
    r"carries|is described by|should have|must have|needs to have|will have|should contain|should store|keeps?|"
    r"showing|holds?)"
)


DECLARATIONS = (
    rf"(?i)\b(?:for|per|of) (?:each|every|an?|one) {NOUN}\s*:\s*(?P<sure>){_LIST}",
    (
        rf"(?i)^(?:and )?(?:an?|each|every|one) {NOUN} (?:per|for each|for every|for an?|of an?) (?P<parents>[\w "
        rf"]+?) with (?P<sure>)(?:the |an? )?{_LIST}"
    ),
    (
        rf"(?i)\b(?:something|app|tool|list|thing|thingy|place) (?:to|for|where (?:i|we) (?:can )?)\s*(?:remember|"
        rf"know|see|note|track|record|write down|keep track of)(?:ing)?\s+(?=who|when|what|where|which|how|if|"
        rf"whether){_LIST}"
    ),
    (
        rf"(?i)\b(?:for|per|about|of) (?:each|every|all(?: the| my| our)?|an?|one) {NOUN},?\s+(?:(?:i|we|you|it|"
        rf"they|the app|the system|he|she|people|users?)\s+)?(?:(?:also|would|will|just|really|"
        rf"only)\s+)*(?:(?:want|need|like|have|should|must|can|wish)\s+)?(?:(?:to|be able to)\s+)?(?:know|store|"
        rf"save|record|note(?: down)?|enter|see|keep(?: track of)?|track|write down|have|fill in|log|register|"
        rf"remember|hold|capture|add|there (?:is|are|should be)|the)(?:\s+down)?:?\s+(?P<sure>){_LIST}"
    ),
    (
        rf"(?i)\b{DOING}\s+{DETERMINERS}{NOUN},?\s*(?::|\s-\s|\bwith\b|\bincluding\b|\band (?:their|its|the|his|"
        rf"her)\b|\bby\b(?= name)|\(|,? i\.e\.|\bplus (?:their|its|the)\b|,? (?:their|"
        rf"its)\b)\s*(?P<sure>)(?:(?:their|the|its|these fields:?|the following(?: fields| information| details| "
        rf"data)?:?|fields?:?)\s+)*{_LIST}"
    ),
    (
        rf"(?i)^(?:and |also |then |so )?(?:each|every|an?|the|all|one) {NOUN}\s+(?:also |always |just |only |"
        rf"simply )?{_HAVE}\s*:?\s+(?:the following:? |these:? |fields:? )?{_LIST}"
    ),
    rf"(?i)^{NOUN}\s+(?:have|has|contain|need|consist of|with|should have|must have|should contain)\s*:?\s+{_LIST}",
    (
        rf"(?i)\b{FIELDS_WORD}\s*(?:are|is|needed|required|i need|we need|should be|:|-|=|include|to (?:store|keep|"
        rf"record|save))+:?\s+(?P<sure>){_LIST}"
    ),
    (
        rf"(?i)\b(?:i|we|you|they|people|users?|it|app|one|who|staff|\w+s)\s+(?:(?:also|really|just|only|mainly|"
        rf"basically|would)\s+)*(?:want|need|like|have|should|must|can|wish|will)?\s*(?:to|be able to)?\s*(?:also "
        rf")?(?:store|save|record|note(?: down)?|enter|keep(?: track of)?|track|write down|fill in|log|register|"
        rf"remember|capture|know|need|type in|put in)\s+(?:down\s+)?(?:for (?:each|every) \w+\s+)?(?:the |their |"
        rf"its |his |her |stuff like |things like |some |only |just |at least |down )*{_LIST}"
    ),
    (
        rf"(?i)^(?:please )?(?:store|save|record|note(?: down)?|enter|keep(?: track of)?|track|capture|"
        rf"log)\s+(?:the |their |its |also |for (?:each|every) \w+:? )*{_LIST}"
    ),
    rf"(?i)\b(?:with|including|and its|and their|showing)\s+(?:the |their |its |fields?:? )*{_LIST}",
)


def looks_like_record(inner: str, headings: tuple[str, ...]) -> bool:
    """Whether what stands in brackets after a name are fields and not the values of a choice."""
    if looks_like_fields(inner):
        return True
    return any(re.search(r"table|entit|record|data|model|schema|type|object", h) for h in headings)


def is_record_line(name: str, rest: str, passage: Passage) -> bool:
    """Whether "name: rest" names a record type and its fields."""
    bare = bare_name(name)
    if (
        not bare
        or len(bare.split()) > 3
        or NOT_RECORDS.match(bare)
        or not looks_like_fields(rest)
        or len(field_list(rest)) < 2
    ):
        return False
    if any(
        re.search(r"rule|view|feature|search|filter|validation|import|export|report", h) for h in passage.headings[-1:]
    ):
        return False
    if any(
        re.search(r"^(?:entities|tables|records|objects|data model|record types|data types)$", h)
        for h in passage.headings[-1:]
    ):
        return True
    if kind_of(bare.lower()).type in ("choice", "yes/no") and not is_plural(bare.split()[-1]):
        return False
    if domain_of(singular(bare.lower())):
        return not (passage.bullet and kind_of(bare.lower()).known and not is_plural(bare.split()[-1]))
    if re.search(rf"(?i)\b{APP}\b", bare):
        return False
    strong = sum(1 for item in field_list(rest) if kind_of(item.name.lower()).known)
    return strong >= 2 and (is_plural(bare.split()[-1]) or not kind_of(bare.lower()).known)


RULE_SECTION = re.compile(
    r"(?i)\b(?:rules?|views?|features?|functions?|functionality|validations?|constraints?|screens?|pages?|"
    r"search|filters?|sort\w*|actions?|workflow|reports?|reporting|import|export|totals?|statistics|lists|"
    r"permissions|logic|behaviou?r|"
    r"(?:should|must|can|to) (?:do|be able)|able to|wishes|^(?:i|we) (?:want|need|would like)(?: to)?(?: be "
    r"able to)?$|what i want to (?:do|see)|what it (?:does|should|must|can)|i want to be able|requirements)\b"
)


RULE = re.compile(
    r"(?i)^(?:R|V|F|BR|FR|REQ)-?\d+\b|\b(?:at a time|at the same time|twice|double|overlap\w*|at most (?:one|"
    r"\w+ open|\d+ \w+ per)|max(?:imum)?\.? (?:of )?\d+ (?:open |active )?(?!char|letter|digit|star|%|kg|euro|"
    r"minutes|hours)[a-z]+ (?:per|for each|at)|no more than \w+ \w+ (?:per|for each)|"
    r"ignore|(?:only )?once (?:per|for|a)|search\w*|filter\w*|sort(?:ed)? by|sortable|highlight\w*|export\w*|"
    r"import(?:s|ed|ing)?|print(?:able|ed|ing|s|out)?|overdue|remind\w*|notif\w*|log ?in|login)\b|"
    r"\b(?:can't|(?:can|may|must|should)(?:not|n't| not)) (?!be (?:empty|blank|in the|negative|longer|more|"
    r"less|left|below|before|after|null|missing))|\bis (?:only )?(?:possible|allowed)|\b(?:show|shows|(?<!on "
    r")display|"
    r"list|see|view|find|mark|tick|calculate|compute|warn|delete|edit|remove|check (?:in|out))\b|"
    r"^[\w -]{2,30} (?:can be|is either|are either|is one of|must be one of|could be|may be) [\w -]+(?:,[\w "
    r"-]+)* or [\w -]+\W*$|\b(?:should|must|can|could|to|is|are) be (?:shown|displayed|visible|calculated|"
    r"computed|highlighted|sorted|sortable|searchable|filtered|printed|printable|exported|counted|marked|"
    r"listed)\b|^(?:an? |the )?(?:overview|list|report|summary) of\b|^(?:the )?(?:totals?|sums?|average|count|"
    r"number of [\w ]+?|how many)\b.*\b(?:per|by|of (?:all|"
    r"the|everything)|for (?:each|every)|each|in stock)\b|\bmust be (?:after|before|later|earlier)|>=|"
    r"<=.*[a-z]_?date|\b(?:belongs?|assigned|assignable) to\b"
)


def is_rule(passage: Passage) -> bool:
    """Whether a passage reads like a rule or a function rather than like fields."""
    text = passage.text
    if (
        passage.headings
        and RULE_SECTION.search(passage.headings[-1])
        and not re.search(r"(?i)\b(?:fields?|data|has|have)\b", passage.headings[-1])
    ):
        return True
    cut = end_of_list(text)
    body = re.sub(r"^[^:]{1,140}:\s", "", text[:cut])
    several = len(split_list(body)) >= 2
    match = RULE.search(text[:cut])
    if match is None:
        # "A badge can be used by only one visitor" is no field "badge".
        states = re.match(
            (
                r"(?i)^(?:the |an? |each |every |all |any )?[\w' -]{2,40}? (?:can|may|must|should|has to|have to|"
                r"is|are|will|needs? to|cannot|can't)\b(?! (?:be )?(?:have|contain|include|following))"
            ),
            text,
        )
        if re.match(r"(?i)^(?:who|which|what|where|when|how many|how much)\b.*\?$", text) or re.match(
            r"(?i)^sum of\b", text
        ):
            return True
        if (
            re.search(r"(?i)=\s*(?:the )?(?:sum|total|number|count|difference)\b|=\s*[\w ]+\s[x*/+-]\s+[a-z]", text)
            and not several
        ):
            return True
        per = re.match(
            r"(?i)^(?:the |all |list of )*([a-z][\w ]*?) (?:per|by|for each|of each|of every) [\w ]+\W*$", text
        )
        if per and is_plural(per[1].split()[-1]) and domain_of(singular(per[1].lower())):
            return True
        workflow = re.match(r"(?i)^(?:work ?flow|process|life ?cycle|states|stages|reports?)\s*:", text)
        return bool(workflow) or (not several and bool(states) and not re.match(r"^[^:]{1,140}:\s", text))
    short = passage.bullet and len(text.split()) <= 3
    return not (match.start() > 0 and (several or short) and looks_like_fields(body)) and not (
        several and re.match(r"^[^:]{1,140}:\s", text) and looks_like_fields(body)
    )


def domain_is_record(phrase: str) -> bool:
    """Whether a phrase is the plural of a usual record type."""
    return is_plural(phrase.split()[-1]) and domain_of(singular(phrase.lower())) is not None


_WHAT_IT_MAY_BE = (
    r"(?:very |quite |both |also )?(?:long|empty|left|blank|null|missing|negative|positive|zero|below|under|less|"
    r"more|at most|at least|up to|from|between)\b"
)
_LIST_ENDS = re.compile(
    r"(?i)(?:,|;|\s-)?\s+(?:(?:and|but|also|then|plus|so|&|\+)\s+)*(?=(?:so (?:that|i|we)\b|because\b|(?:i|we|"
    r"you|users?) (?:want|need|would|must|should|can|also|like)\b|it (?:should|must|needs)\b|"
    r"show (?!date)|search\b|find\b|filter\b|sort(?:ed)?\b|list (?!price)|print\b|export\b|import\b|"
    r"highlight\b|mark (?:as|them|it|when)|warn\b|remind\b|send\b|be able to|should be able|"
    rf"(?:which|that) can\b(?! be {_WHAT_IT_MAY_BE}| (?:go|drop|fall)\b)|no double|no "
    r"duplicate|where (?:i|we)\b|when (?:i|we|it|a|the)\b.*\b(?:is|are|should|must)\b|"
    rf"can(?:not|'t)? be\b(?! {_WHAT_IT_MAY_BE})|they can\b|it can\b|must "
    r"be able|with (?:a )?(?:search|filter|sort|export|list)|and then\b|calculate\b|total\b(?= (?:per|by|of))|"
    r"sum\b(?= (?:per|by|of))|count\b(?= (?:per|by|of))|overview of|thanks|thank you|please\b))|"
    r"(?<!\bno)[.!?](?:\s|$)"
)


def end_of_list(text: str) -> int:
    """Where a list of fields ends and another wish begins: ", search by …", ", show …", ". ", " so that"."""
    values = [match.span() for match in clauses_of_values(text)]
    for match in _LIST_ENDS.finditer(text):
        if any(start <= match.start() < end for start, end in values):
            continue
        before = text[: match.start()]
        if before.count("(") <= before.count(")") and before.count("[") <= before.count("]"):
            return match.start()
    return len(text)


def bare_name(name: str) -> str:
    """A name without what stands around it: "every payment too" → payment, "products are" → products."""
    bare = re.sub(rf"(?i)^{DETERMINERS}", "", name + " ").strip()
    return re.sub(r"(?i)\s+(?:too|as well|also|are|is|has|have|like this)$", "", bare)
