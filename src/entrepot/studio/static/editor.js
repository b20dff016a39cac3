// One editor for all open files: CodeMirror, with a state for each file, so that each keeps its own
// cursor, folds and undo. What is typed goes to the server as changes to a numbered revision. What the server has
// not confirmed when the page goes, and where the cursor was, is kept in the browser tab for the page that follows.
import * as CM from "nicegui-codemirror";

const setFindings = CM.StateEffect.define();
const setLight = CM.StateEffect.define();
const KEPT = "entrepot-editor";
const PIECE = 150_000; // of changes in one message: NiceGUI lets go what is longer than a megabyte
const NAME = /[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*(\.[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)*/g;
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
  emits: ["edit", "word", "cursor", "save"],
  created() {
    this.states = new Map(); this.name = null; this.revisions = new Map(); this.waiting = new Map();
    this.taken = new Map(); // what the server has of each file, as far as it has said so
    this.sent = new Map(); // what was sent and not confirmed: [revision, text] each
    this.kept = new Map();
  },
  mounted() {
    this.view = new CM.EditorView({ parent: this.$el });
    this.languages = {};
    // Whatever is asked for next (Run, another view) is asked of the text as it is now: send it before.
    this.before = () => this.flush();
    for (const kind of ["pointerdown", "blur", "pagehide"]) window.addEventListener(kind, this.before, true);
    this.keyed = (event) => { if (event.ctrlKey || event.metaKey || event.altKey) this.flush(); };
    window.addEventListener("keydown", this.keyed, true);
    if (this.readonly) return;
    try { this.kept = new Map(JSON.parse(sessionStorage.getItem(KEPT) || "[]")); } catch { /* it was not ours */ }
    sessionStorage.removeItem(KEPT);
    this.leaving = () => this.keep();
    window.addEventListener("pagehide", this.leaving);
  },
  unmounted() {
    this.flush();
    for (const kind of ["pointerdown", "blur", "pagehide"]) window.removeEventListener(kind, this.before, true);
    window.removeEventListener("keydown", this.keyed, true);
    window.removeEventListener("pagehide", this.leaving);
    clearTimeout(this.resting);
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
        CM.keymap.of([{ key: "F12", run: (view) => this.ask(view, view.state.selection.main.head) }]),
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
        this.begin(file);
      }
      this.states.set(file.name, this.view.state);
      this.taken.set(file.name, this.view.state.doc);
      this.sent.delete(file.name);
      this.highlight(file.name);
      this.setFindings(file.findings || []);
      if (file.line) this.go(file.line);
      this.bringBack(file.name);
    },
    // A file that this page has not shown yet: as the page before it had it, undo and cursor too, if the text is the same.
    begin(file) {
      const extensions = this.extensions(file.name, file.is_fixed), kept = this.kept.get(file.name);
      let state = null;
      try {
        if (kept?.state?.doc === file.text) state = CM.EditorState.fromJSON(kept.state, { extensions }, { history: CM.historyField });
      } catch { /* another version's */ }
      this.view.setState(state || CM.EditorState.create({ doc: file.text, extensions }));
      if (state) requestAnimationFrame(() => { if (this.name === file.name) this.view.scrollDOM.scrollTop = kept.top; });
    },
    // What was typed when the server was not there to hear it.
    bringBack(name) {
      const lost = this.kept.get(name)?.lost;
      this.kept.delete(name);
      if (lost !== undefined && lost !== this.view.state.doc.toString()) {
        this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: lost } });
        this.flush();
      }
    },
    // The page goes: leave to the next one what the server may not have, and where one was.
    keep() {
      this.flush();
      if (this.name !== null) this.states.set(this.name, this.view.state);
      const rows = [];
      for (const [name, state] of this.states) {
        const lost = this.taken.has(name) && !state.doc.eq(this.taken.get(name)) ? state.doc.toString() : undefined;
        rows.push([name, { lost, state: state.toJSON({ history: CM.historyField }), top: name === this.name ? this.view.scrollDOM.scrollTop : 0 }]);
      }
      for (const [name, kept] of this.kept) if (!this.states.has(name)) rows.push([name, kept]);
      // A tab has room for about five million characters: what was typed goes first.
      for (const few of [rows, rows.map(([name, row]) => [name, { lost: row.lost }]).filter(([, row]) => row.lost !== undefined)]) {
        try { sessionStorage.setItem(KEPT, JSON.stringify(few)); return; } catch { /* too much */ }
      }
    },
    // The server has what was sent up to a revision.
    took(name, revision) {
      const sent = this.sent.get(name) || [];
      const found = sent.find(([number]) => number === revision);
      if (found) this.taken.set(name, found[1]);
      this.sent.set(name, sent.filter(([number]) => number > revision));
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
    forget(name) { for (const map of [this.states, this.revisions, this.taken, this.sent, this.kept]) map.delete(name); if (this.name === name) this.name = null; },
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
      if (update.selectionSet && !update.docChanged) this.rest();
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
        const state = name === this.name ? this.view.state : this.states.get(name);
        if (state) this.sent.set(name, [...(this.sent.get(name) || []), [revision + 1, state.doc]]);
        const text = JSON.stringify(changes.toJSON());
        for (let at = 0; at < text.length; at += PIECE) {
          this.$emit("edit", { name, revision, piece: text.slice(at, at + PIECE), is_last: at + PIECE >= text.length });
        }
      }
      this.waiting.clear();
    },
    clicked(event, view) {
      const pos = view.posAtCoords({ x: event.clientX, y: event.clientY });
      if (pos === null || !(event.ctrlKey || event.metaKey) || !this.ask(view, pos)) return false;
      event.preventDefault();
      return true;
    },
    // Return the dotted name at a position, up to the part that is there.
    wordAt(view, pos) {
      const line = view.state.doc.lineAt(pos), at = pos - line.from;
      for (const match of line.text.matchAll(NAME)) {
        if (match.index <= at && at <= match.index + match[0].length) {
          const rest = match[0].slice(at - match.index).indexOf(".");
          return { name: this.name, word: rest < 0 ? match[0] : match[0].slice(0, at - match.index + rest), line: line.number };
        }
      }
      return null;
    },
    ask(view, pos) {
      const found = this.wordAt(view, pos);
      if (found) this.$emit("word", found);
      return !!found;
    },
    // The cursor has come to rest somewhere: say on which name.
    rest() {
      clearTimeout(this.resting);
      this.resting = setTimeout(() => {
        const found = this.wordAt(this.view, this.view.state.selection.main.head) || { name: this.name, word: "", line: 0 };
        const said = JSON.stringify(found);
        if (said !== this.pointed) { this.pointed = said; this.$emit("cursor", found); }
      }, 250);
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
    focus() { this.view.focus(); },
  },
};
