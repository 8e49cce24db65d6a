/* Axes that a reader switches between a linear and a logarithmic scale: drawn curves are moved. */

/* A scale maps data to a part from 0 to 1 of its axis, and back. */
function scaleOf(low, high, logarithmic, positive) {
  const scale = { low, high, positive, logarithmic, drawn: logarithmic };
  const ends = () => {
    if (!scale.logarithmic) return [low, high];
    return [Math.log10(scale.drawn ? low : Math.max(low, positive * 0.9)), Math.log10(high)];
  };
  scale.part = (value) => {
    const [from, to] = ends();
    return ((scale.logarithmic ? Math.log10(value) : value) - from) / (to - from);
  };
  /* Data at a part of the axis as it was drawn. */
  scale.value = (part) => scale.drawn
    ? 10 ** (Math.log10(low) + part * (Math.log10(high) - Math.log10(low)))
    : low + part * (high - low);
  scale.limits = () => ends().map((end) => (scale.logarithmic ? 10 ** end : end));
  return scale;
}

function scalesOf(about) {
  return about.axes.map(({ ends, log }, index) => {
    const own = about.points.filter(([axes]) => axes === index);
    const least = (column) => Math.min(...own.map((point) => point[column]).filter((each) => each > 0));
    return {
      x: scaleOf(ends[0], ends[1], log[0], least(1)),
      y: scaleOf(ends[2], ends[3], log[1], least(2)),
    };
  });
}

function roundTicks(scale) {
  const [low, high] = scale.limits();
  const found = [];
  if (scale.logarithmic) {
    const wide = high / low > 300;
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      for (const factor of wide ? [1] : [1, 2, 5]) {
        const value = factor * 10 ** power;
        if (value >= low && value <= high) found.push(value);
      }
    }
    if (found.length > 2) return found;
    found.length = 0;
  }
  const raw = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= raw);
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) found.push(value);
  return found;
}

function shortNumber(value) {
  const size = Math.abs(value);
  const units = [[1e9, " G"], [1e6, " M"], [1e4, " k"]];
  for (const [unit, name] of units) {
    if (size >= unit) return `${Number((value / (unit === 1e4 ? 1e3 : unit)).toPrecision(3))}${name}`;
  }
  return String(Number(value.toPrecision(3)));
}

/* Move one coordinate of everything in the groups of an axes to where the scale has it now. */
function move(axes, box, scale, dimension) {
  const [first, last] = dimension === "x" ? [box[0], box[1]] : [box[3], box[2]];
  const moved = (at) => {
    const value = scale.value((at - first) / (last - first));
    const part = value > 0 || !scale.logarithmic ? scale.part(value) : -1;
    return first + Math.max(-2, part) * (last - first);
  };
  const path = (node, shift) => {
    node.dataset.d ??= node.getAttribute("d");
    let turn = 0;
    node.setAttribute("d", node.dataset.d.replace(/-?\d+(\.\d+)?(e-?\d+)?/g, (text) => {
      const isMine = (turn++ % 2 === 0) === (dimension === "x");
      return isMine ? String(Number((moved(Number(text) + shift) - shift).toFixed(2))) : text;
    }));
  };
  for (const group of all("[data-s]", axes)) {
    for (const node of all("path", group)) if (!node.closest("defs")) path(node, 0);
    for (const use of all("use", group)) {
      const [x, y] = ["x", "y"].map((name) => Number(use.getAttribute(name) ?? 0));
      if (x === 0) {
        const target = byId(use.getAttribute("xlink:href").slice(1));
        if (target) path(target, dimension === "y" ? y : 0);
        continue;
      }
      use.dataset[dimension] ??= use.getAttribute(dimension);
      use.setAttribute(dimension, moved(Number(use.dataset[dimension])).toFixed(2));
    }
  }
}

/* The ticks of the drawing give way to new ones, and come back with its own scale. */
function tickAgain(axes, box, scale, dimension) {
  const place = axes.querySelector(`[id*="matplotlib.axis_"]${dimension === "x" ? "" : " ~ [id*='matplotlib.axis_']"}`);
  if (!place) return;
  const old = all(":scope > g", place).filter((group) => /[xy]tick_\d+$/.test(group.id));
  const worded = old.some((group) => group.querySelector("text"));
  axes.querySelector(`.ticks-${dimension}`)?.remove();
  const own = scale.logarithmic === scale.drawn;
  for (const group of old) group.classList.toggle("off", !own);
  if (own) return;
  const layer = draw("g", { class: `ticks ticks-${dimension}` }, place);
  for (const value of roundTicks(scale)) {
    const part = scale.part(value);
    const at = dimension === "x" ? box[0] + part * (box[1] - box[0]) : box[3] - part * (box[3] - box[2]);
    if (dimension === "x") {
      draw("line", { x1: at, x2: at, y1: box[3], y2: box[3] + 2.5 }, layer);
      if (worded) draw("text", { x: at, y: box[3] + 10, "text-anchor": "middle" }, layer).textContent = shortNumber(value);
    } else {
      draw("line", { x1: box[0] - 2.5, x2: box[0], y1: at, y2: at }, layer);
      if (worded) draw("text", { x: box[0] - 5, y: at + 2.5, "text-anchor": "end" }, layer).textContent = shortNumber(value);
    }
  }
}

function scalable(figure, about, planes, scales) {
  const dimensions = [...about.logarithmic].filter((dimension) =>
    scales.some((scale) => Number.isFinite(scale[dimension].positive)));
  if (!dimensions.length) return;
  const bar = document.createElement("div");
  bar.className = "scales";
  for (const dimension of dimensions) {
    const able = scales.filter((scale) => Number.isFinite(scale[dimension].positive) && scale[dimension].high > 0);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `Logarithmic ${dimension === "x" ? "horizontal" : "vertical"} axis`;
    button.setAttribute("aria-pressed", String(able.some((scale) => scale[dimension].logarithmic)));
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      for (const scale of able) scale[dimension].logarithmic = on;
      for (const { svg, boxes, moved } of planes) {
        all("[id*='axes_']", svg).filter((each) => /axes_\d+$/.test(each.id)).forEach((axes, index) => {
          const scale = scales[index]?.[dimension];
          if (!scale || !able.includes(scales[index])) return;
          move(axes, boxes[index], scale, dimension);
          tickAgain(axes, boxes[index], scale, dimension);
        });
        moved();
      }
    });
    bar.append(button);
  }
  figure.prepend(bar);
}
