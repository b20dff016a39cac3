"""Importing: found, made, kept, run once, bound; and what happens when something fails."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from entrepot.core import events, interpreter, reload, statement
from entrepot.core.modules import Importer, find_importer
from entrepot.core.spec import ModuleSpec
from outcome import outcome

Program = Callable[[dict[str, Any]], Importer]


class Loader:
    """A loader that does what a test says."""

    def __init__(self, run: Callable[[Any], None], is_package: bool = False) -> None:
        self.run, self.package = run, is_package

    def create_module(self, spec: Any) -> Any:
        return None

    def exec_module(self, module: Any) -> None:
        self.run(module)

    def is_package(self, name: str) -> bool:
        return self.package


class OldLoader:
    """A loader of before PEP 451."""

    def __init__(self, run: Callable[[str], Any]) -> None:
        self.load_module = run


def offer(importer: Importer, name: str, loader: Any) -> None:
    """Let an importer find a module with a loader."""

    class Finder:
        def find_spec(self, wanted: str, path: Any, target: Any = None) -> Any:
            return ModuleSpec(wanted, loader) if wanted == name else None

    importer.state.meta_path.insert(0, Finder())


class TestTheCache:
    """5.3.1 The module cache."""

    def test_a_module_is_run_once(self, program: Program):
        """The second import gets the first one's module."""
        # [5.3.1 cache hit]
        importer = program({"m.py": "import sys\nsys.runs_of_m = getattr(sys, 'runs_of_m', 0) + 1\n"})

        first, second = importer.find_and_load("m"), importer.find_and_load("m")

        assert first is second
        assert sys.runs_of_m == 1  # type: ignore[attr-defined]
        del sys.runs_of_m  # type: ignore[attr-defined]

    def test_none_forbids_a_module(self, program: Program):
        """ModuleNotFoundError, without a search."""
        # [5.3.1 None]
        importer = program({"m.py": ""})
        importer.state.modules["m"] = None

        assert outcome(importer.find_and_load, "m")[:2] == (
            ModuleNotFoundError,
            ("import of m halted; None in sys.modules",),
        )

    def test_what_the_code_puts_there_counts(self, program: Program):
        """A module may replace itself."""
        # [5.4 replaced]
        importer = program({"m.py": ""})
        offer(importer, "m", Loader(lambda module: importer.state.modules.update(m=23)))

        assert importer.find_and_load("m") == 23

    def test_modules_are_in_the_order_of_their_completion(self, program: Program):
        """Who imports comes after whom it imports."""
        importer = program({"a.py": "import b", "b.py": ""})

        importer.find_and_load("a")

        assert list(importer.state.modules)[-2:] == ["b", "a"]


class TestFailure:
    """5.4: a module that fails is taken out of the cache; those that it imported stay."""

    def test_the_failing_module_is_taken_out(self, program: Program):
        """It alone."""
        # [5.4 failure]
        importer = program({"a.py": "import b\n1/0", "b.py": ""})

        assert outcome(importer.find_and_load, "a")[0] is ZeroDivisionError
        assert "a" not in importer.state.modules
        assert "b" in importer.state.modules
        assert not importer.locks.table

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("nosuch", "No module named 'nosuch'"),
            ("m.sub", "No module named 'm.sub'; 'm' is not a package"),
            ("p.nosuch", "No module named 'p.nosuch'"),
            ("nosuch.sub", "No module named 'nosuch'"),
        ],
    )
    def test_what_is_not_found_is_named(self, program: Program, name: str, text: str):
        """In CPython's words."""
        # [5.3 not found]
        importer = program({"m.py": "", "p/__init__.py": ""})

        with pytest.raises(ModuleNotFoundError) as caught:
            importer.find_and_load(name)

        assert str(caught.value) == text
        assert caught.value.name == ("nosuch" if name.startswith("nosuch") else name)

    def test_a_spec_needs_a_loader_or_a_path(self, program: Program):
        """Else there is nothing to load."""
        importer = program({})
        offer(importer, "m", None)

        assert outcome(importer.find_and_load, "m")[:2] == (ImportError, ("missing loader",))

    def test_a_module_that_vanishes_is_a_key_error(self, program: Program):
        """As in CPython."""
        importer = program({})
        offer(importer, "m", Loader(lambda module: importer.state.modules.pop("m") and None))

        assert outcome(importer.find_and_load, "m")[:2] == (KeyError, ("m",))


