"""Fields that are asked for as questions: "who borrowed it", "when it's due back", "how much it cost"."""

import re
from functools import lru_cache

_PARTICIPLES = {"bought": "bought", "took": "taken", "brought": "brought", "made": "made", "did": "done",
    "wrote": "written", "sold": "sold", "paid": "paid", "gave": "given", "sent": "sent", "found": "found",
    "lent": "lent", "got": "received", "built": "built", "saw": "seen", "ate": "eaten", "fed": "fed", "met": "met",
    "ran": "run", "drove": "driven", "caught": "caught", "won": "won", "left": "left", "came": "come"}  # fmt: skip
_PERSON = r"(?:i|we|you|they|he|she|it|someone|somebody|the [\w-]+|that)"
_BE = r"(?:'s|'re| is| are| was| were| has| have| had| got| get| gets| will| needs| must)*"
_PAST = (
    rf"(?P<v>[a-z]+ed|{'|'.join(_PARTICIPLES)}|written|taken|given|seen|done|born|due(?: back)?|held|hung|grown|sown)"
)
_WHO = {"borrowed": "Borrower", "took": "Taken by", "has": "Holder", "owns": "Owner", "bought": "Buyer",
    "donated": "Donor", "gave": "Given by", "wrote": "Author", "sent": "Sender", "received": "Recipient"}  # fmt: skip

_FORMS: tuple[tuple[str, str], ...] = (
    ((
        rf"who (?:{_PERSON} )?(?P<who>[a-z]+ed|took|has|owns|{'|'.join(_PARTICIPLES)})(?: (?:it|them|this|"
        rf"that))?(?: from| to| for)?(?: us)?"
    ), "who"),
    (r"(?:who (?:it|they|this|that)(?:'s|'re| is| are| was| were) (?:from|by)|from whom|whom it is from)", "From"),
    (r"(?:to whom|who (?:it|they|this|that)(?:'s| is| was| were| are)? ?(?:for|to|lent to|given to))", "Recipient"),
    (r"(?:who is|who's|who was) (?:in charge|responsible|on duty|doing it|working on it|assigned)",
        "Responsible person"),
    (r"who (?:does|did|has to do|will do|should do|takes care of) (?:it|this|that)", "Responsible person"),
    (r"who (?:came|was there|attended|took part|participated)", "Participants"),
    ((
        rf"(?:when|by when|until when) (?:{_PERSON} )?(?:have|has|must|should|need|needs|is|are|shall|will)(?: "
        rf"to)? (?:bring|return|give|be returned|be back|come back|due|pay|be paid|be done|be brought).*"
    ), "Due date"),
    ((
        rf"(?:when|on (?:what|which) (?:day|date)|the (?:date|day|time) (?:when|on which)?) ?{_PERSON}{_BE} "
        rf"(?:last |first |next )?{_PAST}\b.*"
    ), "when"),
    ((
        rf"(?:when|the (?:date|day)) {_PERSON}{_BE} (?P<at>opened|started|begins?|ends?|expires?|runs? out|"
        rf"arrives?|leaves?|starts?)"
    ), "at"),
    ((
        r"how much (?:it|they|he|she|i|we|that|this|the [\w-]+)? ?(?:cost|costs|was|were|is|paid|spent|have spent|"
        r"has spent|we paid|i paid)(?: it| for it| us)?|what (?:it|they) costs?|(?:what|how much) (?:i|we) (?:paid|"
        r"spent)(?: for it)?"
    ), "Amount"),
    (r"how much (?:they|he|she|we|i|people|everyone|each) (?:owe|owes|gave|donated|give)s?", "Amount"),
    ((
        r"how many (?P<n>[a-z]+(?: [a-z]+)?)(?: (?:there are|we have|i have|are left|left|in stock|they need|are "
        r"coming|came|come))?"
    ), "n"),
    ((
        r"how long (?:it|they|he|she|i|we|that)?(?: (?:took|takes|lasted|was|is|lasts|worked|trained|ran|stayed|"
        r"slept))?(?: for)?"
    ), "Duration"),
    (r"how far(?: (?:it|i|we|he|she|they) (?:was|is|ran|drove|went|rode|walked))?", "Distance"),
    (r"how often(?: .*)?", "Frequency"),
    (r"how many|how much(?: of it)?", "Quantity"),
    (r"how old (?:it|he|she|they) (?:is|are)", "Age"),
    ((
        r"where (?:it|they|this|that|he|she|we|i|the [\w-]+)(?:'s|'re| is| are| was| were| live| lives)?(?: "
        r"(?:stored|kept|located|from|bought|found|stands?|put|lying|now|happened|hanging|in the \w+))*|where to "
        r"find it|in which \w+"
    ), "Location"),
    (r"what (?:it|they|this|that)(?:'s| is| was| were)(?: used)? for|what for|for what(?: purpose)?", "Purpose"),
    (r"what (?:happened|was done|we did|i did|they did)", "Description"),
    (r"what (?:it|this|that)(?:'s| is| was)(?: called| named)?|what(?:'s| is) it called", "Name"),
    (r"why", "Reason"), (r"who", "Person"), (r"when", "Date"), (r"where", "Location"), (r"how much", "Amount"),
    (r"what", "Description"),
)  # fmt: skip
_COMPILED = tuple((re.compile(rf"(?i)(?:(?:and|also|to know|know) )?(?:{pattern})"), name) for pattern, name in _FORMS)


@lru_cache(maxsize=4096)
def asked_for(text: str) -> str | None:
    """The name of the field that an indirect question means; None if it is none."""
    text = (
        re.sub(r"(?i)\s+(?:which|what) (?:of (?:my|our|the) )?[a-z]+(?: [a-z]+)?$", "", text)
        if re.match(r"(?i)(?:who|when) ", text)
        else text
    )
    for pattern, name in _COMPILED:
        match = pattern.fullmatch(text)
        if match is None:
            continue
        if name == "who":
            word = match["who"].lower()
            return _WHO.get(word, f"{_PARTICIPLES.get(word, word)} by".capitalize())
        if name == "when":
            word = match["v"].lower()
            if word.startswith("due"):
                return "Due date"
            if word == "born":
                return "Date of birth"
            last = "Last " if re.search(r"(?i)\blast\b", text) else ""
            return f"{last}{_PARTICIPLES.get(word, word)}{'' if last else ' on'}".capitalize()
        if name == "at":
            word = match["at"].lower()
            return {"opened": "Opened on", "started": "Started on"}.get(
                word,
                "Expiry date"
                if re.match("exp|run", word)
                else "End date"
                if re.match("end|leav", word)
                else "Start date",
            )
        if name == "n":
            return f"Number of {match['n'].lower()}"
        return name
    if re.fullmatch(r"(?i)(?:how|what|which) [a-z' ]{2,30}", text) and 2 <= len(text.split()) <= 5:
        return text
    return None
