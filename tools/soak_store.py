"""Use a warm store hard for some minutes, break what can be broken meanwhile, and count what went wrong.

    python tools/soak_store.py [--seconds 300] [--runs 1000000] [--seed N] [--output docs/reliability.md]

Eight workers run programs by `entrepot run`, each in a folder of its own; between the runs each changes an input of its
programs: edits a module (also with size and mtime kept), adds a module that shadows another, deletes it, sets a variable,
changes a data file. What a run must print follows from the inputs, so each result is checked. Meanwhile the store is
attacked: keeper, worker, preparing interpreter and runs are killed at random moments, files of the store are
damaged or deleted, images are forgotten, the memory that images may take is cut.

A *wrong result* is any other output or status than the inputs call for; a *hang* a run that did not end within 20
seconds; a *leak* a process or file of the store that is there after `entrepot warm stop`. The exit status is 1 if there is
any of these. The report is Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[1] / "src" / "entrepot" / "warm" / "_client"
WORKERS = 8
HANGS_AFTER_S = 20.0
ATTACK_EVERY_S = 0.5
LIBRARIES = (
    "json",
    "decimal",
    "argparse, csv",
    "email.message",
    "xml.dom.minidom",
    "unittest.mock, logging.config",
)
KILLED = -signal.SIGKILL


def main() -> int:
    """Soak, report, and return 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description="Use a warm store hard and report what went wrong.")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long (default 300)")
    parser.add_argument("--runs", type=int, default=1_000_000, help="at most so many runs")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--output", type=Path, default=None, help="write the report there too")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else random.randrange(10**6)
    soak = Soak(seed, args.seconds, args.runs)
    try:
        soak.run()
    finally:
        soak.close()
    report = make_report(soak, seed)
    print(report)
    if args.output:
        args.output.write_text(report, encoding="utf-8")
    return 1 if soak.wrong or soak.leaks else 0