class TestBinding:
    """5.4.2 Submodules."""

    def test_a_submodule_becomes_an_attribute_of_its_parent(self, program: Program):
        """After it has run, not before."""
        # [5.4.2 submodule binding]
        text = "import p\nseen = hasattr(p, 'm')"
        importer = program({"p/__init__.py": "", "p/m.py": text})

        module = importer.find_and_load("p.m")

        assert importer.state.modules["p"].m is module
        assert module.seen is False

    def test_a_parent_that_refuses_is_worth_a_warning(self, program: Program):
        """The import succeeds."""
        # [5.4.2 refused]
        importer = program({"p/m.py": ""})

        class Closed:
            __slots__ = ()
            __spec__ = ModuleSpec("p", None)
            __path__ = [f"{importer.state.path[0]}/p"]

        importer.state.modules["p"] = Closed()

        result = outcome(lambda: importer.find_and_load("p.m").__name__)

        text = "Cannot set an attribute on 'p' for child module 'm'"
        assert result == ("value", "p.m", [(ImportWarning, text)])

    def test_initialising_the_parent_may_import_the_child(self, program: Program):
        """It is not run a second time."""
        importer = program({"p/__init__.py": "import p.m\np.m.marked = True", "p/m.py": ""})

        assert importer.find_and_load("p.m").marked


class TestOldLoaders:
    """`load_module`, until it is gone."""

    def test_the_module_gets_what_it_lacks(self, program: Program):
        """`__loader__`, `__package__`, `__spec__`; with a warning."""
        importer = program({})

        def load(name: str) -> None:
            module = importer.state.modules[name] = type(sys)(name)
            module.__path__ = []

        loader = OldLoader(load)
        offer(importer, "m", loader)

        result = outcome(importer.find_and_load, "m")

        module = result[1]
        assert (module.__loader__, module.__package__, module.__spec__.name) == (loader, "m", "m")
        assert [str(text) for _, text in result[2]] == [
            "OldLoader.exec_module() not found; falling back to load_module()"
        ]

    def test_what_refuses_attributes_goes_without(self, program: Program):
        """Anything may stand in the cache."""
        importer = program({})
        offer(importer, "m", OldLoader(lambda name: importer.state.modules.update(m=23)))

        assert outcome(importer.find_and_load, "m")[1] == 23

    def test_its_error_is_let_through(self, program: Program):
        """What it left in the cache stays."""
        importer = program({})

        def load(name: str) -> None:
            importer.state.modules[name] = 23
            raise OSError("no")

        offer(importer, "m", OldLoader(load))

        assert outcome(importer.find_and_load, "m")[:2] == (OSError, ("no",))
        assert importer.state.modules["m"] == 23


class TestThreads:
    """One thread initialises a module; the others wait for it."""

    def test_another_threads_module_is_waited_for(self, program: Program):
        """Nobody sees it half made."""
        importer = program({})
        started, go = threading.Event(), threading.Event()
        seen: list[bool] = []

        def run(module: Any) -> None:
            started.set()
            go.wait(10)
            module.done = True

        offer(importer, "m", Loader(run))
        threads = [threading.Thread(target=lambda: importer.find_and_load("m"))]
        threads[0].start()
        assert started.wait(10)
        threads.append(threading.Thread(target=lambda: seen.append(importer.find_and_load("m").done)))
        threads[1].start()
        go.set()
        for thread in threads:
            thread.join(10)

        assert seen == [True]


class TestReload:
    """`importlib.reload`."""

    def test_the_same_module_is_run_again(self, program: Program):
        """Names that the new code does not bind stay."""
        # [reload in place]
        importer = program({"p/__init__.py": "", "p/m.py": "x = 1\nold = True"})
        module = importer.find_and_load("p.m")
        with open(module.__file__, "w") as file:
            file.write("x = 22222222")

        assert reload.reload(importer, module) is module
        assert (module.x, module.old) == (22222222, True)

    @pytest.mark.parametrize("what", ["no module", "not in the cache", "no parent", "gone"])
    def test_what_cannot_be_reloaded_is_refused_in_cpythons_words(self, program: Program, what: str):
        """Each with its error."""
        importer = program({"p/__init__.py": "", "p/m.py": ""})
        module = importer.find_and_load("p.m")
        modules = importer.state.modules
        if what == "no module":
            expected: Any = (TypeError, ("reload() argument must be a module",))
            module = 23
        elif what == "not in the cache":
            expected = (ImportError, ("module p.m not in sys.modules",))
            del modules["p.m"]
        elif what == "no parent":
            expected = (ImportError, ("parent 'p' not in sys.modules",))
            del modules["p"]
        else:
            expected = (ModuleNotFoundError, ("spec not found for the module 'p.m'",))
            importer.state.meta_path.clear()
            importer.state.meta_path.append(interpreter.BuiltinImporter)

        assert outcome(reload.reload, importer, module)[:2] == expected

    def test_a_module_may_reload_itself(self, program: Program):
        """It is not run for ever."""
        importer = program({})
        runs: list[Any] = []

        def run(module: Any) -> None:
            runs.append(module)
            if len(runs) > 1:
                reload.reload(importer, module)

        offer(importer, "m", Loader(run))
        module = importer.find_and_load("m")
        reload.reload(importer, module)

        assert runs == [module, module]

    def test_namespace_packages_and_old_loaders(self, program: Program):
        """Nothing to run, or `load_module`."""
        importer = program({"n/a.py": ""})
        package = importer.find_and_load("n")
        assert reload.reload(importer, package) is package
        module = importer.state.modules["m"] = type(sys)("m")
        offer(importer, "m", OldLoader(lambda name: None))
        assert outcome(reload.reload, importer, module)[1] is module
        assert outcome(importer.run_again, ModuleSpec("n", None), package)[:2] == (
            ImportError,
            ("missing loader",),
        )
        assert outcome(importer.run_again, ModuleSpec("nosuch", None), package)[:2] == (
            ImportError,
            ("module 'nosuch' not in sys.modules",),
        )


