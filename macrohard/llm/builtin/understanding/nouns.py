"""What the name of a field tells about it: its type, its role, and what else is sensible."""

import re
from functools import cache
from typing import Literal, NamedTuple

from macrohard.llm.builtin.blueprint import FieldType

Role = Literal[
    "due", "start", "end", "closing", "minimum stock", "quantity", "birthday", "event", "expiry", "title", "plain"
]

_TYPES: tuple[tuple[FieldType, str], ...] = (
    ("e-mail", r"(?:.* )?(?:e-?mail|mail)(?: address)?"),
    ("phone", (
        r"(?:.* )?(?:phone|telephone|mobile|cell|cellphone|fax|landline|whatsapp)(?: ?(?:number|no\.?))?|contact "
        r"(?:number|no\.?)|emergency number"
    )),
    ("web address", (
        r"(?:.* )?(?:url|website|web ?site|homepage|web ?page|web address|link|repo|repository|linkedin)(?: url| "
        r"link)?"
    )),
    ("money", (
        r"(?:.* )?(?:prices?|cost|costs|fee|fees|salary|wage|rent|deposit|budget|revenue|income|donation amount|"
        r"amount (?:paid|due|owed)|hourly rate|daily rate|rate per (?:hour|day|night)|payment amount|net amount|"
        r"gross amount|subtotal|fine|tip|bonus amount|price per .*|cost per .*|purchase value|market value|amount "
        r"spent|amount of money|cash|loan amount|invoice amount|asking price|money)"
    )),
    ("date", (
        r"(?:.* )?(?:dates?|birthdays?|birthdate|date of \w+|dob|deadline|due|due day|expiry|expiration|expires|"
        r"best before|use by|anniversary|hire day|day|valid (?:until|till|to|from|thru)|renewal|paid on|last "
        r"(?:inspection|service|visit|watered|contact(?:ed)?|seen|cleaned|checked|used|watering|vet visit|check "
        r"?up|oil change|maintenance|calibration|donation|fed|feeding|vaccination|repotted|paid|played)|next "
        r"(?:inspection|service|visit|appointment|watering|check ?up|vet visit|calibration|maintenance|vaccination|"
        r"due|contact|feeding)|inspected on|watered on|(?:bought|purchased|received|sent|delivered|ordered|issued|"
        r"joined|started|finished|completed|returned|borrowed|lent|loaned|born|planted|repaired|closed|opened|"
        r"created|added|acquired|hired|visited|watched|read|signed|shipped|sold|hatched|harvested|calibrated|"
        r"serviced|inspected|paid|submitted|reported|resolved|registered|applied|left|tested|checked|cleaned|"
        r"called|contacted|sown|sowed|due|out|given|taken|happened|dispatched|enrolled|used|done|member) (?:on|"
        r"since)|since|member since|arrival|departure|hand-?over|due back|back by|return by|when|moving (?:in|out) "
        r"date|check-?in|check-?out|follow-?up|start|end|begin|\w+ (?:until|till)|(?!based|depend\w*|add|hands|"
        r"working|clip|sign)\w+ (?:on|since))"
    )),
    ("date-time", (
        r"(?:.* )?(?:date ?/ ?time|date and time|date-?time|timestamp|date & time|day and time|(?:logged|created|"
        r"checked in|checked out|reported|occurred|entered|arrived|happened|started|ended|recorded|picked up|"
        r"signed in|signed out) at|starts|ends)"
    )),
    ("time", (
        r"(?:.* )?(?:time|time (?:in|out|of day|slot|taken|given|fed|called|started)|start ?time|end ?time|"
        r"check-?in time|check-?out time|arrival time|hour of day|bedtime|wake ?up|from time|to time|opening time|"
        r"closing time)"
    )),
    ("yes/no", (
        r"(?:is |has |was |are |needs? |wants )(?!name).*|done|paid|active|inactive|completed?|finished|returned|"
        r"available|archived|vaccinated|neutered|spayed|approved|confirmed|favou?rite|urgent|billable|attended|"
        r"present|watched|consent|consent given|subscribed|newsletter|arrived|sold|shipped|delivered|in stock|"
        r"cancelled|insured|organic|vegetarian|vegan|gluten[- ]free|member(?=\?)|no[- ]show|checked|signed|"
        r"published|public|private|invoiced|reimbursed|reimbursable|tax[- ]deductible|discontinued|recurring|"
        r"wheelchair(?: accessible)?|chipped|microchipped|thank[- ]?you sent|receipt sent|seen|opened|collected|"
        r"resolved|closed|ready|enabled|blocked|verified|first[- ]time|veteran|done or not|bought|packed|purchased|"
        r"ordered|deceased|licensed|anonymous|all[- ]day|gift aid|feeding done|watered|read|completed or not|paid "
        r"or not|owned|lent out|on loan|broken|defective|returning customer|dog[- ]friendly|smoker|insured or not|"
        r"allergic|fragile|hazardous|sterili[sz]ed|trained|dbs checked"
    )),
    ("whole number", (

            r"(?:.* )(?:left|remaining|in stock)|(?:.* )?(?:quantity|quantities|qty|count|number of "
            r"(?!.*(?:e-?mail|"
            r"phone)).+|no\. of .+|amount of (?!money).+|how many .*|age|year|stock|stock level|copies|seats|"
            r"capacity|"
            r"pages|page count|minutes|mins|rating|stars|score|points|position|rank|reps|repetitions|sets|servings|"
            r"portions|persons|guests|participants|attendees|floor|mileage|odometer(?: reading)?|minimum(?: stock| "
            r"level| quantity)?|min(?:imum)? (?:stock|level|quantity|qty)|max(?:imum)? (?:participants|people|"
            r"guests|"
            r"capacity|number)|reorder (?:level|point|quantity)|children|adults|people|bedrooms|bathrooms|"
            r"episodes?|"
            r"seasons?|units|pieces|headcount|party size|group size|km|kilomet(?:er|re)s?|miles|odometer km|"
            r"attempts|"
            r"laps|calories|kcal|heart rate|pulse|systolic(?: pressure)?|diastolic(?: pressure)?|blood sugar|bpm|"
            r"votes|likes|goals?(?= scored)|goals scored|duration in minutes|"
            r"duration \(?min\w*\)?|prep(?:aration)? time|cook(?:ing)? time|queen year|vintage|players|"
            r"min(?:imum)? "
            r"players|max(?:imum)? players|in stock quantity|on hand|stock on hand|size of group|sessions left|"
            r"years? "
            r"of experience|warranty months|lead time|colonies|frames|litter size|credits|deposit bottles|spots|"
            r"places "
            r"available|max places|tickets|weeks|strength of hive)"

    )),
    ("decimal number", (
        r"(?:.* )?(?:weight|height|length|width|depth|temperature|temp|percentage|percent|distance|hours|hours "
        r"worked|volume|lit(?:re|er)s|duration|area|latitude|longitude|size in .+|bmi|ph|ph value|speed|pressure|"
        r"humidity|tax rate|vat rate|vat|discount|interest rate|fuel|fuel amount|gallons|kwh|consumption|reading|"
        r"meter reading|moisture|yield|dosage amount|thickness|diameter|alcohol|abv|gravity|chlorine|value in .+|"
        r"kg|grams|honey yield|blood pressure value|gpa|average grade|square (?:met(?:er|re)s|feet)|weight in .+|"
        r"carat)"
    )),
    ("long text", (
        r"(?:.* )?(?:notes?|descriptions?|desc|comments?|remarks?|details|instructions|ingredients|summary|"
        r"feedback|diagnosis|findings|message|bio|biography|lyrics|agenda|minutes text|observations?|symptoms|"
        r"address(?: lines?)?|postal address|complaint text|what happened|reason for visit|requirements|allergies|"
        r"medical history|cooking method|steps to reproduce|body|story|review|content|contents text|transcript|"
        r"action taken|resolution|cover letter|terms|explanation|thoughts|treatment|procedure|recipe text|"
        r"preparation|evaluation|answer|what happened)|(?:preparation |cooking )?steps|what happened"
    )),
    ("choice", (
        r"(?:.* )?(?:status|state|priority|category|type|kind|gender|sex|severity|stage|condition|difficulty|"
        r"payment method|method of payment|frequency|urgency|level|importance|mood|result|outcome|rsvp|payment "
        r"status|direction|membership (?:type|level)|genre|channel|source|size category|role in .*|energy source|"
        r"fuel type|shift type|t-?shirt size|diet|unit of measure)"
    )),
)  # fmt: skip
_MONEY_WHEN_ALONE = (
    r"(?:.* )?(?:amount|price|total|value|balance|payment|expenses?|spent|costs?|tax amount|invoice total|order "
    r"total|turnover|discount amount|profit|stake|donation|pledge|contribution|salary expectation|expected salary|"
    r"estimate|refund)"
)

