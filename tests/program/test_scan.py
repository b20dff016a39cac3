"""The import scanner finds exactly what a parser finds, and says when each import runs."""

from __future__ import annotations

import ast
import os
import random
import sysconfig
import textwrap
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.program import lexical
from entrepot.program.conditions import Target
from entrepot.program.scan import scan_bytes, scan_unparsed
from entrepot.program.statements import scan_tree

TARGET = Target((3, 13), "linux", "posix")


def scan(text: str | bytes):
    data = textwrap.dedent(text).encode() if isinstance(text, str) else text
    return scan_bytes(data, "a.py", TARGET)


def whens(text: str) -> dict[str, str]:
    return {names[0][0] if form == "import" else module: when for *_, form, _, module, names, when in
            [(s[0], s[1], *s[2:]) for s in scan(text).statements]}  # fmt: skip


def test_each_block_says_when_its_imports_run():
    """Eager, guarded, conditional, lazy, typing, main and never are told apart."""
    found = whens("""
        import a
        try:
            import b
        except ImportError:
            import c
        if x:
            import d
        def f():
            import e
        if TYPE_CHECKING:
            import g
        else:
            import h
        if __name__ == "__main__":
            import i
        if sys.version_info >= (3, 12):
            import j
        elif y:
            import k
        if sys.platform == "win32":
            import l
        class C:
            import m
        with suppress(ImportError):
            import n
    """)
    assert found == {
        "a": "eager", "b": "guarded", "c": "conditional", "d": "conditional", "e": "lazy", "g": "typing",
        "h": "eager", "i": "main", "j": "eager", "k": "never", "l": "never", "m": "eager", "n": "guarded",
    }  # fmt: skip


def test_text_that_only_looks_like_an_import_is_none():
    """Strings, comments and brackets hold no statements."""
    found = scan('''
        """
        import a
        """
        # import b
        x = (yield
             from_x)
        y = f"""
        import c {x!r:>{10}}
        """
        z = "\\
        import d"
        import real
    ''')
    assert [s[5] for s in found.statements] == [(("real", None),)]


@pytest.mark.parametrize(
    "text",
    [
        "lazy import a\nlazy from b import c\nimport d\n",
        "try:\n    import a\nexcept A, B:\n    import b\n",
        'x = f"{y["a"]}"\nimport a\n',
        'x = f"{\'\\n\'.join(y)}" "tail"\nimport a\ndef f[T: int](x: T): import b\n',
        "type X[T] = int\nclass C[T]:\n    import a\n",
        "def f():\n    x = t'{y}'\n    from . import z\n",
    ],
)
def test_newer_syntax_is_read_on_every_python(text):
    """PEP 695, 701, 750, 758 and 810 are read by a Python that does not know them."""
    found = scan(text)
    assert not found.problems
    strict = scan_bytes(text.encode(), "a.py", TARGET, is_strict=True)
    assert strict.problems == ()
    assert strict.statements == found.statements
    assert found.statements


def test_lazy_imports_are_lazy():
    """PEP 810's statement happens later."""
    assert [s[6] for s in scan("lazy import a\nimport b\n").statements] == ["lazy", "eager"]


@pytest.mark.parametrize(
    "data",
    [b"import a\nx = (\nimport b\n", b"import a\n\0\n", b"\xff\nimport a\n", b"# coding: nonsense\nimport a\n",
     b"import a\nx = f'{y", b"import a\nimport if\n", b"import a\nfrom b import c.d\nimport e as f.g\n",
     b"import a\nfrom . if import b\n",
     b"import a\nimport b as c d, e\n", b"(" * 5000 + b"\nimport a\nimport importlib\nimportlib.import_module(x)\n"],
)  # fmt: skip
def test_a_broken_file_keeps_its_imports_and_tells_its_problem(data):
    """Broken input is a finding; what can be read is read."""
    found = scan_bytes(data, "a.py", TARGET, is_strict=True)
    assert found.problems
    assert any(s[5] == (("a", None),) for s in found.statements)


def test_calls_with_a_literal_are_imports_and_others_are_told():
    """`import_module("x")` and `__import__("x")` lead somewhere; computed names are said."""
    found = scan("""
        import importlib
        importlib.import_module("a.b")
        importlib.import_module(".c", __package__)
        __import__("d")
        importlib.import_module(name)
        __path__.append("x")
    """)
    assert [(s[3], s[4]) for s in found.statements if s[2] == "call"] == [(0, "a.b"), (1, "c"), (0, "d")]
    assert [line for line, _, _ in found.unfollowed] == [6, 7]