class TestTheStatement:
    """7.11 The import statement."""

    FILES = {
        "p/__init__.py": "x = 1",
        "p/m.py": "from . import n\nfrom .n import y\nfrom .. import nothing"
        if False
        else "from .n import y",
        "p/n.py": "y = 2",
        "star/__init__.py": "__all__ = ['sub', 'here']\nhere = 3",
        "star/sub.py": "",
        "bad/__init__.py": "__all__ = [1]",
    }

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("import p.n", {"p"}),
            ("import p.n as q", {"q"}),
            ("from p import n, x", {"n", "x"}),
            ("from p.m import y as z", {"z"}),
            ("from star import *", {"sub", "here"}),
            ("import p.n, star.sub", {"p", "star"}),
        ],
    )
    def test_each_form_binds_its_names(self, program: Program, text: str, names: set[str]):
        """What the language reference says, and nothing else."""
        # [7.11 names bound]
        importer = program({**self.FILES, "main.py": text})

        module = importer.find_and_load("main")

        assert {name for name in vars(module) if not name.startswith("__")} == names

    @pytest.mark.parametrize(
        ("text", "error", "message"),
        [
            ("from p import nosuch", ImportError, "cannot import name 'nosuch' from 'p'"),
            ("from bad import *", TypeError, "Item in bad.__all__ must be str, not int"),
            ("from . import x", ImportError, "attempted relative import with no known parent package"),
            ("__import__('p', fromlist=[1])", TypeError, "Item in ``from list'' must be str, not int"),
            ("__import__(3)", TypeError, "module name must be a string"),
            ("__import__('')", ValueError, "Empty module name"),
            ("__import__('x', level=-1)", ValueError, "level must be >= 0"),
            ("import nosuch.m", ModuleNotFoundError, "No module named 'nosuch'"),
        ],
    )
    def test_each_mistake_has_cpythons_words(self, program: Program, text: str, error: type, message: str):
        """And its type."""
        importer = program({**self.FILES, "main.py": text})

        with pytest.raises(error) as caught:
            importer.find_and_load("main")

        assert str(caught.value).startswith(message)

    def test_the_function_returns_what_the_statement_goes_on_with(self, program: Program):
        """The first package of a dotted name, or the module named if there is a list."""
        # [5.3 __import__]
        importer = program(self.FILES)
        do = importer.builtins["__import__"]  # type: ignore[index]
        inside = {"__package__": "p", "__name__": "p.m", "__spec__": None}

        assert do("p.n").__name__ == "p"
        assert do("p.n", fromlist=["y"]).__name__ == "p.n"
        assert do("n", inside, None, [], 1).__name__ == "p.n"
        assert do("", inside, None, ["n"], 1).__name__ == "p"
        assert do("p").__name__ == do("p").__name__ == "p"

    @pytest.mark.parametrize("name", ["p.n", "star.sub"])
    def test_the_first_package_may_have_left_the_cache(self, program: Program, name: str):
        """A relative name cuts its surplus off; what is not there any more is a KeyError."""
        importer = program({"a/__init__.py": "", "a/p/__init__.py": "", "a/p/n.py": "import sys"})
        do = importer.builtins["__import__"]  # type: ignore[index]
        inside = {"__package__": "a", "__name__": "a", "__spec__": None}

        assert do("p.n", inside, None, [], 1).__name__ == "a.p"
        del importer.state.modules["a.p"]
        assert outcome(do, "p.n", inside, None, [], 1)[:2] == (
            KeyError,
            ("'a.p' not in sys.modules as expected",),
        )

    def test_importlibs_function_agrees(self, program: Program):
        """`importlib.__import__` has words of its own, and the same results."""
        importer = program(self.FILES)
        inside = {"__package__": "p", "__name__": "p.m", "__spec__": None}

        def do(*args: Any) -> Any:
            return statement.import_as_function(importer, *args)

        assert do("p.n").__name__ == "p"
        assert do("p").__name__ == "p"
        assert do("p.n", None, ["y"]).__name__ == "p.n"
        assert do("p", None, ["n"]).__name__ == "p"
        assert do("n", inside, [], 1).__name__ == "p.n"
        assert do("", inside, ["n"], 1).__name__ == "p"
        assert do("", inside, [], 1).__name__ == "p"
        assert statement.import_module(importer, ".n", "p").__name__ == "p.n"
        assert outcome(statement.import_module, importer, ".n")[0] is TypeError

    def test_a_missing_submodule_of_a_list_is_left_to_the_statement(self, program: Program):
        """Unless what it imports is missing: that error is the program's."""
        importer = program({"p/__init__.py": "", "p/m.py": "import nosuch"})
        package = importer.find_and_load("p")

        assert statement.handle_fromlist(importer, package, ["nosuch"]) is package
        assert outcome(statement.handle_fromlist, importer, package, ["m"])[0] is ModuleNotFoundError


