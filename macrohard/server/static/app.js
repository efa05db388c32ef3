"use strict";
// Comforts; every page works without them, but for keys and what is live.
(() => {
  document.documentElement.classList.add("js");
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");

  // Lists: j and k choose, o opens; in a diff they go from one changed line to the next.
  const LINE = "tr.added td > a, tr.removed td > a";
  const inDiff = () => document.activeElement.closest(".code, details.diff[open] > summary");
  const entries = () => (inDiff()
    ? all(`details.diff[open] > summary, .code :is(${LINE})`)
    : all("[data-list] > li, tbody[data-list] > tr:not(.group)")).filter((each) => each.offsetParent);
  const choose = (by) => {
    const every = entries();
    if (!every.length) return;
    const at = every.findIndex((each) => each.contains(document.activeElement));
    const next = every[Math.min(Math.max(at < 0 ? (by > 0 ? 0 : every.length - 1) : at + by, 0), every.length - 1)];
    (next.matches("a, summary") ? next : next.querySelector("a, summary, button") ?? next).focus();
  };

  // Tabs of a run, files of a diff.
  const turn = (by) => {
    const tabs = all(".tabs a");
    const at = tabs.findIndex((tab) => tab.hasAttribute("aria-current"));
    tabs[at + by]?.click();
  };
  const file = (by) => {
    const files = all("details.diff");
    if (!files.length) return;
    const at = files.findIndex((each) => each.contains(document.activeElement));
    const next = files[Math.min(Math.max(at + by, 0), files.length - 1)];
    next.open = true;
    next.querySelector("summary").focus();
  };

  // Diffs: the form for remarks comes to the line whose number is clicked.
  const home = new WeakMap();
  // What comes in meanwhile is not to take a diff, or the form, away from under who reads and writes.
  const hold = (part) => part.closest("#changes")?.setAttribute("hx-morph-skip", "");
  const remark = (link) => {
    const lines = link.closest(".lines");
    const form = lines?.querySelector(".remark-form");
    if (!form) return false;
    if (!home.has(form)) home.set(form, lines);
    lines.querySelector("tr.writing")?.remove();
    const row = document.createElement("tr");
    row.className = "talk writing";
    const cell = row.insertCell();
    cell.colSpan = 3;
    let after = link.closest("tr");
    while (after.nextElementSibling?.classList.contains("talk")) after = after.nextElementSibling;
    after.after(row);
    cell.append(form);
    hold(lines);
    form.elements.line.value = link.textContent.trim();
    form.elements.side.value = /-O\d+$/.test(link.hash) ? "old" : "new";
    form.querySelector("[data-close]").hidden = false;
    form.elements.text.focus();
    return true;
  };
  const close = (form) => {
    const row = form.closest("tr.writing");
    home.get(form)?.append(form);
    form.querySelector("[data-close]").hidden = true;
    form.elements.line.value = "";
    row?.previousElementSibling?.querySelector("a")?.focus();
    row?.remove();
  };

  // A user's visit, step by step.
  const player = document.querySelector("[data-player]");
  const steps = player ? all(".steps > li", player) : [];
  let shown = 0;
  let playing = 0;
  const show = (at, { address = true } = {}) => {
    shown = Math.min(Math.max(at, 0), steps.length - 1);
    steps.forEach((step, place) => step.classList.toggle("shown", place === shown));
    all(".dots a", player).forEach((dot, place) => {
      if (place === shown) dot.setAttribute("aria-current", "step");
      else dot.removeAttribute("aria-current");
    });
    player.querySelector("[data-where]").textContent = `Step ${shown + 1} of ${steps.length}`;
    if (address) history.replaceState(null, "", `#${steps[shown].id}`);
  };
  const play = (on) => {
    clearInterval(playing);
    playing = on ? setInterval(() => (shown + 1 < steps.length ? show(shown + 1) : play(false)), Number(player.querySelector("[data-speed]").value)) : 0;
    player.querySelector("[data-play]").textContent = on ? "Stop" : "Play";
  };
  if (steps.length) {
    const named = () => steps.findIndex((step) => `#${step.id}` === location.hash);
    player.classList.add("playing");
    player.querySelector(".controls").hidden = false;
    show(named() < 0 ? 0 : named(), { address: false });
    addEventListener("hashchange", () => named() >= 0 && show(named()));
  }

  player?.querySelector("[data-speed]").addEventListener("change", () => playing && play(true));

  // Pictures: as large as the window, one after the other.
  const large = document.getElementById("picture");
  let pictures = [];
  let looked = 0;
  const look = (at) => {
    looked = (at + pictures.length) % pictures.length;
    const { alt } = pictures[looked].querySelector("img");
    Object.assign(large.querySelector("img"), { src: pictures[looked].href, alt });
    large.querySelector("[data-alone]").href = pictures[looked].href;
    large.querySelector("[data-words]").textContent = pictures.length > 1 ? `${alt} · ${looked + 1} of ${pictures.length}` : alt;
    all("[data-look]", large).forEach((button) => { button.hidden = pictures.length < 2; });
  };
  large.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) look(looked + by);
  });

  // Deep links into what is folded.
  const unfold = () => {
    const name = decodeURIComponent(location.hash.slice(1));
    // A line by its number alone is meant in the one file that is shown.
    const target = name && (document.getElementById(name) ?? (/^[LO]\d+$/.test(name) ? document.querySelector(`[id$="-${name}"]`) : null));
    for (let each = target; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
    if (target && !player) target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();

  document.addEventListener("click", (event) => {
    const target = event.target;
    if (!(target instanceof Element)) return;
    const picture = target.closest("a.shot");
    if (picture && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      pictures = all("a.shot").filter((each) => each.offsetParent);
      look(pictures.indexOf(picture));
      large.showModal();
    } else if (target.matches("[data-look]")) look(looked + Number(target.dataset.look));
    else if (target.matches("[data-step]")) show(shown + Number(target.dataset.step));
    else if (target.matches("[data-play]")) play(!playing);
    else if (target.matches(".remark-form [data-close]")) close(target.closest("form"));
    else if (target.matches(".code td > a") && remark(target)) event.preventDefault();
    else if (target.closest("details.diff > summary")) hold(target);
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const { sure, where } = form.dataset;
    if (sure && (!where || document.getElementById(where)?.value.trim()) && !confirm(sure)) event.preventDefault();
    // Back to the line that was spoken of.
    const { line, side, back } = form.elements;
    if (line?.value && back) back.value += `#${home.get(form)?.dataset.file ?? ""}-${side.value === "old" ? "O" : "L"}${line.value}`;
  });

  document.addEventListener("change", (event) => event.target.closest("form[data-send]")?.requestSubmit());

  // What could not be read anew stays as it was, says of when it is, and is asked for again.
  const strip = document.getElementById("connection");
  const FINAL = {
    401: "This browser is not let in any more.", 403: "This is not yours to see any more.", 404: "This is no longer there.",
  };
  const lost = new Map();
  let asOf = new Date(), tries = 0, trying = 0, telling = 0;
  const tell = () => {
    for (const part of lost.keys()) if (!part.isConnected) lost.delete(part);
    document.documentElement.classList.toggle("stale", lost.size > 0);
    const at = asOf.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    const words = lost.size ? `${[...lost.values()].at(-1)} As of ${at}.` : "";
    if (strip.textContent !== words) strip.textContent = words;
    if (!lost.size) tries = 0;
  };
  const lose = (part, status, seconds) => {
    if (!lost.size) asOf = new Date();
    lost.set(part, FINAL[status] ?? "Not connected; trying again.");
    clearTimeout(telling);
    // Leaving a page breaks its requests, too.
    telling = setTimeout(tell, 1000);
    if (FINAL[status]) return;
    clearTimeout(trying);
    trying = setTimeout(() => [...lost.keys()].forEach((each) => htmx.trigger(each, "again")),
      1000 * (seconds || Math.min(2 ** ++tries, 15)));
  };
  const regain = (part) => {
    if (lost.delete(part)) tell();
  };
  document.addEventListener("htmx:response:error", ({ detail: { ctx } }) =>
    lose(ctx.sourceElement, ctx.response.status, Number(ctx.response.headers.get("Retry-After"))));
  document.addEventListener("htmx:error", ({ detail: { ctx, error } }) => {
    // What one types on aborts what was asked before.
    if (ctx && !(error.name === "AbortError" && ctx.sourceElement.hasAttribute("hx-sync"))) lose(ctx.sourceElement);
  });
  document.addEventListener("htmx:sse:error", ({ target, detail }) => lose(target, detail.status));
  document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => ctx.response.raw.ok && regain(ctx.sourceElement));
  document.addEventListener("htmx:after:sse:connection", ({ target }) => regain(target));
  addEventListener("offline", () => lose(document));
  addEventListener("online", () => regain(document));

  // How many runs wait for somebody stands in the title, too: one sees it from another tab.
  document.addEventListener("htmx:after:swap", () => {
    const number = document.querySelector("#waiting .count")?.textContent;
    document.title = (number ? `(${number}) ` : "") + document.title.replace(/^\(\d+\) /, "");
  });

  let begun = "";
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.closest("form")?.requestSubmit();
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      const form = event.target.closest("tr.writing .remark-form");
      if (form) close(form);
      else event.target.blur?.();
      return;
    }
    if (typing(event.target) || (event.key === " " && event.target.closest("button, a, summary"))) return;
    const keys = begun ? `${begun} ${event.key}` : event.key;
    begun = "";
    const named = document.querySelector(`[data-key="${CSS.escape(keys)}"]`);
    const acts = {
      "?": () => document.getElementById("keys").showModal(),
      "/": () => document.querySelector("input[type=search]")?.focus(),
      g: () => { begun = "g"; },
      j: () => choose(1), k: () => choose(-1),
      o: () => document.activeElement.matches("a, summary") && document.activeElement.click(),
      "[": () => turn(-1), "]": () => turn(1),
      ",": () => document.querySelector("[rel=prev]")?.click(), ".": () => document.querySelector("[rel=next]")?.click(),
      n: () => file(1), p: () => file(-1),
      c: () => document.activeElement.matches(".code td > a") && remark(document.activeElement),
      " ": () => player && play(!playing),
      ArrowLeft: () => player && show(shown - 1), ArrowRight: () => player && show(shown + 1),
    };
    if (named) named.click();
    else if (acts[keys]) acts[keys]();
    else return;
    if (![" ", "ArrowLeft", "ArrowRight"].includes(event.key) || player) event.preventDefault();
  });
})();
