"""Modules in zip archives, as `zipimport` finds and loads them."""

from __future__ import annotations

import importlib.util
import py_compile
import sys
import zipfile
import zipimport
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrepot.core import archives
from outcome import outcome

NAMES = ("m", "p", "p.inner", "n", "c", "stale", "junk", "nosuch")


@pytest.fixture
def archive(draw: Callable[..., Path], tmp_path: Path) -> Path:
    """Return an archive with a module, a package, a namespace portion and bytecode of all kinds."""
    folder = draw({"c.py": "x = 1\n", "other.py": "x = 123456\n", "data.txt": "hello"}, "made")
    made = tmp_path / "a.zip"
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("m.py", "x = 1\r\ny = 2\r")
        file.writestr("p/__init__.py", "x = 'p'")
        file.writestr("p/inner.py", "x = 'inner'")
        file.writestr("n/", "")
        file.writestr("n/deep.py", "")
        file.write(py_compile.compile(str(folder / "c.py"), cfile=str(folder / "c.pyc")) or "", "c.pyc")
        # Made from another text than the source beside it.
        file.write(
            py_compile.compile(str(folder / "other.py"), cfile=str(folder / "o.pyc")) or "", "stale.pyc"
        )
        file.writestr("stale.py", "x = 'source'")
        file.writestr("junk.pyc", b"junk" * 10)
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
        hashed = py_compile.compile(str(folder / "c.py"), cfile=str(folder / "h.pyc"), invalidation_mode=mode)
        file.write(hashed or "", "hashed.pyc")
        file.writestr("hashed.py", "x = 'other'")
        file.writestr("data.txt", "hello")
    return made


def both(path: Path | str) -> tuple[Any, Any]:
    return archives.ZipImporter(str(path)), zipimport.zipimporter(str(path))


class TestFinding:
    """PEP 273: an archive is an entry of the path, and so is a folder inside it."""

    @pytest.mark.parametrize("inside", ["", "/p", "/n", "/none"])
    def test_modules_are_found_as_by_zipimport(self, archive: Path, inside: str):
        """Modules, packages, portions; by the last part of their name."""
        # [PEP 273 search]
        ours, theirs = both(f"{archive}{inside}")

        assert repr(ours) == repr(theirs)
        assert (ours.archive, ours.prefix) == (theirs.archive, theirs.prefix)
        for name in NAMES:
            mine = outcome(ours.find_spec, name)
            expected = outcome(theirs.find_spec, name)
            assert mine[0] == expected[0]
            if expected[0] == "value" and expected[1] is not None:
                for field in ("name", "origin", "submodule_search_locations", "has_location", "parent"):
                    assert getattr(mine[1], field) == getattr(expected[1], field), name
            else:
                assert mine[:2] == expected[:2]

    @pytest.mark.parametrize("path", ["", "/nosuch/x.zip", "/", __file__, f"{__file__}/inside", b"a.zip", 3])
    def test_what_is_no_archive_is_refused_in_the_same_words(self, path: Any):
        """The next hook is asked then."""
        ours, theirs = outcome(archives.ZipImporter, path), outcome(zipimport.zipimporter, path)

        if isinstance(path, str):
            assert ours[:2] == theirs[:2]
        else:
            assert ours[0] is TypeError

    def test_an_archive_that_has_changed_is_read_anew(self, archive: Path):
        """When the caches are invalidated; one that is gone has nothing."""
        ours, _ = both(archive)
        with zipfile.ZipFile(archive, "a") as file:
            file.writestr("late.py", "")
        assert ours.find_spec("late") is None
        ours.invalidate_caches()
        assert ours.find_spec("late") is not None
        archive.unlink()
        ours.invalidate_caches()
        assert ours.find_spec("late") is None

    def test_its_modules_are_listed(self, archive: Path):
        """As `pkgutil` lists those of a zipimporter."""
        import pkgutil

        ours, theirs = both(archive)

        assert sorted(ours.iter_modules("x.")) == sorted(pkgutil.iter_importer_modules(theirs, "x."))
        ours, theirs = both(f"{archive}/p")
        assert list(ours.iter_modules()) == list(pkgutil.iter_importer_modules(theirs)) == [("inner", False)]
        assert "p/inner.py" in ours._files  # until 3.12 others read it


