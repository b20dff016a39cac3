"""The main job without a mouse: begin, run, go through the steps, split, take it back."""

import pytest
from browser import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def tab_to(browser, selector):
    """Press Tab until what has the focus matches."""
    for _ in range(120):
        if browser.js("!!document.activeElement?.matches(A)", selector):
            return
        browser.press("Tab")
    raise AssertionError(f"Tab never comes to {selector}")


def tab_to_button(browser, name, *, is_back=False):
    """Press Tab until the focus is on a button."""
    for _ in range(120):
        if browser.js(
            "document.activeElement?.matches('button') && document.activeElement.innerText.includes(A)", name
        ):
            return
        browser.press("Tab", shift=is_back)
    raise AssertionError(f"Tab never comes to {name}")


def focus_is_in(browser, selector):
    """Wait until the focus is in a region, going on with F6."""

    def look():
        if browser.js("!!document.activeElement?.closest(A)", selector):
            return True
        browser.press("F6")
        browser.settle(0.3)
        return False

    browser.wait(look)


def test_everything_is_done_by_keys(tmp_path, home, browser):
    """Not one press of a button of the mouse."""
    folder = tmp_path / "mine"
    folder.mkdir()
    with serving(folder, home) as studio:
        browser.open(studio.address)
        browser.wait_for_text("A new program")
        tab_to(browser, ".example")
        browser.press("Enter")
        browser.wait(lambda: "def get_score" in browser.editor_text())
        browser.press("Enter", ctrl=True)
        browser.wait_for_text("exit status 0", ".run-state")
        browser.wait_for_terminal("after taking the whale")
        assert browser.js("!!document.activeElement.closest('.xterm')")

        # Out of the terminal, to the files and the editor; and typing is typing.
        focus_is_in(browser, ".cm-editor")
        browser.press("Home", ctrl=True)
        browser.insert("# mine\n")
        browser.press("s", ctrl=True)
        browser.wait(lambda: (folder / "main.py").read_text().startswith("# mine\n"))
        focus_is_in(browser, ".files")

        browser.press("2", alt=True)
        browser.wait_for_text("See how the imports happen")
        tab_to(browser, ".panel.is-front .main-button")
        browser.press("Enter")
        browser.wait_for_text("It runs main.py as the module __main__", ".sentence")
        focus_is_in(browser, ".story")
        browser.press("ArrowDown")
        browser.wait(lambda: "It runs main.py as the module" not in browser.text(".sentence"))

        browser.press("6", alt=True)
        browser.wait(lambda: browser.count(".board li[data-name=tickets_for]"))
        focus_is_in(browser, ".board")
        tab_to(browser, ".board li[data-name=tickets_for]")
        browser.press("m")
        browser.wait(lambda: "tickets_for" in browser.text(".board-column:nth-child(3)"))
        tab_to(browser, ".board-column:nth-child(3) header input")
        browser.press("a", ctrl=True)
        browser.insert("prices")
        tab_to_button(browser, "Preview", is_back=True)
        browser.press("Enter")
        browser.wait_for_text("2 files would change", ".preview")
        tab_to_button(browser, "Apply")
        browser.press("Enter")
        browser.wait((folder / "prices.py").exists)
        browser.wait_for_text("Undo", ".top")
        tab_to_button(browser, "Undo", is_back=True)
        browser.press("Enter")
        browser.wait(lambda: not (folder / "prices.py").exists())
