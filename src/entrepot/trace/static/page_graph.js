// ---- the graph: packages when nothing is chosen, else a module between its importers and its imports
// Gives `drawGraph`.

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
