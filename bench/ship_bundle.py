"""`entrepot bundle` beside zipapp, shiv and pex (both of its layouts): the same programs as one file each.

Programs: 300 own modules (400 lines each way, dataclasses among them); a small script with requests, rich and click; one
with numpy. Size is the file's; a bundle and pex carry bytecode beside the sources, zipapp and shiv do not. A first start
has empty stores (SHIV_ROOT, PEX_ROOT, ENTREPOT_BUNDLES), a later one does not; both are CPU time of the whole process
with its children, tools in turn, medians. zipapp has no store, and cannot carry numpy. "plain" is no peer: the same
program from folders, with bytecode; nothing can start much faster.
The last rows run one program of checks in each: what works with it. "breaks" lists the peers in which the check fails.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import environments

PEERS = ("zipapp", "shiv", "pex", "pex --venv")
LIBRARIES = {"own": [], "pure": ["requests", "rich", "click"], "compiled": ["numpy"], "checks": ["rich"]}
MODULE = '''"""Part NUMBER."""
from dataclasses import dataclass
import re
import shop.part_OTHER
CODE = re.compile("a+NUMBER")

@dataclass(frozen=True)
class Line:
    article: str
    price: float
    count: int = 1
    def total(self):
        return self.price * self.count

''' + "\n".join(
    f"def work_{i}(x, y={i}):\n    total = 0\n    for n in range(x):\n        total += n * y\n    return total\n"
    for i in range(20)
)
MAINS = {
    "pure": "import requests, rich.console, click\ndef main():\n    print(requests.__version__)\n",
    "compiled": "import numpy\ndef main():\n    print(numpy.arange(3).sum())\n",
}
CHECKS = """
import inspect, json, multiprocessing, pickle, pkgutil, sys, threading, traceback, warnings
from importlib import metadata, resources
import things
import things.work

def local(x):
    return x + 1

class Local:
    pass

def check_resources():
    return resources.files("things").joinpath("data.txt").read_text() == "data"
def check_pkgutil_data():
    return pkgutil.get_data("things", "data.txt") == b"data"
def check_iter_modules():
    return [m.name for m in pkgutil.iter_modules(things.__path__)] == ["work"]
def check_open_by_file():
    return things.read_by_file() == "data"
def check_folder_without_init():
    return resources.files("plain").joinpath("text.txt").read_text() == "text"
def check_inspect():
    return "return x * x" in inspect.getsource(things.work.square) and "x + 1" in inspect.getsource(local)
def check_traceback():
    try:
        things.work.fail()
    except ValueError:
        return "# this line" in traceback.format_exc()
def check_pickle():
    return all(type(pickle.loads(pickle.dumps(x()))) is x for x in (Local, things.work.Item))
def check_spawn():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(things.work.square, [3]) == [9]
def check_spawn_own_function():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map_async(local, [3]).get(20) == [4]
def check_metadata():
    return metadata.version("rich")[0].isdigit() and len(metadata.files("rich")) > 5
def check_entry_points():
    return any(e.name == "pygmentize" for e in metadata.entry_points(group="console_scripts"))

if __name__ == "__main__" or __name__ == "app":
    def main():
        if sys.argv[1] == "fail":
            things.work.fail()
        if sys.argv[1] == "thread":
            thread = threading.Thread(target=things.work.fail)
            thread.start()
            thread.join()
            return
        print(json.dumps(bool(globals()["check_" + sys.argv[1]]())))
    if __name__ == "__main__":
        main()
