"""The page of a trace in a real browser: small and large, light and dark, and what a person can do with it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from entrepot.trace.page import render_page
from entrepot.trace.records import Effect, Module, Record, Statement

if TYPE_CHECKING:
    from chromium import Chromium

pytestmark = pytest.mark.slow
VIEWS = ("waterfall", "icicle", "graph", "table")


def make_record(number: int) -> Record:
    """Return a record of so many modules: packages of ten, each a little slower than the one before."""
    modules, statements, effects = [], [], []
    for index in range(number):
        package = f"package{index // 10}"
        is_package = index % 10 == 0
        name = package if is_package else f"{package}.module{index % 10}"
        at_s = index * 0.002
        own_s = 0.001 + (index % 7) * 0.0002
        modules.append(
            Module(
                name=name, statement=index, parent="" if is_package else package, depth=0 if is_package else 1,
                searched=("/app",), origin=f"/app/{name.replace('.', '/')}.py", loader="SourceFileLoader",
                bytecode="read", reason="", at_s=at_s, wall_s=0.02 if is_package else own_s,
                own_wall_s=own_s, cpu_s=own_s, own_cpu_s=own_s, memory_bytes=4096, functions=("work",),
                classes=(), variables=("LIMIT",), imported=(),
            )
        )  # fmt: skip
        statements.append(
            Statement(
                number=index, importer="__main__" if is_package else package, file="/app/main.py", line=index + 1,
                form="import", asked=name, names=(), function="", depth=0, is_cached=False,
                is_import_time=True, at_s=at_s, wall_s=own_s, modules=(name,),
            )
        )  # fmt: skip
    effects.append(Effect("output", "hello\n", "package0", "/app/package0.py", 2, 2, 0.0001, True, "stdout"))
    return Record(("main.py",), "3.12.1", 0, 1.0, ("sys",), tuple(statements), tuple(modules), tuple(effects))


@pytest.fixture
def browser(need: Callable[[object, str], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Chromium]:
    """A browser that reaches nothing but this machine, and says at the end that nothing went wrong in it."""
    need(shutil.which("chromium") is not None, "chromium")
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[1] / "studio")])
    from chromium import Chromium

    with Chromium() as opened:
        yield opened
        assert opened.errors() == []
        assert {address.partition(":")[0] for address in opened.addresses()} == {"file"}


def open_page(browser: Chromium, path: Path, number: int, view: str = "waterfall") -> None:
    """Show the page of a record with so many modules."""
    path.write_text(render_page(make_record(number)), encoding="utf-8")
    browser.go("about:blank")
    browser.go(f"{path.as_uri()}#{view}")
    assert browser.js(
        "new Promise(done => document.readyState == 'complete' ? done(1) : addEventListener('load', () => done(1)))"
    )
    assert browser.js("document.body.dataset.ready") == "1"


def ink(browser: Chromium) -> int:
    """Return how many different colours the canvas shows."""
    return int(
        browser.js(
            "(c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size)"
            "(document.querySelector('#view canvas'))"
        )
    )


@pytest.mark.parametrize("number", [20, 2000])
def test_each_view_draws_few_and_many_modules(browser: Chromium, tmp_path: Path, number: int):
    """Waterfall and icicle have something drawn, graph and table have elements, and no view is an error."""
    open_page(browser, tmp_path / "page.html", number)
    for view in VIEWS:
        browser.js(f"(document.getElementById('tab-{view}').click(), 1)")
        assert browser.js(f"document.getElementById('tab-{view}').getAttribute('aria-selected')") == "true"
        if view in ("waterfall", "icicle"):
            assert ink(browser) > 4
        elif view == "table":
            assert browser.js("document.querySelectorAll('tbody tr').length") == number
        else:
            # Everything of a small program; the slowest of a large one. Nothing hangs in the air.
            drawn = browser.js("document.querySelectorAll('svg g.node').length")
            assert drawn >= min(number + 1, 51)
            assert browser.js("document.querySelectorAll('svg path').length") >= drawn - 1
            assert browser.js("document.querySelector('svg').textContent.includes('__main__')")


def test_light_and_dark_follow_the_system_until_somebody_chooses(browser: Chromium, tmp_path: Path):
    """The page is as the system asks; the button turns it over, and the choice is there the next time."""
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    ground = "getComputedStyle(document.body).backgroundColor"
    open_page(browser, tmp_path / "page.html", 20)
    light = browser.js(ground)

    browser.call("Emulation.setEmulatedMedia", features=dark)
    # The browser tells the page of it with its next picture.
    theme = "document.documentElement.dataset.theme"
    assert browser.js(
        f"new Promise(d => (function look() {{ {theme} == 'dark' ? d(1) : setTimeout(look, 20) }})())"
    )
    assert browser.js(ground) != light
    browser.js("(document.getElementById('theme').click(), 1)")
    assert browser.js(ground) == light
    open_page(browser, tmp_path / "page.html", 20)
    assert browser.js(ground) == light


def test_a_module_can_be_found_chosen_and_zoomed_into(browser: Chromium, tmp_path: Path):
    """Search and the least time filter the rows; a click tells all that is known; keys zoom in and out."""
    open_page(browser, tmp_path / "page.html", 2000)
    search = (
        "(search => { search.value = A; search.dispatchEvent(new Event('input')); return shown.length; })"
    )
    assert browser.js(f"{search}(document.getElementById('search'))", "package19.module") == 9
    assert browser.js(f"{search}(document.getElementById('search'))", "") == 2000
    least = "(least => { least.value = A; least.dispatchEvent(new Event('change')); return shown.length; })"
    assert browser.js(f"{least}(document.getElementById('least'))", "10") == 200

    assert "The whole program" in browser.js("document.getElementById('detail').innerText")
    x, y = browser.js(
        "(b => [b.x + 40, b.y + RULER + ROW / 2])(document.querySelector('canvas').getBoundingClientRect())"
    )
    browser.press_at(x, y)
    told = browser.js("document.getElementById('detail').innerText")
    assert told.startswith("package0\n")
    assert "/app/package0.py" in told
    assert "hello" in told
    browser.js("(document.getElementById('view').focus(), 1)")
    browser.press("Enter")
    assert browser.js("[zoom, choosable().length]") == [0, 1]
    browser.press("Backspace")
    assert browser.js("zoom") == -1
