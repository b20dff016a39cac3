"""A module that one program has initialised serves every other, and nothing that shadows it goes unseen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from native import NEEDS_NATIVE
from stored import Stored

pytestmark = NEEDS_NATIVE

SHOW = "import decimal, shop, sqlite3\nprint(hasattr(decimal, 'Decimal'), shop.price, hasattr(sqlite3, 'connect'))\n"
GENUINE = (0, "True 1 True\n", "")


@pytest.fixture
def place(tmp_path: Path):
    """A folder where another program has initialised modules of the library and of a distribution."""
    installed = tmp_path / "lib" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "shop.py").write_text("import sqlite3\nprice = 1\n")
    (tmp_path / "more").mkdir()
    with Stored(tmp_path, PYTHONPATH=f"{tmp_path / 'more'}:{installed}") as place:
        place.share("import shop, decimal, argparse\nprint(shop.price)")
        yield place


def run_as_python(place: Stored, *arguments: str, **env: str) -> str:
    """Run it, compare with python, and return how it was."""
    how, outcome = place.run(*arguments, **env)
    assert outcome == place.plain(*arguments, **env)
    return how


@pytest.mark.parametrize(
    "arguments", [("main.py",), ("-m", "main"), ("-c", SHOW)], ids=["script", "-m", "-c"]
)
def test_the_first_run_of_a_new_program_has_what_others_have_initialised(place, arguments):
    """Scripts, modules and commands, in a folder where they have never been run."""
    place.write(main=SHOW)

    how, outcome = place.run(*arguments)

    assert how.startswith("base")
    assert outcome == GENUINE == place.plain(*arguments)


def test_the_run_after_an_edit_starts_from_them_too(place):
    """The edit is seen at once, and what is not the program's own is there already."""
    place.write(main="import own\nprint(own.x)", own="import decimal\nx = 1")
    place.prepare()
    assert place.run()[0] == "warm"

    place.write(own="import decimal, shop\nx = 22")

    assert run_as_python(place).startswith("base")


def test_a_package_that_imports_from_a_folder_of_its_own_without_init(tmp_path):
    """The folder's `__path__` asks for the package, which is not in sys.modules before it has been initialised."""
    yard = tmp_path / "lib" / "site-packages" / "yard"
    (yard / "dock").mkdir(parents=True)
    (yard / "__init__.py").write_text("from yard.dock.crane import lift\n")
    (yard / "dock" / "crane.py").write_text("lift = 1\n")
    with Stored(tmp_path, PYTHONPATH=str(yard.parent)) as place:
        place.share("import yard\nprint(yard.lift)")
        place.write(
            main="import sys, yard\nprint(yard.lift, list(yard.dock.__path__) == [yard.__path__[0] + '/dock'])\n"
        )

        assert run_as_python(place).startswith("base")


FAKES = {
    "decimal": "Decimal_ = 1\n",
    "shop": "price = 22\n",
    "sqlite3": "connect_ = 2\n",
    "argparse": "x = 1\n",
}


@pytest.mark.parametrize("kind", ["script", "-m", "-c"])
@pytest.mark.parametrize("name", FAKES)
@pytest.mark.parametrize("form", ["{}.py", "{}/__init__.py"])
def test_a_file_beside_the_program_that_shadows_is_seen(place, name, kind, form):
    """Beside the script, or in the directory of -m and -c: of the library or of a distribution."""
    place.write(main=SHOW)
    arguments = {"script": ("main.py",), "-m": ("-m", "main"), "-c": ("-c", SHOW)}[kind]
    target = place.path / form.format(name)
    target.parent.mkdir(exist_ok=True)
    target.write_text(FAKES[name])

    run_as_python(place, *arguments)

    target.unlink()
    run_as_python(place, *arguments)


@pytest.mark.parametrize("name", FAKES)
def test_a_file_in_pythonpath_that_shadows_is_seen(place, name):
    """A folder of PYTHONPATH that was empty when the modules were initialised."""
    place.write(main=SHOW)
    if name != "decimal":
        assert run_as_python(place).startswith("base")
    (place.path / "more" / f"{name}.py").write_text(FAKES[name])

    run_as_python(place)


