"use strict";

const byId = (id) => document.getElementById(id);
const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

function scheme() {
  const button = byId("scheme");
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.scheme ? root.dataset.scheme === "dark" : system.matches);
  const name = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.scheme = isDark() ? "light" : "dark"; name(); });
  system.addEventListener("change", name);
  name();
}

/* A note belongs to the row above it, and moves and hides with it. */
function blocksOf(body) {
  const blocks = [];
  for (const row of body.rows) {
    if (row.classList.contains("note") && blocks.length) blocks.at(-1).push(row);
    else blocks.push([row]);
  }
  return blocks;
}

function keyOf(row, column) {
  const cell = row.cells[column];
  const key = cell?.dataset.key;
  if (key === undefined) return null;
  const value = Number(key);
  return key !== "" && !Number.isNaN(value) ? value : key;
}

function compare(a, b) {
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}

/* What has no value stays at the end, whichever way the rest is sorted. */
function sortBy(table, header) {
  const down = header.getAttribute("aria-sort") === "ascending";
  const body = table.tBodies[0];
  const order = blocksOf(body).map((rows) => ({ rows, key: keyOf(rows[0], header.cellIndex) }));
  order.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    return down ? compare(b.key, a.key) : compare(a.key, b.key);
  });
  for (const { rows } of order) body.append(...rows);
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
}

function sortable(table) {
  for (const header of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sortBy(table, header));
  }
}

function filterable(input) {
  const table = byId(input.dataset.filters);
  const tools = input.closest(".tools");
  const status = tools.querySelector("[role=status]");
  const blocks = blocksOf(table.tBodies[0]);
  tools.hidden = blocks.length < 6;
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const rows of blocks) {
      const text = rows.map((row) => row.textContent).join(" ").toLowerCase();
      const fits = words.every((word) => text.includes(word));
      shown += fits;
      for (const row of rows) row.hidden = !fits;
    }
    status.textContent = words.length ? `${shown} of ${blocks.length} rows` : "";
  });
}

function switchable(group) {
  const buttons = all(".tabs button", group);
  const show = (chosen) => {
    for (const button of buttons) {
      const on = button === chosen;
      button.setAttribute("aria-pressed", String(on));
      byId(button.dataset.shows).classList.toggle("off", !on);
    }
  };
  group.querySelector(".tabs").hidden = buttons.length < 2;
  for (const button of buttons) button.addEventListener("click", () => show(button));
  if (buttons.length) show(buttons[0]);
}

/* Links to runs lead into folded groups: unfold the one that is meant. */
function unfold() {
  const target = location.hash.length > 1 && byId(decodeURIComponent(location.hash.slice(1)));
  for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  if (target) target.scrollIntoView();
}

