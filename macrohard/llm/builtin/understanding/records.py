"""Which record types the person means, and their fields."""

import re

from macrohard.llm.builtin.understanding.domains import Domain, domain_of
from macrohard.llm.builtin.understanding.draft import Draft, FieldDraft, RecordDraft, Said, new_record
from macrohard.llm.builtin.understanding.fields import (
    Item,
    field_list,
    is_kept_anyway,
    looks_like_fields,
    make_field,
    split_list,
)
from macrohard.llm.builtin.understanding.nouns import kind_of
from macrohard.llm.builtin.understanding.phrases import FIELDS_WORD, NOT_RECORDS, PICTURES, without_verb
from macrohard.llm.builtin.understanding.references import add_reference, reference_to
from macrohard.llm.builtin.understanding.relations import linking, relations_in
from macrohard.llm.builtin.understanding.subjects import APP, DETERMINERS, NOUN, WORD
from macrohard.llm.builtin.understanding.text import Passage, wish_of
from macrohard.llm.builtin.understanding.words import identifier, is_plural, singular

MOST_RECORDS = 6


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
        alike = [
            one
            for one in self.draft.records
            if one.label.lower().endswith(f" {key}") or key.endswith(f" {one.label.lower()}")
        ]
        return alike[0] if len(alike) == 1 else None

    def ensure(self, phrase: str, said: Said) -> RecordDraft | None:
        """The record type of that name, made if there is room for it."""
        phrase = (
            re.sub(rf"(?i)^{DETERMINERS}", "", phrase.strip() + " ").strip()
            if phrase.strip().lower() not in ("thing", "things")
            else phrase
        )
        phrase = without_verb(phrase)
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
                (
                    rf"(?i)\b(?:{FIELDS_WORD}|table|entity|record|list|has|have|with|contains|of|for|an?|the|each|"
                    rf"every|type)\b|\d+[.)]"
                ),
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
                    f"The “{item.name}” of {record.plural.lower()} is kept by the product itself and not shown "
                    f"in forms."
                )
                continue
            said = Said(words=item.source or passage.source, wish=wish)
            other = self.find(item.name) if is_plural(item.name.split()[-1]) else None
            if other is not None and other is not record:
                self.links.append((other.name, record.name, said))
                continue
            if (
                len(items) > 1
                and re.match(r"(?i)what \w+ \w+$", item.name)
                and any(is_plural(one.name.split()[-1]) and self.find(one.name) for one in items)
            ):
                self.draft.assume(f"“{item.source}” is taken to be what the records named later hold.")
                continue
            if PICTURES.fullmatch(item.name.lower()):
                self.draft.leave_uncovered(
                    f"Uploading and showing files and pictures: “{item.source}” of {record.plural.lower()}.", said
                )
                continue
            self._rename(record, item)
            name = re.sub(
                (
                    rf"(?i)\s+of (?:the|an?|each|this) (?:"
                    rf"{'|'.join(re.escape(n) for n in {record.label.lower().split()[-1], *record.aliases})}"
                    rf"|it)$"
                ),
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
                (
                    r"(?i)(?:must be|is|are|the|a|and|or|field|value|values|only|number|text|valid|e\.g\.?|i\.e\.?|"
                    r"so i can .*|so that .*|because .*|for .*|from .*|can|may|which|that|must|should|with|in|of|"
                    r"to|be|has|to be|please|as|it|when .*|list|dropdown|etc\.?|it's|normally|usually|mostly|"
                    r"optional(?:ly)?|one of (?:the|our|my) .*)"
                ),
                part,
            ):
                continue
            if re.fullmatch(
                r"(?i)auto(?:matic(?:ally)?)?(?: number| generated| set| filled in)?|generated|running number", part
            ):
                self.draft.leave_uncovered(f"{one.label} is not given automatically: it is entered.", said)
                continue
            if len(part.split()) <= 3 and not re.search(
                r"\d|\b(?:must|should|can|may|shown?|be|not|never|only)\b", part
            ):
                one.aliases.add(singular(part.lower()))
                self.draft.assume(f"“{part}” after “{one.label}” is taken as an explanation of what to enter there.")
            else:
                self.draft.leave_uncovered(f"Not understood: “{part}” about {one.label}.", said)

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
                or (
                    child is not None
                    and domain_of(singular(relation.parent.lower()))
                    and is_plural(relation.parent.split()[-1])
                )
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
        parent = self.find(thing) or (
            self.ensure(thing, said)
            if domain_of(singular(thing.lower())) and not is_plural(thing.split()[-1])
            else None
        )
        if parent is None or self.find(noun) is parent:
            return
        if child := self.ensure(noun, said):
            self.links.append((child.name, parent.name, said))
            whom = re.match(rf"(?i)\s*(?:to|by|for|with)\s+{DETERMINERS}{NOUN}", passage.text[match.end() :])
            if (
                whom
                and (
                    person := self.find(whom["np"])
                    or (self.ensure(whom["np"], said) if domain_of(singular(whom["np"].lower())) else None)
                )
                and person is not parent
            ):
                self.links.append((child.name, person.name, said))
            if id(passage) not in self.rest and re.fullmatch(
                r"\W*", passage.text[match.end() + (whom.end() if whom else 0) :]
            ):
                self.handled.add(id(passage))

    def _join(self) -> None:
        """Make the references that were stated."""
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

    def _named(self, noun: str, passage: Passage) -> RecordDraft | None:
        noun = re.sub(rf"(?i)^{DETERMINERS}", "", noun + " ").strip()
        noun = re.sub(rf"(?i)(?<=\w)[ -]{APP}$", "", noun) if domain_of(noun.lower()) is None else noun
        if not noun or re.fullmatch(
            (
                r"(?i)(?:it|they|them|this|that|one|entry|entries|record|records|item|items|thing|things|list|"
                r"app|"
                r"row|line|form|page|system|i|we|you|there|who|which|each|person|people|card|(?:new|each|every|"
                r"list|log) entry|application|"
                r"tool|program)"
            ),
            noun,
        ):
            return self.find(noun) or self._main(passage)
        if NOT_RECORDS.match(noun):
            return None
        return self.ensure(noun, Said(words=passage.source))

    def _main(self, passage: Passage) -> RecordDraft | None:
        """The record type that a list without a name belongs to: the one spoken of, else the first."""
        for one in self.draft.records:
            if re.search(rf"(?i)\b(?:{re.escape(one.label)}|{re.escape(one.plural)})\b", passage.text):
                return one
        if self.links and (child := self.draft.record(self.links[-1][0])):
            return child
        if self.draft.records:
            return self.draft.records[0]
        if self.subject:
            return self.ensure(*self.subject)
        items = field_list(passage.text.split(":", 1)[-1])
        if sum(kind_of(item.name.lower()).known for item in items) >= 2:
            return self.ensure("entry", Said(words=passage.source))
        return None

    def _inline_records(self, passage: Passage, said: Said) -> bool:
        """ "Customers (name, phone) and invoices (number, customer, amount)"."""
        if self._under_record(passage):
            return False
        found = []
        for match in re.finditer(rf"\b((?:{WORD}\s+)?{WORD})\s*\(([^()]{{6,600}})\)", passage.text):
            name = re.sub(rf"(?i)^{DETERMINERS}", "", match[1] + " ").strip()
            if not name or NOT_RECORDS.match(name) or len(split_list(match[2])) < 2 or not looks_like_fields(match[2]):
                continue
            if kind_of(singular(name.lower())).type in ("choice", "yes/no", "long text", "e-mail", "phone"):
                continue
            found.append((name, match[2], match.span()))
        several = [one for one in found if is_plural(one[0].split()[-1])]
        if len(found) < 2 or (
            not several and any(kind_of(name.lower()).known and not domain_of(name.lower()) for name, _, _ in found)
        ):
            found = [
                one
                for one in several
                if len(field_list(one[1])) >= 3 and (domain_of(singular(one[0].lower())) or not passage.bullet)
            ]
        if not found:
            return False
        text = passage.text
        for name, fields, (start, end) in reversed(found):
            if record := self.ensure(name, said):
                self.add_items(record, field_list(fields), passage)
            text = f"{text[:start]} , {text[end:]}"
        last = re.search(rf"(?i)(?:^|,|\band\b)\s*(?:{DETERMINERS})({WORD}(?:\s+{WORD})?):\s+(.+)$", text)
        if last and len(field_list(last[2])) >= 2 and looks_like_fields(last[2]) and not NOT_RECORDS.match(last[1]):
            if record := self.ensure(last[1], said):
                self.add_items(record, field_list(last[2]), passage)
            text = text[: last.start()]
        for word in re.split(r"(?i)\s*[,;:]\s*|\s+and\s+", text):
            bare = re.sub(rf"(?i)^{DETERMINERS}", "", word.strip() + " ").strip()
            if (
                bare
                and is_plural(bare.split()[-1])
                and len(bare.split()) <= 2
                and domain_of(singular(bare.lower()))
                and not NOT_RECORDS.match(bare)
            ):
                self.ensure(bare, said)
                text = text.replace(word, " ")
        rest = re.sub(
            (
                r"(?i)^(?:\W|\b(?:and|plus|with|of|the|my|our|app|for|to|manage|track|keep|record|i|we|need|want|"
                r"please|a|an)\b)+$"
            ),
            "",
            text.strip(),
        )
        self.leave(passage, rest)
        return True

    def leave(self, passage: Passage, rest: str) -> None:
        if re.search(r"[A-Za-z]{3}", rest):
            self.rest[id(passage)] = rest
        else:
            self.handled.add(id(passage))

    def _under_record(self, passage: Passage) -> bool:
        """Whether the bullet stands below a heading that names a record type: then it is a field."""
        return passage.bullet and self.current(passage) is not None


