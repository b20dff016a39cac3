// One editor for all open files: CodeMirror, with a state for each file, so that each keeps its own
// cursor, folds and undo. What is typed goes to the server as changes to a numbered revision.
import * as CM from "nicegui-codemirror";

const setFindings = CM.StateEffect.define();
const setLight = CM.StateEffect.define();
const RANK = { error: 3, warning: 2, note: 1 };

class Mark extends CM.GutterMarker {
  constructor(severity, text) { super(); this.severity = severity; this.text = text; }
  eq(other) { return other.severity === this.severity && other.text === this.text; }
  toDOM() {
    const dot = document.createElement("span");
    dot.className = "finding-mark is-" + this.severity;
    dot.title = this.text;
    return dot;
  }
}

const findings = CM.StateField.define({
  create: () => ({ list: [], marks: CM.Decoration.none, gutter: CM.RangeSet.empty }),
  update(value, transaction) {
    for (const effect of transaction.effects) {
      if (effect.is(setFindings)) return place(effect.value, transaction.state.doc);
    }
    if (!transaction.docChanged) return value;
    return {
      list: value.list.map((f) => ({ ...f, from: transaction.changes.mapPos(f.from), to: transaction.changes.mapPos(f.to) })),
      marks: value.marks.map(transaction.changes), gutter: value.gutter.map(transaction.changes),
    };
  },
  provide: (field) => CM.EditorView.decorations.from(field, (value) => value.marks),
});

function place(list, doc) {
  const placed = list.filter((f) => f.line >= 1 && f.line <= doc.lines).map((f) => {
    const line = doc.line(f.line);
    const start = Math.min(line.from + Math.max(0, f.column - 1), line.to);
    const word = /^[\w.]+|^\S/.exec(doc.sliceString(start, line.to));
    const from = word ? start : line.from + (/^\s*/.exec(line.text)[0].length % (line.length + 1));
    const to = word ? start + word[0].length : line.to;
    return { ...f, from, to: Math.max(from, to), at: line.from };
  });
  const byLine = new Map();
  for (const f of placed) byLine.set(f.at, [...(byLine.get(f.at) || []), f]);
  return {
    list: placed,
    marks: CM.Decoration.set(placed.filter((f) => f.to > f.from).map((f) =>
      CM.Decoration.mark({ class: "finding is-" + f.severity }).range(f.from, f.to)), true),
    gutter: CM.RangeSet.of([...byLine].map(([at, several]) => {
      const worst = several.reduce((a, b) => (RANK[b.severity] > RANK[a.severity] ? b : a));
      return new Mark(worst.severity, several.map((f) => `${f.code} ${f.message}`).join("\n")).range(at);
    }), true),
  };
}

const light = CM.StateField.define({
  create: () => CM.Decoration.none,
  update(value, transaction) {
    for (const effect of transaction.effects) {
      if (!effect.is(setLight)) continue;
      const { line, css } = effect.value;
      if (!line || line > transaction.state.doc.lines) return CM.Decoration.none;
      return CM.Decoration.set([CM.Decoration.line({ class: css }).range(transaction.state.doc.line(line).from)]);
    }
    return value.map(transaction.changes);
  },
  provide: (field) => CM.EditorView.decorations.from(field),
});

const hover = CM.hoverTooltip((view, pos) => {
  const here = view.state.field(findings).list.filter((f) => f.from <= pos && pos <= f.to);
  if (!here.length) return null;
  return {
    pos: here[0].from, end: here[0].to, above: true,
    create() {
      const dom = document.createElement("div");
      dom.className = "finding-tip";
      for (const f of here) {
        const row = document.createElement("div");
        const code = document.createElement("b");
        code.className = "is-" + f.severity;
        code.textContent = f.code;
        row.append(code, " " + f.message);
        dom.append(row);
      }
      return { dom };
    },
  };
});

// The parts of a language as One Dark tells them apart, in the page's own colours, light and dark.
const PARTS = { "#e5c07b": "class", "#e06c75": "name", "#56b6c2": "operator", "#abb2bf": "text", "#7d8799": "comment", "#61afef": "function",
  "#98c379": "string", "#d19a66": "number", "#c678dd": "keyword" };
const colors = CM.syntaxHighlighting(CM.HighlightStyle.define(CM.oneDarkHighlightStyle.specs.map((spec) =>
  (spec.color in PARTS ? { ...spec, color: `var(--code-${PARTS[spec.color]})` } : spec))));

