"""Finders: directories, the path, the meta path, namespace packages."""

from __future__ import annotations

import importlib.machinery
import os
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrepot.core import bytecode, finders, interpreter, loaders
from entrepot.core.modules import Importer
from entrepot.core.namespace import NamespaceLoader, NamespacePath
from outcome import outcome

Program = Callable[[dict[str, Any]], Importer]


def both_finders(folder: Path | str) -> tuple[Any, Any]:
    """Return a finder of ours and one of importlib's for a directory."""
    theirs = importlib.machinery
    details = [
        (theirs.ExtensionFileLoader, theirs.EXTENSION_SUFFIXES),
        (theirs.SourceFileLoader, theirs.SOURCE_SUFFIXES),
        (theirs.SourcelessFileLoader, theirs.BYTECODE_SUFFIXES),
    ]
    return (
        finders.FileFinder(str(folder), *loaders.file_loaders()),
        theirs.FileFinder(str(folder), *details),
    )


def described(spec: Any) -> Any:
    """Return what can be compared of a spec of either import system."""
    if spec is None:
        return None
    return (
        spec.name,
        spec.origin,
        type(spec.loader).__name__,
        spec.submodule_search_locations,
        spec.has_location,
        spec.cached,
        spec.parent,
    )


class TestFileFinder:
    """5.5.2 Path entry finders, for directories."""

    def test_finds_in_a_directory_what_importlib_finds(self, draw: Callable[..., Path]):
        """Packages before files, compiled before source before bytecode, portions last."""
        # [5.5.3 path entry finder protocol]
        suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
        folder = draw(
            {
                "a.py": "",
                "both.py": "",
                "both/__init__.py": "",
                f"ext{suffix}": b"",
                "ext.py": "",
                "old.pyc": b"",
                "portion/x.py": "",
                "dir.py/x": "",
                "binary/__init__.pyc": b"",
                "under/__init__/x": "",
                "text.txt": "",
                "file": "",
            }
        )
        ours, theirs = both_finders(folder)

        for name in (
            "a",
            "both",
            "ext",
            "old",
            "portion",
            "dir",
            "binary",
            "under",
            "text",
            "file",
            "nosuch",
        ):
            for prefix in ("", "pkg."):
                assert described(ours.find_spec(prefix + name)) == described(
                    theirs.find_spec(prefix + name)
                ), name

    def test_a_new_file_is_seen_when_the_directory_has_changed(self, draw: Callable[..., Path]):
        """The listing is kept until then, or until the caches are invalidated."""
        # [5.5.2 listing]
        folder = draw({"a.py": ""})
        finder, _ = both_finders(folder)
        assert finder.find_spec("b") is None
        before = folder.stat()
        (folder / "b.py").write_text("")
        os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert finder.find_spec("b") is None

        finder.invalidate_caches()

        assert finder.find_spec("b") is not None

    def test_a_directory_that_is_gone_has_nothing(self, tmp_path: Path):
        """Nor has one that is a file by now."""
        folder = tmp_path / "d"
        folder.mkdir()
        finder, _ = both_finders(folder)
        folder.rmdir()
        assert finder.find_spec("a") is None
        assert list(finder.iter_modules()) == []
        folder.write_text("")
        finder.invalidate_caches()
        assert finder.find_spec("a") is None

    def test_the_hook_takes_directories_only(self, tmp_path: Path):
        """Anything else is an ImportError, so that the next hook is asked."""
        # [5.5.2 path hooks]
        hook = finders.FileFinder.path_hook(*loaders.file_loaders())

        assert repr(hook(str(tmp_path))) == f"FileFinder({str(tmp_path)!r})"
        with pytest.raises(ImportError, match="only directories are supported"):
            hook(str(tmp_path / "none"))

    @pytest.mark.parametrize("path", ["", ".", "rel", "./rel"])
    def test_a_relative_path_is_made_absolute(self, path: str):
        """A later change of the working directory does not move it."""
        ours, theirs = both_finders(path)

        assert ours.path == theirs.path

    def test_its_modules_are_listed_as_by_pkgutil(self, draw: Callable[..., Path]):
        """`pkgutil.iter_modules` asks the finder."""
        folder = draw(
            {"a.py": "", "p/__init__.py": "", "n/x.py": "", "b.c.py": "", "__init__.py": "", "t.txt": ""}
        )
        ours, theirs = both_finders(folder)

        expected = list(pkgutil.iter_importer_modules(theirs, "x."))

        assert sorted(ours.iter_modules("x.")) == sorted(expected)

    def test_a_directory_that_cannot_be_read_has_nothing(
        self, draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ):
        """It is passed over, as by importlib."""
        finder, _ = both_finders(draw({"a.py": ""}))

        class Closed:
            def __getattr__(self, name: str) -> object:
                return getattr(os, name)

            def listdir(self, path: str) -> list[str]:
                raise PermissionError(13, "Permission denied", path)

        monkeypatch.setattr(finders.paths, "posix", Closed())

        assert finder.find_spec("a") is None


