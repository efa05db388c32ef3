// Small comforts; every page works without them.
"use strict";

// Lists show the matches while one types or chooses; the page around them, and the focus, stay as they are.
for (const form of document.querySelectorAll("form[data-live]")) {
  let waiting = 0;
  let asking = new AbortController();

  const show = async () => {
    asking.abort();
    asking = new AbortController();
    const chosen = [...new FormData(form)].filter(([, value]) => value !== "");
    const address = `${form.getAttribute("action")}?${new URLSearchParams(chosen)}`;
    const rows = document.getElementById("rows");
    rows.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(address, { signal: asking.signal });
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const old of document.querySelectorAll("[data-swap]")) {
        const fresh = page.getElementById(old.id);
        old.replaceChildren(...fresh.childNodes);
      }
      history.replaceState(null, "", address);
    } catch (error) {
      // A newer question was asked meanwhile: its answer is on the way. Anything else is shown by the whole page.
      if (error.name === "AbortError") return;
      form.submit();
    }
    rows.removeAttribute("aria-busy");
  };

  form.addEventListener("input", () => {
    clearTimeout(waiting);
    // Once for all that one turn changes; an answer that is late is given up when the next letter comes.
    waiting = setTimeout(show);
  });
}

// A second click while the first one is on its way does nothing.
for (const form of document.querySelectorAll('form[method="post"]')) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    event.submitter?.setAttribute("aria-disabled", "true");
  });
}

// Whoever comes back by the browser's history may send a form again.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.querySelector("[aria-disabled]")?.removeAttribute("aria-disabled");
  }
});

for (const button of document.querySelectorAll("[data-print]")) {
  button.addEventListener("click", () => print());
}

// A date that follows another one is filled in as long as nobody chose it.
for (const field of document.querySelectorAll("[data-follows]")) {
  const other = document.getElementById(field.dataset.follows);
  const [, count, unit] = /^(-?\d+)([hdwmy])$/.exec(field.dataset.offset) ?? [];
  if (!other || !["d", "w"].includes(unit) || field.type !== "date") continue;
  let own = "";

  const follow = () => {
    if (field.value !== own) return;
    const day = new Date(`${other.value.slice(0, 10)}T00:00:00Z`);
    if (Number.isNaN(day.getTime())) return;
    day.setUTCDate(day.getUTCDate() + Number(count) * (unit === "w" ? 7 : 1));
    field.value = own = day.toISOString().slice(0, 10);
  };

  other.addEventListener("input", follow);
  follow();
}
