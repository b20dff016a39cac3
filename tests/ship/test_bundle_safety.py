"""A bundle refuses to run when it was altered, and never loads from where others can write."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from entrepot import cli
from entrepot.ship.bundle import NotWrittenError, write_bundle

pytestmark = pytest.mark.slow

PROGRAM = {"main.py": "import part\nprint(part.value)\n", "part.py": "value = 'ran'\n"}
QUICK = {"main.py": "import quick\nprint(quick.answer())\n"}


def test_no_byte_can_be_altered(make_bundle):
    """Whichever byte is another, the program does not run and the status is not 0."""
    bundle = make_bundle(PROGRAM, "main.py")
    whole = bundle.path.read_bytes()
    chance = random.Random(20)
    places = [0, 1, len(whole) - 1, len(whole) - 70, *(chance.randrange(len(whole)) for _ in range(30))]
    for place in places:
        data = bytearray(whole)
        data[place] ^= 1 << chance.randrange(8)
        bundle.path.write_bytes(data)
        done = bundle.run()
        assert done.status != 0, place
        assert b"ran" not in done.out, place


@pytest.mark.parametrize(
    "change", [lambda data: data + b"\n", lambda data: data[:-1], lambda data: data[: len(data) // 2]]
)
def test_nothing_can_be_added_or_cut_off(make_bundle, change):
    """A longer or shorter file is not run."""
    bundle = make_bundle(PROGRAM, "main.py")
    bundle.path.write_bytes(change(bundle.path.read_bytes()))

    done = bundle.run()
    assert done.status != 0
    assert done.out == b""


def test_a_refusal_says_why(make_bundle):
    """An altered member is told in a sentence, without a traceback."""
    bundle = make_bundle(PROGRAM, "main.py")
    data = bytearray(bundle.path.read_bytes())
    data[data.index(b"contents") + 100] ^= 1
    bundle.path.write_bytes(data)
    done = bundle.run()

    assert done.status == 1
    assert done.text == f"{bundle.path}: this bundle was altered or is damaged; it is not run\n"


def test_verify_compares_with_a_hash_from_elsewhere(make_bundle, capsys):
    """`--verify` finds alterations, and a file that is whole but another one."""
    bundle = make_bundle(PROGRAM, "main.py")
    digest = hashlib.sha256(bundle.path.read_bytes()).hexdigest()
    assert bundle.report["sha256"] == digest
    assert cli.main(["bundle", "--verify", str(bundle.path), digest]) == 0
    other = make_bundle({**PROGRAM, "part.py": "value = 'other'\n"}, "main.py", name="other.pyz")
    assert cli.main(["bundle", "--verify", str(other.path)]) == 0
    assert cli.main(["bundle", "--verify", str(other.path), digest]) == 1
    bundle.path.write_bytes(bundle.path.read_bytes().replace(b"main", b"nain", 1))
    assert cli.main(["bundle", "--verify", str(bundle.path)]) == 1
    assert cli.main(["bundle", "--verify", str(bundle.folder / "none.pyz")]) == 1


def test_a_bundle_that_others_can_write_is_not_run(make_bundle):
    """Mode 0666 of the file, or 0777 of its folder, is refused with the reason."""
    bundle = make_bundle(PROGRAM, "main.py")
    os.chmod(bundle.path, 0o666)
    assert b"others can write" in bundle.run().err
    os.chmod(bundle.path, 0o644)
    os.chmod(bundle.folder, 0o777)
    try:
        done = bundle.run()
        assert done.status == 1
        assert b"others can write" in done.err
        os.chmod(bundle.folder, 0o1777)
        assert bundle.run().out == b"ran\n"
    finally:
        os.chmod(bundle.folder, 0o755)


def test_a_store_that_others_can_write_is_not_used(make_bundle, environment):
    """A store with other modes is told and left alone; the program runs all the same."""
    bundle = make_bundle(QUICK, "main.py", "--include", "all", "--environment", str(environment))
    store = bundle.folder / "store"
    store.mkdir(mode=0o755)
    os.chmod(store, 0o770)

    done = bundle.run()

    assert done.out == b"42\n"
    assert b"is not used" in done.err
    assert list(store.iterdir()) == []


def test_a_store_that_is_a_link_is_not_used(make_bundle, environment, tmp_path):
    """A link in the store's place leads nowhere."""
    bundle = make_bundle(QUICK, "main.py", "--include", "all", "--environment", str(environment))
    (tmp_path / "target").mkdir(mode=0o700)
    (bundle.folder / "store").symlink_to(tmp_path / "target")

    assert bundle.run().out == b"42\n"
    assert list((tmp_path / "target").iterdir()) == []


