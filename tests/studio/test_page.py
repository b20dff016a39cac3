"""The page in a real browser: write, run, reload, restart."""

import pytest
from browser import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_program_is_run_and_says_how_it_ended(arcade, home, browser):
    """Run runs main.py; what it prints, its status and its time are shown, and no request leaves the machine."""
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("Run", ".runbar")
        browser.wait_for_terminal("after taking the whale: ['yo-yo']")
        browser.wait_for_text("exit status 0", ".run-state")
        own = (f"http://127.0.0.1:{studio.port}/", f"ws://127.0.0.1:{studio.port}/")
        assert [a for a in browser.addresses() if not a.startswith(own) and a != "about:blank"] == []


def test_what_was_typed_outlives_page_and_server(arcade, home, browser):
    """A reload shows the draft, and so does a new start; saving writes it."""
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("main.py", ".files")
        browser.wait(lambda: "import arcade" in browser.editor_text())
        browser.write("print('draft')\n")
        browser.wait(lambda: browser.count(".files .dot") == 1)
        browser.reload()
        browser.wait_ready()
        browser.wait(lambda: "print('draft')" in browser.editor_text())
    assert "import arcade" in (arcade / "main.py").read_text()
    with serving(arcade, home) as studio:
        browser.wait(lambda: "print('draft')" in browser.editor_text())
        browser.open(studio.address)
        browser.wait(lambda: "print('draft')" in browser.editor_text())
        browser.click_on(".cm-content")
        browser.press("s", ctrl=True)
        browser.wait(lambda: browser.count(".files .dot") == 0)
    assert (arcade / "main.py").read_text() == "print('draft')\n"


def test_input_and_ctrl_c_reach_the_program(arcade, home, browser):
    """It is a terminal, not a log."""
    (arcade / "main.py").write_text(
        "try:\n    print('hello', input('name? '))\n    input('again? ')\nexcept KeyboardInterrupt:\n    print('bye')\n"
    )
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("Run", ".runbar")
        browser.wait_for_terminal("name?")
        browser.type("Ada\n")
        browser.wait_for_terminal("hello Ada")
        browser.wait_for_terminal("again?")
        browser.press("c", ctrl=True)
        browser.wait_for_terminal("bye")
        browser.wait_for_text("exit status 0", ".run-state")
