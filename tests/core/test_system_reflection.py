"""typing, inspect, dataclasses, enum, pickle and copy on classes of a System's modules."""

from __future__ import annotations

import collections
import copy
import dataclasses
import gc
import inspect
import io
import pickle
import subprocess
import sys
import typing
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrepot import System
from outcome import outcome

Draw = Callable[..., Path]

MODELS = """
from __future__ import annotations
import collections, copy, dataclasses, enum, inspect, io, pickle, typing
VERSION = {v}
@dataclasses.dataclass
class Point:
    x: int
    other: Other
    kind: typing.ClassVar[int] = {v}
class Other:
    def method(self, point: Point) -> Other:
        "version {v}"
    class Inner:
        pass
class Color(enum.Enum):
    RED = {v}
class Pair(typing.NamedTuple):
    a: Other
class Options(typing.TypedDict):
    a: Other
class Only:
    def __reduce__(self): return "ONLY"
ONLY = Only()
def function(a: Other) -> Point:
    return VERSION
def use():
    assert typing.get_type_hints(Point)["other"] is Other
    assert typing.get_type_hints(Options)["a"] is typing.get_type_hints(Pair)["a"] is Other
    assert typing.get_type_hints(collections.OrderedDict) == {{}}
    assert [field.name for field in dataclasses.fields(Point)] == ["x", "other"]
    assert "version {v}" in inspect.getsource(Other)
    assert inspect.getmodule(Point).VERSION == VERSION
    assert inspect.getmodule(inspect.currentframe()).VERSION == VERSION
    point = Point(1, None)
    assert copy.deepcopy(point) == point
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for thing in (point, Color.RED, Other.Inner, function, ONLY, [1, "a", collections.Counter("a")]):
            data = pickle.dumps(thing, protocol)
            assert b"entrepot" not in data
            assert pickle.loads(data) == thing
            file = io.BytesIO()
            pickle.Pickler(file, protocol).dump(thing)
            assert pickle.Unpickler(io.BytesIO(file.getvalue())).load() == thing
    return point
"""


@pytest.fixture
def systems(draw: Draw) -> list[System]:
    return [System(path=[draw({"models.py": MODELS.format(v=v)}, f"v{v}")]) for v in (1, 2)]


def test_inside_the_systems_modules(systems: list[System]):
    """The standard library's reflection, called by a system's code, finds that system's classes."""
    for system in systems:
        system.import_module("models").use()


def test_outside_by_the_host(systems: list[System]):
    """The host's own typing, inspect and dataclasses find each class's module, of two with one name."""
    for number, system in enumerate(systems, 1):
        models = system.import_module("models")

        assert typing.get_type_hints(models.Point)["other"] is models.Other
        assert typing.get_type_hints(models.Options)["a"] is models.Other
        assert typing.get_type_hints(models.Pair)["a"] is models.Other
        assert typing.get_type_hints(models.Other.method)["point"] is models.Point
        assert f'"version {number}"' in inspect.getsource(models.Other)
        assert inspect.getmodule(models.Point) is inspect.getmodule(models.function) is models
        assert inspect.getmodule(models.function.__code__) is models
        assert inspect.signature(models.function, eval_str=True).return_annotation is models.Point
        assert inspect.getfile(models.Other) == models.__file__
        again = dataclasses.dataclass(type("Sub", (models.Point,), {"__module__": models.__name__}))
        assert [field.name for field in dataclasses.fields(again)] == ["x", "other"]
        made = dataclasses.dataclass(models.Point)
        assert "kind" not in {field.name for field in dataclasses.fields(made)}
        point = models.Point(1, None)
        assert dataclasses.asdict(dataclasses.replace(point, x=2)) == {"x": 2, "other": None}
        assert copy.deepcopy(point) == copy.copy(point) == point


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_host_pickles_and_unpickles(systems: list[System], protocol: int):
    """Host pickles of things of both systems, in one pickle even, come back as what they were."""
    one, two = (system.import_module("models") for system in systems)
    things = [
        thing
        for models in (one, two)
        for thing in (models.Point(1, models.Color.RED), models.Other.Inner, models.function, models.ONLY)
    ]

    back = pickle.loads(pickle.dumps(things, protocol))

    assert back == things
    assert [type(thing) for thing in back] == [type(thing) for thing in things]
    file = io.BytesIO()
    pickle.dump(things, file, protocol)
    file.seek(0)
    assert pickle.load(file) == things


