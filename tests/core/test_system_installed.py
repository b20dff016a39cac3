"""A System as the interpreter's import system for a while, and everything given back."""

from __future__ import annotations

import builtins
import importlib
import importlib.machinery
import importlib.util
import json
import pkgutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from entrepot import System
from entrepot.core import frames, turns
from entrepot.core.modules import Importer

Draw = Callable[..., Path]
OFFERED = [importlib, importlib.machinery, importlib.util, importlib.abc, pkgutil]
OFFERED += [sys.modules["_frozen_importlib"], sys.modules["_frozen_importlib_external"]]


def look_at_host() -> list[Any]:
    """Return all that a System could change of the host: objects themselves, and their contents."""
    state = [sys.modules, sys.path, sys.meta_path, sys.path_hooks, sys.path_importer_cache]
    return [
        *map(id, state),
        dict(sys.modules),
        list(sys.path),
        list(sys.meta_path),
        list(sys.path_hooks),
        {**vars(builtins)},
        [{name: id(value) for name, value in vars(module).items()} for module in OFFERED],
        [(type(m.__spec__), type(m.__loader__), m.__loader__) for m in (json, pkgutil, importlib.util)],
    ]


@pytest.fixture
def root(draw: Draw) -> Path:
    return draw({"own.py": "import other", "other.py": "x = 1", "bad.py": "import other\n1 / 0"})


@pytest.mark.parametrize("has_path", [True, False])
def test_everything_is_given_back(root: Path, has_path: bool):
    """Contents and identity of the interpreter's import state, builtins, and importlib's functions."""
    system = System(path=[root]) if has_path else System()
    before = look_at_host()

    with system.installed():
        sys.path.insert(0, str(root))
        assert importlib.import_module("own").other.x == 1
        assert "own" in sys.modules
        sys.meta_path.append(object())
        sys.path_hooks.append(object())
        sys.path = list(sys.path)

    assert look_at_host() == before
    assert system.modules["own"].other is system.modules["other"]


@pytest.mark.parametrize("has_path", [True, False])
def test_also_after_an_exception(root: Path, has_path: bool):
    """An import that fails within the block leaves nothing behind either."""
    system = System(path=[root]) if has_path else System()
    before = look_at_host()

    def fail() -> None:
        with system.installed():
            sys.path.insert(0, str(root))
            importlib.import_module("bad")

    with pytest.raises(ZeroDivisionError):
        fail()

    assert look_at_host() == before
    assert "bad" not in system.modules


def test_within_the_block_all_of_the_interpreter_is_the_systems(root: Path):
    """Statements, importlib, `sys.modules`, find_spec and pkgutil find the system's modules."""
    system = System(path=[root])
    own = system.import_module("own")

    with system.installed() as entered:
        import own as by_statement  # type: ignore[import-not-found]

        assert entered is system
        assert by_statement is importlib.import_module("own") is sys.modules["own"] is own
        assert importlib.util.find_spec("other").origin == str(root / "other.py")  # type: ignore[union-attr]
        assert "own" in {found.name for found in pkgutil.iter_modules()}
        assert isinstance(own.__loader__, importlib.machinery.SourceFileLoader)
        assert system.modules is sys.modules
        assert importlib.reload(own) is own


def test_modules_of_the_host_that_are_not_shared_are_away(root: Path):
    """A system with a path of its own does not see what the host has installed."""
    system = System(path=[root])

    with system.installed():
        assert "pytest" not in sys.modules
        assert importlib.util.find_spec("pytest") is None
        assert sys.modules["json"] is json

    assert sys.modules["pytest"] is pytest


def test_nested_blocks_of_one_system(root: Path):
    """The inner block changes nothing, and its end gives nothing back yet."""
    system = System(path=[root])
    before = look_at_host()

    with system.installed():
        with system.installed():
            importlib.import_module("own")
        assert "own" in sys.modules

    assert look_at_host() == before


def test_nested_blocks_of_two_systems(draw: Draw):
    """Within the inner block the inner system; behind it the outer one again, as it was."""
    one = System(path=[draw({"lib.py": "v = 1"}, "one")])
    two = System(path=[draw({"lib.py": "v = 2"}, "two")])
    before = look_at_host()

    with one.installed():
        assert importlib.import_module("lib").v == 1
        path = sys.path
        with two.installed():
            assert importlib.import_module("lib").v == 2
            assert one.modules["lib"].v == 1
            assert one.import_module("lib").v == 1
        assert sys.path is path
        assert importlib.import_module("lib").v == 1

    assert look_at_host() == before
    assert (one.modules["lib"].v, two.modules["lib"].v) == (1, 2)


def test_blocks_that_end_in_another_order(draw: Draw):
    """The outer block ending first (in a generator, say) takes nothing away from the inner one."""
    one = System(path=[draw({"lib.py": "v = 1"}, "one")])
    two = System(path=[draw({"lib.py": "v = 2"}, "two")])
    before = look_at_host()
    outer, inner = one.installed(), two.installed()

    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert importlib.import_module("lib").v == 2
    inner.__exit__(None, None, None)

    assert look_at_host() == before