@pytest.mark.parametrize("name", FAKES)
def test_a_folder_that_the_program_puts_into_the_path_is_searched(place, name):
    """Before or after it has printed, the program changes sys.path and imports what is there."""
    plugins = place.path / "plugins"
    plugins.mkdir()
    (plugins / f"{name}.py").write_text(FAKES[name])
    for early in ("", "print('first', flush=True)\n"):
        place.write(main=f"import sys\n{early}sys.path.insert(0, {str(plugins)!r})\n{SHOW}")
        run_as_python(place)


def test_a_file_that_the_program_writes_itself_is_imported(place):
    """The program makes a module that shadows, and imports it."""
    place.write(main=f"open('shop.py', 'w').write('price = 7')\n{SHOW}")

    how, outcome = place.run()

    assert outcome == (0, "True 7 True\n", "")
    assert how.startswith("base")


def test_a_file_that_the_program_changes_before_it_imports_it_is_the_new_one(place):
    """A distribution upgraded by the program itself."""
    path = place.path / "lib" / "site-packages" / "shop.py"
    place.write(main=f"open({str(path)!r}, 'a').write('price = 7')\n{SHOW}")

    assert place.run()[1] == (0, "True 7 True\n", "")


def test_a_pth_file_that_is_added_is_followed(tmp_path):
    """A new .pth puts a folder before others that shadow, or runs code."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    (site,) = tmp_path.glob("venv/lib/python3*/site-packages")
    (site / "shop.py").write_text("price = 1\n")
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "shop.py").write_text("price = 22\n")
    with Stored(tmp_path, python) as place:
        place.share("import shop")
        place.write(main="import shop\nprint(shop.price)")
        before = place.run()
        (site / "new.pth").write_text(f"import sys; sys.path.insert(0, {str(extra)!r})\n")
        after = place.run()
        again = run_as_python(place)

    assert before[0].startswith("base")
    assert (before[1][1], after[1][1]) == ("1\n", "22\n")
    assert again


def test_modules_that_depend_on_one_programs_surroundings_are_left_out(place):
    """What reads the directory, the arguments or looks at all variables is initialised by each run itself."""
    installed = place.path / "lib" / "site-packages"
    (installed / "where.py").write_text("import os\nx = os.getcwd()\n")
    (installed / "told.py").write_text("import sys\nx = len(sys.argv)\n")
    (installed / "around.py").write_text(
        "import os\nx = sorted(k for k in os.environ if k.startswith('R_'))\n"
    )
    place.share("import shop, where, told, around")
    place.write(main="import where, told, around\nprint(where.x, told.x, around.x)")

    first = place.run("main.py", "a", R_A="1")
    second = place.run(str(place.path / "main.py"), "a", "b", R_B="1")

    assert first == ("base: there is no image yet", (0, f"{place.path} 2 ['R_A']\n", ""))
    assert second[1] == (0, f"{place.path} 3 ['R_B']\n", "")


def test_code_of_own_modules_is_that_of_the_files_as_they_are(place):
    """After an edit, also of one that keeps size and time, the new code runs; bytecode that is gone is written."""
    place.env.pop("PYTHONDONTWRITEBYTECODE", None)
    place.write(main="import one, two\nprint(one.x, two.x)", one="x = 1", two="x = 1")
    place.plain()
    place.share("import shop, one, two")
    stamp = os.stat(place.path / "one.py").st_mtime_ns

    place.write(one="x = 2")
    os.utime(place.path / "one.py", ns=(stamp, stamp))
    shutil.rmtree(place.path / "__pycache__")
    how, outcome = place.run()

    assert how.startswith("base")
    assert outcome == (0, "2 1\n", "")
    cached = sorted(path.name.partition(".")[0] for path in (place.path / "__pycache__").iterdir())
    assert cached == ["one", "two"]


def test_what_own_modules_hold_comes_to_its_end(place):
    """Objects of modules that have something to do at the end do it; in which order, cycles leave to the collector."""
    ends = (
        "class A:\n    def __init__(self, n):\n        self.n = n\n"
        "    def __del__(self):\n        print('end', self.n)\n"
    )
    place.write(
        main="import one, two, three, plain\n" + ends.replace("'end'", "'main'") + "a = A(0)\n",
        one=ends + "_b = A(1)\na = A(2)\n",
        two=ends + "def f(x=A(3)):\n    pass\n",
        three=ends + "def g():\n    pass\ng.kept = A(4)\ndef h(y):\n    return lambda: y\nk = h(A(5))\n",
        plain="def f():\n    pass\nx = 'text'\n",
    )

    how, outcome = place.run()
    plain = place.plain()

    assert how.startswith("base")
    assert sorted(outcome[1].splitlines()) == sorted(plain[1].splitlines())
    assert plain[1].count("end") == 5


@pytest.mark.parametrize(
    "text", ["x = = 1\n", "x = 1\0", "\xff", "def f(:\n", "return 1\n", "import shop\n\tx = 1\n"]
)
def test_a_program_that_cannot_be_compiled_fails_as_under_python(place, text):
    """Python itself says what is wrong."""
    (place.path / "main.py").write_bytes(text.encode("latin-1"))
    run_as_python(place)


@pytest.mark.parametrize("arguments", [(), ("-",), ("-", "a", "b")])
@pytest.mark.parametrize("form", ["pipe", "file"])
def test_a_program_that_comes_through_stdin_has_them_too(place, arguments, form):
    """Through a pipe or from a file, with and without arguments; what a compiled module needs is set before it."""
    text = "import sys, shop\nprint(sys.argv, sys.path[0], __file__, shop.price, sys.stdin.read())\n"

    hows = {place.feed(text, form, *arguments)[0] for _ in range(2)}

    assert hows == {"base: there is no image yet"}
    for program in (text, text + "x = = 1\n", text + "1/0\n", "#" * 100_000 + "\n" + text):
        assert place.feed(program, form, *arguments)[1] == place.feed_plain(program, form, *arguments)


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_program_through_stdin_that_must_begin_again_is_not_lost(place, size):
    """Something beside it shadows what an extension was built on: the run begins again, with the program."""
    extension = "import _sqlite3\nimport shutil, sys, os\n"
    installed = place.path / "lib" / "site-packages"
    library = next(Path(path) for path in sys.path if path.endswith("lib-dynload"))
    shutil.copy(next(library.glob("_sqlite3*")), installed)
    place.env["PYTHONPATH"] = f"{installed}:{place.path / 'more'}"
    place.share(f"import shop\n{extension}")
    text = "#" * size + "\nimport os\nos.environ['LC_ALL'] = 'C'\nimport _sqlite3\nprint(_sqlite3.__file__)\n"

    for form in ("pipe", "file"):
        assert place.feed(text, form)[1] == place.feed_plain(text, form)


SETTINGS = {
    "by the script": "print('first', flush=True)\nimport os\nos.environ['OMP_X'] = '1'\n{}",
    "by a function": "import os\ndef f():\n    os.environ.update({{'OMP_X': '1'}})\nprint(1, flush=True)\nf()\n{}",
    "by an own module": "print('first', flush=True)\nimport setting\n{}",
    "by an own module that was imported first": "import setting_later\nprint(1, flush=True)\nsetting_later.f()\n{}",
    "in C": "print('first', flush=True)\nimport os\nos.putenv('OMP_X', '1')\n{}",
}


@pytest.mark.parametrize("how", SETTINGS)
def test_what_an_extension_depends_on_may_be_set_after_the_program_has_printed(place, how):
    """The library sees the variable, at the first run and at each that follows."""
    installed = place.path / "lib" / "site-packages"
    library = next(Path(path) for path in sys.path if path.endswith("lib-dynload"))
    shutil.copy(next(library.glob("_sqlite3*")), installed)
    text = "import os, _sqlite3\nx = os.environ.get('OMP_X')\n"
    (installed / "blas.py").write_text(text)
    place.env["PYTHONPATH"] = f"{installed}:{place.path / 'more'}"
    place.share("import shop, blas")
    place.write(
        main=SETTINGS[how].format("import blas\nprint(blas.x)\n"),
        setting="import os\nos.environ['OMP_X'] = '1'\n",
        setting_later="import os\ndef f():\n    os.environ['OMP_X'] = '1'\n",
    )
    if how == "in C":
        (installed / "blas.py").write_text(text.replace("os.environ.get", "os.getenv"))

    for _ in range(6):
        assert place.run()[1] == place.plain()
        time.sleep(0.3)
