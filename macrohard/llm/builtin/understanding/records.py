"""Which record types the person means, and their fields."""

import re

from macrohard.llm.builtin.understanding.constraints import constrain
from macrohard.llm.builtin.understanding.domains import Domain, domain_of, domains_in
from macrohard.llm.builtin.understanding.draft import Draft, FieldDraft, RecordDraft, Said, new_record
from macrohard.llm.builtin.understanding.fields import (
    Item,
    field_list,
    is_kept_anyway,
    looks_like_fields,
    make_field,
    parse_item,
    split_list,
)
from macrohard.llm.builtin.understanding.nouns import kind_of
from macrohard.llm.builtin.understanding.text import Passage, wish_of
from macrohard.llm.builtin.understanding.words import identifier, is_plural, label, singular

MOST_RECORDS = 6
_APP = (
    r"(?:app|apps|application|tool|program|system|software|web ?site|web ?app|site|tracker|tracking|log ?book|log|register|registry|manager|management|"
    r"database|planner|catalog(?:ue)?|directory|organi[sz]er|administration|journal|portal|overview|solution|platform|book ?keeping|keeper|list|lists|organi[sz]ation|service desk|records?|spreadsheet|sheet|thing|page)"
)
_DETERMINERS = (
    r"(?:(?:my|our|the|all|a|an|their|his|her|new|various|some|different|incoming|daily|personal|simple|small|tiny|little|easy|basic|nice|good|great|modern|big|few|of|"
    r"own|family's|company's|these|those|any|every|each|many|several|online|digital|web|minimal|lightweight|private|shared|internal|custom|quick|following|kind of|sort of|type of|lot of|about|around|\d+|"
    r"information about|information on|details of|details about|data about|data on|track of)\s+)*"
)
_STOP = (
    r"(?:and|or|with|for|by|in|on|at|to|so|that|which|where|who|whose|from|including|because|when|if|is|are|was|were|be|been|has|have|had|we|i|it|its|they|them|of|off|about|per|via|using|can|can't|could|should|must|will|would|may|might|"
    r"needs?|wants?|as|like|e\.g|than|then|also|plus|but|between|without|please|based|not|never|no|only|all|any|each|every|some|my|our|your|their|his|her|the|an?|you|he|she|this|these|those|there|here|just|really|very|max|min|do|does|don't)"
)
_WORD = rf"(?!{_STOP}\b)[A-Za-z][\w'-]*"
_NOUN = rf"(?P<np>{_WORD}(?:\s+{_WORD}){{0,3}})"
_DOING = (
    r"(?:track|keep(?:ing)? track of|keep(?:ing)? (?:a |an )?(?:record|list|log|overview|register|eye|tabs|note)s? (?:of|on)|keep(?:ing)?|manag(?:e|ing)|record(?:ing)?|organi[sz](?:e|ing)|log(?:ging)?|register(?:ing)?|"
    r"stor(?:e|ing)|sav(?:e|ing)|collect(?:ing)?|handl(?:e|ing)|list(?:ing)?|administer(?:ing)?|administrate|follow(?:ing)?(?: up(?: on)?)?|monitor(?:ing)?|not(?:e|ing)(?: down)?|document(?:ing)?|plan(?:ning)?|schedul(?:e|ing)|catalog(?:ue|uing|ing)?|"
    r"maintain(?:ing)?|tracking|remember(?:ing)?|write down|writing down|enter(?:ing)?|captur(?:e|ing)|see|lend(?:ing)?(?: out)?|book(?:ing)?|rent(?:ing)?(?: out)?|sell(?:ing)?|add(?:ing)?|inventory|count(?:ing)?|look after|overview (?:of|over)|control(?:ling)?)"
)
_FIELDS_WORD = r"(?:fields?|columns?|attributes?|properties|details|data|information|values|entries)"
_NOT_RECORDS = re.compile(
    r"(?i)^(?:(?:the |main |key |additional |other |more |business |some |my )?(?:fields?|tables?|entit(?:y|ies)|records?|data(?: model| fields)?|rules?|business rules|validations?|constraints?|views?|screens?|pages?|lists?|features?|functions?|functionality|"
    r"requirements?|reports?|reporting|imports?|exports?|must(?:[- ]haves?)?|should(?:[- ]haves?)?|could(?:[- ]haves?)?|nice[- ]to[- ]haves?|optional|later|users?|roles?|notes?|actions?|workflow|states?|search|filters?|sort(?:ing)?|apps?|title|"
    r"goal|purpose|overview|background|description|summary|user stor(?:y|ies)|acceptance criteria|totals?|statistics|columns?|attributes?|properties|objects?|things?|bonus|example|examples|important|note|please|"
    r"it|they|we|i|you|this|that|there|what i need|what we need|here|also|todo|what|how|why|who|when|where|problem|context|context is|sorting|printing|access|permissions|security|constraints?|behaviou?rs?|details?|info(?:rmation)?|"
    r"e\.g|i\.e|ps|p\.s|hint|remark|question|questions|actors?|scope|out of scope|technical|non-functional|language|design|look|layout|ui|style|use cases?|logic|extras?|basics?|dashboard|home ?page|start page|menu|first|second|third|then|finally|one|two|three|mvp|need(?:ed|s)?|want(?:ed|s)?|i want|i need|we need|we want|per \w+|for each \w+|every \w+)(?: i need| we need| are| is)?|.*\b(?:can|must|should|shall|will|i|we|want|need)\b.*)$"
)
_PARENTS: dict[str, tuple[str, ...]] = {
    "Loan": ("Book", "Item", "Device", "Asset", "Movie", "Game", "Album", "Bike", "Vehicle", "Key", "Member", "Student", "Customer", "Employee", "Contact"),
    "Rental": ("Bike", "Boat", "Vehicle", "Device", "House", "Movie", "Item", "Customer", "Tenant", "Member"),
    "Booking": ("Room", "Table", "House", "Vehicle", "Boat", "Device", "Course", "Event", "Customer", "Guest", "Member", "Trip"),
    "Appointment": ("Patient", "Doctor", "Customer", "Pet", "Contact", "Employee", "Treatment"),
    "Treatment": ("Patient", "Pet", "Customer", "Doctor"), "Prescription": ("Patient", "Doctor"),
    "Service": ("Vehicle", "Device", "Asset", "Bike", "Boat", "Customer"),
    "Task": ("Project", "Employee"), "Milestone": ("Project",), "Time entry": ("Project", "Employee", "Customer", "Task"),
    "Registration": ("Event", "Course", "Student", "Member"), "Grade": ("Student", "Course"), "Course": ("Teacher",),
    "Movement": ("Item", "Product"), "Invoice": ("Customer",), "Payment": ("Invoice", "Member", "Tenant", "Customer"), "Quote": ("Customer",),
    "Order": ("Customer", "Supplier"), "Order line": ("Order", "Product"), "Purchase": ("Supplier", "Product"), "Sale": ("Product", "Customer"),
    "Measurement": ("Patient", "Device", "Plant"), "Shift": ("Volunteer", "Employee"), "Ticket": ("Customer", "Employee", "Asset", "Device", "Project"),
    "Absence": ("Employee",), "Inspection": ("Beehive", "Vehicle", "Device", "House", "Asset"), "Player": ("Team",), "Donation": ("Donor",),
    "Pet": ("Customer",), "Product": ("Supplier",), "Complaint": ("Customer",), "Feedback": ("Customer", "Course", "Event", "Product"),
    "Applicant": (), "Tenant": ("House",), "Observation": (), "Visit": ("Customer", "Patient"), "Event": (), "Lead": (), "Contact": (),
    "Song": ("Album",), "Workout": (), "Meal": (), "Horse": (), "Child": (), "Expense": ("Project", "Employee"),
}  # fmt: skip


