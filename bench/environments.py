"""Virtual environments with what benchmarks measure on, made once and kept for all of them.

They lie in ENTREPOT_BENCH_HOME (~/.cache/entrepot-bench), a folder for each list of packages and version of Python.
entrepot itself is not in them: what runs there finds this tree by PYTHONPATH (`make_variables`), so that it is always
the one that is measured.
"""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

SRC = Path(__file__).resolve().parent.parent / "src"
HOME = Path(os.environ.get("ENTREPOT_BENCH_HOME", Path.home() / ".cache" / "entrepot-bench"))
# What the large programs of the benchmarks import; one environment for those that need no more.
LIBRARIES = ("pandas", "scikit-learn", "matplotlib", "django", "sqlalchemy", "boto3", "sympy", "pytest")
# What was asked for, and its version: `run.py` empties it before a benchmark and puts it below the table.
versions: dict[str, str] = {}


def get_python(packages: Sequence[str] = LIBRARIES) -> str:
    """Return the interpreter of an environment that has some packages, made at the first use.

    Raises:
        subprocess.CalledProcessError: pip could not install them; nothing is kept then.
    """
    key = hashlib.sha256("\n".join(packages).encode()).hexdigest()[:8]
    folder = HOME / f"{sys.version_info[0]}.{sys.version_info[1]}-{key}"
    python = folder / "bin" / "python"
    complete = folder / "packages.txt"
    if not complete.exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        complete.write_text("\n".join(packages) + "\n", encoding="utf-8")
    note_versions(packages, site_of(python))
    return str(python)


def site_of(python: str | Path) -> Path:
    """Return the folder in which an environment has its packages."""
    (site,) = (Path(python).parent.parent / "lib").glob("python*/site-packages")
    return site


def note_versions(packages: Sequence[str], site: Path | None = None) -> None:
    """Note the versions of some packages: of those in a folder, or of this interpreter's own."""
    for wanted in packages:
        name = wanted.partition("=")[0].partition("[")[0]
        path = [str(site)] if site else sys.path
        found = next(iter(metadata.distributions(name=name, path=path)), None)
        if found is not None:
            versions[name] = found.version


def make_variables(**more: str) -> dict[str, str]:
    """Return an environment in which both sides run alike: entrepot within reach, bytecode written and kept.

    C libraries have one thread: what their pools burn while starting is not importing.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "ENTREPOT"))}
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
    return {**kept, **threads, "PYTHONPATH": str(SRC), **more}


def measure_cpu_s(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, files: tuple[int, ...] = ()
) -> float:
    """Run a command in `make_variables` and some more, and return the CPU seconds that it and its children took.

    Raises:
        RuntimeError: it failed; with what it said last.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=make_variables(**(env or {})),
        pass_fds=files,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr.decode(errors='replace')[-2000:]}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
