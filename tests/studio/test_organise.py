"""Splitting, moving, renaming and writing out stars in a browser: shown first, applied, taken back."""

import pytest
from browser import serving
from families import FAMILIES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SECOND = ".board-column:nth-child(3)"  # the first child is the list of modules


def open_board(browser, studio, file):
    """Show a file's definitions."""
    browser.open(studio.address)
    browser.click(file, ".files")
    browser.wait_for_text(file, ".tabs")
    browser.view("Organise")
    browser.wait(lambda: browser.count(".board-column li[data-name]"))


def apply_and_undo(browser, folder, check):
    """Apply what is shown; `check` says whether it is done; take it back, and every byte is as it was."""
    before = {path: path.read_bytes() for path in folder.rglob("*.py")}
    browser.click("Apply", ".preview")
    browser.wait(check)
    browser.click("Undo", ".top")
    browser.wait(lambda: {path: path.read_bytes() for path in folder.rglob("*.py")} == before)


def test_a_definition_is_dragged_to_a_new_file(arcade, home, browser):
    """Dropped on "New module" it makes one; the name is proposed, and can be another."""
    with serving(arcade, home) as studio:
        open_board(browser, studio, "arcade.py")
        browser.drag("tickets_for", "New module", within=".board", onto=".board")
        browser.wait(lambda: "tickets_for" in browser.text(".board-column:nth-child(4)"))
        browser.fill(".board-column:nth-child(4) header input", "prices")
        browser.click("Preview", ".bar")
        browser.wait_for_text("3 files would change", ".preview")
        assert "prices.py" in browser.text(".difference")
        apply_and_undo(browser, arcade, (arcade / "prices.py").exists)


def test_a_definition_is_moved_to_a_module_that_is_there(arcade, home, browser):
    """With the key alone; who used it imports it from there."""
    with serving(arcade, home) as studio:
        open_board(browser, studio, "arcade.py")
        assert browser.js("[...document.querySelectorAll('#board-modules option')].map(o => o.value)") == [
            "inventory",
            "main",
        ]
        browser.js("document.querySelector('.board li[data-name=tickets_for]').focus()")
        browser.press("m")
        browser.wait(lambda: "tickets_for" in browser.text(SECOND))
        browser.fill(SECOND + " header input", "inventory")
        browser.click("Preview", ".bar")
        browser.wait_for_text("inventory.tickets_for", ".difference")
        apply_and_undo(browser, arcade, lambda: "tickets_for" in (arcade / "inventory.py").read_text())


def test_a_definition_is_renamed(arcade, home, browser):
    """In its own file and in those that use it."""
    with serving(arcade, home) as studio:
        open_board(browser, studio, "arcade.py")
        choose(browser, "get_score")
        browser.fill(".bar.bottom input[aria-label='New name']", "find_score")
        browser.click("Rename", ".bar.bottom")
        browser.wait_for_text("+def find_score", ".difference")
        apply_and_undo(
            browser, arcade, lambda: "arcade.find_score(player)" in (arcade / "main.py").read_text()
        )


def test_a_module_is_renamed(arcade, home, browser):
    """The file gets the name, and so do the imports."""
    with serving(arcade, home) as studio:
        open_board(browser, studio, "arcade.py")
        choose(browser, "arcade")
        browser.fill(".bar.bottom input[aria-label='New name']", "scores")
        browser.click("Rename", ".bar.bottom")
        browser.wait_for_text("+import scores", ".difference")
        apply_and_undo(browser, arcade, (arcade / "scores.py").exists)


def choose(browser, what):
    """Say what is renamed."""
    field = ".bar.bottom input[aria-label='What to rename']"
    offered = "[...document.querySelectorAll('#names-to-rename option')].map(o => o.value)"
    assert what in browser.js(offered)
    browser.fill(field, what)


def test_stars_are_written_out(arcade, home, browser):
    """`import *` becomes the names that are used."""
    (arcade / "main.py").write_text("from arcade import *\n\nprint(best_player())\n")
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("main.py", ".files")
        browser.wait_for_text("main.py", ".tabs")
        browser.view("Organise")
        browser.click("Expand stars", ".bar")
        browser.wait_for_text("+from arcade import best_player", ".difference")
        apply_and_undo(
            browser, arcade, lambda: "from arcade import best_player" in (arcade / "main.py").read_text()
        )


def test_groups_are_suggested(tmp_path, home, browser):
    """Two families that do not know each other are proposed as modules of their own."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop.py").write_text(FAMILIES)
    (folder / "main.py").write_text("import shop\n\nshop.add_price('kite')\nshop.add_person('Ada')\n")
    with serving(folder, home) as studio:
        open_board(browser, studio, "shop.py")
        browser.click("Suggest", ".bar")
        browser.wait(lambda: "find_person" in browser.text(SECOND) or "find_price" in browser.text(SECOND))
        moved = browser.text(SECOND)
        kind = "person" if "find_person" in moved else "price"
        assert all(f"{verb}_{kind}" in moved for verb in ("add", "find", "drop"))
        browser.click("Preview", ".bar")
        browser.wait_for_text("would change", ".preview")
        apply_and_undo(browser, folder, lambda: len(list(folder.glob("*.py"))) > 2)


def test_what_cannot_be_done_safely_is_refused_with_its_reason(arcade, home, browser):
    """Nothing dragged, nothing chosen, a name that is taken: nothing is offered to be applied."""
    with serving(arcade, home) as studio:
        open_board(browser, studio, "arcade.py")
        for button, reason in (
            ("Preview", "Drag definitions to another module first."),
            ("Rename", "Choose what to rename, and write its new name."),
        ):
            browser.click(button, ".bar.bottom" if button == "Rename" else ".bar")
            browser.wait_for_text(reason, ".q-notifications")
        choose(browser, "get_score")
        browser.fill(".bar.bottom input[aria-label='New name']", "add_score")
        browser.click("Rename", ".bar.bottom")
        browser.wait_for_text("Refused", ".preview")
        assert browser.find("Apply", ".preview") is None