class Records:
    """Finds record types and fields passage by passage; what it used up is left out of what comes after."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.by_label: dict[str, Domain] = {}
        self.handled: set[int] = set()
        """Ids of passages that said nothing else."""
        self.rest: dict[int, str] = {}
        """What else a passage said, by its id."""
        self.subject: tuple[str, Said] | None = None
        self.opening: Passage | None = None
        """The passage that says what the app is about."""

    # -- record types ------------------------------------------------------------------------------------------------

    def find(self, phrase: str) -> RecordDraft | None:
        """The record type a phrase means, if there is one."""
        key = singular(phrase.lower().replace("_", " ").strip())
        for one in self.draft.records:
            if key in one.aliases or key == one.label.lower() or identifier(key) == one.name:
                return one
        return None

    def ensure(self, phrase: str, said: Said) -> RecordDraft | None:
        """The record type of that name, made if there is room for it."""
        phrase = (
            re.sub(rf"(?i)^{_DETERMINERS}", "", phrase.strip() + " ").strip()
            if phrase.strip().lower() not in ("thing", "things")
            else phrase
        )
        if not phrase:
            return None
        if there := self.find(phrase):
            if not there.said.words:
                there.said = said
            return there
        if len(self.draft.records) >= MOST_RECORDS:
            self.draft.leave_uncovered(f"More than {MOST_RECORDS} types of records: {phrase}.", said)
            return None
        one = new_record(phrase, said)
        if domain := domain_of(singular(phrase.lower())):
            if domain.is_name(singular(phrase.lower())):
                self.by_label[one.label] = domain
            else:
                one = new_record(domain.label, said)
                if there := self.find(domain.label):
                    return there
                one.aliases.add(singular(phrase.lower()))
                self.by_label[one.label] = domain
        self.draft.records.append(one)
        return one

    def current(self, passage: Passage) -> RecordDraft | None:
        """The record type whose section a passage stands in."""
        for heading in reversed(passage.headings):
            bare = re.sub(
                rf"(?i)\b(?:{_FIELDS_WORD}|table|entity|record|list|has|have|with|contains|of|for|an?|the|each|every|type)\b|\d+[.)]",
                " ",
                heading,
            )
            bare = re.sub(r"\(.*?\)|[:*_]", " ", bare)
            if bare.strip() and (found := self.find(" ".join(bare.split()))):
                return found
        return None

    # -- fields ------------------------------------------------------------------------------------------------------

    def add_items(self, record: RecordDraft, items: list[Item], passage: Passage) -> None:
        """Make fields of items; what is said about them and not understood is reported."""
        wish = wish_of(passage) == "wish"
        for item in items:
            if is_kept_anyway(item):
                self.draft.assume(
                    f"The “{item.name}” of {record.plural.lower()} is kept by the product itself and not shown in forms."
                )
                continue
            said = Said(words=item.source or passage.source, wish=wish)
            one, left = make_field(item, said)
            if not one.name or one.label.lower() in ("etc", "and"):
                continue
            if item.target:
                one.said["reference"] = Said(words=item.target)  # type: ignore[index]
                one.aliases.add(singular(item.target.lower().replace("_", " ")))
            one = record.add(one)
            if left:
                self.leftover(one, left, item, said)

    def leftover(self, one: FieldDraft, left: str, item: Item, said: Said) -> None:
        """What is in brackets and is no property is a remark: another name, or an example."""
        for part in left.split(";"):
            part = part.strip(" ,.:-()[]")
            if not re.search(r"[A-Za-z]{2}", part) or re.fullmatch(
                r"(?i)(?:must be|is|are|the|a|and|or|field|value|values|only|number|text|valid|e\.g\.?|i\.e\.?|so i can .*|so that .*|because .*|for .*|from .*|can|may|which|that|must|should|with|in|of|to|be|has|to be|please|as|it|when .*|list|dropdown|etc\.?|it's|normally|usually|mostly)",
                part,
            ):
                continue
            if len(part.split()) <= 3 and not re.search(r"\d", part):
                one.aliases.add(singular(part.lower()))
                self.draft.assume(f"“{part}” after “{one.label}” is taken as an explanation of what to enter there.")
            else:
                self.draft.leave_uncovered(f"Not understood: “{part}” about {one.label}.", said)

    # -- declarations ------------------------------------------------------------------------------------------------

    def declare(self, passages: list[Passage]) -> None:
        """Read every passage for record types and fields."""
        self._subject(passages)
        for passage in passages:
            self._declare_record(passage)
        if self.subject and not self._is_container(self.subject[0]):
            self.ensure(*self.subject)
        for passage in passages:
            if id(passage) not in self.handled:
                self._declare_fields(passage)

    def _is_container(self, phrase: str) -> bool:
        return (
            bool(self.draft.records)
            and domain_of(singular(phrase.lower())) is None
            and any(r.said.words for r in self.draft.records)
        )

    def _subject(self, passages: list[Passage]) -> None:
        for passage in passages[:12]:
            if wish_of(passage) == "unwanted":
                continue
            titled = re.match(
                rf"(?i)^(?:{_APP}|product|title|project|name)\s*(?:name)?\s*[:=-]+\s*(?P<t>.+)$", passage.text
            )
            if titled and not self.draft.title and not looks_like_fields(titled["t"]):
                self.draft.title = label(titled["t"].strip(" ."))[:80]
                self.handled.add(id(passage))
            if subject := subject_of(passage.text):
                self.subject, self.opening = (subject, Said(words=passage.source)), passage
                return

    def _declare_record(self, passage: Passage) -> None:
        text = passage.text.strip()
        said = Said(words=passage.source)
        spec = re.match(
            r"(?i)^(?:entity|table|record|class|type|model|\d+[.)])?\s*([A-Za-z][\w ]{1,30}?)\s*[(\[{](.+)[)\]}]\s*\.?$",
            text,
        )
        if (
            spec
            and len(split_list(spec[2])) >= 2
            and len(spec[1].split()) <= 3
            and not _NOT_RECORDS.match(spec[1])
            and kind_of(spec[1].lower()).type not in ("choice", "yes/no")
        ):
            items = field_list(spec[2])
            if len(items) >= 2 and looks_like_record(spec[2], passage.headings):
                if record := self.ensure(spec[1], said):
                    self.add_items(record, items, passage)
                self.handled.add(id(passage))
                return
        if passage.heading and passage.children:
            title = re.sub(
                rf"(?i)^(?:\d+[.)]\s*)?(?:entity|table|record(?: type)?|class|form|object)s?\s*[:-]?\s+(?=\w)|\s*(?:table|entity|record|{_FIELDS_WORD})$",
                "",
                passage.text,
            ).strip(" :*")
            title = re.sub(r"(?i)\s*\(.*\)$", "", title)
            title = re.sub(
                r"(?i)^(?:each|every|an?|the|for each|for every|per) |(?:'s)?\s+(?:has|have|needs|with|contains|consists of|should have|must have|i want to (?:store|record|save|keep|track))(?: (?:the )?(?:following|these)(?: fields?)?)?$",
                "",
                title,
            ).strip()
            if 0 < len(title.split()) <= 3 and not _NOT_RECORDS.match(title) and self._children_are_fields(passage):
                self.ensure(title, said)
            elif re.fullmatch(
                r"(?i)(?:tables|entities|records|data(?: model)?|objects|things(?: to (?:track|keep))?|record types|data types)",
                passage.text.strip(),
            ) and not self._children_are_fields(passage):
                for child in passage.children:
                    head = re.match(r"^([A-Za-z][\w ]{1,30}?)\s*(?:[:(\[-]|$)", child.text)
                    if head and len(head[1].split()) <= 3:
                        self.ensure(head[1], Said(words=child.source))
            return
        if (
            passage.bullet
            and passage.children
            and len(text.split()) <= 3
            and not _NOT_RECORDS.match(text)
            and self._children_are_fields(passage)
        ):
            self.ensure(text.strip(" :"), said)
            self.handled.add(id(passage))
            return
        if line := re.match(
            r"^(?:(?:an?|each|every|the|one|per)\s+)?([A-Za-z][\w ]{1,40}?)\s*(?::|\s-+>?\s|=)\s*(.+)$",
            text,
            re.IGNORECASE,
        ):
            name, rest = line[1].strip(), line[2]
            if is_record_line(name, rest, passage):
                items = field_list(rest)
                listed_records = [
                    item
                    for item in items
                    if domain_of(singular(item.name.lower())) and is_plural(item.name.split()[-1])
                ]
                if len(listed_records) == len(items) >= 2 and not any(
                    kind_of(i.name.lower()).known and not domain_of(singular(i.name.lower())) for i in items
                ):
                    return
                if record := self.ensure(name, said):
                    self.add_items(record, items, passage)
                    self.handled.add(id(passage))

    def _children_are_fields(self, passage: Passage) -> bool:
        lines = [child.text for child in passage.children if not child.heading]
        good = sum(
            1
            for line in lines
            if (item := parse_item(line))
            and (kind_of(item.name.lower()).known or kind_of(singular(item.name.lower())).known or item.about)
            or looks_like_fields(line)
        )
        return len(lines) > 0 and good * 2 > len(lines)

    def _declare_fields(self, passage: Passage) -> None:
        text = passage.text.strip()
        if wish_of(passage) == "unwanted" or passage.heading or is_rule(passage):
            return
        here = self.current(passage)
        in_fields = any(
            re.search(rf"(?i)\b{_FIELDS_WORD}\b", h)
            or re.search(r"(?i)\b(?:has|have|with|contains|store|record|save|each|per|enter|must know)\b.*$", h)
            and len(h.split()) > 1
            for h in passage.headings[-1:]
        )
        if passage.cells:
            self._table_row(passage, here)
            return
        if (
            (here or in_fields)
            and (passage.bullet or in_fields or looks_like_fields(text))
            and self._as_fields(here or self._main(passage), passage, text)
        ):
            return
        if (
            (line := re.match(r"^([^:]{2,90}?)\s*(?::|\s-)\s+(.{3,})$", text))
            and not kind_of(line[1].lower()).known
            and not _NOT_RECORDS.match(line[1])
        ):
            cut = _end_of_list(line[2])
            if len(field_list(line[2][:cut])) >= 2 and looks_like_fields(line[2][:cut]):
                subject = subject_of(line[1])
                record = (self._named(subject, passage) if subject else None) or here or self._main(passage)
                if record is not None:
                    self.add_items(record, field_list(line[2][:cut]), passage)
                    self._leave(passage, line[2][cut:].strip(" .,;"))
                    return
        for pattern in _DECLARATIONS:
            if match := re.search(pattern, text):
                groups = match.groupdict()
                items = field_list(groups["list"])
                if not items or not any(kind_of(i.name.lower()).known or i.about or groups.get("sure") for i in items):
                    continue
                noun = groups.get("np")
                record = self._named(noun, passage) if noun else here or self._main(passage)
                if record is None:
                    continue
                cut = _end_of_list(groups["list"])
                kept = field_list(groups["list"][:cut])
                self.add_items(record, kept, passage)
                rest = (text[: match.start()] + " " + groups["list"][cut:]).strip(" .,;")
                self._leave(passage, rest)
                return
        if (
            passage.bullet
            and (parse := parse_item(text))
            and kind_of(parse.name.lower()).known
            and not domain_is_record(parse.name)
        ):
            if self._as_fields(here or self._main(passage), passage, text):
                return
        head = text[: _end_of_list(text)]
        if (
            looks_like_fields(head)
            and len(head) > 3
            and not (len(split_list(head)) == 1 and (subject_of(head) or passage is self.opening))
        ):
            record = here or self._main(passage)
            if record is not None:
                self.add_items(record, field_list(head), passage)
                self._leave(passage, text[len(head) :].strip(" .,;"))

    def _leave(self, passage: Passage, rest: str) -> None:
        if re.search(r"[A-Za-z]{3}", rest):
            self.rest[id(passage)] = rest
        else:
            self.handled.add(id(passage))

    def _as_fields(self, record: RecordDraft | None, passage: Passage, text: str) -> bool:
        if record is None:
            return False
        single = parse_item(text)
        if (
            single
            and (kind_of(single.name.lower()).known or single.about or not re.search(r",", text))
            and len(single.name.split()) <= 5
        ):
            items = [single] if not re.search(r",| and ", single.name) else field_list(text)
        elif looks_like_fields(text):
            items = field_list(text)
        else:
            return False
        self.add_items(record, items, passage)
        self.handled.add(id(passage))
        return True

    def _table_row(self, passage: Passage, here: RecordDraft | None) -> None:
        cells = [cell for cell in passage.cells]
        self.handled.add(id(passage))
        if (
            not cells
            or re.fullmatch(r"(?i)(?:field|name of field|column|attribute|property|#|no\.?|field name|name)", cells[0])
            and len(cells) > 1
            and re.search(r"(?i)type|required|description|rule|notes?|meaning|mandatory|format", " ".join(cells[1:]))
        ):
            return
        record = here or self._main(passage)
        if record and (item := parse_item(cells[0])):
            about = " ; ".join(
                "required" if re.fullmatch(r"(?i)yes|x|✓|y|must", c) else "" if re.fullmatch(r"(?i)no|n|-", c) else c
                for c in cells[1:]
            )
            self.add_items(record, [Item(item.name, f"{item.about} ; {about}", " | ".join(cells))], passage)

    def _named(self, noun: str, passage: Passage) -> RecordDraft | None:
        noun = re.sub(rf"(?i)^{_DETERMINERS}", "", noun + " ").strip()
        if not noun or re.fullmatch(
            r"(?i)(?:it|they|them|this|that|one|entry|entries|record|records|item|items|thing|things|list|app|row|line|form|page|system|i|we|you|there|who|which|each|person|people|card|\w+ entry)",
            noun,
        ):
            return self.find(noun) or self._main(passage)
        if _NOT_RECORDS.match(noun):
            return None
        return self.ensure(noun, Said(words=passage.source))

    def _main(self, passage: Passage) -> RecordDraft | None:
        """The record type that a list without a name belongs to: the one spoken of, else the first."""
        for one in self.draft.records:
            if re.search(rf"(?i)\b(?:{re.escape(one.label)}|{re.escape(one.plural)})\b", passage.text):
                return one
        if self.draft.records:
            return self.draft.records[0]
        if self.subject:
            return self.ensure(*self.subject)
        return None


_LIST = r"(?P<list>.+)$"
_HAVE = r"(?:has|have|having|need|needs|contains?|consists? of|includes?|including|comes? with|gets?|stores?|with|carries|is described by|should have|must have|needs to have|will have|should contain|should store|keeps?|showing|holds?)"
_DECLARATIONS = (
    rf"(?i)\b(?:for|per|about|of) (?:each|every|all(?: the| my| our)?|an?|one) {_NOUN},?\s+(?:(?:i|we|you|it|they|the app|the system|he|she|people|users?)\s+)?(?:(?:also|would|will|just|really|only)\s+)*(?:(?:want|need|like|have|should|must|can|wish)\s+)?(?:(?:to|be able to)\s+)?(?:know|store|save|record|note(?: down)?|enter|see|keep(?: track of)?|track|write down|have|fill in|log|register|remember|hold|capture|add|there (?:is|are|should be)|the)(?:\s+down)?:?\s+(?P<sure>){_LIST}",
    rf"(?i)\b{_DOING}\s+{_DETERMINERS}{_NOUN},?\s*(?::|\s-\s|\bwith\b|\bincluding\b|\band (?:their|its|the|his|her)\b|\bby\b(?= name)|\(|,? i\.e\.|\bplus (?:their|its|the)\b|,? (?:their|its)\b)\s*(?P<sure>)(?:(?:their|the|its|these fields:?|the following(?: fields| information| details| data)?:?|fields?:?)\s+)*{_LIST}",
    rf"(?i)^(?:and |also |then |so )?(?:each|every|an?|the|all|one) {_NOUN}\s+(?:also |always |just |only |simply )?{_HAVE}\s*:?\s+(?:the following:? |these:? |fields:? )?{_LIST}",
    rf"(?i)^{_NOUN}\s+(?:have|has|contain|need|consist of|with|should have|must have|should contain)\s*:?\s+{_LIST}",
    rf"(?i)\b{_FIELDS_WORD}\s*(?:are|is|needed|required|i need|we need|should be|:|-|=|include|to (?:store|keep|record|save))+:?\s+(?P<sure>){_LIST}",
    rf"(?i)\b(?:i|we|you|they|people|users?|it|app|one|who|staff|\w+s)\s+(?:also |really |just |only |mainly |basically )*(?:want|need|like|have|should|must|can|wish|would like|'d like|will)?\s*(?:to|be able to)?\s*(?:also )?(?:store|save|record|note(?: down)?|enter|keep(?: track of)?|track|write down|fill in|log|register|remember|capture|know|need|type in|put in)\s+(?:down\s+)?(?:for (?:each|every) \w+\s+)?(?:the |their |its |his |her |stuff like |things like |some |only |just |at least |down )*{_LIST}",
    rf"(?i)^(?:please )?(?:store|save|record|note(?: down)?|enter|keep(?: track of)?|track|capture|log)\s+(?:the |their |its |also |for (?:each|every) \w+:? )*{_LIST}",
    rf"(?i)\b(?:with|including|and its|and their|showing)\s+(?:the |their |its |fields?:? )*{_LIST}",
)


def looks_like_record(inner: str, headings: tuple[str, ...]) -> bool:
    """Whether what stands in brackets after a name are fields and not the values of a choice."""
    if looks_like_fields(inner):
        return True
    return any(re.search(r"table|entit|record|data|model|schema|type|object", h) for h in headings)


def is_record_line(name: str, rest: str, passage: Passage) -> bool:
    """Whether "name: rest" names a record type and its fields."""
    bare = re.sub(rf"(?i)^{_DETERMINERS}", "", name + " ").strip()
    if (
        not bare
        or len(bare.split()) > 3
        or _NOT_RECORDS.match(bare)
        or not looks_like_fields(rest)
        or len(field_list(rest)) < 2
    ):
        return False
    if any(
        re.search(r"rule|view|feature|search|filter|validation|import|export|report", h) for h in passage.headings[-1:]
    ):
        return False
    if kind_of(bare.lower()).type == "choice" and not is_plural(bare.split()[-1]):
        return False
    if domain_of(singular(bare.lower())):
        return True
    if re.search(rf"(?i)\b{_APP}\b", bare):
        return False
    strong = sum(1 for item in field_list(rest) if kind_of(item.name.lower()).known)
    return strong >= 2 and (is_plural(bare.split()[-1]) or not kind_of(bare.lower()).known)


_RULE_SECTION = re.compile(
    r"(?i)\b(?:rules?|views?|features?|functions?|functionality|validations?|constraints?|screens?|pages?|search|filters?|sort\w*|actions?|workflow|reports?|reporting|import|export|totals?|statistics|lists|permissions|logic|behaviou?r)\b"
)
_RULE = re.compile(
    r"(?i)^(?:R|V|F|BR|FR|REQ)-?\d+\b|\b(?:at a time|at the same time|twice|double|overlap\w*|at most (?:one|\w+ open|\d+ \w+ per)|max(?:imum)?\.? (?:of )?\d+ (?:open |active )?(?!char|letter|digit|star|%|kg|euro|minutes|hours)[a-z]+ (?:per|for each|at)|no more than \w+ \w+ (?:per|for each)|"
    r"ignore|search\w*|filter\w*|sort(?:ed)? by|sortable|highlight\w*|export\w*|import|print\w*|overdue|remind\w*|notif\w*|log ?in|login)\b|"
    r"\b(?:can|may|must|should)(?:not|n't| not) (?!be (?:empty|blank|in the|negative|longer|more|less|left|below|before|after|null|missing))|\bis (?:only )?(?:possible|allowed)|\b(?:show|shows|display|list|see|view|find|mark|tick|calculate|compute|warn|delete|edit|remove|check (?:in|out))\b"
)


def is_rule(passage: Passage) -> bool:
    """Whether a passage reads like a rule or a function rather than like fields."""
    if (
        passage.headings
        and _RULE_SECTION.search(passage.headings[-1])
        and not re.search(r"(?i)\b(?:fields?|data|has|have)\b", passage.headings[-1])
    ):
        return True
    match = _RULE.search(passage.text)
    if match is None:
        return False
    head = passage.text[: _end_of_list(passage.text)]
    several = len(split_list(re.sub(r"^[^:]{1,80}:", "", head))) >= 2
    return not (
        match.start() > 0 and (several or passage.bullet) and looks_like_fields(re.sub(r"^[^:]{1,80}:", "", head))
    )


def domain_is_record(phrase: str) -> bool:
    """Whether a phrase is the plural of a usual record type."""
    return is_plural(phrase.split()[-1]) and domain_of(singular(phrase.lower())) is not None


def _end_of_list(text: str) -> int:
    """Where a list of fields ends and another wish begins: ", search by …", ", show …", ". ", " so that"."""
    match = re.search(
        r"(?i)(?:,|;|\s-)?\s+(?:(?:and|but|also|then|plus)\s+)*(?=(?:so (?:that|i|we)\b|because\b|(?:i|we|you|users?) (?:want|need|would|must|should|can|also|like)\b|it (?:should|must|needs)\b|"
        r"show (?!date)|search\b|find\b|filter\b|sort(?:ed)?\b|list (?!price)|print\b|export\b|import\b|highlight\b|mark (?:as|them|it|when)|warn\b|remind\b|send\b|be able to|should be able|which can|that can|no double|no duplicate|where (?:i|we)\b|when (?:i|we|it|a|the)\b.*\b(?:is|are|should|must)\b|"
        r"can(?:not|'t)? be\b|they can\b|it can\b|must be able|with (?:a )?(?:search|filter|sort|export|list)|and then\b|calculate\b|total\b(?= (?:per|by|of))|sum\b(?= (?:per|by|of))|count\b(?= (?:per|by|of))|overview of|thanks|thank you|please\b))|[.!?](?:\s|$)",
        text,
    )
    return match.start() if match else len(text)


_SUBJECTS = (
    rf"(?i)^(?:app(?:lication)?|product|title|project|name of the app|system|software|program|tool)\s*[:=-]+\s*{_DETERMINERS}{_NOUN}",
    rf"(?i)\b{_APP}\b.{{0,40}}?\b(?:to|for|that|which|where|can|could|should|must|lets|will)\b.{{0,30}}?\b{_DOING}\s+(?:of\s+)?{_DETERMINERS}{_NOUN}",
    rf"(?i)\b(?:list|log|register|database|catalog(?:ue)?|collection|directory|overview|record|diary|inventory|register|archive|table) (?:of|for|with) {_DETERMINERS}{_NOUN}",
    rf"(?i)(?:^|\b(?:a|an|my|our|the|need|want|make|build|create|simple|me|some|little|for)\s+){_DETERMINERS}(?P<np>(?!{_APP}\b){_WORD}(?:[ -](?!{_APP}\b){_WORD}){{0,2}}?)[ -]{_APP}\b",
    rf"(?i)\b(?:want|need|like|have|would like|help|must|try|trying|going|able|used|how|order|way|us|me|is|for|i|we)\s+(?:to )?(?:be able to )?{_DOING}\s+(?:of\s+)?{_DETERMINERS}{_NOUN}",
    rf"(?i)^(?:please |hi,? |hello,? |so )?{_DOING}\s+{_DETERMINERS}{_NOUN}",
    rf"(?i)\b{_APP}\b\s+(?:for|about|with|around)\s+{_DETERMINERS}{_NOUN}",
    rf"(?i)^{_DETERMINERS}{_NOUN}\s*(?:[:.,(-]|$)",
)
_NO_SUBJECT = re.compile(
    r"(?i)^(?:app|application|tool|thing|things|thingy|something|stuff|everything|anything|it|them|that|this|one|list|system|software|data|information|info|website|web|page|program|user|users|who|what|which|button|"
    r"new|simple|following|hi|hello|hey|hi so|dear|please|thanks|thank|good morning|make|build|create|i|we|you|yes|no|ok|okay|so|and|also|records?|overview|search|filter|status|name|fields?|tables?|track|time|day|way|lot|bit|kind|people|person|order(?=$)|"
    r"excel|paper|spreadsheet|computer|phone|office|club|company|school|team|home|shop|business|family|department|small|little|us|me|clear|able|details|same|before|yesterday|better|nicer|important|requirement|requirements|project(?= description)|description|features?|work|here|there|let me|need|want|as an?|given|when|then|if|my|our|the)$|"
    r".*\b(?:is|are|should|must|can|will|would|want|need|like|has|have|do|does|be)\b.*"
)


def subject_of(text: str) -> str | None:
    """What an opening sentence says the app is about."""
    text = text[:400]
    unknown = None
    for index, pattern in enumerate(_SUBJECTS):
        for match in re.finditer(pattern, text):
            phrase = re.sub(rf"(?i)^{_DETERMINERS}", "", match["np"].strip() + " ").strip(" -'")
            full = phrase.lower()
            phrase = re.sub(rf"(?i)(?:[ -]{_APP})+$", "", phrase)
            if domain_of(full) and full != phrase.lower():
                return full
            words = phrase.split()
            if not words or _NO_SUBJECT.match(phrase):
                continue
            if domain_of(singular(phrase.lower())):
                return phrase
            if unknown is None and len(words) <= 3 and _names_things(index, words):
                unknown = phrase
    if nearby := [
        phrase
        for _, phrase in domains_in(text)
        if phrase
        not in (
            "order",
            "note",
            "notes",
            "check",
            "list",
            "class",
            "part",
            "service",
            "show",
            "shows",
            "mark",
            "table",
            "tables",
            "show",
            "request",
            "problem",
            "sale",
            "run",
        )
    ]:
        if unknown is None or len(text) < 80:
            return nearby[0]
    return unknown


def _names_things(index: int, words: list[str]) -> bool:
    """Whether an unknown noun at this place reads like what is recorded."""
    if index in (1, 2, 4, 5):
        return is_plural(words[-1]) or index in (1, 2)
    return index == 3 and len(words) <= 2 and (len(words) > 1 or not kind_of(words[0].lower()).known)


def constrain_field(one: FieldDraft, words: str, said: Said) -> str:
    """What a later sentence says about a known field."""
    return constrain(one, words, said)


__all__ = ["MOST_RECORDS", "Records", "label", "subject_of"]
