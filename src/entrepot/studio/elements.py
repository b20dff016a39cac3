"""The parts of the page that NiceGUI has not: each is a Vue component in `static/`, and a class here.

The editor and the terminal use the CodeMirror and xterm that come with NiceGUI.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nicegui
from nicegui import ui

_STATIC = Path(__file__).parent / "static"
_THEIRS = Path(nicegui.__file__).parent / "elements"
_EDITOR = {"nicegui-codemirror": str(_THEIRS / "codemirror" / "dist")}
_TERMINAL = {"nicegui-xterm": str(_THEIRS / "xterm" / "dist")}

Handler = Callable[..., Any]


class Part(ui.element):
    """A component of ours: its properties are values of the page, its events call back with their value."""

    def put(self, **values: Any) -> None:
        """Set properties, and send them if they are others than before."""
        if any(self._props.get(name) != value for name, value in values.items()):
            self._props.update(values)
            self.update()

    def when(self, event: str, handler: Handler) -> None:
        """Call back with what an event brings."""
        self.on(event, lambda given: handler(given.args))


class Files(Part, component=_STATIC / "files.js"):
    """The tree of files."""


class Editor(Part, component=_STATIC / "editor.js", esm=_EDITOR):
    """The editor of all open files."""


class Terminal(Part, component=_STATIC / "terminal.js", esm=_TERMINAL):
    """The terminal of one run."""


class Picture(Part, component=_STATIC / "picture.js"):
    """What runs, the module cache, and the namespaces."""


class Story(Part, component=_STATIC / "story.js"):
    """A long list of sentences, one of them current."""


class Graph(Part, component=_STATIC / "graph.js"):
    """Modules and their arrows."""


class Difference(Part, component=_STATIC / "difference.js"):
    """A unified diff."""


class Board(Part, component=_STATIC / "board.js"):
    """Definitions in columns."""


def make_button(
    text: str = "",
    *,
    icon: str = "",
    label: str = "",
    tip: str = "",
    act: Handler | None = None,
    css: str = "",
) -> ui.button:
    """Return a quiet button. label: what it says to who cannot see its icon; tip: shown on hovering."""
    button = ui.button(text, icon=icon or None, color=None, on_click=act)
    button.props("flat dense no-caps")
    if label or not text:
        button.props["aria-label"] = label or tip
    if not text:
        button.classes("is-icon")
    if css:
        button.classes(css)
    if tip or label:
        button.tooltip(tip or label)
    return button


def read_static(name: str) -> str:
    """Return the text of a file in `static/`."""
    return (_STATIC / name).read_text(encoding="utf-8")


def style_sheet() -> str:
    """Return the style of the page, with the terminal's own."""
    terminal = (_THEIRS / "xterm" / "dist" / "xterm.css").read_text(encoding="utf-8")
    return (
        terminal
        + "\n"
        + "\n".join(read_static(name) for name in sorted(os.listdir(_STATIC)) if name.endswith(".css"))
    )
