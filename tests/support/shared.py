"""Run a program with the modules that programs share: `python shared.py ARGUMENTS...` is `entrepot run ARGUMENTS...`.

Its own image is made first, and with it that of the shared modules; then its own is forgotten. Where entrepot
never has one the run is as it is. WARMED_STRICT=1: fail if the run is not from the shared modules.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from warmed import CLIENT, WAIT_S, restore_environment


def main() -> None:
    """Prepare, forget the program's own image, become the run."""
    arguments = ["--python", sys.executable, *sys.argv[1:]]
    restore_environment()
    end = time.monotonic() + WAIT_S
    said = ask(arguments)
    while said == "warm" or (said.startswith("cold") and time.monotonic() < end):
        forget_own(Path(os.environ["ENTREPOT_DIR"]))
        time.sleep(0.05)
        said = ask(arguments)
        if said.startswith("cold: runs with"):
            break
    if not said.startswith("base") and os.environ.get("WARMED_STRICT"):
        sys.exit(f"shared.py: {said}")
    with open(os.environ.get("WARMED_LOG", os.devnull), "a") as log:
        log.write(f"{said} {arguments[2:]!r:.100}\n")
    forget_own(Path(os.environ["ENTREPOT_DIR"]))
    os.execv(CLIENT, [CLIENT, "run", *arguments])


def ask(arguments: list[str]) -> str:
    """Return how the run would be, and have what is missing made."""
    done = subprocess.run(
        [CLIENT, "run", "--prepare", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return done.stdout.decode(errors="replace").strip()


def forget_own(store: Path) -> None:
    """Remove the images of programs."""
    for path in store.glob("*.checks"):
        try:
            if b"\1base\1" not in path.read_bytes():
                path.unlink()
        except FileNotFoundError:
            pass


if __name__ == "__main__":
    main()
