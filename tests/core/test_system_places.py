"""Where a System finds modules: kinds of path entries, what is shared, what shadows what."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot import System

Draw = Callable[..., Path]


def test_two_systems_hold_two_versions(draw: Draw):
    """Modules of one name in two systems are two modules, and neither is in sys.modules."""
    one = System(
        path=[str(draw({"lib/__init__.py": "from lib.part import V", "lib/part.py": "V = 1"}, "one"))]
    )
    two = System(
        path=[str(draw({"lib/__init__.py": "from lib.part import V", "lib/part.py": "V = 2"}, "two"))]
    )

    assert (one.import_module("lib").V, two.import_module("lib").V) == (1, 2)
    assert one.modules["lib.part"] is one.import_module("lib.part")
    assert "lib" not in sys.modules


def test_a_path_may_be_given_as_path_objects(draw: Draw):
    """Path objects are taken as text; sys.path inside has strings only."""
    system = System(path=[draw({"a.py": "import sys\npath = sys.path"})])

    assert all(type(entry) is str for entry in system.import_module("a").path)


def test_bytes_are_refused():
    """A path entry that is neither text nor a path object is a TypeError at once."""
    with pytest.raises(TypeError, match="path entry must be str or a path object, not bytes"):
        System(path=[b"x"])  # type: ignore[list-item]


@pytest.mark.parametrize("wrong", ["plugins", "a:b"])
def test_a_single_string_is_refused(wrong: str):
    """A string in the place of a list of folders would be a list of letters."""
    with pytest.raises(TypeError, match="try path="):
        System(path=wrong)
    with pytest.raises(TypeError, match="try share="):
        System(path=[], share=wrong)


def test_relative_entries_follow_the_working_directory(draw: Draw, monkeypatch: pytest.MonkeyPatch):
    """As in sys.path, a relative entry means what it means now, and "" the working directory."""
    root = draw({"plugins/a.py": "x = 'a'", "b.py": "x = 'b'"})
    monkeypatch.chdir(root)
    system = System(path=["plugins", ""])

    assert system.import_module("a").x == "a"
    assert system.import_module("b").__file__ == str(root / "b.py")


def test_zip_files_are_path_entries(tmp_path: Path):
    """Modules come from an archive, and from a folder inside one."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("top.py", "import sub.deep\nx = sub.deep.x")
        archive.writestr("sub/__init__.py", "")
        archive.writestr("sub/deep.py", "x = 3")
        archive.writestr("inside/other.py", "x = 4")
    system = System(path=[str(tmp_path / "a.zip"), str(tmp_path / "a.zip" / "inside")])

    assert system.import_module("top").x == 3
    assert system.import_module("other").x == 4


def test_the_path_can_change_later(draw: Draw):
    """`system.path` is a list like sys.path: what is added is searched."""
    system = System(path=[])
    with pytest.raises(ModuleNotFoundError, match="No module named 'late'"):
        system.import_module("late")

    system.path.append(str(draw({"late.py": "x = 1"})))

    assert system.import_module("late").x == 1


def test_a_namespace_package_spans_the_entries_of_its_system(draw: Draw):
    """Portions come from the system's path, are recomputed when it grows, and not from the host's."""
    first = str(draw({"ns/a.py": "x = 1"}, "first"))
    second = str(draw({"ns/b.py": "x = 2"}, "second"))
    system = System(path=[first])
    package = system.import_module("ns")
    assert list(package.__path__) == [os.path.join(first, "ns")]

    system.path.append(second)

    assert system.import_module("ns.b").x == 2
    assert system.import_module("ns.a").x == 1


def test_the_standard_library_is_shared_by_default(draw: Draw):
    """One module object for host and system."""
    system = System(path=[str(draw({"a.py": "import json, collections.abc"}))])

    assert system.import_module("a").json is json
    assert system.modules["collections.abc"] is sys.modules["collections.abc"]


def test_a_module_of_the_path_shadows_a_standard_one(draw: Draw):
    """As with python itself, for all of a system's modules, and for nobody else."""
    root = draw({"json.py": "mine = True", "a.py": "import json", "p/__init__.py": "from json import mine"})
    system = System(path=[str(root)])

    assert system.import_module("a").json.mine
    assert system.import_module("p").mine
    assert sys.modules["json"] is json


