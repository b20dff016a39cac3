"""Modules that a small program imports late are learned from its runs, and ready in the next."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from entrepot.warm.images import get_keeper
from native import NEEDS_NATIVE
from stored import TELLING, Stored

pytestmark = NEEDS_NATIVE

LATE = "def work():\n    import sqlite3, telling\n    print(sqlite3.sqlite_version > '3', telling.is_by_program)\n"
ENDS = {
    "returns": "work()",
    "sys.exit": "import sys\nwork()\nsys.exit(3)",
    "raises": "work()\nraise ValueError('x')",
    "a message": "work()\nraise SystemExit('so')",
}


@pytest.fixture
def place(tmp_path: Path):
    """A distribution that knows who has imported it."""
    site = tmp_path / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "telling.py").write_text(TELLING)
    with Stored(tmp_path, PYTHONPATH=str(site)) as place:
        yield place


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", ["script", "-m", "-c"])
def test_what_functions_import_is_ready_in_a_later_run(place, kind, end):
    """However the program ends, and whatever kind it is; the outcome stays Python's."""
    text = LATE + ENDS[end]
    place.write(main=text)
    arguments = {"script": ("main.py",), "-m": ("-m", "main"), "-c": ("-c", text)}[kind]

    place.settle(*arguments)
    how, outcome = place.run(*arguments)
    status, out, err = place.plain(*arguments)

    assert out == "True True\n"
    assert (how, outcome) == ("warm", (status, "True False\n", err))


HOLDING = {
    "a name": "import sys\nit = sys.stderr",
    "a method, as a default": "import sys\ndef f(write=sys.stderr.write): pass\nit = f.__defaults__[0].__self__",
    "a stream that another has made": "import logging\nit = logging.StreamHandler().stream",
    "an import inside": "import inner\nit = inner.it",
    "the main thread": "import threading\nit = threading.main_thread()._stderr",
    "the one that Python began with": "import sys\nit = sys.__stderr__",
    "none": "it = None",
}


@pytest.mark.parametrize("name", HOLDING)
def test_a_module_holds_the_stream_that_is_there_when_the_program_imports_it(place, name):
    """Programs put others in their place (`contextlib.redirect_stderr`), and libraries keep what they find."""
    site = place.path / "lib" / "site-packages"
    (site / "holding.py").write_text(HOLDING[name])
    (site / "inner.py").write_text(HOLDING["a name"])
    text = (
        "import io, sys\ndef work():\n    plain = sys.stderr\n    sys.stderr = io.StringIO()\n"
        "    import holding, telling\n    it = holding.it\n    sys.stderr, other = plain, sys.stderr\n"
        "    print(it is plain, it is other, telling.is_by_program)\nwork()\n"
    )
    place.write(main=text)

    place.settle()
    _, out, _ = place.plain()

    assert place.run() == ("warm", (0, out.replace("True\n", "False\n"), ""))


def test_a_module_read_by_pytest_is_ready_in_a_later_run(place):
    """All imports happen inside of pytest's run; tests are collected anew each time."""
    text = "def test_x():\n    import telling\n    assert not telling.is_by_program\n"
    place.write(test_it=text)
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header")

    cold = place.plain(*arguments)
    place.settle(*arguments)
    warm = place.run(*arguments)
    place.write(test_it=text + "    assert 0, 'edited'\n")
    edited = place.run(*arguments)

    assert cold[0] == 1
    assert (warm[0], warm[1][0]) == ("warm", 0)
    assert "edited" in edited[1][1]


# A module that the search path does not lead to as it says itself, where a program may have put a folder into the path:
# six changes its specification; an extension of pandas has put itself there under a second name.
UNUSUAL = {
    "says otherwise": "__spec__.submodule_search_locations = []\n__path__ = []\n",
    "two names": "import sys\nsys.modules['_second'] = sys.modules[__name__]\n",
    "no file": "import sys, types\nsys.modules['_second'] = types.ModuleType('_second')\n",
    "a namespace": "import spacious.inner\n",
}


