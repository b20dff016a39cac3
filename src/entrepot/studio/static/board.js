// The parts of a file as cards in columns: drag a card (or press M) to say in which module it is to be.
export default {
  template: `
    <div class="board">
      <datalist id="board-modules"><option v-for="module in modules" :value="module"></option></datalist>
      <section v-for="(column, c) in shown" :key="c" class="board-column" :class="{ 'is-over': over === c }" :aria-label="column.module"
               @dragover.prevent="over = c" @dragleave="over = null" @drop.prevent="drop(c)">
        <header>
          <b v-if="c === 0">{{ column.module }}</b>
          <input v-else :value="column.module" aria-label="Name of the module" placeholder="name of the module" list="board-modules" spellcheck="false" @change="$emit('name', [c, $event.target.value.trim()])">
          <span class="faint">{{ column.parts.length }}</span>
          <button v-if="c > 0 && !column.parts.length" class="plain" aria-label="Remove this module" @click="$emit('less', c)">×</button>
        </header>
        <ul>
          <li v-for="name in column.parts" :key="name" tabindex="0" draggable="true" :data-name="name" :class="['kind-' + known[name].kind, { 'is-needed': isNeeded(name) }]"
              :aria-label="name + ', ' + known[name].kind + ', in ' + column.module + '. M moves it to the next module.'"
              @dragstart="start($event, name)" @dragend="end(name)" @pointerdown="isPressed = true" @mouseenter="hover = name" @mouseleave="hover = null"
              @focus="hover = name" @blur="hover = null" @keydown.m.prevent="move(name, (c + 1) % shown.length)">
            <i aria-hidden="true">{{ { function: 'f', class: 'C', variable: 'v' }[known[name].kind] }}</i><span>{{ name }}</span>
            <small>{{ known[name].end_line - known[name].line + 1 }} {{ known[name].end_line === known[name].line ? 'line' : 'lines' }}</small>
            <button class="onward" tabindex="-1" :aria-label="'Move ' + name + ' to the next module'" @click="move(name, (c + 1) % shown.length)">→</button>
          </li>
          <li v-if="!column.parts.length" class="drop-here faint" data-name="drop-here">Drag definitions here</li>
        </ul>
      </section>
      <button class="board-more" @click="$emit('more')" @dragover.prevent @drop.prevent="$emit('more', dragged); end(dragged)">New module</button>
    </div>`,
  props: { columns: { type: Array, default: () => [] }, parts: { type: Object, default: () => ({}) }, modules: Array,
    revision: { type: Number, default: 0 }, heard: { type: Number, default: 0 } },
  emits: ["move", "name", "more", "less"],
  data() { return { shown: this.columns, known: this.parts, dragged: null, isPressed: false, over: null, hover: null }; },
  created() { this.said = 0; }, // how many moves the server was told of
  mounted() {
    // Wherever a button is let go, what its press began has ended; a new press means that no drag is under way.
    this.pressed = () => { this.dragged = null; };
    // Not before the click that follows has reached what was pressed.
    this.released = () => setTimeout(() => { this.isPressed = false; this.take(); });
    window.addEventListener("pointerdown", this.pressed, true);
    for (const kind of ["pointerup", "dragend"]) window.addEventListener(kind, this.released, true);
  },
  unmounted() {
    window.removeEventListener("pointerdown", this.pressed, true);
    for (const kind of ["pointerup", "dragend"]) window.removeEventListener(kind, this.released, true);
  },
  watch: { revision() { this.take(); }, heard() { this.take(); } },
  methods: {
    // What the server says is drawn at once, but never beneath a pointer that has begun to drag: then when it ends. And not
    // before it has heard of every move that is shown here already: a card would jump back for a moment.
    take() {
      if (this.isPressed || this.dragged !== null || this.heard < this.said) return;
      this.shown = this.columns;
      this.known = this.parts;
    },
    isNeeded(name) { const h = this.hover && this.known[this.hover]; return !!h && (h.uses.includes(name) || this.known[name].uses.includes(this.hover)); },
    start(event, name) {
      this.dragged = name;
      this.isPressed = false;
      event.dataTransfer.setData("text/plain", name);
      event.dataTransfer.effectAllowed = "move";
    },
    // Of this drag: one may have begun since.
    end(name) { if (this.dragged === name) { this.dragged = this.over = null; this.take(); } },
    // The card moves at once; the server says the same a moment later.
    move(name, to) {
      const order = Object.keys(this.known), at = (a, b) => order.indexOf(a) - order.indexOf(b);
      this.shown = this.shown.map((column, c) => {
        const parts = column.parts.filter((other) => other !== name);
        return { ...column, parts: c === to ? [...parts, name].sort(at) : parts };
      });
      this.$emit("move", [name, to, ++this.said]);
    },
    drop(c) {
      const name = this.dragged;
      this.dragged = this.over = null;
      if (name) this.move(name, c);
    },
  },
};