def test_the_hosts_pickles_of_its_own_are_what_they_were(systems: list[System]):
    """While systems live, the host's pickle gives the same bytes and the same errors."""
    things: list[Any] = [
        1,
        "a",
        collections.Counter("ab"),
        inspect.Parameter("a", inspect.Parameter.VAR_KEYWORD),
    ]
    before = [pickle.dumps(things, protocol) for protocol in range(6)]
    systems[0].import_module("models")

    assert [pickle.dumps(things, protocol) for protocol in range(6)] == before
    with pytest.raises((pickle.PicklingError, AttributeError), match=r"Can't (pickle|get local)"):
        pickle.dumps(lambda: 0)
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(sys)
    buffers: list[Any] = []
    pickle.dumps(pickle.PickleBuffer(b"x"), 5, buffer_callback=buffers.append)
    assert len(buffers) == 1


def test_two_ways_to_pickles_that_others_can_read(systems: list[System]):
    """`installed()` and the system's own pickle give the bytes that plain Python gives."""
    system = systems[0]
    point = system.import_module("models").Point(1, None)
    own = system.import_module("pickle")

    with system.installed():
        plain = pickle.dumps(point)
        assert pickle.loads(plain) == point

    assert own.dumps(point) == plain
    assert own.loads(plain) == point


def test_the_hosts_unpickler_does_not_know_a_systems_names(systems: list[System]):
    """A plain pickle names a module only; the host has none of that name."""
    system = systems[0]
    data = system.import_module("pickle").dumps(system.import_module("models").Color.RED)

    with pytest.raises(ModuleNotFoundError, match="No module named 'models'"):
        pickle.loads(data)


def test_a_picklers_class_of_the_host_does_not_know_systems(systems: list[System]):
    """`pickle.Pickler` itself asks the interpreter's cache, in C: only dump and dumps are helped."""
    point = systems[0].import_module("models").Point(1, None)

    with pytest.raises(pickle.PicklingError):
        pickle.Pickler(io.BytesIO()).dump(point)


def test_a_hosts_pickle_of_a_system_that_is_gone_says_so(draw: Draw):
    """And tells how to make one that lasts."""
    system = System(path=[draw({"models_gone.py": "class A: pass"})])
    gone = system.import_module("models_gone").A
    data = pickle.dumps(gone)
    del system, gone
    gc.collect()

    with pytest.raises(LookupError, match=r"models_gone\.A was pickled from a System"):
        pickle.loads(data)


def test_names_are_ordinary_strings(systems: list[System]):
    """What leads from a class to its system is no other type, and no other text."""
    models = systems[0].import_module("models")

    assert type(models.__name__) is type(models.Point.__module__) is str
    assert models.__name__ == "models" == models.__spec__.name
    assert sys.intern(models.__name__) == "models"
    assert {"models": 1}[models.Point.__module__] == 1


def test_modules_with_a_name_of_one_letter(draw: Draw):
    """Python keeps one string for each letter; it works all the same."""
    systems = [
        System(
            path=[draw({"m.py": f"from __future__ import annotations\nclass A: x: B\nclass B: v = {v}"}, v)]
        )
        for v in "12"
    ]

    for system, v in zip(systems, (1, 2), strict=True):
        assert typing.get_type_hints(system.import_module("m").A)["x"].v == v


def test_a_library_that_says_where_its_class_belongs(draw: Draw):
    """`__module__` set to a text leads to the only system that has such a module."""
    files = {
        "told_lib/__init__.py": "from told_lib._a import A",
        "told_lib/_a.py": "class A: pass\nA.__module__ = 'told_lib'",
    }
    system = System(path=[draw(files)])

    lib = system.import_module("told_lib")

    assert inspect.getmodule(lib.A) is lib
    assert pickle.loads(pickle.dumps(lib.A())).__class__ is lib.A


def test_the_host_gets_its_reflection_back(draw: Draw):
    """With the last system that has modules the stand-ins go; nothing of them stays in the host."""
    script = """
        import gc, sys, typing, inspect, dataclasses, enum, pickle
        from entrepot import System
        before = [vars(module).copy() for module in (typing, inspect, dataclasses, enum, pickle)]
        unused = System(path=[])
        assert typing.sys is sys
        system = System(path=["."])
        a = system.import_module("a")
        assert typing.get_type_hints(a.A) == {"x": a.A}
        assert pickle.loads(pickle.dumps(a.A)) is a.A
        del a, system
        gc.collect()
        after = [vars(module) for module in (typing, inspect, dataclasses, enum, pickle)]
        assert before == after, [k for b, a in zip(before, after) for k in b if b[k] is not a.get(k)]
        print("as before")
    """
    root = draw({"a.py": "from __future__ import annotations\nclass A: x: A", "main.py": script})

    done = subprocess.run([sys.executable, "main.py"], cwd=root, capture_output=True, text=True, timeout=50)

    assert done.stdout == "as before\n", done.stderr


