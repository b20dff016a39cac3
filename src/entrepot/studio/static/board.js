// The parts of a file as cards in columns: drag a card (or press M) to say in which module it is to be.
export default {
  template: `
    <div class="board">
      <section v-for="(column, c) in columns" :key="c" class="board-column" :class="{ 'is-over': over === c }" :aria-label="column.module"
               @dragover.prevent="over = c" @dragleave="over = null" @drop.prevent="drop(c)">
        <header>
          <b v-if="c === 0">{{ column.module }}</b>
          <input v-else :value="column.module" aria-label="Name of the module" placeholder="name of the module" spellcheck="false" @change="$emit('name', [c, $event.target.value.trim()])">
          <span class="faint">{{ column.parts.length }}</span>
          <button v-if="c > 0 && !column.parts.length" class="plain" aria-label="Remove this module" @click="$emit('less', c)">×</button>
        </header>
        <ul>
          <li v-for="name in column.parts" :key="name" tabindex="0" draggable="true" :data-name="name" :class="['kind-' + parts[name].kind, { 'is-needed': isNeeded(name) }]"
              :aria-label="name + ', ' + parts[name].kind + ', in ' + column.module + '. M moves it to the next module.'"
              @dragstart="start($event, name)" @dragend="dragged = over = null" @mouseenter="hover = name" @mouseleave="hover = null"
              @focus="hover = name" @blur="hover = null" @keydown.m.prevent="$emit('move', [name, (c + 1) % columns.length])">
            <i aria-hidden="true">{{ { function: 'f', class: 'C', variable: 'v' }[parts[name].kind] }}</i><span>{{ name }}</span>
            <small>{{ parts[name].end_line - parts[name].line + 1 }} {{ parts[name].end_line === parts[name].line ? 'line' : 'lines' }}</small>
            <button class="onward" tabindex="-1" :aria-label="'Move ' + name + ' to the next module'" @click="$emit('move', [name, (c + 1) % columns.length])">→</button>
          </li>
          <li v-if="!column.parts.length" class="drop-here faint" data-name="drop-here">Drag definitions here</li>
        </ul>
      </section>
      <button class="board-more" @click="$emit('more')" @dragover.prevent @drop.prevent="$emit('more', dragged)">New module</button>
    </div>`,
  props: { columns: { type: Array, default: () => [] }, parts: { type: Object, default: () => ({}) } },
  emits: ["move", "name", "more", "less"],
  data: () => ({ dragged: null, over: null, hover: null }),
  methods: {
    isNeeded(name) { const h = this.hover && this.parts[this.hover]; return !!h && (h.uses.includes(name) || this.parts[name].uses.includes(this.hover)); },
    start(event, name) { this.dragged = name; event.dataTransfer.setData("text/plain", name); event.dataTransfer.effectAllowed = "move"; },
    drop(c) { this.over = null; if (this.dragged) this.$emit("move", [this.dragged, c]); this.dragged = null; },
  },
};
