"""Nouns of everyday record keeping with the fields such records usually have."""

import re
from functools import cache
from typing import NamedTuple

from macrohard.llm.builtin.blueprint import Field
from macrohard.llm.builtin.understanding.draft import DEFAULT, FieldDraft
from macrohard.llm.builtin.understanding.nouns import kind_of, usual_choices
from macrohard.llm.builtin.understanding.words import identifier, label, plural, singular, vocabulary

_TABLE = """
Task | to-do, to do, task, chore, errand, to-do list, task list, checklist item, kanban, kanban board, task board,
    planner, day planner, weekly planner | Title*; Due date; Priority: Low, Medium, High = Medium; Done?; Notes
Contact | contact, address book, crm, rolodex, contact list, business contact | Name*; E-mail; Phone; Company; Notes
Customer | customer, client, buyer | Name*; E-mail; Phone; Company; Notes
Lead | lead, prospect, sales lead | Name*; Company; E-mail; Phone; Status: New, Contacted, Won, Lost = New; Notes
Supplier | supplier, vendor | Name*; Contact person; E-mail; Phone; Notes
Employee | employee, staff, staff member, worker, colleague, team member | Name*; E-mail; Phone; Department; Job
    title
Item | inventory, stock, inventory item, stock item, stock list, stuff, spare part, part, material, consumable,
    supply, home inventory | Name*; Quantity=0 >=0; Location; Minimum stock >=0; Notes
Product | product, article, goods, sku | Name*; SKU!; Price >=0; Stock >=0; Notes
Movement | stock movement, movement, warehouse movement, stock transaction | Date*=today; Direction*: In, Out;
    Quantity* >0; Note
Expense | expense, spending, cost, expenditure, outgoing, expense tracker, spend, spent, money | Description*;
    Amount:money* >0; Date*=today; Category: Food, Household, Transport, Leisure, Other = Other
Transaction | transaction, budget, household budget, cash book, cashbook, finances, petty cash | Description*;
    Amount:money* >0; Date*=today; Type: Income, Expense = Expense; Category: Household, Food, Transport, Leisure,
    Other = Other
Income | income, earning | Description*; Amount:money* >0; Date*=today
Invoice | invoice, bill | Number*!; Customer; Date*=today; Due date; Amount:money* >=0; Paid?
Payment | payment | Payer*; Amount:money* >0; Date*=today; Payment method: Cash, Card, Bank transfer
Quote | quote, quotation, estimate, offer | Number*!; Customer; Date*=today; Amount:money* >=0; Status: Open,
    Accepted, Declined = Open
Booking | booking, reservation | Name*; Start:date*; End:date*; Notes
Room | room, meeting room, conference room, hotel room, hall | Name*!; Capacity:whole >=1; Notes
Table | table, restaurant table | Name*!; Seats:whole >=1
Appointment | appointment, schedule, calendar entry | Title*; Date*; Time:time; Notes
Book | book, home library, reading list, book collection, novel | Title*; Author; ISBN; Year; Notes
Loan | loan, lending, borrowing, checkout, lend | Borrower*; Loan date:date*=today; Due date; Returned on:date
Visitor | visitor, visitor log, visitor book, guest book, visit | Name*; Company; Host; Time in:date-time*=now; Time
    out:date-time
Member | member, club member, membership, subscriber | Name*; E-mail; Phone; Joined on:date=today; Active?=yes
Subscription | subscription | Name*; Price >=0; Renewal date:date; Frequency: Monthly, Yearly = Monthly; Active?=yes
Recipe | recipe, cookbook, cook book, dish | Title*; Ingredients:long; Instructions:long; Servings:whole >=1;
    Category: Starter, Main course, Dessert, Other = Main course
Vehicle | vehicle, car, van, truck, fleet, motorbike, motorcycle, bus | Licence plate*!; Make; Model; Year; Mileage
    >=0
Service | maintenance, maintenance log, repair, service log, service record, service entry, oil change |
    Date*=today; Description*; Cost:money >=0; Mileage >=0
Device | equipment, device, equipment item, tool, machine, gear, camera, laptop, computer, instrument | Name*;
    Serial number!; Location; Condition: New, Good, Fair, Poor = Good; Notes
Asset | asset, it asset, hardware | Name*; Asset number!; Category: Computer, Furniture, Vehicle, Other = Other;
    Purchase date; Purchase price:money >=0; Location
Time entry | time tracking, timesheet, time entry, time sheet, working time, work hours, working hours, hours log,
    time log, time tracker | Date*=today; Project; Hours:decimal* >0; Description
Ticket | ticket, issue, helpdesk, help desk, support ticket, support request, bug, bug report, incident, defect,
    request, service request, it request, problem | Title*; Description:long; Priority: Low, Medium, High = Medium;
    Status: Open, In progress, Closed = Open
Complaint | complaint, grievance | Subject*; Customer; Description:long; Received on:date=today; Status: Open, In
    progress, Resolved = Open
Applicant | applicant, candidate, job applicant, application, job application, recruiting, recruitment | Name*;
    E-mail; Phone; Position; Status: New, Interview, Offer, Hired, Rejected = New; Notes
Course | course, class, lesson, workshop, training, seminar | Title*; Teacher; Start date; Capacity:whole >=1
Student | student, pupil, learner | Name*; E-mail; Class
Grade | grade, mark, exam result | Subject*; Grade*:decimal; Date=today
Teacher | teacher, trainer, instructor, coach, tutor | Name*; E-mail; Phone; Subject
Patient | patient | Name*; Date of birth:date; Phone; Notes
Doctor | doctor, physician, dentist, therapist | Name*; Speciality; Phone
Treatment | treatment, therapy | Date*=today; Description*; Cost:money >=0
Prescription | prescription, medication, medicine | Name*; Dose; Frequency; Start date
Order | order, sales order, customer order | Number*!; Customer; Date*=today; Status: New, Paid, Shipped, Delivered
    = New
Order line | order line, order item, line item, order position | Quantity* >0; Unit price:money* >=0
Event | event, party, concert, meeting, conference | Title*; Date*; Location; Notes
Registration | registration, signup, sign-up, participant, attendee, rsvp, guest list, enrolment, enrollment |
    Name*; E-mail; Registered on:date=today
Guest | guest, wedding guest, invitee | Name*; E-mail; RSVP: Yes, No, Maybe; Notes
Pet | pet, dog, cat, animal | Name*; Species; Breed; Date of birth:date; Notes
Horse | horse, pony | Name*; Breed; Date of birth:date; Notes
Plant | plant, houseplant, garden plant, flower, tree, seed | Name*; Species; Location; Last watered:date; Notes
Donation | donation, gift, pledge | Donor*; Amount:money* >0; Date*=today; Purpose
Donor | donor | Name*; E-mail; Phone
Volunteer | volunteer, helper | Name*; E-mail; Phone; Availability; Skills
Shift | shift, roster, rota, duty | Date*; Start time:time*; End time:time*; Name*
Movie | movie, film, dvd, watchlist, watch list, series, tv show, show | Title*; Year; Genre; Rating:whole 1-5;
    Watched?
Game | game, board game, video game | Title*; Genre; Players; Rating:whole 1-5
Album | album, record collection, vinyl, vinyl record, music collection, lp, cd | Title*; Artist*; Year; Genre;
    Condition: New, Good, Fair, Poor
Song | song, track, playlist, piece of music, sheet music | Title*; Artist; Genre
Coin | coin, stamp, collectible, coin collection, stamp collection | Name*; Year; Condition: New, Good, Fair, Poor;
    Value:money >=0; Notes
Wine | wine, wine cellar, bottle | Name*; Vintage:whole; Grape; Quantity=1 >=0; Rating:whole 1-5
Attendance | attendance, attendance list, attendance sheet, class register | Name*; Date*=today; Present?=yes; Notes
Debt | debt, iou, debts, who owes whom | Person*; Amount:money* >0; Date*=today; Paid back?
Ride | ride, carpool | Date*; Driver*; Seats:whole >=1; Notes
Song request | song request | Title*; Artist; Requested by
Flight | flight, flight log | Date*=today; From:text*; To:text*; Duration:decimal >=0
Cleaning task | cleaning plan, cleaning schedule, cleaning rota | Date*; Task*; Person; Done?
Workout | workout, exercise, training session, gym log, fitness, fitness log, run, running log | Date*=today;
    Exercise*; Duration:whole >0; Notes
Habit | habit, habit tracker | Name*; Frequency: Daily, Weekly, Monthly = Daily; Active?=yes
Project | project | Name*; Description:long; Start date; Deadline:date; Status: Planned, Active, Done = Planned
Milestone | milestone, goal, objective | Title*; Target date:date; Done?
Purchase | purchase, purchase order, procurement, shopping | Item*; Supplier; Date*=today; Quantity >0; Price:money
    >=0
Shopping item | shopping list, grocery, groceries, grocery list, shopping list item | Item*; Quantity; Bought?
Parcel | parcel, package, delivery, shipment, mail item | Recipient*; Carrier; Arrived on:date*=today; Collected
    on:date
Key | key, key log | Number*!; Description; Issued to
Note | note, memo, idea, journal, diary, diary entry, journal entry, logbook, snippet | Title*; Text:long;
    Date=today
Document | document, contract, certificate, file, policy, paper | Title*; Number; Date; Expiry date; Notes
Link | bookmark, favorite link | Title*; Web address*; Notes
Password | password, password manager, credential, login detail | Name*; Username; Web address; Notes
Word | vocabulary, vocab, flashcard, word list | Word*; Translation*; Notes
Quote of the day | quotation collection | Text*; Author
House | house, property, apartment, flat, real estate, listing, rental property | Address:text*; Rent:money >=0;
    Rooms:whole >=1; Available?=yes
Tenant | tenant, renter | Name*; E-mail; Phone; Move-in date:date
Measurement | measurement, reading, meter reading, weight log, blood pressure, temperature log, sensor reading,
    weather log | Date*=today; Value:decimal*; Note
Inspection | inspection, audit, check, safety check | Date*=today; Inspector; Result: Passed, Failed; Notes
Team | team | Name*!; Coach
Player | player, athlete | Name*; Position; Number:whole
Match | match, fixture, tournament game | Date*; Home team*; Away team*; Home score:whole; Away score:whole
Beehive | beehive, hive, bee colony, apiary | Name*; Location; Queen year:whole; Last inspection:date; Notes
Boat | boat, yacht, canoe, kayak | Name*; Type; Length; Notes
Bike | bike, bicycle, e-bike | Name*; Type; Frame size; Available?=yes
Rental | rental, hire | Customer*; Start date*=today; Due date; Returned on:date
Feedback | feedback, survey response, review, testimonial, suggestion | Name; Text:long*; Rating:whole 1-5;
    Date=today
Lost item | lost and found, lost item, found item, lost property | Description*; Found on:date*=today; Location;
    Collected on:date
Absence | absence, leave request, vacation, holiday, holiday request, sick day, leave, time off, vacation request |
    Employee*; From:date*; To:date*; Reason: Vacation, Sick, Other = Vacation; Approved?
Trip | trip, travel, journey, travel log, mileage log, drive | Date*=today; From:text*; To:text*; Distance:decimal
    >=0
Voucher | voucher, coupon, gift card | Code*!; Value:money* >0; Valid until:date; Redeemed?
Machine part | component | Name*; Part number!; Quantity=0 >=0
Sample | sample, specimen, lab sample | Number*!; Type; Taken on:date=today; Result text:text
Observation | sighting, observation, bird sighting, birdwatching | Species*; Date*=today; Location; Count:whole >=1;
    Notes
Catch | fishing log, catch, fish | Species*; Date*=today; Location; Weight; Length
Child | child, kid, kindergarten child, daycare | Name*; Date of birth:date; Guardian; Phone; Allergies
Meal | meal, food log, food diary, calorie log, meal plan | Name*; Date*=today; Calories:whole >=0
Risk | risk, risk register, hazard | Title*; Likelihood: Low, Medium, High; Impact: Low, Medium, High; Owner;
    Status: Open, Mitigated, Closed = Open
Decision | decision, decision log, resolution | Title*; Date*=today; Decided by; Reason:long
Question | question, faq, quiz question | Question:text*; Answer:long
Sale | sale, sales log, deal | Product*; Date*=today; Quantity* >0; Price:money* >=0
Gift | gift idea, present, wish list, wishlist, wish | Item*; Person; Price:money >=0; Bought?
Build | build, kernel build, test run, release, deployment | Version*; Date*=today; Result: Passed, Failed; Notes
""".strip()

