// The tree of files: a list of rows that the server makes; here is only how it is used.
// Keys as in the WAI-ARIA tree pattern, and F2, Delete, Ctrl+N.
export default {
  template: `
    <div class="files" @dragover.prevent="over = ''" @drop.prevent="drop('')" @dragleave="over = null"
         :class="{ 'is-over': over === '' }" @contextmenu.prevent="openMenu($event, null)">
      <ul role="tree" aria-label="Files" ref="tree">
        <li v-for="(row, index) in shown" :key="row.name" role="treeitem" :aria-level="row.depth + 1"
            :aria-expanded="row.is_folder ? row.is_open : undefined" :aria-selected="row.name === active"
            :tabindex="index === focused ? 0 : -1" :draggable="editing === null"
            :class="{ 'is-active': row.name === active, 'is-over': over === row.name, 'is-outside': row.is_outside }"
            :style="{ paddingLeft: 10 + row.depth * 14 + 'px' }" :data-name="row.name"
            @click="use(row, index)" @keydown="press($event, row, index)" @focus="focused = index"
            @dragstart="start($event, row)" @dragend="dragged = dragged === row.name ? null : dragged; over = null" @pointerdown="isPressed = true"
            @dragover.prevent.stop="over = row.is_folder ? row.name : parentOf(row.name)"
            @drop.prevent.stop="drop(row.is_folder ? row.name : parentOf(row.name))"
            @contextmenu.prevent.stop="openMenu($event, row)">
          <i class="glyph" aria-hidden="true" :data-kind="row.is_folder ? (row.is_open ? 'open' : 'folder') : row.kind"></i>
          <input v-if="editing === row.name" ref="field" class="name-field" :value="last(row.name)" aria-label="New name"
                 @click.stop @keydown.stop="editKey($event, row)" @blur="finish(row, $event.target.value)">
          <span v-else class="name">{{ last(row.name) }}</span>
          <span v-if="row.is_draft" class="dot" title="not saved" aria-label="not saved"></span>
          <span v-if="row.errors" class="count is-error" :title="row.errors + ' errors'">{{ row.errors }}</span>
          <span v-else-if="row.warnings" class="count is-warning" :title="row.warnings + ' warnings'">{{ row.warnings }}</span>
        </li>
        <li v-if="making" class="making" :style="{ paddingLeft: 10 + making.depth * 14 + 'px' }">
          <i class="glyph" :data-kind="making.is_folder ? 'folder' : 'python'"></i>
          <input ref="made" class="name-field" :aria-label="making.is_folder ? 'Name of the folder' : 'Name of the file'"
                 :placeholder="making.is_folder ? 'folder' : 'module.py'"
                 @keydown.stop="makeKey($event)" @blur="make($event.target.value)">
        </li>
      </ul>
      <div v-if="menu" class="menu" role="menu" :style="{ left: menu.x + 'px', top: menu.y + 'px' }" @keydown.esc="menu = null">
        <button v-for="item in menu.items" role="menuitem" :class="{ 'is-danger': item[2] }"
                @click="choose(item[1])">{{ item[0] }}</button>
      </div>
    </div>`,
  props: { rows: Array, active: String },
  emits: ["open", "toggle", "move", "create", "remove", "run"],
  data() { return { shown: this.rows || [], isPressed: false, focused: 0, editing: null, over: null, dragged: null, menu: null, making: null }; },
  watch: {
    rows() { this.take(); }, dragged() { this.take(); },
  },
  mounted() {
    this.pressed = () => { this.dragged = null; };
    // Not before the click that follows has reached what was pressed.
    this.released = () => setTimeout(() => { this.isPressed = false; this.take(); });
    window.addEventListener("pointerdown", this.pressed, true);
    for (const kind of ["pointerup", "dragend"]) window.addEventListener(kind, this.released, true);
    this.away = (event) => { if (this.menu && !event.target.closest(".menu")) this.menu = null; };
    document.addEventListener("pointerdown", this.away);
  },
  unmounted() {
    document.removeEventListener("pointerdown", this.away);
    window.removeEventListener("pointerdown", this.pressed, true);
    for (const kind of ["pointerup", "dragend"]) window.removeEventListener(kind, this.released, true);
  },
  methods: {
    // Other rows are drawn at once, but never beneath a pointer that presses or drags: it would hit another one.
    take() { if (!this.isPressed && this.dragged === null) this.shown = this.rows || []; },
    last: (name) => name.slice(name.lastIndexOf("/") + 1),
    parentOf: (name) => (name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : ""),
    use(row, index) {
      this.focused = index;
      if (row.is_folder) this.$emit("toggle", row.name);
      else if (!row.is_outside) this.$emit("open", row.name);
    },
    focus(index) {
      if (index < 0 || index >= this.shown.length) return;
      this.focused = index;
      this.$nextTick(() => this.$refs.tree.querySelectorAll("[role=treeitem]")[index]?.focus());
    },
    press(event, row, index) {
      if (this.editing !== null) return;
      const parent = this.shown.findIndex((other) => other.name === this.parentOf(row.name));
      const act = {
        ArrowDown: () => this.focus(index + 1), ArrowUp: () => this.focus(index - 1),
        Home: () => this.focus(0), End: () => this.focus(this.shown.length - 1),
        ArrowRight: () => (row.is_folder && !row.is_open ? this.$emit("toggle", row.name) : this.focus(index + 1)),
        ArrowLeft: () => (row.is_folder && row.is_open ? this.$emit("toggle", row.name) : this.focus(parent)),
        Enter: () => this.use(row, index), " ": () => this.use(row, index),
        F2: () => this.rename(row), Delete: () => this.$emit("remove", row.name),
        ContextMenu: () => this.openMenu({ clientX: 40, clientY: event.target.getBoundingClientRect().bottom }, row),
      }[event.key];
      if (act && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); act(); }
    },
    start(event, row) {
      this.dragged = row.name;
      this.isPressed = false;
      event.dataTransfer.setData("text/plain", row.name);
      event.dataTransfer.effectAllowed = "move";
    },
    drop(folder) {
      const name = this.dragged;
      this.over = this.dragged = null;
      if (!name || this.parentOf(name) === folder || folder === name || folder.startsWith(name + "/")) return;
      this.$emit("move", [name, (folder ? folder + "/" : "") + this.last(name)]);
    },
    openMenu(event, row) {
      const folder = row ? (row.is_folder ? row.name : this.parentOf(row.name)) : "";
      const depth = row ? row.depth + (row.is_folder ? 1 : 0) : 0;
      const items = [["New file", () => this.begin(folder, depth, false)], ["New folder", () => this.begin(folder, depth, true)]];
      if (row) {
        items.push(["Rename", () => this.rename(row)]);
        if (row.name.endsWith(".py")) items.push(["Run this file", () => this.$emit("run", row.name)]);
        items.push(["Delete", () => this.$emit("remove", row.name), true]);
      }
      this.menu = { x: event.clientX, y: Math.min(event.clientY, innerHeight - 34 * items.length - 16), items };
      this.$nextTick(() => this.$el.querySelector(".menu button")?.focus());
    },
    choose(action) { this.menu = null; action(); },
    begin(folder, depth, isFolder) {
      this.making = { folder, depth: depth || 0, is_folder: !!isFolder };
      this.$nextTick(() => this.$refs.made.focus());
    },
    makeKey(event) {
      if (event.key === "Enter") this.make(event.target.value);
      if (event.key === "Escape") this.making = null;
    },
    make(value) {
      const making = this.making;
      this.making = null;
      value = value.trim();
      if (making && value) this.$emit("create", [(making.folder ? making.folder + "/" : "") + value, making.is_folder]);
    },
    rename(row) {
      this.editing = row.name;
      this.$nextTick(() => {
        const field = [this.$refs.field].flat()[0];
        field.focus();
        const dot = field.value.lastIndexOf(".");
        field.setSelectionRange(0, dot > 0 ? dot : field.value.length);
      });
    },
    editKey(event, row) {
      if (event.key === "Enter") this.finish(row, event.target.value);
      if (event.key === "Escape") { this.editing = null; }
    },
    finish(row, value) {
      if (this.editing !== row.name) return;
      this.editing = null;
      value = value.trim();
      const parent = this.parentOf(row.name);
      if (value && value !== this.last(row.name)) this.$emit("move", [row.name, (parent ? parent + "/" : "") + value]);
    },
  },
};
