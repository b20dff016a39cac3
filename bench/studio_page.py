"""How long a person waits for the studio on a large package: until its files are shown, and until its graph answers.

A real studio and a real headless Chromium (Debian: chromium), on sympy (about 1,500 modules) and django from PyPI, and on
2,000 modules made here. There is no peer that does the same; the bars are seconds: 5 for opening (from the command to
the files in the page), 2 for the graph (from the click to a picture of the packages that answers to a key, and from
the click on "Every module" to one of all modules). Each with an empty store ("first") and again ("then"); the page
begins with the files each time.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from environments import get_python, site_of

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("sympy", "django")
OPEN_S, GRAPH_S = 5.0, 2.0
sys.path.insert(0, str(ROOT / "tests" / "studio"))


def run(quick: bool) -> list[dict[str, object]]:
    """Return rows for each package: opening and graph, first and then."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as name:
        for title, folder in prepare(Path(name)):
            home = Path(name) / f"home-{title}"
            home.mkdir()
            first = measure(folder, home)
            later = [measure(folder, home) for _ in range(1 if quick else 3)]
            for number, (what, bar) in enumerate(
                (("files shown", OPEN_S), ("graph answers", GRAPH_S), ("every module drawn", GRAPH_S))
            ):
                rows.append(make_row(f"{title}: {what}, first", [first[number]], bar))
                rows.append(make_row(f"{title}: {what}, then", [took[number] for took in later], bar))
    return rows


def make_row(what: str, times: list[float], bar: float) -> dict[str, object]:
    """Return a row whose ratio is of the median to the seconds that are good enough."""
    middle = statistics.median(times)
    return {
        "what": what,
        "entrepot": f"{middle:.2f} s",
        "peer": f"{bar:.0f} s",
        "ratio": middle / bar,
        "spread": f"{min(times):.2f}-{max(times):.2f} s, {len(times)} times",
        "bar": 1.0,
    }


def prepare(folder: Path) -> list[tuple[str, Path]]:
    """Get the packages and make the crowd; return their titles and folders."""
    site = site_of(get_python(PACKAGES))
    crowd = folder / "crowd"
    for number in range(2000):
        path = crowd / f"part{number % 20}" / f"m{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        targets = [n for n in (number + 1, number + 7, number + 90) if n < 2000]
        path.write_text("".join(f"import part{n % 20}.m{n}\n" for n in targets))
    return [*((package, site / package) for package in PACKAGES), ("2,000 modules", crowd)]


def measure(folder: Path, home: Path) -> tuple[float, ...]:
    """Return the seconds until the files are shown, the graph answers, and every module is drawn."""
    from browser import Browser, serving

    # What the page remembers, not what was read of the program.
    shutil.rmtree(home / ".local" / "state", ignore_errors=True)
    with Browser() as browser:
        began = time.perf_counter()
        with serving(folder, home) as studio:
            browser.go(studio.address)
            browser.wait(lambda: browser.count(".files [role=treeitem]") > 0, 60)
            opened = time.perf_counter() - began
            browser.wait_ready()
            began = time.perf_counter()
            browser.js(
                "[...document.querySelectorAll('.rail button')].find(e => e.innerText.includes('Graph')).click()"
            )
            drawn = "document.querySelector('.graph')?.dataset.drawn > 1"
            browser.wait(lambda: browser.js(drawn), 60)
            browser.js("document.querySelector('.graph canvas').focus()")
            browser.press("ArrowDown")
            browser.wait(lambda: browser.text(".module-name"), 60)
            answered = time.perf_counter() - began
            began = time.perf_counter()
            browser.js("document.querySelector('.bar .q-toggle').click()")
            browser.wait(lambda: browser.js("+document.querySelector('.graph').dataset.drawn") >= 800, 60)
            browser.press("ArrowDown")
            return opened, answered, time.perf_counter() - began


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(row)
