// ---- waterfall and icicle, on a canvas that shows the part of a tall drawing that can be seen
// Gives `drawWaterfall`, `drawIcicle`, `choosable` (the rows, in order) and `zoomTo`; `choose` and `draws` are the controls'.

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
