"""The tree of files in a browser: made, renamed, moved, deleted, put back; changed by others."""

import os

import pytest
from browser import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_files_are_made_renamed_moved_and_deleted(arcade, home, browser):
    """By button, by key and by dragging; what was deleted can be put back."""
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("New file", ".side-head")
        browser.wait(lambda: browser.js("document.activeElement.matches('.making input')"))
        browser.type("tools/helper.py\n")
        browser.wait(lambda: (arcade / "tools" / "helper.py").exists())
        browser.click("tools/helper.py", ".files")
        browser.press("F2")
        browser.wait(lambda: browser.js("document.activeElement.matches('.name-field')"))
        browser.press("a", ctrl=True)
        browser.type("renamed.py\n")
        browser.wait(lambda: (arcade / "tools" / "renamed.py").exists())
        browser.wait_for_text("renamed.py", ".tabs")
        browser.drag("inventory.py", "tools", within=".files", onto=".files")
        browser.wait(lambda: (arcade / "tools" / "inventory.py").exists())
        browser.click("tools/inventory.py", ".files")
        browser.press("Delete")
        browser.click("Delete", ".ask")
        browser.wait(lambda: not (arcade / "tools" / "inventory.py").exists())
        browser.click("Put it back", ".notice")
        browser.wait(lambda: (arcade / "tools" / "inventory.py").exists())


def test_a_change_by_another_editor_is_seen_and_never_overwritten(arcade, home, browser):
    """Without a draft the new text is shown; with one, both texts are there until one is chosen."""
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("main.py", ".files")
        browser.wait(lambda: "import arcade" in browser.editor_text())
        (arcade / "main.py").write_text("print('theirs, first')\n")
        browser.wait(lambda: "theirs, first" in browser.editor_text())
        browser.write("print('mine')\n")
        (arcade / "main.py").write_text("print('theirs, second')\n")
        browser.wait_for_text("was changed by another program", ".notice")
        browser.click_on(".cm-content")
        browser.press("s", ctrl=True)
        browser.settle()
        assert (arcade / "main.py").read_text() == "print('theirs, second')\n"
        browser.click("Take theirs", ".notice")
        browser.wait(lambda: "theirs, second" in browser.editor_text())
        browser.write("print('mine again')\n")
        (arcade / "main.py").write_text("print('theirs, third')\n")
        browser.wait_for_text("was changed by another program", ".notice")
        browser.click("Keep mine", ".notice")
        browser.wait(lambda: (arcade / "main.py").read_text() == "print('mine again')\n")


def test_several_files_are_changed_on_disk_at_once(arcade, home, browser):
    """One that is shown, one that is open, one with a draft, one that is new, one that is gone."""
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        for name in ("arcade.py", "inventory.py", "main.py"):
            browser.click(name, ".files")
            browser.wait_for_text(name, ".tabs")
        browser.wait(lambda: "import arcade" in browser.editor_text())
        browser.write("print('mine')\n")
        browser.wait(lambda: browser.count(".files .dot") == 1)
        (arcade / "main.py").write_text("print('theirs')\n")
        (arcade / "arcade.py").write_text("SCORES = {'theirs': 1}\n")
        (arcade / "inventory.py").unlink()
        (arcade / "fresh.py").write_text("print('fresh')\n")
        browser.wait_for_text("was changed by another program", ".notice")
        browser.wait(lambda: browser.find("fresh.py", ".files"))
        browser.wait(lambda: "inventory.py" not in browser.text(".upright > .tabs"))
        assert "inventory.py" not in browser.text(".files")
        browser.click("arcade.py", ".upright > .tabs")
        browser.wait(lambda: "theirs" in browser.editor_text())
        browser.click("main.py", ".upright > .tabs")
        browser.wait(lambda: "print('mine')" in browser.editor_text())
        browser.wait_for_text("was changed by another program", ".notice")
        assert (arcade / "main.py").read_text() == "print('theirs')\n"


@pytest.mark.parametrize("name", ["../out.py", "a/../../out.py", "leads/out.py"])
def test_no_name_that_is_typed_leads_out_of_the_folder(arcade, home, browser, name):
    """Neither by dots nor through a link."""
    outside = arcade.parent / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("SECRET = 1\n")
    (arcade / "leads").symlink_to(outside)
    (arcade / "linked.py").symlink_to(outside / "secret.py")
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("New file", ".side-head")
        browser.wait(lambda: browser.js("document.activeElement.matches('.making input')"))
        browser.insert(name)
        browser.press("Enter")
        browser.wait(lambda: browser.text(".q-notification"))
        browser.click("linked.py", ".files")
        browser.settle()
        assert "SECRET" not in browser.text("body")
    assert not (arcade.parent / "out.py").exists()
    assert [path.name for path in outside.iterdir()] == ["secret.py"]


def test_names_and_texts_are_never_markup(arcade, home, browser):
    """Neither a file's name nor its text nor what a program prints makes an element."""
    bad = "<img src=x onerror=alert(1)>"
    (arcade / f"{bad}.py").write_text(f"import {'x'}\n# {bad}\nprint({bad!r})\nraise ValueError({bad!r})\n")
    (arcade / "main.py").write_text(
        f"print({bad!r})\nprint('\\x1b]8;;javascript:alert(1)\\x07link\\x1b]8;;\\x07')\n"
    )
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("main.py", ".files")
        browser.click("Run", ".runbar")
        browser.wait_for_terminal(bad)
        browser.click(bad, ".files")
        browser.wait_for_text(bad, ".tabs")
        for view in ("Findings", "Graph", "Organise", "Names", "Code"):
            browser.view(view)
            browser.settle()
        assert browser.count("img[src=x]") == 0
        assert browser.count(".xterm a[href^=javascript]") == 0
        assert bad in browser.text(".files")


def test_binary_and_huge_files_are_named(arcade, home, browser):
    """Opened they are not."""
    (arcade / "picture.bin").write_bytes(b"\x89PNG\0" * 100)
    with open(arcade / "huge.csv", "wb") as file:
        file.truncate(500_000_000)
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("picture.bin", ".files")
        browser.wait_for_text("It is not text")
        browser.click("huge.csv", ".files")
        browser.wait_for_text("It is too large for an editor")


def test_a_name_that_is_no_text_hurts_nothing(tmp_path, home, browser):
    """Spaces and letters of any script are names like others; bytes that are no text are shown as such."""
    folder = tmp_path / "with spaces ünï ö"
    (folder / "päckage").mkdir(parents=True)
    (folder / "main.py").write_text("print('hällo')\n")
    (folder / "päckage" / "mödule.py").write_text("x = 1\n")
    for place in (os.fsencode(folder), os.fsencode(folder / "päckage")):
        with open(place + b"/bad\xff.py", "wb") as file:
            file.write(b"import nothing_at_all\n")
    with serving(folder, home) as studio:
        browser.open(studio.address)
        browser.click("päckage", ".files")
        browser.click("päckage/mödule.py", ".files")
        browser.wait(lambda: "x = 1" in browser.editor_text())
        assert browser.text(".files").count("bad\N{REPLACEMENT CHARACTER}.py") == 2
        browser.click("Run", ".runbar")
        browser.wait_for_terminal("hällo")
        for view in ("Graph", "Findings", "Organise", "Names", "Code"):
            browser.view(view)
            browser.settle()
        browser.wait_for_text("findings", ".status")
