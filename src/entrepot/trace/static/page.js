"use strict";
// The page of a trace: what all of it looks at, and small things that all of it uses. `page.py` puts the files page*.js
// together into one script. `data.modules` are in the order in which they began; indexes are their ids.
const data = JSON.parse(document.getElementById("data").textContent);
const modules = data.modules;
const view = document.getElementById("view");
const detail = document.getElementById("detail");
const ROW = 20, RULER = 26;

let mode = "waterfall";
let chosen = -1;
let zoom = -1;
let sortKey = "wall";
let wanted = "", least = 0;
let shown = modules.map((_, id) => id);
let redraw = () => {};

const children = new Map();
modules.forEach((module, id) => {
  if (!children.has(module.parent)) children.set(module.parent, []);
  children.get(module.parent).push(id);
});
const importers = modules.map(() => []), imports = modules.map(() => []);
for (const [from, to] of data.arrows) {
  if (from >= 0) imports[from].push(to);
  importers[to].push(from);
}
const total = (children.get(-1) || []).reduce((sum, id) => sum + modules[id].wall, 0);
const end = modules.reduce((last, m) => Math.max(last, m.at + m.wall), 1e-9);
const start = modules.reduce((first, m) => Math.min(first, m.at), end);

function ms(value) { return value >= 100 ? value.toFixed(0) + " ms" : value >= 1 ? value.toFixed(1) + " ms" : value.toFixed(2) + " ms"; }
function bytes(value) { return value >= 1 << 20 ? (value / (1 << 20)).toFixed(1) + " MiB" : Math.round(value / 1024) + " KiB"; }
function color(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
function element(tag, text, attributes) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [name, value] of Object.entries(attributes || {})) made.setAttribute(name, value);
  return made;
}
function link(id) {
  if (id < 0) return element("span", "__main__");
  const made = element("a", modules[id].name, { class: "module", href: "#" });
  made.addEventListener("click", event => { event.preventDefault(); choose(id, true); });
  return made;
}

document.getElementById("summary").textContent =
  `Python ${data.python} · ${modules.length} modules initialised in ${ms(total)}, ${data.preloaded} were there before` +
  (data.status ? ` · exit status ${data.status}` : "");
