"""From passages to a draft: fields first, then what else is said, clause by clause."""

import re
from collections.abc import Callable
from dataclasses import replace

from macrohard.llm.builtin.understanding import (
    acting,
    computing,
    constraining,
    finding,
    keeping,
    listing,
    ruling,
    totalling,
    transfer,
)
from macrohard.llm.builtin.understanding.clauses import (
    Clause,
    clauses_of,
    is_background,
    is_chatter,
    is_habit,
    is_quality,
    named_record,
    reason_in,
)
from macrohard.llm.builtin.understanding.completion import complete, measure
from macrohard.llm.builtin.understanding.declaring import Declarations
from macrohard.llm.builtin.understanding.described import described
from macrohard.llm.builtin.understanding.draft import Draft, Said
from macrohard.llm.builtin.understanding.fields import field_list, looks_like_fields, make_field, parse_item, split_list
from macrohard.llm.builtin.understanding.limits import UNKNOWN_PERIOD, beyond
from macrohard.llm.builtin.understanding.nouns import kind_of
from macrohard.llm.builtin.understanding.references import ensure_field
from macrohard.llm.builtin.understanding.roles import done_field, open_conditions
from macrohard.llm.builtin.understanding.text import Passage, wish_of
from macrohard.llm.builtin.understanding.words import listed, lower_label, plural, vocabulary

Recogniser = Callable[[Clause, Draft], bool]

_RECOGNISERS: tuple[Recogniser, ...] = (
    transfer.importing,
    transfer.exporting,
    listing.printing,
    keeping.deleting,
    keeping.zero,
    ruling.overlapping,
    constraining.together,
    ruling.limiting,
    ruling.one_at_a_time,
    constraining.required_when,
    acting.workflow,
    acting.choosing,
    acting.starting,
    acting.extending,
    ruling.referring,
    finding.search,
    listing.highlighting,
    finding.filtering,
    finding.paging,
    finding.sorting,
    computing.computing,
    totalling.totalling,
    constraining.ordering,
    listing.viewing,
    listing.history,
    acting.acting,
    constraining.constraining,
)
_PROPERTY = re.compile(
    r"(?i)^(?:the |an? |each |every |all )?[\w' -]{2,50}? (?:(?:is|are|must be|must|should be|has to be|have "
    r"to be|can be|may be|can't be|cannot be|must not be|can not be|should not be|may not be|is always|are "
    r"always|must always be|has|have|needs to be) (?:always )?)"
    r"(?:unique|required|mandatory|compulsory|optional|obligatory|between|from \d|at least \d|at most \d|at "
    r"least \w+ (?:characters|digits)|max|min|not (?:be )?(?:empty|negative|longer|required|mandatory|more|"
    r"less|in the)|empty|blank|left|positive|more than \d|less than \d|greater|negative|longer|shorter|in the "
    r"(?:future|past)|exactly \d|\d+ (?:digits|characters)|a valid|valid|a whole number|a number|a date|filled|"
    r"given|entered|nullable)\b"
)
_CHOOSING = (listing.printing, listing.highlighting, finding.filtering, totalling.totalling, listing.viewing)
"""Those that read which records are meant."""
_STORY = re.compile(
    r"(?i)^as (?:an? |the )?(?P<role>[\w -]{2,40}?),? (?:i|we) (?:want|need|would like|wish|can|must|should|'d "
    r"like|have)(?: to)?(?: be able to)? (?P<goal>.+?)(?:,? (?:so that|in order to|because|so i|so we|such "
    r"that) (?P<why>.+))?$"
)
_PLAIN_CRUD = re.compile(
    r"(?i)^(?:(?:i|we|you|users?|it|one|they|people|staff|and|also|then|should|must|can|could|want|need|would|"
    r"like|to|be|able|possible|possibility|ability|option|please|easily|quickly|simply|the|a|an|new|all|my|our|"
    r"each|every|existing|of|with|old|wrong|their|its|in|for|at|any|time|later|list|overview|table|page|form|"
    r"simple|basic|button|screen|them|it|or|from|here|there|just|everything|something|things?|entries|entry|"
    r"records?|items?|data|details?|let|me|us|allow|have|has|is|are|up)\b[\s,/&+.-]*|"
    r"\b(?P<verb>add(?:ed|ing|s)?|creat\w+|enter\w*|edit\w*|chang\w+|updat\w+|modif\w+|correct\w*|delet\w+|"
    r"remov\w+|view\w*|see|list\w*|show\w*|display\w*|manag\w+|sav\w+|stor\w+|record\w*|register\w*|keep\w*|"
    r"track\w*|browse|read|look|crud|maintain\w*|log(?:ging|s)?|open|organi[sz]\w*|book|make|plan|schedule|"
    r"note)\b[\s,/&+.-]*)+$"
)


