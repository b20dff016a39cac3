"""What `System.listen` tells: each step, in order, with importer, file and line."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrepot import System
from entrepot.core import events, finders, loaders

Draw = Callable[..., Path]


def listen_to(system: System, action: Callable[[], object]) -> list[events.Event]:
    told: list[events.Event] = []
    with system.listen(told.append):
        action()
    return told


def short(told: list[events.Event], *kinds: str) -> list[tuple[object, ...]]:
    wanted = kinds or ("Found", "Compiled", "Started", "Finished", "Failed", "FromCache", "Bound")
    return [
        (type(event).__name__, event.name, event.importer, event.line)
        for event in told
        if type(event).__name__ in wanted
    ]


def test_the_steps_of_an_import_in_order(draw: Draw):
    """Searched, Found, Started, Compiled, then what its code does, Finished, Bound; each with its place."""
    root = draw({"a.py": "x = 1\nimport b", "b.py": ""})
    system = System(path=[root])

    told = listen_to(system, lambda: system.import_module("a"))

    assert short(told) == [
        ("Found", "a", __name__, told[0].line),
        ("Started", "a", __name__, told[0].line),
        ("Compiled", "a", __name__, told[0].line),
        ("Found", "b", "a", 2),
        ("Started", "b", "a", 2),
        ("Compiled", "b", "a", 2),
        ("Finished", "b", "a", 2),
        ("Bound", "b", "a", 2),
        ("Finished", "a", __name__, told[0].line),
    ]
    assert told[0].file == __file__
    assert [e.file for e in told if e.name == "b"] == [str(root / "a.py")] * len(
        [e for e in told if e.name == "b"]
    )
    searched = [(event.finder, event.entry) for event in told if isinstance(event, events.Searched)]
    assert ("FileFinder", str(root)) in searched
    assert ("BuiltinImporter", None) in searched


FORMS = {
    "import b": [("b", "b")],
    "import b as c": [("b", "c")],
    "import p.q": [("p.q", "p")],
    "import p.q as r": [("p.q", "r")],
    "from p import q": [("p:q", "q")],
    "from p import q as r, s as t": [("p:q", "r"), ("p:s", "t")],
    "from b import x, x as y": [("b:x", "x"), ("b:x", "y")],
    "from b import (\n    x,\n)": [("b:x", "x")],
    "from b import *": [("b:*", "*")],
    "from p.q import __name__ as n": [("p.q:__name__", "n")],
    "import b, p.s": [("b", "b"), ("p.s", "p")],
    "exec('import b')": [("b", "b")],
    "def f():\n    global b\n    import b\nf()": [("b", "b")],
    "class C:\n    import b as inner": [("b", "inner")],
}


@pytest.mark.parametrize("how", ["detached", "installed"])
@pytest.mark.parametrize("statement", FORMS)
def test_every_form_of_the_statement_tells_what_it_binds(draw: Draw, statement: str, how: str):
    """The names that a statement binds, and for each the module or the attribute that it stands for."""
    root = draw({"main.py": statement, "b.py": "x = 1", "p/__init__.py": "s = 1", "p/q.py": "", "p/s.py": ""})
    system = System(path=[root])

    def run() -> None:
        if how == "installed":
            with system.installed():
                import main  # type: ignore[import-not-found] # noqa: F401
        else:
            system.import_module("main")

    told = listen_to(system, run)

    by_statement = [
        (event.name, event.target)
        for event in told
        if isinstance(event, events.Bound) and event.importer == "main" and not event.name.startswith("p.q/")
    ]
    # The import system's own binding of a submodule in its parent is told too.
    by_statement = [bound for bound in by_statement if bound not in {("p.q", "q"), ("p.s", "s")}]
    assert by_statement == FORMS[statement]


def test_relative_forms(draw: Draw):
    """The name told is the one written, with its dots."""
    root = draw({"p/__init__.py": "from . import q\nfrom .q import x as y", "p/q.py": "x = 1"})
    system = System(path=[root])

    told = listen_to(system, lambda: system.import_module("p"))

    bound = [(e.name, e.target, e.line) for e in told if isinstance(e, events.Bound)]
    assert bound == [("p.q", "q", 1), (".:q", "q", 1), (".q:x", "y", 2)]


def test_the_cache_is_told(draw: Draw):
    """A second statement is answered from the cache, and says by which module."""
    root = draw({"a.py": "import b", "c.py": "import b", "b.py": ""})
    system = System(path=[root])
    system.import_module("a")

    told = listen_to(system, lambda: system.import_module("c"))

    cached = [event for event in told if isinstance(event, events.FromCache)]
    assert [(event.name, event.importer, event.line) for event in cached] == [("b", "c", 1)]
    assert cached[0].module is system.modules["b"]


def test_a_failure_is_told_through_all_that_it_ends(draw: Draw):
    """Failed for the module and for those that imported it, with the exception."""
    system = System(path=[draw({"a.py": "\nimport b", "b.py": "1 / 0"})])
    told: list[events.Event] = []

    with system.listen(told.append), pytest.raises(ZeroDivisionError):
        system.import_module("a")

    failed = [event for event in told if isinstance(event, events.Failed)]
    assert [(event.name, event.importer) for event in failed] == [("b", "a"), ("a", __name__)]
    assert all(type(event.error) is ZeroDivisionError for event in failed)
    assert not [event for event in told if isinstance(event, events.Finished)]


def test_a_missing_module_is_told(draw: Draw):
    """Searched to the end, then Failed; a fallback that follows is told as well."""
    system = System(
        path=[draw({"a.py": "try:\n    import nope\nexcept ImportError:\n    import b", "b.py": ""})]
    )

    told = listen_to(system, lambda: system.import_module("a"))

    assert ("Failed", "nope", "a", 2) in short(told)
    assert ("Bound", "b", "a", 4) in short(told)


@pytest.mark.parametrize("how", ["detached", "installed"])
def test_what_the_bytecode_was(draw: Draw, monkeypatch: pytest.MonkeyPatch, how: str):
    """Compiled only where source was compiled, with the reason."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    root = draw({"a.py": "x = 1"})
    reasons = []
    for round_number in range(3):
        system = System(path=[root])

        def run(system: System = system) -> None:
            if how == "installed":
                with system.installed():
                    __import__("a")
            else:
                system.import_module("a")

        told = listen_to(system, run)
        reasons += [event.reason for event in told if isinstance(event, events.Compiled)]
        if round_number == 1:
            (root / "a.py").write_text("xyz = 1", encoding="utf-8")

    assert reasons == ["missing", "stale"]