_UNKNOWN_DEFAULT_CHOICES: tuple[tuple[str, tuple[str, ...], str | None], ...] = (
    (r"(?:.* )?(?:priority|prio|importance)", ("Low", "Medium", "High"), "Medium"),
    (r"(?:.* )?(?:severity|urgency)", ("Low", "Medium", "High", "Critical"), "Medium"),
    (r"payment status", ("Open", "Paid"), "Open"),
    (r"(?:.* )?(?:gender|sex)", ("Female", "Male", "Other"), None),
    (r"(?:.* )?difficulty", ("Easy", "Medium", "Hard"), None),
    (r"(?:.* )?(?:condition)", ("New", "Good", "Fair", "Poor"), None),
    (r"(?:.* )?(?:payment method|method of payment)", ("Cash", "Card", "Bank transfer"), None),
    (r"(?:.* )?frequency", ("Daily", "Weekly", "Monthly", "Yearly"), None),
    (r"(?:.* )?level", ("Beginner", "Intermediate", "Advanced"), None),
    (r"(?:.* )?mood", ("Good", "Okay", "Bad"), None),
    (r"(?:.* )?rsvp", ("Yes", "No", "Maybe"), None),
    (r"(?:.* )?direction", ("In", "Out"), None),
    (r"(?:.* )?(?:result|outcome)", ("Passed", "Failed"), None),
    (r"(?:.* )?t-?shirt size", ("S", "M", "L", "XL"), None),
    (r"(?:.* )?unit(?: of measure)?", ("Piece", "Kg", "Litre"), None),
    (r"(?:.* )?(?:status|state|stage)", ("Open", "In progress", "Closed"), "Open"),
)

