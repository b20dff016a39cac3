"""Loaders: source, bytecode, compiled modules, and what they say when asked."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import py_compile
import subprocess
import sys
import textwrap
from collections.abc import Callable
from importlib import _bootstrap_external as theirs  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

import pytest

from both_ways import INSTALLED, run
from entrepot.core import interpreter, loaders, source
from outcome import outcome


def both(kind: str, *args: Any) -> tuple[Any, Any]:
    """Return a loader of ours and importlib's of the same kind."""
    return getattr(loaders, kind)(*args), getattr(importlib.machinery, kind)(*args)


class TestSourceFiles:
    """5.4.1 and importlib's SourceFileLoader: code from bytecode if that is good, else compiled and kept."""

    @pytest.fixture(autouse=True)
    def _write_bytecode(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "dont_write_bytecode", False)

    @pytest.fixture
    def module(self, draw: Callable[..., Path]) -> Path:
        return draw({"m.py": "x = 1\n"}) / "m.py"

    def get_code(self, module: Path) -> Any:
        return loaders.SourceFileLoader("m", str(module)).get_code("m")

    def cached(self, module: Path) -> Path:
        return Path(importlib.util.cache_from_source(str(module)))

    def test_bytecode_is_kept_as_cpython_keeps_it(self, module: Path):
        """The next program, under CPython or here, finds the file it would have written."""
        # [PEP 552 contents]
        self.get_code(module)
        ours = self.cached(module).read_bytes()
        self.cached(module).unlink()
        importlib.machinery.SourceFileLoader("m", str(module)).get_code("m")

        assert ours == self.cached(module).read_bytes()

    def test_good_bytecode_is_used_instead_of_the_source(self, module: Path):
        """A source of the same time and size is not read."""
        self.get_code(module)
        times = module.stat()
        module.write_text("x = 2\n")
        os.utime(module, ns=(times.st_atime_ns, times.st_mtime_ns))

        assert self.get_code(module).co_consts[0] == 1

    def test_stale_bytecode_is_made_anew(self, module: Path):
        """A source that has changed is compiled, whatever the file says."""
        self.get_code(module)
        module.write_text("x = 23\n")

        assert self.get_code(module).co_consts[0] == 23
        assert self.cached(module).read_bytes()[12:16] == (7).to_bytes(4, "little")

    @pytest.mark.parametrize("junk", [b"", b"junk", b"x" * 100])
    def test_a_broken_file_is_replaced(self, module: Path, junk: bytes):
        """The source is the truth."""
        self.cached(module).parent.mkdir()
        self.cached(module).write_bytes(junk)

        assert self.get_code(module).co_consts[0] == 1
        assert self.cached(module).read_bytes() != junk

    @pytest.mark.parametrize("checked", [True, False])
    def test_hash_based_files_stay_hash_based(self, module: Path, checked: bool):
        """A checked one follows its source; an unchecked one is believed."""
        # [PEP 552 hash]
        kind = "CHECKED_HASH" if checked else "UNCHECKED_HASH"
        py_compile.compile(str(module), invalidation_mode=py_compile.PycInvalidationMode[kind])
        assert self.get_code(module).co_consts[0] == 1
        module.write_text("x = 2\n")

        assert self.get_code(module).co_consts[0] == (2 if checked else 1)
        assert self.cached(module).read_bytes()[4] == (0b11 if checked else 0b01)

    def test_where_nothing_may_be_written_nothing_is(self, module: Path, monkeypatch: pytest.MonkeyPatch):
        """`-B`, and a folder that cannot be made."""
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        self.get_code(module)
        assert not self.cached(module).parent.exists()

        monkeypatch.setattr(sys, "dont_write_bytecode", False)
        (module.parent / "__pycache__").write_text("in the way")
        assert self.get_code(module).co_consts[0] == 1

    def test_without_a_cache_tag_it_is_compiled(self, module: Path, monkeypatch: pytest.MonkeyPatch):
        """No place for bytecode: no bytecode."""
        monkeypatch.setattr(sys.implementation, "cache_tag", None)

        assert self.get_code(module).co_consts[0] == 1

    def test_listeners_hear_what_is_compiled_and_why(self, module: Path, monkeypatch: pytest.MonkeyPatch):
        """The reason is one word."""
        heard: list[tuple[str, str, str]] = []
        monkeypatch.setattr(loaders, "on_compile", lambda *args: heard.append(args))

        self.get_code(module)
        self.get_code(module)
        module.write_text("x = 23\n")
        self.get_code(module)

        assert [reason for _, _, reason in heard] == ["missing", "stale"]

    def test_the_loader_answers_as_importlibs(self, module: Path):
        """Names that are not its own are refused in the same words; left out, they are its own."""
        ours, theirs_ = both("SourceFileLoader", "m", str(module))

        for question in ("get_filename", "is_package", "get_source", "path_stats", "get_data"):
            argument = str(module) if question in ("path_stats", "get_data") else "m"
            assert getattr(ours, question)(argument) == getattr(theirs_, question)(argument)
        for question in ("get_filename", "get_resource_reader", "load_module"):
            assert outcome(getattr(ours, question), "other") == outcome(getattr(theirs_, question), "other")
        assert ours.get_filename() == str(module)
        assert ours == loaders.SourceFileLoader("m", str(module))
        assert hash(ours) == hash(theirs_)
        assert ours != theirs_

    def test_a_source_that_cannot_be_read_is_an_import_error(self, tmp_path: Path):
        """`get_source` says so; `get_code` lets the error of the system through."""
        ours, theirs_ = both("SourceFileLoader", "m", str(tmp_path / "none.py"))

        assert outcome(ours.get_source, "m") == outcome(theirs_.get_source, "m")
        assert outcome(ours.get_code, "m") == outcome(theirs_.get_code, "m")


