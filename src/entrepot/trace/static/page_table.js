// ---- the modules as a table, sorted by the column that was clicked
// Gives `drawTable`.

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
