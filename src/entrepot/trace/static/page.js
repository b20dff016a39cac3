"use strict";
// The page of a trace. `data.modules` are in the order in which they began; indexes are their ids.
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

// ---- a canvas that shows the part of a tall drawing that can be seen

function isInside(id, around) {
  for (let at = id; at >= 0; at = modules[at].parent) if (at === around) return true;
  return around < 0;
}

function choosable() {
  return mode === "waterfall" && zoom >= 0 ? shown.filter(id => isInside(id, zoom)) : shown;
}

function zoomTo(id) {
  zoom = id;
  view.scrollTop = 0;
  draws[mode]();
}

function makeCanvas(height, draw, hit) {
  view.replaceChildren();
  const canvas = element("canvas");
  const spacer = element("div");
  view.append(canvas, spacer);
  redraw = () => {
    const width = view.clientWidth, visible = view.clientHeight, scale = devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = visible * scale;
    canvas.style.width = width + "px";
    canvas.style.height = visible + "px";
    spacer.style.height = Math.max(0, height() - visible) + "px";
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, visible);
    context.font = "12px ui-monospace, 'DejaVu Sans Mono', monospace";
    context.textBaseline = "middle";
    draw(context, width, visible, view.scrollTop);
  };
  canvas.addEventListener("click", event => {
    const id = hit(event.offsetX, event.offsetY + view.scrollTop);
    if (id !== undefined) choose(id, false);
  });
  canvas.addEventListener("mousemove", event => {
    const id = hit(event.offsetX, event.offsetY + view.scrollTop);
    canvas.title = id === undefined ? "" : `${modules[id].name}\n${ms(modules[id].wall)}, own ${ms(modules[id].own)}`;
    canvas.style.cursor = id === undefined ? "default" : "pointer";
  });
  canvas.addEventListener("dblclick", () => zoomTo(chosen));
  canvas.addEventListener("contextmenu", event => { event.preventDefault(); zoomTo(zoom < 0 ? -1 : modules[zoom].parent); });
  redraw();
}

function drawWaterfall() {
  const rows = choosable();
  const from = zoom < 0 ? start : modules[zoom].at, until = zoom < 0 ? end : modules[zoom].at + modules[zoom].wall;
  const span = Math.max(1e-6, until - from);
  makeCanvas(() => RULER + rows.length * ROW + 8, (context, width, visible, top) => {
    const left = Math.min(420, Math.max(180, width * 0.38)), room = width - left - 76;
    const ticks = findTicks(span, room);
    context.fillStyle = color("--line");
    for (const tick of ticks) context.fillRect(Math.round(left + tick / span * room), RULER, 1, visible);
    const first = Math.max(0, Math.floor((top - RULER) / ROW)), last = Math.min(rows.length, Math.ceil((top + visible) / ROW));
    for (let row = first; row < last; row++) drawRow(context, rows[row], RULER + row * ROW - top, left, room, width, from, span);
    drawRuler(context, ticks, span, left, room, width);
  }, (x, y) => y - view.scrollTop < RULER ? undefined : rows[Math.floor((y - RULER) / ROW)]);
}

function drawRow(context, id, y, left, room, width, from, span) {
  const module = modules[id];
  if (id === chosen) { context.fillStyle = color("--chosen"); context.fillRect(0, y, width, ROW); }
  context.fillStyle = module.error ? color("--bad") : color("--text");
  const indent = 8 + Math.min(module.depth, 14) * 9;
  context.fillText(cut(context, module.name, left - indent - 8), indent, y + ROW / 2);
  const x = left + (module.at - from) / span * room;
  context.fillStyle = color("--total");
  context.fillRect(x, y + 4, Math.max(1, module.wall / span * room), ROW - 8);
  context.fillStyle = color("--own");
  context.fillRect(x, y + 4, Math.max(1, module.own / span * room), ROW - 8);
  context.fillStyle = color("--soft");
  context.fillText(ms(module.wall), Math.min(width - 70, x + module.wall / span * room + 5), y + ROW / 2);
}

function findTicks(span, room) {
  const rough = span / Math.max(2, room / 90), power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find(factor => factor * power >= rough) || 10);
  const ticks = [];
  for (let tick = 0; tick <= span; tick += step) ticks.push(tick);
  return ticks;
}

