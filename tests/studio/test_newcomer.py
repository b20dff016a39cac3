"""The path of somebody who learns: a new folder, an example, an error, its cause, a split, the steps, a reload."""

import pytest
from browser import serving

# The first child is the list of modules.
FIRST, SECOND = ".board-column:nth-child(2)", ".board-column:nth-child(3)"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_from_an_empty_folder_to_modules(tmp_path, home, browser):
    """Begin with an example, run it, split it by dragging, run it again, go through its steps."""
    folder = tmp_path / "mine"
    folder.mkdir()
    with serving(folder, home) as studio:
        browser.open(studio.address)
        browser.wait_for_text("A new program")
        browser.click_on(".example:nth-child(1)")
        browser.wait(lambda: "def get_score" in browser.editor_text())
        browser.click("Run", ".runbar")
        browser.wait_for_text("exit status 0", ".run-state")
        browser.wait_for_terminal("after taking the whale: ['yo-yo']")
        before = browser.terminal_text()

        browser.view("Organise")
        browser.wait(lambda: browser.find("get_score", ".board"))
        browser.drag("SCORES", "drop-here", within=".board", onto=".board")
        for name in ("get_score", "add_score", "best_player", "tickets_for"):
            browser.drag(name, "SCORES", within=FIRST, onto=SECOND)
            # At once, though the server is busy.
            assert name in browser.text(SECOND)
        browser.fill(SECOND + " header input", "arcade")
        browser.settle()
        browser.reload()
        browser.wait_ready()
        browser.wait(lambda: browser.find("tickets_for", SECOND))
        browser.click("Preview", ".bar")
        browser.wait_for_text("2 files would change", ".preview")
        assert "+def get_score" in browser.text(".difference")
        browser.click("Apply", ".preview")
        browser.wait(lambda: (folder / "arcade.py").exists())
        browser.wait_for_text("Undo", ".top")

        browser.view("Code")
        browser.wait(
            lambda: "import" in browser.editor_text() and "def get_score" not in browser.editor_text()
        )
        browser.click("Run", ".runbar")
        browser.wait(lambda: browser.count(".run-tabs .tab") == 2)
        browser.wait_for_text("exit status 0", ".run-state")
        browser.wait(lambda: browser.terminal_text() == before)

        browser.view("Steps")
        browser.click("Run and record")
        browser.wait_for_text("It runs main.py as the module __main__", ".sentence")
        browser.click("Forward", ".controls")
        browser.wait_for_text("main.py line", ".sentence")
        browser.wait(lambda: "arcade" in browser.text(".editor .lit"))
        for _ in range(12):
            if "bound to" in browser.text(".sentence"):
                break
            browser.click("Forward", ".controls")
            browser.settle()
        assert "bound to" in browser.text(".sentence")
        names = browser.text("[data-module=arcade]")
        assert "get_score" in names
        assert "SCORES" in names
        browser.click("Back", ".controls")
        browser.wait_for_text("arcade has run to its end", ".sentence")
        browser.reload()
        browser.wait_ready()
        browser.wait_for_text("arcade has run to its end", ".sentence")
        browser.click("Play", ".controls")
        browser.wait_for_text("The program ends with exit status 0", ".sentence")

        browser.click("Undo", ".top")
        browser.wait(lambda: not (folder / "arcade.py").exists())
        assert "def get_score" in (folder / "main.py").read_text()


def test_an_error_is_explained_and_fixed(tmp_path, home, browser):
    """The example with a mistake: run, see the error, be told why, mend it, run again, reload."""
    folder = tmp_path / "mine"
    folder.mkdir()
    with serving(folder, home) as studio:
        browser.open(studio.address)
        browser.click_on(".example:nth-child(2)")
        browser.wait(lambda: "add_score" in browser.editor_text())
        browser.click("Run", ".runbar")
        browser.wait_for_terminal("NameError: name 'add_score' is not defined")
        browser.wait_for_text("exit status 1", ".run-state")
        browser.click("Explain", ".run-head")
        browser.wait_for_text("add_score is defined in arcade.py", ".sentence")
        assert "add_score" in browser.text(".editor .lit")

        browser.view("Code")
        text = (folder / "main.py").read_text()
        browser.write(
            text.replace("add_score(", "arcade.add_score(").replace("best_player(", "arcade.best_player(")
        )
        browser.click("Run", ".runbar")
        browser.wait_for_terminal("NameError: name 'arcade' is not defined")
        browser.write(
            "import arcade\n\narcade.add_score('Linus', 9000)\nprint(arcade.best_player(), 'leads')\n"
        )
        browser.click("Run", ".runbar")
        browser.wait_for_terminal("Linus leads")
        browser.reload()
        browser.wait_ready()
        browser.wait(lambda: "import arcade" in browser.editor_text())
        # The programs of this page are still its own.
        browser.wait_for_terminal("Linus leads")


