"""A studio in a process of its own, and a headless Chromium that can reach nothing but it.

with serving(folder, home) as studio, Browser(size=(1280, 720)) as browser:
    browser.open(studio.address)
    browser.click("Run")
    browser.wait_for_text("exit status 0")
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chromium import Chromium, ScriptError, end_with_us

WAIT_S = 45  # on a machine that does much else


@dataclass
class Serving:
    """A running studio: the address with its token, the port, the process."""

    address: str
    port: int
    token: str
    process: subprocess.Popen[str]


@contextmanager
def serving(folder: Path, home: Path, *options: str, temporary: Path | None = None) -> Iterator[Serving]:
    """Start `entrepot studio` on a folder, with everything that it remembers in `home`; end it as Ctrl-C does."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("XDG_", "PYTEST", "NICEGUI"))
    }
    (home / "warm").mkdir(mode=0o700, exist_ok=True)
    env |= {"HOME": str(home), "ENTREPOT_DIR": str(home / "warm")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    if temporary is not None:
        env["TMPDIR"] = str(temporary)
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "entrepot", "studio", str(folder), "--no-browser", *options],
            env=env, stdout=subprocess.PIPE, stderr=errors, text=True, preexec_fn=end_with_us,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", line)
            if found is None:
                process.wait(10)
                errors.seek(0)
                raise AssertionError(f"the studio did not start: {line!r} {errors.read()}")
            yield Serving(found[0], int(found[1]), found[2], process)
        except BaseException:
            errors.seek(0)
            print("the studio said:", errors.read())
            raise
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            assert process.stdout is not None
            process.stdout.close()
            # The keeper of the runs outlives the studio, as it should; not the test.
            subprocess.run(
                [sys.executable, "-m", "entrepot", "warm", "stop"], env=env, capture_output=True, check=True
            )
        errors.seek(0)
        said = errors.read()
        assert "Traceback" not in said, said


class Browser(Chromium):
    """A page of the studio. Names in `click` and others are what a person reads: a button's text or label."""

    def open(self, address: str) -> None:
        """Go to the studio and wait until it answers."""
        self.go(address)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until the page's socket is connected, so that clicks arrive."""
        self.wait(lambda: self.js("!!(window.socket?.connected && document.querySelector('.studio'))"))
        time.sleep(0.2)

    def wait(self, look, timeout_s: float = WAIT_S):
        """Wait until a look gives something, and return it."""
        ends = time.monotonic() + timeout_s
        problem: BaseException | None = None
        while time.monotonic() < ends:
            try:
                if found := look():
                    return found
            except ScriptError as error:
                problem = error
            time.sleep(0.05)
        raise AssertionError(
            f"nothing came within {timeout_s} s; the page shows:\n{self.text()[:3000]}\n"
            f"the console: {self.logged()}, {self.errors()}"
        ) from problem

    def text(self, selector: str = "body") -> str:
        """Return what can be read."""
        return str(self.js("[...document.querySelectorAll(A)].map(e => e.innerText).join('\\n')", selector))

    def wait_for_text(self, text: str, selector: str = "body", timeout_s: float = WAIT_S) -> None:
        """Wait until a text can be read."""
        self.wait(lambda: text in self.text(selector), timeout_s)

    def count(self, selector: str) -> int:
        """Return how many elements match a CSS selector."""
        return int(self.js("document.querySelectorAll(A).length", selector))

    def find(self, name: str, within: str = "body") -> tuple[float, float] | None:
        """Return the middle of the button (tab, row, link) with this text or label, or None."""
        return self.js(_FIND, [name, within])

    def click(self, name: str, within: str = "body", *, button: str = "left") -> None:
        """Click what has this text or label, once it is there."""
        self.press_at(*self.wait(lambda: self.resting(lambda: self.find(name, within))), button=button)

    def click_on(self, selector: str) -> None:
        """Click the middle of the first element that matches."""
        self.press_at(*self.wait(lambda: self.resting(lambda: self.place(selector))))

    def resting(self, look):
        """Return what is found once it stays as it is (dialogs and menus come in moving, lists are drawn again)."""
        before = look()
        for _ in range(2):
            time.sleep(0.03)
            if before is None or look() != before:
                return None
        return before

    def place(self, selector: str) -> tuple[float, float] | None:
        """Return the middle of the first element that matches and can be seen."""
        return self.js(_PLACE, selector)

    def drag(self, name: str, target: str, *, within: str = "body", onto: str = "body") -> None:
        """Drag what has one name onto what has another, once both are there and rest."""

        def look() -> tuple[tuple[float, float], tuple[float, float]] | None:
            start, end = self.find(name, within), self.find(target, onto)
            # To bring one into sight may have moved the other.
            return (start, end) if start and end and self.find(name, within) == start else None

        self.drag_from_to(*self.wait(lambda: self.resting(look)))

    def view(self, name: str) -> None:
        """Bring a view to the front."""
        self.click(name, ".rail")
        self.wait(lambda: name in self.text(".rail .is-front"))

    def settle(self, seconds: float = 0.4) -> None:
        """Give the page time to do what it should not do."""
        time.sleep(seconds)

    def fill(self, selector: str, text: str) -> None:
        """Replace what a field holds."""
        self.click_on(selector)
        self.press("a", ctrl=True)
        self.insert(text)
        self.js("document.activeElement.dispatchEvent(new Event('change', { bubbles: true }))")

    def word_place(self, word: str) -> tuple[float, float]:
        """Return the middle of a word in the editor."""
        return self.wait(lambda: self.resting(lambda: self.js(_WORD, word)))

    def write(self, text: str) -> None:
        """Replace what the editor shows by a text, as if pasted."""
        self.click_on(".panel.is-front .cm-scroller")
        self.press("a", ctrl=True)
        self.insert(text)

    def editor_text(self) -> str:
        """Return the lines of the editor that are drawn."""
        return str(
            self.js(
                "[...document.querySelectorAll('.panel.is-front .cm-line')].map(e => e.textContent).join('\\n')"
            )
        )

    def terminal_text(self) -> str:
        """Return what the terminal shows."""
        return str(self.js(_ROWS))

    def wait_for_terminal(self, text: str, timeout_s: float = WAIT_S) -> None:
        """Wait until the terminal shows a text."""
        self.wait(lambda: text in self.terminal_text(), timeout_s)


