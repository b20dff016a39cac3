"""A system: a module cache of its own, beside the interpreter's or in its place."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import entrepot
from both_ways import INSTALLED, PLAIN, run
from entrepot.core import adopt, events, frames, interpreter, loaders
from entrepot.core.spec import ModuleSpec
from outcome import outcome

Draw = Callable[..., Path]


@pytest.fixture
def system(draw: Draw) -> Callable[[dict[str, Any]], entrepot.System]:
    """Return a system over the folder of a program."""
    return lambda files: entrepot.System(path=[str(draw(files))])


class TestOfItsOwn:
    """Modules of a system are not the interpreter's."""

    def test_its_modules_are_in_its_cache_alone(self, system: Any):
        """`sys.modules` does not have them, also as seen by their own code."""
        own = system({"shop.py": "import sys, cart\nseen = 'cart' in sys.modules", "cart.py": ""})

        shop = own.import_module("shop")

        assert own.modules["shop"] is shop
        assert shop.seen
        assert "shop" not in sys.modules
        assert "cart" not in sys.modules

    def test_two_systems_have_two_versions(self, draw: Draw):
        """Each import statement resolves in the system of its module, also one that runs later."""
        first = entrepot.System(
            path=[str(draw({"lib.py": "v = 1", "use.py": "def f():\n import lib\n return lib.v"}))]
        )
        second = entrepot.System(
            path=[str(draw({"lib.py": "v = 2", "use.py": "def f():\n import lib\n return lib.v"}, "2"))]
        )
        use = [first.import_module("use"), second.import_module("use")]

        assert [module.f() for module in use] == [1, 2]

    def test_the_standard_library_is_shared(self, system: Any):
        """One module object for both; what stands for the cache is the system's."""
        own = system({"m.py": "import json, sys, importlib, builtins"})
        module = own.import_module("m")

        assert module.json is sys.modules["json"]
        assert module.sys.modules is own.modules
        assert module.sys.path is own.path
        assert module.sys.version == sys.version
        assert module.importlib.import_module("m") is module

    def test_its_sys_passes_for_the_interpreters(self, system: Any):
        """`type(sys)` makes modules and knows them; what is not of importing goes to the real one."""
        own = system({"m.py": "import sys"})
        own_sys = own.import_module("m").sys
        kind = type(own_sys)

        assert type(kind("new")) is types.ModuleType
        assert isinstance(os, kind)
        assert issubclass(types.ModuleType, kind)
        assert kind == types.ModuleType
        assert hash(kind) == hash(types.ModuleType)
        assert repr(kind) == "<class 'module'>"
        assert dir(own_sys) == dir(sys)
        own_sys.of_a_test = 1
        assert sys.of_a_test == 1  # type: ignore[attr-defined]
        del own_sys.of_a_test
        assert not hasattr(sys, "of_a_test")
        own_sys.path = ["/x"]
        assert own.path == ["/x"]

    def test_a_module_of_its_path_comes_before_the_standard_librarys(self, system: Any):
        """As in a program whose folder has one."""
        own = system({"colorsys.py": "mine = True", "m.py": "import colorsys"})

        assert own.import_module("m").colorsys.mine

    def test_there_is_one_main_and_one_entrepot(self, system: Any):
        """A program's own module is nobody else's."""
        own = system({"m.py": "import __main__, entrepot"})
        module = own.import_module("m")

        assert module.__main__ is sys.modules["__main__"]
        assert module.entrepot is entrepot

    def test_its_loaders_are_what_importlib_calls_loaders(self, system: Any):
        """The abstract classes of `importlib.abc` know them."""
        own = system({"m.py": "import importlib.abc as abc", "n/x.py": ""})
        module, package = own.import_module("m"), own.import_module("n")

        for kind in ("Loader", "InspectLoader", "ExecutionLoader", "SourceLoader", "FileLoader"):
            assert isinstance(module.__loader__, getattr(module.abc, kind))
        assert isinstance(package.__loader__, importlib.abc.InspectLoader) == isinstance(
            importlib.machinery.NamespaceLoader("n", [], None),
            importlib.abc.InspectLoader,  # type: ignore[arg-type]
        )
        assert issubclass(own.meta_path[-1], importlib.abc.MetaPathFinder)

    def test_it_reloads_finds_and_forgets(self, system: Any):
        """As the functions of importlib."""
        own = system({"m.py": "x = 1"})
        module = own.import_module("m")
        Path(module.__file__).write_text("x = 234")

        assert own.reload(module) is module
        assert module.x == 234
        assert own.find_spec("m") is module.__spec__
        assert own.find_spec("nosuch") is None
        own.invalidate_caches()
        assert own.import_module("m") is module

    def test_arguments_that_are_mistakes_are_refused(self):
        """A string is an iterable of strings, too."""
        assert outcome(entrepot.System, "plugins")[0] is TypeError
        assert outcome(lambda: entrepot.System(share="stdlib"))[0] is TypeError

    @pytest.mark.skipif(frames.SHOWS_FRAMES, reason="asked to show the frames")
    def test_tracebacks_go_from_the_statement_to_the_line_that_failed(self, system: Any):
        """Our own frames do not show."""
        own = system({"a.py": "import b", "b.py": "import c", "c.py": "1/0"})
        with pytest.raises(ZeroDivisionError) as caught:
            own.import_module("a")

        files = [
            os.path.basename(frame.filename) for frame in traceback.extract_tb(caught.value.__traceback__)
        ]

        assert [name for name in files if name.endswith(".py")] == ["test_system.py", "a.py", "b.py", "c.py"]


