"""A name in the editor says which namespace it lives in, as soon as the cursor is on it."""

import shutil
from pathlib import Path

import pytest
from browser import serving

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def click_word(browser, word):
    """Click a word in the editor."""
    browser.press_at(*browser.word_place(word))


def told(browser):
    """Return what is said, if anything is."""
    return browser.text(".pointer:not(.hidden)")


def test_a_click_on_a_name_tells_its_namespace(arcade, home, browser):
    """Of a module that is imported, of this one, of the builtins; of a word that is no name nothing."""
    (arcade / "main.py").write_text(
        "import arcade\n\nplayer = arcade.best_player()\nsize = len(player)  # comment\n"
    )
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("main.py", ".files")
        browser.wait(lambda: "import arcade" in browser.editor_text())
        click_word(browser, "best_player")
        browser.wait(lambda: "'best_player' in arcade's namespace is a function" in told(browser))
        click_word(browser, "size")
        browser.wait(lambda: "'size' in __main__'s namespace is a variable" in told(browser))
        click_word(browser, "len")
        browser.wait(lambda: "'len'" in told(browser) and "builtins" in told(browser))
        click_word(browser, "comment")
        browser.wait(lambda: not told(browser))
        # The same by keys, and the way to the steps.
        click_word(browser, "best_player")
        browser.wait(lambda: "'best_player' in arcade's namespace" in told(browser))
        browser.press("F12")
        browser.wait_for_text("'best_player' in arcade's namespace is a function", ".lookup")


def test_two_functions_of_one_name_are_told_apart(tmp_path, home, browser):
    """In the example made for it each module has its own."""
    folder = tmp_path / "same"
    shutil.copytree(EXAMPLES / "arcade" / "4_same_names", folder)
    for name in ("arcade", "inventory"):
        (folder / f"{name}.py").write_text(f"def reset():\n    print({name!r})\n")
        (folder / f"use_{name}.py").write_text(f"import {name}\n\n{name}.reset()\n")
    with serving(folder, home) as studio:
        browser.open(studio.address)
        for name in ("arcade", "inventory"):
            browser.click(f"use_{name}.py", ".files")
            browser.wait(lambda name=name: f"import {name}" in browser.editor_text())
            click_word(browser, "reset")
            wanted = f"'reset' in {name}'s namespace is a function"
            browser.wait(lambda wanted=wanted: wanted in told(browser))
        browser.click("Show the steps", ".pointer")
        browser.wait_for_text("The same name elsewhere", ".lookup")
        assert "arcade.reset" in browser.text(".lookup")
