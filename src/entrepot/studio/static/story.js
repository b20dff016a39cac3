// A long list of sentences, of which only those in sight are drawn.
const HEIGHT = 26;
export default {
  template: `
    <div class="story" tabindex="0" role="listbox" aria-label="Steps" @scroll="look" @keydown="press">
      <div :style="{ height: items.length * HEIGHT + 'px', position: 'relative' }">
        <div v-for="i in range" :key="i" role="option" class="told" :aria-selected="i === at" :class="['is-' + items[i][1], { 'is-at': i === at, 'is-past': i < at }]"
             :style="{ top: i * HEIGHT + 'px', paddingLeft: 12 + Math.min(items[i][2], 12) * 14 + 'px' }" :title="items[i][0]" @click="$emit('go', i)">{{ items[i][0] }}</div>
      </div>
    </div>`,
  props: { items: { type: Array, default: () => [] }, at: { type: Number, default: 0 } },
  emits: ["go"],
  data: () => ({ top: 0, height: 400, HEIGHT }),
  computed: {
    range() {
      const first = Math.max(0, Math.floor(this.top / HEIGHT) - 4), last = Math.min(this.items.length, Math.ceil((this.top + this.height) / HEIGHT) + 4);
      return Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
    },
  },
  mounted() { this.observer = new ResizeObserver(() => this.look()); this.observer.observe(this.$el); this.look(); },
  unmounted() { this.observer.disconnect(); },
  watch: { at() { this.follow(); }, items() { this.$nextTick(this.follow); } },
  methods: {
    look() { this.top = this.$el.scrollTop; this.height = this.$el.clientHeight; },
    follow() {
      const y = this.at * HEIGHT;
      if (y < this.$el.scrollTop + HEIGHT) this.$el.scrollTop = y - HEIGHT;
      else if (y > this.$el.scrollTop + this.$el.clientHeight - 2 * HEIGHT) this.$el.scrollTop = y - this.$el.clientHeight + 2 * HEIGHT;
    },
    press(event) {
      const to = { ArrowDown: this.at + 1, ArrowUp: this.at - 1, ArrowRight: this.at + 1, ArrowLeft: this.at - 1, Home: 0, End: this.items.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      if (to >= 0 && to < this.items.length) this.$emit("go", to);
    },
  },
};
