"""The path of a developer: a large real package, its graph, its findings, an edit in it."""

import shutil
import sysconfig
from pathlib import Path

import pytest
from browser import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def large(tmp_path):
    """A folder with a package of about five hundred modules that nobody here wrote: pip."""
    folder = tmp_path / "large"
    source = Path(sysconfig.get_path("purelib")) / "pip"
    shutil.copytree(source, folder / "pip", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_a_large_package_is_looked_at(large, home, browser):
    """Opened, drawn, gone into, filtered, checked; one of its files is edited and follows."""
    with serving(large, home) as studio:
        browser.open(studio.address)
        browser.click("pip", ".files")
        browser.wait(lambda: browser.find("pip/_vendor", ".files"))
        browser.view("Graph")
        browser.wait_for_text("here of", ".module-page")
        # The one package that there is was gone into.
        assert "_vendor" in browser.text(".module-page")
        browser.click("_internal", ".module-page")
        browser.wait_for_text("pip._internal", ".module-name")
        browser.click("Go inside", ".module-page")
        browser.wait_for_text("_internal", ".breadcrumbs")
        browser.click_on(".bar .q-toggle")
        browser.wait(lambda: int(browser.js("document.querySelector('.graph').dataset.drawn")) > 100)
        browser.fill(".side .filter input", "network.session")
        browser.click("network.session", ".module-page")
        browser.fill(".side .filter input", "")
        browser.wait_for_text("pip._internal.network.session", ".module-name")
        browser.click("Open", ".module-page")
        browser.wait_for_text("session.py", ".tabs")
        browser.view("Findings")
        browser.wait_for_text("warnings", ".bar", timeout_s=60)
        browser.view("Code")
        browser.write("import json\nimport json\n\nprint(json)\n")
        browser.wait(lambda: browser.count(".panel.is-front .finding-mark") >= 1, 30)


def test_the_graph_is_used_by_keyboard(large, home, browser):
    """Arrow keys choose, Enter goes in, Escape comes out."""
    with serving(large, home) as studio:
        browser.open(studio.address)
        browser.view("Graph")
        browser.wait_for_text("here of", ".module-page")
        browser.js("document.querySelector('.graph canvas').focus()")
        browser.press("ArrowDown")
        browser.wait(lambda: browser.text(".module-name"))
        for key in (
            "ArrowLeft",
            "ArrowDown",
            "ArrowRight",
            "ArrowRight",
            "ArrowDown",
            "ArrowLeft",
            "ArrowUp",
        ) * 3:
            if browser.find("Go inside", ".module-page"):
                break
            browser.press(key)
            browser.settle()
        browser.press("Enter")
        browser.wait(lambda: browser.text(".breadcrumbs").count("/") == 2)
        browser.press("Escape")
        browser.wait(lambda: browser.text(".breadcrumbs").count("/") == 1)
        browser.reload()
        browser.wait_ready()
        # Where one was; and the other views are there too.
        browser.wait_for_text("here of", ".module-page")
        browser.view("Code")
        browser.wait(lambda: browser.find("pip", ".files"))
