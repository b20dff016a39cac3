"""A bundle runs as the program does: resources, sources, workers, pickles, metadata."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from both_ways import run
from entrepot import cli

pytestmark = pytest.mark.slow

SHOP = {
    "main.py": """
        import sys
        from shop import cart

        print(cart.total([2, 3]), sys.argv[1:], __name__)
    """,
    "shop/__init__.py": "",
    "shop/cart.py": """
        from . import stock

        def total(items):
            # with its comment
            return sum(items) * stock.RATE
    """,
    "shop/stock.py": "RATE = 2\n",
    "shop/unused.py": "1/0\n",
    "other.py": "1/0\n",
}


def test_the_program_runs_where_none_of_it_is(make_bundle):
    """What the entry point reaches is in the file, what it does not reach is not."""
    bundle = make_bundle(SHOP, "main.py")

    done = bundle.run("a", "b")

    assert (done.status, done.out, done.err) == (0, b"10 ['a', 'b'] __main__\n", b"")
    assert bundle.report["files"] == [
        "app/main.py",
        "app/shop/__init__.py",
        "app/shop/cart.py",
        "app/shop/stock.py",
    ]


def test_it_runs_as_a_command(make_bundle):
    """The file is executable and says which Python it wants."""
    bundle = make_bundle(SHOP, "main.py", "--shebang", sys.executable)

    assert run([str(bundle.path)], cwd=bundle.folder).out == b"10 [] __main__\n"


def test_a_package_runs_as_with_m(make_bundle):
    """`-m PACKAGE` runs its `__main__`, with its parents imported and its relative imports."""
    files = {
        "tool/__init__.py": "name = 'tool'\n",
        "tool/__main__.py": "from . import name\nprint(name, __package__, __spec__.name, __name__)\n",
    }
    bundle = make_bundle(files, "-m", "tool")

    assert bundle.run().out == b"tool tool tool.__main__ __main__\n"


def test_a_module_runs_as_with_m(make_bundle):
    """`-m MODULE` runs a module below a package."""
    files = {"tool/__init__.py": "", "tool/go.py": "print(__package__, __spec__.name)\n"}

    assert make_bundle(files, "-m", "tool.go").run().out == b"tool tool.go\n"


def test_a_folder_with_a_main_runs(make_bundle):
    """A folder is run as `python FOLDER` runs it."""
    files = {"it/__main__.py": "import beside\n", "it/beside.py": "print('beside')\n"}

    assert make_bundle(files, "it").run().out == b"beside\n"


def test_exit_status_and_errors_are_the_programs(make_bundle):
    """The exit status passes through, and a traceback shows the program's lines and nothing of the bundle."""
    files = {"main.py": "import sys, deep\nif sys.argv[1:]: sys.exit(3)\ndeep.fail()\n",
             "deep.py": "def fail():\n    raise ValueError('no')  # here\n"}  # fmt: skip
    bundle = make_bundle(files, "main.py")

    assert bundle.run("x").status == 3
    done = bundle.run()
    assert done.status == 1
    assert done.text.splitlines()[0] == "Traceback (most recent call last):"
    assert done.text.splitlines()[1] == f'  File "{bundle.path}/app/main.py", line 3, in <module>'
    assert "raise ValueError('no')  # here" in done.text
    assert done.text.count("File ") == 2


def test_an_import_error_shows_only_the_programs_frames(make_bundle):
    """A module that fails while it is imported is told as Python tells it."""
    bundle = make_bundle({"main.py": "import bad\n", "bad.py": "1/0\n"}, "main.py")

    assert bundle.run().text.count("File ") == 2


def test_sources_are_there_for_inspect_and_threads(make_bundle):
    """inspect.getsource, a thread's traceback and a logged one show source lines."""
    files = {
        "main.py": """
            import inspect, threading, traceback
            import work

            def own():
                return 1  # own line

            print(inspect.getsource(work.fail), inspect.getsource(own), inspect.getsourcefile(work.fail))
            thread = threading.Thread(target=work.fail)
            thread.start()
            thread.join()
            try:
                work.fail()
            except ValueError:
                print(traceback.format_exc())
        """,
        "work.py": "def fail():\n    raise ValueError('no')  # its line\n",
    }
    done = make_bundle(files, "main.py").run()

    assert done.status == 0
    assert done.out.count(b"# its line") == 2
    assert done.out.count(b"# own line") == 1
    assert done.err.count(b"# its line") == 1


