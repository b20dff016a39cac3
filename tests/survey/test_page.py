"""The page of `graph --format html` in a browser, at ten thousand modules."""

from __future__ import annotations

import shutil
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from entrepot.survey.page import render_page
from entrepot.survey.view import Edge, View

pytestmark = pytest.mark.slow


def make_view(number: int) -> View:
    """Return a view of so many modules in packages of a hundred; all import the first, and their neighbour."""
    names = [f"app.part{index // 100}.module{index}" for index in range(number)]
    view = View()
    view.nodes = dict.fromkeys(
        ["app", *(f"app.part{n}" for n in range(number // 100)), *names], ("source", 1)
    )
    for before, name in pairwise(names):
        view.edges[name, before] = Edge(1, {"eager"}, "x.py", 1, False)
        view.edges[name, names[0]] = Edge(1, {"lazy"}, "x.py", 2, False)
    return view


def test_ten_thousand_modules_are_usable_in_a_browser(tmp_path, need, monkeypatch):
    """The list opens, a search finds, a chosen module is drawn with its neighbours, and nothing goes wrong on the way."""
    need(shutil.which("chromium") is not None, "chromium")
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[1] / "studio")])
    from chromium import Chromium

    path = tmp_path / "graph.html"
    path.write_text(render_page(make_view(10_000), "</script><b>app"), encoding="utf-8")
    with Chromium() as browser:
        browser.go(path.as_uri())
        browser.js(
            "new Promise(done => document.readyState == 'complete' ? done(1) : addEventListener('load', () => done(1)))"
        )
        assert browser.js("document.querySelector('h1').textContent") == "Modules of </script><b>app"
        assert browser.js("document.getElementById('sum').textContent") == "10101 modules, 19997 arrows"
        assert int(browser.js("document.querySelectorAll('nav li').length")) == 101
        browser.js(
            "(q => { q.value = 'MODULE4242'; q.dispatchEvent(new Event('input')) })(document.getElementById('q'))"
        )
        assert browser.js("document.getElementById('list').innerText").split() == ["app.part42.module4242"]
        browser.js("document.querySelector('#list button').click()")
        assert (
            browser.js("document.getElementById('about').textContent") == "1 modules import it; it imports 2."
        )
        assert int(browser.js("document.querySelectorAll('svg path').length")) == 3
        # As many importers as there are: the lists have them all, the picture the first of them.
        browser.js(
            "new Promise(done => { addEventListener('hashchange', () => setTimeout(done)); "
            "location.hash = 'app.part0.module0' })"
        )
        assert int(browser.js("document.querySelectorAll('#in li').length")) == 9_999
        assert browser.errors() == []
        assert {address.partition(":")[0] for address in browser.addresses()} == {"file"}