def tell_apart(record: RecordDraft) -> None:
    """A medicine log that notes a medicine each time keeps entries, not medicines."""
    domain = domain_of(record.label.lower())
    if domain is not None and domain.label == record.label:
        return  # a task may well have a task
    if any(one.label.lower() == record.label.lower() and one.type == "text" for one in record.fields):
        fresh = new_record(f"{record.label.lower()} entry", record.said)
        record.name, record.label, record.plural = fresh.name, fresh.label, fresh.plural
        record.aliases |= {*fresh.aliases, "entry"}


def spoken_of(passages: list[Passage]) -> str | None:
    """The usual thing that a text mentions most in the plural, at least twice."""
    counts: dict[str, int] = {}
    for passage in passages[:60]:
        for word in re.findall(r"[a-z][a-z'-]+", passage.text.lower()):
            if (
                is_plural(word)
                and domain_of(singular(word))
                and not kind_of(word).known
                and word
                not in (
                    "notes",
                    "details",
                    "records",
                    "lists",
                    "items",
                    "things",
                    "times",
                    "people",
                    "users",
                    "members",
                )
            ):
                counts[word] = counts.get(word, 0) + 1
    best = max(counts, key=lambda word: counts[word], default=None)
    return best if best and counts[best] >= 2 else None


def first_mention(record: RecordDraft, text: str) -> int:
    found = [
        match.start()
        for name in {record.label, record.plural, *record.aliases}
        if (match := re.search(rf"(?i)(?<![\w-]){re.escape(name)}(?:s)?(?![\w-])", text))
    ]
    return min(found, default=len(text))
