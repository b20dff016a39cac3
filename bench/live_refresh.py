"""Following an edit in a running program of 1,000 modules, beside a restart, jurigged and IPython autoreload.

The program is generated: a core module with a function and a constant, N dependants that take both with `from` and
compute a value from the constant at import, and other modules up to 1,000 that import each other; each has functions and
a class, 50 lines in all. Each tool runs it in a process of its own; an edit is written, then the tool's update is timed
as CPU time of that process (for a restart: of the new process), tools in turn, medians of the rounds. jurigged is told
which file changed; entrepot and IPython find out themselves. "wrong" beside a peer says that a dependant still gave
the old answer afterwards. The first edit of a process (what was put off at import is done then) has rows of its own. From save to applied is measured
with the real command, on the clock on the wall.
Peers are installed in a throw-away environment.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from environments import get_python

MODULES = 1000
SOURCE = Path(__file__).resolve().parents[1] / "src"
FILLER = "\n".join(
    f"def work_{i}(x, y={i}):\n    total = 0\n    for n in range(x):\n        total += n * y\n    return total\n"
    for i in range(7)
)
DRIVER = """
import gc, json, os, sys, time, tracemalloc
tool, root, count, kind = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
sys.dont_write_bytecode = True
sys.path.insert(0, root)
core = os.path.join(root, "core.py")
def now():
    return time.process_time()
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
if tool == "entrepot":
    sys.path.append(sys.argv[5])
    import entrepot.live as live
    live.start(paths=[root])
    refresh = live.refresh
elif tool == "jurigged":
    import jurigged
    from jurigged.register import registry
    watcher = jurigged.watch(root + "/*.py", autostart=False)
    refresh = lambda: watcher.refresh(core)
elif tool == "ipython":
    from IPython.core.interactiveshell import InteractiveShell
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "autoreload")
    shell.run_line_magic("autoreload", "2")
    reloader = shell.magics_manager.registry["AutoreloadMagics"]._reloader
    reloader.check(check_all=True)
    refresh = lambda: reloader.check(check_all=True)
else:
    refresh = lambda: None
gc.collect()
start, before = now(), memory()
import program
took, used = now() - start, memory() - before
if tool == "ipython":
    reloader.check(check_all=True)
answers = {"import": took, "memory": used}
if kind == "restart":
    print(json.dumps(answers)); sys.stdout.flush(); os._exit(0)
time.sleep(0.2)
refresh()
import dep_0
with open(core) as file:
    text = file.read()
edits, nothing, right = [], [], True
for number in range(int(sys.argv[6])):
    value = 100 + number
    old = "return 1 + " if kind == "body" else "RATE = "
    head, _, tail = text.partition(old)
    text = head + old + str(value) + "\\n" + tail.partition("\\n")[2]
    time.sleep(0.08)
    with open(core, "w") as file:
        file.write(text)
    start = now(); refresh(); edits.append(now() - start)
    got = dep_0.run() if kind == "body" else dep_0.DERIVED
    right = right and got == (1 + value if kind == "body" else value * 2)
    time.sleep(0.08)
    start = now(); refresh(); nothing.append(now() - start)
    start = now(); refresh(); nothing[-1] = now() - start
