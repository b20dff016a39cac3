"""The copy in which a module's new code runs, and how the updating thread alone sees it.

Other threads go on with the old namespace. For the updating thread, attribute access on a staged module leads to the
copy: while the update lasts the module object has a class that looks at who asks.
"""

from __future__ import annotations

import io
import sys
import threading
from types import ModuleType

from entrepot.live.diff import Difference
from entrepot.live.record import Record
from entrepot.live.statements import Parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrepot.live.lateness import Late

_MISSING = object()


class Stage:
    """One module during one update."""

    def __init__(
        self, record: Record, parsed: Parsed, difference: Difference, views: Views, *, is_edited: bool
    ) -> None:
        self.record = record
        self.views = views
        self.parsed = parsed
        self.difference = difference
        self.is_edited = is_edited
        self.before = dict(record.namespace)  # to know what staging itself changed
        self.staged = dict(record.namespace)
        self.path = record.path
        self.ran: set[int] = set()  # ids of units that have run or got new code
        self.executed: set[int] = set()  # ids of units whose statement was executed in the copy
        self.last_run: dict[int, int] = {}  # ids of units that have run -> as which of the update's runs
        self.late: dict[str, Late] = {}  # what its statements reach too early, by their marks
        self.became_late: set[str] = set()  # marks of those that did not before the edit
        self.has_lent = False  # functions may have been made that are copies of living ones
        self.seen = 0  # facts known when the module was last gone through
        self.is_active = False
        self.running_line = 0  # the line that the module's own top level has come to, where it still runs
        self.unpatched: set[tuple[str, int]] = set()  # codes whose free variables differ
        self.published: dict[str, Any] = {}
        self.view: type | None = None

    def changes(self) -> dict[str, Any]:
        """Names that staging bound; with those already made real, which may be back at what they were."""
        before, published = self.before, self.published
        return {
            name: value
            for name, value in self.staged.items()
            if before.get(name, _MISSING) is not value or name in published
        }

    def may_have_functions(self) -> bool:
        """Whether what has run here can have made functions whose globals are the copy."""
        return self.has_lent or any(
            id(unit) in self.executed
            and (unit.codes or any(w in unit.text for w in ("exec", "eval", "globals")))
            for unit in self.parsed.units
        )

    def deletions(self) -> list[str]:
        """Names that staging deleted."""
        return [name for name in self.before if name not in self.staged]

    def show(self) -> None:
        """Let the updating thread see the copy through the module object."""
        module = self.record.module
        kind = type(module)
        try:
            module.__class__ = self.views.class_for(kind)
        except TypeError:
            return  # an object of its own making in sys.modules
        self.views.stages[id(module)] = self
        self.view = kind

    def hide(self) -> None:
        """Give the module object its class back."""
        if self.view is not None:
            ModuleType.__setattr__(self.record.module, "__class__", self.view)
            self.views.stages.pop(id(self.record.module), None)
            self.view = None


class Views:
    """The classes that modules have during one update, one for each class that they have otherwise."""

    def __init__(self) -> None:
        self.stages: dict[int, Stage] = {}  # ids of module objects -> whose copy is seen
        self._classes: dict[type, type] = {}

    def class_for(self, kind: type) -> type:
        """Return the class that shows this thread the copy, and others the module."""
        made = self._classes.get(kind)
        if made is None:
            made = self._classes[kind] = _make_view(kind, self.stages)
        return made


def _make_view(kind: Any, stages: dict[int, Stage]) -> type:
    owner = threading.get_ident()

    class Staged(kind):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            if threading.get_ident() == owner and (stage := stages.get(id(self))) is not None:
                staged = stage.staged
                if name == "__dict__":
                    return staged
                if name in staged:
                    return staged[name]
                if name in stage.record.namespace:
                    fallback = staged.get("__getattr__")
                    if fallback is not None:
                        return fallback(name)
                    raise AttributeError(
                        f"module {staged.get('__name__')!r} has no attribute {name!r}",
                        name=name,
                        obj=self,
                    )
            # Not super(): the class may be the real one again before this thread goes on.
            return kind.__getattribute__(self, name)

        def __setattr__(self, name: str, value: Any) -> None:
            stage = stages.get(id(self)) if threading.get_ident() == owner else None
            if stage is not None and name != "__class__":
                stage.staged[name] = value
            else:
                kind.__setattr__(self, name, value)

        def __delattr__(self, name: str) -> None:
            stage = stages.get(id(self)) if threading.get_ident() == owner else None
            if stage is None:
                kind.__delattr__(self, name)
            elif name in stage.staged:
                del stage.staged[name]
            else:
                raise AttributeError(name)

    Staged.__name__, Staged.__qualname__, Staged.__module__ = (
        kind.__name__,
        kind.__qualname__,
        kind.__module__,
    )
    return Staged


class Held(io.TextIOBase):
    """A stream that keeps what the updating thread prints until the update is decided, and passes everything else on."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self._log: list[tuple[Any, str]] | None = None
        self._owner = 0

    def hold(self, log: list[tuple[Any, str]]) -> None:
        """From now on keep what this thread writes."""
        self._owner = threading.get_ident()
        self._log = log

    def write(self, text: str) -> int:
        """Keep or pass on."""
        log = self._log
        if log is not None and threading.get_ident() == self._owner:
            log.append((self._real, text))
            return len(text)
        return int(self._real.write(text) or 0)

    def flush(self) -> None:
        """Flush what is passed on."""
        self._real.flush()

    def release(self) -> None:
        """From now on pass everything on (somebody may have kept the stream)."""
        self._log = None

    def is_for(self, real: object) -> bool:
        """Whether this is what holds a stream."""
        return self._real is real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __del__(self) -> None:
        # Not that of io, which would close this stream, and so flush the real one; that one may be gone before.
        pass


# Kept long after its update: `print` in another thread may still use the stream that it found in `sys`, and before Python
# 3.14 it holds no reference to it (the interpreter crashes when the stream is freed meanwhile).
_HELD: list[Held] = []
_MANY = 64


def _held_of(real: object) -> Held:
    for held in _HELD:
        if held is real or held.is_for(real):
            return held
    _HELD.append(Held(real))
    del _HELD[:-_MANY]
    return _HELD[-1]


class HeldOutput:
    """sys.stdout and sys.stderr held while an update runs code."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, str]] = []
        self._streams = {name: getattr(sys, name) for name in ("stdout", "stderr")}
        self._held = {name: _held_of(stream) for name, stream in self._streams.items() if stream is not None}
        for name, held in self._held.items():
            held.hold(self.log)
            setattr(sys, name, held)

    def release(self, *, show: bool) -> str:
        """Give the streams back; write what was held, or return it."""
        for name, held in self._held.items():
            held.release()
            if getattr(sys, name) is held:
                setattr(sys, name, self._streams[name])
        if show:
            for stream, text in self.log:
                stream.write(text)
        return "".join(text for _, text in self.log)
