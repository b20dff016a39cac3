"""How a program ends, warm and large: status, output, and what it has left open, as under Python.

A program with many modules ends without taking all of them down. What could be seen of that it must do all the same.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess

import pytest

from native import NEEDS_NATIVE
from stored import CLIENT, Stored

pytestmark = NEEDS_NATIVE

LARGE = (
    "import asyncio, concurrent.futures, configparser, csv, ctypes, curses, decimal, difflib, doctest,"
    " email.mime.text, ftplib, html.parser, http.server, imaplib, json, logging.config, mailbox, multiprocessing, plistlib,"
    " pydoc, shelve, smtplib, sqlite3, statistics, tarfile, tempfile, unittest.mock,"
    " urllib.request, xml.dom.minidom, xmlrpc.client, zipfile, os, sys\n"
)
OWN = """\
kept = []
class Own:
    def __del__(self):
        print('own is gone')
def keep(value):
    kept.append(value)
    return value
"""
MODULES = {  # each keeps something whose end can be seen
    "ends_own": OWN + "a = Own()\n",
    "ends_called": "import json, weakref\nclass A: pass\na = A()\njson.mine = weakref.ref(a, lambda r: print('gone'))\n",
    "ends_partly": "import functools, json, weakref\nclass A: pass\na = A()\n"
    "json.mine = weakref.ref(a, functools.partial(lambda text, r: print(text), 'gone'))\n",
    "ends_generator": "def g():\n    try: yield\n    finally: print('closed')\nkept = g()\nnext(kept)\n",
}
ENDS = [
    "import atexit; atexit.register(lambda: 1 / 0)",
    "import atexit; atexit.register(lambda: os._exit(4)); print('kept')",
    "import atexit, threading, traceback; atexit.register(traceback.print_stack)\n"
    "threading._register_atexit(traceback.print_stack)",
    "import threading; threading._register_atexit(lambda: 1 / 0)",
    "import threading, time; threading.Thread(target=lambda: (time.sleep(.1), print('late'))).start()",
    "import threading, time\ndef f():\n    time.sleep(.1); os.kill(os.getpid(), 2); time.sleep(.1)\n"
    "threading.Thread(target=f).start()",
    "sys.stdout.close()",
    "os.close(1); print('x')",
    "os.close(2); 1 / 0",
    "sys.stderr = None; 1 / 0",
    "class A:\n    def __del__(self): 1 / 0\na = A()",
    "class A:\n    def __del__(self): print('gone', os is None)\na = A(); a.me = a",
    "import own\na = own.Own()",
    "import ends_own",
    "class B:\n    def __str__(self): 1 / 0\nsys.exit(B())",
    "sys.exit('text')",
    "sys.exit(2 ** 40)",
    "class I(int):\n    def __and__(self, other): 1 / 0\n    def __index__(self): 1 / 0\nsys.exit(I(7))",
    "raise KeyboardInterrupt",
    "def g():\n    try: yield 1\n    finally: print('closed')\nx = [g()]; next(x[0]); x.append(x)",
    "async def c(): pass\nc()",
    "f = open('o.txt', 'w'); f.write('data'); sys.mine = f",
    "f = open('o.txt', 'w'); f.write('data'); json.mine = f",
    "def h(f=open('o.txt', 'w')): f.write('data')\nh()",
    "import own; own.keep(open('o.txt', 'w')).write('data')",
    "import threading; l = threading.local(); l.f = open('o.txt', 'w'); l.f.write('data')",
    "import gzip; f = gzip.open('o.gz', 'wb'); f.write(b'data')",
    "c = sqlite3.connect('o.db'); c.execute('create table t(a)'); c.execute('insert into t values(1)')",
    "d = tempfile.TemporaryDirectory(dir='.', prefix='o.'); open(d.name + '/x', 'w').close()",
    "import subprocess; p = subprocess.Popen(['cat'], stdin=-1, text=True); p.stdin.write('to cat')",
    "import weakref\nclass A: pass\na = A(); r = weakref.ref(a, lambda r: print('gone'))",
    "import weakref\nclass A: pass\njson.mine = A(); r = weakref.ref(json.mine, lambda r: print('gone'))",
    "import weakref\nclass A: pass\na = A(); json.mine = weakref.ref(a, lambda r: print('gone'))",
    "import weakref\nclass A: pass\na = A(); json.mine = weakref.proxy(a, lambda r: print('gone'))",
    "import weakref\nclass A: pass\na = A(); weakref.finalize(a, print, 'finalized')",
    "import weakref\nclass A: pass\na = A(); weakref.finalize(a, print, 'finalized').atexit = False",
    "import functools, weakref\nclass A: pass\na = A(); json.mine = weakref.ref(a, functools.partial(print, 'gone'))",
    "import multiprocessing.util\nclass A: pass\na = A(); multiprocessing.util.Finalize(a, print, ('gone',))",
    "import logging; logging.basicConfig(); logging.warning('told')",
    "import ends_called",
    "import ends_partly",
    "import ends_generator",
    "sys.stdout = open('o.txt', 'w'); print('kept')",
    "class W:\n    def write(self, text): pass\n    def flush(self): 1 / 0\nsys.stdout = W()",
    "if os.fork() == 0: sys.exit(5)\nprint('parent', os.wait()[1])",
    "sys.modules.clear()",
    "del sys.modules['__main__']",
]


@pytest.fixture(scope="module", params=["", "1"], ids=["buffered", "unbuffered"])
def place(request, tmp_path_factory):
    """A folder whose store has the modules that all of these programs use."""
    path = tmp_path_factory.mktemp("ends")
    with Stored(path, PYTHONUNBUFFERED=request.param) as place:
        place.write(own=OWN, **MODULES)
        yield place


def end(place: Stored, command: list[str], to: str) -> tuple[int, bytes, bytes, dict[str, int]]:
    """Run it; return status, output, and the sizes of the files that it has left, which are removed."""
    with open(to or os.devnull, "wb") as out:
        done = subprocess.run(
            command,
            cwd=place.path,
            env=place.env,
            stdin=subprocess.DEVNULL,
            stdout=out if to else subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    left = {path.name: path.stat().st_size for path in place.path.glob("o.*")}
    for name in left:
        (place.path / name).unlink()
    # Where objects lie is of each process its own.
    out, errors = (re.sub(rb" at 0x[0-9a-f]+", b"", said) for said in (done.stdout or b"", done.stderr))
    return done.returncode, out, errors, left


@pytest.mark.parametrize("text", ENDS)
def test_a_large_program_ends_as_under_python(place: Stored, text: str) -> None:
    """Also where its output goes to a disk that is full."""
    place.write(main=f"{LARGE}print('begins')\n{text}\n")
    place.prepare()
    for to in ("", "/dev/full"):
        status, out, errors, left = end(place, [str(CLIENT), "run", "--python", place.python, "main.py"], to)
        how, _, errors = errors.partition(b"\n")
        assert how == b"entrepot: warm"
        assert (status, out, errors, left) == end(place, [place.python, "main.py"], to)


@pytest.mark.parametrize(
    "text",
    [
        "logging.basicConfig(); logging.warning('told')",
        "import weakref\nclass A: pass\na = A(); d = weakref.WeakKeyDictionary({a: 1}); weakref.finalize(a, print, 'gone')",
        "import functools\n@functools.singledispatch\ndef f(x): pass\n@f.register(int)\ndef g(x): pass\nf(1); f('x')",
        "import abc\nclass A(abc.ABC): pass\nA.register(int); isinstance(1, A)",
        "with tempfile.TemporaryFile() as f: f.write(b'x')",
        "list(x for x in 'abc'); asyncio.run(asyncio.sleep(0))",
        "f = open('/dev/null'); f.close(); g = open('/dev/null', 'wb'); g.close()",
        "sys.exit('text')",
        "import enum\nclass E(enum.IntFlag): A = 1\nsys.exit(E.A)",  # pytest's is an IntEnum
        "1 / 0",
    ],
)
def test_an_ordinary_large_program_is_not_taken_down(place: Stored, text: str) -> None:
    """What libc is to call at exit is not called: that takes as long as the program is large."""
    place.write(main=f"{LARGE}libc = ctypes.CDLL(None); libc.__cxa_atexit(libc.abort, None, None)\n{text}\n")
    place.prepare()
    warm = end(place, [str(CLIENT), "run", "--python", place.python, "main.py"], "")
    plain = end(place, [place.python, "main.py"], "")

    assert plain[0] == -signal.SIGABRT
    assert warm[0] in (0, 1)
    assert (warm[1], warm[2].partition(b"\n")[2]) == plain[1:3]