"""
CHECKED = ("zipapp", "shiv", "pex --venv")
FIRST_STARTS = 2
# Own modules are many alike, which a bundle packs together; elsewhere the bytecode weighs.
SIZE_BARS = {("own", "zipapp"): 1.0, ("own", "shiv"): 1.0, ("compiled", "shiv"): 1.05}
# Where a byte is altered, as a part of the file.
ALTERED = (0.2, 0.5, 0.8)
NAMES = [
    line.split("_", 1)[1].partition("(")[0] for line in CHECKS.splitlines() if line.startswith("def check_")
]


def make_programs(root: Path) -> None:
    """Write the programs: each a folder with `app.py`, whose `main` runs it."""
    for name, text in MAINS.items():
        (root / name).mkdir(parents=True)
        (root / name / "app.py").write_text(text + "if __name__ == '__main__':\n    main()\n")
    shop = root / "own" / "shop"
    shop.mkdir(parents=True)
    (shop / "__init__.py").write_text("")
    for number in range(300):
        other = number // 2 if number else 299
        text = MODULE.replace("NUMBER", str(number)).replace("OTHER", str(other))
        (shop / f"part_{number}.py").write_text(text)
    imports = "".join(f"import shop.part_{number}\n" for number in range(300))
    (root / "own" / "app.py").write_text(
        f"{imports}def main():\n    print(1)\nif __name__ == '__main__':\n    main()\n"
    )
    things = root / "checks" / "things"
    things.mkdir(parents=True)
    (root / "checks" / "app.py").write_text(CHECKS + "import rich, plain.part\n")
    (things / "__init__.py").write_text(
        "import os\ndef read_by_file():\n    with open(os.path.join(os.path.dirname(__file__), 'data.txt')) as file:\n"
        "        return file.read()\n"
    )
    (things / "data.txt").write_text("data")
    (things / "work.py").write_text(
        "def square(x):\n    return x * x\ndef fail():\n    raise ValueError('no')  # this line\nclass Item:\n    pass\n"
    )
    (root / "checks" / "plain").mkdir()
    (root / "checks" / "plain" / "text.txt").write_text("text")
    (root / "checks" / "plain" / "part.py").write_text("")


class Maker:
    """Makes a program's file with each tool."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder = folder
        self.python = python

    def make(self, tool: str, program: str) -> Path | None:
        """Return the file; None where the tool cannot make one that could run."""
        out = self.folder / f"{program}-{tool.replace(' ', '')}.pyz"
        libraries = LIBRARIES[program]
        source = self.folder / program
        if tool == "entrepot":
            site = ["--include", "all"] if libraries else []
            words = [
                "-m",
                "entrepot",
                "bundle",
                str(source / "app.py"),
                "-o",
                str(out),
                *site,
                "--environment",
                self.python,
            ]
        elif tool == "zipapp":
            if program == "compiled":
                return None
            words = ["-m", "zipapp", str(self._stage(program)), "-m", "app:main", "-c", "-o", str(out)]
        elif tool == "shiv":
            words = ["-m", "shiv", "--site-packages", str(self._stage(program)), "-e", "app:main", "--compressed",
                     "-p", self.python, "-o", str(out)]  # fmt: skip
        elif tool == "plain":
            return self._stage(program) / "app.py"
        else:
            # One file for both layouts: PEX_VENV says which it is.
            out = self.folder / f"{program}-pex.pyz"
            if out.exists():
                return out
            words = ["-m", "pex", "-D", str(source), "-e", "app:main", *libraries, "-o", str(out), "--venv"]
            words += ["--pex-root", str(self.folder / "pex-root")]
        env = environments.make_variables(**({} if tool == "entrepot" else {"PYTHONPATH": ""}))
        done = subprocess.run([self.python, *words], capture_output=True, text=True, env=env, check=False)
        if done.returncode:
            raise RuntimeError(f"{tool}: {done.stderr[-1500:]}")
        return out

    def _stage(self, program: str) -> Path:
        """Return a folder with the program and its libraries, as `pip install --target` lays them out."""
        stage = self.folder / f"{program}-stage"
        if not stage.exists():
            shutil.copytree(self.folder / program, stage)
            if LIBRARIES[program]:
                words = [
                    "-m",
                    "pip",
                    "install",
                    "-q",
                    "--no-compile",
                    "--target",
                    str(stage),
                    *LIBRARIES[program],
                ]
                subprocess.run([self.python, *words], check=True, capture_output=True)
        return stage


def measure(tool: str, python: str, file: Path, store: Path, *arguments: str) -> tuple[float, int, str]:
    """Run a file; return CPU seconds with children, the exit status, and what it printed."""
    env = environments.make_variables(HOME=str(store), PEX_VENV="1" if "--venv" in tool else "0")
    del env["PYTHONPATH"]
    env.update({name: str(store / name) for name in ("SHIV_ROOT", "PEX_ROOT", "ENTREPOT_BUNDLES")})
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [python, str(file), *arguments],
        capture_output=True,
        text=True,
        env=env,
        cwd=store,
        timeout=120,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return took, done.returncode, done.stdout + done.stderr


