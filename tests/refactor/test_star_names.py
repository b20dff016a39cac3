"""What a star import brings is told from the text alone: the same names that Python finds, or none and the reason."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from entrepot.errors import Refused
from entrepot.refactor.expand import plan_expand
from entrepot.refactor.project import Project

# What the text decides: the names must be those that Python finds.
TOLD = {
    "everything that binds": """
        import os.path
        import sys as system
        from math import floor as down, ceil
        (first, [second, *others]) = 1, [2, 3, 4]
        chained = again = 5
        typed: int = 6
        never_bound: int
        counted = 1
        counted += 1
        if (seen := 3) > 2:
            pass
        for number in [1, 2]:
            in_loop = number
        else:
            after_loop = 1
        with open(__file__) as stream:
            opened = stream.name
        gone = 1
        del gone, others[0]
        async def fetch():
            local = 1
        @(decorator := staticmethod)
        def decorated(default=(given := 1), key=lambda: (hidden := 1)):
            inside = 1
        class Kind(metaclass=(meta := type)):
            attribute = 1
        try:
            safe = 1
        finally:
            cleaned = 1
        match "x":
            case str() as text:
                matched = 1
            case {"a": text, **matched} | [text, *matched]:
                pass
            case _:
                text = matched = 2
        _private = 1
    """,
    "versions and platforms": """
        import os, sys
        PY2 = sys.version_info[0] == 2
        major = sys.version_info.major, sys.version_info.minor
        if sys.version_info[:2] >= (3, 8) and not PY2:
            new = 1
        else:
            old = 1
        if tuple(sys.version_info) < (3,) or sys.platform.startswith("plan9") or os.name == "ce":
            strange = 1
        elif "linux" in ("linux", "darwin") and sys.maxsize > 0 and sys.byteorder not in ("middle",):
            usual = 1
        if sys.version_info.major != 3:
            other_major = 1
        if PY2:
            from urllib2 import urlopen
        if sys.version_info.minor <= 2:
            early = 1
        if hasattr(sys, "setdefaultencoding"):
            encoded = 1
        if hasattr(sys, "version"):
            versioned = 1
        if __debug__:
            debugging = 1
        if sys.platform[0] == "?":
            unheard = 1
    """,
    "type checking": """
        import typing
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from decimal import Decimal
        if typing.TYPE_CHECKING:
            from fractions import Fraction
        else:
            Fraction = None
    """,
    "its own name": """
        if __name__ == "__main__":
            script = 1
        if __name__ != "__main__":
            module = 1
        if __name__ in ("lib", "other"):
            listed = 1
        if __name__.startswith("l"):
            started = 1
    """,
    "both ways bind it": """
        import os
        if os.environ.get("NOTHING_LIKE_THIS"):
            one = 1
        else:
            one = 2
        try:
            two = int("2")
        except ValueError:
            two = 0
        while not one:
            one = 1
        try:
            three = int("3")
        except ValueError:
            raise
        for _ in os.listdir("/"):
            one = 3
            break
        else:
            one = 4
    """,
    "imports that are there, and that are not": """
        try:
            import json
            HAVE = True
        except ImportError:
            HAVE = False
            json_missing = 1
        if HAVE:
            def dump(): ...
        try:
            import no_such_module_anywhere
        except ImportError:
            no_such_module_anywhere = None
            fallen_back = 1
        else:
            succeeded = 1
        try:
            from json import no_such_name
            unreached = 1
        except (ImportError, AttributeError):
            SLOW = True
        try:
            import winreg, os.path
            windows = 1
        except ImportError:
            winreg = None
        try:
            import xml.etree, xml.nothing_like_this
        except ImportError:
            no_such_part = 1
        try:
            from os import path
            from xml import dom
            from xml import no_such_submodule
        except Exception:
            handled = 1
        try:
            from ..outside import x
        except:
            relative = 1
        import contextlib
        with contextlib.suppress(ImportError):
            import neither_this
            after = 1
        with contextlib.suppress(ImportError):
            import string
        try:
            if HAVE:
                import nor_that
            never = 1
        except ModuleNotFoundError:
            pass
        try:
            try:
                import nor_that_one
            except ValueError:
                wrong_handler = 1
            finally:
                last = 1
            not_reached = 1
        except ImportError:
            outer = 1
    """,
    "a list that is put together": """
        __all__: list = ["one"]
        more = ("two",)
        __all__ += more
        __all__.extend(["three"] + list(("four",)))
        __all__.append("five")
        __all__.append("six")
        __all__.remove("six")
        __all__.insert(0, "seven")
        __all__ += sorted({"nine", "eight"}) + "ten eleven".split()
        __all__.sort()
        __all__.reverse()
        def twelve(): ...
        __all__ = [*__all__, twelve.__name__]
        print(len(__all__), "x".join(__all__), sorted(__all__))
        one = two = three = four = five = six = seven = eight = nine = ten = eleven = unlisted = 1
        if __debug__:
            __all__.append("unlisted")
        def __dir__():
            return sorted(__all__)
    """,
    "two names of one list, and a copy": """
        names = ["a"]
        __all__ = names
        names.append("b")
        names += ["c"]
        fixed = ("d",)
        copied = fixed
        copied += ("e",)
        __all__.extend(fixed)
        a = b = c = d = e = 1
    """,
    "a list that is deleted": """
        __all__ = ["one"]
        del __all__
        one = two = 1
        del two
        def keep(): ...
        three = 1
        try:
            del three
        except NameError:
            pass
    """,
    "ways that agree": """
        import os
        __all__ = ["one"]
        if os.environ.get("NOTHING_LIKE_THIS"):
            __all__.append("two")
        else:
            __all__ += ["two"]
        one = two = three = 1
    """,
    "reading one's own names": """
        found = sorted(globals())
        number = len(vars()) + globals().get("x", 0) + ("y" in globals()) + globals()["found"][0].count("z")
        text = "%(number)s" % globals() + "{number}".format(**globals())
        for _name in list(globals()): pass
        copied = dict(globals())
        def late():
            return vars(), locals(), globals()["number"], eval("1", globals())
        def __getattr__(name):
            if name == "__all__":
                raise AttributeError(name)
            globals()[name] = 1
            return 1
        if __name__ == "__main__":
            globals().update(x=1)
    """,
}

# What only a run would tell: nothing is expanded, and why is said.
OPEN = {
    "a condition": ("import os\nif os.environ.get('X'): one = 1", "whether one exists"),
    "a loop": ("import os\nfor n in os.listdir('/nothing') if 0 else (): one = n", "whether n, one exists"),
    "a loop that is left": ("for n in [1, 2]:\n    if n: break\n    one = 1\nelse:\n    two = 1", "one, two"),
    "a list with a star in it": ("for n in [*()]: one = 1", "whether n, one exists"),
    "a case": ("match int('1'):\n    case 1: one = 1\n    case n if n > 5: two = 1", "one, n, two"),
    "a comprehension": ("x = [one := n for n in ()]", "whether one exists"),
    "an expression": ("x = 0 and (one := 1)", "whether one exists"),
    "a handler": ("try:\n    one = int('x')\nexcept ValueError:\n    two = 1", "one, two"),
    "a handler that deletes": ("one = 1\ntry:\n    int('x')\nexcept ValueError:\n    del one", "one"),
    "a deletion": ("import os\none = 1\nif os.environ.get('X'): del one", "whether one exists"),
    "a function": ("def init():\n    global one\n    one = 1\ninit()", "whether one exists"),
    "a flag that a function sets": (
        "READY = False\ndef init():\n    global READY\n    READY = True\ninit()\nif READY: one = 1",
        "whether one exists",
    ),
    "a flag that a loop sets": (
        "READY = False\nfor n in [1, 2]:\n    if READY: one = 1\n    READY = True",
        "one",
    ),
    "a version nobody can compare": ("import sys\nif sys.version_info > 'x': one = 1", "one"),
    "an index too far": ("import sys\nif sys.version_info[9] > 1: one = 1", "one"),
    "an index that is a name": ("import sys\nn = int('0')\nif sys.version_info[n] > 1: one = 1", "one"),
    "a name compared with what is made": ("import os\nif __name__ == os.environ.get('X'): one = 1", "one"),
    "what cannot be asked": (
        "import lib2\nif hasattr(lib2, 'x'): one = 1\nif hasattr(int('1'), 'x'): two = 1",
        "one, two",
    ),
    "names made by a function": ("def make(n): globals()[n] = 1\nmake('one')", "run time"),
    "names made through another name": ("g = globals()\ng['one'] = 1", "run time"),
    "names made by update": ("globals().update(one=1)", "run time"),
    "names made by code": ("exec('one = 1')", "run time"),
    "names set on the module": ("import sys\nsetattr(sys.modules[__name__], 'one', 1)", "run time"),
    "names set on the module by its name": ("import sys\nme = sys.modules[__name__]\nme.one = 1", "run time"),
    "names in the module's dictionary": ("import sys\nsys.modules[__name__].__dict__['one'] = 1", "run time"),
    "another module in its place": ("import sys\nsys.modules[__name__] = sys", "run time"),
    "given away": ("def fill(names): names['one'] = 1\nfill(globals())", "run time"),
    "a list made by a decorator": (
        "__all__ = []\ndef export(f):\n    __all__.append(f.__name__)\n    return f\n@export\ndef one(): ...",
        "__all__ is made at run time",
    ),
    "a list given away": ("__all__ = ['a']\ndef more(n): n.append('b')\nmore(__all__)", "__all__"),
    "a list given away in a condition": (
        "__all__ = ['a']\ndef more(n): n.append('b')\nif more(__all__): pass",
        "__all__",
    ),
    "a list changed in its middle": ("__all__ = ['a']\na = b = 1\n__all__[1:] = ['b']", "__all__"),
    "a list of names that are made": ("import os\n__all__ = [n for n in os.listdir('/')]", "__all__"),
    "an item that is made": ("import os\n__all__ = ['a', os.name]", "__all__"),
    "items that are made": ("import os\n__all__ = ['a', *os.listdir('/')]", "__all__"),
    "a list extended by what is made": (
        "import os\n__all__ = ['a']\n__all__.extend(os.listdir('/'))",
        "__all__",
    ),
    "a list added to what is made": ("import os\n__all__ = ['a']\n__all__ += os.listdir('/')", "__all__"),
    "a list cleared": ("__all__ = ['a']\n__all__.clear()", "__all__"),
    "a list in a condition": (
        "import os\n__all__ = ['a']\nif os.environ.get('X'): __all__.append('b')",
        "__all__",
    ),
    "a list of one way": ("import os\nif os.environ.get('X'): __all__ = ['b']", "__all__"),
    "a list of a module that has none": (
        "import json.decoder as d\nimport lib2\n__all__ = lib2.__all__",
        "__all__",
    ),
    "a list of what is no module": ("__all__ = int('1').__all__", "__all__"),
    "a list taken from a module that has none": ("from lib2 import __all__", "__all__"),
    "a star of what is made": ("from lib3 import *", "lib3 cannot be told"),
    "a star of what is perhaps there": ("from lib4 import *", "whether four exists"),
    "a name that may be taken": (
        "try:\n    from lib4 import four\nexcept ImportError:\n    slow = 1",
        "four, slow",
    ),
    "a module that is made": ("try:\n    from lib3 import x\nexcept ImportError:\n    slow = 1", "x, slow"),
    "a module of the standard library that is not here": ("from idlelib_or_not import *", "cannot be found"),
    "a list of a module that is not there": (
        "import nowhere.at.all as a\n__all__ = a.__all__ + a.b.__all__",
        "__all__",
    ),
    "an attribute of a variable": ("import sys\nn = 'x'\nif hasattr(sys, n): one = 1", "one exists"),
    "an attribute of what is not here": (
        "try:\n    import winreg\nfinally:\n    if hasattr(winreg, 'x'): one = 1",
        "one exists",
    ),
    "a beginning that is not known": (
        "import sys\nn = 'x'\nif sys.platform.startswith(n): one = 1",
        "one exists",
    ),
    "nothing above it": ("from .. import *", "cannot be told"),
}
BESIDE = {
    "lib2.py": "x = 1",
    "lib3.py": "globals().update(x=1)",
    "lib4.py": "import os\nif os.environ.get('X'): four = 1",
}
ASK = """
import json, sys
print()
found = {}
for folder in sys.argv[1:]:
    sys.path.insert(0, folder)
    names = {}
    exec("from lib import *", names)
    found[folder] = sorted(set(names) - {"__builtins__"})
    del sys.path[0], sys.modules["lib"]