def test_findings_come_while_typing_and_are_fixed_by_a_click(arcade, home, browser):
    """At their lines, in the tree and in the list; the fix is shown, applied, taken back."""
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("main.py", ".files")
        browser.wait(lambda: "import arcade" in browser.editor_text())
        browser.write("import arcade\nimport json\nimport nonsense_module\n\nprint(arcade.best_player())\n")
        browser.wait(
            lambda: (
                browser.count(".finding-mark.is-error") >= 1
                and browser.count(".finding-mark.is-warning") >= 1
            )
        )
        assert "import json" not in (arcade / "main.py").read_text()
        browser.view("Findings")
        browser.wait_for_text("nonsense_module", ".findings")
        browser.click_on(".findings .finding-row.is-warning")
        browser.wait_for_text("-import json", ".difference")
        browser.click("Apply", ".preview")
        browser.wait(lambda: "import json" not in (arcade / "main.py").read_text())
        browser.wait(lambda: "json" not in browser.text(".findings"))
        browser.click("Undo", ".top")
        browser.wait(lambda: "import json" in (arcade / "main.py").read_text())
        # The list shows what is asked for, and leads to the line.
        browser.fill("input[aria-label='Filter findings']", "no such words")
        browser.wait_for_text("Nothing of what is chosen above.", ".findings")
        browser.fill("input[aria-label='Filter findings']", "nonsense")
        browser.wait(lambda: browser.count(".findings .finding-row") == 2)
        browser.click_on(".findings .finding-row.is-error")
        browser.click_on(".chip.is-error")
        browser.wait(lambda: browser.count(".findings .finding-row") == 1)
        browser.click("main.py:3", ".finding-detail")
        browser.wait(lambda: "Code" in browser.text(".rail .is-front"))
        browser.wait(lambda: "import nonsense_module" in browser.editor_text())


def test_a_name_is_looked_up_in_two_steps(arcade, home, browser):
    """Typed, and clicked in the editor with Ctrl; the same name elsewhere stands apart."""
    (arcade / "inventory.py").write_text(
        (arcade / "inventory.py").read_text() + "\n\ndef get_score():\n    return 0\n"
    )
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("main.py", ".files")
        browser.wait(lambda: "import arcade" in browser.editor_text())
        browser.view("Names")
        browser.fill(".ask-field input", "arcade.get_score")
        browser.press("Enter")
        browser.wait_for_text("'get_score' in arcade's namespace is a function", ".lookup")
        assert browser.count(".module-box li.is-lit") == 2
        assert "inventory.get_score" in browser.text(".lookup")
        browser.click("arcade.py:", ".lookup")
        browser.wait(lambda: "def get_score" in browser.editor_text())
        browser.click("main.py", ".files")
        browser.wait(lambda: "import arcade" in browser.editor_text())
        x, y = browser.word_place("best_player")
        browser.press_at(x, y, ctrl=True)
        browser.wait_for_text("'best_player' in arcade's namespace is a function", ".lookup")


def test_a_running_program_follows_a_save(arcade, home, browser):
    """Run live, edit a function, save: the program goes on with it; what cannot be is refused, with the line."""
    (arcade / "main.py").write_text(
        "import time\nimport arcade\n\nfor _ in range(600):\n    print(arcade.tickets_for(100))\n    time.sleep(0.1)\n"
    )
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("arcade.py", ".files")
        browser.wait(lambda: "tickets_for" in browser.editor_text())
        browser.click("Other ways to run", ".runbar")
        browser.click("Run, and follow what is saved")
        browser.wait_for_text("Live: save a file", ".reports")
        browser.wait_for_terminal("5\n5")
        text = (arcade / "arcade.py").read_text()
        browser.write(text.replace("score // 20", "score * 7"))
        browser.press("s", ctrl=True)
        browser.wait_for_terminal("700\n700")
        browser.wait_for_text("arcade.tickets_for", ".reports")
        browser.write("def tickets_for(score:\n")
        browser.press("s", ctrl=True)
        browser.wait_for_text("Refused, the program goes on as it was", ".reports")
        assert "arcade.py:1" in browser.text(".reports")
        browser.click("Stop", ".runbar")
        browser.wait(lambda: "exit status" in browser.text(".run-state"))