function drawRuler(context, ticks, span, left, room, width) {
  context.fillStyle = color("--raised");
  context.fillRect(0, 0, width, RULER - 2);
  context.fillStyle = color("--soft");
  for (const tick of ticks) context.fillText(tick ? ms(tick) : "0", left + tick / span * room - 2, RULER / 2 - 1);
  const where = zoom < 0 ? "full colour: own time" : `${cut(context, modules[zoom].name, left - 120)} · Backspace: up`;
  context.fillText(where, 8, RULER / 2 - 1);
}

function drawIcicle() {
  const boxes = [];
  makeCanvas(() => 0, (context, width, visible) => {
    boxes.length = 0;
    const roots = zoom < 0 ? children.get(-1) || [] : [zoom];
    const sum = roots.reduce((all, id) => all + modules[id].wall, 0) || 1e-9;
    let x = 0;
    const lay = (id, left, width_, depth) => {
      if (width_ < 0.4 || depth * 24 > visible) return;
      boxes.push([id, left, depth * 24 + 34, width_]);
      let inner = left;
      for (const child of children.get(id) || []) {
        const part = modules[id].wall ? modules[child].wall / modules[id].wall * width_ : 0;
        lay(child, inner, part, depth + 1);
        inner += part;
      }
    };
    for (const id of roots) { const part = modules[id].wall / sum * width; lay(id, x, part, 0); x += part; }
    const matches = new Set(shown.length === modules.length ? [] : shown);
    for (const [id, left, y, width_] of boxes) {
      const share = modules[id].wall ? modules[id].own / modules[id].wall : 1;
      context.fillStyle = id === chosen ? color("--chosen") : matches.has(id) ? color("--mark") : color("--total");
      context.fillRect(left, y, Math.max(0.5, width_ - 1), 23);
      if (id !== chosen && !matches.has(id)) {
        context.globalAlpha = 0.25 + 0.6 * share;
        context.fillStyle = color("--own");
        context.fillRect(left, y, Math.max(0.5, width_ - 1), 23);
        context.globalAlpha = 1;
      }
      if (width_ > 34) {
        context.fillStyle = id === chosen || matches.has(id) ? color("--text") : share > 0.45 ? color("--ground") : color("--text");
        context.fillText(shorten(context, modules[id].name, width_ - 8), left + 4, y + 12);
      }
    }
    drawCrumbs(context);
  }, (x, y) => {
    y -= view.scrollTop;
    const found = boxes.find(([, left, top, width]) => x >= left && x < left + width && y >= top && y < top + 24);
    return found && found[0];
  });
}

function drawCrumbs(context) {
  const path = [];
  for (let id = zoom; id >= 0; id = modules[id].parent) path.unshift(modules[id].name);
  context.fillStyle = color("--soft");
  const text = path.length ? "all › " + path.join(" › ") + "   (Backspace: one up)" : "double-click, or Enter, to zoom into a module; the stronger the colour, the more of the time is its own";
  context.fillText(text, 8, 16);
}

// ---- the graph: packages when nothing is chosen, else a module between its importers and its imports

function drawGraph() {
  redraw = () => {};
  view.replaceChildren();
  if (chosen >= 0) drawNeighbours(); else drawPackages();
}