def test_resources_are_found_in_every_way(make_bundle):
    """importlib.resources, pkgutil.get_data, iter_modules and a loader's get_data find what is in packages."""
    files = {
        "main.py": """
            import pkgutil
            from importlib import resources
            import shop

            root = resources.files("shop")
            print(root.joinpath("data", "a.txt").read_text(), (root / "b.bin").read_bytes())
            print(sorted(item.name for item in root.iterdir()), root.joinpath("data").is_dir())
            with resources.as_file(root / "data" / "a.txt") as path:
                print(path.read_text(), path.exists())
            with (root / "b.bin").open("rb") as stream:
                print(stream.read())
            print(pkgutil.get_data("shop", "data/a.txt"))
            print([(m.name, m.ispkg) for m in pkgutil.iter_modules(shop.__path__)])
            print([m.name for m in pkgutil.walk_packages(shop.__path__, "shop.")])
            print((root / "none.txt").is_file())
        """,
        "shop/__init__.py": "from shop import cart, inner\n",
        "shop/cart.py": "import importlib\nimportlib.import_module('shop.0001_first')\n",
        "shop/0001_first.py": "",
        "shop/inner/__init__.py": "from . import leaf\n",
        "shop/inner/leaf.py": "",
        "shop/b.bin": b"\x00\xff",
        "shop/data/a.txt": "text of a",
        "shop/.hidden": "no",
    }
    bundle = make_bundle(files, "main.py")
    done = bundle.run()

    assert done.text.splitlines() == [
        "text of a b'\\x00\\xff'",
        "['0001_first.py', '__init__.py', 'b.bin', 'cart.py', 'data', 'inner'] True",
        "text of a True",
        "b'\\x00\\xff'",
        "b'text of a'",
        "[('0001_first', False), ('cart', False), ('inner', True)]",
        "['shop.0001_first', 'shop.cart', 'shop.inner', 'shop.inner.leaf']",
        "False",
    ]
    assert not (bundle.folder / "store").exists()


def test_resources_of_a_folder_without_init_are_found(make_bundle):
    """Data in a namespace package are read through importlib.resources too."""
    files = {
        "main.py": """
            from importlib import resources
            import texts.a
            print(resources.files("texts").joinpath("t.txt").read_text())
        """,
        "texts/a.py": "",
        "texts/t.txt": "found",
    }

    assert make_bundle(files, "main.py").run().out == b"found\n"


def test_data_beside_file_is_a_real_file(make_bundle):
    """A module that opens data by its `__file__` finds it, in a folder that is its user's alone."""
    files = {
        "main.py": "import shop\nprint(shop.text, shop.__file__)\n",
        "shop/__init__.py": "import os\ntext = open(os.path.join(os.path.dirname(__file__), 'x.txt')).read()\n",
        "shop/x.txt": "by path",
    }
    bundle = make_bundle(files, "main.py")
    done = bundle.run()

    store = bundle.folder / "store"
    assert done.text.startswith(f"by path {store}")
    assert store.stat().st_mode & 0o777 == 0o700
    assert bundle.run().out == done.out


def test_frameworks_find_data_by_path(make_bundle, environment):
    """Where installed modules are used, a package with data is real: they look beside the file of what they are given."""
    files = {
        "main.py": "import shop, rates\nfrom beside import read_of\nprint(read_of(shop))\n",
        "shop/__init__.py": "",
        "shop/templates/x.txt": "template",
    }
    options = ("main.py", "--include", "all", "--environment", str(environment))

    assert make_bundle(files, *options).run().out == b"template\n"


def test_packages_given_to_a_framework_are_whole(make_bundle, environment):
    """django imports migrations, commands and more of its applications by names of its own choice."""
    files = {
        "main.py": "import django, importlib\nAPPS = ['shop', 'page.apps.Page']\n"
            "print([importlib.import_module(name).value for name in ('shop.migrations.0001_initial', 'page.models')])\n",
        "shop/__init__.py": "", "shop/migrations/__init__.py": "", "shop/migrations/0001_initial.py": "value = 1\n",
        "page/__init__.py": "", "page/apps.py": "", "page/models.py": "value = 2\n", "other/__init__.py": "",
    }  # fmt: skip
    bundle = make_bundle(files, "main.py", "--environment", str(environment), "--include", "all")

    assert bundle.run().out == b"[1, 2]\n"
    assert "other" not in bundle.report["modules"]