def test_named_imports_of_the_standard_library_resolve_in_the_system(draw: Draw):
    """Where a system's code gives a name to logging.config, unittest.mock, pkgutil, runpy or pydoc."""
    root = draw(
        {
            "names.py": """
                import logging.config, pkgutil, pydoc, runpy, logging, unittest.mock
                from unittest import mock
                class Formatter(logging.Formatter): pass
                def use():
                    import names
                    logging.config.dictConfig({"version": 1, "formatters": {"f": {"()": "names.Formatter"}}})
                    assert pkgutil.resolve_name("names:Formatter") is Formatter
                    assert pydoc.locate("names.Formatter") is Formatter
                    with mock.patch("names.Formatter", 5):
                        assert names.Formatter == 5
                    assert runpy.run_module("script")["here"] is names
                    assert logging.getLogger("a") is logging.getLogger("a")
                    return mock
            """,
            "script.py": "import names as here",
        }
    )

    mock = System(path=[root]).import_module("names").use()

    import unittest.mock

    assert mock is not unittest.mock


def test_a_dropped_system_is_collected(systems: list[System]):
    """A System, its modules and classes go when nobody has them."""
    system = systems.pop()
    models = system.import_module("models")
    point = models.use()
    found = [weakref.ref(thing) for thing in (system, models, models.Point, point)]
    pickle.dumps(point)

    del system, models, point
    gc.collect()

    assert [reference() for reference in found] == [None] * 4


def test_a_function_keeps_its_system(draw: Draw):
    """As long as a function of a system can be called, its import statements work."""
    system = System(path=[draw({"a.py": "def late():\n    import b\n    return b.x", "b.py": "x = 1"})])
    late = system.import_module("a").late
    del system
    gc.collect()

    assert late() == 1


def test_the_systems_pickle_fails_as_pickle_does(systems: list[System]):
    """A name that is not there, a module that is not there, what is no bytes: the same errors; and names of Python 2."""
    own = systems[0].import_module("pickle")
    models = systems[0].import_module("models")
    assert own.load(io.BytesIO(own.dumps(models.Other.Inner))) is models.Other.Inner
    assert own.loads(b"c__builtin__\nxrange\n.") is range
    for data in (
        b"ccollections\nnothing\n.",
        b"cno_such_module_here\nx\n.",
        b"ccollections\nOrderedDict.nope\n.",
        "text",
        3,
    ):
        mine, expected = (outcome(module.loads, data) for module in (own, pickle))
        assert mine[:2] == expected[:2]
    with pytest.raises(ModuleNotFoundError, match="__builtin__"):
        own.loads(b"c__builtin__\nxrange\n.", fix_imports=False)
    buffers: list[Any] = []
    own.dumps(own.PickleBuffer(b"x"), 5, buffer_callback=buffers.append)
    assert len(buffers) == 1


def test_what_the_hosts_modules_do_with_sys_is_done_to_sys(systems: list[System]):
    """While systems live, the reflective modules have a stand-in for `sys`: only `modules` knows more."""
    systems[0].import_module("models")
    stand_in: Any = inspect.sys  # type: ignore[attr-defined]
    assert stand_in is not sys
    try:
        stand_in.told_by_a_test = 1
        stand_in.modules["told_by_a_test"] = sys
        assert (sys.told_by_a_test, sys.modules["told_by_a_test"]) == (1, sys)  # type: ignore[attr-defined]
        assert dir(stand_in) == dir(sys)
        assert (len(stand_in.modules), list(stand_in.modules)) == (len(sys.modules), list(sys.modules))
        assert stand_in.modules.keys() == sys.modules.keys()
    finally:
        del stand_in.told_by_a_test
        del stand_in.modules["told_by_a_test"]
    assert not hasattr(sys, "told_by_a_test")
    assert "told_by_a_test" not in sys.modules
    with pytest.raises(KeyError):
        stand_in.modules["no.such.module"]
