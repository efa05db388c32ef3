"""Spelling correction towards the words of record keeping; words that English knows are left alone."""

import re
from functools import cache

from spellchecker import SpellChecker

from macrohard.llm.builtin.understanding.words import vocabulary

_SHORT_FORMS = {
    "ned": "need", "nede": "need", "fone": "phone", "fon": "phone", "nr": "number", "num": "number",
    "pls": "please", "plz": "please", "plss": "please", "thx": "thanks", "tnx": "thanks", "ty": "thanks", "u": "you",
    "ur": "your", "r": "are", "shud": "should", "shld": "should", "shd": "should", "wld": "would", "cld": "could",
    "cn": "can", "wnt": "want", "shuld": "should", "shoud": "should", "cud": "could", "wud": "would",
    "mayb": "maybe", "mebbe": "maybe", "ppl": "people", "teh": "the", "hte": "the", "wich": "which", "whos": "who is",
    "who's": "who is", "thats": "that is", "that's": "that is", "its": "its", "dont": "don't", "doesnt": "doesn't",
    "cant": "can't", "cannot": "can't", "wont": "won't", "shouldnt": "shouldn't", "mustnt": "mustn't",
    "isnt": "isn't", "arent": "aren't", "didnt": "didn't", "hasnt": "hasn't", "havent": "haven't", "im": "I am",
    "ive": "I have", "id": "id", "wanna": "want to", "gonna": "going to", "gotta": "have to", "lemme": "let me",
    "gimme": "give me", "cos": "because", "coz": "because", "cuz": "because", "bc": "because", "btw": "by the way",
    "asap": "soon", "tho": "though", "thru": "through", "2day": "today", "tmrw": "tomorrow", "tmw": "tomorrow",
    "adress": "address", "adresses": "addresses", "adr": "address", "addr": "address", "bday": "birthday",
    "b-day": "birthday", "dob": "date of birth", "mail": "mail", "emial": "e-mail", "emails": "e-mails",
    "emial's": "e-mail", "emiel": "e-mail", "emal": "e-mail", "emeil": "e-mail", "emials": "e-mails",
    "emails'": "e-mails", "email": "e-mail", "emailadress": "e-mail address", "e-mial": "e-mail", "tel": "phone",
    "tele": "phone", "telefon": "phone", "telephon": "phone", "mob": "mobile",
    "descr": "description", "descripton": "description", "info": "information", "infos": "information",
    "prio": "priority", "prios": "priorities", "prority": "priority", "qty": "quantity", "amt": "amount",
    "cat": "cat", "cats": "cats", "categorys": "categories", "catagory": "category", "catagories": "categories",
    "appt": "appointment", "appts": "appointments", "mgmt": "management", "mngmt": "management", "req": "required",
    "reqd": "required", "opt": "optional", "avg": "average", "min": "min", "max": "max", "approx": "about",
    "dept": "department", "ref": "reference", "w/": "with", "w/o": "without", "b4": "before", "yr": "year",
    "mths": "months", "hrs": "hours", "mins": "minutes", "kinda": "kind of", "sorta": "sort of", "smth": "something",
    "sth": "something", "tickbox": "checkbox", "recieve": "receive", "recieved": "received", "seperate": "separate",
    "definately": "definitely", "occured": "occurred", "begining": "beginning", "usualy": "usually", "alot": "a lot",
    "todo": "to-do", "todos": "to-dos", "to-dos": "to-dos", "everyones": "everyone's", "excell": "excel",
    "exel": "excel", "xls": "excel", "xlsx": "excel", "spreadsheet": "spreadsheet", "od": "of",
    "fo": "of", "adn": "and", "nad": "and", "taht": "that", "ot": "to", "form": "form", "wit": "with", "wiht": "with",
    "doubel": "double", "dubble": "double", "dubel": "double", "dublicate": "duplicate", "dublicates": "duplicates",
    "duplicats": "duplicates", "dupes": "duplicates", "dups": "duplicates", "oder": "order", "tings": "things",
    "evry": "every", "ever": "ever", "whcih": "which", "wen": "when", "wat": "what", "wot": "what", "hav": "have",
    "giv": "give", "mke": "make", "mak": "make", "ap": "app", "aap": "app", "aplication": "application",
    "cutomer": "customer", "cusomer": "customer", "clinet": "client", "cleint": "client", "cleints": "clients",
    "clinets": "clients", "nam": "name", "nme": "name", "naem": "name", "dat": "date", "daet": "date", "tiem": "time",
    "pirce": "price", "medum": "medium", "meduim": "medium", "undon": "undone", "quanity": "quantity",
    "quantitiy": "quantity",
    "calender": "calendar", "loged": "logged", "writen": "written", "lenght": "length", "hight": "height",
    "wieght": "weight", "buisness": "business", "bussiness": "business", "comapny": "company", "expence": "expense",
    "expences": "expenses", "recipt": "receipt", "recipts": "receipts", "recepie": "recipe", "recepies": "recipes",
    "recipie": "recipe", "recipies": "recipes", "ingrediants": "ingredients", "vechicle": "vehicle",
    "vehical": "vehicle", "maintainance": "maintenance", "maintenence": "maintenance", "liscence": "licence",
    "libary": "library", "libery": "library", "borow": "borrow", "borowed": "borrowed", "lend": "lend",
    "memeber": "member", "memebers": "members", "memberhip": "membership", "attendence": "attendance",
    "excercise": "exercise", "excercises": "exercises", "paitent": "patient", "paitents": "patients",
    "pateint": "patient", "pateints": "patients", "docter": "doctor", "apointment": "appointment",
    "apointments": "appointments", "bookin": "booking", "bookins": "bookings", "serch": "search", "saerch": "search",
    "filtr": "filter", "fliter": "filter", "sortable": "sortable", "overdeu": "overdue", "overdew": "overdue",
    "hilight": "highlight", "higlight": "highlight", "highlite": "highlight", "wanted": "wanted", "lil": "little",
    "rly": "really", "thier": "their", "ther": "there", "wher": "where", "abt": "about", "sumthing": "something",
    "somthing": "something", "anythin": "anything", "evrything": "everything", "mandatry": "mandatory",
    "oblig": "mandatory", "vals": "values", "val": "value", "temp": "temperature", "lvl": "level",
}  # fmt: skip

