"""Which lines and branches of the package the tests run; writes the table on docs/tests.md.

    python tools/measure_coverage.py            all tests but the slow ones
    python tools/measure_coverage.py --run-slow tests/ship      what pytest is given

Processes that tests start are measured too (coverage's `patch = subprocess`), as far as their environment lets them. A
test that sets a trace function of its own ends the measuring of its process, so it is begun anew before each test. What
runs inside a warm program is not measured: with a trace function set a run is cold. A few tests fail beside a trace
function (those that look at tracebacks, or at what a process has loaded); that does not matter here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tests.md"
BEGIN, END = "<!-- coverage: written by tools/measure_coverage.py -->", "<!-- end of coverage -->"
SETTINGS = """\
[run]
branch = true
source_pkgs = entrepot
parallel = true
patch = subprocess
data_file = {folder}/data
disable_warnings = no-data-collected, module-not-imported, module-not-measured
[report]
exclude_also =
    if TYPE_CHECKING:
"""
PLUGIN = """\
import sys

import coverage

from entrepot.core import frames

frames.disguise = lambda *_: None  # core's functions say that they are importlib's; here they have to say what they are


def pytest_runtest_setup(item):
    measuring = coverage.Coverage.current()
    if measuring is not None and sys.gettrace() is None:
        measuring.stop()
        measuring.start()


def pytest_sessionfinish(session):
    # A process of xdist ends without a word, and what it measured would be lost.
    measuring = coverage.Coverage.current()
    if measuring is not None and hasattr(session.config, "workerinput"):
        measuring.stop()
        measuring.save()
"""


def measure(given: list[str]) -> dict[str, dict[str, int]]:
    """Run the tests; return the figures of each file."""
    with tempfile.TemporaryDirectory(prefix="entrepot-coverage-") as folder:
        settings = Path(folder) / "coveragerc"
        settings.write_text(SETTINGS.format(folder=folder), encoding="utf-8")
        (Path(folder) / "keep_measuring.py").write_text(PLUGIN, encoding="utf-8")
        coverage = [sys.executable, "-m", "coverage"]
        rc = f"--rcfile={settings}"
        tests = ["-m", "pytest", "-n", "2", "-q", "-p", "no:cacheprovider", "-p", "keep_measuring", *given]
        env = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT / 'src'}"}
        status = subprocess.run([*coverage, "run", rc, *tests], cwd=ROOT, env=env, check=False).returncode
        if status not in (0, 1):  # 1: some failed, as those do that look at what a process has loaded
            sys.exit(f"the tests did not run (status {status}); nothing was written")
        subprocess.run([*coverage, "combine", rc, "--quiet", folder], cwd=ROOT, check=True)
        told = Path(folder) / "told.json"
        subprocess.run([*coverage, "json", "-i", rc, "--quiet", "-o", str(told)], cwd=ROOT, check=True)
        files = json.loads(told.read_text(encoding="utf-8"))["files"]
    # Not the copies that tests send to other processes.
    return {
        path.partition("src/entrepot/")[2]: value["summary"]
        for path, value in files.items()
        if "src/entrepot/" in path
    }


def make_table(files: dict[str, dict[str, int]]) -> str:
    """Return the figures folder by folder."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for path, summary in files.items():
        folder = path.partition("/")[0] if "/" in path else "the command line"
        if path.endswith("resident.py") or "/resident/" in path:
            folder = f"{folder}, resident"
        keys = ("covered_lines", "num_statements", "covered_branches", "num_branches")
        for name in (folder, "**all**"):
            sums[name] = [old + summary[key] for old, key in zip(sums[name], keys, strict=True)]
    rows = [
        f"| {name} | {lines} | {_share(run, lines)} | {branches} | {_share(taken, branches)} |"
        for name, (run, lines, taken, branches) in sorted(sums.items())
    ]
    head = ["| folder | statements | run | branches | taken |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *rows])


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def main() -> int:
    """Measure and write the page."""
    given = sys.argv[1:]
    files = measure(given)
    table = make_table(files)
    words = " ".join(given) or "all but the slow ones"
    version = ".".join(map(str, sys.version_info[:3]))
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    shown = f"{BEGIN}\n\nTests: {words}. CPython {version}.\n\n{table}\n\n{END}"
    PAGE.write_text(before + shown + after, encoding="utf-8")
    low = sorted((value["percent_covered"], path) for path, value in files.items())
    for share, path in low:
        if share < 90:
            print(f"{share:3.0f} %  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
