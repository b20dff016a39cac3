"""`entrepot run` against plain python: wall time of whole runs, alternating in one go.

Rows: a script importing pandas, scikit-learn, matplotlib.pyplot; one importing django, sqlalchemy.orm,
boto3, sympy; `-c pass`; a program of 1,000 own modules, unchanged, and the run after an edit of one of
them. The libraries are installed in a throw-away venv (set ENTREPOT_BENCH_VENV to keep and reuse one).
The peer is plain python of that venv. Stores are throw-away too.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CLIENT = Path(__file__).parents[1] / "src" / "entrepot" / "warm" / "_client"
PACKAGES = ["pandas", "scikit-learn", "matplotlib", "django", "sqlalchemy", "boto3", "sympy"]
PROGRAMS = {
    "pandas, scikit-learn, matplotlib.pyplot": (
        "import pandas, sklearn.linear_model, matplotlib.pyplot\nprint(len(pandas.DataFrame({'a': [1]})))\n",
        1 / 100,
    ),
    "django, sqlalchemy.orm, boto3, sympy": (
        "import django.db.models, sqlalchemy.orm, boto3, sympy\nprint(sympy.sqrt(8))\n",
        1 / 60,
    ),
}


def run(quick: bool) -> list[dict[str, object]]:
    """Measure every row."""
    times = 5 if quick else 15
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        python = make_python(place)
        env = {**os.environ, "ENTREPOT_DIR": str(place / "store"), "ENTREPOT_WARM": "1"}
        try:
            rows = []
            for number, (what, (text, bar)) in enumerate(PROGRAMS.items()):
                (place / f"program{number}.py").write_text(text)
                rows.append(compare(what, python, [f"program{number}.py"], place, env, times, bar))
            rows.append(compare("-c pass", python, ["-c", "pass"], place, env, times * 4, 1.0))
            rows += compare_own(python, place, env, times)
        finally:
            subprocess.run([sys.executable, "-m", "entrepot", "warm", "stop"], env=env, capture_output=True)
    return rows


def make_python(place: Path) -> str:
    """Return the interpreter of a venv that has the libraries."""
    venv = Path(os.environ.get("ENTREPOT_BENCH_VENV", place / "venv"))
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    return str(python)


def warm(python: str, arguments: list[str]) -> list[str]:
    """Return the command of a warm run."""
    return [str(CLIENT), "run", "--python", python, *arguments]


def prepare(python: str, arguments: list[str], place: Path, env: dict[str, str]) -> None:
    """Have the image made."""
    command = warm(python, ["--prepare", *arguments])
    end = time.monotonic() + 120
    while subprocess.run(command, cwd=place, env=env, capture_output=True).returncode == 1:
        if time.monotonic() > end:
            raise RuntimeError(f"no image was made of {arguments}")
        time.sleep(0.1)


def measure(command: list[str], place: Path, env: dict[str, str]) -> float:
    """Return the seconds that one run takes."""
    started = time.perf_counter()
    subprocess.run(command, cwd=place, env=env, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def compare(
    what: str, python: str, arguments: list[str], place: Path, env: dict[str, str], times: int, bar: float
) -> dict[str, object]:
    """Run both, alternating."""
    prepare(python, arguments, place, env)
    pairs = [
        (measure(warm(python, arguments), place, env), measure([python, *arguments], place, env))
        for _ in range(times)
    ]
    return make_row(what, pairs, bar)


def make_row(what: str, pairs: list[tuple[float, float]], bar: float) -> dict[str, object]:
    """Return the row of a table."""
    ours, plain = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratios = sorted(one / two for one, two in pairs)
    return {
        "what": what,
        "entrepot": f"{ours * 1000:.1f} ms",
        "peer": f"{plain * 1000:.1f} ms",
        "ratio": statistics.median(ratios),
        "spread": f"{ratios[0]:.4f}-{ratios[-1]:.4f}, {len(ratios)} pairs",
        "bar": bar,
    }


def compare_own(python: str, place: Path, env: dict[str, str], times: int) -> list[dict[str, object]]:
    """A program of 1,000 modules of its own."""
    for number in range(1000):
        names = "".join(f"def f{line}(x): return x + {line}\n" for line in range(40))
        (place / f"own{number}.py").write_text(f"import re, json\n{names}")
    text = "".join(f"import own{number}\n" for number in range(1000))
    (place / "own.py").write_text(text + "print(own7.f3(1))\n")
    subprocess.run([python, "own.py"], cwd=place, env=env, stdout=subprocess.DEVNULL, check=True)
    rows = [compare("1,000 own modules, unchanged", python, ["own.py"], place, env, times, 1 / 40)]
    first, second = [], []
    for edit in range(3 if times < 10 else 6):
        with open(place / "own500.py", "a") as file:
            file.write(f"# edit {edit}\n")
        edited = measure(warm(python, ["own.py"]), place, env)
        plain = measure([python, "own.py"], place, env)
        first.append((edited, plain))
        prepare(python, ["own.py"], place, env)
        second.append((measure(warm(python, ["own.py"]), place, env), plain))
    rows.append(make_row("the same, the run after an edit of one", first, 1 / 1.5))
    rows.append(make_row("the same, when its image is made anew", second, 1 / 40))
    return rows


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row)
