"""A program's modules in a process that has modules of its own: what was imported before, names taken, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from both_ways import make_environment

pytestmark = pytest.mark.slow

# `state` makes what a client would send, `tell` prints for the test.
HEAD = """
import json, os, sys
from entrepot.ship import placed
from entrepot.ship.manifest import Manifest, hash_blob

def state(roots=("app",), **files):
    texts = {f"app/{name}" if "." in name else f"app/{name}.py": text.encode() for name, text in files.items()}
    return Manifest({p: hash_blob(t) for p, t in texts.items()}, roots), {hash_blob(t): t for t in texts.values()}

def tell(*values):
    print(json.dumps(values))
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[object]]:
    """Run a script after HEAD in a folder with some files; returns what it told."""

    def run(script: str, **files: str) -> list[object]:
        for name, text in files.items():
            path = tmp_path / "here" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (tmp_path / "here").mkdir(exist_ok=True)
        env = make_environment({"ENTREPOT_MODULES": str(tmp_path / "store"), "TMPDIR": str(tmp_path)})
        command = [sys.executable, "-c", HEAD + textwrap.dedent(script)]
        done = subprocess.run(
            command, cwd=tmp_path / "here", env=env, capture_output=True, text=True, timeout=50
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_names_that_stand_for_something_else_are_told(run, tmp_path):
    """Imported before, compiled in, installed, of another program: what is used, and what to do about it."""
    told = run(
        """
        import here_before
        one = placed.get_placed("one")
        absent = next(name for name in sys.builtin_module_names if name not in sys.modules)
        made = state(here_before="x = 1", **{absent: ""}, time="", colorsys="", calc="RATE = 1", data="", **{"kept/a": ""})
        tell(*sorted(str(clash).replace(absent, "compiled_in") for clash in one.take(*made).clashes))
        import calc
        two = placed.get_placed("two")
        tell(*(str(clash).replace(one.folder, "ONE") for clash in two.take(*state(calc="RATE = 2", data="y = 2")).clashes))
        tell(calc.RATE, str(two.look()).splitlines()[0].split(" ", 2)[2])
        """,
        here_before="x = 2\n",
    )
    import colorsys

    assert [text.partition(";")[0] for text in told[0]] == [
        f"colorsys is also installed in {colorsys.__file__}",
        "compiled_in was already imported from the interpreter, and stays that",
        f"here_before was already imported from {tmp_path}/here/here_before.py, and stays that",
        "time was already imported from the interpreter, and stays that",
    ]
    assert told[1] == [
        "calc of one was imported before, and stays that; rename one, or restart the worker",
        "data is also a module of one; yours comes first",
    ]
    assert told[2] == [1, "same"]


def test_what_was_imported_from_the_same_text_follows_the_files_here(run):
    """A module and a package become those that were sent, once; one that was made by hand is told to follow too."""
    told = run(
        """
        import importlib.machinery, types
        import shop.cart
        by_hand = sys.modules["by_hand"] = types.ModuleType("by_hand")
        by_hand.__file__ = os.path.abspath("by_hand.py")
        bare = sys.modules["bare"] = types.ModuleType("bare")
        bare.__file__ = os.path.abspath("bare.py")
        bare.__spec__ = importlib.machinery.ModuleSpec("bare", None)
        pack = sys.modules["pack"] = types.ModuleType("pack")
        pack.__file__, pack.__path__ = os.path.abspath("pack/__init__.py"), [os.path.abspath("pack")]
        texts = {"shop/__init__": "", "shop/cart": "RATE = 2", "by_hand": "x = 1", "bare": "x = 1", "pack/__init__": ""}
        one = placed.get_placed("one")
        running = one.take(*state(**texts))
        modules = [shop, shop.cart, by_hand, bare, pack]
        tell(running.clashes, *(module.__file__.replace(one.folder, "") for module in modules))
        tell(*(path.replace(one.folder, "") for path in (*shop.__path__, *pack.__path__, shop.__spec__.origin)))
        running = one.take(*state(**{**texts, "shop/cart": "RATE = 3"}))
        tell(running.state, running.changed, shop.cart.RATE)
        """,
        **{
            "shop/__init__": "",
            "shop/cart": "RATE = 2",
            "by_hand": "x = 1",
            "bare": "x = 1",
            "pack/__init__": "",
        },
    )

    assert told == [
        [
            [],
            "/app/shop/__init__.py",
            "/app/shop/cart.py",
            "/app/by_hand.py",
            "/app/bare.py",
            "/app/pack/__init__.py",
        ],
        ["/app/shop", "/app/pack", "/app/shop/__init__.py"],
        ["updated", ["shop.cart"], 3],
    ]


def test_what_cannot_be_taken_changes_nothing_and_is_told_again(run):
    """A file that was not sent, a compiled module that is loaded: the files stay, and whoever asks later is told why."""
    told = run(
        """
        import importlib.machinery, types
        one = placed.get_placed("one")
        suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
        texts = {"calc": "RATE = 1", "data.txt": "one", f"_swift{suffix}": "compiled"}
        first = one.take(*state(**texts))
        import calc
        swift = sys.modules["_swift"] = types.ModuleType("_swift")
        swift.__file__ = os.path.join(one.folder, "app", f"_swift{suffix}")

        def look(manifest, blobs):
            running = one.take(manifest, blobs)
            assert one.look() == running
            names = ("calc.py", "data.txt", f"_swift{suffix}")
            files = sorted(open(os.path.join(one.folder, "app", name)).read() for name in names)
            return [running.state, running.version == first.version, files, calc.RATE, *running.problems]

        manifest, blobs = state(**{**texts, "calc": "RATE = 2"})
        tell(*(str(value).replace(one.folder, "") for value in look(manifest, {})))
        tell(*look(*state(**{**texts, "data.txt": "two", f"_swift{suffix}": "again"})))
        tell(one.list_missing(manifest) == list(blobs)[:1], one.take(manifest, blobs).state, calc.RATE, one.look().state)
        one.leave()
        sys.path.append(os.path.join(one.folder, "app"))
        one.leave()
        one.leave()
        tell([entry for entry in sys.path if one.folder in entry])
        """
    )

    assert [told[0][0], told[0][1], told[0][3]] == ["failed", "True", "1"]
    assert told[0][4] == "in : app/calc.py was not sent"
    assert told[1][:4] == ["refused", True, ["RATE = 1", "compiled", "one"], 1]
    assert "a compiled module cannot be run again; restart the worker" in told[1][4]
    assert told[2:] == [[True, "updated", 2, "same"], [[]]]


def test_the_senders_own_process_runs_the_senders_files(run):
    """An edit that cannot be taken is refused there as elsewhere; nothing is placed, so nothing is missing."""
    told = run(
        """
        import calc
        own = placed.get_placed("own", is_senders_process=True)
        def take(text):
            with open("calc.py", "w") as file:
                file.write(text)
            manifest, _ = state(calc=text)
            running = own.take(manifest, {}, [os.getcwd()])
            return [running.state, list(running.problems), calc.RATE, own.list_missing(manifest), own.list_roots()]
        for text in ("RATE = 1", "RATE = 22", "RATE = 22", "RATE = 3 / 0", "RATE = 4444"):
            tell(*take(text))
        """,
        calc="RATE = 1",
    )

    assert [line[:1] + line[2:] for line in told] == [
        ["placed", 1, [], []], ["updated", 22, [], []], ["same", 22, [], []], ["refused", 22, [], []],
        ["updated", 4444, [], []],
    ]  # fmt: skip
    assert ["ZeroDivisionError" in str(line[1]) for line in told] == [False, False, False, True, False]