class TestLoading:
    """Code from bytecode if it is good, else from the source beside it."""

    @pytest.mark.parametrize("method", ["get_code", "get_source", "get_filename", "is_package"])
    @pytest.mark.parametrize("name", [*NAMES, "hashed"])
    def test_questions_are_answered_as_by_zipimport(self, archive: Path, method: str, name: str):
        """With the same errors for what is not there or not good."""
        ours, theirs = both(archive)

        mine, expected = outcome(getattr(ours, method), name), outcome(getattr(theirs, method), name)

        assert mine[0] == expected[0]
        if mine[0] == "value":
            assert mine[1] == expected[1]
        else:
            assert str(mine[1]) == str(expected[1])

    @pytest.mark.parametrize("path", ["data.txt", "{archive}/data.txt", "none", "n"])
    def test_data_is_read_as_by_zipimport(self, archive: Path, path: str):
        """By the path in the archive, or the whole path."""
        ours, theirs = both(archive)
        path = path.format(archive=archive)

        assert outcome(ours.get_data, path) == outcome(theirs.get_data, path)

    def test_an_import_runs_the_module(self, archive: Path):
        """Through the path hook, like any other."""
        from own_importer import make_importer

        importer = make_importer(archive)

        assert importer.find_and_load("m").y == 2
        assert importer.find_and_load("p.inner").x == "inner"
        assert importer.find_and_load("n.deep").__file__ == f"{archive}/n/deep.py"
        assert importer.find_and_load("stale").x == "source"

    @pytest.mark.parametrize("name", ["m", "p", "junk"])
    def test_the_deprecated_way_warns_and_works(self, archive: Path, name: str):
        """`load_module` puts it into `sys.modules`, and takes it out if it fails."""
        ours, theirs = both(archive)
        seen = []
        for loader in (ours, theirs):
            result = outcome(loader.load_module, name)
            module = sys.modules.pop(name, None)
            seen.append((result[0], result[2], getattr(module, "__path__", None), getattr(module, "x", None)))

        assert seen[0] == seen[1]

    def test_a_module_that_fails_is_taken_out(self, archive: Path):
        """As the import system does."""
        with zipfile.ZipFile(archive, "a") as file:
            file.writestr("fails.py", "1/0")
            file.writestr("leaves.py", "import sys; del sys.modules[__name__]")
        ours, _ = both(archive)
        ours.invalidate_caches()

        assert outcome(ours.load_module, "fails")[0] is ZeroDivisionError
        assert "fails" not in sys.modules
        assert outcome(ours.load_module, "leaves")[:2] == (
            ImportError,
            ("Loaded module 'leaves' not found in sys.modules",),
        )

    def test_resources_are_read_by_importlib(self, archive: Path):
        """A package in an archive has a reader."""
        with zipfile.ZipFile(archive, "a") as file:
            file.writestr("p/data.txt", "inside")
        ours, _ = both(archive)
        ours.invalidate_caches()

        with ours.get_resource_reader("p").open_resource("data.txt") as file:
            assert file.read() == b"inside"
        for name in ("m", "nosuch"):
            mine, expected = (outcome(loader.get_resource_reader, name) for loader in both(archive))
            assert (mine[0], mine[1] is None) == (expected[0], expected[1] is None)

    @pytest.mark.skipif(sys.version_info >= (3, 12), reason="3.12 has not these methods")
    def test_the_methods_that_only_3_11_has(self, archive: Path):
        """`find_loader` and `find_module` warn and answer."""
        ours, theirs = both(archive)
        for name in ("m", "n", "nosuch"):
            for method in ("find_loader", "find_module"):
                mine, expected = outcome(getattr(ours, method), name), outcome(getattr(theirs, method), name)
                assert mine[2][:1] == expected[2][:1]
                assert (mine[1] is None) == (expected[1] is None)


def test_something_else_than_code_is_refused(archive: Path):
    """A bytecode member whose contents are no code object is a TypeError."""
    import marshal

    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("list.pyc", importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps([1]))
    ours, theirs = both(archive)
    ours.invalidate_caches()

    assert str(outcome(ours.get_code, "list")[:2]) == str(outcome(theirs.get_code, "list")[:2])