function contents() {
  const links = new Map(all(".contents a").map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-10% 0px -75% 0px" });
  for (const id of links.keys()) seen.observe(byId(id));
}

function viewer() {
  const root = byId("viewer");
  if (!root) return;
  const clips = JSON.parse(byId("clips").textContent);
  const [stage, wipe, zoom, clip, left, right, reading] =
    ["stage", "wipe", "zoom", "clip", "left", "right", "reading"].map(byId);
  let mode = "wipe";
  let timer = 0;

  const current = () => clips[Number(clip.value)];
  const find = (name) => current().pictures.find((picture) => picture.name === name);
  const element = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);

  function fill(select, names, wanted) {
    const kept = names.includes(select.value) ? select.value : wanted;
    select.replaceChildren(...names.map((name) => element("option", { value: name, textContent: name })));
    select.value = kept;
  }

  function framed(name, side) {
    const figure = element("figure", { className: side });
    const picture = find(name);
    const image = element("img", { src: picture.src, alt: `${name}, clip ${current().clip}`, width: current().width, height: current().height, draggable: false });
    figure.append(image, element("figcaption", { textContent: `${side.toUpperCase()}: ${name}` }));
    return figure;
  }

  async function pixels(name) {
    const image = new Image();
    image.src = find(name).src;
    await image.decode();
    const canvas = element("canvas", { width: image.naturalWidth, height: image.naturalHeight });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return { canvas, context, data: context.getImageData(0, 0, canvas.width, canvas.height) };
  }

  /* Dark to light through violet and orange, so that lightness alone tells the size. */
  const ramp = [[0, 0, 4], [81, 18, 124], [183, 55, 121], [252, 137, 97], [252, 253, 191]];
  function shade(value) {
    const at = Math.min(0.9999, value) * (ramp.length - 1);
    const low = Math.floor(at);
    return ramp[low].map((channel, i) => channel + (ramp[low + 1][i] - channel) * (at - low));
  }

  async function errorMap(name, side) {
    const [truth, guess] = await Promise.all([pixels("target"), pixels(name)]);
    const a = truth.data.data;
    const b = guess.data.data;
    for (let i = 0; i < b.length; i += 4) {
      const error = (Math.abs(a[i] - b[i]) + Math.abs(a[i + 1] - b[i + 1]) + Math.abs(a[i + 2] - b[i + 2])) / 765;
      b.set(shade(4 * error), i);
    }
    guess.context.putImageData(guess.data, 0, 0);
    guess.canvas.setAttribute("role", "img");
    guess.canvas.setAttribute("aria-label", `error of ${name}`);
    const figure = element("figure", { className: side });
    figure.append(guess.canvas, element("figcaption", { textContent: `${side.toUpperCase()}: error of ${name}` }));
    return figure;
  }

  function place() {
    const over = stage.querySelector(".over");
    const seam = stage.querySelector(".seam");
    if (!over || mode !== "wipe") return;
    over.style.clipPath = `inset(0 0 0 ${wipe.value}%)`;
    seam.style.left = `${wipe.value}%`;
  }

  function read() {
    const it = current();
    const values = [["A", left.value], ["B", right.value]].map(([side, name]) => {
      const found = find(name).values;
      return `${side} ${name}${found ? ` (${found})` : ""}`;
    });
    reading.textContent = `${it.clip}, ${it.source}${it.about ? `: ${it.about}` : ""}. ${values.join("; ")}.`;
  }

  let drawn = 0;
  async function draw() {
    const turn = ++drawn;
    clearInterval(timer);
    const canvas = element("div", { className: "canvas" });
    canvas.classList.toggle("pixels", stage.clientWidth * Number(zoom.value) > 2 * current().width);
    const across = mode === "side" || mode === "error" ? 2 : 1;
    canvas.style.setProperty("--zoom", zoom.value);
    canvas.style.setProperty("--fit", `${Math.round(460 * across * current().width / current().height)}px`);
    if (mode === "side") canvas.append(framed(left.value, "a"), framed(right.value, "b"));
    else if (mode === "error") canvas.append(...await Promise.all([errorMap(left.value, "a"), errorMap(right.value, "b")]));
    else {
      const over = framed(right.value, "b");
      over.classList.add("over");
      canvas.append(framed(left.value, "a"), over);
      if (mode === "wipe") canvas.append(element("div", { className: "seam" }));
      else timer = setInterval(() => over.classList.toggle("off"), 700);
    }
    if (turn !== drawn) return;
    stage.replaceChildren(canvas);
    byId("wipe").closest("label").hidden = mode !== "wipe";
    place();
    read();
  }

  function choose() {
    const names = current().pictures.map((picture) => picture.name);
    const { a: first, b: second } = root.dataset;
    fill(left, names, names.includes(first) ? first : names[1]);
    fill(right, names, names.includes(second) ? second : names[0]);
    draw();
  }

  function turn(by) {
    clip.value = String((Number(clip.value) + by + clips.length) % clips.length);
    choose();
  }

  function setMode(name) {
    mode = name;
    for (const button of all("[data-mode]", root)) button.setAttribute("aria-pressed", String(button.dataset.mode === name));
    draw();
  }

  function step(input, by) {
    input.value = String(Number(input.value) + by);
    if (input === zoom) draw(); else place();
  }

  function drag(event) {
    if (mode !== "wipe" || !(event.buttons & 1)) return;
    const box = stage.querySelector(".canvas").getBoundingClientRect();
    wipe.value = String(100 * (event.clientX - box.left) / box.width);
    place();
  }

  const keys = {
    ArrowLeft: () => step(wipe, -2), ArrowRight: () => step(wipe, 2),
    n: () => turn(1), p: () => turn(-1),
    "+": () => step(zoom, 0.5), "=": () => step(zoom, 0.5), "-": () => step(zoom, -0.5),
    b: () => setMode(mode === "blink" ? "wipe" : "blink"),
  };
  stage.addEventListener("keydown", (event) => {
    const wanted = keys[event.key];
    if (!wanted || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.startsWith("Arrow") && mode !== "wipe") return;
    event.preventDefault();
    wanted();
  });

  root.hidden = false;
  clip.append(...clips.map((each, index) => element("option", { value: index, textContent: `${index + 1}. ${each.clip}` })));
  clip.addEventListener("change", choose);
  for (const select of [left, right]) select.addEventListener("change", draw);
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  wipe.addEventListener("input", place);
  zoom.addEventListener("input", draw);
  stage.addEventListener("pointerdown", drag);
  stage.addEventListener("pointermove", drag);
  for (const button of all("[data-mode]", root)) button.addEventListener("click", () => setMode(button.dataset.mode));
  choose();
}

scheme();
for (const table of all(".sheet table")) sortable(table);
for (const input of all("[data-filters]")) filterable(input);
for (const group of all(".switch")) switchable(group);
contents();
viewer();
addEventListener("hashchange", unfold);
addEventListener("beforeprint", () => { for (const group of all("details.group")) group.open = true; });
unfold();
