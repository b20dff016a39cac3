"""What watching costs: a traced run beside a plain one, and beside tuna's, importtime-waterfall's and pyinstrument's ways.

CPU time (user and system) of fresh processes, alternating in one run, as the median of ratios to the plain run. The
programs are those of the import benchmark. tuna and importtime-waterfall both read `-X importtime`, so what they
cost is what that option costs (and their own rendering, which is not counted).
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

PROGRAMS = {
    "pandas, scikit-learn, matplotlib": "import pandas, sklearn.linear_model, matplotlib.pyplot",
    "django, sqlalchemy, boto3, sympy": "import django.db.models, sqlalchemy.orm, boto3, sympy",
}
PACKAGES = ["pandas", "scikit-learn", "matplotlib", "django", "sqlalchemy", "boto3", "sympy", "pyinstrument"]
ROOT = Path(__file__).resolve().parent.parent


def measure_cpu_s(command: list[str]) -> float:
    """Run a command and return the CPU seconds that it and its children took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def run(quick: bool) -> list[dict[str, object]]:
    """Return a row for each program and each way of watching it."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES, str(ROOT)], check=True)
        for program, code in PROGRAMS.items():
            ways = {
                "entrepot trace": [python, "-m", "entrepot", "trace", "--format", "json", "-c", code],
                "-X importtime (tuna, importtime-waterfall)": [python, "-X", "importtime", "-c", code],
                "pyinstrument": [python, "-m", "pyinstrument", "-o", "/dev/null", "-c", code],
            }
            plain = [python, "-c", code]
            measure_cpu_s(plain)
            measure_cpu_s(ways["entrepot trace"])
            times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            for _ in range(3 if quick else 9):
                base = measure_cpu_s(plain)
                for way, command in ways.items():
                    times[way].append((measure_cpu_s(command), base))
            for way, pairs in times.items():
                ratios = sorted(watched / base for watched, base in pairs)
                rows.append(
                    {
                        "what": f"{way}, importing {program}, against plain python",
                        "entrepot": f"{statistics.median(watched for watched, _ in pairs):.2f} s",
                        "peer": f"{statistics.median(base for _, base in pairs):.2f} s",
                        "ratio": statistics.median(ratios),
                        "spread": f"{ratios[0]:.2f}-{ratios[-1]:.2f}, {len(pairs)} pairs",
                        "bar": 1.25 if way.startswith("entrepot") else None,
                    }
                )
    return rows


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row)