_TERMS = vocabulary("""
    access account action active activity actual add additional address adjustment admin adoption age agenda
    aircraft alphabetical amenities amount animal answer apiary app appear applicant application appointment
    approve approved archive arrival article artist asset assign assigned assignee at attendance attended
    attendee author automatically autumn available average back badge balance barcode batch bed beehive begin
    between bicycle bike bill billable bird birthday board boat body book booked booking borrow borrowed
    borrower both bottle box branch brand breed brewery budget bug building business button buyer by cabin
    calculate calendar calories campaign can cancel candidate capacity car card carrier case cash category
    cellar certificate change chapter charge chart cheap check checkbox checklist checkout child children choice
    choose city class classroom clean client clinic close closed club coach code coffee collect collection
    colour color column comment common company competition complaint complete completed computed condition
    confirm confirmed contact contain contents contract copies copy cost country coupon course cover create
    currency current currently customer daily data database date day deadline dealer decimal default defect
    delete deliver delivered delivery department departure deposit describe description desk detail device
    diagnosis diary difference different difficulty digits directory discount distance doctor document dog done
    donation donor double download driver due duplicate duration during each earliest edit e-mail employee empty
    end enter entry equipment error estimate event every everyone example excel exercise expense expired expiry
    expires export extend extension family farm favourite fee feedback female field filter final find finish
    finished fine first fish fishing fixed flat fleet flight floor food for former found free freezer frequency
    friend from front fuel full furniture future garage garden gender genre goal grade group guest guitar gym
    habit handle harvest headline health height helpdesk hide high highlight history hive hobby holiday home
    horse hospital host hotel hour hourly house household husband ice idea import important inactive incident
    include income individual information ingredients inside inspection instructions instrument insurance
    interest interview inventory invite invoice issue issued item job join joined journal keep kilometre kind
    kitchen label laboratory language laptop last late latest lead league learn leave lecture left lend length
    lent lesson level library licence license limit line link list listed litres load loan local location lock
    log logbook long lost low lunch machine mail main maintenance make male manage manager mandatory
    manufacturer mark maximum meal measure measurement medicine meeting member membership menu message meter
    mileage milestone minimum minute missing mobile model money month monthly more mortgage most movement movie
    museum must name need negative new newest next nice nickname note notes number occasion odometer office old
    oldest open opened optional order organisation organise origin out outstanding outside overdue overlap
    overlapping overview own owner page paid pain paint parcel parent parking part participant partner passed
    password past patient pay paying payment pending people per percent performance period person personal pet
    phone photo piece pick place plan planned plant play player please plot point policy population portfolio
    position positive post potluck practice prefer present price print printed printer priority private problem
    process product production profession profit project property protein public publisher pupil purchase
    purpose quality quantity quarter question quiz quote race rate rating read ready reason receipt receive
    received reception receptionist recipe record recurring reference referral refund refuse region register
    registration regular reject rejected related release remaining remark remember reminder remove rent rental
    repair repaired repeat replace report request required reservation reserve reserved resident resolved
    responsible rest restaurant result return returned review reward role room route row rule run salary sale
    sample save saving schedule school score search season seat second section secretary seed select sell seller
    sender serial series serve service session set severity share shelf shift ship shipment shipped shop
    shopping should show sick sign signed silver simple size skill small snack software sold song sort sortable
    source space spare speaker species speed sport spreadsheet spring staff stage stamp stand start state
    station status step stock stop storage store stored street student subject submit subscription suburb sum
    summary summer supervisor supplier supply survey swimming symptoms table task tax teacher team telephone
    temperature tenant term test text thing ticket till time timesheet title to-do today together tomorrow tool
    topic total tour tournament track tracker trailer train trainer training transaction translator transport
    travel treatment tree trip type under unique unit unpaid until update upcoming urgent used user vaccinated
    vaccination valid value van variety vehicle vendor venue version vet view village vinyl visit visitor
    volunteer voucher waiting wallet want warehouse warning warranty wash watch watched water website wedding
    week weekly weight who whole width wine winter withdraw without work worker workout workshop write wrong
    year yearly yes yield zone bool boolean int integer varchar datetime timestamp nullable enum checksum float
    string autoincrement username kanban hashtag timesheet isbn ean iban sku vat url crm medium weak strong
    weather honey bee teach taught lessons minutes todo null desc asc signup login logout admin dropdown
    """)