class TestInstalled:
    """`installed()` makes it the interpreter's import system for a while."""

    def test_import_statements_are_its_own(self, draw: Draw, monkeypatch: pytest.MonkeyPatch):
        """And those of modules that it loads."""
        monkeypatch.syspath_prepend(
            str(draw({"of_installed.py": "import of_installed_too", "of_installed_too.py": ""}))
        )

        with entrepot.System().installed() as own:
            import of_installed  # type: ignore[import-not-found]

            assert own.modules is sys.modules
            assert type(of_installed.__loader__) is loaders.SourceFileLoader
            assert type(of_installed.__spec__) is ModuleSpec
            assert importlib.machinery.SourceFileLoader is loaders.SourceFileLoader

        assert own.modules["of_installed"] is of_installed
        assert "of_installed" not in sys.modules

    def test_everything_is_given_back(self):
        """State, functions and classes; also those of modules that stay."""

        def look() -> list[Any]:
            halves = [sys.modules["_frozen_importlib"], sys.modules["_frozen_importlib_external"]]
            inside = [dict(vars(half)) for half in halves]
            return [*inside, dict(vars(importlib)), list(sys.meta_path), list(sys.path_hooks), list(sys.path)]

        before = look()
        with entrepot.System().installed():
            assert look() != before
            import colorsys

        assert look() == before
        assert type(colorsys.__spec__) is importlib.machinery.ModuleSpec
        assert type(colorsys.__loader__) is importlib.machinery.SourceFileLoader

    def test_modules_loaded_before_look_as_if_it_had_loaded_them(self):
        """Programs compare their loaders with what `importlib.machinery` offers."""
        import json

        with entrepot.System().installed():
            assert isinstance(json.__loader__, importlib.machinery.SourceFileLoader)
            assert sys.__loader__ is importlib.machinery.BuiltinImporter  # type: ignore[attr-defined]
            assert isinstance(json.__spec__, importlib.machinery.ModuleSpec)
            assert isinstance(json.__loader__, importlib.abc.SourceLoader)

        assert sys.__loader__ is importlib.machinery.BuiltinImporter  # type: ignore[attr-defined]

    def test_blocks_nest(self, draw: Draw):
        """Also of one system in itself."""
        own = entrepot.System(path=[str(draw({"of_nested.py": "v = 1"}))])
        other = entrepot.System(path=[str(draw({"of_nested.py": "v = 2"}, "2"))])

        with own.installed(), own.installed():
            first = importlib.import_module("of_nested").v
            with other.installed():
                second = importlib.import_module("of_nested").v
            again = importlib.import_module("of_nested").v

        assert (first, second, again) == (1, 2, 1)
        assert "of_nested" not in sys.modules

    def test_functions_of_importlib_are_over_it(self, draw: Draw):
        """`reload`, `find_spec`, `__import__`, `invalidate_caches`."""
        own = entrepot.System(path=[str(draw({"of_functions.py": "x = 1", "of_package/__init__.py": ""}))])

        with own.installed():
            module = importlib.__import__("of_functions")
            assert importlib.reload(module) is module
            assert importlib.util.find_spec("of_package").loader.__class__ is loaders.SourceFileLoader  # type: ignore[union-attr]
            importlib.invalidate_caches()
            assert outcome(importlib.import_module, "nosuch_module")[0] is ModuleNotFoundError

    def test_its_state_is_the_interpreters_while_it_is_installed(self):
        """Reading and setting go to `sys`, and what was set goes with the system."""
        own = entrepot.System(path=["/nowhere"])
        for name in ("meta_path", "path_hooks", "path_importer_cache"):
            setattr(own, name, getattr(own, name))

        with own.installed():
            for name in ("path", "meta_path", "path_hooks", "path_importer_cache"):
                assert getattr(own, name) is getattr(sys, name)
                setattr(own, name, type(getattr(own, name))(getattr(own, name)))
                assert getattr(own, name) is getattr(sys, name)
            sys.path.append("/later")

        assert "/later" in own.path
        assert "/later" not in sys.path
        assert repr(own).startswith("<System path=['/nowhere'")

    def test_the_program_ends_as_under_cpython(self, draw: Draw):
        """Its objects are finalised while what they use is still there: nothing of it is kept alive."""
        text = """
            import helper

            class Last:
                def __del__(self):
                    print("gone", helper is not None)

            thing = Last()
        """
        folder = draw({"main.py": text, "helper.py": ""})

        python, ours = (run([*way, "main.py"], cwd=folder).text for way in (PLAIN, INSTALLED))

        assert "gone True" in python
        assert ours == python


