"""A program's modules in this process, without a cluster: files, bytecode, and what is kept between processes."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from both_ways import make_environment
from entrepot.ship import kept
from entrepot.ship.codes import Codes
from entrepot.ship.contents import Carried
from entrepot.ship.manifest import Manifest, Sender, hash_blob, pack_blobs, unpack_blobs

PROGRAM = """
import builtins, os, sys
from entrepot.ship.manifest import Manifest, hash_blob, name_code
from entrepot.ship import manifest, placed

def state(text):
    data = text.encode()
    blobs = {hash_blob(data): data, name_code(hash_blob(data)): manifest._compile("x", data)}
    return Manifest({"app/mod.py": hash_blob(data)}, ("app",)), blobs

compiled = []
plain = builtins.compile
builtins.compile = lambda *given, **more: compiled.append(given[1]) or plain(*given, **more)
here = placed.Placed(placed.make_folder(None))
for text in ("def f(): return 1\\n", "def f(): return 2\\n", "def f(): return 3\\n"):
    made, blobs = state(text)
    compiled.clear()
    if (problems := here.take(made, blobs).problems):
        sys.exit(str(problems))
    import mod
    print(mod.f(), any(str(path).endswith("mod.py") for path in compiled), mod.f.__code__.co_filename == mod.__file__)
print(sorted(os.listdir(os.path.dirname(mod.__file__))))
"""


@pytest.mark.parametrize("optimize", [False, True])
def test_edits_of_the_same_size_in_the_same_second_are_followed(tmp_path, optimize):
    """Bytecode is found by how its source looks, to the nanosecond; none is compiled where it lands, but with -O."""
    env = make_environment({"ENTREPOT_MODULES": str(tmp_path / "store"), "PYTHONDONTWRITEBYTECODE": None})
    done = subprocess.run(
        [sys.executable, *["-O"] * optimize, "-c", PROGRAM],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=50,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["1", "2", "3"]
    assert lines[0] == f"1 {optimize} True"
    assert all(line.endswith("True") for line in lines[:3])
    assert lines[3] == str(["__pycache__"] * optimize + ["mod.py"])


NO_ROOM = """
import os, resource, sys
from entrepot.ship import kept, placed
from entrepot.ship.manifest import Manifest, hash_blob

def take(**texts):
    blobs = {hash_blob(text.encode()): text.encode() for text in texts.values()}
    files = {f"app/{name}.py": hash_blob(text.encode()) for name, text in texts.items()}
    return here.take(Manifest(files, ("app",)), blobs)

here = placed.Placed(placed.make_folder(None))
assert not take(mod="value = 1").problems
import mod
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))  # no file may be larger
told = take(mod="value = 2", large="#" * 5000)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
text = str(told.problems)
print(told.state, here.folder in text, "too large" in text, mod.value, open(mod.__file__).read())
print(sorted(os.listdir(os.path.dirname(mod.__file__))), [name for name in os.listdir(sys.argv[1]) if "part" in name])
print(take(mod="value = 3", large="#" * 5000).state, mod.value)
"""


def test_a_state_that_has_no_room_changes_nothing(tmp_path):
    """Where a file cannot be written all stay what they were, no piece of it is left, and the next state is taken."""
    store = tmp_path / "store"
    env = make_environment(
        {"ENTREPOT_MODULES": str(store), "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    )
    command = [sys.executable, "-c", NO_ROOM, str(store)]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=50)

    assert done.stdout.splitlines() == ["failed True True 1 value = 1", "['mod.py'] []", "updated 3"], (
        done.stderr
    )


def test_code_is_of_one_look_of_a_source_only(tmp_path: Path):
    """A source that was written again has no code."""
    codes = Codes()
    path = tmp_path / "a.py"
    codes.put(str(path), kept.write_new(str(path), b"x = 1\n"), b"code")
    from entrepot.live.record import signature_of

    assert codes.find(str(path), signature_of(os.stat(path))) == b"code"
    kept.write_whole(str(path), b"x = 2\n")
    assert codes.find(str(path), signature_of(os.stat(path))) is None


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of our own."""
    monkeypatch.setenv("ENTREPOT_MODULES", str(tmp_path / "store"))
    return tmp_path / "store"


def make_blobs(count: int, size: int = 10) -> dict[str, bytes]:
    texts = [f"{number} ".encode() * size for number in range(count)]
    return {hash_blob(text): text for text in texts}


def test_what_is_kept_is_found_again(store):
    """Few blobs are files, many are one; both are found, and what is damaged is not."""
    many, few = make_blobs(100), {hash_blob(b"one"): b"one"}
    kept.keep(many)
    kept.keep(few)
    kept.keep(many)

    assert len(list(store.iterdir())) == 2
    assert kept.find({*many, *few, "none"}) == {**many, **few}
    for path in store.iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert kept.find({*many, *few}) == {}


def test_packs_are_looked_into_no_further_than_needed(store):
    """The newest that has all is enough; one that is damaged is passed over."""
    old, new = make_blobs(100), make_blobs(120, 20)
    kept.keep(old)
    [pack] = store.iterdir()
    kept.keep(new)
    pack.write_bytes(b"no pack")
    os.utime(pack, (time.time() - 100,) * 2)
    assert kept.find(new) == new
    os.utime(pack, (time.time() + 100,) * 2)
    assert kept.find(new) == new
    assert kept.find(old) == {}


@pytest.mark.parametrize("place", ["/dev/null/store", "relative"])
def test_without_a_store_nothing_is_kept(monkeypatch, place):
    """What was sent is asked for again: no more than that."""
    monkeypatch.setenv("ENTREPOT_MODULES", place)
    blobs = make_blobs(3)
    kept.keep(blobs)

    assert kept.find(blobs) == {}


def test_what_was_sent_is_compared_with_its_name():
    """A file that arrives as another is not taken for it."""
    name = hash_blob(b"mine")
    with pytest.raises(ValueError, match=f"what was sent as the file {name} is another"):
        unpack_blobs(pack_blobs({name: b"other"}))


def test_the_store_is_bounded(store, monkeypatch):
    """What is old goes, and the oldest of what is too much."""
    old = {hash_blob(b"old"): b"old"}
    kept.keep(old)
    os.utime(store / next(iter(old)), (1e9, 1e9))
    kept.keep({hash_blob(b"new"): b"new"})
    assert kept.find(old) == {}

    monkeypatch.setattr(kept, "_KEPT_BYTES", 25)
    began = time.time() - 100
    for number in range(5):
        data = b"%d" % number * 10
        kept.keep({hash_blob(data): data})
        os.utime(store / hash_blob(data), (began + number, began + number))
    assert sum(path.stat().st_size for path in store.iterdir()) <= 30


def test_modules_that_are_alike_are_compiled_once(monkeypatch):
    """A sender compiles each text once, and only new ones after an edit."""
    compiled = []
    plain = builtins.compile
    monkeypatch.setattr(builtins, "compile", lambda *a, **k: compiled.append(a[1]) or plain(*a, **k))
    sender = Sender()

    class Given:
        roots = ("app",)

        def __init__(self, **texts: str) -> None:
            self.files = {f"app/{n}.py": Carried(f"app/{n}.py", "", t.encode()) for n, t in texts.items()}

    first = sender.take(Given(a="x = 1\n", b="x = 1\n", c="x = 2\n"))
    assert compiled == ["app/a.py", "app/c.py"]
    sender.take(Given(a="x = 1\n", b="x = 3\n", c="x = 2\n"))
    assert compiled[2:] == ["app/b.py"]
    assert isinstance(first, Manifest)
