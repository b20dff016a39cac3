// ---- what is known of a module, or of the whole program
// Gives `describe` (-1: the whole program). Does not know which view is shown.

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
