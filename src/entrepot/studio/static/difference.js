// A unified diff as text, each line coloured by what it says. A long one is drawn as it comes into sight.
export default {
  template: `<div class="difference" tabindex="0" role="region" aria-label="Difference"><div v-for="file in files" class="diff-file">
      <div class="diff-name">{{ file.name }}<em v-if="file.note">{{ file.note }}</em></div>
      <pre><span v-for="line in file.lines.slice(0, most)" :class="line[0]">{{ line[1] + '\\n' }}</span></pre>
      <button v-if="file.lines.length > most" @click="most *= 10">{{ file.lines.length - most }} more lines</button></div></div>`,
  props: { text: { type: String, default: "" } },
  data: () => ({ most: 600 }),
  computed: {
    files() {
      const files = [];
      let file = null;
      const clean = (name) => name.replace(/^[ab]\//, "").replace(/\t.*$/, "");
      const lines = this.text.split("\n");
      for (let i = 0; i < lines.length; i++) {
        const line = lines[i];
        if (line.startsWith("--- ") && lines[i + 1]?.startsWith("+++ ")) {
          const a = line.slice(4), b = lines[++i].slice(4);
          file = { name: clean(b === "/dev/null" ? a : b), note: a === "/dev/null" ? "new" : b === "/dev/null" ? "removed" : "", lines: [] };
          files.push(file);
        } else if (file && line !== "") {
          file.lines.push([{ "+": "is-in", "-": "is-out", "@": "is-at" }[line[0]] || "is-same", line]);
        }
      }
      return files;
    },
  },
};
