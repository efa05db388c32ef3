# mypy: ignore-errors
# A product as an agent could write it, not a part of ours.
"""A small list of tasks, as a product could be."""

import csv
import html
import io
import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

FILE = Path("data/tasks.json")
PRIORITIES = ("High", "Low")


def load():
    return json.loads(FILE.read_text()) if FILE.exists() else []


def save(tasks):
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(tasks))


def problem(title):
    return "" if title.strip() else "Title is required."


def options(chosen, first):
    names = (first, *PRIORITIES)
    return "".join(f"<option{' selected' if name == chosen else ''}>{name}</option>" for name in names)


def form(task, message):
    alert = '<div role="alert">Please correct 1 field.</div>' if message else ""
    invalid = ' aria-invalid="true" aria-describedby="why"' if message else ""
    why = f'<p id="why">{message}</p>' if message else ""
    return f"""<h1>Add task</h1>{alert}
<form method="post" action="/tasks/new" novalidate>
<p><label for="title">Title</label> <span>(required)</span>
<input id="title" name="title" aria-required="true" value="{html.escape(task["title"])}"{invalid}></p>{why}
<p><label for="due">Due</label> <input id="due" name="due" type="date" value="{html.escape(task["due"])}"></p>
<p><label for="priority">Priority</label>
<select id="priority" name="priority">{options(task["priority"], "Choose")}</select></p>
<p><input type="checkbox" id="done" name="done"> <label for="done">Done</label></p>
<button>Save</button> <a href="/tasks">Cancel</a></form>"""


def rows(tasks, query):
    shown = [
        task
        for task in tasks
        if query.get("q", "").lower() in task["title"].lower()
        and query.get("priority", "Any") in ("Any", task["priority"])
    ]
    cells = "".join(
        f"<tr><td>{html.escape(task['title'])}</td><td>{task['due'] or '–'}</td><td>{task['priority']}</td>"
        f"<td>{'Yes' if task['done'] else 'No'}</td>"
        f'<td><form method="post" action="/tasks/{task["id"]}/delete"><button>Delete</button></form></td></tr>'
        for task in shown
    )
    head = "<tr><th>Title</th><th>Due</th><th>Priority</th><th>Done</th><th>Actions</th></tr>"
    table = f"<table><caption>Tasks</caption><thead>{head}</thead><tbody>{cells}</tbody></table>" if shown else ""
    count = f"{len(shown)} task{'s' if len(shown) != 1 else ''}" if shown else "No tasks yet."
    return f"""<h1>Tasks</h1><p><a href="/tasks/new">Add task</a> <a href="/tasks/export.csv">Export CSV</a></p>
<search aria-label="Find tasks"><form><label>Search
<input type="search" name="q" value="{html.escape(query.get("q", ""))}"></label>
<label>Priority <select name="priority">{options(query.get("priority"), "Any")}</select></label>
<button>Show</button></form></search>{table}<p>{count}</p>
<form method="post" action="/tasks/import" enctype="multipart/form-data">
<label>CSV file <input type="file" name="file"></label> <button>Import</button></form>"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, body, status=200, kind="text/html; charset=utf-8", **headers):
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def page(self, title, main, status=200, message=""):
        said = f'<div role="status">{message}</div>' if message else ""
        self.answer(
            f"""<!doctype html><html lang="en"><head><title>{title}</title><link rel="icon" href="data:,"></head><body>
<nav aria-label="Main"><ul><li><a href="/tasks">Tasks</a></li></ul></nav><main>{said}{main}</main></body></html>""",
            status,
        )

    def redirect(self, path, message=""):
        self.answer("", 303, Location=path + (f"?{urlencode({'said': message})}" if message else ""))

    def do_GET(self):
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match parts.path:
            case "/":
                self.redirect("/tasks")
            case "/health":
                self.answer("ok", kind="text/plain")
            case "/tasks":
                self.page("Tasks", rows(load(), query), message=html.escape(query.get("said", "")))
            case "/tasks/new":
                self.page("Add task", form({"title": "", "due": "", "priority": ""}, ""))
            case "/tasks/export.csv":
                text = io.StringIO()
                writer = csv.writer(text)
                writer.writerow(["Title", "Due", "Priority"])
                writer.writerows([task["title"], task["due"], task["priority"]] for task in load())
                self.answer(text.getvalue(), kind="text/csv", Content_Disposition='attachment; filename="tasks.csv"')
            case _:
                self.page("Not found", "<h1>Not found</h1>", 404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        tasks = load()
        if self.path == "/tasks/import":
            lines = body.decode().split("\r\n\r\n", 1)[1].split("\r\n--", 1)[0].splitlines()[1:]
            for line in lines:
                title, due, priority = line.split(",")
                tasks.append({"id": len(tasks) + 1, "title": title, "due": due, "priority": priority, "done": False})
            save(tasks)
            self.redirect("/tasks", f"{len(lines)} tasks imported.")
            return
        values = {name: found[0] for name, found in parse_qs(body.decode(), keep_blank_values=True).items()}
        if self.path == "/tasks/new":
            task = {"id": len(tasks) + 1, "title": values["title"].strip(), "due": values["due"]}
            task |= {"priority": values["priority"].replace("Choose", ""), "done": "done" in values}
            if message := problem(task["title"]):
                self.page("Add task", form(task, message), 422)
                return
            save([*tasks, task])
            self.redirect("/tasks", "Task saved.")
            return
        number = int(self.path.split("/")[2])
        save([task for task in tasks if task["id"] != number])
        self.redirect("/tasks", "Task deleted.")


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