class TestPathFinder:
    """5.5 The path based finder."""

    def test_the_first_entry_that_knows_wins(self, draw: Callable[..., Path], program: Program):
        """The path is searched in order; entries that are no strings are passed over."""
        # [5.5.1 path entries]
        importer = program({"one/m.py": "", "two/m.py": "", "two/n.py": ""})
        root = importer.state.path[0]
        importer.state.path[:] = [3, b"bytes", f"{root}/none", f"{root}/one", f"{root}/two"]
        finder = importer.state.meta_path[-1]

        assert finder.find_spec("m").origin == f"{root}/one/m.py"
        assert finder.find_spec("n").origin == f"{root}/two/n.py"
        assert finder.find_spec("nosuch") is None
        assert importer.state.path_importer_cache[f"{root}/none"] is None

    def test_the_empty_entry_is_the_working_directory(
        self, program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        """Asked for at each search; without one, there is nothing."""
        # [5.5.2 empty string]
        importer = program({"m.py": ""})
        root, importer.state.path[:] = importer.state.path[0], [""]
        finder = importer.state.meta_path[-1]
        monkeypatch.chdir(root)
        assert finder.find_spec("m").origin == f"{root}/m.py"

        def gone() -> str:
            raise FileNotFoundError

        monkeypatch.setattr(finders.paths, "getcwd", gone)
        assert finder.find_spec("m") is None

    def test_no_hooks_is_worth_a_warning(self, program: Program):
        """Nothing on the path can be searched then."""
        importer = program({})
        importer.state.path_hooks = []

        result = outcome(importer.state.meta_path[-1].find_spec, "m")

        assert result == ("value", None, [(ImportWarning, "sys.path_hooks is empty")])

    def test_invalidating_forgets_what_may_mean_something_else(self, program: Program):
        """Entries without a finder, and relative ones; the others look again."""
        # [5.5.2 caches]
        importer = program({"m.py": ""})
        finder = importer.state.meta_path[-1]
        kept = importer.state.path[0]
        finder.find_spec("m")
        importer.state.path_importer_cache.update({"relative": object(), "/none": None})

        finder.invalidate_caches()

        assert list(importer.state.path_importer_cache) == [kept]
        assert importer.state.path_importer_cache[kept]._path_mtime == -1

    def test_a_finder_may_answer_with_portions_but_not_with_nothing(self, program: Program):
        """A spec has a loader or search locations."""
        importer = program({})

        class Odd:
            def find_spec(self, name: str, target: Any = None) -> Any:
                return finders.ModuleSpec(name, None)

        importer.state.path_importer_cache[importer.state.path[0]] = Odd()

        assert outcome(importer.find_and_load, "m")[:2] == (ImportError, ("spec missing loader",))

    def test_distributions_are_found_as_by_importlib(self):
        """`importlib.metadata` asks the finder."""
        from importlib.metadata import DistributionFinder

        context = DistributionFinder.Context(name="pytest")

        assert [found.metadata["Name"] for found in finders.PathFinder.find_distributions(context)] == [
            "pytest"
        ]


class TestMetaPath:
    """5.3.4 The meta path."""

    def test_finders_are_asked_in_order_until_one_knows(self, program: Program):
        """With the name, the path of the parent, and None."""
        # [5.3.4 order]
        importer = program({"p/__init__.py": "", "p/m.py": ""})
        asked: list[Any] = []

        class Spy:
            def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
                asked.append((name, path, target))

        importer.state.meta_path.insert(0, Spy())
        importer.find_and_load("p.m")

        assert asked == [("p", None, None), ("p.m", [f"{importer.state.path[0]}/p"], None)]

    def test_an_empty_one_warns_and_none_means_the_end(self, program: Program):
        """The interpreter takes it away when it shuts down."""
        importer = program({})
        importer.state.meta_path = []
        assert outcome(importer.find_spec, "m", None)[2] == [(ImportWarning, "sys.meta_path is empty")]
        importer.state.meta_path = None
        assert outcome(importer.find_spec, "m", None)[:2] == (
            ImportError,
            ("sys.meta_path is None, Python is likely shutting down",),
        )

    def test_a_search_may_import_what_it_looks_for(self, program: Program):
        """The spec of the module that is there by then counts."""
        importer = program({"m.py": ""})
        marker = finders.ModuleSpec("m", None, origin="by the finder")

        class Eager:
            def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
                module = type(sys)("m")
                module.__spec__ = marker  # type: ignore[assignment]
                importer.state.modules["m"] = module
                return finders.ModuleSpec(name, None)

        importer.state.meta_path.insert(0, Eager())

        assert importer.find_spec("m", None) is marker
        # It is in the cache now, so a second search is one for a reload: what is found counts.
        assert importer.find_spec("m", None) is not marker

    def test_listeners_hear_whom_it_asks(self, program: Program, monkeypatch: pytest.MonkeyPatch):
        """Each finder, and each entry of the path."""
        importer = program({"m.py": ""})
        heard: list[Any] = []
        monkeypatch.setattr(finders, "on_search", lambda state, name, finder, entry: heard.append(entry))

        importer.find_spec("m", None)

        assert heard == [None, None, None, importer.state.path[0]]

    def test_what_is_no_finder_is_passed_over(self, program: Program):
        """From 3.12 on; 3.11 asks it for `find_module`."""
        importer = program({"m.py": ""})
        importer.state.meta_path.insert(0, object())

        found = outcome(lambda: importer.find_spec("m", None).name)

        assert found[0] == ("value" if sys.version_info >= (3, 12) else AttributeError)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="3.12 no longer asks finders of before PEP 451")