export default {
  template: `<div class="editor" :class="{ 'is-fixed': readonly }"></div>`,
  props: { label: String, readonly: Boolean },
  emits: ["edit", "word", "save", "ask"],
  created() { this.states = new Map(); this.name = null; this.revisions = new Map(); this.waiting = new Map(); },
  mounted() {
    this.view = new CM.EditorView({ parent: this.$el });
    this.languages = {};
    // Whatever is asked for next (Run, another view) is asked of the text as it is now: send it before.
    this.before = () => this.flush();
    for (const kind of ["pointerdown", "blur", "pagehide"]) window.addEventListener(kind, this.before, true);
    this.keyed = (event) => { if (event.ctrlKey || event.metaKey || event.altKey) this.flush(); };
    window.addEventListener("keydown", this.keyed, true);
  },
  unmounted() {
    this.flush();
    for (const kind of ["pointerdown", "blur", "pagehide"]) window.removeEventListener(kind, this.before, true);
    window.removeEventListener("keydown", this.keyed, true);
    this.view.destroy();
  },
  methods: {
    extensions(name, isFixed) {
      const send = () => { this.$emit("save", name); return true; };
      return [
        CM.keymap.of([{ key: "Mod-s", run: () => { this.flush(); return send(); }, preventDefault: true }]),
        CM.gutter({ class: "finding-gutter", markers: (view) => view.state.field(findings).gutter }),
        // Ctrl+Enter runs the program.
        CM.keymap.of([{ key: "Mod-Enter", run: () => true }]),
        colors, CM.basicSetup, CM.keymap.of([CM.indentWithTab]), CM.indentUnit.of("    "), CM.EditorState.tabSize.of(4),
        findings, light, hover, CM.EditorView.contentAttributes.of({ "aria-label": name || "editor" }),
        this.language = this.language || new CM.Compartment(), ...(isFixed || this.readonly ? [CM.EditorState.readOnly.of(true)] : []),
        CM.EditorView.updateListener.of((update) => this.changed(name, update)),
        CM.EditorView.domEventHandlers({ mousedown: (event, view) => this.clicked(event, view) }),
      ].map((e) => (e instanceof CM.Compartment ? e.of([]) : e));
    },
    // Show a file. A revision that is not the one we have replaces the text.
    show(file) {
      this.flush();
      if (this.name !== null && this.states.has(this.name)) this.states.set(this.name, this.view.state);
      const known = this.states.get(file.name);
      const isSame = known && this.revisions.get(file.name) === file.revision && known.doc.toString() === file.text;
      this.name = file.name;
      this.revisions.set(file.name, file.revision);
      if (isSame) {
        this.view.setState(known);
      } else if (known) {
        // Keep cursor and undo: replace only what differs.
        this.view.setState(known);
        this.replace(file.text);
      } else {
        this.view.setState(CM.EditorState.create({ doc: file.text, extensions: this.extensions(file.name, file.is_fixed) }));
      }
      this.states.set(file.name, this.view.state);
      this.highlight(file.name);
      this.setFindings(file.findings || []);
      if (file.line) this.go(file.line);
    },
    replace(text) {
      const old = this.view.state.doc.toString();
      if (old === text) return;
      let start = 0;
      while (start < old.length && start < text.length && old[start] === text[start]) start++;
      let end = 0;
      while (end < old.length - start && end < text.length - start && old[old.length - 1 - end] === text[text.length - 1 - end]) end++;
      this.isTheirs = true;
      this.view.dispatch({ changes: { from: start, to: old.length - end, insert: text.slice(start, text.length - end) } });
      this.isTheirs = false;
    },
    forget(name) { this.states.delete(name); this.revisions.delete(name); if (this.name === name) this.name = null; },
    async highlight(name) {
      const ending = name.slice(name.lastIndexOf(".") + 1);
      const found = CM.languages.find((l) => l.extensions.includes(ending)) || (ending === "pyw" && CM.languages.find((l) => l.name === "Python"));
      if (!found) return;
      const support = (this.languages[found.name] ||= await found.load());
      if (this.name === name && this.language.get(this.view.state) !== support) {
        this.view.dispatch({ effects: this.language.reconfigure(support) });
      }
    },
    changed(name, update) {
      if (!update.docChanged || this.isTheirs) return;
      const waiting = this.waiting.get(name);
      this.waiting.set(name, waiting ? waiting.compose(update.changes) : update.changes);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.flush(), 180);
    },
    flush() {
      clearTimeout(this.timer);
      for (const [name, changes] of this.waiting) {
        const revision = this.revisions.get(name);
        this.revisions.set(name, revision + 1);
        this.$emit("edit", { name, revision, changes: changes.toJSON() });
      }
      this.waiting.clear();
    },
    clicked(event, view) {
      const pos = view.posAtCoords({ x: event.clientX, y: event.clientY });
      if (pos === null || !(event.ctrlKey || event.metaKey)) return false;
      const line = view.state.doc.lineAt(pos);
      const at = pos - line.from;
      for (const match of line.text.matchAll(/[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*(\.[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)*/g)) {
        if (match.index <= at && at <= match.index + match[0].length) {
          const rest = match[0].slice(at - match.index).indexOf(".");
          const word = rest < 0 ? match[0] : match[0].slice(0, at - match.index + rest);
          this.$emit("word", { name: this.name, word, line: line.number });
          event.preventDefault();
          return true;
        }
      }
      return false;
    },
    setFindings(list) { this.view.dispatch({ effects: setFindings.of(list) }); },
    go(line) {
      if (line < 1 || line > this.view.state.doc.lines) return;
      const at = this.view.state.doc.line(line).from;
      this.view.dispatch({ selection: { anchor: at }, effects: CM.EditorView.scrollIntoView(at, { y: "center" }) });
      this.view.focus();
    },
    light(line, css) {
      this.view.dispatch({ effects: setLight.of({ line, css: css || "lit" }) });
      if (line && line <= this.view.state.doc.lines) {
        this.view.dispatch({ effects: CM.EditorView.scrollIntoView(this.view.state.doc.line(line).from, { y: "nearest", yMargin: 60 }) });
      }
    },
    getText() { return this.view.state.doc.toString(); },
    focus() { this.view.focus(); },
  },
};
