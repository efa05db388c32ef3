"""Which record types the person means, and their fields."""

import re

from macrohard.llm.builtin.understanding.domains import Domain, bundle_in, domain_of
from macrohard.llm.builtin.understanding.draft import Draft, FieldDraft, RecordDraft, Said, new_record
from macrohard.llm.builtin.understanding.fields import (
    Item,
    field_list,
    is_kept_anyway,
    looks_like_fields,
    make_field,
    parse_item,
    split_list,
    unread,
)
from macrohard.llm.builtin.understanding.nouns import kind_of
from macrohard.llm.builtin.understanding.relations import linking, relations_in
from macrohard.llm.builtin.understanding.subjects import APP, DETERMINERS, DOING, NOUN, subject_of
from macrohard.llm.builtin.understanding.text import Passage, wish_of
from macrohard.llm.builtin.understanding.words import identifier, is_plural, label, singular

MOST_RECORDS = 6
_PICTURES = re.compile(r"(?:.* )?(?:photos?|pictures?|images?|avatar|logo|scans?|attachments?|pdfs?|uploaded files?|files?|signature|video|audio recording|screenshot)s?")
_FIELDS_WORD = r"(?:fields?|columns?|attributes?|properties|details|data|information|values|entries)"
_NOT_RECORDS = re.compile(
    r"(?i)^(?:(?:the |main |key |additional |other |more |business |some |my )?(?:fields?|tables?|entit(?:y|ies)|records?|data(?: model| fields)?|rules?|business rules|validations?|constraints?|views?|screens?|pages?|lists?|features?|functions?|functionality|"
    r"requirements?|reports?|reporting|imports?|exports?|must(?:[- ]haves?)?|should(?:[- ]haves?)?|could(?:[- ]haves?)?|nice[- ]to[- ]haves?|optional|later|users?|roles?|notes?|actions?|workflow|states?|search|filters?|sort(?:ing)?|apps?|title|"
    r"goal|purpose|overview|background|description|summary|user stor(?:y|ies)|acceptance criteria|totals?|statistics|columns?|attributes?|properties|objects?|things?|bonus|example|examples|important|note|please|"
    r"it|they|we|i|you|this|that|there|what i need|what we need|here|also|todo|what|how|why|who|when|where|problem|context|context is|sorting|printing|access|permissions|security|constraints?|behaviou?rs?|details?|info(?:rmation)?|"
    r"e\.g|i\.e|ps|p\.s|hint|remark|question|questions|actors?|scope|out of scope|technical|non-functional|language|design|look|layout|ui|style|use cases?|logic|extras?|basics?|dashboard|home ?page|start page|menu|first|second|third|then|finally|one|two|three|mvp|need(?:ed|s)?|want(?:ed|s)?|i want|i need|we need|we want|per \w+|for each \w+|every \w+|choices?|options?|values?|sort order|default|defaults|calculated|computed|wishes|wish list for later)(?: i need| we need| are| is)?|.*\b(?:can|must|should|shall|will|i|we|want|need)\b.*)$"
)
PARENTS: dict[str, tuple[str, ...]] = {
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
    "Tenant": ("House",), "Expense": ("Project", "Employee"), "Song": ("Album",),
}  # fmt: skip
"""By the kind of record: what it usually belongs to when that is kept too."""


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
        self.links: list[tuple[str, str, Said]] = []
        """Child and parent by name, as stated."""

    # -- record types ------------------------------------------------------------------------------------------------

    def find(self, phrase: str) -> RecordDraft | None:
        """The record type a phrase means, if there is one."""
        key = singular(phrase.lower().replace("_", " ").strip())
        for one in self.draft.records:
            if key in one.aliases or key == one.label.lower() or identifier(key) == one.name:
                return one
        # "book a room" speaks of the meeting rooms, when there is one kind of rooms only.
        alike = [one for one in self.draft.records if one.label.lower().endswith(f" {key}") or key.endswith(f" {one.label.lower()}")]
        return alike[0] if len(alike) == 1 else None

    def ensure(self, phrase: str, said: Said) -> RecordDraft | None:
        """The record type of that name, made if there is room for it."""
        phrase = (
            re.sub(rf"(?i)^{DETERMINERS}", "", phrase.strip() + " ").strip()
            if phrase.strip().lower() not in ("thing", "things")
            else phrase
        )
        phrase = _without_verb(phrase)
        if not re.search(r"[A-Za-z]{2}", phrase):
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
            other = self.find(item.name) if is_plural(item.name.split()[-1]) else None
            if other is not None and other is not record:
                self.links.append((other.name, record.name, said))
                continue
            if len(items) > 1 and re.match(r"(?i)what \w+ \w+$", item.name) and any(is_plural(one.name.split()[-1]) and self.find(one.name) for one in items):
                self.draft.assume(f"“{item.source}” is taken to be what the records named later hold.")
                continue
            if _PICTURES.fullmatch(item.name.lower()):
                self.draft.leave_uncovered(f"Uploading and showing files and pictures: “{item.source}” of {record.plural.lower()}.", said)
                continue
            self._rename(record, item)
            name = re.sub(
                rf"(?i)\s+of (?:the|an?|each|this) (?:{'|'.join(re.escape(n) for n in {record.label.lower(), record.label.lower().split()[-1], *record.aliases})}|it)$",
                "",
                item.name,
            )
            one, left = make_field(Item(name, item.about, item.source, item.target, item.colon), said)
            if not one.label or one.label.lower() in ("etc", "and"):
                continue
            if item.target:
                one.aliases.add(singular(item.target.lower().replace("_", " ")))
            one = record.add(one)
            if left:
                self.leftover(one, left, said)

    def _rename(self, record: RecordDraft, item: Item) -> None:
        """ "name of the part" in an inventory: its things are called parts."""
        match = re.fullmatch(r"(?i)(?:name|title) of (?:the|each|an?) ([a-z]+)", item.name)
        domain = self.by_label.get(record.label)
        if (
            match is None
            or domain is None
            or record.label != domain.label
            or self.find(match[1])
            or record.label.lower() in record.said.words.lower()
        ):
            return
        fresh = new_record(match[1], record.said)
        self.by_label[fresh.label] = domain
        record.name, record.label, record.plural = fresh.name, fresh.label, fresh.plural
        record.aliases |= fresh.aliases

    def leftover(self, one: FieldDraft, left: str, said: Said) -> None:
        """What is in brackets and is no property is a remark: another name, or an example."""
        for part in left.split(";"):
            part = part.strip(" ,.:-()[]")
            if not re.search(r"[A-Za-z]{2}", part) or re.fullmatch(
                r"(?i)(?:must be|is|are|the|a|and|or|field|value|values|only|number|text|valid|e\.g\.?|i\.e\.?|so i can .*|so that .*|because .*|for .*|from .*|can|may|which|that|must|should|with|in|of|to|be|has|to be|please|as|it|when .*|list|dropdown|etc\.?|it's|normally|usually|mostly|optional(?:ly)?|one of (?:the|our|my) .*)",
                part,
            ):
                continue
            if re.fullmatch(r"(?i)auto(?:matic(?:ally)?)?(?: number| generated| set| filled in)?|generated|running number", part):
                self.draft.leave_uncovered(f"{one.label} is not given automatically: it is entered.", said)
                continue
            if len(part.split()) <= 3 and not re.search(r"\d|\b(?:must|should|can|may|shown?|be|not|never|only)\b", part):
                one.aliases.add(singular(part.lower()))
                self.draft.assume(f"“{part}” after “{one.label}” is taken as an explanation of what to enter there.")
            else:
                self.draft.leave_uncovered(f"Not understood: “{part}” about {one.label}.", said)

    # -- declarations ------------------------------------------------------------------------------------------------

    def declare(self, passages: list[Passage]) -> None:
        """Read every passage for record types and fields."""
        self._subject(passages)
        for passage in passages:
            if wish_of(passage) != "unwanted":
                self._declare_record(passage)
        for passage in passages:
            if id(passage) not in self.handled and wish_of(passage) != "unwanted" and not passage.heading:
                self._relate(passage)
                self._linked(passage)
                self._declare_fields(passage)
        stated = [record for record in self.draft.records if any(one.stated for one in record.fields)]
        if self.subject and not self.find(self.subject[0]) and len(stated) == 1 and self._belongs_together(stated[0]):
            self.ensure(*self.subject)
        if self.subject and not self.draft.records:
            self.ensure(*self.subject)
        if not self.draft.records:
            self._bundle(passages)
        self._join()
        for record in self.draft.records:
            _tell_apart(record)
        text = " ".join(passage.text for passage in passages)
        self.draft.records.sort(key=lambda one: _first_mention(one, text))

    def _bundle(self, passages: list[Passage]) -> None:
        """A place is named and nothing else: what such places usually keep."""
        for passage in passages[:3]:
            self.opening = passage
            for label_ in bundle_in(passage.text):
                self.ensure(label_.lower(), Said(words=passage.source))
            if self.draft.records:
                return

    def _belongs_together(self, stated: RecordDraft) -> bool:
        """Whether the subject is what the records that are described usually belong to, e.g. a project and its tasks."""
        assert self.subject is not None
        domain, child = domain_of(singular(self.subject[0].lower())), domain_of(stated.label.lower())
        return bool(domain and child and domain.label in PARENTS.get(child.label, ()))

    def _subject(self, passages: list[Passage]) -> None:
        spoken = _spoken_of(passages)
        for passage in passages[:12]:
            about = re.match(r"(?i)^(?:purpose|goal|background|context|summary|intro(?:duction)?|about|aim|situation|problem|motivation|why)\s*[:.-]\s+(.+)$", passage.text)
            if about and len(about[1].split()) >= 4 and not looks_like_fields(about[1]):
                self.handled.add(id(passage))
                self.draft.assume(f"Taken as background, nothing is built from it: “{passage.source}”.")
        for passage in passages[:12]:
            if wish_of(passage) == "unwanted":
                continue
            titled = re.match(
                rf"(?i)^(?:{APP}|product|title|project|name)\s*(?:name)?\s*[:=-]+\s*(?P<t>.+)$", passage.text
            )
            if titled and not self.draft.title and not looks_like_fields(titled["t"]):
                self.draft.title = label(titled["t"].strip(" ."))[:80]
                self.handled.add(id(passage))
            if (passage.bullet and not passage.heading) or self._is_feature_section(passage):
                continue
            opening = re.split(r":\s", passage.text)[0] if re.search(r":\s", passage.text) else passage.text
            if subject := subject_of(opening) or (
                subject_of(passage.text)
                if opening != passage.text and not looks_like_fields(passage.text.split(":", 1)[1])
                else None
            ):
                if spoken and not re.search(rf"(?i)\b{APP}\b", opening) and domain_of(singular(subject.lower())) is not domain_of(spoken) and not is_plural(subject.split()[-1]):
                    subject = spoken
                listed = {singular(item.name.lower()) for item in field_list(passage.text.split(":", 1)[1])} if ":" in passage.text else set()
                if spoken and singular(subject.lower()) in listed:
                    subject = spoken
                self.subject, self.opening = (subject, Said(words=passage.source)), passage
                return
        if spoken and (found := next((one for one in passages if spoken in one.text.lower()), None)):
            self.subject, self.opening = (spoken, Said(words=found.source)), found

    def _is_feature_section(self, passage: Passage) -> bool:
        return bool(passage.headings) and bool(_RULE_SECTION.search(passage.headings[-1]))

    def _declare_record(self, passage: Passage) -> None:
        text = passage.text.strip()
        said = Said(words=passage.source)
        spec = re.match(
            r"(?i)^(?:entity|table|record|class|type|model|\d+[.)])?\s*([A-Za-z][\w ]{1,30}?)\s*[(\[{](.+)[)\]}]\s*\.?$",
            text,
        )
        if (
            spec
            and _balanced(spec[2])
            and len(split_list(spec[2])) >= 2
            and len(spec[1].split()) <= 3
            and not _NOT_RECORDS.match(spec[1])
            and kind_of(spec[1].lower()).type not in ("choice", "yes/no", "long text")
        ):
            items = field_list(spec[2])
            if (
                len(items) >= 2
                and looks_like_record(spec[2], passage.headings)
                and not passage.children
                and not self._under_record(passage)
            ):
                if record := self.ensure(spec[1], said):
                    self.add_items(record, items, passage)
                self.handled.add(id(passage))
                return
        if not passage.heading and self._inline_records(passage, said):
            return
        if passage.heading and passage.children:
            title = _bare_title(passage.text)
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
            r"^(?:(?:an?|each|every|the|one|per)\s+)?([A-Za-z][\w -]{1,40}?)\s*(?::|\s-+>?\s|=)\s*(.+)$",
            text,
            re.IGNORECASE,
        ):
            name, rest = line[1].strip(), line[2]
            cut = end_of_list(rest)
            if is_record_line(name, rest[:cut], passage):
                items = field_list(rest[:cut])
                if record := self.ensure(name, said):
                    self.add_items(record, items, passage)
                    self._report(rest[:cut], passage)
                    self._leave(passage, rest[cut:].strip(" .,;"))

    def _inline_records(self, passage: Passage, said: Said) -> bool:
        """ "Customers (name, phone) and invoices (number, customer, amount)"."""
        found = []
        for match in re.finditer(r"(?:^|,|;|\band\b|\bplus\b|\bof\b|\bmy\b|\bour\b|\bthe\b|:)\s*([A-Za-z][\w-]*(?: [A-Za-z][\w-]*)?)\s*\(([^()]{6,600})\)", passage.text):
            name = re.sub(rf"(?i)^{DETERMINERS}(?:(?:and|plus|of|manage|track|with|keep) )?", "", match[1] + " ").strip()
            if not name or _NOT_RECORDS.match(name) or not is_plural(name.split()[-1]) or len(split_list(match[2])) < 2 or not looks_like_fields(match[2]):
                continue
            if kind_of(singular(name.lower())).type in ("choice", "yes/no", "long text"):
                continue
            found.append((name, match[2], match.span()))
        if not found or (len(found) == 1 and (domain_of(singular(found[0][0].lower())) is None or len(field_list(found[0][1])) < 3)) or self._under_record(passage):
            return False
        text = passage.text
        for name, inner, (start, end) in reversed(found):
            if record := self.ensure(name, said):
                self.add_items(record, field_list(inner), passage)
            text = f"{text[:start]} , {text[end:]}"
        for word in re.split(r"(?i)\s*[,;:]\s*|\s+and\s+", text):
            bare = re.sub(rf"(?i)^{DETERMINERS}", "", word.strip() + " ").strip()
            if bare and is_plural(bare.split()[-1]) and len(bare.split()) <= 2 and domain_of(singular(bare.lower())) and not _NOT_RECORDS.match(bare):
                self.ensure(bare, said)
                text = text.replace(word, " ")
        rest = re.sub(r"(?i)^(?:\W|\b(?:and|plus|with|of|the|my|our|app|for|to|manage|track|keep|record|i|we|need|want|please|a|an)\b)+$", "", text.strip())
        self._leave(passage, rest)
        return True

    def _under_record(self, passage: Passage) -> bool:
        """Whether the bullet stands below a heading that names a record type: then it is a field."""
        return passage.bullet and self.current(passage) is not None

    def _children_are_fields(self, passage: Passage) -> bool:
        lines = [child.text for child in passage.children if not child.heading]
        good = 0
        for line in lines:
            item = parse_item(line)
            good += bool(
                item
                and (kind_of(item.name.lower()).known or kind_of(singular(item.name.lower())).known or item.about)
                and not _RULE.search(line)
                or looks_like_fields(line)
            )
        return len(lines) > 0 and good * 2 > len(lines)

    # -- relations ---------------------------------------------------------------------------------------------------

    def _relate(self, passage: Passage) -> None:
        said = Said(words=passage.source, wish=wish_of(passage) == "wish")
        for relation in relations_in(passage.text):
            child = self.find(relation.child) or (
                self.ensure(relation.child, said) if domain_of(singular(relation.child.lower())) else None
            )
            parent = self.find(relation.parent)
            details = field_list(relation.details) if relation.details else []
            if parent is None and (
                len(details) >= 2
                or child is not None
                and domain_of(singular(relation.parent.lower()))
                and is_plural(relation.parent.split()[-1])
            ):
                parent = self.ensure(relation.parent, said)
            if parent is not None and details:
                self.add_items(parent, details, passage)
            if child is None:
                continue
            if parent is not None and parent is not child:
                self.links.append((child.name, parent.name, said))
            elif parent is None:
                one, _ = make_field(Item(singular(relation.parent), "", passage.source), said)
                record_field = child.add(one)
                record_field.said.setdefault("field", said)
            else:
                continue
            rest = passage.text[relation.end :].strip(" .,;!")
            if len(rest) < 3:
                self.handled.add(id(passage))
            elif more := re.match(r"(?i)(?:and|,|it|they)?\s*(?:also )?(?:has|have|contains?|needs?|with)\s+", rest):
                passage.text = f"Each {child.label.lower()} has {rest[more.end() :]}"

    def _linked(self, passage: Passage) -> None:
        """ "book a room": bookings are recorded too, when rooms are."""
        link = linking(passage.text)
        if link is None:
            return
        noun, thing, match = link
        said = Said(words=passage.source)
        parent = self.find(thing) or (self.ensure(thing, said) if domain_of(singular(thing.lower())) and not is_plural(thing.split()[-1]) else None)
        if parent is None or self.find(noun) is parent:
            return
        if child := self.ensure(noun, said):
            self.links.append((child.name, parent.name, said))
            whom = re.match(rf"(?i)\s*(?:to|by|for|with)\s+{DETERMINERS}{NOUN}", passage.text[match.end() :])
            if whom and (person := self.find(whom["np"]) or (self.ensure(whom["np"], said) if domain_of(singular(whom["np"].lower())) else None)) and person is not parent:
                self.links.append((child.name, person.name, said))
            if id(passage) not in self.rest and re.fullmatch(r"\W*", passage.text[match.end() + (whom.end() if whom else 0) :]):
                self.handled.add(id(passage))

    def _join(self) -> None:
        """Make the references that were stated."""
        from macrohard.llm.builtin.understanding.completion import add_reference, reference_to  # noqa: PLC0415

        for child_name, parent_name, said in self.links:
            child, parent = self.draft.record(child_name), self.draft.record(parent_name)
            if (
                child is None
                or parent is None
                or child is parent
                or reference_to(child, parent)
                or reference_to(parent, child)
            ):
                continue
            named = next(
                (
                    one
                    for one in child.fields
                    if one.type == "text"
                    and {parent.label.lower(), *parent.aliases} & {one.label.lower(), *one.aliases}
                ),
                None,
            )
            if named is None:
                add_reference(self.draft, child, parent, said)

    # -- lists of fields ---------------------------------------------------------------------------------------------

    def _declare_fields(self, passage: Passage) -> None:
        if id(passage) in self.handled or id(passage) in self.rest:
            return
        text = passage.text.strip()
        here = self.current(passage)
        in_fields = any(
            re.search(rf"(?i)\b{_FIELDS_WORD}\b", h)
            or re.search(
                r"(?i)\b(?:has|have|with|contains|store|record|save|each|per|enter|must know|need to know|want to know|note down|write down)\b.*$",
                h,
            )
            and len(h.split()) > 1
            for h in passage.headings[-1:]
        )
        if passage.cells:
            self._table_row(passage, here)
            return
        if is_rule(passage):
            return
        if (
            (here or in_fields)
            and (passage.bullet or in_fields or looks_like_fields(text))
            and self._as_fields(here or self._main(passage), passage, text)
        ):
            return
        if self._after_colon(passage, here) or self._by_sentence(passage, here):
            return
        if (
            passage.bullet
            and (parse := parse_item(split_list(text)[0] if split_list(text) else text))
            and kind_of(parse.name.lower()).known
            and not domain_is_record(parse.name)
        ):
            if self._as_fields(here or self._main(passage), passage, text):
                return
        head = text[: end_of_list(text)]
        if (
            looks_like_fields(head)
            and len(head) > 3
            and not (len(split_list(head)) == 1 and (passage is self.opening or not self._plain_field(head)))
        ):
            record = here or self._main(passage)
            if record is not None:
                self.add_items(record, field_list(head), passage)
                self._leave(passage, text[len(head) :].strip(" .,;"))

    def _plain_field(self, text: str) -> bool:
        """Whether one word or two alone are the name of a field and not of something that is recorded."""
        item = parse_item(text)
        if re.search(r"(?i)\b(?:for|of|in|at|from) (?:my|our|the|a|an)\b", text) or len(text.split()) > 5:
            return False
        return item is not None and bool(kind_of(item.name.lower()).known or kind_of(singular(item.name.lower())).known or item.about)

    def _after_colon(self, passage: Passage, here: RecordDraft | None) -> bool:
        """ "Visitor log for our reception: name, company, host"."""
        line = re.match(r"^([^:]{2,140}?)\s*(?::|\s-)\s+(.{3,})$", passage.text)
        if (
            not line
            or len(line[1].split()) <= 4 and kind_of(line[1].lower()).known and (passage.bullet or kind_of(line[1].lower()).type != "text")
            or _NOT_RECORDS.match(line[1])
            and not re.search(
                r"(?i)\b(?:collect|like|list|manage|organi[sz]e|app|tool|page|form|note|log|need|want|store|record|keep|enter|track|save|log|fields?|columns?|details|information|data)\b",
                line[1],
            )
        ):
            return False
        cut = end_of_list(line[2])
        items = field_list(line[2][:cut])
        if len(items) < 2 or not looks_like_fields(line[2][:cut], mostly=True):
            return False
        things = re.match(rf"(?i)^(?P<who>[\w' ]{{2,60}}?)\s+(?:with|having|have|has|including|which have|that have)\s+(?P<list>.+)$", line[2])
        if things and len(field_list(things["list"])) >= 2 and not re.search(r",", things["who"]):
            noun = re.search(rf"(?i){NOUN}$", things["who"].strip())
            last = things["who"].split()[-1]
            named = domain_of(singular(line[1].strip().lower())) if len(line[1].split()) <= 3 else None
            record = self._named(line[1] if named and not self.find(last) else last if is_plural(last) else noun["np"] if noun else last, passage)
            if record is not None:
                end = end_of_list(things["list"])
                self.add_items(record, field_list(things["list"][:end]), passage)
                self._report(things["list"][:end], passage)
                self._leave(passage, things["list"][end:].strip(" .,;"))
                return True
        subject = self.subject[0] if self.subject and passage is self.opening else subject_of(line[1])
        record = (self._named(subject, passage) if subject else None) or here or self._main(passage)
        if record is None:
            return False
        self.add_items(record, items, passage)
        self._report(line[2][:cut], passage)
        self._leave(passage, line[2][cut:].strip(" .,;"))
        return True

    def _by_sentence(self, passage: Passage, here: RecordDraft | None) -> bool:
        """ "Each book has …", "for each customer I note …", "book a room with …"."""
        text = passage.text.strip()
        for pattern in _DECLARATIONS:
            match = re.search(pattern, text)
            if match is None:
                continue
            groups = match.groupdict()
            cut = end_of_list(groups["list"])
            items = field_list(groups["list"][:cut])
            items = [
                item
                for item in items
                if (not re.search(rf"(?i)\b{APP}$", item.name) or kind_of(item.name.lower()).known)
                and not re.search(rf"(?i)\b{APP} (?:for|to|of|that|with|in)\b", item.name)
            ]
            known = [
                item
                for item in items
                if kind_of(item.name.lower()).known or kind_of(singular(item.name.lower())).known or item.about
            ]
            alone = passage is self.opening and len(items) == 1 and (not known or domain_of(singular(items[0].name.lower())) is not None)
            if not items or not (known or "sure" in groups) or alone:
                continue
            noun = groups.get("np") or self._sentence_subject(text[: match.start("list")])
            link = linking(text)
            record = (
                self._link_record(link, passage)
                if link
                else self._named(noun, passage)
                if noun
                else here or self._main(passage)
            )
            if record is None:
                continue
            self.add_items(record, items, passage)
            if (
                link
                and re.search(r"(?i)\bfor (?:a|one|the) (?:day|date)\b", text[: match.start("list")])
                and not any(record.of_type("date"))
            ):
                self.add_items(record, [Item("date", "", passage.source)], passage)
            self._report(groups["list"][:cut], passage)
            before = "" if noun or link else text[: match.start()]
            self._leave(passage, (before + " " + groups["list"][cut:]).strip(" .,;"))
            return True
        return False

    def _link_record(self, link: tuple[str, str, object], passage: Passage) -> RecordDraft | None:
        noun, thing, _ = link
        said = Said(words=passage.source)
        parent = self.find(thing) or (self.ensure(thing, said) if domain_of(singular(thing.lower())) else None)
        if parent is None:
            return None
        child = self.ensure(noun, said)
        if child is not None and child is not parent:
            self.links.append((child.name, parent.name, said))
        return child

    def _sentence_subject(self, text: str) -> str | None:
        """The record type that a sentence begins with: "A rental is for one bike …, with"."""
        match = re.match(rf"(?i)^(?:and |also )?(?:(?:each|every|an?|the|all|any|our|my) )?{NOUN}", text)
        if (
            match
            and (self.find(match["np"]) or domain_of(singular(match["np"].lower())))
            and not _NOT_RECORDS.match(match["np"])
        ):
            return match["np"]
        return None

    def _report(self, text: str, passage: Passage) -> None:
        """Say which things of a list were not understood."""
        for piece in unread(text):
            self.draft.leave_uncovered(f"Not understood: “{piece}”.", Said(words=piece, wish=wish_of(passage) == "wish"))

    def _leave(self, passage: Passage, rest: str) -> None:
        if re.search(r"[A-Za-z]{3}", rest):
            self.rest[id(passage)] = rest
        else:
            self.handled.add(id(passage))

    def _as_fields(self, record: RecordDraft | None, passage: Passage, text: str) -> bool:
        if record is None:
            return False
        pieces = split_list(text)
        single = parse_item(text)
        if (
            single
            and (kind_of(single.name.lower()).known or single.about or len(pieces) == 1)
            and len(single.name.split()) <= 5
        ):
            items = [single] if not re.search(r",| and ", single.name) else field_list(text)
        elif len(pieces) == 1 and (one := parse_item(pieces[0])):
            items = [one]
        elif looks_like_fields(text):
            items = field_list(text)
        else:
            return False
        self.add_items(record, items, passage)
        self.handled.add(id(passage))
        return True

    def _table_row(self, passage: Passage, here: RecordDraft | None) -> None:
        cells = list(passage.cells)
        self.handled.add(id(passage))
        if (
            not cells
            or re.fullmatch(
                r"(?i)(?:field|name of field|column|attribute|property|#|no\.?|field name|name|what)", cells[0]
            )
            and len(cells) > 1
            and re.search(
                r"(?i)type|required|description|rule|notes?|meaning|mandatory|format|remark|comment",
                " ".join(cells[1:]),
            )
        ):
            return
        record = here or self._main(passage)
        if record and (item := parse_item(cells[0])):
            about = " ; ".join(
                "required" if re.fullmatch(r"(?i)yes|x|✓|y|must", c) else "" if re.fullmatch(r"(?i)no|n|-", c) else c
                for c in cells[1:]
            )
            self.add_items(record, [Item(item.name, f"{item.about} ; {about}".strip(" ;"), " | ".join(cells), item.target, True)], passage)

    def _named(self, noun: str, passage: Passage) -> RecordDraft | None:
        noun = re.sub(rf"(?i)^{DETERMINERS}", "", noun + " ").strip()
        noun = re.sub(rf"(?i)(?<=\w)[ -]{APP}$", "", noun) if domain_of(noun.lower()) is None else noun
        if not noun or re.fullmatch(
            r"(?i)(?:it|they|them|this|that|one|entry|entries|record|records|item|items|thing|things|list|app|row|line|form|page|system|i|we|you|there|who|which|each|person|people|card|\w+ entry|application|tool|program)",
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
        items = field_list(passage.text.split(":", 1)[-1])
        if sum(kind_of(item.name.lower()).known for item in items) >= 2:
            return self.ensure("entry", Said(words=passage.source))
        return None


def _tell_apart(record: RecordDraft) -> None:
    """A medicine log that notes a medicine each time keeps entries, not medicines."""
    if any(one.label.lower() == record.label.lower() and one.type == "text" for one in record.fields):
        fresh = new_record(f"{record.label.lower()} entry", record.said)
        record.name, record.label, record.plural = fresh.name, fresh.label, fresh.plural
        record.aliases |= {*fresh.aliases, "entry"}


def _balanced(text: str) -> bool:
    """Whether no bracket closes before it opens."""
    depth = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        if depth < 0:
            return False
    return True


def _without_verb(phrase: str) -> str:
    """ "store tasks" → tasks."""
    match = re.match(r"(?i)(?:(?:to|can|must|should|i|we|want|need)\s+)*(?:store|register|manage|track|enter|keep|add|create|list|see|show|save|collect|organi[sz]e|maintain|record|log|lend|sell|rent|handle)(?:\s+(?:out|my|our|the|all|new))*\s+(?=\w)", phrase)
    rest = phrase[match.end() :] if match else phrase
    return rest if match and (is_plural(rest.split()[-1]) or domain_of(singular(rest.lower())) and domain_of(phrase.lower()) is None) else phrase


def _spoken_of(passages: list[Passage]) -> str | None:
    """The usual thing that a text mentions most in the plural, at least twice."""
    counts: dict[str, int] = {}
    for passage in passages[:60]:
        for word in re.findall(r"[a-z][a-z'-]+", passage.text.lower()):
            if is_plural(word) and domain_of(singular(word)) and not kind_of(word).known and word not in ("notes", "details", "records", "lists", "items", "things", "times", "people", "users", "members"):
                counts[word] = counts.get(word, 0) + 1
    best = max(counts, key=lambda word: counts[word], default=None)
    return best if best and counts[best] >= 2 else None


def _first_mention(record: RecordDraft, text: str) -> int:
    found = [
        match.start()
        for name in {record.label, record.plural, *record.aliases}
        if (match := re.search(rf"(?i)(?<![\w-]){re.escape(name)}(?:s)?(?![\w-])", text))
    ]
    return min(found, default=len(text))


def _bare_title(heading: str) -> str:
    """The noun of a heading: "2. Table: Customers" → Customers, "Each book has" → book."""
    title = re.sub(
        rf"(?i)^(?:\d+[.)]\s*)?(?:entity|table|record(?: type)?|class|form|object)s?\s*[:-]?\s+(?=\w)|\s*(?:table|entity|record|{_FIELDS_WORD})$",
        "",
        heading,
    ).strip(" :*")
    title = re.sub(r"(?i)\s*\(.*\)$", "", title)
    return re.sub(
        r"(?i)^(?:each|every|an?|the|for each|for every|for an?|per|of each|of an?) |(?:'s)?\s+(?:has|have|needs|with|contains|consists of|should have|must have|(?:(?:i|we) (?:want|need) )?(?:to )?(?:store|record|save|keep|track))(?: (?:the )?(?:following|these)(?: fields?| details)?)?$",
        "", title,
    ).strip()  # fmt: skip


_LIST = r"(?P<list>.+)$"
_HAVE = r"(?:has|have|having|need|needs|contains?|consists? of|includes?|including|comes? with|gets?|stores?|with|carries|is described by|should have|must have|needs to have|will have|should contain|should store|keeps?|showing|holds?)"
_DECLARATIONS = (
    rf"(?i)\b(?:something|app|tool|list|thing|thingy|place) (?:to|for|where (?:i|we) (?:can )?)\s*(?:remember|know|see|note|track|record|write down|keep track of)(?:ing)?\s+(?=who|when|what|where|which|how|if|whether){_LIST}",
    rf"(?i)\b(?:for|per|about|of) (?:each|every|all(?: the| my| our)?|an?|one) {NOUN},?\s+(?:(?:i|we|you|it|they|the app|the system|he|she|people|users?)\s+)?(?:(?:also|would|will|just|really|only)\s+)*(?:(?:want|need|like|have|should|must|can|wish)\s+)?(?:(?:to|be able to)\s+)?(?:know|store|save|record|note(?: down)?|enter|see|keep(?: track of)?|track|write down|have|fill in|log|register|remember|hold|capture|add|there (?:is|are|should be)|the)(?:\s+down)?:?\s+(?P<sure>){_LIST}",
    rf"(?i)\b{DOING}\s+{DETERMINERS}{NOUN},?\s*(?::|\s-\s|\bwith\b|\bincluding\b|\band (?:their|its|the|his|her)\b|\bby\b(?= name)|\(|,? i\.e\.|\bplus (?:their|its|the)\b|,? (?:their|its)\b)\s*(?P<sure>)(?:(?:their|the|its|these fields:?|the following(?: fields| information| details| data)?:?|fields?:?)\s+)*{_LIST}",
    rf"(?i)^(?:and |also |then |so )?(?:each|every|an?|the|all|one) {NOUN}\s+(?:also |always |just |only |simply )?{_HAVE}\s*:?\s+(?:the following:? |these:? |fields:? )?{_LIST}",
    rf"(?i)^{NOUN}\s+(?:have|has|contain|need|consist of|with|should have|must have|should contain)\s*:?\s+{_LIST}",
    rf"(?i)\b{_FIELDS_WORD}\s*(?:are|is|needed|required|i need|we need|should be|:|-|=|include|to (?:store|keep|record|save))+:?\s+(?P<sure>){_LIST}",
    rf"(?i)\b(?:i|we|you|they|people|users?|it|app|one|who|staff|\w+s)\s+(?:(?:also|really|just|only|mainly|basically|would)\s+)*(?:want|need|like|have|should|must|can|wish|will)?\s*(?:to|be able to)?\s*(?:also )?(?:store|save|record|note(?: down)?|enter|keep(?: track of)?|track|write down|fill in|log|register|remember|capture|know|need|type in|put in)\s+(?:down\s+)?(?:for (?:each|every) \w+\s+)?(?:the |their |its |his |her |stuff like |things like |some |only |just |at least |down )*{_LIST}",
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
    bare = re.sub(rf"(?i)^{DETERMINERS}", "", name + " ").strip()
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
    if kind_of(bare.lower()).type in ("choice", "yes/no") and not is_plural(bare.split()[-1]):
        return False
    if domain_of(singular(bare.lower())):
        return not (passage.bullet and kind_of(bare.lower()).known and not is_plural(bare.split()[-1]))
    if re.search(rf"(?i)\b{APP}\b", bare):
        return False
    strong = sum(1 for item in field_list(rest) if kind_of(item.name.lower()).known)
    return strong >= 2 and (is_plural(bare.split()[-1]) or not kind_of(bare.lower()).known)


_RULE_SECTION = re.compile(
    r"(?i)\b(?:rules?|views?|features?|functions?|functionality|validations?|constraints?|screens?|pages?|search|filters?|sort\w*|actions?|workflow|reports?|reporting|import|export|totals?|statistics|lists|permissions|logic|behaviou?r|"
    r"(?:should|must|can|to) (?:do|be able)|able to|wishes|^(?:i|we) (?:want|need|would like)(?: to)?(?: be able to)?$|what i want to (?:do|see)|what it (?:does|should|must|can)|i want to be able|requirements)\b"
)
_RULE = re.compile(
    r"(?i)^(?:R|V|F|BR|FR|REQ)-?\d+\b|\b(?:at a time|at the same time|twice|double|overlap\w*|at most (?:one|\w+ open|\d+ \w+ per)|max(?:imum)?\.? (?:of )?\d+ (?:open |active )?(?!char|letter|digit|star|%|kg|euro|minutes|hours)[a-z]+ (?:per|for each|at)|no more than \w+ \w+ (?:per|for each)|"
    r"ignore|(?:only )?once (?:per|for|a)|search\w*|filter\w*|sort(?:ed)? by|sortable|highlight\w*|export\w*|import|print\w*|overdue|remind\w*|notif\w*|log ?in|login)\b|"
    r"\b(?:can't|(?:can|may|must|should)(?:not|n't| not)) (?!be (?:empty|blank|in the|negative|longer|more|less|left|below|before|after|null|missing))|\bis (?:only )?(?:possible|allowed)|\b(?:show|shows|display|list|see|view|find|mark|tick|calculate|compute|warn|delete|edit|remove|check (?:in|out))\b|"
    r"^[\w -]{2,30} (?:can be|is either|are either|is one of|must be one of|could be|may be) [\w -]+(?:,[\w -]+)* or [\w -]+\W*$|\b(?:should|must|can|could|to|is|are) be (?:shown|displayed|visible|calculated|computed|highlighted|sorted|sortable|searchable|filtered|printed|printable|exported|counted|marked|listed)\b|^(?:the )?(?:totals?|sums?|average|count|number of [\w ]+?|how many)\b.*\b(?:per|by|of (?:all|the|everything)|for (?:each|every)|each|in stock)\b|\bmust be (?:after|before|later|earlier)|>=|<=.*[a-z]_?date|\b(?:belongs?|assigned|assignable) to\b"
)


def is_rule(passage: Passage) -> bool:
    """Whether a passage reads like a rule or a function rather than like fields."""
    text = passage.text
    if (
        passage.headings
        and _RULE_SECTION.search(passage.headings[-1])
        and not re.search(r"(?i)\b(?:fields?|data|has|have)\b", passage.headings[-1])
    ):
        return True
    cut = end_of_list(text)
    body = re.sub(r"^[^:]{1,140}:\s", "", text[:cut])
    several = len(split_list(body)) >= 2
    match = _RULE.search(text[:cut])
    if match is None:
        # "A badge can be used by only one visitor" is no field "badge".
        states = re.match(rf"(?i)^(?:the |an? |each |every |all |any )?[\w' -]{{2,40}}? (?:can|may|must|should|has to|have to|is|are|will|needs? to|cannot|can't)\b(?! (?:be )?(?:have|contain|include|following))", text)
        if re.match(r"(?i)^(?:who|which|what|where|when|how many|how much)\b.*\?$", text) or re.match(r"(?i)^sum of\b", text):
            return True
        if re.search(r"(?i)=\s*(?:the )?(?:sum|total|number|count|difference)\b|=\s*[\w ]+\s[x*/+-]\s+[a-z]", text) and not several:
            return True
        per = re.match(r"(?i)^(?:the |all |list of )*([a-z][\w ]*?) (?:per|by|for each|of each|of every) [\w ]+\W*$", text)
        if per and is_plural(per[1].split()[-1]) and domain_of(singular(per[1].lower())):
            return True
        workflow = re.match(r"(?i)^(?:work ?flow|process|life ?cycle|states|stages|reports?)\s*:", text)
        return bool(workflow) or not several and bool(states) and not re.match(r"^[^:]{1,140}:\s", text)
    short = passage.bullet and len(text.split()) <= 3
    return not (match.start() > 0 and (several or short) and looks_like_fields(body)) and not (
        several and re.match(r"^[^:]{1,140}:\s", text) and looks_like_fields(body)
    )


def domain_is_record(phrase: str) -> bool:
    """Whether a phrase is the plural of a usual record type."""
    return is_plural(phrase.split()[-1]) and domain_of(singular(phrase.lower())) is not None


_LIST_ENDS = re.compile(
    r"(?i)(?:,|;|\s-)?\s+(?:(?:and|but|also|then|plus|so|&|\+)\s+)*(?=(?:so (?:that|i|we)\b|because\b|(?:i|we|you|users?) (?:want|need|would|must|should|can|also|like)\b|it (?:should|must|needs)\b|"
    r"show (?!date)|search\b|find\b|filter\b|sort(?:ed)?\b|list (?!price)|print\b|export\b|import\b|highlight\b|mark (?:as|them|it|when)|warn\b|remind\b|send\b|be able to|should be able|which can|that can|no double|no duplicate|where (?:i|we)\b|when (?:i|we|it|a|the)\b.*\b(?:is|are|should|must)\b|"
    r"can(?:not|'t)? be\b(?! (?:very |quite )?(?:long|empty|left|blank|null|missing))|they can\b|it can\b|must be able|with (?:a )?(?:search|filter|sort|export|list)|and then\b|calculate\b|total\b(?= (?:per|by|of))|sum\b(?= (?:per|by|of))|count\b(?= (?:per|by|of))|overview of|thanks|thank you|please\b))|(?<!\bno)[.!?](?:\s|$)"
)


def end_of_list(text: str) -> int:
    """Where a list of fields ends and another wish begins: ", search by …", ", show …", ". ", " so that"."""
    for match in _LIST_ENDS.finditer(text):
        before = text[: match.start()]
        if before.count("(") <= before.count(")") and before.count("[") <= before.count("]"):
            return match.start()
    return len(text)