class TestLegacyFinders:
    """What Python 3.11 still does for finders with `find_module` or `find_loader`."""

    def test_on_the_meta_path(self, program: Program):
        """A loader makes a spec; the fallback is worth a warning."""
        importer = program({})

        class Old:
            def find_module(self, name: str, path: Any) -> Any:
                return loaders.SourceFileLoader(name, "/x/m.py") if name == "m" else None

        importer.state.meta_path = [Old()]

        result = outcome(lambda: importer.find_spec("m", None).origin)

        assert result[1] == "/x/m.py"
        assert [str(text).partition("Old.")[2] for _, text in result[2]] == [
            "find_spec() not found; falling back to find_module()"
        ]
        assert outcome(importer.find_spec, "other", None)[1] is None

    @pytest.mark.parametrize("method", ["find_loader", "find_module"])
    def test_on_the_path(self, program: Program, method: str):
        """A loader, or the portions of a namespace package."""
        importer = program({})

        class Old:
            def find_loader(self, name: str) -> Any:
                return (self.find_module(name), ["/portion"])

            def find_module(self, name: str) -> Any:
                return loaders.SourceFileLoader(name, "/x/m.py") if name == "m" else None

        entry = Old() if method == "find_loader" else type("Older", (), {"find_module": Old.find_module})()
        importer.state.path_importer_cache[importer.state.path[0]] = entry
        finder = importer.state.meta_path[-1]

        assert outcome(lambda: finder.find_spec("m").origin)[1] == "/x/m.py"
        if method == "find_loader":
            assert outcome(lambda: list(finder.find_spec("n").submodule_search_locations._path))[1] == [
                "/portion"
            ]

    def test_the_methods_of_our_own_finders(self, draw: Callable[..., Path]):
        """They warn, and answer as importlib's."""
        folder = draw({"m.py": "", "n/x.py": ""})
        ours, theirs = both_finders(folder)
        for name in ("m", "n", "nosuch"):
            for method in ("find_loader", "find_module"):
                mine, expected = outcome(getattr(ours, method), name), outcome(getattr(theirs, method), name)
                assert mine[2] == expected[2]
                assert type(mine[1]).__name__ == type(expected[1]).__name__
        for kind in ("BuiltinImporter", "FrozenImporter"):
            for name in ("sys", "zipimport", "nosuch"):
                mine = outcome(getattr(interpreter, kind).find_module, name)
                expected = outcome(getattr(importlib.machinery, kind).find_module, name)
                assert mine[2] == expected[2]
                assert getattr(mine[1], "__name__", None) == getattr(expected[1], "__name__", None)
            mine = outcome(getattr(interpreter, kind).module_repr, sys)
            assert mine == outcome(getattr(importlib.machinery, kind).module_repr, sys)
        assert (
            outcome(finders.PathFinder.find_module, "nosuch")[2]
            == outcome(importlib.machinery.PathFinder.find_module, "nosuch")[2]
        )
        assert outcome(NamespaceLoader.module_repr, sys)[1] == "<module 'sys' (namespace)>"  # type: ignore[attr-defined]