def test_a_distribution_that_imports_its_tests_keeps_them(make_bundle, environment):
    """A package called test is as any other; packages called tests are left out where nothing imports them."""
    files = {"main.py": "import django.test.client, django.checks\nprint(django.checks.value)\n"}
    bundle = make_bundle(files, "main.py", "--environment", str(environment), "--include", "all")

    assert bundle.run().out == b"3\n"


@pytest.mark.parametrize(
    ("option", "given", "said"),
    [
        ("--data", "none/*.toml", "none/*.toml: no such file in "),
        ("--data", "../*.toml", "../*.toml: it is outside of the folders that the program's modules are in"),
        ("--add", "shop.none", "shop.none: there is no such module; nothing was written"),
    ],
)
def test_what_is_named_and_not_there_is_refused(option, given, said, tmp_path, capsys, monkeypatch):
    """Whoever names something wants it carried: nothing is written without it."""
    from entrepot.cli import main

    (tmp_path / "here").mkdir()
    (tmp_path / "away.toml").write_text("")
    (tmp_path / "here" / "main.py").write_text("print(1)")
    monkeypatch.chdir(tmp_path / "here")

    assert main(["bundle", "main.py", "-o", "app.pyz", option, given]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "here" / "app.pyz").exists()


def test_a_package_of_the_standard_library_need_not_be_carried(make_bundle):
    """Asked for, it is found, and left where every Python has it."""
    bundle = make_bundle(
        {"main.py": "import json.tool\nprint(json.tool.__name__)\n"}, "main.py", "--add", "json"
    )
    assert bundle.run().out == b"json.tool\n"
    assert not any("json" in name for name in bundle.report["files"])


def test_data_that_is_asked_for_is_carried(make_bundle):
    """`--data` carries files beside the entry point."""
    files = {
        "main.py": "from pathlib import Path\nprint((Path(__file__).parent / 'conf' / 'a.toml').read_text())\n",
        "conf/a.toml": "a = 1",
        "conf/b.txt": "not this",
    }
    bundle = make_bundle(files, "main.py", "--data", "conf/*.toml")

    assert bundle.run().out == b"a = 1\n"
    assert bundle.report["files"] == ["app/conf/a.toml", "app/main.py"]


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_worker_processes_find_the_modules(make_bundle, method):
    """multiprocessing works with each start method, functions of the entry point included."""
    files = {
        "main.py": f"""
            import multiprocessing
            import work

            def local(x):
                return x + 1

            if __name__ == "__main__":
                with multiprocessing.get_context({method!r}).Pool(2) as pool:
                    print(pool.map(local, [1, 2]), pool.map(work.square, [3]), pool.apply(work.Item, (4,)).value)
        """,
        "work.py": """
            def square(x): return x * x
            class Item:
                def __init__(self, value): self.value = value
        """,
    }
    done = make_bundle(files, "main.py").run()

    assert (done.text, done.status) == ("[2, 3] [9] 4\n", 0)


def test_worker_processes_of_a_package(make_bundle):
    """The `__main__` of a package is not run again in a worker, as with `python -m`."""
    files = {
        "tool/__init__.py": "",
        "tool/__main__.py": """
            import multiprocessing
            from tool import work
            print("once")
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(work.square, [3]))
        """,
        "tool/work.py": "def square(x): return x * x\n",
    }

    assert make_bundle(files, "-m", "tool").run().text == "once\n[9]\n"


def test_pickles_go_in_and_out(make_bundle):
    """Classes of the entry point and of modules are pickled by their names, and read again by another run."""
    files = {
        "main.py": """
            import pickle, sys, work
            class Here: value = 1
            if sys.argv[1] == "write":
                pickle.dump([Here(), work.There()], open("things", "wb"))
            else:
                print([type(x).__module__ for x in pickle.load(open("things", "rb"))])
        """,
        "work.py": "class There: pass\n",
    }
    bundle = make_bundle(files, "main.py")

    assert bundle.run("write").status == 0
    assert bundle.run("read").out == b"['__main__', 'work']\n"


