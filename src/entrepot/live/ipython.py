"""IPython and Jupyter: `%load_ext entrepot`, and edits are in before each cell.

Names that the notebook took from a module (`from shop import price`) follow: functions and classes because they change in
place, other values because they are bound again where the notebook still has the module's old object.
"""

from __future__ import annotations

import os
from typing import Any

from entrepot.live import session
from entrepot.live.report import Report

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
        current = session.get_session()
        before = {name: dict(record.namespace) for name, record in current.tracker.records.items()}
        report = session.refresh()
        if not report.changed:
            return
        print(report)
        if report.ok:
            self._follow(before, report)

    def _follow(self, before: dict[str, dict[str, Any]], report: Report) -> None:
        """Bind again what the notebook has from a module, where it is still the old object."""
        records = session.get_session().tracker.records
        old: dict[int, tuple[str, str]] = {}
        for module in report.modules:
            for name, value in before.get(module, {}).items():
                if (
                    name[:2] != "__"
                    and module in records
                    and records[module].namespace.get(name, _MISSING) is not value
                ):
                    old[id(value)] = (module, name)
        space = self.shell.user_ns
        for mine, value in list(space.items()):
            if mine[:1] == "_" or id(value) not in old:
                continue
            module, name = old[id(value)]
            # A small number may be anybody's: only a name taken as it is called there is the module's.
            if isinstance(value, int | str | float | bool | None) and mine != name:
                continue
            if name in records[module].namespace:
                space[mine] = records[module].namespace[name]

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
