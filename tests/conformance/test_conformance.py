"""CPython's own tests of importing, run on core, for each version of Python on this machine.

The suites come from the installed interpreters. Each group of them runs in one process of the
interpreter concerned (`driver.py`), which has nothing of this environment but `src`.
"""

from __future__ import annotations

import functools
import glob
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SRC = HERE.parent.parent / "src"
VERSIONS = ("3.11", "3.12", "3.13")

# Suites that are made for both halves of importlib: core in the place of the pure-Python one.
ON_BOTH = ("builtin", "extension", "frozen", "import_", "source", ".")
# Suites that use import statements, and what stands on them: a system installed.
INSTALLED = {
    "importlib": (*ON_BOTH, "resources", "metadata"),
    "import": ("test_import",),
    "packages": ("test_pkg", "test_module", "test_runpy", "test_pkgutil", "test_modulefinder"),
    "zip": ("test_zipimport", "test_zipimport_support"),
}
# Of the test_importlib suites: the registry of Windows, and what is not about importing.
NOT_HERE = {"test_windows"}

# At least so many must run through core, or the harness has lost its grip on the suite.
LEAST = {"source": 350, "importlib": 250, "import": 60, "packages": 90, "zip": 70}


@functools.cache
def find_python(version: str) -> str | None:
    """Return an interpreter of a version that has its test suites, or None."""
    candidates = [
        *([sys.executable] if f"{sys.version_info[0]}.{sys.version_info[1]}" == version else []),
        shutil.which(f"python{version}"),
        *sorted(glob.glob(os.path.expanduser(f"~/.pyenv/versions/{version}*/bin/python"))),
        shutil.which("python3"),
    ]
    check = "import sys, test.test_importlib.util; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        if candidate is not None:
            answer = subprocess.run([candidate, "-c", check], capture_output=True, text=True, check=False)
            if answer.stdout.strip() == version:
                return candidate
    return None


def find_suites(python: str, parts: tuple[str, ...]) -> list[str]:
    """Return the names of the test modules in folders of `test.test_importlib`, or of `test` itself."""
    answer = subprocess.run(
        [python, "-c", "import test; print(test.__path__[0])"], capture_output=True, text=True, check=True
    )
    root = Path(answer.stdout.strip())
    found = []
    for part in parts:
        if part.startswith("test_"):
            found.append(f"test.{part}")
            continue
        folder = root / "test_importlib" / part
        prefix = "test.test_importlib." + ("" if part == "." else f"{part}.")
        found += [
            prefix + file.stem for file in sorted(folder.glob("test_*.py")) if file.stem not in NOT_HERE
        ]
    return found


def run_driver(python: str, kind: str, modules: list[str], cwd: Path, only: set[str]) -> dict[str, Any]:
    """Run test modules in a process of their own and return what came of each test."""
    cwd.mkdir()
    environment = {key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH") if key in os.environ}
    environment.update(PYTHONPATH=str(SRC), HOME=str(cwd), TMPDIR=str(cwd))
    done = subprocess.run(
        [python, str(HERE / "driver.py"), kind, *modules],
        input=json.dumps({"only": sorted(only)}),
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, f"the driver failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def get_left_out(version: str) -> dict[str, str]:
    """Return the tests that are left out for a version, each with its reason."""
    entries = tomllib.loads((HERE / "left_out.toml").read_text(encoding="utf-8"))["test"]
    return {entry["id"]: entry["reason"] for entry in entries if version in entry.get("versions", VERSIONS)}


def judge(
    version: str,
    group: str,
    kind: str,
    parts: tuple[str, ...],
    folder: Path,
    record: Callable[[str, object], None],
) -> None:
    """Run suites on core; whatever fails or is skipped must do so on CPython alone as well."""
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} with its test suites on this machine")
    modules = find_suites(python, parts)
    tests = run_driver(python, kind, modules, folder / "ours", set())
    left_out = get_left_out(version)
    doubtful = {name for name, row in tests.items() if row["outcome"] in ("failed", "skipped")}
    peers: dict[str, Any] = {}
    if doubtful - set(left_out):
        peers = run_driver(python, "peer", modules, folder / "peer", doubtful)
    missing = {
        name: tests[name].get("text", "")
        for name in sorted(doubtful - set(left_out))
        if peers.get(name, {"outcome": "absent"})["outcome"] != tests[name]["outcome"]
    }
    ran = [row for row in tests.values() if row["outcome"] in ("passed", "expected failure", "failed")]
    through = sum(row["calls"] > 0 for row in ran)
    twin = [name for name, row in tests.items() if row["twin"]] if kind == "source" else []
    skipped = sum(row["outcome"] == "skipped" for row in tests.values())
    failed = sum(row["outcome"] == "failed" for row in tests.values()) - len(missing)
    record(
        "conformance",
        f"{version} {group:<10} {len(ran):4} ran, {through:4} of them through core"
        f" ({sum(row['calls'] for row in ran)} calls); {skipped} skipped as on CPython,"
        f" {failed - len(set(left_out) & set(tests))} failed as on CPython;"
        f" {len(missing)} differ, {len(set(left_out) & set(tests))} left out",
    )

    assert not missing, "\n\n".join(f"{name}\n{text[-1500:]}" for name, text in missing.items())
    assert not twin, f"importlib's pure-Python twin was used by {twin}"
    assert through >= LEAST[group], f"only {through} tests ran through core"
    idle = {name for name in set(left_out) & set(tests) if tests[name]["outcome"] == "passed"}
    assert not idle, f"left out without need: {idle}"


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("version", VERSIONS)
def test_core_passes_the_tests_of_importlibs_pure_python_half(
    version: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """What CPython expects of `importlib._bootstrap` and `_bootstrap_external`, core does."""
    judge(version, "source", "source", ON_BOTH, tmp_path, record_property)


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("group", INSTALLED)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_installed_system_passes_the_tests_of_importing(
    version: str, group: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """With a system installed, import statements and what stands on them do what CPython expects."""
    judge(version, group, "installed", INSTALLED[group], tmp_path, record_property)


def test_one_version_at_least_has_its_suites(need: Callable[[object, str], None]) -> None:
    """In CI the comparison with CPython's tests takes place."""
    need(any(find_python(version) for version in VERSIONS), "a Python with its package `test`")


def test_each_test_left_out_has_a_reason() -> None:
    """No test is left out for failing."""
    for version in VERSIONS:
        for name, reason in get_left_out(version).items():
            assert name.startswith("test."), name
            assert len(reason.split()) > 8, f"{name} is left out without saying why"