class TestListening:
    """Each step of importing is told to whoever listens."""

    def test_the_steps_of_an_import_in_their_order(self, program: Program):
        """With the file and line that asked."""
        importer = program({"main.py": "import m\nimport m\n", "m.py": "x = 1"})
        heard: list[events.Event] = []
        importer.tell = heard.append

        importer.find_and_load("main")

        steps = [
            (type(event).__name__, event.name, event.line) for event in heard if event.importer == "main"
        ]
        assert steps == [
            ("Found", "m", 1),
            ("Started", "m", 1),
            ("Finished", "m", 1),
            ("Bound", "m", 1),
            ("FromCache", "m", 2),
            ("Bound", "m", 2),
        ]

    def test_a_failure_is_told_with_its_error(self, program: Program):
        """Of the module, and of who imported it."""
        importer = program({"main.py": "import m", "m.py": "1/0"})
        heard: list[Any] = []
        importer.tell = heard.append

        outcome(importer.find_and_load, "main")

        failed = [(event.name, type(event.error)) for event in heard if isinstance(event, events.Failed)]
        assert failed == [("m", ZeroDivisionError), ("main", ZeroDivisionError)]

    def test_submodules_are_bound_in_their_parents(self, program: Program):
        """By the import system, not by a statement."""
        importer = program({"p/__init__.py": "", "p/m.py": ""})
        heard: list[Any] = []
        importer.tell = heard.append

        importer.find_and_load("p.m")

        assert [(e.namespace, e.target) for e in heard if isinstance(e, events.Bound)] == [("p", "m")]

    def test_events_are_values(self):
        """Equal when their fields are, and they do not change."""
        first, second = events.Found("m", "a", "f", 1, None), events.Found("m", "a", "f", 1, spec=None)

        assert first == second
        assert hash(first) == hash(second)
        assert first != events.Started("m", "a", "f", 1, None)
        assert repr(first) == "Found(name='m', importer='a', file='f', line=1, spec=None)"
        with pytest.raises(AttributeError, match="Found is a value: name cannot be set"):
            first.name = "n"

    def test_who_imports_is_the_nearest_frame_that_is_not_ours(self):
        """This test, here."""
        assert find_importer()[0] == __name__


class TestBindings:
    """Which names a statement binds, from the bytecode behind it."""

    @pytest.mark.parametrize(
        ("text", "bound"),
        [
            ("import m", [("m", "m")]),
            ("import p.m", [("p.m", "p")]),
            ("import p.m as q", [("p.m", "q")]),
            ("import p.deep.x as q", [("p.deep.x", "q")]),
            ("from p import m", [("p:m", "m")]),
            ("from p import m as n, x", [("p:m", "n"), ("p:x", "x")]),
            ("from p import *", [("p:*", "*")]),
            ("def f():\n    from p import m, x\nf()", [("p:m", "m"), ("p:x", "x")]),
            ("__import__('m')", []),
        ],
    )
    def test_each_form(self, program: Program, text: str, bound: list[Any]):
        """By the names in the statement."""
        files = {
            "p/__init__.py": "x = 1",
            "p/m.py": "",
            "m.py": "",
            "p/deep/__init__.py": "",
            "p/deep/x.py": "",
        }
        importer = program({**files, "main.py": text})
        heard: list[Any] = []
        importer.tell = heard.append

        importer.find_and_load("main")

        told = [
            e for e in heard if isinstance(e, events.Bound) and e.importer == "main" and e.namespace == "main"
        ]
        assert [(event.name, event.target) for event in told] == bound
