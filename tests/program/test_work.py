"""What a module does while it is imported, beyond defining."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrepot.program.model import Program


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ENTREPOT_CACHE", str(tmp_path_factory.mktemp("cache")))


def find_work(root: Path, text: str) -> list[tuple[int, str]]:
    """Return line and verb of what a module of this text does."""
    (root / "a.py").write_text(text, encoding="utf-8")
    return [(work.line, work.what) for work in Program.read(root).modules["a"].work()]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("print('x')", "prints"),
        ("import sys as s\ns.stdout.write('x')", "prints"),
        ("from time import sleep as rest\nrest(1)", "sleeps"),
        ("import subprocess as p\np.run(['x'])", "starts a process"),
        ("import subprocess\nx = subprocess.Popen(['x'])", "starts a process"),
        ("import urllib.request\nx = urllib.request.urlopen('x').read()", "uses the network"),
        ("from urllib import request\nrequest.urlretrieve('x')", "uses the network"),
        ("from pathlib import Path\nx = Path('x').read_text()", "uses files"),
        ("import pathlib\nx = pathlib.Path('x').mkdir()", "uses files"),
        ("import pathlib\nx = pathlib.Path.iterdir(x)", "uses files"),
        ("from threading import Thread\nThread(target=f).start()", "starts a thread"),
        ("import multiprocessing\nmultiprocessing.Process(target=f).start()", "starts a process"),
        ("worker = make()\nworker.start()", "starts a thread"),
        ("while f():\n    pass", "loops"),
        ("for i in range(0, 1000):\n    pass", "loops"),
        ("class C:\n    x = open('x')", "opens a file"),
        ("@print\ndef f(): pass", ""),  # what a decorator does is not a call of ours
        ("@f(open('x'))\ndef g(): open('x')", "opens a file"),
        ("x = [open(y) for y in z]", "opens a file"),
        ("def open(x): pass\nopen('x')", ""),
        ("engine = make()\nengine.start()", ""),
        ("import subprocess\nx = subprocess.CompletedProcess([], 0)", ""),
        ("import requests\nx = requests.Session()", "uses the network"),
        ("x = lambda: open('x')\nasync def f():\n    open('x')", ""),
        ("for i in range(999):\n    pass\nfor i in x:\n    pass", ""),
        ("x = make()(1)\nx.y.z()\n'a'.join(x)\nx[0]()", ""),
        ("Path('x').stem.upper()\nf().g()\nf()()()", ""),
    ],
)
def test_a_call_is_known_by_what_its_name_stands_for(tmp_path: Path, text: str, what: str):
    """Through imports and `as`; functions do nothing yet, and names of the module's own are not the builtins'."""
    assert [found for _, found in find_work(tmp_path, text + "\n")] == ([what] if what else [])


def test_only_what_runs_at_an_import_counts(tmp_path: Path):
    """Not the program's own part, in whatever words, nor what is for type checkers or for other systems."""
    text = """\
if __name__ == "__main__":
    print(2)
else:
    print(4)
if __name__ != "__main__":
    print(6)
if __name__ in {"__main__", "__mp_main__"}:
    print(8)
elif f():
    print(10)
if TYPE_CHECKING:
    print(12)
if not TYPE_CHECKING:
    print(14)
if sys.platform == "beos":
    print(16)
elif input():
    print(18)
if "__main__" == __name__ and f():
    print(20)
"""
    assert [line for line, _ in find_work(tmp_path, text)] == [4, 6, 10, 14, 17, 18]