_WHOLES = frozenset(
    vocabulary("""
    hour board plan planner kanban manager tracker database planner app program system software site organizer
    organiser register catalog catalogue directory administration inventory stock crm book money spend spent
    book-keeping finances budget spending maintenance fitness tracking timesheet roster rota recruiting
    recruitment procurement shopping groceries grocery apiary fleet staff equipment gear stuff schedule to-do do
    list watchlist playlist cellar vocabulary vocab diary journal logbook cookbook rolodex helpdesk desk log
    hours calendar collection expenditure lending borrowing membership membership hardware furniture hire travel
    food register rsvp lend tracker entry line goods time found property finance leave vinyl off
    """)
)
_TYPE_WORDS = {
    "money": "money", "date": "date", "time": "time", "date-time": "date-time", "long": "long text",
    "whole": "whole number",
    "decimal": "decimal number", "text": "text",
}  # fmt: skip


class Domain(NamedTuple):
    """A kind of record that many people keep."""

    label: str
    nouns: tuple[str, ...]
    fields: tuple[FieldDraft, ...]

    def is_name(self, noun: str) -> bool:
        """Whether one record may be called by this noun: a car, but not an inventory."""
        return noun == self.label.lower() or noun.split()[-1] not in _WHOLES


@cache
def domains() -> tuple[Domain, ...]:
    """All of them."""
    found = []
    for line in _TABLE.replace("\n    ", " ").splitlines():
        name, nouns, fields = (part.strip() for part in line.split("|"))
        found.append(
            Domain(
                name,
                tuple(noun.strip() for noun in nouns.split(",")),
                tuple(_field(one.strip()) for one in fields.split(";")),
            )
        )
    return tuple(found)