_ROWS = """
[...document.querySelectorAll('.xterm-rows > div')]
    .map(e => e.textContent.replace(/\\u00a0/g, ' ').trimEnd()).join('\\n').trimEnd()
"""
# The middle of an element that a person could hit there: not one that moves, and not one beneath something else.
_MIDDLE = """
(e => {
    if (!e) return null;
    e.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    const b = e.getBoundingClientRect();
    const x = b.x + b.width / 2, y = b.y + b.height / 2, top = document.elementFromPoint(x, y);
    const moves = (a) => a.playState === 'running' && a.effect?.target?.contains(e)
        && a.effect.getKeyframes().some(k => (k.transform ?? 'none') !== 'none');
    if (document.getAnimations().some(moves)) return null;
    return top && (e.contains(top) || top.contains(e)) ? [x, y] : null;
})
"""
_WORD = """
(() => {
    for (const line of document.querySelectorAll('.panel.is-front .cm-line')) {
        const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const at = walker.currentNode.data.indexOf(A);
            if (at < 0) continue;
            const range = document.createRange();
            range.setStart(walker.currentNode, at);
            range.setEnd(walker.currentNode, at + A.length);
            const b = range.getBoundingClientRect();
            return [b.x + b.width / 2, b.y + b.height / 2];
        }
    }
    return null;
})()"""
_PLACE = _MIDDLE + "([...document.querySelectorAll(A)].find(e => e.getClientRects().length))"
_FIND = (
    _MIDDLE
    + """((() => {
    const [name, within] = A;
    const roles = ['button', 'tab', 'treeitem', 'menuitem', 'option'].map(role => `[role=${role}]`).join(', ');
    const kinds = `button, ${roles}, a, .q-item, [data-name]`;
    const seen = [...document.querySelectorAll(within)].flatMap(e => [...e.querySelectorAll(kinds)])
        .filter(e => e.getClientRects().length && !e.disabled);
    const words = (e) => {
        const copy = e.cloneNode(true);
        copy.querySelectorAll('.q-icon, .q-focus-helper').forEach(i => i.remove());
        return (copy.textContent || '').trim() || e.getAttribute('aria-label') || '';
    };
    return seen.find(e => e.dataset.name === name) || seen.find(e => words(e) === name)
        || seen.find(e => words(e).includes(name));
})())"""
)
