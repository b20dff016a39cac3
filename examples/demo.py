"""What `make demo` shows: a program that entrepot's authors did not write, run by python and by entrepot.

The program is the command line of frictionless, which checks tables, with the thirty packages from PyPI
that it brings (pydantic, jinja2, requests, rich, typer, ...). It is installed into build/demo, a virtual
environment of its own in which entrepot is not installed, and checks examples/harbour/ships.csv, where it
finds two mistakes. The demo fails when the two runs differ in output or exit status.
"""

import json
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "build" / "demo"
WHERE = ROOT / "examples" / "harbour"
PYTHON = HOME / "bin" / "python"
REQUIREMENTS = ["frictionless>=5.18,<6"]
PROGRAM = ["check.py", "validate", "ships.csv", "--schema", "ships.schema.yaml"]
RUNS = 3
# Both sides get the same environment: a program may look at any of it.
ENVIRONMENT = {**os.environ, "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
# Behind a first run its modules are made ready for the next ones. How long at most is waited for that.
PREPARING_S = 60


def main():
    """Install the program if need be, run it both ways, compare, print what came out and how long it took."""
    install()
    plain = [str(PYTHON), *PROGRAM]
    ours = [str(Path(sys.executable).with_name("entrepot")), "run", "--python", str(PYTHON), *PROGRAM]
    print("$ python", *PROGRAM, flush=True)
    expected, took = run(plain)
    sys.stdout.write(expected.stdout + expected.stderr)
    print(f"exit status {expected.returncode}\n")
    rows = [("python", took)]
    for number in range(1, RUNS + 1):
        got, took = run(ours)
        if (got.returncode, got.stdout, got.stderr) != (expected.returncode, expected.stdout, expected.stderr):
            sys.stdout.write(got.stdout + got.stderr)
            sys.exit(f"`entrepot run` differed from python (exit status {got.returncode})")
        rows.append((f"entrepot run, time {number}", took))
        if number == 1:
            wait_until_ready([ours[0], "why", "--format", "json", *PROGRAM])
    print("$ entrepot run --python build/demo/bin/python", *PROGRAM)
    print(f"(the same output and exit status, {RUNS} times)\n")
    for label, seconds in rows:
        print(f"{label:<24} {seconds * 1000:7.0f} ms")
    print("\n$ entrepot why", PROGRAM[0], flush=True)
    # Why the last run was warm or cold, and what is left to each run.
    subprocess.run([ours[0], "why", *PROGRAM], cwd=WHERE, env=ENVIRONMENT, check=False)


def wait_until_ready(why):
    """Wait until the next run would be warm, where runs can be warm at all (docs/warm.md says where)."""
    ends = time.monotonic() + PREPARING_S
    state = ""
    while state != "warm" and time.monotonic() < ends:
        time.sleep(0.3)
        done = subprocess.run(why, cwd=WHERE, env=ENVIRONMENT, capture_output=True, check=False)
        state = json.loads(done.stdout or b"{}").get("next_state", "")


def install():
    """Make the environment of the program, unless it is there from another time."""
    done = HOME / "installed.txt"
    wanted = "\n".join([sys.version, *REQUIREMENTS])
    if done.exists() and done.read_text() == wanted:
        return
    print(f"installing {', '.join(REQUIREMENTS)} into {HOME.relative_to(ROOT)} (once, about 20 seconds)", flush=True)
    venv.create(HOME, with_pip=True, clear=True)
    subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    # The first run of anything compiles its modules; that is not what is shown here.
    run([str(PYTHON), *PROGRAM])
    done.write_text(wanted)


def run(command):
    """Run the program where its data is; returns what came out, and the seconds it took."""
    began = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=WHERE,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    return done, time.perf_counter() - began


if __name__ == "__main__":
    main()
