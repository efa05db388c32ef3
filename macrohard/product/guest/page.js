// What the scenario steps ask about a page, in a JavaScript world of its own that the page cannot reach or change.
// Every function answers with plain JSON.
globalThis.macrohard ??= (() => {
  const ROW = "tr, li, article, [role=row], [role=listitem], [role=article]";
  const NAVIGATION = "nav, [role=navigation], [role=tablist], [role=menu], [role=menubar]";
  const SILENT = new Set(["SCRIPT", "STYLE", "TEMPLATE", "NOSCRIPT", "DATALIST", "HEAD", "TITLE"]);

  const visible = (element) => element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true });

  // A person reads the chosen option of a closed list, not the others.
  const chosen = (select) => [...select.selectedOptions].map((option) => option.label).join(" ");

  function collect(element, pieces, skip) {
    // An element can be hidden and hold visible ones, so visibility is asked for each text.
    const readable = element.nodeType !== Node.ELEMENT_NODE || getComputedStyle(element).visibility === "visible";
    for (const child of element.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) {
        if (readable) pieces.push(child.data);
      } else if (child.nodeType === Node.ELEMENT_NODE && !SILENT.has(child.tagName) && !(skip && child.matches(skip))) {
        const style = getComputedStyle(child);
        if (style.opacity === "0" || (!child.checkVisibility() && style.display !== "contents")) continue;
        const inline = style.display === "inline" && child.tagName !== "BR";
        if (!inline) pieces.push(" ");
        if (child.tagName === "SELECT") pieces.push(style.visibility === "visible" ? chosen(child) : "");
        else {
          if (child.shadowRoot) collect(child.shadowRoot, pieces, skip);
          collect(child, pieces, skip);
        }
        if (!inline) pieces.push(" ");
      }
    }
  }

  const squeeze = (text) => text.replace(/\s+/gu, " ").trim();

  function textOf(root, skip = "") {
    if (!root) return "";
    if (root.tagName === "SELECT") return chosen(root);
    const pieces = [];
    collect(root, pieces, skip);
    return squeeze(pieces.join(""));
  }

  const WORD = /[\p{L}\p{N}_]/u;
  const DIGIT = /\p{N}/u;

  // "1 task" is not in "11 tasks", nor "Milk" in "Milkshake", nor "250.00" in "1,250.00".
  function whole(text, start, end) {
    const before = text[start - 1] ?? "", after = text[end] ?? "";
    const first = text[start], last = text[end - 1];
    if (WORD.test(first) && WORD.test(before)) return false;
    if (WORD.test(last) && WORD.test(after)) return false;
    if (DIGIT.test(first) && /[.,]/.test(before) && DIGIT.test(text[start - 2] ?? "")) return false;
    if (DIGIT.test(last) && /[.,]/.test(after) && DIGIT.test(text[end + 1] ?? "")) return false;
    return true;
  }

  function position(text, wanted, from = 0) {
    wanted = squeeze(wanted);
    for (let at = text.indexOf(wanted, from); at >= 0; at = text.indexOf(wanted, at + 1))
      if (whole(text, at, at + wanted.length)) return at;
    return -1;
  }

  const main = () => document.querySelector("main, [role=main]") ?? document.body;

  const isHeader = (row) =>
    !!row.closest("thead") || (row.tagName === "TR" && !row.querySelector("td, [role=cell], [role=gridcell]"));

  function rowsWith(texts) {
    const matching = [...document.querySelectorAll(ROW)].filter((row) => {
      if (row.closest(NAVIGATION) || isHeader(row) || !visible(row)) return false;
      const text = textOf(row);
      return texts.every((wanted) => position(text, wanted) >= 0);
    });
    return matching.filter((row) => !matching.some((other) => other !== row && row.contains(other)));
  }

  const isPlaceholder = (row) => {
    const cells = row.querySelectorAll("td, th, [role=cell], [role=gridcell]");
    return cells.length === 1 && cells[0].colSpan > 1;
  };

  function dataRows() {
    const shown = (selector) =>
      [...main().querySelectorAll(selector)].filter((element) => visible(element) && !element.closest(NAVIGATION));
    const title = textOf(main().querySelector("h1"));
    const tables = shown("table, [role=table], [role=grid]");
    const named = tables.find((table) => {
      const labelled = document.getElementById(table.getAttribute("aria-labelledby") ?? "");
      const name = labelled ? textOf(labelled) : table.getAttribute("aria-label") ?? textOf(table.querySelector("caption"));
      return title !== "" && name === title;
    });
    const table = named ?? tables[0];
    if (table)
      return [...table.querySelectorAll("tr, [role=row]")].filter(
        (row) => visible(row) && !isHeader(row) && !row.closest("tfoot") && !isPlaceholder(row),
      );
    const list = shown("ul, ol, [role=list]").find((candidate) => !candidate.closest("[role=alert], [role=status]"));
    if (list) return [...list.querySelectorAll(":scope > li, :scope > [role=listitem]")].filter(visible);
    return shown("article, [role=article]");
  }

  const CONTROLS = "button, a[href], input:not([type=hidden]), select, textarea, summary, [role=button], [role=link]";
  const NARROW = 600, TARGET = 24, SHOWN = 5;

  const labelsOf = (field) => [
    ...[...(field.labels ?? [])].map((label) => textOf(label)),
    ...(field.getAttribute("aria-label") ? [squeeze(field.getAttribute("aria-label"))] : []),
    ...(field.getAttribute("aria-labelledby") ?? "").split(/\s+/).map((id) => textOf(document.getElementById(id))),
  ].filter(Boolean);

  const FIELDS = "input:not([type=hidden]), select, textarea, [role=textbox], [role=combobox], [role=spinbutton]";

  // A message of an error belongs to a field only while the field is wrong.
  function descriptionOf(field) {
    const wrong = (field.getAttribute("aria-invalid") ?? "false") !== "false";
    const ids = `${field.getAttribute("aria-describedby") ?? ""} ${wrong ? field.getAttribute("aria-errormessage") ?? "" : ""}`;
    const texts = ids.split(/\s+/).filter(Boolean).map((id) => squeeze(document.getElementById(id)?.textContent ?? ""));
    const own = squeeze(field.getAttribute("aria-description") ?? "");
    return [...new Set([...texts, own])].filter(Boolean).join(" ");
  }

  const nameOf = (element) =>
    (labelsOf(element)[0] || textOf(element) || element.value || element.placeholder || element.alt || "").slice(0, 60);

  const KINDS = { A: "link", INPUT: "field", SELECT: "list", TEXTAREA: "field", TABLE: "table", IMG: "image" };
  const kindOf = (element) =>
    element.getAttribute("role") ?? (/^(submit|button|reset)$/.test(element.type) ? "button" : null) ??
    (/^(checkbox|radio)$/.test(element.type) ? element.type : null) ??
    KINDS[element.tagName] ?? (element.tagName === "BUTTON" ? "button" : "text");

  // What scrolls by itself may be wider than what holds it.
  const scrolls = (element) => {
    for (let holder = element.parentElement; holder && holder !== document.body; holder = holder.parentElement)
      if (/auto|scroll|hidden|clip/.test(getComputedStyle(holder).overflowX)) return true;
    return false;
  };

  const ownText = (element) =>
    squeeze([...element.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE).map((child) => child.data).join(" "));

  // Links that are hidden until they have the focus lie outside of the page on purpose.
  const onPage = (box) => box.width > 1 && box.height > 1 && box.right > 0 && box.bottom + scrollY > 0;

  function measured() {
    const width = document.documentElement.clientWidth;
    if (innerWidth >= NARROW) return [];
    const shown = [...document.body.querySelectorAll("*")].filter(visible).slice(0, 3000);
    const boxes = new Map(shown.map((element) => [element, element.getBoundingClientRect()]));
    const controls = shown.filter((element) => element.matches(CONTROLS) && onPage(boxes.get(element)));
    const told = (kind, element, pixels, more = {}) =>
      ({ kind, what: kindOf(element), name: nameOf(element), pixels: Math.round(pixels), ...more });

    const outside = shown
      .filter((element) => onPage(boxes.get(element)) && boxes.get(element).right > width + 1 && !scrolls(element))
      .filter((element) => element.matches(`${CONTROLS}, table, img`) || ownText(element))
      .filter((element, _, all) => !all.some((other) => other !== element && other.contains(element)))
      .map((element) => told("outside", element, boxes.get(element).right - width));

    // Links within running text are as high as the text.
    const small = controls
      .filter((element) => !(element.tagName === "A" && getComputedStyle(element).display === "inline"))
      .map((element) => {
        const { height, width: across } = (element.labels?.[0] && /checkbox|radio/.test(element.type)
          ? element.labels[0] : element).getBoundingClientRect();
        return { element, pixels: Math.min(height, across), direction: height <= across ? "high" : "wide" };
      })
      .filter(({ pixels }) => pixels < TARGET - 0.5)
      .map(({ element, pixels, direction }) => told("small", element, pixels, { direction }));

    const cut = shown
      .filter((element) => ownText(element) && !element.matches("input, select, textarea") && onPage(boxes.get(element)))
      .filter((element) => /hidden|clip/.test(getComputedStyle(element).overflowX))
      .filter((element) => element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 1)
      .map((element) => told("cut", element, element.scrollWidth - element.clientWidth));

    const overlap = [];
    for (const [place, one] of controls.slice(0, 80).entries())
      for (const other of controls.slice(place + 1, 80)) {
        if (one.contains(other) || other.contains(one)) continue;
        const a = boxes.get(one), b = boxes.get(other);
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (across > 3 && down > 3) overlap.push(told("overlap", one, Math.min(across, down), { other: nameOf(other) }));
      }
    return [outside, overlap, cut, small].flatMap((found) => found.slice(0, SHOWN));
  }

  return {
    // What is to have the focus gets it when the page is drawn, and what a change of colours starts begins when that has
    // been drawn once; a page that nobody sees may never be.
    drawn: () =>
      new Promise((done) => {
        requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
        setTimeout(done, 1000);
      }),

    text: () => textOf(document.body),

    sees: (text, row) => {
      if (row === null) return position(textOf(document.body), text) >= 0;
      return rowsWith([row]).some((element) => position(textOf(element), text) >= 0);
    },

    rowTexts: (texts) => rowsWith(texts).map((row) => textOf(row)),

    allRows: () => rowsWith([]).map((row) => textOf(row)),

    countRows: () => dataRows().length,

    inOrder: (texts) => {
      const ordered = (text) => {
        let from = 0;
        for (const wanted of texts) {
          const at = position(text, wanted, from);
          if (at < 0) return false;
          from = at + squeeze(wanted).length;
        }
        return true;
      };
      const lists = [...main().querySelectorAll("tbody, table, ul, ol, [role=list], [role=table]")].filter(visible);
      const holding = lists.map((list) => textOf(list)).filter((text) => texts.every((one) => position(text, one) >= 0));
      if (holding.length) return holding.some(ordered);
      return ordered(textOf(main(), "[role=status], [role=alert], output"));
    },

    mainText: () => textOf(main(), "[role=status], [role=alert], output"),

    // Marks the one row that contains the text, for a selector to find it; answers how many there are.
    markRow: (text) => {
      const rows = rowsWith([text]);
      if (rows.length === 1) rows[0].setAttribute("data-macrohard-row", "");
      return rows.length;
    },

    unmarkRow: () => {
      for (const row of document.querySelectorAll("[data-macrohard-row]")) row.removeAttribute("data-macrohard-row");
    },

    required: () => [...document.querySelectorAll(":required, [aria-required=true]")].flatMap(labelsOf),

    // Of the fields of each label, in their order, where one of them has a description: its text, or nothing.
    described: () => {
      const found = {};
      for (const field of document.querySelectorAll(FIELDS))
        if (visible(field) || field.labels?.length && visible(field.labels[0]))
          for (const label of new Set(labelsOf(field))) (found[label] ??= []).push(descriptionOf(field));
      return Object.entries(found).filter(([, texts]) => texts.some(Boolean));
    },

    blank: () =>
      [...document.querySelectorAll("input, textarea")]
        .filter((field) => field.type !== "password" && /^\s+$/.test(field.value)).flatMap(labelsOf),

    measured,

    isDrawn: () => [...document.querySelectorAll("canvas, video")].some(visible),

    overflow: () => Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth),

    // The bubble a browser shows over a field it does not accept is not part of the page.
    bubble: () => {
      const field = document.activeElement;
      return field?.matches?.(":user-invalid") ? field.validationMessage : "";
    },
  };
})();
