// Lays one card of the film out; all texts come in as texts, never as markup.
async (card) => {
  const put = (id, text) => {
    const element = document.getElementById(id);
    element.textContent = text ?? "";
    element.hidden = !text;
  };
  document.body.className = `${card.kind} ${card.mood ?? ""}`;
  for (const id of ["eyebrow", "heading", "text", "who", "intention", "action", "outcome"]) put(id, card[id]);
  const list = document.getElementById("lines");
  list.replaceChildren(...(card.lines ?? []).map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
  const picture = document.getElementById("picture");
  let shown = Boolean(card.picture);
  if (shown) {
    picture.src = card.picture;
    // What cannot be decoded is a step without a picture, and no reason to go without a film.
    await picture.decode().catch(() => { shown = false; });
  } else {
    picture.removeAttribute("src");
  }
  picture.hidden = !shown;
  document.getElementById("missing").hidden = card.kind !== "step" || shown;
}