class Soak:
    """The store, the workers, the attacker, and what was counted."""

    def __init__(self, seed: int, seconds: float, runs: int) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="entrepot-soak-"))
        self.store = Path(
            tempfile.mkdtemp(prefix="entrepot-soak-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        )
        self.seed, self.end, self.runs_left = seed, time.monotonic() + seconds, runs
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.leaks: list[str] = []
        self.largest_bytes = self.most_processes = 0
        self.seconds = 0.0
        self.lock = threading.Lock()

    def run(self) -> None:
        """Let workers and attacker work until the time is over."""
        started = time.monotonic()
        workers = [threading.Thread(target=Worker(self, number).work) for number in range(WORKERS)]
        for worker in workers:
            worker.start()
        chance = random.Random(self.seed)
        while any(worker.is_alive() for worker in workers):
            time.sleep(chance.uniform(0, 2 * ATTACK_EVERY_S))
            attack(self, chance)
            self.look()
        for worker in workers:
            worker.join()
        self.seconds = time.monotonic() - started

    def take_run(self) -> bool:
        """Say whether there is time for another run."""
        with self.lock:
            self.runs_left -= 1
            return self.runs_left >= 0 and time.monotonic() < self.end

    def count(self, what: str) -> None:
        """Count something."""
        with self.lock:
            self.counts[what] += 1

    def look(self) -> None:
        """Note how large the store is, and how many processes work for it."""
        size = 0
        for path in self.store.rglob("*"):
            try:
                size += path.lstat().st_blocks * 512
            except OSError:
                continue
        self.largest_bytes = max(self.largest_bytes, size)
        self.most_processes = max(self.most_processes, len(self.find_processes()))

    def find_processes(self) -> dict[int, str]:
        """Return the processes that have the store among their arguments or variables, with their arguments."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes()
                variables = (folder / "environ").read_bytes()
            except OSError:
                continue
            if os.fsencode(self.store) in command + variables:
                found[int(folder.name)] = command.replace(b"\0", b" ").decode(errors="replace")
        return found

    def get_env(self, **more: str) -> dict[str, str]:
        """Return the environment of runs."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "ENTREPOT_", "CI"))
        }
        return {**kept, "ENTREPOT_DIR": str(self.store), "ENTREPOT_WARM": "1", "ENTREPOT_LOG": "1", **more}

    def close(self) -> None:
        """End everything; what is left is a leak."""
        stop = [sys.executable, "-m", "entrepot", "warm", "stop"]
        subprocess.run(stop, env=self.get_env(), capture_output=True, check=False)
        end = time.monotonic() + 10
        while (left := self.find_processes()) and time.monotonic() < end:
            time.sleep(0.1)
        self.leaks += [f"process {pid}: {command[:150]}" for pid, command in left.items()]
        self.leaks += [f"file {path}" for path in self.store.rglob("*") if not path.is_dir()]
        for pid in left:
            kill(pid)
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.rmtree(self.place, ignore_errors=True)


class Worker:
    """A folder with a program whose output follows from its inputs; changes them and runs it."""

    def __init__(self, soak: Soak, number: int) -> None:
        self.soak = soak
        self.folder = soak.place / f"worker{number}"
        self.chance = random.Random(soak.seed * 100 + number)
        self.values = {"own": 1, "deep": 1, "data": 1}
        self.shadow = 0
        self.variable: int | None = None
        self.ahead = str(number % 2)  # the way in of large programs, and that of small ones
        (self.folder / "package").mkdir(parents=True)
        (self.folder / "package" / "__init__.py").write_text("from . import deep\n")
        for name in self.values:
            self.write(name)
        library = LIBRARIES[number % len(LIBRARIES)]
        (self.folder / "main.py").write_text(
            f"import {library}\nimport os, sys\nimport own, package\ntry:\n    import extra\nexcept ImportError:\n"
            "    extra = None\n"
            "print(own.VALUE, package.deep.VALUE, own.DATA, extra and extra.VALUE, own.VARIABLE, sys.argv[1])\n"
            "sys.exit(own.VALUE % 7)\n"
        )

    def work(self) -> None:
        """Run and change until the time is over."""
        try:
            while self.soak.take_run():
                for _ in range(self.chance.choice([0, 0, 0, 0, 0, 1, 1, 2])):
                    self.change()
                self.run_once()
        except Exception as error:
            self.soak.wrong.append(f"this tool failed: {error!r}")
            raise

    def run_once(self) -> None:
        """Run the program and check what it came to."""
        argument = str(self.chance.randrange(3))
        env = {} if self.variable is None else {"SOAKED": str(self.variable)}
        command = [str(CLIENT), "run", "--python", sys.executable, "main.py", argument]
        v = self.values
        expected = (
            f"{v['own']} {v['deep']} {v['data']} {self.shadow or None} {env.get('SOAKED')} {argument}\n"
        )
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.soak.get_env(**env, ENTREPOT_AHEAD=self.ahead),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",  # the line that says why a run is cold may quote a damaged file
        )
        killer = None
        if self.chance.random() < 0.04:
            killer = threading.Timer(self.chance.uniform(0, 0.06), process.kill)
            killer.start()
        try:
            out, err = process.communicate(timeout=HANGS_AFTER_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.soak.wrong.append(f"hang: {command} in {self.folder.name}")
            return
        if killer is not None:
            killer.cancel()
            killer.join()
        self.soak.count("runs")
        said = err.splitlines()[0] if err.startswith("entrepot: ") else ""
        if killer is not None and process.returncode == KILLED:
            self.soak.count("killed run")
            return
        self.soak.count(
            f"{said.removeprefix('entrepot: ').partition(':')[0].partition(' ')[0] or 'silent'} runs"
        )
        rest = err.removeprefix(said + "\n" if said else "")
        if (process.returncode, out, rest) != (v["own"] % 7, expected, ""):
            self.soak.wrong.append(
                f"{said}: {process.returncode} {out!r} {rest[-300:]!r} instead of {expected!r}"
            )

    def change(self) -> None:
        """Change one input."""
        what = self.chance.choice(["own", "deep", "data", "shadow", "variable", "same size and mtime"])
        self.soak.count(f"change: {what}")
        if what in self.values:
            self.values[what] = self.chance.randrange(1, 10_000)
            self.write(what)
        elif what == "shadow":
            self.shadow = 0 if self.shadow else self.chance.randrange(1, 1000)
            path = self.folder / "extra.py"
            path.write_text(f"VALUE = {self.shadow}\n") if self.shadow else path.unlink()
            # Bytecode of what it was a moment ago has the size and the second of what it is now.
            shutil.rmtree(self.folder / "__pycache__", ignore_errors=True)
        elif what == "variable":
            self.variable = self.chance.choice([None, self.chance.randrange(100)])
        else:
            path = self.folder / "own.py"
            st = path.stat()
            before = str(self.values["own"])
            self.values["own"] = int(str(self.values["own"])[:-1] + str(self.chance.randrange(1, 10)))
            if len(str(self.values["own"])) != len(before):
                raise AssertionError("the size is kept")
            self.write("own")
            os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
            # Python itself would not see such an edit if it had bytecode of the text before.
            shutil.rmtree(self.folder / "__pycache__", ignore_errors=True)

    def write(self, name: str) -> None:
        """Write a module or the data file, with the value that it has now."""
        value = self.values[name]
        if name == "data":
            (self.folder / "data.txt").write_text(str(value))
        elif name == "deep":
            (self.folder / "package" / "deep.py").write_text(f"VALUE = {value}\n")
            shutil.rmtree(self.folder / "package" / "__pycache__", ignore_errors=True)
        else:
            text = "import os\nVALUE = {}\nDATA = open(os.path.join(os.path.dirname(__file__), 'data.txt')).read()\n"
            (self.folder / "own.py").write_text(text.format(value) + "VARIABLE = os.environ.get('SOAKED')\n")
            shutil.rmtree(self.folder / "__pycache__", ignore_errors=True)


def attack(soak: Soak, chance: random.Random) -> None:
    """Break something."""
    attacks: list[Callable[[], str]] = [
        lambda: kill_one(soak, chance, "keeper.py", "killed keeper"),
        lambda: kill_one(soak, chance, "entrepot.warm.work", "killed worker"),
        lambda: kill_one(soak, chance, "main.py", "killed preparing interpreter or run"),
        lambda: damage(soak, chance),
        lambda: damage(soak, chance),
        lambda: forget(soak),
        lambda: cut_memory(soak, chance),
    ]
    weights = [3, 4, 0, 4, 4, 1, 1]
    done = chance.choices(attacks, weights)[0]()
    if done:
        soak.count(f"fault: {done}")


def kill_one(soak: Soak, chance: random.Random, wanted: str, name: str) -> str:
    """Kill a process that works for the store."""
    found = [pid for pid, command in soak.find_processes().items() if wanted in command]
    if not found:
        return ""
    kill(chance.choice(found))
    return name


def kill(pid: int) -> None:
    """Kill a process that may be gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def damage(soak: Soak, chance: random.Random) -> str:
    """Do something to a file of the store: cut it, delete it, put garbage in its place (a new file: images are mapped)."""
    endings = (".checks", ".files", ".record", ".plan", ".info", ".image", ".hits", ".last")
    paths = [path for path in soak.store.iterdir() if path.name.endswith(endings)]
    if not paths:
        return ""
    path, how = chance.choice(paths), chance.choice(["deleted", "garbage", "empty"])
    try:
        if how == "deleted":
            path.unlink()
        else:
            new = soak.store / "soaked"
            new.write_bytes(chance.randbytes(5000) if how == "garbage" else b"")
            new.chmod(0o600)
            new.rename(path)
    except OSError:
        return ""
    return f"{how} file of the store"


def forget(soak: Soak) -> str:
    """Forget every image."""
    command = [sys.executable, "-m", "entrepot", "warm", "forget"]
    subprocess.run(command, env=soak.get_env(), capture_output=True, timeout=HANGS_AFTER_S, check=False)
    return "everything forgotten"


def cut_memory(soak: Soak, chance: random.Random) -> str:
    """Replace the keeper by one that may keep little."""
    kill_one(soak, chance, "keeper.py", "")
    env = soak.get_env(ENTREPOT_MEMORY_MIB=str(chance.choice([1, 15, 40])))
    command = [sys.executable, "-I", "-m", "entrepot.warm.keeper", str(soak.store)]
    subprocess.Popen(
        ["setsid", "--fork", *command],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ).wait()
    return "memory for images cut"


def make_report(soak: Soak, seed: int) -> str:
    """Return the report as Markdown."""
    counts = soak.counts
    runs = counts["runs"]
    changes = sum(number for what, number in counts.items() if what.startswith("change: "))
    rows = [
        ("runs", f"{runs} ({runs / max(soak.seconds, 1):.0f} a second, {WORKERS} at a time)"),
        *(
            (what, str(counts[what]))
            for what in ("warm runs", "base runs", "cold runs", "killed run")
            if counts[what]
        ),
        ("inputs changed between runs", str(changes)),
        *(
            (what.removeprefix("fault: "), str(number))
            for what, number in sorted(counts.items())
            if what.startswith("fault: ")
        ),
        ("largest store", f"{soak.largest_bytes / 2**20:.0f} MiB"),
        ("most processes at a time, runs included", str(soak.most_processes)),
        ("**wrong results and hangs**", f"**{len(soak.wrong)}**"),
        ("**processes and files left after `warm stop`**", f"**{len(soak.leaks)}**"),
    ]
    lines = [
        "# Reliability",
        "",
        "<!-- Written by tools/soak_store.py (`make soak`); edits are lost. -->",
        "",
        f"`make soak` used a warm store for {soak.seconds:.0f} seconds as nobody would: eight programs run all the time,",
        "their inputs changed between the runs (modules edited, also with size and mtime kept; a module added that another",
        "import finds first; data files; variables), while keeper, workers and runs were killed, and files of the store",
        "damaged or deleted. What each run must print follows from its inputs, and was checked.",
        "",
        "| what | how many |",
        "| --- | --- |",
        *(f"| {what} | {number} |" for what, number in rows),
        "",
    ]
    if soak.wrong or soak.leaks:
        lines += [
            "What went wrong:",
            "",
            *(f"    {line}" for line in [*soak.wrong[:20], *soak.leaks[:20]]),
            "",
        ]
    machine = f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} {platform.machine()}"
    lines += [
        f"*{time.strftime('%Y-%m-%d', time.gmtime())}, {machine}, {os.cpu_count()} cores, seed {seed}*",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