class Memory(loaders.SourceLoader):
    """A source loader as a program may write one: it knows no times and keeps nothing."""

    def get_filename(self, fullname: str | None = None) -> str:
        return "/nowhere/m.py"

    def get_data(self, path: str) -> bytes:
        if path.endswith(".pyc"):
            raise OSError
        return b"x = 1"


def test_a_loader_that_keeps_nothing_compiles_each_time():
    """`path_stats` and `set_data` are optional."""
    loader = Memory()

    assert loader.get_code("m").co_consts[0] == 1
    assert loader.get_source("m") == "x = 1"
    assert outcome(loader.path_stats, "p")[0] is OSError


def test_a_loader_that_refuses_to_write_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    """`set_data` may raise NotImplementedError."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)

    class Refusing(Memory):
        def path_mtime(self, path: str) -> float:
            return 1.0

        def set_data(self, path: str, data: bytes) -> None:
            raise NotImplementedError

    assert Refusing().get_code("m").co_consts[0] == 1


def test_a_loader_without_code_cannot_run():
    """`get_code` returning None is an ImportError."""
    module = type(sys)("m")

    class Empty(loaders.Basics):
        def get_code(self, fullname: str) -> None:
            return None

    assert outcome(Empty().exec_module, module)[:2] == (
        ImportError,
        ("cannot load module 'm' when get_code() returns None",),
    )


class TestBytecodeFiles:
    """A `.pyc` in the place of its source."""

    def test_it_is_the_module(self, draw: Callable[..., Path]):
        """Code from the file, no source."""
        folder = draw({"m.py": "x = 1\n"})
        path = py_compile.compile(str(folder / "m.py"), cfile=str(folder / "m.pyc"))
        ours, theirs_ = both("SourcelessFileLoader", "m", path)

        assert ours.get_code("m") == theirs_.get_code("m")
        assert ours.get_source("m") is None

    @pytest.mark.parametrize("data", [b"", b"junk", b"junk" * 10])
    def test_a_broken_one_is_refused_as_by_importlib(self, tmp_path: Path, data: bytes):
        """There is no source to fall back to."""
        (tmp_path / "m.pyc").write_bytes(data)
        ours, theirs_ = both("SourcelessFileLoader", "m", str(tmp_path / "m.pyc"))

        assert outcome(ours.get_code, "m") == outcome(theirs_.get_code, "m")


class TestCompiledModules:
    """Extension, built-in and frozen modules."""

    def test_extension_modules_have_neither_code_nor_source(self):
        """A compiled `__init__` is a package."""
        suffix = loaders.EXTENSION_SUFFIXES[0]
        for path in (f"/x/m{suffix}", f"/x/__init__{suffix}"):
            ours, theirs_ = both("ExtensionFileLoader", "m", path)
            for question in ("is_package", "get_code", "get_source", "get_filename"):
                assert getattr(ours, question)("m") == getattr(theirs_, question)("m")

    def test_an_extension_module_is_made_and_run(self):
        """In two phases (PEP 489)."""
        found = importlib.util.find_spec("_json")
        if found is None or not found.has_location:
            pytest.skip("_json is not a shared library here")
        loader = loaders.ExtensionFileLoader("_json", str(found.origin))
        made = loaders.spec_from_loader("_json", loader)

        module = loader.create_module(made)
        loader.exec_module(module)

        assert module.encode_basestring("a") == '"a"'

    @pytest.mark.parametrize("kind", ["BuiltinImporter", "FrozenImporter"])
    @pytest.mark.parametrize("name", ["sys", "zipimport", "os", "nosuch", "__phello__", "__hello_alias__"])
    def test_the_interpreters_own_modules_are_known_as_to_importlib(self, kind: str, name: str):
        """What is a built-in or frozen module, and what the others say."""
        # [5.3.4 default finders]
        ours, theirs_ = getattr(interpreter, kind), getattr(importlib.machinery, kind)
        found, expected = ours.find_spec(name), theirs_.find_spec(name)

        assert (found is None) == (expected is None)
        if found is not None:
            for field in ("name", "origin", "submodule_search_locations", "parent", "loader_state"):
                assert getattr(found, field) == getattr(expected, field)
        for question in ("get_code", "get_source", "is_package"):
            assert outcome(getattr(ours, question), name) == outcome(getattr(theirs_, question), name)

    @pytest.mark.parametrize(
        "name",
        ["__hello__", "__hello_alias__", "__hello_only__", "__phello__", "__phello__.__init__", "__phello__.ham",
         "__phello__.ham.eggs", "__phello_alias__", "__phello_alias__.spam", "_frozen_importlib", "os", "none_such"],
    )  # fmt: skip
    def test_a_frozen_module_says_what_it_was_made_from(self, name: str):
        """Under its own name, another, or none; a package has its folder."""
        specs = [
            maker.find_spec(name)
            for maker in (interpreter.FrozenImporter, importlib.machinery.FrozenImporter)
        ]
        told = [
            spec and (spec.origin, spec.submodule_search_locations, spec.parent, vars(spec.loader_state))
            for spec in specs
        ]
        assert told[0] == told[1]

    def test_a_frozen_module_runs(self):
        """Its file is that of the standard library it was made from."""
        made: Any = interpreter.FrozenImporter.find_spec("__hello__")
        module = interpreter.FrozenImporter.create_module(made)
        module.__spec__ = made

        interpreter.FrozenImporter.exec_module(module)

        assert module.initialized

    def test_a_module_that_is_not_built_in_cannot_be_made(self):
        """The error names it."""
        made = loaders.spec_from_loader("nosuch", interpreter.BuiltinImporter)
        expected = importlib.machinery.ModuleSpec("nosuch", None)

        assert outcome(interpreter.BuiltinImporter.create_module, made) == outcome(
            importlib.machinery.BuiltinImporter.create_module, expected
        )


class TestLoadModule:
    """The deprecated way: by name, into `sys.modules`."""

    @pytest.mark.parametrize("kind", ["BuiltinImporter", "FrozenImporter"])
    def test_compiled_modules(self, kind: str, monkeypatch: pytest.MonkeyPatch):
        """With the warning that it is going away."""
        name = {"BuiltinImporter": "errno", "FrozenImporter": "__hello__"}[kind]
        monkeypatch.delitem(sys.modules, name, raising=False)
        with pytest.warns(DeprecationWarning, match="load_module"):
            module = getattr(interpreter, kind).load_module(name)

        assert sys.modules.pop(name) is module
        assert module.__name__ == name

    def test_a_frozen_package_gets_its_path(self, monkeypatch: pytest.MonkeyPatch):
        """And its file, where the standard library is."""
        monkeypatch.delitem(sys.modules, "__phello__", raising=False)
        with pytest.warns(DeprecationWarning, match="load_module"):
            module = interpreter.FrozenImporter.load_module("__phello__")
        del sys.modules["__phello__"]

        assert (
            module.__path__ == interpreter.FrozenImporter.find_spec("__phello__").submodule_search_locations
        )

    def test_a_source_is_run_again_in_the_same_module(self, draw: Callable[..., Path]):
        """As `reload` does."""
        path = draw({"loaded_by_name.py": "runs = globals().get('runs', 0) + 1\n"}) / "loaded_by_name.py"
        loader = loaders.SourceFileLoader("loaded_by_name", str(path))
        with pytest.warns(DeprecationWarning, match="load_module"):
            first = loader.load_module("loaded_by_name")
        with pytest.warns(DeprecationWarning, match="load_module"):
            second = loader.load_module("loaded_by_name")
        del sys.modules["loaded_by_name"]

        assert first is second
        assert second.runs == 2


@pytest.mark.parametrize(
    "data",
    [
        b"x = 1\r\ny = 2\r",
        b"# coding: latin-1\nx = '\xe9'\n",
        b"\xef\xbb\xbfx = 1",
        b"\xef\xbb\xbf# coding: latin-1\n",
        b"# coding: nosuch\n",
        b"\xff",
    ],
)
def test_source_text_is_decoded_as_by_importlib(data: bytes):
    """PEP 263, the byte order mark, and all kinds of line ends."""
    # [PEP 263 encodings]
    assert outcome(source.decode_source, data)[:2] == outcome(theirs.decode_source, data)[:2] or (
        outcome(source.decode_source, data)[0] is outcome(theirs.decode_source, data)[0] is UnicodeDecodeError
    )


def test_resource_readers_are_those_of_importlib(draw: Callable[..., Path]):
    """`importlib.resources` reads beside the file."""
    folder = draw({"p/__init__.py": "", "p/data.txt": "hello"})
    loader = loaders.SourceFileLoader("p", str(folder / "p" / "__init__.py"))

    with loader.get_resource_reader("p").open_resource("data.txt") as file:
        assert file.read() == b"hello"


def test_a_source_edited_after_it_was_found_is_not_answered_from_bytecode(tmp_path: Path):
    """What the finder saw counts only for the load that follows at once."""
    code = """
        import importlib.util, os, sys
        sys.path.insert(0, os.getcwd())
        spec = importlib.util.find_spec("edited")
        import other
        with open("edited.py", "w") as file:
            file.write("value = 'newer'\\n")
        os.utime("edited.py", (10**9, 10**9))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        print(module.value)
    """
    (tmp_path / "other.py").write_text("")
    (tmp_path / "edited.py").write_text("value = 'older'\n")
    (tmp_path / "main.py").write_text(textwrap.dedent(code))
    subprocess.run([sys.executable, "-c", "import edited"], cwd=tmp_path, check=True)

    assert run([*INSTALLED, "main.py"], cwd=tmp_path).text == "newer\n"
