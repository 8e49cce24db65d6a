/* Two pictures of one clip: wiped, blinked, side by side, or their errors; all panes move together. */

function viewer() {
  const root = byId("viewer");
  if (!root) return;
  const clips = JSON.parse(byId("clips").textContent);
  const [stage, wipe, zoom, clip, left, right, reading] =
    ["stage", "wipe", "zoom", "clip", "left", "right", "reading"].map(byId);
  const view = { x: 0.5, y: 0.5 };
  let mode = "wipe";
  let timer = 0;

  const current = () => clips[Number(clip.value)];
  const find = (name) => current().pictures.find((picture) => picture.name === name);
  const element = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);
  const scale = () => Number(zoom.value);

  function fill(select, names, wanted) {
    const kept = names.includes(select.value) ? select.value : wanted;
    select.replaceChildren(...names.map((name) => element("option", { value: name, textContent: name })));
    select.value = kept;
  }

  function framed(content, side, words) {
    const figure = element("figure", { className: `pane ${side}` });
    content.classList.add("picture");
    figure.append(content, element("figcaption", { textContent: `${side.toUpperCase()}: ${words}` }));
    return figure;
  }

  function picture(name, side) {
    const { src } = find(name);
    const { width, height } = current();
    return framed(element("img", { src, width, height, alt: `${name}, clip ${current().clip}`, draggable: false }), side, name);
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
    return framed(guess.canvas, side, `error of ${name}`);
  }

  /* The same part of every picture: its middle is at `view`, kept so that no pane shows a margin. */
  function place() {
    const half = 0.5 / scale();
    for (const axis of ["x", "y"]) view[axis] = Math.min(1 - half, Math.max(half, view[axis]));
    const [x, y] = [view.x, view.y].map((at) => 100 * (0.5 - at * scale()));
    const over = stage.querySelector(".over");
    for (const each of all(".picture", stage)) each.style.transform = `translate(${x}%, ${y}%) scale(${scale()})`;
    stage.classList.toggle("zoomed", scale() > 1);
    if (over && mode === "wipe") {
      over.style.clipPath = `inset(0 0 0 ${wipe.value}%)`;
      stage.querySelector(".seam").style.left = `${wipe.value}%`;
    }
    const pane = stage.querySelector(".pane");
    if (pane) stage.classList.toggle("pixels", pane.clientWidth * scale() > 2 * current().width);
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
  async function show() {
    const turn = ++drawn;
    clearInterval(timer);
    const canvas = element("div", { className: "canvas" });
    const across = mode === "side" || mode === "error" ? 2 : 1;
    canvas.style.setProperty("--fit", `${Math.round(460 * across * current().width / current().height)}px`);
    if (mode === "side") canvas.append(picture(left.value, "a"), picture(right.value, "b"));
    else if (mode === "error") canvas.append(...await Promise.all([errorMap(left.value, "a"), errorMap(right.value, "b")]));
    else {
      const over = picture(right.value, "b");
      over.classList.add("over");
      canvas.append(picture(left.value, "a"), over);
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
    const names = current().pictures.map((each) => each.name);
    const { a: first, b: second } = root.dataset;
    const a = names.includes(first) ? first : names[1];
    fill(left, names, a);
    fill(right, names, names.includes(second) && second !== a ? second : names.find((name) => name !== a));
    show();
  }

  function turn(by) {
    clip.value = String((Number(clip.value) + by + clips.length) % clips.length);
    choose();
  }

  function setMode(name) {
    mode = name;
    for (const button of all("[data-mode]", root)) button.setAttribute("aria-pressed", String(button.dataset.mode === name));
    show();
  }

  function step(input, by) {
    input.value = String(Number(input.value) + by);
    place();
  }

  /* Zoom so that what lies under the pointer stays there. */
  function zoomAt(event, factor) {
    const box = (event.target.closest(".pane") ?? stage.querySelector(".pane")).getBoundingClientRect();
    const at = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
    const before = scale();
    zoom.value = String(Math.min(8, Math.max(1, before * factor)));
    for (const axis of ["x", "y"]) view[axis] += (at[axis] - 0.5) * (1 / before - 1 / scale());
    place();
    return scale() !== before;
  }

  let scrolled = 0;
  addEventListener("scroll", () => { scrolled = performance.now(); }, { passive: true });
  stage.addEventListener("wheel", (event) => {
    const passing = performance.now() - scrolled < 250;
    if (passing) { scrolled = performance.now(); return; }
    if (zoomAt(event, event.deltaY < 0 ? 1.25 : 0.8)) event.preventDefault();
  }, { passive: false });

  /* Near the seam a drag moves the wipe; elsewhere it moves the pictures, where they are zoomed. */
  let grip = "";
  function seize(event) {
    const box = stage.querySelector(".canvas").getBoundingClientRect();
    const seam = box.left + box.width * Number(wipe.value) / 100;
    const isNear = Math.abs(event.clientX - seam) < 24;
    grip = mode === "wipe" && (isNear || scale() === 1) ? "wipe" : scale() > 1 ? "pan" : "";
    if (grip) stage.setPointerCapture(event.pointerId);
    drag(event);
  }
  function drag(event) {
    if (!(event.buttons & 1) || !grip) return;
    if (grip === "wipe") {
      const box = stage.querySelector(".canvas").getBoundingClientRect();
      wipe.value = String(100 * (event.clientX - box.left) / box.width);
    } else {
      const box = stage.querySelector(".pane").getBoundingClientRect();
      view.x -= event.movementX / (box.width * scale());
      view.y -= event.movementY / (box.height * scale());
    }
    place();
  }

  const pan = (x, y) => { view.x += x / scale(); view.y += y / scale(); place(); };
  const keys = {
    ArrowLeft: () => (mode === "wipe" ? step(wipe, -2) : pan(-0.1, 0)),
    ArrowRight: () => (mode === "wipe" ? step(wipe, 2) : pan(0.1, 0)),
    ArrowUp: () => pan(0, -0.1), ArrowDown: () => pan(0, 0.1),
    n: () => turn(1), p: () => turn(-1),
    "+": () => step(zoom, 0.5), "=": () => step(zoom, 0.5), "-": () => step(zoom, -0.5),
    b: () => setMode(mode === "blink" ? "wipe" : "blink"),
  };
  stage.addEventListener("keydown", (event) => {
    const wanted = keys[event.key];
    if (!wanted || event.ctrlKey || event.metaKey || event.altKey) return;
    const upDown = event.key === "ArrowUp" || event.key === "ArrowDown";
    if (event.key.startsWith("Arrow") && scale() === 1 && (upDown || mode !== "wipe")) return;
    event.preventDefault();
    wanted();
  });

  root.hidden = false;
  clip.append(...clips.map((each, index) => element("option", { value: index, textContent: `${index + 1}. ${each.clip}` })));
  clip.addEventListener("change", choose);
  for (const select of [left, right]) select.addEventListener("change", show);
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  for (const input of [wipe, zoom]) input.addEventListener("input", place);
  stage.addEventListener("pointerdown", seize);
  stage.addEventListener("pointermove", drag);
  for (const button of all("[data-mode]", root)) button.addEventListener("click", () => setMode(button.dataset.mode));
  /* A folded section has no width: the pictures are placed when it opens. */
  new ResizeObserver(place).observe(stage);
  choose();
}