@pytest.mark.parametrize("shadow", ["", "telling", "_second"])
@pytest.mark.parametrize("kind", UNUSUAL)
def test_a_path_that_has_grown_is_no_reason_unless_it_leads_elsewhere(place, kind, shadow):
    """The program puts a folder before the search path, as pytest does; a file in it may shadow."""
    site = place.path / "lib" / "site-packages"
    (site / "spacious").mkdir()
    (site / "spacious" / "inner.py").write_text("")
    (site / "telling.py").write_text(TELLING.replace("import sys\n", "import sys\n" + UNUSUAL[kind]))
    (place.path / "more").mkdir()
    text = """
import sys
def work():
    import telling
    print(telling.__file__, getattr(telling, 'is_by_program', None))
    print([name for name in ('_second', 'spacious', 'telling') if name in sys.modules])
    for name in ('_second', 'spacious'):
        try:
            print(getattr(__import__(name), '__file__', 0))
        except ImportError as error:
            print(error)
import time
time.time()
sys.path.insert(0, 'more')
work()
"""
    place.write(main=text)
    if shadow:
        (place.path / "more" / f"{shadow}.py").write_text("")
    place.settle()

    how, outcome = place.run()
    plain = place.plain()

    assert how == "warm"
    assert (outcome[0], outcome[2]) == (plain[0], plain[2]) == (0, "")
    assert outcome[1] == (plain[1] if shadow == "telling" else plain[1].replace("True\n", "False\n", 1))


def test_what_a_module_imports_without_saying_so_comes_with_it(place):
    """A package that imports its parts when they are wanted; one that is there because a part of it is missing."""
    site = place.path / "lib" / "site-packages"
    for name, text in {
        "lazy/__init__": "def __getattr__(name):\n    if name == 'Deep':\n        from .deep import Deep\n"
        "        globals()[name] = Deep\n        return Deep\n    raise AttributeError(name)\n",
        "lazy/deep": "class Deep: pass\n",
        "pack/__init__": "",
        "first": "from lazy import Deep\ntry:\n    import pack.missing\nexcept ImportError:\n    pass\n",
        "second": "from lazy import Deep\ntry:\n    from pack.missing import x\nexcept ImportError:\n    pass\n",
    }.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / f"{name}.py").write_text(text)
    place.write(
        main="""
import sys
def work(*names):
    for name in names:
        __import__(name)
        print(name, [other for other in sys.modules if other.startswith(('lazy', 'pack', 'first', 'second'))])
import time
time.time()
work(*sys.argv[1:])
"""
    )
    place.settle("main.py", "first", "second")

    for names in (["first", "second"], ["second"], ["second", "first"], ["lazy", "pack", "first"]):
        assert place.run("main.py", *names) == ("warm", place.plain("main.py", *names))


def test_a_name_that_a_module_makes_comes_with_it_only(place):
    """Nobody finds it by that name before, whatever waits."""
    site = place.path / "lib" / "site-packages"
    (site / "telling.py").write_text(TELLING + UNUSUAL["two names"] + "import inner\n")
    (site / "inner.py").write_text("")
    place.write(
        main="""
import sys
def work(*names):
    for name in names:
        try:
            __import__(name)
        except ImportError as error:
            print(error)
        print(name, sorted({'_second', 'inner', 'telling'} & sys.modules.keys()))
import time
time.time()
work(*sys.argv[1:])
if 'telling' in sys.modules:
    print(sys.modules['telling'].is_by_program)
"""
    )
    place.settle("main.py", "telling")

    for names in (["telling"], ["_second", "telling"], ["inner", "_second"], ["inner", "telling", "_second"]):
        how, outcome = place.run("main.py", *names)
        plain = place.plain("main.py", *names)
        assert (how, outcome[1]) == ("warm", plain[1].replace("True\n", "False\n"))


def test_what_the_start_has_imported_of_the_import_system_is_no_reason(place):
    """`importlib._bootstrap` is another name of what the interpreter imports with, and we change it."""
    site = place.path / "lib" / "site-packages"
    (site / "sitecustomize.py").write_text("import importlib\n")
    (site / "telling.py").write_text("import importlib.machinery\n" + TELLING)
    place.write(main="def work():\n    import telling\n    print(telling.is_by_program)\nwork()\n")
    place.settle()

    assert place.run() == ("warm", (0, "False\n", ""))


