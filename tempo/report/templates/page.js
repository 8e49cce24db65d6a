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

/* Columns are named by the last row of the head; groups of columns stand above it. */
function headings(table) {
  return Array.from(table.tHead.rows).at(-1).cells;
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
  for (const other of headings(table)) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
}

function sortable(table) {
  for (const header of headings(table)) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => sortBy(table, header));
  }
}

function filterable(input) {
  const table = byId(input.dataset.filters);
  const tools = input.closest(".filter");
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

/* One button opens and closes all sections. Paper shows all of them, and then all is as before. */
function folds() {
  const sections = all("details.fold");
  const button = byId("unfold");
  const name = () => {
    const open = sections.some((each) => !each.open);
    button.textContent = open ? "Open all sections" : "Close all sections";
  };
  button.hidden = sections.length < 2;
  button.addEventListener("click", () => {
    const open = sections.some((each) => !each.open);
    for (const each of sections) each.open = open;
    name();
  });
  for (const each of sections) each.addEventListener("toggle", name);
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = sections.filter((each) => !each.open);
    for (const each of closed) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of closed) each.open = false; });
  name();
}

/* Links lead into folded sections and groups: unfold the one that is meant. */
function unfold() {
  const target = location.hash.length > 1 && byId(decodeURIComponent(location.hash.slice(1)));
  for (let node = target; node; node = node.parentElement) if (node.tagName === "DETAILS") node.open = true;
  const own = target && target.querySelector(":scope > details.fold");
  if (own) own.open = true;
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
  /* A second press of the same link changes no address, but may find its section closed. */
  for (const link of all("a[href^='#']")) link.addEventListener("click", () => setTimeout(unfold));
}

addEventListener("DOMContentLoaded", () => {
  scheme();
  for (const table of all(".sheet:not(.answer) table")) sortable(table);
  for (const input of all("[data-filters]")) filterable(input);
  for (const group of all(".switch")) switchable(group);
  contents();
  folds();
  figures();
  viewer();
  addEventListener("hashchange", unfold);
  unfold();
});