def _field(text: str) -> FieldDraft:
    match = re.fullmatch(
        r"(?P<label>[A-Z][\w -]*?)(?P<f1>[*!?]*)(?::\s*(?:(?P<type>[a-z-]+)|(?P<choices>[A-Z][^=]*?)))?(?P<f2>[*!]*)"
        r"(?:\s*=\s*(?P<default>\w[\w ]*?))?(?:\s+(?P<op>>=?)\s*(?P<min>\d+))?(?:\s+(?P<a>\d+)-(?P<b>\d+))?",
        text,
    )
    assert match is not None, text
    name = match["label"].strip()
    kind = kind_of(name.lower())
    facts: dict[str, object] = {"type": kind.type}
    if "?" in match["f1"]:
        facts |= {"type": "yes/no", "default": match["default"] or "no"}
    elif match["choices"]:
        facts |= {
            "type": "choice",
            "choices": tuple(c.strip() for c in match["choices"].split(",")),
            "default": match["default"],
        }
    else:
        if match["type"]:
            facts["type"] = _TYPE_WORDS[match["type"]]
        if match["default"]:
            facts["default"] = match["default"]
    if facts["type"] == "choice" and "choices" not in facts:
        values, default = usual_choices(name.lower())
        facts |= {"choices": values, "default": default} if values else {"type": "text"}
    flags = match["f1"] + match["f2"]
    facts |= {"required": "*" in flags, "unique": "!" in flags}
    if match["op"]:
        facts |= {"minimum": match["min"], "exclusive_minimum": match["op"] == ">"}
    if match["a"]:
        facts |= {"minimum": match["a"], "maximum": match["b"]}
    return FieldDraft(
        Field.model_validate({"name": identifier(name), "label": label(name), **facts}),
        {"field": DEFAULT},
        {name.lower()},
    )