class TestClassesOfASystem:
    """What looks a class's module up by its name finds the system's."""

    SOURCE = """
        import copy, dataclasses, enum, inspect, pickle, typing

        @dataclasses.dataclass
        class Point:
            x: "Number"
            y: int = 0

        Number = int

        class Colour(enum.Enum):
            RED = 1

        def hints():
            return typing.get_type_hints(Point)

        def copied(thing):
            return pickle.loads(pickle.dumps(thing)), copy.deepcopy(thing)
    """

    def test_from_inside_and_from_the_host(self, system: Any):
        """dataclasses, enum, typing, inspect, pickle and copy."""
        import copy
        import inspect
        import pickle
        import typing

        module = system({"shapes.py": self.SOURCE}).import_module("shapes")
        point = module.Point(1)

        assert module.hints() == typing.get_type_hints(module.Point) == {"x": int, "y": int}
        assert module.copied(point) == (point, point)
        assert module.copied(module.Colour.RED) == (module.Colour.RED, module.Colour.RED)
        assert pickle.loads(pickle.dumps(point)) == copy.copy(point) == point
        assert pickle.loads(pickle.dumps(module.hints)) is module.hints
        assert inspect.getmodule(module.Point) is module
        assert "Number" in inspect.getsource(module.Point)


class TestListeners:
    """`listen()` delivers events."""

    @pytest.mark.parametrize("is_installed", [False, True])
    def test_each_step_is_told(self, draw: Draw, is_installed: bool, monkeypatch: pytest.MonkeyPatch):
        """Searched, found, compiled, started, bound, finished; until it is closed."""
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        text = "import heard_too\nimport heard_too"
        own = entrepot.System(path=[str(draw({"heard.py": text, "heard_too.py": ""}))])
        heard: list[Any] = []

        with own.listen(heard.append):
            if is_installed:
                with own.installed():
                    import heard as module  # type: ignore[import-not-found]
            else:
                module = own.import_module("heard")
        count = len(heard)
        own.import_module("heard")

        assert len(heard) == count
        assert module.heard_too.__name__ == "heard_too"
        kinds = {type(event) for event in heard if event.name == "heard_too"}
        assert kinds >= {
            events.Searched,
            events.Found,
            events.Compiled,
            events.Started,
            events.Finished,
            events.Bound,
            events.FromCache,
        }

    def test_a_listener_that_fails_breaks_nothing(self, system: Any, monkeypatch: pytest.MonkeyPatch):
        """Its error goes where errors go that nobody can catch."""
        seen: list[Any] = []
        monkeypatch.setattr(sys, "unraisablehook", seen.append)
        own = system({"m.py": ""})

        def listener(event: Any) -> None:
            raise ValueError("no")

        listening = own.listen(listener)
        own.import_module("m")
        listening.close()
        listening.close()

        assert {hook.exc_type for hook in seen} == {ValueError}
        assert seen[0].object is listener