PACKAGES = {
    "plain/__init__": "",
    "plain/sub": "",
    "plain/deep/__init__": "",
    "plain/deep/leaf": "from plain import sub\n",
    "eager/__init__": "from . import sub\n",
    "eager/sub": "",
    "eager/other": "from eager import sub\n",
    "hiding/__init__": "def sub(): pass\n",
    "hiding/sub": "",
    "spread/sub": "",  # without __init__
    "broken/__init__": "",
    "broken/sub": "import os\nmine = os.getpid() > 0\n",  # left to each run
    "broken/calm": "",
    "seen/__init__": "sub = 'a text'\n",
    "seen/sub": "",
}
IMPORTS = [
    ["plain", "plain.sub", "plain.deep.leaf"],
    ["plain.deep", "plain.sub"],
    ["plain.deep.leaf", "plain"],
    ["eager", "eager.other"],
    ["hiding", "hiding.sub"],
    ["spread", "spread.sub"],
    ["broken", "broken.calm", "broken.sub"],
    ["seen.sub"],
]


@pytest.mark.parametrize("is_shared", [False, True], ids=["program's", "shared"])
def test_a_package_has_its_modules_names_when_they_are_imported(place, is_shared):
    """Not before: `from package import name` finds nothing else there, and imports the module."""
    site = place.path / "lib" / "site-packages"
    for name, text in PACKAGES.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / f"{name}.py").write_text(text)
    place.write(
        main="""
import sys
import seen
def show(name, value):
    return 'itself' if value is sys.modules.get(name) else 'another module' if type(value) is type(sys) else repr(value)[:9]
def work(*names):
    for name in names:
        above, _, tail = name.rpartition('.')
        exec(f'from {above} import {tail}' if above else f'import {name}')
        for package in ('plain', 'plain.deep', 'eager', 'hiding', 'spread', 'broken', 'seen'):
            if package in sys.modules:
                names = vars(sys.modules[package])
                print(package, *[(key, show(f'{package}.{key}', names[key])) for key in names if key[0] != '_'])
import time
time.time()
print(seen.sub)
work(*sys.argv[1:])
"""
    )
    every = list(dict.fromkeys(name for names in IMPORTS for name in names))
    if is_shared:
        place.share("import " + ", ".join(every))
    else:
        place.settle("main.py", *every)

    for names in IMPORTS:
        how, outcome = place.run("main.py", *names)
        assert outcome == place.plain("main.py", *names)
        assert how.startswith("base" if is_shared else "warm") or how == "warm"
    if not is_shared:
        _, _, said = place.run_raw("--why=json", "main.py", "plain")
        assert list(json.loads(said[said.index("{") :])["left"]) == ["broken.sub"]


def test_nothing_is_told_of_what_cannot_be_learned(place):
    """Each run changes what a module uses, and imports it itself: the keeper need not hear of that."""
    site = place.path / "lib" / "site-packages"
    (site / "shop.py").write_text("OPEN = False\n")
    (site / "uses.py").write_text("import shop\nOPEN = shop.OPEN\n")
    place.write(
        main="import shop\ndef work():\n    shop.OPEN = True\n    import uses\n    print(uses.OPEN)\nwork()"
    )
    place.settle()
    keeper = get_keeper(str(place.store))
    os.kill(keeper, signal.SIGSTOP)  # it would take what it is told
    try:
        how, outcome = place.run()
        told = os.listdir(place.store / "late")
    finally:
        os.kill(keeper, signal.SIGCONT)

    assert (how, outcome) == ("warm", (0, "True\n", ""))
    assert told == []


def test_pages_that_runs_write_to_are_noted_and_a_damaged_note_harms_nothing(place):
    """After two runs there is a note beside the image; whatever becomes of it, runs stay what they are."""
    place.write(main="import json\nprint(json.dumps([1]))")
    place.prepare()
    outcomes = [place.run() for _ in range(3)]
    (note,) = place.store.glob("*.hot")
    for damage in (b"", b"\xff" * 4096, os.urandom(70_000), note.read_bytes()[:-7]):
        note.write_bytes(damage)
        outcomes.append(place.run())

    assert outcomes == [("warm", (0, "[1]\n", ""))] * 7


# Three distributions: one sets a variable that counts, the others read it while they are initialised.
READS = "import os\nfrom telling_{0} import is_by_program\nseen = os.environ.get('OMP_SHIP')\n"
SETS = "import os\nos.environ.setdefault('OMP_SHIP', 'brig')\n"
BEGIN = "import time\ntime.time()\ndef work(name):\n    return __import__(name)\n"


SHOW_SHIPS = """\
import sys
made = []
for name in sys.argv[1:]:
    module = work(name)
    print(name, getattr(module, "seen", ""))
    if getattr(module, "is_by_program", True):
        made.append(name)
sys.stderr.write(" ".join(made))
"""