_BUNDLES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"\blibrary\b|book lending", ("Book", "Member", "Loan")),
    (r"\b(?:hotel|hostel|guest ?house|b&b|bed and breakfast|pension|holiday (?:home|flat|apartment)s?)\b", ("Room",
        "Guest", "Booking")),
    (r"\b(?:restaurant|bistro|cafe)\b", ("Table", "Booking")),
    (r"\b(?:vet|veterinary|animal (?:clinic|shelter))\b", ("Pet", "Appointment")),
    (r"\b(?:clinic|practice|doctor'?s? office|dentist|physio\w*|hospital)\b", ("Patient", "Appointment")),
    (r"\b(?:school|university|college|academy)\b", ("Student", "Course")),
    (r"\b(?:warehouse|stockroom|storeroom)\b", ("Item", "Movement")),
    (r"\b(?:shop|store|web ?shop|bakery|kiosk)\b", ("Product", "Order")),
    (r"\b(?:rental (?:shop|company|business)|car rental|bike rental|rentals?)\b", ("Device", "Customer", "Rental")),
    (r"\b(?:project management|projects?)\b", ("Project", "Task")),
    (r"\binvoicing|billing\b", ("Customer", "Invoice")),
    (r"\b(?:event management|events? planning)\b", ("Event", "Registration")),
    (r"\b(?:gym|fitness studio|sports club|club|association)\b", ("Member",)),
    (r"\b(?:salon|hairdresser|barber)\b", ("Customer", "Appointment")),
    (r"\b(?:garage|car workshop|mechanic)\b", ("Vehicle", "Service")),
    (r"\b(?:hr|human resources)\b", ("Employee", "Absence")),
)  # fmt: skip


