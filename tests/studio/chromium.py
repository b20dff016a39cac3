"""A headless Chromium that can reach nothing but this machine, driven through its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/ says what each method and event means.
"""

from __future__ import annotations

import base64
import ctypes
import json
import os
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from websockets.sync.client import connect

_KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "Backspace": 8, "Delete": 46, "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37,
         "ArrowRight": 39, "Home": 36, "End": 35, "F2": 113, "F6": 117, "F12": 123, " ": 32}  # fmt: skip


_prctl = ctypes.CDLL(None).prctl
_PR_SET_PDEATHSIG = 1


def end_with_us() -> None:
    """Have the process that is just being started end with this one, though this one be killed."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class ScriptError(Exception):
    """Code in the page that raised, or a page that was just going away."""


class Chromium:
    """One browser with one page."""

    def __init__(self, *, size: tuple[int, int] = (1280, 720), is_dark: bool = False) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        words = [
            "chromium", "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
            "--remote-debugging-port=0", f"--user-data-dir={self._profile.name}", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--password-store=basic",
            # Whatever is not this machine does not resolve.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        ]  # fmt: skip
        if os.getuid() == 0:
            words.append("--no-sandbox")
        self._process = subprocess.Popen(
            [*words, "about:blank"],
            env={**os.environ, "XDG_CONFIG_HOME": self._profile.name, "XDG_CACHE_HOME": self._profile.name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=end_with_us,
        )
        self._number = 0
        self._closing = ExitStack()
        self._events: list[dict] = []
        try:
            self._socket = self._closing.enter_context(
                connect(self._find_browser(), max_size=None, compression=None)
            )
            target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
            self._session = None
            attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
            self._session = attached["sessionId"]
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        self._size = size
        self._prepare()
        if is_dark:
            self.call(
                "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}]
            )

    _session: str | None = None

    def _prepare(self) -> None:
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(*self._size)

    def session(self) -> str | None:
        """Return what stands for the page that is driven."""
        return self._session

    def use(self, session: str | None) -> None:
        """Drive another page."""
        self._session = session

    def new_page(self, address: str) -> str | None:
        """Open one more page and drive it; return what stands for it."""
        self._session = None
        target = self.call("Target.createTarget", url="about:blank", background=False)
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)[
            "sessionId"
        ]
        self._prepare()
        self.go(address)
        return self._session

    def _find_browser(self) -> str:
        file = Path(self._profile.name) / "DevToolsActivePort"
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            if file.exists() and len(lines := file.read_text().splitlines()) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            time.sleep(0.02)
        raise AssertionError("chromium did not start")

    def __enter__(self):
        return self

    def __exit__(self, *error: object) -> None:
        self._session = None
        self.call("Browser.close")
        self._closing.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._profile.cleanup()

    def call(self, method: str, **parameters: object) -> dict:
        """Call a method of the protocol and return its result; what else is told meanwhile is kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise ScriptError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if "method" in answer:
                self._events.append(answer)

    def go(self, address: str) -> None:
        """Load an address."""
        failed = self.call("Page.navigate", url=address).get("errorText")
        assert not failed, f"{address}: {failed}"

    def reload(self) -> None:
        """Load the page again."""
        self.call("Page.reload")
        time.sleep(0.3)

    def resize(self, width: int, height: int) -> None:
        """Make the page itself so large."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def js(self, code: str, value: object = None):
        """Return what an expression is in the page, in which `A` is a value of ours; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate",
            expression=f"((A) => ({code}))({json.dumps(value)})",
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in answer:
            raise ScriptError(json.dumps(answer["exceptionDetails"])[:800])
        return answer["result"].get("value")

    def press_at(self, x: float, y: float, *, button: str = "left", ctrl: bool = False) -> None:
        """Click at a place."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x,
                y=y,
                button=button,
                clickCount=1,
                modifiers=2 * ctrl,
            )

    def drag_from_to(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag as HTML does: a mouse moves with its button down, then what is carried is dropped."""
        # Chromium answers before the page has seen the drop, and whatever is asked next may overtake it.
        self.js(
            "window.hasDropped = false, addEventListener('drop', () => { window.hasDropped = true; }, "
            "{ capture: true, once: true })"
        )
        self.call("Input.setInterceptDrags", enabled=True)
        self._events = [e for e in self._events if e["method"] != "Input.dragIntercepted"]
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=start[0], y=start[1])
        self.call(
            "Input.dispatchMouseEvent",
            type="mousePressed",
            x=start[0],
            y=start[1],
            button="left",
            clickCount=1,
        )
        data = None
        for step in range(1, 30):
            x, y = (start[i] + (end[i] - start[i]) * step / 30 for i in (0, 1))
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
            if data := self._carried():
                break
        ends = time.monotonic() + 20
        while data is None and time.monotonic() < ends:
            self.js("1")
            data = self._carried()
        if data is None:
            over = self.js("document.elementFromPoint(...A)?.outerHTML.slice(0, 300)", start)
            raise AssertionError(f"no drag has begun at {start}, where there is {over}")
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=end[0], y=end[1], data=data)
        self.call(
            "Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], button="left", clickCount=1
        )
        self.call("Input.setInterceptDrags", enabled=False)
        ends = time.monotonic() + 20
        while not self.js("window.hasDropped"):
            assert time.monotonic() < ends, "the page has seen no drop"
            time.sleep(0.01)

    def _carried(self) -> dict | None:
        """Return what the drag that has just begun carries."""
        found = (e for e in self._events if e["method"] == "Input.dragIntercepted")
        return next((event["params"]["data"] for event in found), None)

    def press(self, key: str, *, ctrl: bool = False, shift: bool = False, alt: bool = False) -> None:
        """Press a key where the focus is."""
        code = _KEYS.get(key) or ord(key.upper())
        text = "\r" if key == "Enter" else key if len(key) == 1 and not (ctrl or alt) else ""
        rest = {"key": key, "windowsVirtualKeyCode": code, "modifiers": alt + 2 * ctrl + 8 * shift}
        rest["code"] = (
            f"Digit{key}"
            if key.isdigit()
            else f"Key{key.upper()}"
            if len(key) == 1 and key.isalpha()
            else key
        )
        commands = ["selectAll"] if ctrl and key == "a" else []
        self.call(
            "Input.dispatchKeyEvent",
            type="keyDown" if text else "rawKeyDown",
            text=text,
            commands=commands,
            **rest,
        )
        self.call("Input.dispatchKeyEvent", type="keyUp", **rest)

    def type(self, text: str) -> None:
        """Type a text where the focus is, key by key."""
        for character in text:
            if character == "\n":
                self.press("Enter")
            elif character.isalnum():
                self.press(character)
            else:
                self.call("Input.dispatchKeyEvent", type="char", text=character)

    def insert(self, text: str) -> None:
        """Put a text in where the focus is, as a paste does."""
        self.call("Input.insertText", text=text)

    def addresses(self) -> set[str]:
        """Return every address that the pages have asked for so far."""
        self.js("1")
        found = set()
        for event in self._events:
            if event["method"] == "Network.requestWillBeSent":
                found.add(event["params"]["request"]["url"])
            elif event["method"] == "Network.webSocketCreated":
                found.add(event["params"]["url"])
        return {address for address in found if not address.startswith("data:")}

    def errors(self) -> list[str]:
        """Return what went wrong in the pages so far: exceptions, and what the console calls errors."""
        self.js("1")
        found = []
        for event in self._events:
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(event["params"]["exceptionDetails"])[:1000])
            elif event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                found.append(event["params"]["entry"]["text"] + " " + event["params"]["entry"].get("url", ""))
            elif event["method"] == "Runtime.consoleAPICalled" and event["params"]["type"] in (
                "error",
                "assert",
            ):
                found.append(json.dumps(event["params"]["args"])[:1000])
        return found

    def logged(self) -> list[str]:
        """Return what the pages have told the console so far."""
        return [
            " ".join(str(word.get("value", "")) for word in event["params"]["args"])
            for event in self._events
            if event["method"] == "Runtime.consoleAPICalled"
        ]

    def shoot(self, path: str | Path) -> None:
        """Keep a picture of the page."""
        Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