def write_ships(place: Stored) -> None:
    place.write(
        lib__sets=SETS,
        **{f"lib__{name}": READS.format(name) for name in ("before", "after")},
        **{f"lib__telling_{name}": TELLING for name in ("before", "after")},
    )
    (place.path / "lib").rename(place.path / "lib2")
    (place.path / "lib2" / "site-packages").mkdir()
    for path in (place.path / "lib2").glob("*.py"):
        path.rename(path.parent / "site-packages" / path.name)


@pytest.mark.parametrize(
    ("order", "ready"),
    [
        (("before", "sets", "after"), {"before", "after"}),
        (("before",), {"before"}),
        # These would find the variable otherwise than they did: Python runs them.
        (("after",), set()),
        (("sets", "before", "after"), {"after"}),
        (("sets", "after", "before"), {"after"}),
    ],
    ids=["all", "before", "after", "set first", "set first, turned round"],
)
def test_a_variable_that_a_library_sets_counts_for_those_imported_after_it(tmp_path, order, ready):
    """A module is handed over where it would find what it found, whoever has set it meanwhile."""
    with Stored(tmp_path, PYTHONPATH=str(tmp_path / "lib2" / "site-packages")) as place:
        write_ships(place)
        place.write(main=BEGIN + SHOW_SHIPS)
        place.settle("main.py", "before", "sets", "after")
        image = next(place.store.glob("*.plan")).read_text()

        how, (status, out, err) = place.run("main.py", *order)
        plain = place.plain("main.py", *order)

    assert "after" in image
    assert (status, out) == plain[:2]
    assert how == "warm"
    assert set(order) - {"sets"} - set(err.split()) == ready


def test_own_modules_wait_for_their_statement(tmp_path):
    """A module of the program that is imported after the program has begun to do something has done nothing before."""
    code = (
        "import registry\nprint(registry.seen)\nimport plugin, sqlite3, parts.inner\nprint(registry.seen)\n"
    )
    register = "import registry\nregistry.seen.append(__name__)\n"
    with Stored(tmp_path) as place:
        place.write(main=code, registry="seen = []", plugin=register, parts__inner=register)
        place.prepare()

        outcomes = [place.run() for _ in range(3)]

        assert outcomes == [("warm", place.plain())] * 3


def test_own_modules_that_libraries_import_wait_too(tmp_path):
    """A library that imports a module of the program takes it along only when the program imports the library."""
    site = tmp_path / "lib" / "site-packages"
    site.mkdir(parents=True)
    (site / "framework.py").write_text("import settings\n")
    code = "import registry\nprint(registry.seen)\nimport framework\nprint(registry.seen)\n"
    with Stored(tmp_path, PYTHONPATH=str(site)) as place:
        place.write(main=code, registry="seen = []", settings="import registry\nregistry.seen.append(1)\n")
        place.prepare()

        outcomes = [place.run() for _ in range(3)]

        assert outcomes == [("warm", place.plain())] * 3


def test_a_traced_program_sees_its_own_modules_traced(place):
    """What a program imports while it traces is initialised in the run; of the store only the search shows."""
    text = (
        "import sys\nseen = []\n"
        "def trace(frame, event, argument):\n"
        "    seen.append(frame.f_code.co_filename.rpartition('/')[2])\n"
        "def work():\n    import telling\n    return telling.is_by_program\n"
        "sys.settrace(trace)\nresult = work()\nsys.settrace(None)\nprint(result, seen.count('telling.py'))\n"
    )
    place.write(main=text)
    place.prepare()

    for _ in range(3):
        assert place.run()[1] == place.plain() == (0, "True 1\n", "")


@pytest.mark.parametrize("kind", ["script", "-m", "-c"])
def test_the_name_that_multiprocessing_gives_the_program_is_nothing_left_to_a_run(place, kind):
    """It is the program itself, which is there in every run."""
    text = (
        "import sys\ndef work():\n    import multiprocessing\n"
        "    print(sys.modules['__mp_main__'] is sys.modules['__main__'], sys.modules['__mp_main__'].__name__)\nwork()\n"
    )
    place.write(main=text)
    arguments = {"script": ("main.py",), "-m": ("-m", "main"), "-c": ("-c", text)}[kind]

    place.settle(*arguments)

    assert place.run(*arguments) == ("warm", (0, "True __main__\n", ""))
    assert "left to each run" not in place.run_raw("--why", *arguments)[2]
