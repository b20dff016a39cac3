"""`entrepot run` beside preloaded, pytest-fast, pytest-hot-reloading and xf-cli: the second and later runs of each.

preloaded runs the script that imports pandas, scikit-learn and matplotlib.pyplot, inside one terminal (its server ends
with the terminal); the others run three tests on django and pandas: pytest-fast's client to its daemon, pytest with the
plugin to pytest-hot-reloading's daemon, and the line `pytest -q` typed into xf's shell until its result is shown (no bar:
that shell has imported everything itself, and forks).
`peer` is the time of the peer's run, and the ratio is entrepot / peer; the two take turns. Each peer is installed by the
benchmark, in a venv of its own that also sees the libraries; one that does not install or run is said so with its error.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path

from environments import get_python, site_of
from warm_bench import SCIENCE, TESTS, Bench, make_row

Row = dict[str, object]
Peer = Generator[float, None, None]  # the seconds of its next run
MARK = "ENTREPOT_BENCH_PEER"  # in the environment of everything that a peer starts, so that it can be ended


def run(quick: bool) -> list[Row]:
    """Measure every peer."""
    times = 5 if quick else 9
    rows = []
    with Bench() as bench:
        bench.write("program.py", SCIENCE)
        bench.write("test_three.py", TESTS)
        bench.write("pytest.ini", "[pytest]\naddopts = -p no:cacheprovider\n")
        for name, (arguments, bar, measure) in PEERS.items():
            peer = None
            try:
                peer = measure(bench, make_peer(name))
                bench.env[MARK] = name
                next(peer)  # the first starts what it starts
                del bench.env[MARK]
                bench.measure(bench.plain(arguments))
                bench.settle(arguments)  # after the peer, which may have written beside the libraries
                pairs = [take_turns(bench, name, peer, arguments) for _ in range(times)]
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                rows.append({"what": f"{name}: not measured: {error}", "ratio": None})
                continue
            finally:
                bench.env.pop(MARK, None)
                if peer:
                    peer.close()
                end_marked(name)
            rows.append(make_row(f"{name}: {' '.join(arguments)}", pairs, bar))
    return rows


def take_turns(bench: Bench, name: str, peer: Peer, arguments: list[str]) -> tuple[float, float]:
    """Return the seconds of a run by entrepot and of one by the peer."""
    ours = bench.measure(bench.warm(arguments))
    bench.env[MARK] = name
    try:
        return ours, next(peer)
    finally:
        del bench.env[MARK]


def make_peer(name: str) -> str:
    """Return the interpreter of a venv that has a peer, and sees the libraries."""
    python = get_python((name,))
    (site_of(python) / "libraries.pth").write_text(f"{site_of(get_python())}\n")
    return python


def measure_preloaded(bench: Bench, python: str) -> Peer:
    """Runs of the bundle inside one terminal; the first starts the server."""
    bundle = str(bench.place / "bundle.bin")
    tool = str(Path(python).with_name("py-preloaded-bundle-fork-server.py"))
    modules = ["pandas", "sklearn.linear_model", "matplotlib.pyplot"]
    subprocess.run([python, tool, *modules, "-o", bundle], check=True, capture_output=True, cwd=bench.place)
    driver = "import subprocess, sys, time\nwhile True:\n"
    driver += " print('@ready', flush=True); input()\n"
    driver += " t = time.perf_counter(); subprocess.run(sys.argv[1:], check=True)\n"
    driver += " print('@took', time.perf_counter() - t, '@end', flush=True)\n"
    with Typed([sys.executable, "-c", driver, python, bundle, "program.py"], bench) as terminal:
        while True:
            terminal.wait_for("@ready")
            terminal.press(b"\r")
            terminal.wait_for("@took")
            yield float(terminal.wait_for("@end"))


def measure_pytest_fast(bench: Bench, python: str) -> Peer:
    """Runs of the client; the first starts the daemon."""
    client = str(Path(python).with_name("pytest-fast"))
    command = [client, "--address", str(bench.place / "fast"), "--ttl", "60", "--workers", "1"]
    while True:
        yield bench.measure(command, quiet=True)


def measure_hot_reloading(bench: Bench, python: str) -> Peer:
    """Runs of pytest with the plugin; the first starts the daemon."""
    plugin = ["-p", "pytest_hot_reloading.plugin", "--daemon-port", "48527", "--daemon-start-if-needed"]
    while True:
        yield bench.measure([python, "-m", "pytest", "-q", *plugin], quiet=True)


def measure_xf(bench: Bench, python: str) -> Peer:
    """Lines typed into the shell, until the result is shown."""
    with Typed([str(Path(python).with_name("xf")), "pytest"], bench) as terminal:
        terminal.wait_for("In [")
        time.sleep(1)
        while True:
            terminal.press(b"\x15")
            time.sleep(0.3)
            started = time.perf_counter()
            terminal.press(b"pytest -q\r")
            terminal.wait_for("passed")
            took = time.perf_counter() - started
            time.sleep(0.5)
            yield took


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
PEERS: dict[str, tuple[list[str], float | None, Callable[[Bench, str], Peer]]] = {
    "preloaded": (["program.py"], 1.0, measure_preloaded),
    "pytest-fast": (_PYTEST, 1.0, measure_pytest_fast),
    "pytest-hot-reloading": (_PYTEST, 1.0, measure_hot_reloading),
    "xf-cli": (_PYTEST, None, measure_xf),
}


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row, flush=True)
