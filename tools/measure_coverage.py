"""Which lines and branches of the package the tests run; writes the table on docs/tests.md.

    python tools/measure_coverage.py            all tests but the slow ones
    python tools/measure_coverage.py --run-slow tests/ship      what pytest is given

The tests are run twice. First by coverage.py. Processes that tests start are measured too (its `patch = subprocess`), as
far as their environment lets them. A test that sets a trace function of its own ends the measuring of its process, so it
is begun anew before each test. A few tests fail beside a trace function (those that look at tracebacks, or at what a
process has loaded); that does not matter here. What only other systems or other versions of Python run is left out.

Then what a trace function cannot watch (MARKED): code inside warm programs, which are cold with one, inside traced ones,
which may have their own, and in processes that read neither `site` nor the environment. A copy of the repository is
installed, marks are put into the text of those files (instrument.py), and the tests are run on it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from instrument import instrument

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tests.md"
BEGIN, END = "<!-- coverage: written by tools/measure_coverage.py -->", "<!-- end of coverage -->"
# What this system and this version of Python cannot run, and the tests for it whose other side they cannot take.
_NEWER = "|".join(f"{minor}" for minor in range(sys.version_info.minor + 1, 20))
_NOT_NEWER = "|".join(f"{minor}" for minor in range(11, sys.version_info.minor + 1))
NEVER_RUN = [
    r"if (paths\.)?IS_WINDOWS:" if sys.platform != "win32" else "",
    r"def _join_windows" if sys.platform != "win32" else "",
    r"if _IS_CASE_BLIND" if sys.platform == "linux" else "",
    rf"if sys\.version_info >= \(3, ({_NEWER})\):",
    rf"if sys\.version_info < \(3, ({_NOT_NEWER})\):",
]
ALWAYS_RUN = [
    rf"if sys\.version_info < \(3, ({_NEWER})\):",
    rf"if sys\.version_info >= \(3, ({_NOT_NEWER})\):",
]
# What no trace function can watch, below src/entrepot.
MARKED = (
    *("warm/**/*.py", "trace/**/resident.py", "trace/startup/*.py", "ship/resident/*.py"),
    *(
        "ship/compiler.py",
        "ship/dask_arrival.py",
        "refactor/joined_start.py",
        "studio/guard.py",
        "studio/launch.py",
    ),
)
SETTINGS = f"""\
[run]
branch = true
source_pkgs = entrepot
parallel = true
patch = subprocess
data_file = {{folder}}/data
disable_warnings = no-data-collected, module-not-imported, module-not-measured
[report]
exclude_also =
    if TYPE_CHECKING:
    {(chr(10) + "    ").join(filter(None, NEVER_RUN))}
partial_also =
    {(chr(10) + "    ").join(ALWAYS_RUN)}
"""
PLUGIN = """\
import _imp
import sys

import coverage

# Core's functions say that they are importlib's; here they have to say what they are. These two say it while they are
# imported.
rename, _imp._fix_co_filename = _imp._fix_co_filename, lambda *_: None
from entrepot.core import frames, members

_imp._fix_co_filename = frames._rename = rename
frames.disguise = lambda *_: None
from entrepot.refactor import join, joined_start

# So does the first code of a joined file, which a measured one reads from where it is.
join.render_start = lambda: [
    f"    scratch = {{'__name__': {joined_start.__name__!r}}}",
    f"    with open({joined_start.__file__!r}) as stream:",
    f"        exec(compile(stream.read(), {joined_start.__file__!r}, 'exec'), scratch)",
]


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


def measure_outside(given: list[str]) -> dict[str, dict[str, Any]]:
    """Run the tests by coverage.py; return what it says of each file."""
    with tempfile.TemporaryDirectory(prefix="entrepot-coverage-") as folder:
        settings = Path(folder) / "coveragerc"
        settings.write_text(SETTINGS.format(folder=folder), encoding="utf-8")
        (Path(folder) / "keep_measuring.py").write_text(PLUGIN, encoding="utf-8")
        coverage = [sys.executable, "-m", "coverage"]
        rc = f"--rcfile={settings}"
        env = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT / 'src'}"}
        _run_tests([*coverage, "run", rc], ["-p", "keep_measuring", *given], cwd=ROOT, env=env)
        subprocess.run([*coverage, "combine", rc, "--quiet", folder], cwd=ROOT, check=True)
        told = Path(folder) / "told.json"
        subprocess.run([*coverage, "json", "-i", rc, "--quiet", "-o", str(told)], cwd=ROOT, check=True)
        files = json.loads(told.read_text(encoding="utf-8"))["files"]
    keys = ("num_statements", "num_branches", "missing_lines", "missing_branches")
    # Not the copies that tests send to other processes.
    return {
        path.partition("src/entrepot/")[2]: {key: {**value["summary"], **value}[key] for key in keys}
        for path, value in files.items()
        if "src/entrepot/" in path
    }