def test_distributions_are_included_when_asked(make_bundle, environment):
    """`--include all` carries what is needed of installed distributions: modules, data, metadata, entry points."""
    files = {
        "main.py": """
            import rates
            from importlib import metadata
            print(rates.get(), metadata.version("rates"), metadata.requires("rates"))
            print([e.load()() for e in metadata.entry_points(group="greeters")])
            import moduli
            print(moduli.rest(7, 4), [str(f) for f in metadata.files("moduli")])
            print(metadata.files("rates")[-1].read_text()[:5], "beside" in {d.name for d in metadata.distributions()})
        """,
    }
    options = ("main.py", "--include", "all", "--environment", str(environment))
    bundle = make_bundle(files, *options)
    done = bundle.run()

    assert done.text.splitlines() == [
        "1.5 1.2 ['moduli>=1', \"absent; extra == 'more'\"]",
        "[1.5]",
        "3 ['moduli-2.0.dist-info/METADATA', 'moduli-2.0.dist-info/WHEEL', 'moduli.py', 'moduli-2.0.dist-info/RECORD']",
        "rates False",
    ]
    assert not any("test" in path for path in bundle.report["files"])


def test_an_installed_program_is_bundled_by_its_module(make_bundle, environment):
    """`-m PACKAGE` of an installed distribution carries that distribution, and what it needs if asked."""
    whole = make_bundle(
        {"note.txt": ""}, "-m", "greet", "--include", "all", "--environment", str(environment)
    )
    alone = make_bundle({"note.txt": ""}, "-m", "greet", "--environment", str(environment), name="alone.pyz")

    assert whole.run().text == "0.4 1.5 greet\n"
    assert alone.report["needed"] == ["rates==1.2"]
    assert "No module named 'rates'" in alone.run().text


def test_what_is_needed_is_named_when_it_is_not_included(make_bundle, environment):
    """Without `--include all` the report names the distributions that must be there."""
    bundle = make_bundle({"main.py": "import rates, moduli\n"}, "main.py", "--environment", str(environment))

    assert bundle.report["needed"] == ["moduli==2.0", "rates==1.2"]
    assert b"No module named 'rates'" in bundle.run().err


def test_a_distribution_that_opens_files_finds_them(make_bundle, environment):
    """A distribution that opens its data by `__file__` is laid out."""
    bundle = make_bundle(
        {"main.py": "import beside\nprint(beside.text)\n"},
        "main.py", "--include", "all", "--environment", str(environment),
    )  # fmt: skip

    assert bundle.run().out == b"by path\n"


def test_compiled_modules_are_laid_out_with_their_libraries(make_bundle, environment):
    """A compiled module and the library beside it run from the store, and the report says where they run."""
    files = {"main.py": "import quick\nprint(quick.answer(), quick._quick.__file__)\n"}
    bundle = make_bundle(files, "main.py", "--include", "all", "--environment", str(environment))
    done = bundle.run()

    assert done.text.startswith(f"42 {bundle.folder / 'store'}")
    assert any("compiled for this platform" in item["reason"] for item in bundle.report["left_out"])


def test_without_a_place_for_files_they_go_to_one_that_is_removed(make_bundle, environment):
    """Where no store can be had the files live as long as the program."""
    files = {"main.py": "import quick\nprint(quick.answer(), quick._quick.__file__)\n"}
    bundle = make_bundle(files, "main.py", "--include", "all", "--environment", str(environment))

    done = bundle.run(env={"ENTREPOT_BUNDLES": "/dev/null/store", "TMPDIR": str(bundle.folder)})

    assert done.text.startswith(f"42 {bundle.folder}/entrepot-bundle-")
    assert sorted(os.listdir(bundle.folder)) == ["app.pyz"]


def test_many_first_starts_at_once(make_bundle, environment):
    """Processes that start together lay the files out once, and each finds them whole."""
    files = {"main.py": "import quick\nprint(quick.answer())\n"}
    bundle = make_bundle(files, "main.py", "--include", "all", "--environment", str(environment))
    env = {**os.environ, "ENTREPOT_BUNDLES": str(bundle.folder / "store")}
    command = [sys.executable, str(bundle.path)]

    started = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE) for _ in range(12)]
    answers = [process.communicate(timeout=50)[0] for process in started]

    assert answers == [b"42\n"] * 12
    assert len([name for name in os.listdir(bundle.folder / "store") if "." not in name]) == 1
    assert not [name for name in os.listdir(bundle.folder / "store") if name.endswith((".new", ".old"))]