@pytest.mark.parametrize(
    ("call", "leads_to"),
    [
        ("importlib.import_module('..a', 'p.q')", (0, "p.a")),
        ("importlib.import_module('.', package='p.q')", (0, "p.q")),
        ("importlib.import_module('.a', package=__package__)", (1, "a")),
        ("importlib.import_module('..a', __name__)", (-2, "a")),
        ("importlib.import_module(name='a.b')", (0, "a.b")),
        ("builtins.__import__('a', level=2)", (2, "a")),
        ("__import__('a', None, None, (), 1)", (1, "a")),
        ("importlib.import_module('.a', find())", "import_module() relative to a computed package"),
        ("importlib.import_module('.a', package=name)", "import_module() relative to a computed package"),
        ("importlib.import_module('.a')", "import_module() relative to a computed package"),
        ("__import__('a', level=n)", "__import__() of a computed level"),
        ("__import__('a', None, None, (), *n)", "__import__() of a computed level"),
        ("importlib.import_module()", None),
        ("shop.__import__('a')", None),
        ("cars.import_module('a')", None),
    ],
)
def test_a_call_leads_where_its_arguments_say(call, leads_to):
    """Relative to a package that is written out, or the module's own; what is computed is said to be."""
    found = scan(f"import importlib\nx = {call}\n")
    asked = [(level, module) for _, _, form, level, module, *_ in found.statements if form == "call"]
    assert [*asked, *(text for _, _, text in found.unfollowed)] == ([] if leads_to is None else [leads_to])


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("def import_module(x): ...\nimport_module('a')\n", 0),
        (
            "def import_module(x): ...\ntry:\n    from importlib import import_module\nexcept E: ...\nimport_module('a')\n",
            1,
        ),
    ],
)
def test_a_function_of_the_modules_own_imports_nothing(text, count):
    """It is called like importlib's, and is another, unless that is imported as well."""
    assert [s[2] for s in scan(text).statements].count("call") == count


@pytest.mark.parametrize(
    ("cookie", "text"),
    [
        ("", "\ufeffimport a  # é"),
        ("latin-1", "import a  # é"),
        ("iso8859-1", "import a  # é"),
        ("ascii", "import a"),
        ("ascii", "import a  # é"),
        ("utf-8", "import a  # é"),
        ("cp1252", "import a; from b import c as é"),
        ("shift_jis", "x = '表'; import a"),
        ("utf-7", "import a+ADs- import b"),
    ],
)
def test_a_file_is_scanned_in_its_encoding(cookie, text):
    """What it imports is what its text says, however it is stored; what does not decode is told."""
    codec = cookie if cookie not in ("", "ascii", "utf-7") else "utf-8"
    data = (f"# coding: {cookie}\n" if cookie else "").encode() + text.encode(codec) + b"\n"
    found = scan(data)
    try:
        tree = ast.parse(data)
    except SyntaxError:
        assert found.problems
    else:
        assert found.statements == scan_tree(tree, TARGET).statements


LINES = st.sampled_from(
    ["import a", "from b import (c,\n  d)", "x = '''", "'''", 'y = """import q', '"""', "if x:", "else:", "try:",
     "except E:", "def f():", "    import e", "        from . import g", "    pass", "# it's", "z = [", "]", "w = f'{a}'",
     "from h import i; import j", "k = 1; import l", "class C:", "\\", "m = (a if b\nelse c)", "    try:", "finally:",
     "    x = r'\\'", "if TYPE_CHECKING:", "elif y:", "for i in x:", "\f", "import é", "from .. import *  # c", "match x:"]
)  # fmt: skip


@given(st.lists(LINES, max_size=14), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=400, deadline=None)
def test_whatever_parses_is_scanned_like_its_tree(lines, newline):
    """The lexical scan agrees with the tree on any text that parses, or declines."""
    data = (newline.join(lines) + newline).replace("\n", newline if newline == "\n" else "\n").encode()
    compare(data)