def measure_inside(given: list[str]) -> dict[str, dict[str, Any]]:
    """Run the tests on a copy with marks in it; return the same of each marked file."""
    with tempfile.TemporaryDirectory(prefix="entrepot-coverage-") as folder:
        Path(folder).chmod(0o755)  # some tests run as other users
        marks = Path(folder) / "marks.pyc"  # a preparing interpreter may write bytecode: nobody minds
        marks.touch()
        marks.chmod(0o666)
        copy = Path(folder) / "entrepot"
        for name in _list_files():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name, follow_symlinks=False)
        subprocess.run(["make", "-s", f"PYTHON={sys.executable}", ".venv/.test"], cwd=copy, check=True)
        package = copy / "src" / "entrepot"
        found = {path for pattern in MARKED for path in package.glob(pattern)}
        names = {path: path.relative_to(package).as_posix() for path in found}
        places = {name: instrument(path, name, marks) for path, name in names.items()}
        _run_tests([".venv/bin/python"], given, cwd=copy)
        came: dict[str, set[str]] = defaultdict(set)
        for line in marks.read_text(encoding="utf-8").splitlines():
            name, _, place = line.partition(":")
            came[name].add(place)
    return {
        name: {
            "num_statements": len(place.statements),
            "num_branches": len(place.branches),
            "missing_lines": sorted(map(int, place.statements - came[name])),
            "missing_branches": sorted(
                place.branches - came[name], key=lambda side: int(side.partition("-")[0])
            ),
        }
        for name, place in places.items()
    }


def _run_tests(command: list[str], given: list[str], *, cwd: Path, env: dict[str, str] | None = None) -> None:
    """Run the tests by a command. Some may fail: those that look at a file's text, or at what a process has loaded."""
    tests = ["-m", "pytest", "-n", "2", "-q", "-p", "no:cacheprovider", *given]
    status = subprocess.run([*command, *tests], cwd=cwd, env=env, check=False).returncode
    if status not in (0, 1):
        sys.exit(f"the tests did not run in {cwd} (status {status}); nothing was written")


def _list_files() -> list[str]:
    """Return the repository's files, also those that are not committed yet."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def make_table(files: dict[str, dict[str, Any]]) -> str:
    """Return the figures folder by folder."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for path, value in files.items():
        folder = path.partition("/")[0] if "/" in path else "the command line"
        if path.endswith("resident.py") or "/resident/" in path:
            folder = f"{folder}, resident"
        lines, branches = value["num_statements"], value["num_branches"]
        run, taken = lines - len(value["missing_lines"]), branches - len(value["missing_branches"])
        for name in (folder, "**all**"):
            sums[name] = [
                old + more for old, more in zip(sums[name], (run, lines, taken, branches), strict=True)
            ]
    rows = [
        f"| {name} | {lines} | {_share(run, lines)} | {branches} | {_share(taken, branches)} |"
        for name, (run, lines, taken, branches) in sorted(sums.items())
    ]
    head = ["| folder | statements | run | branches | taken |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *rows])


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "-"


def _show(branch: str | list[int]) -> str:
    return branch if isinstance(branch, str) else f"{branch[0]}>{branch[1]}"


def main() -> int:
    """Measure, write the page, and print what was not run."""
    given = sys.argv[1:]
    files = {**measure_outside(given), **measure_inside(given)}
    table = make_table(files)
    words = " ".join(given) or "all but the slow ones"
    version = ".".join(map(str, sys.version_info[:3]))
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    shown = f"{BEGIN}\n\nTests: {words}. CPython {version}.\n\n{table}\n\n{END}"
    PAGE.write_text(before + shown + after, encoding="utf-8")
    for path, value in sorted(files.items()):
        lines, branches = value["missing_lines"], value["missing_branches"]
        if lines or branches:
            print(f"{path}: lines {' '.join(map(str, lines))}; branches {' '.join(map(_show, branches))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
