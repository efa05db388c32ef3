# mypy: ignore-errors
"""Who has which meeting room when."""

from datetime import date, time

from kit import Records, button, choice, esc, field, form, go, page, serve, table

BOOKINGS = Records("bookings")
ROOMS = ("Blue room", "Green room")


def listing(data):
    room = data.get("room", "")
    shown = sorted(
        (one for one in BOOKINGS.all() if room in ("", one["room"])), key=lambda one: (one["day"], one["start"])
    )
    rows = [
        (
            esc(one["who"]),
            one["room"],
            f"{date.fromisoformat(one['day']):%A}, {one['day']}",
            one["start"],
            one["end"],
            button(f"/bookings/{one['id']}/cancel", f"Cancel booking of {esc(one['who'])}"),
        )
        for one in shown
    ]
    rooms = (("", "All"), *((one, one) for one in ROOMS))
    show = f'<form method="get">{choice("room", "Room", rooms, room)}<button>Show</button></form>'
    heads = ("Who", "Room", "Day", "From", "To", "Action")
    return page(
        "Bookings",
        f'<h1>Bookings</h1><p><a href="/bookings/new">Add booking</a></p>{show}'
        f"{table('Bookings', heads, rows, 'No bookings.')}<p>{len(shown)} bookings</p>",
    )


def fields(values, problems):
    return [
        field("who", "Who", values.get("who", ""), problems.get("who", ""), more='aria-required="true"'),
        choice("room", "Room", [(one, one) for one in ROOMS], values.get("room", ROOMS[0]), problems.get("room", "")),
        field("day", "Day", values.get("day", ""), problems.get("day", ""), type="date"),
        field("start", "From", values.get("start", ""), problems.get("start", ""), type="time"),
        field("end", "To", values.get("end", ""), problems.get("end", ""), type="time"),
    ]


def wrong(data):
    problems = {}
    if not data.get("who", "").strip():
        problems["who"] = "Who is required."
    elif len(data["who"]) > 100:
        problems["who"] = "Who can have 100 characters at most."
    if data.get("room") not in ROOMS:
        problems["room"] = "Choose a room."
    for name, label, read in (("day", "Day", date), ("start", "From", time), ("end", "To", time)):
        try:
            read.fromisoformat(data.get(name, ""))
        except ValueError:
            problems[name] = f"{label} is missing or not valid."
    if not problems and data["end"] <= data["start"]:
        problems["end"] = "To must be after From."
    if not problems and any(
        one["room"] == data["room"]
        and one["day"] == data["day"]
        and one["start"] < data["end"]
        and data["start"] < one["end"]
        for one in BOOKINGS.all()
    ):
        problems["start"] = "The room is taken at that time."
    return problems


def new(data):
    return page("Add booking", "<h1>Add booking</h1>" + form("/bookings/new", fields({}, {}), {}))


def create(data):
    if problems := wrong(data):
        body = "<h1>Add booking</h1>" + form("/bookings/new", fields(data, problems), problems)
        return page("Add booking", body, 422)
    BOOKINGS.add(**{name: data[name].strip() for name in ("who", "room", "day", "start", "end")})
    return go("/")


def cancel(data, id):
    BOOKINGS.write([one for one in BOOKINGS.all() if one["id"] != int(id)])
    return go("/")


serve(
    "Rooms",
    (("/", "Bookings"),),
    [
        ("GET", "/", listing),
        ("GET", "/bookings/new", new),
        ("POST", "/bookings/new", create),
        ("POST", r"/bookings/(\d+)/cancel", cancel),
    ],
)