def test_a_block_can_be_entered_again_and_again(root: Path):
    """What was imported in the first block is there in the second, the same object."""
    system = System(path=[root])
    with system.installed():
        first = importlib.import_module("own")

    with system.installed():
        assert importlib.import_module("own") is first


def test_builtins_set_in_the_block_are_for_the_systems_modules(draw: Draw):
    """What a program puts into `builtins` (as gettext does) its modules see, and the host does not."""
    root = draw({"sets.py": "import builtins\nbuiltins._mark = 7", "sees.py": "x = _mark"})
    system = System(path=[root])

    with system.installed():
        importlib.import_module("sets")
        assert importlib.import_module("sees").x == 7

    assert not hasattr(builtins, "_mark")


def test_modules_of_a_system_over_sys_path_are_the_interpreters(draw: Draw, monkeypatch: pytest.MonkeyPatch):
    """What `System()` has imported while installed has the interpreter's builtins, and asks it later."""
    root = draw({"owned.py": "def late():\n    import later_on\n    return later_on", "later_on.py": ""})
    monkeypatch.syspath_prepend(str(root))
    system = System()
    with system.installed():
        owned = importlib.import_module("owned")
    assert "owned" not in sys.modules

    later = owned.late()

    assert sys.modules.pop("later_on") is later
    assert "later_on" not in system.modules
    assert owned.__builtins__["__import__"] is builtins.__import__


@pytest.mark.parametrize("name", ["json", "wsgiref", "mailbox"])
def test_what_shadows_the_standard_library_does_so_within_the_block(draw: Draw, name: str):
    """A module of the path with a standard name, whether or not the host has the standard one."""
    system = System(path=[draw({f"{name}.py": "mine = True", "a.py": f"import {name} as found"})])
    before = look_at_host()

    with system.installed():
        assert importlib.import_module(name).mine
    assert look_at_host() == before
    assert system.import_module("a").found is system.modules[name]
    with system.installed():
        assert importlib.import_module(name) is system.modules[name]

    assert look_at_host() == before


def test_the_systems_path_is_its_own_after_the_block(root: Path):
    """The standard library's folders are in sys.path within the block only; what the program adds stays."""
    system = System(path=[root])
    path = system.path

    with system.installed():
        sys.path.append("added")

    assert system.path is path
    assert path == [str(root), "added"]


def test_c_answers_statements_while_nobody_listens(root: Path):
    """Installed, the interpreter's own `__import__` is untouched: what is in the cache costs what it did."""
    system = System(path=[root])
    own_import = builtins.__import__

    with system.installed():
        own = importlib.import_module("own")
        assert builtins.__import__ is own_import
        assert own.__builtins__["__import__"] is own_import
    assert own.__builtins__["__import__"] is not own_import


def test_threads_take_turns(draw: Draw):
    """Two threads with two systems: each block sees its own, however they meet."""
    systems = [System(path=[draw({"lib.py": f"v = {v}"}, f"v{v}")]) for v in range(2)]
    before = look_at_host()
    problems: list[object] = []

    def work(number: int) -> None:
        for _ in range(20):
            with systems[number].installed():
                found = importlib.import_module("lib").v
                if found != number or sys.modules["lib"] is not systems[number].modules["lib"]:
                    problems.append((number, found))

    threads = [threading.Thread(target=work, args=(number % 2,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert look_at_host() == before


def test_a_thread_may_enter_what_another_has_installed(root: Path):
    """The system stays installed until the last of its blocks has ended."""
    system = System(path=[root])
    before = look_at_host()
    entered, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def guest() -> None:
        with system.installed():
            entered.set()
            may_end.wait(20)
        ended.set()

    with system.installed():
        thread = threading.Thread(target=guest)
        thread.start()
        assert entered.wait(20)
    assert "pytest" not in sys.modules
    may_end.set()
    assert ended.wait(20)
    thread.join()

    assert look_at_host() == before


def test_waiting_for_another_threads_block_has_an_end(root: Path, monkeypatch: pytest.MonkeyPatch):
    """Where another thread keeps a system installed, `installed()` says so instead of hanging."""
    monkeypatch.setattr(turns, "WAIT_S", 0.05)
    one, two = System(path=[root]), System(path=[root])
    errors: list[BaseException] = []

    def try_it() -> None:
        try:
            with two.installed():
                pass
        except RuntimeError as error:
            errors.append(error)

    with one.installed():
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()

    assert "another thread has had a System installed" in str(errors[0])


def test_the_outermost_import_takes_room_for_the_frames_of_those_within():
    """One chunk of the interpreter's stack holds them all, and nothing of that shows in a traceback."""
    code = Importer._find_and_load_with_room.__code__

    assert code.co_stacksize * 8 > 256 * 1024
    assert frames.is_our_code(code)
    assert code.co_filename == Importer._find_and_load_locked.__code__.co_filename