answers.update(edits=edits, nothing=nothing, right=right)
print("\\n" + json.dumps(answers)); sys.stdout.flush(); os._exit(0)
"""


def make_program(root: Path, dependants: int) -> None:
    """Write the modules."""
    root.mkdir()
    (root / "core.py").write_text("RATE = 5\ndef compute():\n    return 1 + 2\n" + FILLER)
    names = ["core"]
    for i in range(dependants):
        names.append(f"dep_{i}")
        (root / f"dep_{i}.py").write_text(
            f"from core import RATE, compute\nDERIVED = RATE * 2\ndef run():\n    return compute()\n{FILLER}"
        )
    for i in range(MODULES - dependants - 1):
        names.append(f"other_{i}")
        above = f"import other_{i // 2}\n" if i else ""
        (root / f"other_{i}.py").write_text(
            f"{above}LIMIT = {i}\nclass Thing:\n    size = LIMIT\n    def grow(self):\n        return self.size + LIMIT\n{FILLER}"
        )
    (root / "program.py").write_text("".join(f"import {name}\n" for name in names))


def _ask(python: str, tool: str, root: Path, count: int, kind: str, rounds: int) -> dict[str, Any]:
    command = [python, "-c", DRIVER, tool, str(root), str(count), kind, str(SOURCE), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise RuntimeError(f"{tool}: {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def run(quick: bool) -> list[dict[str, object]]:
    """Return the rows; `quick` takes fewer rounds and no peers but the restart."""
    folder = Path(tempfile.mkdtemp(prefix="entrepot-bench-"))
    try:
        # As an installed package is: its own bytecode is there.
        subprocess.run(
            [sys.executable, "-m", "compileall", "-q", str(SOURCE / "entrepot" / "live")], check=True
        )
        python = sys.executable if quick else get_python(("jurigged==0.6.1", "ipython==9.18.1"))
        rounds = 3 if quick else 9
        rows: list[dict[str, object]] = []
        for kind, count, bar in (("body", 1, 15), ("body", 10, 15), ("body", 100, 15), ("constant", 100, 60)):
            root = folder / f"{kind}{count}"
            make_program(root, count)
            rows += _edit_rows(python, root, kind, count, bar, rounds, quick=quick)
        rows += _watch_rows(folder / "body100", rounds)
        rows += _import_rows(python, folder / "body100", 3 if quick else 7)
        return rows
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _edit_rows(
    python: str, root: Path, kind: str, count: int, bar: int, rounds: int, *, quick: bool
) -> list[dict[str, object]]:
    rows = []
    original = (root / "core.py").read_text()
    answers, firsts = {}, []
    for _ in range(1 if quick else 4):  # an edit is the first of its process once only
        again = _ask(python, "entrepot", root, count, kind, 1)
        firsts.append(float(again["edits"][0]))
        (root / "core.py").write_text(original)
    for tool in ("entrepot", *(() if quick else ("jurigged", "ipython"))):
        answers[tool] = _ask(python, tool, root, count, kind, rounds)
        (root / "core.py").write_text(original)
    restart = statistics.median(
        float(str(_ask(python, "plain", root, count, "restart", 1)["import"])) for _ in range(3)
    )
    ours = answers["entrepot"]
    firsts.append(float(ours["edits"][0]))
    if not ours["right"]:
        raise RuntimeError(f"entrepot did not follow the edit of a {kind}")
    what = f"{kind} edited, {count} dependants"
    edits = [float(t) for t in ours["edits"][1:]]
    rows.append(_limit_row(f"{what}, first of a process", firsts, bar))
    rows.append(_limit_row(what, edits, bar))
    rows.append(_row(f"{what}, restart", edits, restart, 1))
    for tool in answers.keys() - {"entrepot"}:
        theirs = statistics.median(answers[tool]["edits"][1:])
        wrong = "" if answers[tool]["right"] else " (wrong)"
        rows.append(_row(f"{what}, {tool}{wrong}", edits, theirs))
    if kind == "body" and count == 100:
        nothing = [float(t) for t in ours["nothing"]]
        peer = statistics.median(answers["ipython"]["nothing"]) if "ipython" in answers else restart
        rows.append(_limit_row("nothing changed", nothing, 8))
        rows.append(
            _row(f"nothing changed, {'ipython' if 'ipython' in answers else 'restart'}", nothing, peer)
        )
    return rows


WATCHED = """
import program, core, time
def main():
    print("ready", flush=True)
    seen = core.compute()
    while True:
        if core.compute() != seen:
            seen = core.compute()
            print(time.monotonic_ns(), flush=True)
        time.sleep(0.0005)