class Interpreter:
    """Reads one requirement into one draft."""

    def __init__(self) -> None:
        self.draft = Draft()
        self.records = Declarations(self.draft)
        self.quiet = False
        """In the passage that says what the app is about: what is not understood there names no wish."""

    def read(self, passages: list[Passage]) -> Draft:
        """Understand all passages; what is not understood is in the draft as not covered."""
        for passage in passages:
            self._strip_story(passage)
        self.records.declare(passages)
        if not self.draft.records:
            return self.draft
        complete(self.draft, self.records.by_label)
        for passage in passages:
            if (id(passage) not in self.records.handled and not passage.heading) or (
                passage.heading and not passage.children
            ):
                self._passage(passage)
        for passage in passages:
            self._beyond_lists(passage)
        complete(self.draft, self.records.by_label)
        measure(self.draft, " ".join(passage.source for passage in passages))
        self._usual()
        return self.draft

    def _strip_story(self, passage: Passage) -> None:
        """ "As a receptionist I want to …": the role is a user, the wish is what counts."""
        match = _STORY.match(passage.text)
        if match is None:
            return
        role = match["role"].strip()
        if role.lower() not in self.draft.roles and len(role.split()) <= 4:
            self.draft.roles.append(role.lower())
        passage.text = re.sub(r"(?i)^(?:i|we) ", "", match["goal"]).strip()

    def _passage(self, passage: Passage) -> None:
        text = self.records.rest.get(id(passage), passage.text)
        text = re.sub(
            (
                r"(?i)^(?:(?:reports?|work ?flow|must|should|could|nice[- ]to[- ]have|optional|required?|rules?|"
                r"features?|views?|also|plus|bonus|extra|important|note|ps|p\.s\.|mandatory|later|could have|must "
                r"have|should have|maybe|story|requirement|feature)\s*[:.-]+\s+)"
            ),
            "",
            text,
        )
        text = re.sub(r"^(?:R|V|F|BR|FR|US|AC|REQ)-?\d+\s*[:.)-]?\s+", "", text)
        if wish_of(passage) == "unwanted":
            self.draft.assume(f"Left out as asked: “{passage.source}”.")
            return
        context = self.records.current(passage)
        if passage is self.records.opening and _about_the_product(text, opening=True):
            self._read_as(passage)
            return
        self.quiet = passage is self.records.opening
        self.draft.view_just_added = None
        if described(passage, text, self.draft, context):
            return
        self._state_words(passage, text)
        for clause in clauses_of(passage, text, self.draft, context):
            reason = reason_in(clause.text)
            if reason and reason != clause.text.strip():
                clause = replace(clause, text=clause.text.replace(reason, "").strip(" ,"))
            elif reason:
                self.draft.assume(f"Taken as a reason, not as a wish: “{clause.source}”.")
                continue
            self._clause(clause)

    def _beyond_lists(self, passage: Passage) -> None:
        (
            """What can't be done may also be named where fields are listed: "a REST API for books with title and """
            """author"."""
        )
        rest = self.records.rest.get(id(passage), "" if id(passage) in self.records.handled else passage.text)
        used = passage.text.replace(rest, " ") if rest else passage.text
        if (
            passage.heading
            or wish_of(passage) == "unwanted"
            or rest == passage.text
            or re.search(r"(?i)\b(?:no|without|not) ", used)
        ):
            return
        fields = {
            alias
            for record in self.draft.records
            for one in record.fields
            for alias in {one.label.lower(), *one.aliases}
        }
        for name, words in beyond(used):
            known = any(words.lower() in there.lower() for there, _ in self.draft.uncovered)
            if not known and not any(words.lower() in field for field in fields):
                self.draft.leave_uncovered(
                    f"{name}: “{words}”.", Said(words=passage.source, wish=wish_of(passage) == "wish")
                )

    def _state_words(self, passage: Passage, text: str) -> None:
        """ "Cancelled appointments stay in the list": whether one is cancelled is to be kept."""
        for record in self.draft.records:
            match = re.search(
                (
                    rf"(?i)\b(cancell?ed|archived|deceased|retired|discontinued|returned|"
                    rf"confirmed)\s+(?:{re.escape(record.plural)}|{re.escape(record.label)})\b"
                ),
                text,
            )
            if match is None:
                continue
            word = match[1].lower().replace("canceled", "cancelled")
            known = any(
                (one.type == "yes/no" and one.label.lower() == word) or word in {c.lower() for c in one.value.choices}
                for one in record.fields
            )
            if known or (open_conditions(record) and word == "returned"):
                continue
            ensure_field(record, word, Said(words=passage.source), type="yes/no", default="no")
            for index, (rule, said) in enumerate(self.draft.rules):
                if (
                    rule.record == record.name
                    and rule.kind in ("no overlap", "unique together", "at most")
                    and not rule.when
                ):
                    self.draft.rules[index] = (rule.model_copy(update={"when": ruling.still_on(record)}), said)

    def _read_as(self, passage: Passage) -> None:
        """Say what a short opening was taken for, when the record type is not called as it says."""
        if all(
            not re.search(rf"(?i)\b{re.escape(name)}", passage.text)
            for one in self.draft.records
            for name in (one.label, one.plural)
        ):
            self.draft.assume(
                f"“{passage.source}” is read as: keep a list of "
                f"{listed([lower_label(one.plural) for one in self.draft.records])}."
            )

    def _clause(self, clause: Clause) -> None:
        draft = self.draft
        text = clause.text = clause.text.strip(" ;")
        if is_chatter(text):
            return
        if re.match(
            (
                r"(?i)^(?:(?:we|i|it|there) )?(?:no |without |(?:do|does|don't|doesn't|not|need|needs|is|are|"
                r"there)\b.{0,20}\b(?:not|no|n't)\b.{0,20}|don't (?:need|want)|doesn't need|not needed:?|no need "
                r"(?:for|of|to)|skip)\b"
            ),
            text,
        ) and beyond(text):
            draft.assume(f"Left out as asked: “{clause.source}”.")
            return
        if re.search(
            r"(?i)\b(?:not|n't) (?:needed|necessary|required|wanted|important to have)\b|\bno need\b|\bdon't need\b",
            text,
        ) and beyond(text):
            draft.assume(f"Left out as asked: “{clause.source}”.")
            return
        if is_habit(text) and not clause.headings:
            draft.assume(f"Taken as background, nothing is built from it: “{clause.source}”.")
            return
        if self._phone(clause) or self._plain(clause):
            return
        if (
            _PROPERTY.match(text)
            and not re.search(r"(?i)\b(?:when|if|once|unless|in case|together|combination)\b", text)
            and (constraining.constraining(clause, draft) or self._more_fields(clause))
        ):
            return
        found = beyond(text)
        if found and self._cannot(clause, found):
            return
        for recognise in _RECOGNISERS:
            if recognise(clause, draft):
                if recognise in _CHOOSING and (period := UNKNOWN_PERIOD.search(text)):
                    draft.leave_uncovered(f"The period “{period.group()}” in “{clause.source}”.", clause.said)
                return
        if (not self.quiet and self._more_fields(clause)) or self._list(clause):
            return
        if is_quality(text) and len(text.split()) <= 16:
            draft.assume(
                f"“{clause.source}” is taken care of by plain pages with labelled fields; no single test can decide it."
            )
            return
        if self.quiet:
            if id(self.records.opening) in self.records.rest:
                return
            draft.assume(
                f"“{clause.source}” is read as: keep a list of "
                f"{listed([lower_label(one.plural) for one in draft.records])}."
            )
            return
        if is_background(text) or _about_the_product(text):
            draft.assume(f"Taken as background, nothing is built from it: “{clause.source}”.")
            return
        draft.leave_uncovered(f"Not understood: “{clause.source}”.", clause.said)

    def _cannot(self, clause: Clause, found: list[tuple[str, str]]) -> bool:
        """Report what can't be done; True unless the clause asks for more than that."""
        fields = {
            alias
            for record in self.draft.records
            for one in record.fields
            for alias in {one.label.lower(), *one.aliases}
        }
        fields |= {
            form
            for record in self.draft.records
            for name in (record.label.lower(), *record.aliases)
            for form in (name, plural(name))
        }
        real = [(name, words) for name, words in found if words.lower() not in fields]
        for name, _ in real:
            self.draft.leave_uncovered(f"{name}: “{clause.source}”.", clause.said)
        return bool(real)

    def _phone(self, clause: Clause) -> bool:
        if re.search(
            (
                r"(?i)\b(?:on|for|from|with|by|via)\b[\w ]{0,20}\b(?:phones?|smart ?phones?|mobiles?|tablets?|"
                r"ipads?|iphones?|small screens?|handys?|android)\b|\bmobile[- ](?:friendly|first|ready|layout|"
                r"version|view|compatible|optimi[sz]ed)\b|\bresponsive\b|\bphone[- ](?:friendly|layout|sized)\b"
            ),
            clause.text,
        ) and not re.search(r"(?i)\bapp store|native\b|phone number", clause.text):
            self.draft.phone = clause.said
            return True
        if re.search(
            (
                r"(?i)\b(?:survive|persist\w*|still (?:be )?there|not (?:be )?lost|never lose|don't lose|keep "
                r"(?:the |my |all )?data|saved? permanently|remembered|after (?:a |the )?(?:restart|reload|reboot|"
                r"closing)|data(?:base)? (?:is |are |must be |should be )?(?:saved|stored|kept))\b"
            ),
            clause.text,
        ):
            self.draft.kept = clause.said
            return True
        return False

    def _plain(self, clause: Clause) -> bool:
        """ "add, edit and delete tasks": what every product does, now in the person's words."""
        bare = clause.text
        mentioned = [one for one in self.draft.records if named_record(Draft(records=[one]), bare)]
        if len(mentioned) > 1 and re.search(r"(?i)\b(?:of|for|by|per|which|has|have)\b", bare):
            return False
        for record in self.draft.records:
            for name in sorted({record.label, record.plural, *record.aliases}, key=len, reverse=True):
                bare = re.sub(rf"(?i)(?<![\w-]){re.escape(name)}(?:s|'s)?(?![\w-])", " ", bare)
        if len(bare) > 200 or not _PLAIN_CRUD.match(re.sub(r"[^\w\s,/&+.-]", " ", bare).strip() or "x"):
            return False
        verbs = re.findall(r"(?i)\b(?:edit|chang|updat|modif|correct|delet|remov|manag|maintain|crud)\w*", bare)
        for record in [clause.record]:
            if re.search(r"(?i)\b(?:edit|chang|updat|modif|correct|manag|maintain|crud)", " ".join(verbs)):
                record.said_of["edit"] = clause.said
            if re.search(r"(?i)\b(?:delet|remov|manag|maintain|crud)", " ".join(verbs)):
                record.said_of["delete"] = clause.said
            if not record.said.words:
                record.said = clause.said
        return True

    def _more_fields(self, clause: Clause) -> bool:
        """A field that is mentioned late: "oh and birthday", "the phone number is optional"."""
        text = re.sub(
            (
                r"(?i)^(?:(?:oh|and|also|plus|please|maybe|the|a|an|i|we|you|need|want|would like|like|should have|"
                r"must have|add|have|with|there|should|must|be|is|it|has|to|record|store|save|see|know|possible|"
                r"enter|too|as well|including|include|ah|yes)\b[\s,]*)+"
            ),
            "",
            clause.text,
        )
        names = {
            form
            for record in self.draft.records
            for name in (record.label.lower(), *record.aliases)
            for form in (name, plural(name))
        }
        whose = re.match(
            (
                r"(?i)^(?:the )?(?P<f>[a-z][\w -]{1,30}?) of (?:each|every|the|an?) (?P<r>[\w -]+?) (?P<rest>(?:is|"
                r"are|must|should|can|may|has to)\b.+)$"
            ),
            clause.text,
        )
        owner = self.records.find(whose["r"]) if whose else None
        if whose and owner is not None and (late := parse_item(f"{whose['f']} ({whose['rest']})")):
            self.records.add_items(owner, [late], _as_passage(clause))
            return True
        if re.search(r"(?i)\b(?:per|list of|total|sum of|average|monthly|weekly|each|at once|within)\b", text) or any(
            len(piece.split()) > 5 for piece in split_list(text)
        ):
            return False
        if any(
            re.search(
                r"(?i)\b(?:can|can't|cannot|must|may|should|will|won't|shall)\b", make_field(item, clause.said)[1]
            )
            for item in field_list(text)
        ):
            return False
        if looks_like_fields(text) and not any(item.name.lower() in names and item.about for item in field_list(text)):
            for item in field_list(text):
                self.records.add_items(clause.record, [item], _as_passage(clause))
            return True
        if (
            match := re.match(
                (
                    r"(?i)^(?:the |a |an |each |every |\w+'s )*(?:\w+'s )?(?P<f>[a-z][\w -]{1,30}?) (?P<rest>(?:is|"
                    r"are|must|should|can|may|has to|have to|needs to)\b.+)$"
                ),
                clause.text,
            )
        ) and kind_of(match["f"].lower()).known:
            late = parse_item(f"{match['f']} ({match['rest']})")
            if late and late.about:
                self.records.add_items(clause.record, [late], _as_passage(clause))
                return True
        return False

    def _list(self, clause: Clause) -> bool:
        """ "a list of all visitors", "show tasks": every product lists its records."""
        if re.search(r"(?i)\b(?:list|table|overview|see|show|view|display|page|look at|browse)\b", clause.text):
            words = [w for w in re.findall(r"[a-z']+", clause.low) if w not in _LIST_WORDS]
            names = {n for r in self.draft.records for n in (r.label.lower(), r.plural.lower(), *r.aliases)}
            rest = [w for w in words if w not in names and all(w not in n.split() for n in names)]
            fields = {
                w
                for one in clause.record.fields
                for w in re.findall(r"[a-z']+", " ".join({one.label.lower(), *one.aliases}))
            }
            if all(w in fields for w in rest):
                if not clause.record.said.words:
                    clause.record.said = clause.said
                return True
        return False

    def _usual(self) -> None:
        """Search and filters that nobody asked for but everybody expects; a done field gets its button."""
        for record in self.draft.records:
            if not record.search and (
                texts := [one for one in record.fields if one.type in ("text", "e-mail") and one.value.computed is None]
            ):
                for one in texts[:4]:
                    record.search[one.name] = Said()
            if not record.sorts and record.main_text:
                due = next((one for one in record.of_type("date", "date-time") if one.value.computed is None), None)
                for one in [record.main_text, *([due] if due else [])]:
                    record.sorts[one.name] = Said()
            done = done_field(record)
            if done and not any(
                action.record == record.name and done.name in action.sets for action, _ in self.draft.actions
            ):
                said = done.said.get("field", Said())
                acting.toggle(
                    self.draft,
                    record,
                    done,
                    Said(words=said.words if re.search(r"/|un", said.words) else ""),
                    back=True,
                )