def test_imports_by_computed_names_are_told(make_bundle):
    """A package that imports by computed names is carried whole; elsewhere the report names the place."""
    files = {
        "main.py": """
            import importlib, sys
            from plugs import load
            print(load("one"))
            if sys.argv[1:]:
                importlib.import_module(sys.argv[1])
        """,
        "plugs/__init__.py": "import importlib\ndef load(name): return importlib.import_module(f'plugs.{name}').value\n",
        "plugs/one.py": "from needed import value\n",
        "plugs/two.py": "",
        "needed.py": "value = 7\n",
    }
    bundle = make_bundle(files, "main.py")

    assert bundle.run().out == b"7\n"
    assert "app/plugs/two.py" in bundle.report["files"]
    places = [(Path(item["path"]).name, item["line"]) for item in bundle.report["left_out"]]
    assert places == [("main.py", 5), ("__init__.py", 2)]


def test_modules_that_no_text_names_are_added(make_bundle):
    """`--add` carries a module by name, `--trace` what a run imported."""
    files = {"main.py": "import importlib, sys\nprint(importlib.import_module(sys.argv[1]).value)\n",
             "one.py": "value = 1\n", "two.py": "value = 2\n", "three.py": "value = 3\n"}  # fmt: skip
    bundle = make_bundle(files, "main.py", "--add", "one", "--trace", "two")

    assert bundle.run("one").out == b"1\n"
    assert bundle.run("two").out == b"2\n"
    assert b"No module named 'three'" in bundle.run("three").err


def test_modules_named_in_strings_are_carried(make_bundle):
    """A string that is the dotted name of an own module, or of a package, counts as an import of it."""
    files = {
        "main.py": """
            APPS = ["shop.apps.ShopConfig", "views.index:show", "word", "json", "plain"]
            import importlib
            print(importlib.import_module(APPS[0].rpartition(".")[0]).value)
        """,
        "shop/__init__.py": "", "shop/apps.py": "value = 1\n", "shop/other.py": "",
        "views/__init__.py": "", "views/index.py": "", "word.py": "", "plain/__init__.py": "",
    }  # fmt: skip
    bundle = make_bundle(files, "main.py")

    assert bundle.run().out == b"1\n"
    assert bundle.report["modules"] == ["plain", "shop", "shop.apps", "views", "views.index"]


def test_folders_that_the_program_puts_on_its_path(make_bundle):
    """Modules in a folder that the entry point adds to `sys.path` are found, there and here."""
    files = {
        "main.py": """
            import os, sys
            sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
            import helper
            print(helper.value)
        """,
        "lib/helper.py": "value = 3\n",
    }

    assert make_bundle(files, "main.py").run().out == b"3\n"