class TestNamespacePackages:
    """5.3.5 Namespace packages (PEP 420)."""

    def test_portions_are_gathered_along_the_path(self, program: Program):
        """And gathered anew when the path has changed."""
        # [PEP 420 portions] [PEP 420 dynamic path]
        importer = program({"one/n/a.py": "x = 1", "two/n/b.py": "x = 2"})
        root = importer.state.path[0]
        importer.state.path[:] = [f"{root}/one"]

        package = importer.find_and_load("n")
        path = package.__path__
        assert list(path) == [f"{root}/one/n"]
        importer.state.path.append(f"{root}/two")

        assert importer.find_and_load("n.b").x == 2
        assert list(path) == [f"{root}/one/n", f"{root}/two/n"]
        assert len(path) == 2
        assert path[1] == f"{root}/two/n"
        assert f"{root}/two/n" in path
        assert repr(path) == f"_NamespacePath({[f'{root}/one/n', f'{root}/two/n']!r})"

    def test_its_path_may_be_edited(self, program: Program):
        """Until it is recomputed."""
        importer = program({"n/a.py": ""})
        path = importer.find_and_load("n").__path__

        path.append("/more")
        path[0] = "/other"

        assert list(path) == ["/other", "/more"]

    def test_a_portion_that_became_a_package_leaves_the_path_alone(self, program: Program):
        """The running package is what it was."""
        importer = program({"n/a.py": ""})
        path = importer.find_and_load("n").__path__
        before = list(path)
        Path(before[0], "__init__.py").write_text("")
        importer.state.meta_path[-1].invalidate_caches()

        assert list(path) == before

    def test_a_portion_inside_a_package(self, program: Program):
        """Its parent's `__path__` is what it follows."""
        importer = program({"p/__init__.py": "", "p/n/a.py": "x = 1"})

        assert importer.find_and_load("p.n.a").x == 1

    def test_it_has_no_code(self, program: Program):
        """Nothing to run, nothing to read, and no `__file__`."""
        # [PEP 420 attributes]
        importer = program({"n/a.py": ""})
        package = importer.find_and_load("n")
        loader = package.__loader__

        assert isinstance(loader, NamespaceLoader)
        assert (loader.is_package("n"), loader.get_source("n"), loader.create_module(None)) == (
            True,
            "",
            None,
        )
        assert eval(loader.get_code("n")) is None
        assert loader.exec_module(package) is None
        assert package.__file__ is None
        assert sorted(vars(package)) == [
            "__doc__",
            "__file__",
            "__loader__",
            "__name__",
            "__package__",
            "__path__",
            "__spec__",
        ]
        assert loader.get_resource_reader("n").contents() is not None

    def test_it_may_be_loaded_by_name(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
        """The deprecated way."""
        loader = NamespaceLoader("loaded_namespace", [str(tmp_path)], finders.PathFinder._get_spec)
        assert isinstance(loader._path, NamespacePath)
        with pytest.warns(DeprecationWarning, match="load_module"):
            module = loader.load_module("loaded_namespace")
        del sys.modules["loaded_namespace"]

        assert module.__name__ == "loaded_namespace"


def test_case_counts_where_the_file_system_says_so():
    """On Linux always: PYTHONCASEOK is for systems that do not tell case apart."""
    # [PEP 235 case]
    assert finders._ignores_case() is False
    assert bytecode.SOURCE_SUFFIXES == importlib.machinery.SOURCE_SUFFIXES