_ROLES = vocabulary("""
    adjuster adopter approver assessor assignee assignor bidder booker brewer claimant consignee consignor cosigner
    creditor debtor donee examinee fitter grantee grantor groomer guarantor insurer interviewee invigilator issuer
    joiner keeper landlord lender lessee lessor licensee licensor lister lodger mentee minuter mortgagee mortgagor
    nominee organiser organizer payee payer payor remitter renter reviewer roofer scorer shipper signatory signee
    signer subtenant supervisor timekeeper trainee treasurer trustee tutee tutor tiler underwriter valuer welder
    """)
"""Who takes part; rare enough to be taken for misspelt, and nothing that others are corrected to."""
_KNOWN = frozenset((*_TERMS, *_ROLES))
_MAXIMUM_CORRECTIONS = 400
_CONTRACTIONS = (
    (re.compile(r"(?i)\b(i|we|you|they|he|she|it)'d (?=like|need|want|love|have|be|also|prefer|rather)"), r"\1 would "),
    (re.compile(r"(?i)\b(i|we|you|they)'ve\b"), r"\1 have"),
    (re.compile(r"(?i)\b(i|we|you|they|it|he|she)'ll\b"), r"\1 will"),
    (re.compile(r"\b4 (?=(?:my|our|the|a|me|us|you|every|each)\b)"), "for "),
    (re.compile(r"\b2 (?=(?:be|have|see|know|do|add|find|search|keep|track)\b)"), "to "),
)


@cache
def _english() -> SpellChecker:
    return SpellChecker(language="en", distance=1)


