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


def test_a_package_is_run_with_arguments(tmp_path, home, browser):
    """`-m` and what stands behind it; a wrong line of arguments is said to be wrong."""
    folder = tmp_path / "pack"
    (folder / "tool").mkdir(parents=True)
    (folder / "tool" / "__init__.py").write_text("")
    (folder / "tool" / "__main__.py").write_text(
        "import sys\nprint(__package__, sys.argv[1:])\nsys.exit(3)\n"
    )
    with serving(folder, home) as studio:
        browser.open(studio.address)
        browser.fill(".arguments input", "one 'two three'")
        browser.click("Run", ".runbar")
        browser.wait_for_terminal("tool ['one', 'two three']")
        browser.wait_for_text("exit status 3", ".run-state")
        browser.fill(".arguments input", "'open")
        browser.settle()
        browser.click("Run", ".runbar")
        browser.wait_for_text("cannot be read", ".q-notifications")


def test_each_line_can_say_who_wrote_it(arcade, home, browser):
    """The third way to run."""
    (arcade / "main.py").write_text("import shout\nprint('main here')\n")
    (arcade / "shout.py").write_text("print('shout here')\n")
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("Other ways to run", ".runbar")
        browser.click("Run, and say who wrote each line")
        browser.wait_for_terminal("main here")
        lines = browser.terminal_text().splitlines()
        assert "[shout:1] shout here" in lines


def test_two_pages_show_the_same_text(arcade, home, browser):
    """What is typed in one is in the other, and a program run from either is what both show."""
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("main.py", ".files")
        browser.wait(lambda: "import arcade" in browser.editor_text())
        first = browser.session()
        second = browser.new_page(f"http://127.0.0.1:{studio.port}/")
        browser.wait_ready()
        browser.wait(lambda: "import arcade" in browser.editor_text())
        browser.write("print('from the second')\n")
        browser.wait(lambda: "second" in browser.editor_text())
        browser.use(first)
        browser.wait(lambda: "from the second" in browser.editor_text())
        browser.write("print('from the first')\n")
        browser.use(second)
        browser.wait(lambda: "from the first" in browser.editor_text())
        browser.press("s", ctrl=True)
        browser.wait(lambda: (arcade / "main.py").read_text() == "print('from the first')\n")


def test_closing_a_tab_with_a_draft_asks(arcade, home, browser):
    """Cancelled it stays; confirmed it is gone, and the file is as it was."""
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("main.py", ".files")
        browser.wait(lambda: "import arcade" in browser.editor_text())
        browser.write("print('draft')\n")
        browser.wait(lambda: browser.count(".tabs .dot") == 1)
        browser.click_on(".tabs .tab .q-btn")
        browser.click("Cancel", ".ask")
        browser.settle()
        assert browser.count(".tabs .dot") == 1
        browser.click_on(".tabs .tab .q-btn")
        browser.click("Close without saving", ".ask")
        browser.wait(lambda: browser.count(".upright > .tabs .tab") == 0)
        assert "import arcade" in (arcade / "main.py").read_text()


def test_the_cost_of_imports_colours_the_graph(arcade, home, browser):
    """The program is run watched, and the chosen module says how long it took; circles, stars and new files are shown."""
    (arcade / "arcade.py").write_text("import time\ntime.sleep(0.2)\n" + (arcade / "arcade.py").read_text())
    (arcade / "one.py").write_text("import two\nfrom arcade import *\n")
    (arcade / "two.py").write_text("import one\n")
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.view("Graph")
        browser.wait_for_text("5 here of 5 modules", ".module-page")
        browser.click("Measure cost", ".legend")
        # In the list too, once the run has ended.
        browser.wait_for_text(" ms", ".module-page")
        browser.click("arcade", ".module-page")
        browser.wait_for_text("ms to import", ".module-page")
        browser.click("one", ".module-page")
        browser.wait_for_text("In an import cycle of 2 modules", ".module-page")
        assert "Has star imports" in browser.text(".module-page")
        assert "No import statement leads here from main.py" in browser.text(".module-page")
        browser.click("two", ".module-page")
        browser.wait_for_text("two", ".module-name")
        browser.click("All modules", ".module-page")
        (arcade / "fresh.py").write_text("import arcade\n")
        browser.wait_for_text("6 here of 6 modules", ".module-page")


def test_light_and_dark_follow_the_system_and_the_choice(arcade, home, browser):
    """The choice is remembered."""
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        is_dark = "document.body.classList.contains('body--dark')"
        assert not browser.js(is_dark)
        for _ in range(2):
            browser.click("Light or dark", ".top")
            browser.settle()
        browser.wait(lambda: browser.js(is_dark))
        browser.reload()
        browser.wait_ready()
        browser.wait(lambda: browser.js(is_dark))
