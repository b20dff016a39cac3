// ---- what a choice does, and the controls; the page begins at the end of it
// Gives `choose` and `draws` (the views by name).

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
