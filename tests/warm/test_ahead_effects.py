"""What a module does to others and to the process when it is initialised happens when the program imports it."""

from __future__ import annotations

from pathlib import Path

import pytest

from native import NEEDS_NATIVE
from stored import Stored

pytestmark = NEEDS_NATIVE

FILTERS = "[f[0] + f[2].__name__ + str(f[1] and f[1].pattern) for f in warnings.filters]"
# Name -> what stands in modules of a distribution, and what the program asks before and after it imports the first.
MODULES: dict[str, tuple[dict[str, str], str]] = {
    "patches a function": (
        {"patching": "import json\ndef dumps(x):\n    return 'patched'\njson.dumps = dumps\n"},
        "json.dumps(1)",
    ),
    "patches with what is not its own": (
        {"patching": "import json\njson.dumps = len\n", "calm": "x = 1\n"},
        "(json.dumps.__name__, 'calm' in sys.modules)",
    ),
    "patches with a constant": (
        {"patching": "import json.encoder\njson.encoder.c_make_encoder = None\n", "calm": "x = 1\n"},
        "json.encoder.c_make_encoder is None",
    ),
    "fills a cache that others see": (
        {"asking": "import tempfile\ntempfile.gettempdir()\n", "calm": "x = 1\n"},
        "tempfile.tempdir",
    ),
    "adds a builtin": ({"adding": "import builtins\nbuiltins._ = str\n"}, "hasattr(__builtins__, '_')"),
    "takes a name away": ({"taking": "import json\ndel json.loads\n"}, "hasattr(json, 'loads')"),
    "is bound to its package": (
        {"json_more": "import json.tool\n", "calm": "x = 1\n"},
        "hasattr(json, 'tool')",
    ),
    "takes a filter away": ({"taking": "import warnings\ndel warnings.filters[0]\n"}, FILTERS),
    "adds filters in front and behind": (
        {
            "adding": "import warnings\nwarnings.simplefilter('once', BytesWarning)\n"
            "warnings.filterwarnings('ignore', 'behind', append=True)\n"
        },
        FILTERS,
    ),
    "imports one that adds a filter, and takes it back": (
        {
            "outer": "import warnings\nwith warnings.catch_warnings():\n    import inner\n",
            "inner": "import warnings\nwarnings.filterwarnings('error', 'inner')\n",
        },
        FILTERS,
    ),
    "sets a hook": ({"hooking": "import sys\nsys.excepthook = print\n"}, "sys.excepthook is print"),
    "sets the collector": ({"tuning": "import gc\ngc.set_threshold(321)\n"}, "gc.get_threshold()[0]"),
    "sets variables": (
        {
            "first": "import os, second\nos.environ['OWN'] += '1'\n",
            "second": "import os\nos.environ['OWN'] = '2'\n",
        },
        "os.environ.get('OWN')",
    ),
    "takes a variable away": ({"clearing": "import os\ndel os.environ['HOME']\n"}, "os.environ.get('HOME')"),
    "extends the path": ({"leading": "import sys\nsys.path.insert(1, '/nowhere')\n"}, "sys.path[1]"),
    "puts a module into the cache": (
        {"making": "import sys, types\nsys.modules['made'] = types.ModuleType('made')\n"},
        "'made' in sys.modules",
    ),
    "imports one of the program's own": (
        {"plugin": "import own\nx = own.x\n"},
        "('own' in sys.modules, 'plugin' in sys.modules)",
    ),
    "cannot be imported": (
        {
            "broken": "try:\n    import missing_one\nexcept ImportError as e:\n    import calm\n",
            "calm": "x = 1\n",
        },
        "('calm' in sys.modules, 'broken' in sys.modules)",
    ),
}
MAIN = """\
import gc, json, os, sys, tempfile, warnings
print('begins')
print({ask})
import {name}
print({ask})
for name in {others}:
    print(name, __import__(name).__name__, name in sys.modules)
print({ask})
"""


@pytest.mark.parametrize("what", MODULES)
def test_what_a_module_does_is_done_when_the_program_imports_it(tmp_path: Path, what: str) -> None:
    """Before that there is nothing of it; after it, all. Also in runs that have all their modules ahead."""
    files, ask = MODULES[what]
    site = tmp_path / "lib" / "site-packages"
    site.mkdir(parents=True)
    for name, text in files.items():
        (site / f"{name}.py").write_text(text)
    name, *others = files
    with Stored(tmp_path, PYTHONPATH=str(site)) as place:
        place.write(main=MAIN.format(name=name, others=others, ask=ask), own="x = 1\n")
        plain = place.plain()
        place.settle()

        assert place.run() == ("warm", plain)
        assert plain[0] == 0, plain
