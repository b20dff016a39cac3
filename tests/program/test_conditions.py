"""What a test of the interpreter comes to, for each interpreter that is asked for."""

from __future__ import annotations

import ast

import pytest

from entrepot.program.conditions import Target
from entrepot.program.scan import scan_unparsed
from entrepot.program.statements import scan_tree

WINDOWS = Target((3, 12), "win32", "nt")


@pytest.mark.parametrize(
    ("test", "when"),
    [
        ("sys.version_info >= (3, 12)", "eager"),
        ("sys.version_info[:2] == (3, 12)", "eager"),
        ("sys.version_info[0] < 3 or sys.version_info.minor > 12", "never"),
        ("sys.version_info.major != 3", "never"),
        # Which micro version it is, is not known.
        ("sys.version_info >= (3, 12, 4)", "conditional"),
        ("(3, 12, 4) > sys.version_info", "conditional"),
        ("sys.version_info >= (3, 11, 4)", "eager"),
        ("sys.version_info[:3] >= (3, 11, 4)", "conditional"),
        ("sys.version_info[2] > 4", "conditional"),
        ("sys.version_info[::2] > (3,)", "conditional"),
        ("sys.version_info[x:] > (3,)", "conditional"),
        ("sys.version_info['a':] > (3,)", "conditional"),
        ("sys.version_info", "eager"),
        ("sys.version_info > 'x'", "conditional"),
        ("sys.platform == 'win32'", "eager"),
        ("sys.platform[:3] != 'win'", "never"),
        ("sys.platform.startswith(('linux', 'darwin'))", "never"),
        ("sys.platform in ('linux', 'darwin')", "never"),
        ("sys.platform not in {'linux'}", "conditional"),
        ("sys.platform is x", "conditional"),
        ("platform.system() == 'Windows' and platform.python_implementation() == 'CPython'", "eager"),
        ("platform.machine() == 'arm64'", "conditional"),
        ("sys.implementation.name <= 'cpython'", "eager"),
        ("os.name == 'nt' and sys.maxsize > 2**32", "conditional"),
        ("os.name == 'nt' and sys.maxsize > 4294967296", "eager"),
        ("sys.maxsize is None", "conditional"),
        ("find_os()", "conditional"),
        ("x or os.name == 'posix' or y", "conditional"),
        ("not x", "conditional"),
        ("not os.name", "never"),
        ("1", "eager"),
        ("__name__ == '__main__'", "main"),
        ("'__main__' == __name__ and x", "main"),
        ("__name__ in ('__main__', '__mp_main__')", "main"),
        ("__name__ in ['__main__', 'shop']", "conditional"),
        ("__name__ not in {'__main__', '__mp_main__'}", "eager"),
        ("__name__ != '__main__'", "eager"),
        ("not __name__ == '__main__'", "eager"),
        ("t.TYPE_CHECKING", "typing"),
        ("x and TYPE_CHECKING", "typing"),
        ("not TYPE_CHECKING", "eager"),
    ],
)
def test_a_test_says_when_what_stands_under_it_runs(test: str, when: str):
    """What depends on the target alone is known, all else may go either way; the scan without a tree agrees."""
    text = f"if {test}:\n    import a\n"

    (statement,) = scan_tree(ast.parse(text), WINDOWS).statements
    assert statement[6] == when
    found = scan_unparsed(text.encode(), WINDOWS)
    assert found is None or found.statements == (statement,)