def test_the_script_may_come_last(make_bundle):
    """`--python 3.11 main.py` takes the last word for the script."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"

    assert make_bundle(SHOP, "--python", own, "3.99", "main.py").report["not_compiled"] == ["3.99"]


def test_a_package_is_added_whole(make_bundle):
    """`--add PACKAGE` carries every module below it, whatever its name."""
    files = {
        "main.py": "",
        "shop/__init__.py": "",
        "shop/0001_first.py": "",
        "shop/inner/__init__.py": "",
        "shop/inner/leaf.py": "",
    }
    report = make_bundle(files, "main.py", "--add", "shop").report

    assert report["modules"] == ["shop", "shop.0001_first", "shop.inner", "shop.inner.leaf"]
    assert report["left_out"] == []


def test_modules_that_are_missing_are_told(make_bundle):
    """An import that leads nowhere is in the report; one that is guarded is not."""
    files = {"main.py": "import nowhere\ntry:\n    import maybe\nexcept ImportError:\n    pass\n"}
    report = make_bundle(files, "main.py").report

    assert [(item["what"], item["line"]) for item in report["left_out"]] == [("nowhere", 1)]


def test_the_same_program_gives_the_same_bytes(make_bundle, tmp_path):
    """Another folder, another time, another hash seed: the same file."""
    first = make_bundle(SHOP, "main.py", name="first.pyz")
    again = tmp_path / "quite" / "elsewhere"
    again.parent.mkdir()
    os.rename(tmp_path / "program-first.pyz", again)
    for path in again.rglob("*.py"):
        os.utime(path, (1e9, 1e9))
    second = tmp_path / "second.pyz"
    command = [sys.executable, "-m", "entrepot", "bundle", "main.py", "-o", str(second)]
    done = run(command, cwd=again, env={"PYTHONHASHSEED": "7"})

    assert done.status == 0, done.text
    assert second.read_bytes() == first.path.read_bytes()
    assert str(tmp_path).encode() not in b"".join(
        zipfile.ZipFile(second).read(name) for name in zipfile.ZipFile(second).namelist()
    )


def test_bytecode_for_other_versions(make_bundle):
    """Each version named has its bytecode; one that is not there is told; both run."""
    from entrepot.ship.bytecode import find_interpreter

    other = "3.12" if sys.version_info[:2] != (3, 12) else "3.11"
    python = find_interpreter(other)
    if not python:
        pytest.skip(f"Python {other} is not on this machine")
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    bundle = make_bundle(SHOP, "main.py", "--python", own, other, "3.99")

    assert bundle.report["bytecode"] == sorted(
        f"cpython-{version.replace('.', '')}" for version in (own, other)
    )
    assert bundle.report["not_compiled"] == ["3.99"]
    assert bundle.run(python=python).out == b"10 [] __main__\n"
    only_own = make_bundle(SHOP, "main.py", name="own.pyz")
    assert only_own.run(python=python).out == b"10 [] __main__\n"


def test_flags_of_the_interpreter_hold(make_bundle):
    """-O drops assertions, -S and -I work: they apply to the program as always."""
    bundle = make_bundle(
        {"main.py": "import sys\nassert 0, 'asserted'\nprint(sys.flags.optimize)\n"}, "main.py"
    )

    assert b"asserted" in bundle.run().err
    done = run([sys.executable, "-I", "-S", "-O", str(bundle.path)], cwd=bundle.folder)
    assert done.text == "1\n"


def test_an_old_python_is_told_so(make_bundle, need):
    """A Python before 3.11 ends with a sentence."""
    import glob

    old = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.[89]*/bin/python")))
    if not old:
        pytest.skip("no old Python here")
    done = make_bundle(SHOP, "main.py").run(python=old[0])

    assert done.status == 1
    assert b"needs Python 3.11 or newer" in done.err


def test_wrong_usage(capsys, tmp_path):
    """Nothing to bundle, no such script, no such version: status 1 or 2 and a way out."""
    assert cli.main(["bundle", "-o", "x"]) == 2
    assert cli.main(["bundle", str(tmp_path / "no.py"), "-o", str(tmp_path / "x")]) == 1
    assert "there is no such script" in capsys.readouterr().err
    (tmp_path / "a.py").write_text("")
    assert cli.main(["bundle", str(tmp_path / "a.py"), "-o", str(tmp_path / "x"), "--python", "2.7"]) == 2
    assert not (tmp_path / "x").exists()
    assert cli.main(["bundle", str(tmp_path / "a.py"), "-o", str(tmp_path / "no" / "x")]) == 1
    assert "No such file or directory" in capsys.readouterr().err


def test_the_runtime_needs_what_a_bare_interpreter_has(make_bundle):
    """A bundle whose files need not be real brings its own few modules and compiled-in ones into a bare interpreter."""
    files = {"main.py": "import sys\nprint([m for m in sys.modules if m not in sys.builtin_module_names])\n"}
    bundle = make_bundle(files, "main.py")
    plain = run([sys.executable, "-I", "-S", "-c", files["main.py"]], cwd=bundle.folder)
    bare = {*eval(plain.text), "runpy", "pkgutil", "importlib", "importlib.machinery", "importlib.util"}

    done = run([sys.executable, "-I", "-S", str(bundle.path)], cwd=bundle.folder)

    new = set(eval(done.text)) - bare
    allowed = {"importlib._bootstrap", "importlib._bootstrap_external", "importlib._abc", "warnings", "contextlib",
               "collections", "collections.abc", "functools", "keyword", "operator", "reprlib", "types", "os", "stat",
               "posixpath", "genericpath", "os.path", "_collections_abc", "abc", "_sha256", "_sha2", "zlib"}  # fmt: skip
    assert new <= allowed, new - allowed