print(json.dumps(found))
"""


def write(folder: Path, text: str) -> Path:
    """Write a library, and a package that takes everything from it."""
    (folder / "shop").mkdir(parents=True)
    for name, beside in BESIDE.items():
        (folder / name).write_text(beside)
    (folder / "pyproject.toml").write_text("")
    (folder / "lib.py").write_text(textwrap.dedent(text))
    (folder / "shop/__init__.py").write_text("from lib import *\n")
    return folder


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Path, list[str]]]:
    """What Python's own star import brings of each library."""
    root = tmp_path_factory.mktemp("told")
    folders = {title: write(root / str(number), text) for number, (title, text) in enumerate(TOLD.items())}
    done = subprocess.run(
        [sys.executable, "-S", "-B", "-c", ASK, *map(str, folders.values())],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout.splitlines()[-1])
    return {title: (folder, found[str(folder)]) for title, folder in folders.items()}


@pytest.mark.parametrize("title", TOLD)
def test_the_names_are_those_that_python_finds(
    title: str, brought: Mapping[str, tuple[Path, list[str]]]
) -> None:
    """A package that is expanded has every name that its star import brings, and no other."""
    folder, names = brought[title]
    edit = plan_expand(Project(str(folder)), [str(folder / "shop/__init__.py")])
    assert edit.changes[0].after is not None
    imported = ast.parse(edit.changes[0].after).body[0]
    assert isinstance(imported, ast.ImportFrom)
    assert sorted(alias.name for alias in imported.names) == names


@pytest.mark.parametrize("title", OPEN)
def test_what_only_a_run_would_tell_is_refused(title: str, tmp_path: Path) -> None:
    """The reason names what cannot be told, at the line of the star import, with a way out."""
    text, words = OPEN[title]
    folder = write(tmp_path / "project", text)
    with pytest.raises(Refused, match=re.escape(words)) as refused:
        plan_expand(Project(str(folder)), [str(folder / "shop/__init__.py")])
    assert "shop/__init__.py:1" in str(refused.value)
    assert "write the names by hand" in str(refused.value)
    # In a folder it stays as it is, and a note says why.
    edit = plan_expand(Project(str(folder)), [str(folder / "shop")])
    assert not edit.changes
    assert any(words in note.text for note in edit.notes)
