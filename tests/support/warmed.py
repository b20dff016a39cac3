"""Run a program warm: `python warmed.py ARGUMENTS...` is `entrepot run ARGUMENTS...`, its image made first.

The image is made by the run's own environment, directory and limits, without running the program. Where
entrepot never has one (stdin, unusual options) the run is as it is. WARMED_STRICT=1: fail if it is not warm.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

BESIDE = os.path.join(os.path.dirname(sys.executable), "entrepot")
NATIVE = os.path.join(os.path.dirname(__file__), "..", "..", "src", "entrepot", "warm", "_client")
CLIENT = BESIDE if os.path.exists(BESIDE) else NATIVE
WAIT_S = 60


def main() -> None:
    """Prepare, then become the run."""
    arguments = ["--python", sys.executable, *sys.argv[1:]]
    restore_environment()
    end = time.monotonic() + WAIT_S
    while True:
        done = subprocess.run(
            [CLIENT, "run", "--prepare", *arguments], stdin=subprocess.DEVNULL, capture_output=True
        )
        if done.returncode != 1 or time.monotonic() > end:
            break
        time.sleep(0.05)
    if done.returncode and os.environ.get("WARMED_STRICT"):
        sys.exit(f"warmed.py: {done.stdout.decode()}")
    with open(os.environ.get("WARMED_LOG", os.devnull), "a") as log:
        log.write(f"{done.returncode} {done.stdout.decode().strip()} {arguments[2:]!r:.100}\n")
    os.execv(CLIENT, [CLIENT, "run", *arguments])


def restore_environment() -> None:
    """Take out what this interpreter has put there itself (PEP 538)."""
    with open("/proc/self/environ", "rb") as file:
        given = file.read()
    if b"\0LC_CTYPE=" not in given:
        os.environ.pop("LC_CTYPE", None)


if __name__ == "__main__":
    main()
