// A program's terminal. Bytes come over a WebSocket of its own; what has been shown is acknowledged,
// so that a program never runs ahead of the page. Everything shown is text: xterm draws characters.
import { Terminal, FitAddon } from "nicegui-xterm";

const THEMES = {
  light: { background: "#fbfaf8", foreground: "#262b33", cursor: "#0f766e", selectionBackground: "#cfe3df",
    black: "#262b33", red: "#b42318", green: "#2f7a3c", yellow: "#946200", blue: "#2557a7", magenta: "#8d3a93", cyan: "#0f766e", white: "#7c838d",
    brightBlack: "#6a717b", brightRed: "#c9352b", brightGreen: "#3a8f49", brightYellow: "#a87212", brightBlue: "#3069c4", brightMagenta: "#a34caa", brightCyan: "#188a80", brightWhite: "#454b54" },
  dark: { background: "#14181d", foreground: "#d8dde3", cursor: "#5fc4b6", selectionBackground: "#2f4a4a",
    black: "#2b323a", red: "#f0817a", green: "#8cc98f", yellow: "#e0b565", blue: "#86b1ee", magenta: "#cf9ad6", cyan: "#6cc7ba", white: "#c3c9d0",
    brightBlack: "#7d8793", brightRed: "#ff9c95", brightGreen: "#a5dba8", brightYellow: "#f0cb85", brightBlue: "#a6c7f7", brightMagenta: "#e0b4e6", brightCyan: "#8adacf", brightWhite: "#f0f2f4" },
};

export default {
  template: `<div class="terminal"></div>`,
  props: { run: String },
  emits: ["size"],
  mounted() {
    this.terminal = new Terminal({
      fontFamily: '"JetBrains Mono", "SF Mono", ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace',
      fontSize: 13, lineHeight: 1.25, scrollback: 5000, cursorBlink: false, theme: this.theme(),
      screenReaderMode: false, allowProposedApi: false,
    });
    this.fit = new FitAddon();
    this.terminal.loadAddon(this.fit);
    // The page's own keys are not the program's: without them the keyboard could not leave the terminal.
    this.terminal.attachCustomKeyEventHandler((e) =>
      !(e.key === "F6" || (e.altKey && /^[1-6]$/.test(e.key)) || (e.ctrlKey && e.key === "Enter")));
    this.terminal.open(this.$el);
    this.terminal.textarea?.setAttribute("aria-label", "Terminal");
    this.terminal.onData((data) => this.send({ input: data }));
    this.terminal.onResize(({ cols, rows }) => { this.$emit("size", [cols, rows]); this.send({ size: [cols, rows] }); });
    this.observer = new ResizeObserver(() => this.refit());
    this.observer.observe(this.$el);
    this.themes = new MutationObserver(() => { this.terminal.options.theme = this.theme(); });
    this.themes.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.refit();
    this.connect();
  },
  unmounted() { this.isGone = true; this.socket?.close(); this.observer.disconnect(); this.themes.disconnect(); this.terminal.dispose(); },
  watch: {
    run() { this.connect(); },
  },
  methods: {
    theme() { return THEMES[document.body.classList.contains("body--dark") ? "dark" : "light"]; },
    refit() { if (this.$el.clientWidth > 40 && this.$el.clientHeight > 20) this.fit.fit(); },
    connect() {
      this.socket?.close();
      this.terminal.reset();
      if (!this.run) return;
      const socket = new WebSocket(`ws://${location.host}/terminal/${this.run}`);
      socket.binaryType = "arraybuffer";
      this.socket = socket;
      socket.onopen = () => { this.tries = 0; this.terminal.reset(); this.send({ size: [this.terminal.cols, this.terminal.rows] }); };
      socket.onmessage = (event) => {
        const bytes = new Uint8Array(event.data);
        this.terminal.write(bytes, () => { if (this.socket === socket) this.send({ shown: bytes.length }); });
      };
      socket.onclose = (event) => {
        // 4404: there is no such run (any more).
        if (this.isGone || this.socket !== socket || event.code === 4404 || event.code === 1000) return;
        this.tries = (this.tries || 0) + 1;
        if (this.tries < 20) setTimeout(() => { if (this.socket === socket) this.connect(); }, 250 * this.tries);
      };
    },
    send(message) { if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(message)); },
    focus() { this.terminal.focus(); },
    clear() { this.terminal.clear(); },
    text() {
      const buffer = this.terminal.buffer.active;
      const lines = [];
      for (let i = 0; i < buffer.length; i++) lines.push(buffer.getLine(i).translateToString(true));
      return lines.join("\n").trimEnd();
    },
  },
};
