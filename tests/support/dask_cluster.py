"""A Dask scheduler and workers as separate commands, each in a folder of its own, perhaps on a "host" of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from both_ways import Outcome, make_environment

CROWD = """
import asyncio, sys
from distributed import Worker

async def main():
    workers = [Worker(sys.argv[1], nthreads=1, dashboard=False, memory_limit=0) for _ in range(int(sys.argv[2]))]
    await asyncio.gather(*workers)
    await asyncio.gather(*(worker.finished() for worker in workers))

asyncio.run(main())
"""

# What each client's script begins with. `on_all(client, f)` asks every worker, `edit` writes a module.
HEAD = """
import contextlib, json, os, random, signal, sys, textwrap, time, warnings
from distributed import Client, LocalCluster
from entrepot.ship.dask import Modules

def tell(value):
    print(json.dumps(value), flush=True)

def edit(name, text):
    with open(name, "w") as file:
        file.write(textwrap.dedent(text))

def on_all(client, function, *arguments):
    return sorted(set(map(json.dumps, client.run(function, *arguments).values())))

def answer():
    import calc
    return calc.RATE

@contextlib.contextmanager
def connect(count):
    with Client(sys.argv[1]) as client:
        client.wait_for_workers(count)
        yield client

@contextlib.contextmanager
def local(count, processes=True):
    with LocalCluster(n_workers=count, processes=processes, dashboard_address=None) as cluster, Client(cluster) as client:
        yield client
"""
CALC = "RATE = 2\ndef times(x):\n    return x * RATE\n"
PROGRAM = {"main.py": "import calc\n", "calc.py": CALC}


@dataclass
class Cluster:
    """Processes in folders below `folder`.

    python: what scheduler and workers run on; the client has the tests'. hosts: network namespaces as (name, address),
    the scheduler's first.
    """

    folder: Path
    python: str = sys.executable
    hosts: Sequence[tuple[str, str]] = ()
    address: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_scheduler(self, port: str = "0") -> str:
        """Start it and return its address."""
        file = self.folder / f"scheduler-{port}.json"
        host = self.hosts[0][1] if self.hosts else "127.0.0.1"
        arguments = ["--host", host, "--port", port, "--no-dashboard", "--scheduler-file", str(file)]
        self._start("scheduler", ["-m", "distributed.cli.dask_scheduler", *arguments], 0)
        self.address = json.loads(self._wait_for(file))["address"]
        return self.address

    def _wait_for(self, file: Path) -> str:
        end = time.monotonic() + 40
        while time.monotonic() < end:
            if file.exists() and file.read_text().strip():
                return file.read_text()
            time.sleep(0.05)
        raise TimeoutError(f"{file}\n{self.read_log('scheduler')}")

    def start_worker(
        self, name: str, *, host: int = 0, python: str | None = None, nanny: bool = False, count: int = 1,
        env: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Start a worker command (with `count` workers in processes of their own)."""
        arguments = [
            self.address,
            "--name",
            name,
            "--nthreads",
            "1",
            "--no-dashboard",
            "--nworkers",
            str(count),
        ]
        arguments += ["--nanny" if nanny or count > 1 else "--no-nanny", "--memory-limit", "0"]
        arguments += ["--local-directory", str(self.folder / name), "--death-timeout", "40"]
        if self.hosts:
            arguments += ["--host", self.hosts[host][1]]
        self._start(name, ["-m", "distributed.cli.dask_worker", *arguments], host, python, env)

    def start_crowd(self, name: str, count: int) -> None:
        """Start many workers in one process."""
        self._start(name, ["-c", CROWD, self.address, str(count)], 0)

    def _start(
        self,
        name: str,
        module: list[str],
        host: int,
        python: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        where = self.folder / name
        where.mkdir(mode=0o700, exist_ok=True)
        with open(where / "log", "wb") as log:
            self.processes[name] = subprocess.Popen(
                [*self._on_host(host), python or self.python, *module],
                cwd=where, env=self._make_environment(name, env), stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _on_host(self, host: int) -> list[str]:
        return ["ip", "netns", "exec", self.hosts[host][0]] if self.hosts else []

    def _make_environment(self, name: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
        # A home for each: what one was sent does not help another.
        return make_environment({
            "HOME": str(self.folder / name), "TMPDIR": str(self.folder), "XDG_CACHE_HOME": None, "PYTHONPATH": None,
            "ENTREPOT_MODULES": str(self.folder / f"{name}.store"), "OPENBLAS_NUM_THREADS": "1", **(more or {}),
        })  # fmt: skip

    def run_client(self, script: Path, *arguments: str, host: int = 0, timeout_s: float = 90) -> Outcome:
        """Run a client's script, which gets the scheduler's address as its first argument."""
        with self.start_client(script, *arguments, host=host) as client:
            return client.finish(timeout_s)

    def start_client(self, script: Path, *arguments: str, host: int = 0) -> RunningClient:
        """Start a client's script, to do something to the cluster meanwhile."""
        return RunningClient(subprocess.Popen(
            [*self._on_host(host), sys.executable, script.name, self.address, *arguments],
            cwd=script.parent, env=self._make_environment("client"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ))  # fmt: skip

    def kill(self, name: str) -> None:
        """End a process as a lost machine does."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait(20)

    def read_log(self, name: str) -> str:
        """Return what a process printed."""
        return (self.folder / name / "log").read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """End all of them, with what they started."""
        for process in reversed(self.processes.values()):
            try:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(10)
            except ProcessLookupError:
                pass
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


@dataclass
class RunningClient:
    """A client's script that runs; it is killed where its block is left."""

    process: subprocess.Popen[bytes]

    def __enter__(self) -> RunningClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)

    def wait_until(self, is_so: Callable[[], bool], timeout_s: float = 60) -> None:
        """Wait for what the script brings about."""
        end = time.monotonic() + timeout_s
        while not is_so():
            assert self.process.poll() is None, self.finish().text
            assert time.monotonic() < end
            time.sleep(0.05)

    def finish(self, timeout_s: float = 90) -> Outcome:
        """Wait for its end."""
        out, err = self.process.communicate(timeout=timeout_s)
        return Outcome(self.process.returncode, out, err)


def make_bare_environment(folder: Path) -> str:
    """Make a virtual environment with all that the tests' own has but entrepot; return its Python."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    for item in Path(sysconfig.get_path("purelib")).iterdir():
        if "entrepot" not in item.name and item.suffix != ".pth":
            (site / item.name).symlink_to(item)
    return str(folder / "bin" / "python")


def read_told(outcome: Outcome) -> list[object]:
    """Return what a client's script told."""
    assert outcome.status == 0, outcome.text
    return [json.loads(line) for line in outcome.out.decode().splitlines()]
