"""`entrepot.ship.dask.Modules` beside distributed's `upload_file` and `UploadDirectory`: a package of 1,000 modules.

A cluster of four worker processes for each, in turn. First the package is sent, until every worker has answered from
it; then one function in one module is edited (two others took it by name), and it is sent again. Time is wall time
until the call returns; bytes are what client and scheduler wrote to their sockets meanwhile. "right" counts the workers
that answered as the edited source says; "kept" those whose modules still have the state that they had (a counter).
upload_file sends a zip file of the package. UploadDirectory comes as it is, and with restart_workers. Time after an
edit has a bar beside peers whose workers are right then; time of the first sending beside those that unpack the files, as
we do (upload_file leaves workers with a zip file that no edit reaches).
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from environments import note_versions

SOURCE = Path(__file__).resolve().parents[1] / "src"
TOOLS = ("entrepot", "upload_file", "UploadDirectory", "UploadDirectory(restart_workers)")
WORKERS = 4
DRIVER = """
import json, os, shutil, sys, time
from pathlib import Path
from distributed import Client, LocalCluster
from distributed.comm import tcp
from distributed.diagnostics.plugin import UploadDirectory

written = 0
plain_write = tcp.TCP.write

async def write(self, *arguments, **more):
    global written
    count = await plain_write(self, *arguments, **more)
    written += count or 0
    return count

tcp.TCP.write = write

def ask():
    import many.api
    return many.api.answer()

def count():
    import many.state
    many.state.COUNT += 1
    return many.state.COUNT

def answers(client, function):
    found = client.run(function, on_error="return")
    return [value for value in found.values() if isinstance(value, int)]

def main():
    tool, package = sys.argv[1], Path(sys.argv[2])
    with LocalCluster(n_workers=4, processes=True, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            if tool == "entrepot":
                from entrepot.ship.dask import Modules
            def send(again):
                if tool == "entrepot":
                    if again:
                        assert modules.refresh().ok
                    else:
                        client.register_plugin(modules)
                elif tool == "upload_file":
                    client.upload_file(shutil.make_archive(str(package), "zip", package.parent, package.name))
                else:
                    restart = "restart" in tool
                    plugin = UploadDirectory(str(package), update_path=True, restart_workers=restart)
                    client.register_plugin(plugin)
                    if restart:
                        client.wait_for_workers(4)
            result = {}
            began, before = time.perf_counter(), written
            if tool == "entrepot":
                modules = Modules(package.parent / "main.py")
            send(False)
            first = answers(client, ask)
            result["send_s"], result["send_bytes"] = time.perf_counter() - began, written - before
            assert first == [1] * 4, first
            answers(client, count)
            part = package / "part_7.py"
            part.write_text(part.read_text().replace("return 1", "return 2"))
            time.sleep(0.3)
            began, before = time.perf_counter(), written
            send(True)
            result["edit_s"], result["edit_bytes"] = time.perf_counter() - began, written - before
            result["right"] = answers(client, ask).count(2)
            result["kept"] = answers(client, count).count(2)
            print(json.dumps(result))

if __name__ == "__main__":
    main()
"""


def make_package(folder: Path) -> Path:
    """Write the package."""
    package = folder / "many"
    package.mkdir(parents=True)
    (folder / "main.py").write_text("import many.api, many.state\n")
    (package / "__init__.py").write_text("")
    (package / "state.py").write_text("COUNT = 0\n")
    for number in range(1000):
        other = f"from many.part_{number // 2} import work_1 as other\n" if number else ""
        body = "".join(f"def work_{i}(x):\n    return sum(n * {i} for n in range(x))\n\n" for i in range(10))
        (package / f"part_{number}.py").write_text(f"{other}{body}def value():\n    return 1\n")
    (package / "mid.py").write_text("from many.part_7 import value\n")
    lines = "".join(f"import many.part_{number}\n" for number in range(1000))
    (package / "api.py").write_text(f"{lines}from many.mid import value\ndef answer():\n    return value()\n")
    return package


def measure(folder: Path, tool: str, number: int) -> dict[str, float]:
    """Run one tool once."""
    where = folder / f"{tool.partition('(')[0]}{number}{len(tool)}"
    package = make_package(where)
    driver = folder / "driver.py"
    driver.write_text(DRIVER)
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env.update(
        PYTHONPATH=str(SOURCE),
        TMPDIR=str(where),
        ENTREPOT_MODULES=str(where / "store"),
        DASK_LOGGING__DISTRIBUTED="error",
    )
    command = [sys.executable, str(driver), tool, str(package)]
    done = subprocess.run(
        command, cwd=where, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{tool}: {done.stderr[-2000:]}")
    shutil.rmtree(where, ignore_errors=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def run(quick: bool) -> list[dict[str, object]]:
    """Return the rows; `quick` takes one round instead of two."""
    folder = Path(tempfile.mkdtemp(prefix="entrepot-bench-"))
    note_versions(["distributed"])
    try:
        found: dict[str, list[dict[str, float]]] = {tool: [] for tool in TOOLS}
        for number in range(1 if quick else 2):
            for tool in TOOLS:
                found[tool].append(measure(folder, tool, number))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    rows: list[dict[str, object]] = []
    for peer in TOOLS[1:]:
        for what, key, unit, scale in (
            ("sent first: time", "send_s", "s", 1.0),
            ("sent first: bytes", "send_bytes", "kB", 1e-3),
            ("one edit: time", "edit_s", "s", 1.0),
            ("one edit: bytes", "edit_bytes", "kB", 1e-3),
        ):
            pairs = list(zip(found["entrepot"], found[peer], strict=True))
            ratios = sorted(own[key] / other[key] for own, other in pairs)
            is_right = all(one["right"] == WORKERS for one in found[peer])
            bar = 1.0 if key in ("edit_bytes", "send_bytes") or (key == "edit_s" and is_right) else None
            if key == "send_s" and peer != "upload_file":
                bar = 1.0
            rows.append({
                "what": f"{what}, {peer}",
                "entrepot": f"{statistics.median(own[key] for own, _ in pairs) * scale:.3g} {unit}",
                "peer": f"{statistics.median(other[key] for _, other in pairs) * scale:.3g} {unit}",
                "ratio": statistics.median(ratios),
                "spread": f"{ratios[0]:.3g}-{ratios[-1]:.3g}, {len(ratios)} pairs",
                "bar": bar,
            })  # fmt: skip
        for key, words in (
            ("right", "workers right after the edit"),
            ("kept", "workers that kept their state"),
        ):
            rows.append({
                "what": f"{words}, of {WORKERS}, {peer}",
                "entrepot": f"{min(one[key] for one in found['entrepot']):.0f}",
                "peer": f"{max(one[key] for one in found[peer]):.0f}",
                "ratio": None, "spread": "", "bar": None,
            })  # fmt: skip
    return rows


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=1))