_LIST_WORDS = frozenset(
    vocabulary("""
    a an the all of list table overview see show view display page look at browse in on with and i we want need
    to be able can should must my our me them it every each one place screen there is are for please have would
    like simple nice current entries records data
    """)
)


def _about_the_product(text: str, *, opening: bool = False) -> bool:
    """Whether a sentence only says that an app is wanted, and for what."""
    more = "|log|register|tracker|list|database|book|manager|page" if opening else ""
    return (
        not re.search(r"(?i)^(?:a )?(?:list|log|page|overview) of .*\b(?:to|that|who|which|this|next|last)\b", text)
        and bool(
            re.match(
                (
                    r"(?i)^(?:please |can you |could you |i |we |hi |so |just |it |this |that |there )*(?:(?:want|"
                    r"need|would like|like|looking for|build|make|create|develop|write|design|have|should be|must "
                    r"be|is|be)\b[\w ,]{0,20})?\b(?:a|an|some|the|my|our|me)?\s*(?:[\w'-]+ ){0,5}(?:app|"
                    r"application|tool|program|system|software|web ?site|website|web app|solution|site"
                )
                + more
                + r")\b[\w '?.!,-]{0,60}$",
                text,
            )
        )
        and not re.search(r"(?i)\b(?:must|should|can't|cannot|only|when|if|unless|per|export|send)\b", text)
    )


def _as_passage(clause: Clause) -> Passage:
    return Passage(clause.source, clause.text, clause.headings)
