"""What statements did to things outside their own names: taken back, put in place again, or undone with a failed update.

Covers entries of the program's containers (see `containers`), atexit, signal handlers, logging handlers, `sys.path` and its
relatives, `os.environ` and warning filters. Files, sockets, processes and threads cannot be undone: they are named in
the report.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading

from entrepot.live.attribution import NOBODY
from entrepot.live.codes import walk_codes
from entrepot.live.containers import KINDS, Entry, copy_of, differs, find_containers, restore
from entrepot.live.facts import absolute
from entrepot.live.functions import innermost
from entrepot.live.hooks import Hooks
from entrepot.live.record import Record
from entrepot.live.registrations import withdraw_calls
from entrepot.live.staging import Stage
from entrepot.live.statements import Unit
from entrepot.live.values import peek

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.live.update import Update

_MISSING = object()
_PLACING = frozenset(("insert", "appendleft", "sort", "sorted", "insort", "heappush", "reverse"))


class Effects:
    """The effects of one update."""

    def __init__(self, update: Update) -> None:
        self._update = update
        self._containers = update.containers
        self._saved: list[tuple[Any, Any]] = []
        self._system: list[tuple[Any, Any]] = []
        self._environment: dict[str, str] = {}
        self._signals: dict[int, Any] = {}
        self._threads: set[int | None] = set()
        self._is_ready = False
        self._finished = 0  # modules that had run when the statement began
        self.hooks: Hooks | None = None
        self._blocks: dict[tuple[str, int], tuple[Any, list[int]]] = {}
        self._entries_before: dict[str, list[Entry]] = {}

    def _prepare(self) -> None:
        """Before the first statement runs: remember what a failure must bring back."""
        if self._is_ready:
            return
        self._is_ready = True
        import signal
        import warnings

        self._containers.waiting.clear()  # with all others; what their containers were at first nobody knows
        for record in list(self._update.records.values()):
            self._containers.take_in(record.namespace, record.name, is_known=False)
        self._containers.look_again()
        self._saved = [(c, copy_of(c)) for c in self._containers.objects]
        self._system = [(c, list(c)) for c in (sys.path, sys.meta_path, sys.path_hooks, warnings.filters)]
        self._environment = dict(os.environ)
        self._threads = {thread.ident for thread in threading.enumerate()}
        if threading.current_thread() is threading.main_thread():
            for number in signal.valid_signals():
                try:
                    self._signals[number] = signal.getsignal(number)
                except (OSError, ValueError):
                    continue

    def begin(self, stage: Stage, unit: Unit) -> None:
        """A statement is about to run."""
        if _may_act(unit) or (unit.kind == "import" and not self._is_there(stage, unit)):
            self._prepare()
        self._finished = self._update.tracker.count

    def _is_there(self, stage: Stage, unit: Unit) -> bool:
        """Whether an import statement only takes names from modules that have run already."""
        for wanted in unit.imports:
            module = sys.modules.get(absolute(stage.record, wanted) or "")
            names = getattr(module, "__dict__", {})
            if module is None or ("__path__" in names and any(name not in names for name in wanted.names)):
                return False
        return True

    def end(self, stage: Stage, unit: Unit) -> None:
        """A statement has run: what it added is its own."""
        # What a new container holds now came with it; entries from here on are other statements'.
        bound = {name: stage.staged[name] for name in unit.binds if name in stage.staged}
        self._containers.take_in(bound, stage.record.name, is_known=True)
        if not self._is_ready:
            return
        if unit.kind == "import":
            if self._update.tracker.count != self._finished:
                self._containers.look_again()
            return
        if not _may_act(unit):
            return
        entries = self._containers.find_all_changes()
        mark = unit.mark
        record = stage.record
        self._keep_entries(stage)
        for entry in entries:
            entry.unit = mark
            entry.is_own = False
            record.entries.append(entry)
        if not self._puts_where_it_likes(stage, unit):
            self._reorder(stage, {id(entry.container) for entry in entries})
        for container in {id(entry.container): entry.container for entry in entries}.values():
            self._update.note_content(container)

    def _keep_entries(self, stage: Stage) -> None:
        self._keep_record(stage.record)

    def _keep_record(self, record: Record) -> None:
        if record.name not in self._entries_before:
            self._entries_before[record.name] = list(record.entries)

    def withdraw(self, stage: Stage, unit: Unit) -> None:
        """Take back what a statement did, because it is gone or will run again."""
        if not stage.record.journal and "atexit" not in unit.text and "signal" not in unit.text:
            withdraw_calls(self._update, stage, unit)
            return
        mark = unit.mark
        # A container that the statement itself made goes as it is, whole; so do those of a class that it made, which stay
        # if their initialiser does.
        bound = {n: stage.staged[n] for n in unit.binds if n in stage.staged and unit.kind != "import"}
        made = {id(value) for value in bound.values()}
        classes = {name: value for name, value in bound.items() if isinstance(value, type)}
        if classes:
            named = {id(value) for name, value in stage.staged.items() if name not in bound}
            made |= {id(c) for c in find_containers(classes, stage.record.name)} - named
        mine = [e for e in stage.record.entries if e.unit == mark and id(e.container) not in made]
        if mine or "atexit" in unit.text or "signal" in unit.text:
            self._prepare()
        self._keep_entries(stage)
        # What is in a list made for its first entry, then the list, which stays where others have entries in it.
        backwards = mine[::-1]
        for entry in sorted(backwards, key=lambda e: type(e.value) in KINDS):
            if (isinstance(entry.container, dict) and not entry.is_live()) or self._hand_over(entry, mine):
                continue
            places = _places(stage, entry.container)
            if places:
                self._blocks.setdefault((stage.record.name, id(entry.container)), (entry.container, places))
            entry.withdraw()
            if not entry.container:
                self._drop_empty(stage, entry)
        elsewhere = set()
        if mine:
            others = [r for r in self._update.records.values() if r is not stage.record]
            elsewhere = {id(entry) for record in others for entry in record.journal or ()}
        stage.record.entries = [
            entry for entry in stage.record.entries if entry.unit != mark and id(entry) not in elsewhere
        ]
        withdraw_calls(self._update, stage, unit)
        if mine:
            self._containers.look_again()
            for container in {id(entry.container): entry.container for entry in mine}.values():
                self._update.note_content(container)

    def _hand_over(self, entry: Entry, withdrawn: list[Entry]) -> bool:
        """Whether an entry is a container that others filled too: then it is one of theirs from now on."""
        if type(entry.value) not in KINDS or not entry.value:
            return False
        for record in self._update.records.values():
            for other in record.journal or ():
                if other.container is entry.value and other not in withdrawn and other.is_live():
                    entry.unit = other.unit
                    self._keep_record(record)
                    if entry not in record.entries:
                        record.entries.append(entry)
                    return True
        return False

    def _drop_empty(self, stage: Stage, entry: Entry) -> None:
        """A list that was made for its first entry goes with its last."""
        for outer in self._containers.objects:
            if (
                isinstance(outer, dict)
                and outer is not entry.container
                and id(outer) not in self._containers.attributes
            ):
                for key, value in list(outer.items()):
                    if (
                        value is entry.container
                        and not any(
                            e.container is outer and e.key == key and e.unit is None
                            for e in stage.record.entries
                        )
                        and any(
                            e.container is outer and e.value is entry.container
                            for r in self._update.records.values()
                            for e in r.entries
                        )
                    ):
                        del outer[key]

    def entries_of(self, stage: Stage, unit: Unit) -> list[Entry]:
        """Return what a statement has put into containers."""
        mark = unit.mark
        return [entry for entry in stage.record.entries if entry.unit == mark]

    def has_entries_in(self, stage: Stage, unit: Unit, containers: set[int]) -> bool:
        """Whether a statement filled one of these containers."""
        return any(id(entry.container) in containers for entry in self.entries_of(stage, unit))

    def _puts_where_it_likes(self, stage: Stage, unit: Unit) -> bool:
        """Whether a statement, or a function that it calls, puts entries elsewhere than at the end."""
        if any(word in unit.text for word in _PLACING):
            return True
        for chain in unit.eager:
            value: Any = stage.staged.get(chain[0])
            for part in chain[1:]:
                value = peek(value, "__dict__", {}).get(part)
            code = getattr(innermost(value), "__code__", None) if callable(value) else None
            if code is not None and any(
                not _PLACING.isdisjoint(c.co_names) for c in (code, *walk_codes(code))
            ):
                return True
        return False

    def _reorder(self, stage: Stage, containers: set[int]) -> None:
        """Entries of one module stand in a list or dict in the order of its statements, as after a fresh start."""
        order = {step.unit.mark: index for index, step in enumerate(stage.difference.steps)}
        for step in stage.difference.steps:
            if step.old is not None:
                order.setdefault(step.old.mark, order[step.unit.mark])
        for key in containers:
            mine = [
                e for e in stage.record.entries if id(e.container) == key and e.is_live() and e.unit in order
            ]
            if not mine or isinstance(mine[0].container, set):
                continue
            container = mine[0].container
            ranked = sorted(
                mine, key=lambda e: order[e.unit or NOBODY]
            )  # stable: within a statement as it made them
            before = self._blocks.get((stage.record.name, key))
            places = sorted({*_places(stage, container), *(before[1] if before else ())})
            _place(container, ranked, places[0] if places else len(container))
        self._containers.look_again()

    def take_back(self) -> list[str]:
        """The update failed: bring the containers and the system's lists back; name what stays."""
        left: list[str] = []
        if self.hooks is not None:
            for function in self.hooks.registered:
                atexit.unregister(function)
        for container, content in self._saved:
            if differs(container, content):
                restore(container, content)
        for container, content in self._system:
            if differs(container, content):
                container[:] = content
        if self._is_ready and dict(os.environ) != self._environment:
            for name in set(os.environ) - set(self._environment):
                del os.environ[name]
            os.environ.update(self._environment)
        if self._signals:
            import signal
        for number, handler in self._signals.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        if self._is_ready:
            self._containers.look_again()
            left += [
                f"thread {t.name} goes on" for t in threading.enumerate() if t.ident not in self._threads
            ]
        for name, entries in self._entries_before.items():
            if name in self._update.records:
                self._update.records[name].entries = entries
        return left


def _may_act(unit: Unit) -> bool:
    return unit.has_effects or unit.is_decorated or unit.kind in ("class", "other")


def _places(stage: Stage, container: Any) -> list[int]:
    """Where a module's entries stand in a container."""
    mine = [e for e in stage.record.entries if e.container is container]
    if isinstance(container, dict):
        keys = list(container)
        return sorted(keys.index(e.key) for e in mine if e.key in container)
    if isinstance(container, set):
        return []
    values = {id(e.value) for e in mine}
    return [index for index, item in enumerate(container) if id(item) in values]


def _place(container: Any, ranked: list[Entry], first: int) -> None:
    """Put entries into a container as one block in this order."""
    if isinstance(container, dict):
        keys = {id(e): e.key for e in ranked}
        wanted = [keys[id(e)] for e in ranked]
        others = [k for k in container if k not in set(wanted)]
        order = others[:first] + wanted + others[first:]
        if order != list(container):
            content = {k: container[k] for k in order}
            restore(container, content)
        return
    ids = {id(e.value) for e in ranked}
    others = [item for item in container if id(item) not in ids]
    values = others[:first] + [e.value for e in ranked] + others[first:]
    if len(values) == len(container) and differs(container, values):
        restore(container, values)
