"""Reads every passage for record types and fields."""

import re

from macrohard.llm.builtin.understanding.domains import bundle_in, domain_of
from macrohard.llm.builtin.understanding.draft import RecordDraft, Said
from macrohard.llm.builtin.understanding.fields import (
    Item,
    field_list,
    looks_like_fields,
    parse_item,
    split_list,
    unread,
)
from macrohard.llm.builtin.understanding.nouns import kind_of
from macrohard.llm.builtin.understanding.phrases import (
    DECLARATIONS,
    FIELDS_WORD,
    NOT_RECORDS,
    RULE,
    RULE_SECTION,
    balanced,
    bare_name,
    bare_title,
    domain_is_record,
    end_of_list,
    is_record_line,
    is_rule,
    looks_like_record,
)
from macrohard.llm.builtin.understanding.records import Records, first_mention, spoken_of, tell_apart
from macrohard.llm.builtin.understanding.references import PARENTS
from macrohard.llm.builtin.understanding.relations import linking
from macrohard.llm.builtin.understanding.subjects import APP, DETERMINERS, DOING, NOUN, subject_of
from macrohard.llm.builtin.understanding.text import Passage, wish_of
from macrohard.llm.builtin.understanding.words import identifier, is_plural, label, singular


class Declarations(Records):
    """Finds record types and fields passage by passage; what it used up is left out of what comes after."""

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
            tell_apart(record)
        text = " ".join(passage.text for passage in passages)
        self.draft.records.sort(key=lambda one: first_mention(one, text))

    def _bundle(self, passages: list[Passage]) -> None:
        """A place is named and nothing else: what such places usually keep."""
        for passage in passages[:3]:
            self.opening = passage
            for label_ in bundle_in(passage.text):
                self.ensure(label_.lower(), Said(words=passage.source))
            if self.draft.records:
                return

    def _belongs_together(self, stated: RecordDraft) -> bool:
        (
            """Whether the subject is what the records that are described usually belong to, e.g. a project and its """
            """tasks."""
        )
        assert self.subject is not None
        domain, child = domain_of(singular(self.subject[0].lower())), domain_of(stated.label.lower())
        return bool(domain and child and domain.label in PARENTS.get(child.label, ()))

    def _subject(self, passages: list[Passage]) -> None:
        spoken = spoken_of(passages)
        for passage in passages[:12]:
            about = re.match(
                (
                    r"(?i)^(?:purpose|goal|background|context|summary|intro(?:duction)?|about|aim|situation|"
                    r"problem|motivation|why)\s*[:.-]\s+(.+)$"
                ),
                passage.text,
            )
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
                if (
                    spoken
                    and not re.search(rf"(?i)\b{APP}\b", opening)
                    and domain_of(singular(subject.lower())) is not domain_of(spoken)
                    and not is_plural(subject.split()[-1])
                ):
                    subject = spoken
                listed = (
                    {singular(item.name.lower()) for item in field_list(passage.text.split(":", 1)[1])}
                    if ":" in passage.text
                    else set()
                )
                if spoken and singular(subject.lower()) in listed:
                    subject = spoken
                self.subject, self.opening = (subject, Said(words=passage.source)), passage
                return
        if spoken and (found := next((one for one in passages if spoken in one.text.lower()), None)):
            self.subject, self.opening = (spoken, Said(words=found.source)), found

    def _is_feature_section(self, passage: Passage) -> bool:
        return bool(passage.headings) and bool(RULE_SECTION.search(passage.headings[-1]))

    def _declare_record(self, passage: Passage) -> None:
        text = passage.text.strip()
        said = Said(words=passage.source)
        spec = re.match(
            r"(?i)^(?:entity|table|record|class|type|model|\d+[.)])?\s*"
            r"([A-Za-z][\w ]{1,30}?)\s*[(\[{](.+)[)\]}]\s*\.?$",
            text,
        )
        if (
            spec
            and balanced(spec[2])
            and len(split_list(spec[2])) >= 2
            and len(spec[1].split()) <= 3
            and not NOT_RECORDS.match(spec[1])
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
            title = bare_title(passage.text)
            if re.search(rf"(?i)\b{APP}$", title) and domain_of(title.lower()) is None:
                title = ""
            if 0 < len(title.split()) <= 3 and not NOT_RECORDS.match(title) and self._children_are_fields(passage):
                self.ensure(title, said)
            elif re.fullmatch(
                (
                    r"(?i)(?:tables|entities|records|data(?: model)?|objects|things(?: to (?:track|keep))?|record "
                    r"types|data types)"
                ),
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
            and not NOT_RECORDS.match(text)
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
                if record := self.ensure(bare_name(name), said):
                    self.add_items(record, items, passage)
                    self._report(rest[:cut], passage)
                    self.leave(passage, rest[cut:].strip(" .,;"))

    def _children_are_fields(self, passage: Passage) -> bool:
        lines = [child.text for child in passage.children if not child.heading]
        good = 0
        for line in lines:
            item = parse_item(line)
            good += bool(
                (
                    item
                    and (kind_of(item.name.lower()).known or kind_of(singular(item.name.lower())).known or item.about)
                    and not RULE.search(line)
                )
                or looks_like_fields(line)
            )
        return len(lines) > 0 and good * 2 > len(lines)

    # -- lists of fields ---------------------------------------------------------------------------------------------

    def _declare_fields(self, passage: Passage) -> None:
        if id(passage) in self.handled or id(passage) in self.rest:
            return
        text = passage.text.strip()
        summed = re.match(r"(?i)^(?:the |show )?(?:total|average|sum of|overall)\s+(?:of )?([\w -]+?)\W*$", text)
        if summed and any(record.get(identifier(summed[1])) for record in self.draft.records):
            return
        here = self.current(passage)
        in_fields = any(
            re.search(rf"(?i)\b{FIELDS_WORD}\b", h)
            or (
                re.search(
                    (
                        r"(?i)\b(?:has|have|with|contains|store|record|save|each|per|enter|must know|need to know|want "
                        r"to know|note down|write down)\b.*$"
                    ),
                    h,
                )
                and len(h.split()) > 1
            )
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
        ) and self._as_fields(here or self._main(passage), passage, text):
            return
        head = text[: end_of_list(text)]
        first, comma, others = head.partition(",")
        if (
            passage is self.opening
            and comma
            and looks_like_fields(others)
            and len(split_list(others)) >= 2
            and (subject_of(first) or re.search(rf"(?i)\b{APP}$", first.strip()))
        ):
            record = here or self._main(passage)
            if record is not None:
                self.add_items(record, field_list(others), passage)
                self.leave(passage, text[len(head) :].strip(" .,;"))
                return
        if (
            looks_like_fields(head)
            and len(head) > 3
            and not (len(split_list(head)) == 1 and (passage is self.opening or not self._plain_field(head)))
        ):
            record = here or self._owner(head) or self._main(passage)
            if record is not None:
                self.add_items(record, field_list(head), passage)
                self.leave(passage, text[len(head) :].strip(" .,;"))

    def _owner(self, text: str) -> RecordDraft | None:
        """The record type that has the one field that a text is about: "Price at least 0"."""
        items = field_list(text)
        if len(items) != 1:
            return None
        return next((record for record in self.draft.records if record.get(identifier(items[0].name))), None)

    def _plain_field(self, text: str) -> bool:
        """Whether one word or two alone are the name of a field and not of something that is recorded."""
        item = parse_item(text)
        if re.search(r"(?i)\b(?:for|of|in|at|from) (?:my|our|the|a|an)\b", text) or len(text.split()) > 5:
            return False
        return item is not None and bool(
            kind_of(item.name.lower()).known or kind_of(singular(item.name.lower())).known or item.about
        )

    def _after_colon(self, passage: Passage, here: RecordDraft | None) -> bool:
        """ "Visitor log for our reception: name, company, host"."""
        line = re.match(r"^([^:]{2,140}?)\s*(?::|\s-)\s+(.{3,})$", passage.text)
        if (
            not line
            or (
                len(line[1].split()) <= 4
                and kind_of(line[1].lower()).known
                and (passage.bullet or kind_of(line[1].lower()).type != "text")
            )
            or (
                NOT_RECORDS.match(line[1])
                and not re.search(
                    (
                        r"(?i)\b(?:collect|like|list|manage|organi[sz]e|app|tool|page|form|note|log|need|want|store|"
                        r"record|keep|enter|track|save|log|fields?|columns?|details|information|data)\b"
                    ),
                    line[1],
                )
            )
        ):
            return False
        cut = end_of_list(line[2])
        items = field_list(line[2][:cut])
        if len(items) < 2 or not looks_like_fields(line[2][:cut], mostly=True):
            return False
        things = re.match(
            r"(?i)^(?P<who>[\w' ]{2,60}?)\s+(?:with|having|have|has|including|which have|that have)\s+(?P<list>.+)$",
            line[2],
        )
        if things and len(field_list(things["list"])) >= 2 and not re.search(r",", things["who"]):
            noun = re.search(rf"(?i){NOUN}$", things["who"].strip())
            last = things["who"].split()[-1]
            named = domain_of(singular(line[1].strip().lower())) if len(line[1].split()) <= 3 else None
            record = self._named(
                line[1] if named and not self.find(last) else last if is_plural(last) else noun["np"] if noun else last,
                passage,
            )
            if record is not None:
                end = end_of_list(things["list"])
                self.add_items(record, field_list(things["list"][:end]), passage)
                self._report(things["list"][:end], passage)
                self.leave(passage, things["list"][end:].strip(" .,;"))
                return True
        subject = self.subject[0] if self.subject and passage is self.opening else subject_of(line[1])
        known = {one.label.lower() for one in self.draft.records}
        object_ = re.search(rf"(?i)\b{DOING}\s+{DETERMINERS}{NOUN}", line[1])
        if object_ and any(singular(item.name.lower()) in known for item in items) and not self.find(object_["np"]):
            subject = object_["np"]  # "we also log the water meter: plot, date, reading"
        record = (self._named(subject, passage) if subject else None) or here or self._main(passage)
        if record is None:
            return False
        self.add_items(record, items, passage)
        self._report(line[2][:cut], passage)
        self.leave(passage, line[2][cut:].strip(" .,;"))
        return True

    def _by_sentence(self, passage: Passage, here: RecordDraft | None) -> bool:
        """ "Each book has …", "for each customer I note …", "book a room with …"."""
        text = passage.text.strip()
        for pattern in DECLARATIONS:
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
            alone = (
                passage is self.opening
                and len(items) == 1
                and (not known or domain_of(singular(items[0].name.lower())) is not None)
            )
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
            if link:
                for inner in re.findall(r"\(([^()]+)\)", text[: match.start("list")]):
                    if looks_like_fields(inner):
                        self.add_items(record, field_list(inner), passage)
            for parent in re.split(r"(?i)\s+and\s+|,\s*", groups.get("parents") or ""):
                if parent and (there := self.find(parent)) and there is not record:
                    self.links.append((record.name, there.name, Said(words=passage.source)))
            self._report(groups["list"][:cut], passage)
            before = "" if noun or link else text[: match.start()]
            self.leave(passage, (before + " " + groups["list"][cut:]).strip(" .,;"))
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
            and not NOT_RECORDS.match(match["np"])
        ):
            return match["np"]
        return None

    def _report(self, text: str, passage: Passage) -> None:
        """Say which things of a list were not understood."""
        for piece in unread(text):
            self.draft.leave_uncovered(
                f"Not understood: “{piece}”.", Said(words=piece, wish=wish_of(passage) == "wish")
            )

    def _as_fields(self, record: RecordDraft | None, passage: Passage, text: str) -> bool:
        if record is None:
            return False
        pieces = split_list(text)
        single = parse_item(text)
        if len(pieces) > 1 and looks_like_fields(text):
            items = field_list(text)
        elif (
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
        if not cells or (
            re.fullmatch(
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
            self.add_items(
                record,
                [Item(item.name, f"{item.about} ; {about}".strip(" ;"), " | ".join(cells), item.target, True)],
                passage,
            )