main()
"""


def _watch_rows(root: Path, rounds: int) -> list[dict[str, object]]:
    """From the moment a save has been written to the moment the running program does the new thing, as the clock on the
    wall shows it; the peer is a restart, from the start of the process to its first answer."""
    (root / "watched.py").write_text(WATCHED)
    core = root / "core.py"
    text = core.read_text()
    command = [sys.executable, "-m", "entrepot", "watch", str(root / "watched.py")]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    waits, restarts = [], []
    said = root / "watch.stderr"
    with said.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    try:
        _read_line(process, said)
        for number in range(rounds + 1):
            time.sleep(0.6)
            edited = text.replace("return 1 + 2", f"return 1 + {50 + number}")
            core.write_text(edited)
            written = time.monotonic_ns()
            waits.append((int(_read_line(process, said)) - written) / 1e9)
    finally:
        process.kill()
        process.communicate()
        core.write_text(text)
    for _ in range(3):
        start = time.monotonic()
        again = subprocess.Popen(
            [sys.executable, str(root / "watched.py")], stdout=subprocess.PIPE, text=True
        )
        assert again.stdout is not None
        again.stdout.readline()
        restarts.append(time.monotonic() - start)
        again.kill()
        again.communicate()
    what = "from save to applied under watch"
    return [
        _limit_row(what, waits[1:], 100),
        _row(f"{what}, restart", waits[1:], statistics.median(restarts), 1),
    ]


def _read_line(process: subprocess.Popen[str], said: Path) -> str:
    """Return the next line of a program that runs; raises RuntimeError with what it said when it has ended."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the watched program ended ({process.wait()}):\n{said.read_text()[-4000:]}")
    return line


def _limit_row(what: str, ours: list[float], limit_ms: float) -> dict[str, object]:
    """A row for a limit that was set in milliseconds: the ratio is that of the limit."""
    row = _row(f"{what}: of the {limit_ms:g} ms allowed", ours, limit_ms / 1000, 1)
    return {**row, "peer": f"{limit_ms:g} ms allowed"}


def _row(what: str, ours: list[float], theirs: float, bar: float | None = None) -> dict[str, object]:
    mine = statistics.median(ours)
    return {
        "what": what,
        "entrepot": f"{mine * 1000:.1f} ms",
        "peer": f"{theirs * 1000:.1f} ms",
        "ratio": round(mine / theirs, 3),
        "spread": f"{min(ours) * 1000:.1f}-{max(ours) * 1000:.1f} ms, {len(ours)} edits",
        "bar": bar,
    }


def _import_rows(python: str, root: Path, pairs: int) -> list[dict[str, object]]:
    """What following costs while the program is imported: compiled on the way, and with bytecode present (as the second time)."""
    rows = []
    for bytecode in ("without bytecode", "with bytecode"):
        shutil.rmtree(root / "__pycache__", ignore_errors=True)
        if bytecode == "with bytecode":
            subprocess.run([python, "-m", "compileall", "-q", str(root)], check=True)
        times, sizes = [], []
        for _ in range(pairs):
            ours = _ask(python, "entrepot", root, 1, "restart", 1)
            plain = _ask(python, "plain", root, 1, "restart", 1)
            times.append((float(ours["import"]), float(plain["import"])))
            sizes.append((float(ours["memory"]), float(plain["memory"])))
        rows.append(_pair_row(f"import of 1,000 modules {bytecode}, plain", times, "ms", 1000.0))
        rows.append(_pair_row(f"memory of 1,000 modules {bytecode}, plain", sizes, "MB", 1e-6))
    return rows


def _pair_row(what: str, found: list[tuple[float, float]], unit: str, scale: float) -> dict[str, object]:
    ratios = [mine / other for mine, other in found]
    return {
        "what": what,
        "entrepot": f"{statistics.median(m for m, _ in found) * scale:.1f} {unit}",
        "peer": f"{statistics.median(o for _, o in found) * scale:.1f} {unit}",
        "ratio": round(statistics.median(ratios), 3),
        "spread": f"{min(ratios):.3f}-{max(ratios):.3f}, {len(ratios)} pairs",
        "bar": 1.15,
    }


if __name__ == "__main__":
    for result in run("--quick" in sys.argv):
        print(result)
