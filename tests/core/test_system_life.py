"""Compiled modules, data files, distributions and plugins inside Systems."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrepot import System

Draw = Callable[..., Path]


def find_extension(need: Callable[[object, str], None]) -> Path:
    """Return a compiled module of the standard library that is a file."""
    folder = Path(sysconfig.get_path("stdlib"), "lib-dynload")
    found = sorted(folder.glob("_queue*.so")) + sorted(folder.glob("_bisect*.so"))
    need(found, "a compiled module in a file (lib-dynload)")
    return found[0]


@pytest.fixture
def compiled(tmp_path: Path, need: Callable[[object, str], None]) -> tuple[Path, str]:
    """A folder with a compiled module, and its name: the path's own, so no standard one is shared."""
    original = find_extension(need)
    shutil.copy(original, tmp_path / original.name)
    return tmp_path, original.name.partition(".")[0]


def test_a_compiled_module_is_initialised_once_for_each_file(compiled: tuple[Path, str]):
    """By default systems share it: C code keeps its state for the whole process."""
    folder, name = compiled
    one, two = System(path=[folder]), System(path=[folder])

    first, second = one.import_module(name), two.import_module(name)

    assert first is second
    assert first.__file__ == str(next(folder.glob("*.so")))
    assert sys.modules.get(name) is not first


def test_copies_of_a_file_are_modules_of_their_own(compiled: tuple[Path, str], tmp_path: Path):
    """Two versions of a compiled library are two files."""
    folder, name = compiled
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(next(folder.glob("*.so")), other)

    one, two = System(path=[folder]).import_module(name), System(path=[other]).import_module(name)

    assert one is not two
    assert one.__file__ != two.__file__


def test_not_sharing_compiled_modules(compiled: tuple[Path, str]):
    """With share=["stdlib"] each system initialises for itself, where the module is made for that."""
    folder, name = compiled
    one, two = (System(path=[folder], share=["stdlib"]).import_module(name) for _ in range(2))

    assert one is not two


def test_compiled_code_that_imports_by_name_finds_the_systems_modules(draw: Draw):
    """C code that asks by PyImport_ImportModule while it runs gets the system's, and no trace stays."""
    text = """
        import ctypes
        def ask(name):
            function = ctypes.pythonapi.PyImport_ImportModule
            function.restype = ctypes.py_object
            return function(name)
    """
    files = {"asks.py": text, "p/__init__.py": "", "p/other.py": ""}
    systems = [System(path=[draw(files, v)]) for v in ("one", "two")]
    asks = [system.import_module("asks") for system in systems]
    before = dict(sys.modules)

    for system, module in zip(systems * 2, asks * 2, strict=True):
        assert module.ask(b"p.other") is system.modules["p.other"]
        assert sys.modules == before


def test_compiled_code_that_asks_the_interpreter_directly(draw: Draw):
    """PyImport_ImportModuleLevel, which Cython uses, sees the system's modules only while it is installed."""
    text = """
        import ctypes
        def ask(name):
            function = ctypes.pythonapi.PyImport_ImportModuleLevel
            function.restype = ctypes.py_object
            return function(name, None, None, None, 0)
    """
    system = System(path=[draw({"asks.py": text, "unheard_of.py": ""})])
    asks = system.import_module("asks")

    with pytest.raises(ModuleNotFoundError, match="unheard_of"):
        asks.ask(b"unheard_of")
    with system.installed():
        assert asks.ask(b"unheard_of") is sys.modules["unheard_of"]


def make_distribution(draw: Draw, version: str) -> Path:
    return draw(
        {
            "lib/__init__.py": """
                import importlib.metadata, importlib.resources, pkgutil
                version = importlib.metadata.version("lib")
                text = importlib.resources.files("lib").joinpath("data.txt").read_text()
                data = pkgutil.get_data("lib", "data.txt")
                def children():
                    return [found.name for found in pkgutil.iter_modules(__path__)]
                def plugins():
                    return [point.load()() for point in importlib.metadata.entry_points(group="lib.plugins")]
            """,
            "lib/data.txt": f"data of {version}",
            "lib/plugin.py": f"def plug(): return 'plugged {version}'",
            f"lib-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: lib\nVersion: {version}\n",
            f"lib-{version}.dist-info/entry_points.txt": "[lib.plugins]\none = lib.plugin:plug\n",
        },
        version,
    )


def test_each_system_has_its_own_distributions_and_data(draw: Draw):
    """importlib.metadata, importlib.resources, pkgutil and entry points find the system's own."""
    for version in ("1.0", "2.0"):
        lib: Any = System(path=[make_distribution(draw, version)]).import_module("lib")

        assert lib.version == version
        assert lib.text == f"data of {version}"
        assert lib.data == lib.text.encode()
        assert lib.children() == ["plugin"]
        assert lib.plugins() == [f"plugged {version}"]


def test_the_host_reaches_them_through_the_system(draw: Draw):
    """`system.import_module("importlib.metadata")` is the way in from outside."""
    system = System(path=[make_distribution(draw, "3.0")])

    metadata, resources = (system.import_module(f"importlib.{name}") for name in ("metadata", "resources"))

    assert metadata.version("lib") == "3.0"
    assert resources.files("lib").joinpath("data.txt").read_text() == "data of 3.0"
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("pytest")


def test_data_beside_a_module_by_the_hosts_functions(draw: Draw):
    """A module object leads to its files by itself, whoever asks."""
    import importlib.resources

    lib = System(path=[make_distribution(draw, "4.0")]).import_module("lib")

    assert importlib.resources.files(lib).joinpath("data.txt").read_text() == "data of 4.0"