def _known(word: str) -> bool:
    if word in _KNOWN or (word.endswith("s") and word[:-1] in _KNOWN):
        return True
    return word in _english() or word.replace("-", "") in _english()


def _distance(one: str, other: str, limit: int) -> int:
    """Edits (a swap of neighbours counts as one) between two words, or limit + 1."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before, last = last, row
    return last[-1]


@cache
def _by_first_letter() -> dict[str, tuple[str, ...]]:
    words = sorted(
        {form for term in _TERMS for form in (term, f"{term}s", f"{term[:-1]}ies" if term[-1] == "y" else term)}
    )
    return {letter: tuple(word for word in words if word[0] == letter) for letter in {word[0] for word in words}}


@cache
def _corrected(word: str) -> str:
    if word in _SHORT_FORMS:
        return _SHORT_FORMS[word]
    if len(word) < 4:
        return word
    if _known(word):
        rare = word not in _KNOWN and not word.endswith("s") and 0 < _english().word_usage_frequency(word) < 3e-7
        close = [
            term
            for term in _by_first_letter().get(word[0], ())
            if rare and len(term) > 4 and _distance(word, term, 1) == 1
        ]
        return min(close) if close else word
    limit = 1 if len(word) < 7 else 2
    near = sorted(
        (_distance(word, term, limit), -len(set(word) & set(term)), term)
        for term in _by_first_letter().get(word[0], ())
        if abs(len(term) - len(word)) <= limit
    )
    if near and near[0][0] <= limit:
        return near[0][2]
    if len(word) > 40:
        return word
    candidates = _english().known(_english().edit_distance_1(word))
    common = [c for c in candidates if c[0] == word[0] and _english().word_usage_frequency(c) > 2e-6 and c.isascii()]
    return max(sorted(common), key=_english().word_usage_frequency) if common else word


_WORD = re.compile(r"(?<![\w@.\\:_-])[A-Za-z][a-z]*(?:['-][a-z]+)*(?![\w@\\:]*[\w@\\])|(?<!\w)w/o?(?!\w)|2day|b4\b")
_PROTECTED = re.compile(r"https?://\S+|www\.\S+|\S+@\S+\.\S+|~?(?:/[\w.-]+){2,}|~/\S+|\S*\\\S+")


def known_share(text: str) -> float:
    """The share of the words of a text that English or record keeping knows, at most 200 looked at; 1 for few words."""
    words = re.findall(r"[a-z]{3,}", text.lower())[:200]
    if len(words) < 4:
        return 1.0
    known = [word for word in words if word in _SHORT_FORMS or _known(word) or _corrected(word) != word]
    return len(known) / len(words)


def correct(text: str) -> str:
    """The text with misspelt words corrected; names, code, addresses and words in capitals are left alone."""
    left = _MAXIMUM_CORRECTIONS
    for pattern, plain in _CONTRACTIONS:
        text = pattern.sub(plain, text)

    def replace(match: re.Match[str]) -> str:
        nonlocal left
        word = match.group()
        lower = word.lower()
        inside = match.start() > 0 and match.string[: match.start()].rstrip(" \"'(*_-")[-1:] not in (
            ".",
            "!",
            "?",
            ":",
            "\n",
            "",
        )
        if word[0].isupper() and inside and lower not in _SHORT_FORMS:
            return word
        if left <= 0:
            return word
        if lower not in _KNOWN:
            left -= 1
        fixed = _corrected(lower)
        if fixed in (
            lower.replace("our", "or"),
            lower.replace("is", "iz"),
            lower.replace("tre", "ter"),
            lower.replace("ll", "l"),
            lower.replace("ogue", "og"),
            lower.replace("ence", "ense"),
        ):
            return word
        if fixed == lower:
            return word
        return fixed[0].upper() + fixed[1:] if word[0].isupper() else fixed

    pieces = []
    start = 0
    for kept in _PROTECTED.finditer(text):
        pieces += [text[start : kept.start()], kept.group()]
        start = kept.end()
    pieces.append(text[start:])
    return "".join(piece if index % 2 else _WORD.sub(replace, piece) for index, piece in enumerate(pieces))
