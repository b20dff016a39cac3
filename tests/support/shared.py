"""Run a program with the modules that programs share: `python shared.py ARGUMENTS...` is `entrepot run ARGUMENTS...`.

Its own image is made first, and with it that of the shared modules; then its own is forgotten. Where entrepot
never has one (folders, zip files, options in one word) the run is as it is. WARMED_STRICT=1: fail if the run is not from
the shared modules.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from warmed import CLIENT, WAIT_S, restore_environment

PATIENCE_S = 3.0
TIMES = 3  # that its own image is made before it is believed that there will be none of the shared modules


def main() -> None:
    """Prepare, forget the program's own image, become the run."""
    arguments = ["--python", sys.executable, *sys.argv[1:]]
    restore_environment()
    end = time.monotonic() + WAIT_S
    store = Path(os.environ["ENTREPOT_DIR"])
    said, made = ask(arguments), 0
    while said == "warm" or (said.startswith("cold") and time.monotonic() < end):
        if said == "warm":
            made += 1
            if made > TIMES:
                break
            # That of the shared modules is made after it.
            wait_until(lambda: bool(find_checks(store, is_base=True)), PATIENCE_S)
        forget_own(store)
        time.sleep(0.05)
        said = ask(arguments)
        if said.startswith("cold: runs with"):
            break
    if not said.startswith("base") and os.environ.get("WARMED_STRICT"):
        sys.exit(f"shared.py: {said}")
    with open(os.environ.get("WARMED_LOG", os.devnull), "a") as log:
        log.write(f"{said} {arguments[2:]!r:.100}\n")
    forget_own(store)
    os.execv(CLIENT, [CLIENT, "run", *arguments])


def ask(arguments: list[str]) -> str:
    """Return how the run would be, and have what is missing made."""
    done = subprocess.run(
        [CLIENT, "run", "--prepare", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return done.stdout.decode(errors="replace").strip()


def forget_own(store: Path) -> None:
    """Remove what stands for the images of programs."""
    for path in find_checks(store, is_base=False):
        path.unlink(missing_ok=True)


def find_checks(store: Path, is_base: bool) -> list[Path]:
    """Return what stands for the images of shared modules, or for those of programs."""
    found = []
    for path in store.glob("*.checks"):
        try:
            if (b"\1base\1" in path.read_bytes()) == is_base:
                found.append(path)
        except FileNotFoundError:
            pass
    return found


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait until something holds, but not for ever."""
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)


if __name__ == "__main__":
    main()
