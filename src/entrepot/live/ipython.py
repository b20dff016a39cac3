"""IPython and Jupyter: `%load_ext entrepot`, and edits are in before each cell.

Names that the notebook took from a module (`from shop import price`) follow: functions and classes because they change in
place, other values because they are bound again where the notebook still has the module's old object.
"""

from __future__ import annotations

import os
from typing import Any

from entrepot.live import session

_MISSING = object()
_followers: dict[int, Any] = {}


class Follower:
    """Refreshes before each cell of one shell."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        if session.current is None:
            session.start([os.getcwd()])

    def before_cell(self, *_: object) -> None:
        """Apply edits; say so in one line."""
        taken = self._find_taken()
        report = session.refresh()
        if not report.changed:
            return
        print(report)
        if report.ok:
            self._follow(taken)

    def _find_taken(self) -> list[tuple[str, str, str, object]]:
        """Return the notebook's names that it has from a module: name here, module, name there, value."""
        mine: dict[int, list[str]] = {}
        for name, value in self.shell.user_ns.items():
            if name[:1] != "_":
                mine.setdefault(id(value), []).append(name)
        return [
            (here, module, there, value)
            for module, record in session.get_session().tracker.records.items()
            for there, value in record.namespace.items()
            if there[:2] != "__" and id(value) in mine
            for here in mine[id(value)]
            # A small number may be anybody's: only a name taken as it is called there is the module's.
            if here == there or not isinstance(value, int | str | float | bool | None)
        ]

    def _follow(self, taken: list[tuple[str, str, str, object]]) -> None:
        """Bind again what the notebook has from a module, where it is still the old object."""
        records, space = session.get_session().tracker.records, self.shell.user_ns
        for here, module, there, value in taken:
            if module in records and space.get(here, _MISSING) is value:
                now = records[module].namespace.get(there, _MISSING)
                if now is not _MISSING and now is not value:
                    space[here] = now

    def show_modules(self, _line: str = "") -> None:
        """`%modules`: which modules are followed."""
        for name, record in sorted(session.get_session().tracker.records.items()):
            print(f"{name:30} {record.path}")


def load_ipython_extension(shell: Any) -> None:
    """Called by `%load_ext entrepot`."""
    follower = _followers[id(shell)] = Follower(shell)
    shell.events.register("pre_run_cell", follower.before_cell)
    shell.register_magic_function(follower.show_modules, "line", "modules")


def unload_ipython_extension(shell: Any) -> None:
    """Called by `%unload_ext entrepot`."""
    follower = _followers.pop(id(shell), None)
    if follower is not None:
        shell.events.unregister("pre_run_cell", follower.before_cell)
        session.stop()