function svgElement(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function drawNeighbours() {
  const before = [...new Set(importers[chosen])].slice(0, 120), after = [...new Set(imports[chosen])].slice(0, 120);
  const rows = Math.max(before.length, after.length, 1), height = Math.max(view.clientHeight - 4, rows * 26 + 60);
  const width = Math.max(view.clientWidth - 4, 900), box = Math.min(320, width / 3 - 40);
  const svg = svgElement("svg", { width, height, role: "img", "aria-label": "Who imports it, and what it imports" });
  const lines = svgElement("g", {});
  svg.append(lines);
  const middle = height / 2 - 12;
  const place = (ids, x) => ids.map((id, row) => [id, x, height / 2 + (row - (ids.length - 1) / 2) * 26 - 12]);
  const node = (id, x, y, isCentre) => {
    const group = svgElement("g", { class: isCentre ? "node centre" : "node", tabindex: 0 });
    group.append(svgElement("rect", { x, y, width: box, height: 22, rx: 4 }));
    const name = id < 0 ? "__main__" : modules[id].name;
    group.append(svgElement("text", { x: x + 7, y: y + 15 }, name.length > box / 7.6 ? "…" + name.slice(-Math.floor(box / 7.6)) : name));
    if (id >= 0 && !isCentre) group.addEventListener("click", () => choose(id, true));
    group.append(svgElement("title", {}, name));
    svg.append(group);
  };
  const curve = (x1, y1, x2, y2) => lines.append(svgElement("path", { d: `M${x1} ${y1} C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}` }));
  const centre = (width - box) / 2;
  for (const [id, x, y] of place(before, 12)) { curve(x + box, y + 11, centre, middle + 11); node(id, x, y); }
  for (const [id, x, y] of place(after, width - box - 12)) { curve(centre + box, middle + 11, x, y + 11); node(id, x, y); }
  node(chosen, centre, middle, true);
  svg.append(svgElement("text", { x: 14, y: 18 }, `imported by ${importers[chosen].length}`));
  svg.append(svgElement("text", { x: width - box - 10, y: 18 }, `imports ${imports[chosen].length}`));
  view.append(svg);
  view.scrollTop = Math.max(0, (height - view.clientHeight) / 2);
}

function drawPackages() {
  const few = modules.length <= 40;
  const nameOf = id => id < 0 ? "__main__" : few ? modules[id].name : modules[id].name.split(".")[0];
  const groups = new Map([["__main__", { name: "__main__", own: 0, count: 1, first: -1, depth: 0 }]]);
  modules.forEach((module, id) => {
    const name = nameOf(id);
    const group = groups.get(name) || { name, own: 0, count: 0, first: id, depth: 0 };
    group.own += module.own; group.count++;
    groups.set(name, group);
  });
  // The slowest, and those through which they are imported: nothing hangs in the air.
  const byName = new Map();
  for (const slow of [...groups.values()].sort((a, b) => b.own - a.own).slice(0, 50)) {
    for (let group = slow; group && !byName.has(group.name);) {
      byName.set(group.name, group);
      if (group.first < 0) break;
      const parent = modules[group.first].parent;
      group = groups.get(nameOf(parent));
    }
  }
  const kept = [...byName.values()];
  const arrows = new Map();
  for (const [from, to] of data.arrows) {
    const a = nameOf(from), b = nameOf(to);
    if (a !== b && byName.has(a) && byName.has(b)) arrows.set(a + "\0" + b, [a, b]);
  }
  // Layers by the order of first import: whoever imports stands to the left, as far as cycles allow.
  const ordered = kept.slice().sort((a, b) => a.first - b.first);
  for (const group of ordered) {
    for (const [a, b] of arrows.values()) if (a === group.name) byName.get(b).depth = Math.max(byName.get(b).depth, Math.min(14, group.depth + 1));
  }
  const layers = [];
  for (const group of ordered) (layers[group.depth] = layers[group.depth] || []).push(group);
  const columns = layers.filter(Boolean), box = 190;
  const height = Math.max(view.clientHeight - 4, Math.max(...columns.map(column => column.length), 1) * 34 + 50);
  const width = Math.max(view.clientWidth - 4, columns.length * (box + 70) + 20);
  const svg = svgElement("svg", { width, height, role: "img", "aria-label": "Packages and who imports whom" });
  columns.forEach((column, x) => column.forEach((group, y) => {
    group.x = 12 + x * (box + 70);
    group.y = height / 2 + (y - (column.length - 1) / 2) * 34 - 12;
  }));
  for (const [a, b] of arrows.values()) {
    const from = byName.get(a), to = byName.get(b), x1 = from.x + box, y1 = from.y + 12, x2 = to.x, y2 = to.y + 12;
    svg.append(svgElement("path", { d: `M${x1} ${y1} C${x1 + 40} ${y1} ${x2 - 40} ${y2} ${x2} ${y2}` }));
  }
  const most = Math.max(...kept.map(group => group.own), 1e-9);
  for (const group of kept) {
    const node = svgElement("g", { class: "node", tabindex: 0 });
    node.append(svgElement("rect", { x: group.x, y: group.y, width: box, height: 24, rx: 4 }));
    node.append(svgElement("rect", { x: group.x, y: group.y + 20, width: Math.max(2, box * group.own / most), height: 4, style: "fill:var(--own);stroke:none" }));
    node.append(svgElement("text", { x: group.x + 7, y: group.y + 15 }, group.name.slice(0, 24)));
    node.append(svgElement("title", {}, `${group.name}: ${group.count} modules, ${ms(group.own)}`));
    if (group.first >= 0) node.addEventListener("click", () => choose(group.first, true));
    svg.append(node);
  }
  if (kept.length < groups.size) svg.append(svgElement("text", { x: 14, y: 18 }, `${kept.length} of ${groups.size}: the slowest, and what imports them`));
  view.append(svg);
  view.scrollTop = Math.max(0, (height - view.clientHeight) / 2);
}

function drawTable() {
  redraw = () => {};
  view.replaceChildren();
  const columns = [["name", "module"], ["wall", "total ms"], ["own", "own ms"], ["cpu", "own CPU ms"], ["memory", "memory"], ["bytecode", "bytecode"]];
  const table = element("table"), head = element("tr");
  for (const [key, title] of columns) {
    const cell = element("th", title + (key === sortKey ? " ▾" : ""), { scope: "col" });
    cell.addEventListener("click", () => { sortKey = key; drawTable(); });
    head.append(cell);
  }
  const body = element("tbody");
  const order = shown.slice().sort((a, b) => {
    const x = modules[a][sortKey], y = modules[b][sortKey];
    return typeof x === "number" ? y - x : x < y ? -1 : 1;
  });
  for (const id of order.slice(0, 3000)) {
    const module = modules[id], row = element("tr", null, id === chosen ? { class: "chosen" } : {});
    for (const text of [module.name, module.wall.toFixed(2), module.own.toFixed(2), module.cpu.toFixed(2), bytes(module.memory), module.bytecode]) row.append(element("td", text));
    row.addEventListener("click", () => choose(id, false));
    body.append(row);
  }
  const top = element("thead");
  top.append(head);
  table.append(top, body);
  view.append(table);
}

// In a narrow box the last part of a dotted name says most.
function shorten(context, name, width) {
  if (context.measureText(name).width <= width) return name;
  const last = name.slice(name.lastIndexOf(".") + 1);
  if (context.measureText(last).width <= width) return last;
  return last.slice(0, Math.max(1, Math.floor(width / 7.3) - 1)) + "…";
}

function cut(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let length = Math.max(1, Math.floor(width / 7.3));
  return "…" + text.slice(-length + 1);
}

// ---- what is known of a module

function list(title, items, make) {
  if (!items.length) return;
  detail.append(element("h3", `${title} (${items.length})`));
  const made = element("ul");
  for (const item of items.slice(0, 100)) { const entry = element("li"); entry.append(make(item)); made.append(entry); }
  if (items.length > 100) made.append(element("li", `and ${items.length - 100} more`));
  detail.append(made);
}

// What is worth a look while no module is chosen.
function describeAll() {
  detail.replaceChildren(element("h2", "The whole program"));
  detail.append(element("p", "Choose a module: click it, or move with the arrow keys.", { class: "hint" }));
  const slowest = modules.map((_, id) => id).sort((a, b) => modules[b].own - modules[a].own).slice(0, 10);
  ranking("slowest, own time", slowest, id => ms(modules[id].own));
  const failed = modules.map((_, id) => id).filter(id => modules[id].error);
  ranking("ended in an error", failed, () => "");
  for (const [kind, title] of [["output", "wrote output"], ["thread", "started threads"], ["process", "started processes"], ["socket", "used the network"], ["wrote", "wrote files"], ["patch", "replaced functions of others"]]) {
    ranking(title, modules.map((_, id) => id).filter(id => modules[id].effects.some(effect => effect[0] === kind)), () => "");
  }
}

function ranking(title, ids, value) {
  if (!ids.length) return;
  detail.append(element("h3", `${title} (${ids.length})`));
  const made = element("ol");
  for (const id of ids.slice(0, 30)) {
    const entry = element("li");
    entry.append(link(id), element("span", value(id), { class: "time" }));
    made.append(entry);
  }
  detail.append(made);
}

function describe(id) {
  if (id < 0) { describeAll(); return; }
  detail.replaceChildren();
  const module = modules[id];
  detail.append(element("h2", module.name));
  if (module.error) detail.append(element("p", module.error, { class: "bad" }));
  const facts = element("dl");
  const fact = (name, value) => { if (value) facts.append(element("dt", name), typeof value === "string" ? element("dd", value) : wrap(value)); };
  const wrap = node => { const made = element("dd"); made.append(node); return made; };
  fact("total", `${ms(module.wall)}`);
  fact("own", `${ms(module.own)} (CPU ${ms(module.cpu)})`);
  fact("memory", bytes(module.memory));
  fact("found", module.origin || "nowhere: a namespace package");
  fact("loader", module.loader);
  fact("bytecode", module.bytecode);
  if (module.by) fact("asked by", `${module.by[1]}:${module.by[2]}` + (module.by[3] ? ` in ${module.by[3]}()` : ""));
  if (module.parent >= 0) fact("while running", link(module.parent));
  detail.append(facts);
  list("did", module.effects, ([kind, what, file, line]) => {
    const made = element("span", `${kind} `);
    made.append(element("code", what.trim()), element("span", file ? `  ${file}:${line}` : "", { class: "hint" }));
    return made;
  });
  const code = name => element("code", name);
  list("functions", module.functions, code);
  list("classes", module.classes, code);
  list("variables", module.variables, code);
  list("taken from elsewhere", module.imported, code);
  list("imported by", [...new Set(importers[id])], link);
  list("imports", [...new Set(imports[id])], link);
  list("searched", module.searched, code);
}

function choose(id, reveal) {
  chosen = id;
  describe(id);
  if (mode === "graph") drawGraph();
  else if (mode === "table") { const top = view.scrollTop; drawTable(); view.scrollTop = top; }
  if (reveal && mode === "waterfall") {
    const row = choosable().indexOf(id), y = row * ROW;
    if (row >= 0 && (y < view.scrollTop || y > view.scrollTop + view.clientHeight - RULER - ROW)) view.scrollTop = y - view.clientHeight / 2;
  }
  redraw();
}

// ---- controls

const draws = { waterfall: drawWaterfall, icicle: drawIcicle, graph: drawGraph, table: drawTable };
function show(name) {
  mode = name;
  for (const key of Object.keys(draws)) document.getElementById("tab-" + key).setAttribute("aria-selected", String(key === name));
  view.scrollTop = 0;
  draws[name]();
}
for (const name of Object.keys(draws)) document.getElementById("tab-" + name).addEventListener("click", () => show(name));
function filter() {
  shown = modules.map((_, id) => id).filter(id => modules[id].wall >= least && modules[id].name.toLowerCase().includes(wanted));
  view.scrollTop = 0;
  draws[mode]();
}
document.getElementById("search").addEventListener("input", event => { wanted = event.target.value.trim().toLowerCase(); filter(); });
document.getElementById("least").addEventListener("change", event => { least = Number(event.target.value); filter(); });
view.addEventListener("scroll", () => redraw());
view.addEventListener("keydown", event => {
  const rows = choosable(), row = rows.indexOf(chosen);
  const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 };
  const zooms = mode === "icicle" || mode === "waterfall";
  if (event.key in moves && mode !== "graph") {
    event.preventDefault();
    const next = rows[Math.min(rows.length - 1, Math.max(0, row + moves[event.key]))];
    if (next !== undefined) choose(next, true);
  } else if (event.key === "Enter" && zooms) zoomTo(chosen);
  else if (event.key === "Backspace" && zooms) zoomTo(zoom < 0 ? -1 : modules[zoom].parent);
  else if (event.key === "Escape") { chosen = -1; describe(-1); zoomTo(-1); }
});
addEventListener("resize", () => draws[mode]());

// ---- light and dark: as the system has it until somebody chooses, and then as chosen

const preference = matchMedia("(prefers-color-scheme: dark)");
const themeButton = document.getElementById("theme");
// A browser may refuse to keep anything for a page that is a file: then it is kept until the page goes.
let kept = null;
try { kept = localStorage.getItem("entrepot-theme"); } catch { /* not kept */ }
function applyTheme() {
  const theme = kept || (preference.matches ? "dark" : "light");
  document.documentElement.dataset.theme = theme;
  themeButton.textContent = theme === "dark" ? "Light" : "Dark";
  themeButton.setAttribute("aria-label", `Show the page ${theme === "dark" ? "light" : "dark"}`);
}
themeButton.addEventListener("click", () => {
  kept = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("entrepot-theme", kept); } catch { /* not kept */ }
  applyTheme();
  draws[mode]();
});
preference.addEventListener("change", () => { applyTheme(); draws[mode](); });

applyTheme();
describe(-1);
show(location.hash.slice(1) in draws ? location.hash.slice(1) : "waterfall");
document.body.dataset.ready = "1";