def test_nothing_is_paid_while_nobody_listens(draw: Draw):
    """No hook is set, and installed the interpreter's C code answers statements; listening, ours does."""
    system = System(path=[draw({"a.py": ""})])
    own_import = builtins.__import__

    def hooks() -> tuple[Any, ...]:
        return finders.on_search, loaders.on_compile, system._importer.tell

    assert hooks() == (None, None, None)
    with system.installed():
        assert builtins.__import__ is own_import
        with system.listen(lambda event: None):
            assert builtins.__import__ is not own_import
            assert None not in hooks()
        assert builtins.__import__ is own_import
    assert hooks() == (None, None, None)
    assert builtins.__import__ is own_import


def test_several_listeners_and_closing(draw: Draw):
    """Each listener gets each event until it is closed; closing twice does nothing."""
    system = System(path=[draw({"a.py": "", "b.py": ""})])
    one: list[events.Event] = []
    two: list[events.Event] = []
    first, second = system.listen(one.append), system.listen(two.append)

    system.import_module("a")
    first.close()
    first.close()
    system.import_module("b")
    second.close()

    assert {event.name for event in one} == {"a"}
    assert {event.name for event in two} == {"a", "b"}


def test_the_same_callback_twice(draw: Draw):
    """Two listenings of one function are two; closing one leaves the other."""
    system = System(path=[draw({"a.py": "", "b.py": ""})])
    told: list[events.Event] = []
    first, second = system.listen(told.append), system.listen(told.append)

    system.import_module("a")
    count = len(told)
    first.close()
    first.close()
    system.import_module("b")
    second.close()

    assert count == 2 * len([event for event in told if event.name == "b"])
    assert system._importer.tell is None


def test_a_listener_that_fails_does_no_harm(draw: Draw, monkeypatch: pytest.MonkeyPatch):
    """Its exception goes to sys.unraisablehook, the import goes on, others are told."""
    system = System(path=[draw({"a.py": "x = 1"})])
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    told: list[events.Event] = []

    def fail(event: events.Event) -> None:
        raise ValueError(event.name)

    with system.listen(fail), system.listen(told.append):
        assert system.import_module("a").x == 1

    assert told
    assert len(reported) == len(told)
    assert {type(report.exc_value) for report in reported} == {ValueError}


def test_one_systems_events_are_not_anothers(draw: Draw):
    """A listener hears its own system only."""
    root = draw({"a.py": ""})
    one, two = System(path=[root]), System(path=[root])
    told: list[events.Event] = []

    with one.listen(told.append):
        two.import_module("a")

    assert told == []


def test_events_are_values():
    """They compare and print by their fields, and cannot be changed."""
    event = events.FromCache("a", "b", "/b.py", 3, None)

    assert event == events.FromCache("a", "b", "/b.py", 3, None)
    assert event != events.Started("a", "b", "/b.py", 3, None)
    assert repr(event) == "FromCache(name='a', importer='b', file='/b.py', line=3, module=None)"
    with pytest.raises(AttributeError, match="FromCache is a value"):
        event.name = "c"