_ROLES: tuple[tuple[Role, str], ...] = (
    ("birthday", r".*(?:birthday|birthdate|date of birth|dob|born).*"),
    ("expiry", (
        r".*(?:expir|best before|use by|valid (?:until|till|to|thru)|warranty (?:end|until|date)|renewal|"
        r"licen[sc]e until|mot|inspection due).*"
    )),
    ("due", r".*(?:\bdue\b|deadline|return by|back by|respond by|reply by|target date|needed by|next ).*"),
    ("closing", (

            r"(?:.* )?(?:time out|out time|check-?ed? ?out(?: time| date| at)?|in[ -]date|date in|returned(?: on| "
            r"at| "
            r"date)?|return(?:ed)? date|return|date returned|back on|closed(?: on| at| date)?|closing date|date "
            r"closed|"
            r"resolved(?: on| at| date)?|completed(?: on| at| date)|completion date|finished(?: on| at| date)|date "
            r"finished|left(?: on| at)?|leaving date|exit date|date of (?:exit|leaving)|signed out(?: at)?|"
            r"departed(?: at)?|departure(?: time)?|exit(?: "
            r"time)?|paid (?:on|date)|date paid|payment date|end(?: time| date)?|ended(?: at)?|leave time|time "
            r"left|"
            r"date back|collected on|collection date|sold on|repaired on)"

    )),
    ("start", (
        r"(?:.* )?(?:time in|time (?:taken|given|fed|called|started)|in time|check-?ed? ?in(?: time| date| at)?|"
        r"out[ -]date|date out|start(?: time| date)?|started(?: on| at)?|begin(?: time| date)?|from|from (?:date|"
        r"time)|arrival(?: time| date)?|arrived(?: on| at)?|entry(?: time)?|borrowed(?: on)?|borrow date|"
        r"loan(?:ed)? date|loaned on|lent on|lent date|date lent|date borrowed|opened(?: on| at)?|reported (?:on|"
        r"at)|issued? (?:on|date)|signed in(?: at)?|pick-?up date|checkout date|rental date|date of loan|starts?)"
    )),
    ("end", (
        r"(?:.* )?(?:to|until|till|end(?: time| date)?|finish(?: time| date)?|to (?:date|time)|departure(?: time| "
        r"date)?|check-?out(?: time| date)?|closes|ends?)"
    )),
    ("minimum stock", (
        r".*(?:min(?:imum)?(?: stock| level| quantity| qty| amount)?|reorder(?: level| point| quantity)?|re-?order "
        r"threshold|threshold|safety stock|low stock (?:level|limit))"
    )),
    ("quantity", (
        r"(?:.* )?(?:quantity|qty|stock|stock level|in stock|\w+ left|\w+ remaining|on hand|stock on hand|count|"
        r"amount|copies|units|pieces|number in stock|how many|level|remaining|bottles|number of (?:copies|items|"
        r"pieces|units|bottles|boxes))"
    )),
    ("title", (
        r"(?:.* )?(?:name|title|subject|headline|what|label|full name|task|item|description|summary|question|"
        r"topic)|.* name"
    )),
    ("event", r".*\b(?:date|day|when|on|at|since)\b.*"),
)  # fmt: skip
_SKIPPED = re.compile(
    r"(?:.* )?(?:id|pk|uuid|primary key|auto ?increment|record id|created_at|updated_at|created at|updated at|"
    r"last modified)"
)


