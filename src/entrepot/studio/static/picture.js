// The picture of a program's namespaces: what runs, the module cache, each module's names, and arrows from
// names to the modules they stand for. What is new or lit in this step is marked. Draws what it is given.
const LETTERS = { function: "f", class: "C", variable: "v", module: "M", imported: "i", import: "i" };
const WORDS = { function: "function", class: "class", variable: "variable", module: "module", imported: "imported name", import: "imported name" };

export default {
  template: `
    <div class="picture" ref="all" @scroll="arrows">
      <svg class="arrows" aria-hidden="true"><defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
        <path d="M0 0 L8 4 L0 8 Z"></path></marker></defs>
        <path v-for="line in lines" :d="line.d" :class="{ 'is-new': line.isNew }" marker-end="url(#tip)"></path></svg>
      <div class="picture-left">
        <section class="box" v-if="drawing.stack">
          <h3>Interpreter</h3>
          <p v-if="!drawing.stack.length" class="faint">Nothing runs any more.</p>
          <ol class="stack">
            <li v-for="(item, i) in [...drawing.stack].reverse()" :class="{ 'is-top': i === 0 }">
              <b>{{ item.module }}</b><span v-if="item.line"> line {{ item.line }}</span><em v-if="i > 0"> waits</em>
            </li>
          </ol>
        </section>
        <section class="box" v-if="drawing.cache">
          <h3>Module cache</h3>
          <ul class="cache">
            <li class="faint">{{ drawing.preloaded }} from the start</li>
            <li v-if="drawing.others" class="faint">{{ drawing.others }} from outside the program</li>
            <li v-for="item in drawing.cache.slice(-14)" :key="item.name" :class="['is-' + item.state, { 'is-new': item.is_new }]">
              {{ item.name }}<em v-if="item.state === 'running' && item.name !== '__main__'"> being initialised</em>
            </li>
          </ul>
        </section>
        <slot></slot>
      </div>
      <div class="boxes">
        <section v-for="box in drawing.modules" :key="box.name" class="box module-box" :data-module="box.name"
                 :class="['is-' + (box.state || 'ready'), { 'is-lit': box.is_lit, 'is-new': box.is_new }]">
          <header><b>{{ box.name }}</b><span class="faint">{{ box.file }}</span></header>
          <p v-if="!box.rows.length" class="faint">no names yet</p>
          <ul>
            <li v-for="row in box.rows" :key="row.name" :class="['kind-' + row.kind, { 'is-new': row.is_new, 'is-lit': row.is_lit }]"
                :data-target="row.target" :title="WORDS[row.kind] + (row.target ? ' from ' + row.target : '')"
                @click="$emit('name', { module: box.name, name: row.name })">
              <i aria-hidden="true">{{ LETTERS[row.kind] || '?' }}</i><span>{{ row.name }}</span>
              <em v-if="row.kind === 'imported' && row.target">{{ row.target }}</em>
              <small v-if="row.place">{{ row.place }}</small>
            </li>
          </ul>
        </section>
        <p v-if="drawing.hidden" class="faint">and {{ drawing.hidden }} more modules</p>
      </div>
    </div>`,
  props: { drawing: { type: Object, default: () => ({ modules: [] }) } },
  emits: ["name"],
  data: () => ({ lines: [], LETTERS, WORDS }),
  mounted() { this.observer = new ResizeObserver(() => this.arrows()); this.observer.observe(this.$el); this.settle(); },
  unmounted() { this.observer.disconnect(); },
  watch: { drawing() { this.settle(); } },
  methods: {
    settle() {
      this.$nextTick(() => {
        this.arrows();
        this.$el.querySelector(".boxes li.is-lit, .boxes li.is-new, .module-box.is-lit")?.scrollIntoView({ block: "nearest" });
      });
    },
    arrows() {
      const all = this.$refs.all;
      if (!all) return;
      const base = all.getBoundingClientRect();
      const place = (box) => ({ left: box.left - base.left + all.scrollLeft, right: box.right - base.left + all.scrollLeft, y: box.top - base.top + all.scrollTop, height: box.height });
      const lines = [];
      for (const row of all.querySelectorAll("li.kind-module[data-target]")) {
        const target = all.querySelector(`[data-module="${CSS.escape(row.dataset.target)}"] header`);
        if (!target) continue;
        const a = place(row.getBoundingClientRect()), b = place(target.getBoundingClientRect());
        const y1 = a.y + a.height / 2, y2 = b.y + b.height / 2;
        const isRight = b.left >= a.right - 4;
        // To a box that is not on the right: out to the right, round, and in from there.
        const x1 = a.right - 2, x2 = isRight ? b.left - 2 : b.right + 2;
        const bend = isRight ? Math.max(18, (x2 - x1) / 2) : 30 + Math.max(0, b.right - a.right);
        const end = isRight ? x2 - bend : x2 + 30 + Math.max(0, a.right - b.right);
        lines.push({ d: `M${x1} ${y1} C${x1 + bend} ${y1} ${end} ${y2} ${x2} ${y2}`, isNew: row.classList.contains("is-new") || row.classList.contains("is-lit") });
      }
      this.lines = lines;
    },
  },
};
