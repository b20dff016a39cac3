"""Take the pictures of the studio that its documentation shows: `python tools/take_screenshots.py [FOLDER]`.

Each picture is of a real studio in a real browser (Debian: chromium), on the examples and on a large package
of this environment. They are for people to look at: do so before you commit them.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
import tempfile
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "studio"))

from browser import Browser, serving  # noqa: E402

EXAMPLES = ROOT / "examples"


def main(target: Path) -> None:
    """Take all pictures into a folder."""
    target.mkdir(parents=True, exist_ok=True)
    for is_dark in (True, False):
        with tempfile.TemporaryDirectory() as name, Browser(is_dark=is_dark) as browser:
            for number, take in enumerate(
                (take_start, take_arcade, take_mistake, take_split, take_live, take_large)
            ):
                folder = Path(name) / str(number) / "program"
                home = Path(name) / str(number) / "home"
                folder.mkdir(parents=True)
                home.mkdir()
                take(browser, folder, home, partial(shoot, browser, target, "-dark" if is_dark else ""))


def shoot(browser: Browser, folder: Path, suffix: str, title: str) -> None:
    """Take one picture, with the mouse out of the way and everything at rest."""
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=700)
    # The interpreter of whoever takes the picture is nobody's business.
    browser.js("document.querySelector('.status .python').textContent = '.venv/bin/python'")
    time.sleep(0.7)
    browser.shoot(folder / f"{title}{suffix}.png")
    print(f"{title}{suffix}")


def copy(example: str, folder: Path) -> None:
    """Fill a folder with an example."""
    shutil.copytree(
        EXAMPLES / example, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
    )


def take_start(browser, folder, home, shoot):
    """An empty folder."""
    with serving(folder, home) as studio:
        browser.open(studio.address)
        browser.wait_for_text("A new program")
        shoot("start")


def take_arcade(browser, folder, home, shoot):
    """Run, steps, names, a small graph."""
    copy("arcade/3_modules", folder)
    with serving(folder, home) as studio:
        browser.open(studio.address)
        browser.click("arcade.py", ".files")
        browser.click("main.py", ".files")
        browser.wait(lambda: "import arcade" in browser.editor_text())
        for _ in range(2):
            browser.click("Run", ".runbar")
            browser.wait_for_text("exit status 0", ".run-state")
            time.sleep(4)
        browser.wait_for_terminal("after taking the whale")
        shoot("code")
        browser.view("Steps")
        browser.click("Run and record")
        browser.wait_for_text("as the module __main__", ".sentence")
        while "inventory has run to its end" not in browser.text(".sentence"):
            browser.click("Forward", ".controls")
            time.sleep(0.15)
        browser.click("Forward", ".controls")
        shoot("steps")
        browser.view("Names")
        browser.fill(".ask-field input", "arcade.get_score")
        browser.press("Enter")
        browser.wait_for_text("'get_score' in arcade's namespace", ".lookup")
        shoot("names")


def take_mistake(browser, folder, home, shoot):
    """Findings with a fix, an error explained."""
    copy("arcade/2_name_error", folder)
    with serving(folder, home) as studio:
        browser.open(studio.address)
        browser.click("main.py", ".files")
        browser.wait(lambda: "add_score" in browser.editor_text())
        browser.click("Run", ".runbar")
        browser.wait_for_text("exit status 1", ".run-state")
        browser.click("Explain", ".run-head")
        browser.wait_for_text("is defined in arcade.py", ".sentence")
        shoot("explain")
        browser.view("Code")
        browser.write(
            (folder / "main.py")
            .read_text()
            .replace("\n\n", "\n\nimport arcade\nimport json\nfrom arcade import get_scores\n\n", 1)
        )
        browser.press("s", ctrl=True)
        browser.wait(lambda: browser.count(".finding-mark.is-error"))
        shoot("findings-in-editor")
        browser.view("Findings")
        browser.click_on(".findings .finding-row:has(.fix-mark)")
        browser.wait_for_text("-import json", ".difference")
        shoot("findings")


def take_split(browser, folder, home, shoot):
    """A file divided by dragging, and what would change."""
    copy("arcade/1_one_file", folder)
    with serving(folder, home) as studio:
        browser.open(studio.address)
        browser.view("Organise")
        browser.wait(lambda: browser.find("get_score", ".board"))
        browser.drag("SCORES", "drop-here", within=".board", onto=".board")
        for name in ("get_score", "add_score", "best_player", "tickets_for"):
            browser.drag(
                name, "SCORES", within=".board-column:nth-child(2)", onto=".board-column:nth-child(3)"
            )
            browser.wait(lambda name=name: browser.find(name, ".board-column:nth-child(3)"))
        browser.fill(".board-column:nth-child(3) header input", "arcade")
        browser.click("Preview", ".bar")
        browser.wait_for_text("2 files would change", ".preview")
        shoot("organise")


def take_live(browser, folder, home, shoot):
    """A running program that has followed a save."""
    copy("arcade/3_modules", folder)
    (folder / "main.py").write_text(
        "import time\n\nimport arcade\n\nfor second in range(600):\n"
        '    print(f"{second}: {arcade.tickets_for(5000)} tickets")\n    time.sleep(1)\n'
    )
    with serving(folder, home) as studio:
        browser.open(studio.address)
        browser.click("arcade.py", ".files")
        browser.wait(lambda: "tickets_for" in browser.editor_text())
        browser.click("Other ways to run", ".runbar")
        browser.click("Run, and follow what is saved")
        browser.wait_for_terminal("1: 250")
        browser.write((folder / "arcade.py").read_text().replace("score // 20", "score // 4"))
        browser.press("s", ctrl=True)
        browser.wait_for_terminal("1250 tickets")
        shoot("live")


def take_large(browser, folder, home, shoot):
    """A large package: its packages, one module, all modules."""
    package = Path(sysconfig.get_path("purelib")) / "pip"
    shutil.copytree(package, folder / "pip", ignore=shutil.ignore_patterns("__pycache__"))
    with serving(folder, home) as studio:
        browser.open(studio.address)
        browser.view("Graph")
        browser.wait_for_text("modules", ".module-page")
        browser.wait(lambda: browser.js("document.querySelector('.graph').dataset.drawn > 1"))
        browser.click("_internal", ".module-page")
        browser.click("Go inside", ".module-page")
        browser.wait_for_text("_internal", ".breadcrumbs")
        browser.click("network", ".module-page")
        shoot("graph")
        browser.click_on(".bar .q-toggle")
        time.sleep(1)
        shoot("graph-all")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screenshots")
