// How a drawing comes out: its pixels, where they are, and what of it falls outside of its view.
async (given) => {
  const { source, width, height } = given;
  const parsed = new DOMParser().parseFromString(source, "image/svg+xml").documentElement;
  const view = parsed.getAttribute("viewBox").trim().split(/[\s,]+/).map(Number);

  // As an image a drawing can neither run scripts nor load anything, whatever it holds.
  async function pixels(box, across, down) {
    const copy = parsed.cloneNode(true);
    copy.setAttribute("viewBox", box.join(" "));
    copy.setAttribute("width", across);
    copy.setAttribute("height", down);
    copy.setAttribute("preserveAspectRatio", "xMidYMid meet");
    const image = new Image(across, down);
    const text = new TextEncoder().encode(new XMLSerializer().serializeToString(copy));
    image.src = "data:image/svg+xml;base64," + btoa(Array.from(text, (byte) => String.fromCharCode(byte)).join(""));
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: across, height: down });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, across, down);
    return { canvas, data: context.getImageData(0, 0, across, down).data };
  }

  const whole = await pixels(view, width, height);
  const at = (x, y) => 4 * (y * width + x);

  // The background is what most of the border shows.
  const counts = new Map();
  let clear = 0, border = 0;
  const visit = (x, y) => {
    const [r, g, b, a] = whole.data.subarray(at(x, y), at(x, y) + 4);
    const key = a < 16 ? "clear" : [r >> 4, g >> 4, b >> 4].join();
    const seen = counts.get(key) ?? { times: 0, colour: [r, g, b, a] };
    seen.times += 1;
    counts.set(key, seen);
    clear += a < 16;
    border += 1;
  };
  for (let x = 0; x < width; x++) { visit(x, 0); visit(x, height - 1); }
  for (let y = 0; y < height; y++) { visit(0, y); visit(width - 1, y); }
  const ground = [...counts.values()].sort((one, other) => other.times - one.times)[0].colour;

  let content = 0, left = width, top = height, right = -1, bottom = -1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = at(x, y), alpha = whole.data[i + 3];
      const differs = ground[3] < 16 ? alpha >= 16
        : alpha < 16 || [0, 1, 2].some((part) => Math.abs(whole.data[i + part] - ground[part]) > 20);
      if (!differs) continue;
      content += 1;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      if (y > bottom) bottom = y;
    }
  }

  // With a quarter more on each side: a sign that stands free and goes on there is cut off by its view.
  const margin = 0.25, wide = Math.round(width * (1 + 2 * margin)), high = Math.round(height * (1 + 2 * margin));
  const [x0, y0, w, h] = view;
  const larger = await pixels([x0 - margin * w, y0 - margin * h, w * (1 + 2 * margin), h * (1 + 2 * margin)], wide, high);
  const from = [(wide - width) / 2, (high - height) / 2];
  let outside = 0;
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const within = x >= from[0] - 1 && x <= from[0] + width && y >= from[1] - 1 && y <= from[1] + height;
      if (!within && larger.data[4 * (y * wide + x) + 3] >= 16) outside += 1;
    }
  }

  const shown = document.body.appendChild(document.importNode(parsed, true));
  shown.setAttribute("width", width);
  shown.setAttribute("height", height);
  const frame = shown.getBoundingClientRect();
  const cut = [...shown.querySelectorAll("text")].filter((text) => {
    const box = text.getBoundingClientRect();
    return box.width > 0 && (box.left < frame.left - 1 || box.right > frame.right + 1);
  }).map((text) => text.textContent.trim().slice(0, 60));
  shown.remove();

  return {
    png: whole.canvas.toDataURL("image/png").split(",")[1],
    share: content / (width * height),
    box: right < 0 ? null : [left / width, top / height, (right + 1) / width, (bottom + 1) / height],
    free: clear > border / 2,
    outside: outside / (width * height),
    cut,
  };
}