@pytest.mark.parametrize("which", ["_quick", "libdeep"])
def test_an_altered_file_in_the_store_is_made_again(make_bundle, environment, which):
    """A compiled file that is not what the bundle carries is not loaded: it is replaced."""
    bundle = make_bundle(QUICK, "main.py", "--include", "all", "--environment", str(environment))
    assert bundle.run().out == b"42\n"
    [path] = [path for path in (bundle.folder / "store").rglob("*.so") if path.name.startswith(which)]
    status = path.stat()
    data = path.read_bytes()
    path.chmod(0o700)
    path.write_bytes(data[:-8] + b"altered!")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert bundle.run().out == b"42\n"
    assert path.read_bytes() == data


def test_a_damaged_stamp_or_missing_file_is_mended(make_bundle, environment):
    """Whatever is gone or unreadable in the store is made again."""
    bundle = make_bundle(QUICK, "main.py", "--include", "all", "--environment", str(environment))
    bundle.run()
    store = bundle.folder / "store"
    [stamp] = [path for path in store.glob("*.stamp") if ".code" not in path.name]
    for damage in (
        lambda: stamp.write_bytes(b"junk"),
        stamp.unlink,
        lambda: next(store.rglob("_quick*")).unlink(),
    ):
        damage()
        assert bundle.run().out == b"42\n"


def test_unpacked_bytecode_that_is_altered_or_gone_is_made_again(make_bundle, environment):
    """What is not what the bundle carries is not run."""
    bundle = make_bundle(QUICK, "main.py", "--include", "all", "--environment", str(environment))
    assert bundle.run().out == b"42\n"
    [code] = (bundle.folder / "store").glob("*.code")
    data = code.read_bytes()
    code.chmod(0o600)
    code.write_bytes(data[:-4] + b"four")

    assert bundle.run().out == b"42\n"
    assert code.read_bytes() == data
    code.unlink()
    assert bundle.run().out == b"42\n"
    assert code.read_bytes() == data


def test_files_that_nobody_uses_are_forgotten(make_bundle, environment):
    """Laying out others removes what was not used for long, unless a program runs from it."""
    options = ("main.py", "--include", "all", "--environment", str(environment))
    waiting = {"main.py": "import quick, sys\nprint(quick.answer(), flush=True)\nsys.stdin.read()\n"}
    old = make_bundle({**waiting, "x.txt": "1"}, *options, "--data", "x.txt", name="old.pyz")
    used = make_bundle({**waiting, "x.txt": "2"}, *options, "--data", "x.txt", name="used.pyz")
    new = make_bundle({**QUICK, "x.txt": "3"}, *options, "--data", "x.txt", name="new.pyz")
    store = old.folder / "store"
    old.run()
    [gone] = [path.name.removesuffix(".used") for path in store.glob("*.used")]
    env = {**os.environ, "ENTREPOT_BUNDLES": str(store)}
    running = subprocess.Popen([sys.executable, str(used.path)], env=env, stdin=-1, stdout=-1)
    with running:
        assert running.stdout.readline() == b"42\n"
        (store / "1-2.new").mkdir()
        for path in [*store.glob("*.used"), store / "1-2.new"]:
            os.utime(path, (1e9, 1e9))

        assert new.run().out == b"42\n"

        left = {path.name for path in store.iterdir()}
        assert not [name for name in left if gone in name or name.endswith(".new")]
        assert len([name for name in left if name.endswith(".used")]) == 2
        running.stdin.close()
        assert running.wait(20) == 0
    assert used.run().out == old.run().out == b"42\n"


def test_a_bundle_replaced_while_it_runs_says_so(make_bundle):
    """A file written over during the run is not read from; one renamed over it does not matter."""
    files = {
        "main.py": """
            import os, sys
            data = open(sys.argv[0], "rb").read()
            if sys.argv[1] == "over":
                open(sys.argv[0], "r+b").write(data[:-1] + b"x")
            else:
                open(sys.argv[0] + ".new", "wb").write(b"other")
                os.replace(sys.argv[0] + ".new", sys.argv[0])
            import late
        """,
        # Of more than one block: what has been unpacked once is not read again.
        "late.py": f"print('late')\ntext = {'x' * 200_000!r}\n",
    }
    bundle = make_bundle(files, "main.py")
    copy = bundle.folder / "copy"
    shutil.copy(bundle.path, copy)

    assert b"was changed while it ran" in bundle.run("over").err
    shutil.copy(copy, bundle.path)
    assert bundle.run("rename").out == b"late\n"


def test_what_is_no_file_is_never_replaced_by_a_bundle(tmp_path: Path):
    """`-o /dev/null`, run by root, must leave a device there."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(NotWrittenError, match="no ordinary file"):
        write_bundle(str(pipe), b"x")

    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
