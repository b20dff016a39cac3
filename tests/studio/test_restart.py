"""What outlives a reload, a restart, a studio that was killed: everything one sees, and no process."""

import os
import signal
import time
from pathlib import Path

import pytest
from browser import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

COUNTS = (
    "import os, signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    "subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(1, signal.SIG_IGN); time.sleep(600)'])\n"
    "print('counting', *sys.argv[1:], flush=True)\n"
    "time.sleep(600)\n"
)

PASTE = """
(() => {
    const given = new DataTransfer();
    given.setData('text/plain', A);
    const event = new ClipboardEvent('paste', { clipboardData: given, bubbles: true, cancelable: true });
    document.querySelector('.panel.is-front .cm-content').dispatchEvent(event);
})()
"""


def list_family(pid):
    """Return a process and all that descend from it."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def lives(pid):
    """Say whether a process runs (one that has ended and was not waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_gone(pids):
    """Wait until no process is left; return those that are after a while."""
    ends = time.monotonic() + 20
    while (left := [pid for pid in pids if lives(pid)]) and time.monotonic() < ends:
        time.sleep(0.05)
    return [(pid, Path(f"/proc/{pid}/cmdline").read_bytes()) for pid in left]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_restart_shows_what_was_there(arcade, home, browser, number):
    """Tabs, what was typed, arguments, the view, both runs with what they wrote; and the page comes back by itself."""
    (arcade / "count.py").write_text(COUNTS)
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("inventory.py", ".files")
        browser.click("main.py", ".files")
        browser.wait(lambda: "import arcade" in browser.editor_text())
        browser.click("Run", ".runbar")
        browser.wait_for_text("exit status 0", ".run-state")
        browser.wait_for_terminal("after taking the whale")
        browser.fill(".arguments input", "one two")
        browser.fill(".entry input", "count.py")
        browser.click("Run", ".runbar")
        browser.wait_for_terminal("counting one two")
        browser.click("main.py", ".upright > .tabs")
        browser.write("print('not saved')\n")
        browser.wait(lambda: browser.count(".files .dot") == 1)
        browser.settle(1.5)
        family = list_family(studio.process.pid)
        studio.process.send_signal(number)
        studio.process.wait(30)
        assert wait_gone(family) == []
    with serving(arcade, home):
        # It reloads itself, and is the same browser tab.
        browser.wait(lambda: "print('not saved')" in browser.editor_text())
        browser.wait_for_terminal("counting one two")
        browser.wait_for_text("ended with the studio", ".run-state")
        assert browser.text(".upright > .tabs").split("\n")[0::2] == ["inventory.py", "main.py"]
        assert browser.js("document.querySelector('.arguments input').value") == "one two"
        assert browser.js("document.querySelector('.entry input').value") == "count.py"
        browser.click("main.py", ".run-tabs")
        browser.wait_for_terminal("after taking the whale")
        browser.wait_for_text("exit status 0", ".run-state")
        browser.click("count.py one two", ".run-tabs")
        browser.wait_for_terminal("counting one two")
        browser.click("Run", ".runbar")
        browser.wait_for_text("running", ".run-state")


def test_a_new_browser_finds_the_last_runs(arcade, home, browser):
    """The page was closed, the studio ended; who opens it the next day sees what was written last."""
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("Run", ".runbar")
        browser.wait_for_text("exit status 0", ".run-state")
        browser.go("about:blank")
    with serving(arcade, home) as studio:
        browser.new_page(studio.address)
        browser.wait_ready()
        browser.wait_for_terminal("after taking the whale")
        browser.wait_for_text("exit status 0", ".run-state")


def test_nothing_outlives_a_killed_studio(arcade, home, browser):
    """No program, though it takes no notice of a hangup, no child of it, no process that answers questions, no folder."""
    (arcade / "main.py").write_text(COUNTS)
    with serving(arcade, home, temporary=home) as studio:
        browser.open(studio.address)
        browser.click("Run", ".runbar")
        browser.wait_for_terminal("counting")
        browser.view("Names")
        browser.fill(".ask-field input", "os.path")
        browser.press("Enter")
        browser.wait(lambda: browser.count(".lookup-step"))
        family = list_family(studio.process.pid)
        assert len(family) > 5
        assert list(home.glob("entrepot-studio-*"))
        studio.process.kill()
        studio.process.wait()
        assert wait_gone(family) == []
        ends = time.monotonic() + 20
        while list(home.glob("entrepot-studio-*")) and time.monotonic() < ends:
            time.sleep(0.05)
        assert list(home.glob("entrepot-studio-*")) == []


def test_what_is_typed_while_the_studio_is_away_is_not_lost(arcade, home, browser):
    """The page keeps it until the next start, and has undo and cursor after a reload."""
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("main.py", ".files")
        browser.wait(lambda: "import arcade" in browser.editor_text())
        browser.write("print('first')\n")
        browser.wait(lambda: browser.count(".files .dot") == 1)
        os.kill(studio.process.pid, signal.SIGKILL)
        studio.process.wait()
        browser.js("document.querySelector('.cm-content').focus()")
        browser.insert("print('typed in between')\n")
        assert "in between" in browser.editor_text()
    with serving(arcade, home):
        browser.wait(lambda: browser.js("!!(window.socket?.connected)") and browser.count(".files .dot") == 1)
        browser.wait(lambda: "print('typed in between')" in browser.editor_text())
        browser.settle(1)
        browser.reload()
        browser.wait_ready()
        browser.wait(lambda: "print('typed in between')" in browser.editor_text())
        assert "print('first')" in browser.editor_text()
        browser.js("document.querySelector('.cm-content').focus()")
        for _ in range(3):
            browser.press("z", ctrl=True)
        browser.wait(lambda: "in between" not in browser.editor_text())
        browser.press("s", ctrl=True)
        browser.wait(lambda: "in between" not in (arcade / "main.py").read_text())


def test_a_paste_of_more_than_a_megabyte_arrives(arcade, home, browser):
    """In pieces; and it is saved as it was pasted."""
    text = "".join(f"x{number} = {number!r}  # 'ä\\n\"\n" for number in range(40_000))
    with serving(arcade, home) as studio:
        browser.open(studio.address)
        browser.click("main.py", ".files")
        browser.wait(lambda: "import arcade" in browser.editor_text())
        browser.click_on(".panel.is-front .cm-content")
        browser.press("a", ctrl=True)
        browser.js(PASTE, text)
        browser.wait(lambda: browser.count(".files .dot") == 1)
        browser.press("s", ctrl=True)
        browser.wait(lambda: (arcade / "main.py").read_text() == text)