def test_a_package_of_the_path_shadows_with_its_children(draw: Draw):
    """The children of what shadows are found in it, and those of the shadowed are not."""
    root = draw({"email/__init__.py": "", "email/mine.py": "x = 1"})
    system = System(path=[str(root)])

    assert system.import_module("email.mine").x == 1
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'email\.message'"):
        system.import_module("email.message")


def test_built_in_and_frozen_modules_are_not_shadowed(draw: Draw):
    """They are found before any path is searched."""
    import os

    system = System(path=[draw({"time.py": "mine = True", "os.py": "mine = True"})])

    assert system.import_module("os") is os
    assert not hasattr(system.import_module("time"), "mine")


def test_a_namespace_folder_does_not_shadow_the_standard_library(draw: Draw):
    """A folder without __init__ called `test` or `json` gives way, as it does on sys.path."""
    system = System(path=[str(draw({"json/data.txt": ""}))])

    assert system.import_module("json") is json


def test_top_level_packages_can_be_shared_by_name(draw: Draw, monkeypatch: pytest.MonkeyPatch):
    """What `share` names is the host's, with all below it, though the path has it too."""
    host = draw({"core_lib/__init__.py": "where = 'host'", "core_lib/sub.py": ""}, "host")
    own = draw({"core_lib/__init__.py": "where = 'own'", "a.py": "import core_lib.sub"}, "own")
    monkeypatch.syspath_prepend(str(host))
    system = System(path=[str(own)], share=("stdlib", "core_lib"))

    try:
        module = system.import_module("a")

        assert module.core_lib.where == "host"
        assert system.modules["core_lib.sub"] is sys.modules["core_lib.sub"]
    finally:
        sys.modules.pop("core_lib", None)
        sys.modules.pop("core_lib.sub", None)


def test_nothing_shared(draw: Draw):
    """With share=() a system runs the standard library for itself, from its own path."""
    stdlib = sysconfig.get_path("stdlib")
    root = draw({"a.py": "import string, collections.abc, os, textwrap\nfrom dataclasses import dataclass"})
    system = System(path=[str(root), stdlib, os.path.join(stdlib, "lib-dynload")], share=())

    module = system.import_module("a")

    assert module.string is not sys.modules["string"]
    assert module.string.capwords("a b") == "A B"
    assert module.textwrap.dedent("  x") == "x"
    assert module.os.path.join("a", "b") == os.path.join("a", "b")


def test_nothing_shared_and_no_path_has_nothing():
    """The standard library is found on the path only, as everything else."""
    with pytest.raises(ModuleNotFoundError, match="No module named 'textwrap'"):
        System(path=[], share=()).import_module("textwrap")


def test_without_a_path_it_is_the_interpreters():
    """`System()` searches sys.path itself, into a cache of its own."""
    system = System()

    assert system.path is sys.path
    assert system.import_module("json") is json


def test_main_and_entrepot_are_one():
    """There is one program in a process, and one entrepot."""
    system = System(path=[])

    assert system.import_module("__main__") is sys.modules["__main__"]
    assert system.import_module("entrepot") is sys.modules["entrepot"]


def test_finders_of_its_own(draw: Draw):
    """`meta_path` and `path_hooks` are lists to add to, and no other system sees what is added."""

    class Loader:
        def create_module(self, spec: object) -> None:
            return None

        def exec_module(self, module: object) -> None:
            module.x = 42  # type: ignore[attr-defined]

    class Finder:
        def find_spec(self, name: str, path: object, target: object = None) -> object:
            import importlib.machinery

            return importlib.machinery.ModuleSpec(name, Loader()) if name == "made_up" else None

    system, other = System(path=[]), System(path=[])
    system.meta_path.insert(0, Finder())

    assert system.import_module("made_up").x == 42
    with pytest.raises(ModuleNotFoundError):
        other.import_module("made_up")
    assert not any(isinstance(finder, Finder) for finder in sys.meta_path)