def run(quick: bool) -> list[dict[str, object]]:
    """Return the rows; `quick` takes fewer rounds and leaves numpy out."""
    folder = Path(tempfile.mkdtemp(prefix="entrepot-bench-"))
    try:
        python = environments.get_python(("shiv", "pex", "requests", "rich", "click", "numpy"))
        make_programs(folder)
        maker = Maker(folder, python)
        rows: list[dict[str, object]] = []
        for program in ("own", "pure") if quick else ("own", "pure", "compiled"):
            rows += _compare(maker, program, 2 if quick else 5)
        return rows + _check(maker)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compare(maker: Maker, program: str, rounds: int) -> list[dict[str, object]]:
    """Size, first start and later start of one program."""
    files = {tool: maker.make(tool, program) for tool in ("entrepot", *PEERS, "plain")}
    there = {tool: path for tool, path in files.items() if path is not None}
    first: dict[str, list[float]] = {tool: [] for tool in there}
    later: dict[str, list[float]] = {tool: [] for tool in there}
    for number in range(rounds):
        for tool, path in there.items():
            if tool == "pex" and number >= FIRST_STARTS:
                continue  # its other layout is the faster one
            store = maker.folder / f"store-{program}-{tool.replace(' ', '')}"
            # First starts take most of the time, and differ by much more than they vary.
            if number < FIRST_STARTS:
                shutil.rmtree(store, ignore_errors=True)
                store.mkdir()
            for into in (first, later) if number < FIRST_STARTS else (later,):
                took, status, shown = measure(tool, maker.python, path, store)
                if status:
                    raise RuntimeError(f"{tool} {program}: {shown[-1500:]}")
                into[tool].append(took)
    rows: list[dict[str, object]] = []
    for peer in (*PEERS, "plain"):
        if peer not in there:
            continue
        own_size, size = there["entrepot"].stat().st_size, there[peer].stat().st_size
        if peer != "plain":
            rows.append({
            "what": f"{program}: size, {peer}", "entrepot": f"{own_size / 1e6:.2f} MB", "peer": f"{size / 1e6:.2f} MB",
            "ratio": own_size / size, "spread": "", "bar": SIZE_BARS.get((program, peer)),
        })  # fmt: skip
        bars = (("first start", first, 0.8), ("later start", later, 1.0))
        for what, times, bar in bars if peer != "plain" else (("later start", later, None),):
            ratios = sorted(a / b for a, b in zip(times["entrepot"], times[peer], strict=False))
            rows.append({
                "what": f"{program}: {what}, {peer}",
                "entrepot": f"{statistics.median(times['entrepot']) * 1000:.0f} ms",
                "peer": f"{statistics.median(times[peer]) * 1000:.0f} ms",
                "ratio": statistics.median(ratios),
                "spread": f"{ratios[0]:.2f}-{ratios[-1]:.2f}, {len(ratios)} pairs",
                "bar": bar,
            })  # fmt: skip
    return rows


def _check(maker: Maker) -> list[dict[str, object]]:
    """What works in which."""
    answers: dict[str, dict[str, bool]] = {}
    refused: dict[str, int] = {}
    for tool in ("entrepot", *CHECKED):
        path = maker.make(tool, "checks")
        assert path is not None
        store = maker.folder / f"store-checks-{tool.replace(' ', '')}"
        store.mkdir()
        found = {}
        for name in NAMES:
            try:
                _, status, shown = measure(tool, maker.python, path, store, name)
                found[name] = status == 0 and shown.splitlines()[-1:] == ["true"]
            except subprocess.TimeoutExpired:
                found[name] = False  # a pool whose workers die as they start waits for ever
        lines: dict[str, Callable[[str], bool]] = {
            "last_traceback_has_sources": lambda shown: "# this line" in shown,
            "last_traceback_is_the_programs": lambda shown: shown.count("File ") <= 3 and "app.py" in shown,
        }
        shown = measure(tool, maker.python, path, store, "fail")[2]
        found.update({name: test(shown) for name, test in lines.items()})
        found["threads_traceback_has_sources"] = (
            "# this line" in measure(tool, maker.python, path, store, "thread")[2]
        )
        refused[tool] = _count_refused(maker, tool, path)
        answers[tool] = found
    rows: list[dict[str, object]] = []
    for name in answers["entrepot"]:
        breaks = [peer for peer in CHECKED if not answers[peer][name]]
        rows.append({
            "what": f"check: {name.replace('_', ' ')}",
            "entrepot": "works" if answers["entrepot"][name] else "breaks",
            "peer": f"breaks: {', '.join(breaks)}" if breaks else "all work",
            "ratio": None, "spread": "", "bar": None,
        })  # fmt: skip
    rows.append({
        "what": f"check: refused to run with one byte altered, of {len(ALTERED)} files",
        "entrepot": str(refused["entrepot"]),
        "peer": ", ".join(f"{peer} {refused[peer]}" for peer in CHECKED),
        "ratio": None, "spread": "", "bar": None,
    })  # fmt: skip
    return rows


def _count_refused(maker: Maker, tool: str, path: Path) -> int:
    """Return how many of some alterations keep the program from running."""
    whole, count = path.read_bytes(), 0
    for number, part in enumerate(ALTERED):
        altered = bytearray(whole)
        altered[int(len(whole) * part)] ^= 1
        path.write_bytes(altered)
        store = maker.folder / f"store-altered-{number}-{tool.replace(' ', '')}"
        store.mkdir()
        count += measure(tool, maker.python, path, store, "pickle")[1] != 0
    path.write_bytes(whole)
    return count


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=1))