def bundle_in(text: str) -> tuple[str, ...]:
    """The kinds of records that a place or trade named in a text usually keeps."""
    return next((labels for pattern, labels in _BUNDLES if re.search(rf"(?i){pattern}", text)), ())


@cache
def _by_noun() -> dict[str, Domain]:
    table: dict[str, Domain] = {}
    for domain in domains():
        for noun in (domain.label.lower(), *domain.nouns):
            table.setdefault(noun, domain)
            table.setdefault(plural(noun), domain)
            table.setdefault(singular(noun), domain)
    return table


def domain_of(phrase: str) -> Domain | None:
    """The domain whose noun is the phrase, or the phrase's last words ("rental car" → car)."""
    words = phrase.lower().split()
    for start in range(len(words)):
        if found := _by_noun().get(" ".join(words[start:])):
            return found
    return None


def domains_in(text: str) -> list[tuple[Domain, str]]:
    """The domains whose nouns occur in a text, longest and earliest first, with the words that were found."""
    words = re.findall(r"[a-z][a-z'-]*", text.lower())
    found: list[tuple[Domain, str]] = []
    position = 0
    while position < len(words):
        for length in (3, 2, 1):
            phrase = " ".join(words[position : position + length])
            domain = _by_noun().get(phrase)
            if domain:
                if all(one is not domain for one, _ in found):
                    found.append((domain, phrase))
                position += length
                break
        else:
            position += 1
    return found
