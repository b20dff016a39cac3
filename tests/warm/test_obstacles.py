"""A module that waits is not handed over in a world that the program has made another."""

from __future__ import annotations

from pathlib import Path

import pytest

from native import NEEDS_NATIVE
from stored import TELLING, Stored

pytestmark = NEEDS_NATIVE

CHANGES = {
    "calm": ("pass", "pass"),
    "directory": ("os.chdir('sub')", "os.chdir('..')"),
    "hooks": ("sys.path_hooks.append(print)", "sys.path_hooks.pop()"),
    "limit": ("sys.setrecursionlimit(1234)", "sys.setrecursionlimit(1000)"),
    "tracing": ("sys.settrace(lambda *_: None)", "sys.settrace(None)"),
    "profiling": ("sys.setprofile(lambda *_: None)", "sys.setprofile(None)"),
    "filters": ("warnings.simplefilter('ignore', SyntaxWarning)", "warnings.filters.pop(0)"),
    "needed": ("del sys.modules['helper']", "import helper"),
    "attribute": ("helper.help = lambda: 2", "helper.help = genuine"),
    "finder": ("sys.meta_path.insert(0, Finds('finder'))", "sys.meta_path.pop(0)"),
    "finder_of_others": ("sys.meta_path.insert(0, Finds('other'))", "sys.meta_path.pop(0)"),
    "file": ("open(path, 'a').write('# more')", "pass"),
}
MAIN = """\
import importlib.machinery, os, sys, warnings
import helper
genuine = helper.help
class Finds:
    def __init__(self, name):
        self.name = name
    def find_spec(self, name, path=None, target=None):
        if name == self.name:
            return importlib.machinery.PathFinder.find_spec(name, path)
def work(name):
    import {name}
    return {name}.is_by_program
print('begins')
path = os.path.join(sys.path[1], '{name}.py')
if sys.argv[1:]:
    {change}
is_by_program = work('{name}')
if sys.argv[1:]:
    {back}
print(is_by_program)
"""


@pytest.mark.parametrize("name", CHANGES)
def test_a_module_that_waits_is_initialised_by_the_program_in_another_world(
    tmp_path: Path, name: str
) -> None:
    """Each change of the process that its initialisation may depend on has it run anew, as Python does; no other has."""
    change, back = CHANGES[name]
    site = tmp_path / "lib" / "site-packages"
    site.mkdir(parents=True)
    (tmp_path / "sub").mkdir()
    (site / "helper.py").write_text("def help():\n    return 1\n")
    needs = "import helper\n" if name in ("needed", "attribute") else ""
    warned = "import warnings\nwarnings.warn('old', DeprecationWarning)\n" if name == "filters" else ""
    (site / f"{name}.py").write_text(needs + warned + TELLING)
    with Stored(tmp_path, PYTHONPATH=str(site)) as place:
        place.write(main=MAIN.format(name=name, change=change, back=back))
        place.settle()

        calm = place.run()
        changed = place.run("main.py", "change")
        plain = place.plain("main.py", "change")

    assert calm == ("warm", (0, "begins\nFalse\n", ""))
    assert changed == ("warm", (0, f"begins\n{name not in ('calm', 'finder_of_others')}\n", ""))
    assert plain == (0, "begins\nTrue\n", "")