class Kind(NamedTuple):
    """What a name tells."""

    type: FieldType
    known: bool
    """False: nothing about the name was recognised, so it is plain text."""


@cache
def kind_of(phrase: str) -> Kind:
    """The type of a field called `phrase` (lower case)."""
    phrase = re.sub(
        (r" (?:per|a|each) (?:month|year|week|day|hour|person|night|kg|unit|item|piece|share|lesson|km|litre)$"),
        "",
        phrase,
    )
    for type_, pattern in _compiled():
        if pattern.fullmatch(phrase):
            return Kind(type_, True)
    if _money().fullmatch(phrase):
        return Kind("money", True)
    return Kind("text", bool(_TEXT.fullmatch(phrase)))


_TEXT = re.compile(
    r"(?:.* )?(?:name|first name|surname|last name|title|company|organi[sz]ation|author|authors|publisher|"
    r"location|place|city|town|street|"
    r"zip(?: code)?|postcode|postal code|country|room|department|host|owner|contact|person|contact person|"
    r"subject|topic|brand|make|"
    r"model|colou?r|size|code|number|serial(?: number)?|badge(?: number)?|isbn(?:-?1[03])?|sku|ean|barcode|vin|"
    r"licen[sc]e plate|plate|"
    r"registration|breed|species|variety|shelf|class|grade|teacher|doctor|vet|trainer|coach|instructor|"
    r"supplier|vendor|manufacturer|"
    r"customer|client|employee|assignee|assigned to|responsible(?: person)?|reporter|requester|borrower|"
    r"purpose|reason|unit|iban|label|"
    r"tags?|keywords?|artist|director|actor|album|game|team|position|job|job title|role|skills?|availability|"
    r"nickname|initials|"
    r"venue|organi[sz]er|sponsor|item|product|article|service|activity|exercise|dish|meal|medication|medicine|"
    r"dose|dosage|nationality|"
    r"group|division|section|league|language|region|area|address|field|plot|bed|parents?|guardian|emergency "
    r"contact|allerg(?:y|ies)|source|"
    r"destination|from|to|"
    r"driver|passenger|route|vehicle|machine|device|tool|equipment|material|part|warehouse|bin|rack|box|"
    r"container|user|username|"
    r"question|answer|habit|goal|project|task|milestone|client name|vat number|tax number|invoice number|order "
    r"number|platform|"
    r"format|edition|series|grape|winery|producer|roaster|brewery|style|pet|plant|donor|volunteer|shift|event|"
    r"course|subject name|"
    r"student|pupil|patient|member|guest|tenant|landlord|property|hive|payee|payer|recipient|sender|account|"
    r"bank)"
)


@cache
def _compiled() -> tuple[tuple[FieldType, re.Pattern[str]], ...]:
    return tuple((type_, re.compile(pattern)) for type_, pattern in _TYPES)


@cache
def _money() -> re.Pattern[str]:
    return re.compile(_MONEY_WHEN_ALONE)


@cache
def roles_of(phrase: str) -> frozenset[Role]:
    """What part a field called `phrase` (lower case) plays, by its name alone."""
    return frozenset(role for role, pattern in _ROLES if re.fullmatch(pattern, phrase))


def is_skipped(phrase: str) -> bool:
    """Whether a name means what every product keeps by itself: an id, when it was created."""
    return bool(_SKIPPED.fullmatch(phrase)) and not re.search(
        r"badge|student|member|customer|staff|employee|tax|vat|pass|order", phrase
    )


def usual_choices(phrase: str) -> tuple[tuple[str, ...], str | None]:
    """The usual values and default of a choice whose values were not stated; empty if there are none."""
    for pattern, values, default in _UNKNOWN_DEFAULT_CHOICES:
        if re.fullmatch(pattern, phrase):
            return values, default
    return (), None
