/* Figures answer to the mouse: what a point says, and variants that are hidden by the legend. */

const SVG = "http://www.w3.org/2000/svg";
const REACH = 22;
const hiddenSeries = new Set();

function draw(tag, attributes, parent) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  parent.append(node);
  return node;
}

function tell(text, x, y) {
  const box = byId("told");
  box.hidden = !text;
  if (!text) return;
  box.textContent = text;
  const room = 12;
  const left = x + room + box.offsetWidth > innerWidth ? x - room - box.offsetWidth : x + room;
  const top = y + room + box.offsetHeight > innerHeight ? y - room - box.offsetHeight : y + room;
  box.style.left = `${Math.max(4, left)}px`;
  box.style.top = `${Math.max(4, top)}px`;
}

/* One width of one figure: its points in the units of its drawing. */
function plane(svg, about, boxes, scales) {
  let ring = null;
  const places = () => about.points.map(([axes, x, y]) => {
    const [left, right, top, bottom] = boxes[axes];
    const scale = scales[axes];
    return [left + scale.x.part(x) * (right - left), bottom - scale.y.part(y) * (bottom - top)];
  });
  let known = places();

  function nearest(event) {
    const matrix = svg.getScreenCTM();
    if (!matrix) return -1;
    let best = -1;
    let least = REACH * REACH;
    known.forEach(([x, y], index) => {
      if (hiddenSeries.has(about.series[about.points[index][3]])) return;
      const dx = matrix.a * x + matrix.e - event.clientX;
      const dy = matrix.d * y + matrix.f - event.clientY;
      if (dx * dx + dy * dy < least) { least = dx * dx + dy * dy; best = index; }
    });
    return best;
  }

  function show(event) {
    const at = nearest(event);
    ring?.remove();
    ring = null;
    svg.style.cursor = at >= 0 && about.points[at][5] ? "pointer" : "";
    if (at < 0) { tell(""); return; }
    ring = draw("circle", { cx: known[at][0], cy: known[at][1], r: 4, class: "ring" }, svg);
    tell(about.points[at][4], event.clientX, event.clientY);
  }

  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", () => { ring?.remove(); tell(""); });
  svg.addEventListener("click", (event) => {
    const at = nearest(event);
    if (at >= 0 && about.points[at][5]) location.hash = about.points[at][5];
  });
  return { svg, boxes, moved: () => { known = places(); ring?.remove(); } };
}

function hide() {
  for (const button of all("[data-series]")) {
    button.setAttribute("aria-pressed", String(!hiddenSeries.has(button.dataset.series)));
  }
  for (const figure of all("[data-figure]")) {
    const about = figure.about;
    if (!about) continue;
    for (const group of all("[data-s]", figure)) {
      group.classList.toggle("off", hiddenSeries.has(about.series[Number(group.dataset.s)]));
    }
  }
}

function figures() {
  const source = byId("figures");
  const known = source ? JSON.parse(source.textContent) : {};
  for (const figure of all("[data-figure]")) {
    const about = known[figure.dataset.figure];
    if (!about) continue;
    figure.about = about;
    const axes = scalesOf(about);
    const planes = Object.entries(about.boxes).map(([width, boxes]) =>
      plane(figure.querySelector(`.drawing.${width} svg`), about, boxes, axes));
    scalable(figure, about, planes, axes);
  }
  for (const button of all("[data-series]")) {
    button.addEventListener("click", () => {
      const name = button.dataset.series;
      if (!hiddenSeries.delete(name)) hiddenSeries.add(name);
      hide();
    });
  }
  for (const piece of all("[data-told]")) {
    const show = (event) => tell(piece.dataset.told, event.clientX, event.clientY);
    piece.addEventListener("pointermove", show);
    piece.addEventListener("pointerdown", show);
    piece.addEventListener("pointerleave", () => tell(""));
  }
  addEventListener("scroll", () => tell(""), { passive: true });
}
