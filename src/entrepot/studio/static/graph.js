// The graph of modules on a canvas: boxes and arrows where the server put them. Drag to move, wheel to zoom, click for
// what a box is, double click (or Enter) to go inside a package. Arrow keys go from box to box.
const W = 150, H = 34;

export default {
  template: `
    <div class="graph"><canvas ref="canvas" tabindex="0" role="application" :aria-label="said"
      @pointerdown="down" @pointermove="move" @pointerup="up" @pointerleave="hover = -1; draw()" @wheel.prevent="wheel"
      @dblclick="enter(at($event))" @keydown="press"></canvas>
      <span class="sr-only" aria-live="polite">{{ said }}</span></div>`,
  props: { level: Object, chosen: String, filter: String, color: String },
  emits: ["choose", "enter", "leave"],
  data: () => ({ hover: -1 }),
  created() { this.scale = 1; this.dx = 0; this.dy = 0; },
  computed: {
    index() { return this.level ? this.level.boxes.findIndex((b) => b.name === this.chosen) : -1; },
    said() { const b = this.level?.boxes[this.index]; return b ? `${b.name}, ${b.count === 1 ? "a module" : b.count + " modules"}` : "Graph of modules"; },
  },
  mounted() {
    this.observer = new ResizeObserver(() => { this.measure(); if (!this.isMoved) this.fitAll(); this.draw(); });
    this.observer.observe(this.$el);
    this.theme = new MutationObserver(() => this.draw());
    this.theme.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.arrange();
  },
  unmounted() { this.observer.disconnect(); this.theme.disconnect(); },
  watch: { level() { this.arrange(); }, chosen() { this.draw(); }, filter() { this.draw(); }, color() { this.draw(); } },
  methods: {
    arrange() {
      if (!this.level) return;
      const out = (this.out = this.level.boxes.map(() => [])), inn = (this.inn = this.level.boxes.map(() => []));
      this.level.arrows.forEach((a, i) => { out[a[0]].push(i); inn[a[1]].push(i); });
      this.most = Math.max(1e-9, ...this.level.boxes.map((b) => b.cost_s));
      this.isMoved = false; this.hover = -1;
      this.measure(); this.fitAll(); this.draw();
    },
    measure() {
      const canvas = this.$refs.canvas, ratio = window.devicePixelRatio || 1;
      this.width = this.$el.clientWidth; this.height = this.$el.clientHeight;
      canvas.width = this.width * ratio; canvas.height = this.height * ratio;
      canvas.style.width = this.width + "px"; canvas.style.height = this.height + "px";
      this.ratio = ratio;
    },
    fitAll() {
      const boxes = this.level?.boxes || [];
      if (!boxes.length || !this.width) return;
      const xs = boxes.map((b) => b.x), ys = boxes.map((b) => b.y);
      const left = Math.min(...xs) - W / 2, right = Math.max(...xs) + W / 2, top = Math.min(...ys) - H / 2, bottom = Math.max(...ys) + H / 2;
      const pad = 48;
      this.scale = Math.min(1.15, Math.max(0.03, Math.min((this.width - pad) / (right - left), (this.height - pad) / (bottom - top))));
      this.dx = this.width / 2 - ((left + right) / 2) * this.scale;
      this.dy = this.height / 2 - ((top + bottom) / 2) * this.scale;
    },
    at(event) {
      const box = this.$refs.canvas.getBoundingClientRect();
      const x = (event.clientX - box.left - this.dx) / this.scale, y = (event.clientY - box.top - this.dy) / this.scale;
      return (this.level?.boxes || []).findIndex((b) => Math.abs(b.x - x) <= W / 2 && Math.abs(b.y - y) <= H / 2);
    },
    down(event) { this.start = { x: event.clientX, y: event.clientY, dx: this.dx, dy: this.dy, moved: false }; this.$refs.canvas.setPointerCapture(event.pointerId); },
    move(event) {
      if (this.start) {
        const x = event.clientX - this.start.x, y = event.clientY - this.start.y;
        if (this.start.moved || Math.hypot(x, y) > 4) { this.start.moved = this.isMoved = true; this.dx = this.start.dx + x; this.dy = this.start.dy + y; this.draw(); }
        return;
      }
      const found = this.at(event);
      if (found !== this.hover) { this.hover = found; this.draw(); }
      this.$refs.canvas.style.cursor = found >= 0 ? "pointer" : "grab";
    },
    up(event) {
      if (this.start && !this.start.moved) { const found = this.at(event); this.$emit("choose", found >= 0 ? this.level.boxes[found].name : ""); }
      this.start = null;
    },
    wheel(event) {
      const box = this.$refs.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
      this.zoom(Math.exp(-event.deltaY * 0.0015), x, y);
    },
    zoom(factor, x = this.width / 2, y = this.height / 2) {
      const scale = Math.min(3, Math.max(0.02, this.scale * factor));
      this.dx = x - ((x - this.dx) * scale) / this.scale; this.dy = y - ((y - this.dy) * scale) / this.scale;
      this.scale = scale; this.isMoved = true; this.draw();
    },
    enter(i) { if (i >= 0 && this.level.boxes[i].is_package) this.$emit("enter", this.level.boxes[i].name); },
    press(event) {
      const boxes = this.level?.boxes || [], here = boxes[this.index];
      const near = (fx, fy) => {
        if (!here) return 0;
        let best = -1, least = Infinity;
        boxes.forEach((b, i) => {
          const x = b.x - here.x, y = b.y - here.y, ahead = x * fx + y * fy;
          if (ahead > 1) { const d = ahead + 3 * Math.abs(x * fy + y * fx); if (d < least) { least = d; best = i; } }
        });
        return best;
      };
      const to = { ArrowLeft: () => near(-1, 0), ArrowRight: () => near(1, 0), ArrowUp: () => near(0, -1), ArrowDown: () => near(0, 1) }[event.key];
      if (to) { const i = to(); if (i >= 0 && boxes[i]) this.$emit("choose", boxes[i].name); }
      else if (event.key === "Enter") this.enter(this.index);
      else if (event.key === "Escape" || event.key === "Backspace") this.$emit("leave");
      else if (event.key === "+" || event.key === "=") this.zoom(1.25);
      else if (event.key === "-") this.zoom(0.8);
      else if (event.key === "0") { this.isMoved = false; this.fitAll(); this.draw(); }
      else return;
      event.preventDefault();
    },
    fits(box) { const f = (this.filter || "").trim().toLowerCase(); return !f || box.name.toLowerCase().includes(f); },
    draw() { if (!this.frame) this.frame = requestAnimationFrame(() => { this.frame = 0; this.paint(); }); },
    paint() {
      const g = this.$refs.canvas?.getContext("2d");
      if (!g || !this.level) return;
      const css = getComputedStyle(document.body), c = (name) => css.getPropertyValue("--" + name).trim();
      const colors = Object.fromEntries(["paper", "raised", "line", "line-strong", "ink", "ink-2", "ink-3", "accent", "accent-soft", "error", "error-soft", "warning", "warning-soft", "module", "lit"].map((n) => [n, c(n)]));
      g.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
      g.fillStyle = colors.paper; g.fillRect(0, 0, this.width, this.height);
      g.setTransform(this.ratio * this.scale, 0, 0, this.ratio * this.scale, this.ratio * this.dx, this.ratio * this.dy);
      const boxes = this.level.boxes, focus = this.hover >= 0 ? this.hover : this.index;
      const isNear = new Set(), near = new Set([focus]);
      if (focus >= 0) { for (const i of [...this.out[focus], ...this.inn[focus]]) { isNear.add(i); near.add(this.level.arrows[i][0]); near.add(this.level.arrows[i][1]); } }
      const isFaded = isNear.size > 0;
      const many = this.level.arrows.length;
      const rest = many > 3000 ? 0.06 : many > 800 ? 0.14 : many > 250 ? 0.3 : 0.6;
      const line = (arrow, isLit) => {
        const [a, b, n, cyc, star, late] = arrow, from = boxes[a], to = boxes[b];
        const down = to.y > from.y + 1, y1 = from.y + (down ? H / 2 : to.y < from.y - 1 ? -H / 2 : 0), y2 = to.y + (down ? -H / 2 : to.y < from.y - 1 ? H / 2 : 0);
        g.strokeStyle = cyc ? colors.error : star ? colors.warning : isLit ? (a === focus ? colors.accent : colors.module) : colors["ink-3"];
        g.globalAlpha = isLit ? 1 : isFaded ? rest * 0.35 : cyc || star ? Math.max(rest, 0.45) : rest;
        g.lineWidth = (isLit ? 1.8 : 1) * Math.min(2.2, 0.8 + Math.log10(n + 1) * 0.5) / Math.max(0.55, Math.min(1, this.scale));
        g.setLineDash(late ? [5, 4] : []);
        g.beginPath(); g.moveTo(from.x, y1);
        if (Math.abs(y1 - y2) < 2) { const h = from.y - H / 2 - 16; g.moveTo(from.x, from.y - H / 2); g.bezierCurveTo(from.x, h, to.x, h, to.x, to.y - H / 2); }
        else { const m = (y2 - y1) * 0.45; g.bezierCurveTo(from.x, y1 + m, to.x, y2 - m, to.x, y2); }
        g.stroke();
        if (isLit || (many <= 250 && this.scale > 0.4)) {
          g.setLineDash([]); g.fillStyle = g.strokeStyle;
          const s = down || Math.abs(y1 - y2) < 2 ? 1 : -1, ty = Math.abs(y1 - y2) < 2 ? to.y - H / 2 : y2;
          g.beginPath(); g.moveTo(to.x, ty); g.lineTo(to.x - 3.6, ty - 7 * s); g.lineTo(to.x + 3.6, ty - 7 * s); g.fill();
        }
      };
      this.level.arrows.forEach((a, i) => { if (!isNear.has(i)) line(a, false); });
      for (const i of isNear) line(this.level.arrows[i], true);
      g.globalAlpha = 1; g.setLineDash([]);
      g.textBaseline = "middle"; g.textAlign = "left";
      const filtered = !!(this.filter || "").trim();
      boxes.forEach((b, i) => {
        const x = b.x - W / 2, y = b.y - H / 2;
        if ((x + W) * this.scale + this.dx < 0 || x * this.scale + this.dx > this.width || (y + H) * this.scale + this.dy < 0 || y * this.scale + this.dy > this.height) return;
        const faded = (filtered && !this.fits(b)) || (isFaded && !near.has(i) && !filtered);
        g.globalAlpha = faded ? 0.45 : 1;
        // From afar a box has no name: then it is a mark.
        g.fillStyle = this.scale > 0.28 ? colors.raised : b.is_reached ? colors["line-strong"] : colors.line;
        if (i === this.index) g.fillStyle = colors["accent-soft"];
        g.beginPath(); g.roundRect(x, y, W, H, 7); g.fill();
        if (this.color === "cost" && b.cost_s > 0) {
          g.save(); g.clip(); g.fillStyle = colors.warning; g.globalAlpha *= 0.16 + 0.5 * Math.sqrt(b.cost_s / this.most);
          g.fillRect(x, y, W, H); g.restore(); g.globalAlpha = faded ? 0.45 : 1;
        }
        g.strokeStyle = b.in_cycle ? colors.error : b.has_star ? colors.warning : i === this.index ? colors.accent : filtered && this.fits(b) ? colors.accent : colors["line-strong"];
        g.lineWidth = (b.in_cycle || b.has_star || i === this.index || (filtered && this.fits(b)) ? 1.8 : 1) / Math.max(0.5, Math.min(1, this.scale));
        g.setLineDash(b.is_reached ? [] : [4, 3]);
        g.beginPath(); g.roundRect(x, y, W, H, 7); g.stroke(); g.setLineDash([]);
        if (b.is_package) { g.beginPath(); g.moveTo(x + 5, y + H + 3); g.lineTo(x + W - 5, y + H + 3); g.stroke(); }
        if (this.scale > 0.28) {
          g.fillStyle = b.is_reached ? colors.ink : colors["ink-3"];
          g.font = (b.is_package ? "600 " : "500 ") + "12.5px " + css.getPropertyValue("--sans");
          const note = b.is_package ? String(b.count) : this.color === "cost" && b.cost_s >= 0.0005 ? (b.cost_s * 1000).toFixed(b.cost_s < 0.01 ? 1 : 0) + " ms" : "";
          const room = W - 24 - (note ? 12 + note.length * 7 : 0);
          g.fillText(this.shorten(g, b.label, room), x + 12, b.y + 0.5);
          if (note) { g.fillStyle = colors["ink-3"]; g.font = "11.5px " + css.getPropertyValue("--sans"); g.textAlign = "right"; g.fillText(note, x + W - 11, b.y + 0.5); g.textAlign = "left"; }
        }
      });
      g.globalAlpha = 1;
      this.$el.dataset.drawn = boxes.length;
    },
    shorten(g, text, room) {
      if (g.measureText(text).width <= room) return text;
      let n = text.length;
      while (n > 3 && g.measureText(text.slice(0, n) + "…").width > room) n--;
      return text.slice(0, n) + "…";
    },
  },
};
