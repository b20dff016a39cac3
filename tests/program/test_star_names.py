"""What `from module import *` brings, as far as the text shows, is what Python brings."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from entrepot.program.model import Program


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ENTREPOT_CACHE", str(tmp_path_factory.mktemp("cache")))


FILES = {
    "pack/__init__.py": "",
    "pack/inner.py": "__all__ = ['one', 'two']\none = two = three = 1\n",
    "pack/other.py": "three = 3\n_four = 4\n",
    "inner.py": "__all__ = ['mine']\nmine = 1\n",
}
NAMES = "a = b = c = d = 1\n"
# Texts whose names are all known.
KNOWN = {
    "names": "_hidden = 1\nif a:\n    import json as j\nelse:\n    j = 1\n",
    "walrus, with, for": "if (w := a): pass\nimport io\n"
    "with io.StringIO() as f: pass\nfor i, (k, *l) in [(1, (2, 3))]: pass\n",
    "a class, a loop's else, a match": "class C: x = 1\nwhile 0: pass\nelse: e = 1\n"
    "match [1, {'k': 1, 'm': 2}]:\n    case [n, {'k': p, **rest}] as whole: pass\nmatch [2]:\n    case [*others]: pass\n",
    "global": "def f():\n    global made\n    made = 1\nf()\n",
    "deleted": "del a, b\n",
    "annotated": "x: int = 1\ny: int\n__all__: list[str] = ['x', 'a']\n",
    "annotated anew": "__all__ = f()\n__all__: tuple[str, ...] = ('a',)\n".replace("f()", "['b']"),
    "only annotated": "__all__: list[str]\n",
    "deleted __all__": "__all__ = ['a']\ndel __all__\n",
    "added to": "__all__ = ['a']\n__all__ += ['b']\n__all__.append('c')\n__all__.extend(('d',))\n",
    "added to itself": "__all__ = ['a']\n__all__ = __all__ + ['b']\n__all__ = [*__all__, 'c']\n",
    "inserted, removed, sorted": "__all__ = ['a', 'b']\n__all__.insert(0, 'c')\n__all__.remove('a')\n__all__.sort()\n",
    "sorted copies": "__all__ = sorted(['a'])\n__all__ += list(('b',))\n__all__ += ['c'].copy() + ['d'][:]\n",
    "of a module": "import pack.inner as i\nfrom pack.inner import *\n__all__ = i.__all__ + ['a']\n",
    "of its own module": "from pack import inner\nfrom pack.inner import *\n__all__ = ['a']\n__all__ += inner.__all__\n",
    "under a name": "from pack.inner import __all__ as theirs, one, two\n__all__ = [*theirs]\n",
    "stars": "from pack.inner import *\nfrom pack.other import *\n",
    "a star for type checkers": "TYPE_CHECKING = 0\nif TYPE_CHECKING:\n    from pack.other import *\n",
}


def find_as_python(root, module):
    """Return the names that a star import binds."""
    code = f"from {module} import *\nimport json as _j\nprint(_j.dumps([n for n in dir() if n != '_j' and n[:2] != '__']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.slow
def test_a_star_brings_what_python_brings(draw):
    """With `__all__` in all its forms and without; and whether that is all is known."""
    files = {f"m{number}.py": NAMES + text for number, text in enumerate(KNOWN.values())}
    root = draw({**FILES, **files})
    program = Program.read(root)

    for number, text in enumerate(KNOWN):
        module = f"m{number}"
        assert program.list_star_names(module) == find_as_python(root, module), text
        assert program.modules[module].bindings().is_all_known, text


@pytest.mark.parametrize(
    "text",
    [
        "__all__ = ['a'] + [n for n in b]\n",
        "__all__ = ['a']\n__all__.append(b)\n",
        "__all__ = ['a']\n__all__.insert(0, b)\n",
        "__all__ = ['a']\n__all__.clear()\n",
        "__all__ = ['a']\n__all__.pop(0)\n",
        "__all__ = f()\n__all__ = __all__ + ['a']\n",
        "__all__ = ['a', b]\n",
        "__all__: list[str] = f()\n",
        "__all__ += ['a'] * b\n",
    ],
)
def test_what_is_made_at_run_time_is_said_to_be_unknown(draw, text):
    """Then nobody takes the names that can be seen for all."""
    program = Program.read(draw({"m.py": text}))

    assert not program.modules["m"].bindings().is_all_known


def test_a_package_takes_the_lists_of_its_parts(draw):
    """`from .a import *` and `__all__ += a.__all__`; `import a.b` binds `a`; beyond the top there is nothing."""
    root = draw(
        {
            "p/__init__.py": "from .a import *\nfrom . import b\nfrom .b import *\nimport p.c\n"
            "__all__ = a.__all__ + b.__all__ + p.__all__\n",
            "p/a.py": "__all__ = ['one']\none = 1\n",
            "p/b.py": "from .. import *\nfrom ..x import *\n__all__ = ['two']\ntwo = 2\n",
            "p/c.py": "__all__ = ['not_ours']\n",
            "round.py": "from round import *\nfrom absent import *\nfrom ..beyond import *\nx = 1\n",
        }
    )
    program = Program.read(root)

    assert program.list_star_names("p") == {"one", "two"}
    assert program.list_star_names("round") == {"x"}
    assert program.list_star_names("absent") is None
