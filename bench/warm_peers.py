"""`entrepot run` beside preloaded, pytest-fast, pytest-hot-reloading and xf-cli: the second and later runs of each.

preloaded runs the script that imports pandas, scikit-learn and matplotlib.pyplot, inside one terminal (its server ends
with the terminal); the others run three tests on django and pandas: pytest-fast's client to its daemon, pytest with the
plugin to pytest-hot-reloading's daemon, and the line `pytest -q` typed into xf's shell until its result is shown (no bar:
that shell has imported everything itself, and forks).
`peer` is the time of the peer's run, and the ratio is entrepot / peer. Each peer is installed by the benchmark, in a venv
of its own that also sees the libraries; one that does not install or run is said so with its error.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from environments import get_python, site_of
from warm_bench import SCIENCE, TESTS, Bench, make_row

Row = dict[str, object]
MARK = "ENTREPOT_BENCH_PEER"  # in the environment of everything that a peer starts, so that it can be ended


def run(quick: bool) -> list[Row]:
    """Measure every peer."""
    times = 5 if quick else 7
    rows = []
    with Bench() as bench:
        bench.write("program.py", SCIENCE)
        bench.write("test_three.py", TESTS)
        bench.write("pytest.ini", "[pytest]\naddopts = -p no:cacheprovider\n")
        for name, (arguments, bar, measure) in PEERS.items():
            bench.env[MARK] = name
            try:
                python = make_peer(name)
                peer = measure(bench, python, times)
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                rows.append({"what": f"{name}: not measured: {error}", "ratio": None})
                continue
            finally:
                del bench.env[MARK]
                end_marked(name)
            bench.measure(bench.plain(arguments))
            bench.settle(arguments)  # after the peer, which may have written beside the libraries
            pairs = [(bench.measure(bench.warm(arguments)), seconds) for seconds in peer]
            rows.append(make_row(f"{name}: {' '.join(arguments)}", pairs, bar))
    return rows


def make_peer(name: str) -> str:
    """Return the interpreter of a venv that has a peer, and sees the libraries."""
    python = get_python((name,))
    (site_of(python) / "libraries.pth").write_text(f"{site_of(get_python())}\n")
    return python


def measure_preloaded(bench: Bench, python: str, times: int) -> list[float]:
    """Runs of the bundle inside one terminal."""
    bundle = str(bench.place / "bundle.bin")
    tool = str(Path(python).with_name("py-preloaded-bundle-fork-server.py"))
    modules = ["pandas", "sklearn.linear_model", "matplotlib.pyplot"]
    subprocess.run([python, tool, *modules, "-o", bundle], check=True, capture_output=True, cwd=bench.place)
    driver = "import subprocess, sys, time\nfor _ in range(int(sys.argv[1])):\n"
    driver += " t = time.perf_counter(); subprocess.run(sys.argv[2:], check=True)\n"
    driver += " print('@took', time.perf_counter() - t)\nprint('@end', flush=True)\ntime.sleep(60)\n"
    command = [sys.executable, "-c", driver, str(times + 1), python, bundle, "program.py"]
    with Typed(command, bench) as terminal:
        shown = terminal.wait_for("@end")
    took = [float(line.split()[1]) for line in shown.splitlines() if line.startswith("@took")]
    return took[1:]  # the first starts the server


def measure_pytest_fast(bench: Bench, python: str, times: int) -> list[float]:
    """Runs of the client; the first starts the daemon."""
    command = [
        str(Path(python).with_name("pytest-fast")),
        "--address",
        str(bench.place / "fast"),
        "--ttl",
        "60",
    ]
    return measure_commands(bench, [*command, "--workers", "1"], times)


def measure_hot_reloading(bench: Bench, python: str, times: int) -> list[float]:
    """Runs of pytest with the plugin; the first starts the daemon."""
    plugin = ["-p", "pytest_hot_reloading.plugin", "--daemon-port", "48527", "--daemon-start-if-needed"]
    return measure_commands(bench, [python, "-m", "pytest", "-q", *plugin], times)


def measure_commands(bench: Bench, command: list[str], times: int) -> list[float]:
    """Run a command once to start what it starts, then so many times."""
    bench.measure(command, quiet=True)
    return [bench.measure(command, quiet=True) for _ in range(times)]


def measure_xf(bench: Bench, python: str, times: int) -> list[float]:
    """Lines typed into the shell, until the result is shown."""
    took = []
    with Typed([str(Path(python).with_name("xf")), "pytest"], bench) as terminal:
        terminal.wait_for("In [")
        time.sleep(1)
        for number in range(times + 1):
            terminal.press(b"\x15")
            time.sleep(0.3)
            started = time.perf_counter()
            terminal.press(b"pytest -q\r")
            terminal.wait_for("passed")
            if number:
                took.append(time.perf_counter() - started)
            time.sleep(0.5)
    return took


class Typed:
    """A program in a terminal of its own, in the bench's folder and environment."""

    def __init__(self, command: list[str], bench: Bench) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(bench.place)
            os.execve(command[0], command, {**bench.env, "TERM": "xterm"})
        self.text = ""

    def __enter__(self) -> Typed:
        return self

    def __exit__(self, *error: object) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self.fd, keys)

    def wait_for(self, text: str, wait_s: float = 60) -> str:
        """Return what is shown up to a text."""
        end = time.monotonic() + wait_s
        while text not in self.text:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise RuntimeError(f"{text!r} was not shown: {self.text[-300:]!r}")
            try:
                self.text += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:
                raise RuntimeError(f"it ended: {self.text[-300:]!r}") from None
        shown, _, self.text = self.text.partition(text)
        return shown


def end_marked(name: str) -> None:
    """End the processes that a peer has left."""
    wanted = f"{MARK}={name}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)
        except OSError:
            continue


_PYTEST = ["-m", "pytest", "-q"]
# Peer -> (what entrepot runs, the largest ratio that is good enough, how the peer is measured).
PEERS: dict[str, tuple[list[str], float | None, Callable[[Bench, str, int], list[float]]]] = {
    "preloaded": (["program.py"], 1.0, measure_preloaded),
    "pytest-fast": (_PYTEST, 1.0, measure_pytest_fast),
    "pytest-hot-reloading": (_PYTEST, 1.0, measure_hot_reloading),
    "xf-cli": (_PYTEST, None, measure_xf),
}


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row, flush=True)