class TestFrames:
    """Our own frames, kept out of tracebacks."""

    def test_what_passes_through_gains_no_frame(self):
        """A failure goes from the caller straight to the code of the program."""

        def step(value: int) -> float:
            return 1 / value

        call = frames.without_frame(step, "Divide.")

        assert call(2) == 0.5
        with pytest.raises(ZeroDivisionError) as caught:
            call(0)
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert "new" not in names
        assert names[-1] == "step"

    def test_warnings_of_the_import_system_bear_importlibs_name(self):
        """Filters name that module."""
        with pytest.warns(ImportWarning, match="hello"):
            frames.warn("hello", ImportWarning)


def test_odd_things_in_the_cache_are_passed_over():
    """Not all that stands there is a module, and not all modules have a spec."""
    loader = importlib.machinery.SourceFileLoader("m", "m.py")
    module = types.ModuleType("m")
    module.__spec__ = importlib.machinery.ModuleSpec("m", loader)
    bare = types.ModuleType("bare")
    bare.__loader__ = importlib.machinery.BuiltinImporter  # type: ignore[assignment]
    classes: dict[Any, Any] = {
        importlib.machinery.SourceFileLoader: loaders.SourceFileLoader,
        importlib.machinery.ModuleSpec: ModuleSpec,
        importlib.machinery.BuiltinImporter: interpreter.BuiltinImporter,
    }

    adopt.adopt([23, None, bare, module], classes)

    assert type(module.__spec__) is ModuleSpec
    assert type(module.__spec__.loader) is loaders.SourceFileLoader
    assert bare.__loader__ is interpreter.BuiltinImporter


@pytest.mark.parametrize(
    "name", ["json", "json.decoder", "os", "os.path", "xml.dom", "unittest.mock", "entrepot"]
)
def test_find_spec_finds_what_an_import_would_share_with_the_host(name: str, tmp_path: Path):
    """What can be imported has a spec: libraries ask `find_spec` before they import."""
    system = entrepot.System(path=[str(tmp_path)])

    spec = system.find_spec(name)

    assert spec.name == importlib.util.find_spec(name).name
    assert spec.origin == importlib.util.find_spec(name).origin


def test_find_spec_runs_no_module_of_the_host(tmp_path: Path):
    """Only its parents are imported."""
    sys.modules.pop("wsgiref.types", None)
    system = entrepot.System(path=[str(tmp_path)])

    assert system.find_spec("wsgiref.types").origin.endswith("types.py")
    assert "wsgiref.types" not in sys.modules
    assert system.find_spec("a_module_that_nobody_has") is None