def compare(data: bytes) -> bool:
    """Compare one text; False where it does not parse or the scan declines."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        scan_bytes(data, "a.py", TARGET)  # must not raise
        return False
    found = scan_unparsed(data, TARGET)
    if found is None:
        return False
    assert found == scan_tree(tree, TARGET)
    return True


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    if x:\n        for y in z:\n            import a\n",
        "def f():\n    if TYPE_CHECKING:\n        import a\n    else:\n        import b\n    import c\n",
        "def f():\n    if x:\n        pass\n    elif TYPE_CHECKING:\n        import a\n    else:\n        import b\n",
        "def f():\n    if x and 0:\n        import a\n    if y == 'a' and z:\n        import b\n",
        "class C(A[B[C[D[E]]]]):\n    def f(self):\n        import a\n    if 0:\n        import b\n",
        "def f():\n    pass\nif 'a' == 'a':\n    import a\nif b'':\n    import b\n",
        "try:\n    x = '''\nexcept A:\n'''\n    import a\nfinally:\n    import b\n",
        "with suppress(E):\n    import a\nwith b as c:\n    import d\n",
        "def f():\n    from a import b\n    b.import_module('c')\n\nimportlib.import_module('d')\nimport e\n",
        "def f():\n    import_module(\n        'a.b', )\n    lambda: __import__(y)\n\nclass C:\n    import_module('d')\n",
        "def f():\n    return importlib.import_module(name, package=__name__)\n\nx = g(__import__(f'{a}.b'))\n",
        "import a\nx = import_module('b')\n\ny = import_module('.c', __package__)\nz = a.import_module(y).d\n",
        "def f():\n    '''__import__(x)'''\n    # import_module(y)\n    a['b'] = import_module('c.' + z)\n",
    ],
)
def test_what_the_scan_finds_without_a_tree_is_what_the_tree_says(text):
    """Blocks, tests that tell something, and calls: the same, and the scan need not decline."""
    assert compare(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "with a(suppress(b)):\n    import a\n",
        "if (lambda: 0) or TYPE_CHECKING:\n    import a\nelse:\n    import b\n",
        "@f(import_module('a'))\ndef g():\n    pass\n",
        "def import_module(x):\n    pass\nimport_module('a')\n",
        "x = [\nimport_module('a'),\n]\ny = lambda: [\nimport_module('b'),\n]\n",
        "import a\ny = lambda: f(\nx = import_module('b')\n)\n",
        "try:\n    pass\nexcept import_module(a).b:\n    c = import_module(name=d)\n",
        "lazy = 1\nlazy.f()\nimport a; import b; c; import d\nimport e;\n",
        "if x:\n    lazy = import_module\n    import a; b\n",
        "if x:\n \f import a\n",
        "import a; \\\nimport b\nfrom c import (d,\n  e); import f\n",
        "import é\nfrom b import é as ö, c as d\n",
        "from ...a import *\nfrom . import (  # b\n  c,\n)\nfrom .. \\\n  import d\n",
        "x = f'{import_module(y)}' + '''\n__import__(z)'''\n",
        "x = \\\nimport_module(y)\nimport_module(u'a')\nimport_module(b'a' b'b')\n",
    ],
)
def test_where_a_tree_is_needed_the_scan_declines_or_agrees(text):
    """What takes a parser is never guessed."""
    found = scan_unparsed(text.encode(), TARGET)
    assert found is None or found == scan_tree(ast.parse(text), TARGET)


def test_what_is_remembered_of_lines_has_a_bound(monkeypatch):
    """And whether a line was met before or not, it is read alike."""
    monkeypatch.setattr(lexical, "_MOST_REMEMBERED", 2)
    texts = [f"import a{number}, b\n\nfrom c import d{number}\nimport e\n".encode() for number in range(4)]
    for text in [*texts, *texts]:
        assert compare(text)
        assert max(len(lexical._parsed), len(lexical._lines)) <= 8


@pytest.mark.slow
def test_mutants_of_real_files_are_scanned_like_their_trees():
    """Real files with pieces cut, doubled or moved: no difference to the tree (ENTREPOT_FUZZ raises the count)."""
    random.seed(os.environ.get("ENTREPOT_FUZZ_SEED", "7"))
    folder = sysconfig.get_path("stdlib")
    names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
    for _ in range(int(os.environ.get("ENTREPOT_FUZZ", "600"))):
        with open(os.path.join(folder, random.choice(names)), "rb") as file:
            lines = file.read().splitlines(keepends=True)[:300]
        for _ in range(random.randint(0, 3)):
            at, to = random.randrange(len(lines) + 1), random.randrange(len(lines) + 1)
            piece = lines[at : at + random.randint(1, 4)]
            lines[to:to] = random.choice([piece, [], [b"import zz\n"], [b"    import zz\n"], [b"'''\n"]])
            del lines[at : at + random.randint(0, 2)]
        compare(b"".join(lines))


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["asyncio", "email", "test", "idlelib", "unittest"])
def test_the_standard_library_is_scanned_like_its_trees(folder):
    """No statement, line, name or time differs from the tree on real files."""
    root = os.path.join(sysconfig.get_path("stdlib"), folder)
    count = 0
    for name in sorted(os.listdir(root))[:120]:
        if name.endswith(".py"):
            with open(os.path.join(root, name), "rb") as file:
                count += compare(file.read())
    assert count > 5
