"""Whatever bytes stand where bytes of ours should be: a value, or a plain answer that there is none. Nothing else."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from entrepot.warm.fingerprint import Record
from entrepot.warm.images import find_images, read_image
from entrepot.warm.knowledge import Knowledge, read_knowledge
from entrepot.warm.lookup import find_entries, find_programs
from entrepot.warm.record_file import read_record
from entrepot.warm.why import read_info, read_last
from entrepot.warm.wire import Garbled, Request, parse_message, parse_request
from native import NEEDS_NATIVE
from warm_place import CLIENT, Place, as_python, wait_until

has_native = NEEDS_NATIVE[-1]
REQUEST = (
    b"11\0aaaaaaaaaaaaaaaa\0key\0bbbbbbbbbbbbbbbb\0base\0/usr/bin/python\0file\0main.py\0/tmp\x007\0"
    b"0 0 0 1 x86_64\x000,1\0"
    b"1\x001\0" + b"2\0python\0main.py\0" + b"1\0A=b\0"
)


def damage(data: bytes, chance: random.Random) -> bytes:
    """Return a copy with a few bytes changed, lost, repeated or cut off."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        if not changed:
            break
        place = chance.randrange(len(changed))
        kind = chance.randrange(6)
        if kind == 0:
            changed[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[place] = chance.choice([0, 1, 127, 255, *b"0123456789:/="])
        elif kind == 2:
            del changed[place : place + chance.randrange(1, 30)]
        elif kind == 3:
            changed[place:place] = changed[place : place + chance.randrange(1, 30)]
        elif kind == 4:
            changed[place:place] = chance.randbytes(chance.randrange(1, 20))
        else:
            del changed[place:]
    return bytes(changed)


@given(st.binary(max_size=400))
@example(REQUEST)
@example(REQUEST * 3)
@example(b"99999999\0" * 20)
@example(b"\0")
def test_bytes_are_a_request_or_garbled(data):
    """A request is understood whole, or refused."""
    try:
        assert isinstance(parse_request(data), Request)
    except Garbled:
        pass


@given(st.integers(0, 2**32))
@settings(max_examples=300)
def test_damaged_request_is_a_request_or_garbled(seed):
    """As the above, from requests that are nearly right: whatever is accepted has the form that the keeper relies on."""
    try:
        request = parse_request(damage(REQUEST, random.Random(seed)))
    except Garbled:
        return
    assert len(request.name) == 16
    assert "/" not in request.name
    assert "/" not in request.base_name
    assert request.kind in ("file", "command", "module")
    assert 0 < request.entry_at <= len(request.argv)


@given(st.binary(max_size=300))
@example(b"[" + b"\xff\xff\xff\x7f")
@example(b"(\xff\xff\xff\xff")
@example(b"[\1\0\0\0" * 5000)
@example(b"s\xff\xff\xff\x7fabc")
def test_bytes_are_a_message_or_garbled(data):
    """A message is a value of plain types, or refused."""
    try:
        parse_message(data)
    except Garbled:
        pass


GOOD = {
    "record": b"entrepot record 1\n{}\n",
    "plan": b'{"version": 1, "avoid": {}, "origins": {}, "late": [], "unused": {}}',
    "info": b'{"seconds": 1.5, "modules": 7, "waiting": []}',
    "checks": b"entrepot checks 1 0.1.0\0kpython\1python\1file\1main.py\1\0ia.1.image\0fa.1.files\0",
    "last": b"warm",
}
DEEP = 100_000  # lists in lists


@pytest.mark.parametrize("kind", GOOD)
@given(seed=st.integers(0, 2**32), data=st.one_of(st.none(), st.binary(max_size=200)))
@settings(max_examples=150, deadline=None)
def test_bytes_in_a_file_of_the_store_are_a_value_or_none(tmp_path_factory, kind, seed, data):
    """Readers of the store's files never raise."""
    folder = tmp_path_factory.mktemp("store")
    if data is None:
        data = damage(GOOD[kind], random.Random(seed))
    read(kind, folder, data)


@pytest.mark.parametrize("kind", GOOD)
def test_deep_nesting_in_a_file_of_the_store_is_no_error(tmp_path, kind):
    """A file that would exhaust a recursive reader is a file that says nothing."""
    head = b"entrepot record 1\n" if kind == "record" else b""
    read(kind, tmp_path, head + b"[" * DEEP + b"\n")


def read(kind: str, folder: Path, data: bytes) -> None:
    """Have a file of a store read by whoever reads such files."""
    path = folder / f"a.{kind}"
    path.write_bytes(data)
    if kind == "record":
        assert isinstance(read_record(str(path)), Record | None)
    elif kind == "plan":
        assert isinstance(read_knowledge(str(path)), Knowledge)
    elif kind == "info":
        read_info(str(path))
    elif kind == "last":
        assert read_last(str(path))[0] in ("warm", "base", "cold", "unknown")
        find_programs(str(folder))
    else:
        read_image(str(folder), "a")
        find_images(str(folder))
        list(find_entries(str(folder)))


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A program whose image is there; nobody makes another one."""
    place = Place(tmp_path_factory.mktemp("ready"))
    place.warm_up()
    place.stop()
    wait_until(lambda: not place.find_processes())
    shutil.rmtree(place.store / "requests")
    (place.store / "requests").write_text("")  # so that nothing can be asked for
    return place


@has_native
@pytest.mark.slow
@pytest.mark.parametrize("ending", ["checks", "files"])
def test_client_survives_damaged_checks(ready, ending):
    """The native client says warm or cold, whatever the files say that it compares."""
    (path,) = ready.store.glob(f"*.{ending}")
    good = path.read_bytes()
    command = [str(CLIENT), "run", "--python", sys.executable, "--prepare", "main.py", "a"]
    try:
        for seed in range(400):
            path.write_bytes(damage(good, random.Random(seed)))
            done = subprocess.run(
                command, cwd=ready.path, env=ready.get_env(), capture_output=True, timeout=60
            )
            assert done.returncode in (0, 3), (seed, done)
            assert done.stdout.startswith((b"warm\n", b"cold: ")), (seed, done)
            assert done.stdout.count(b"\n") == 1
    finally:
        path.write_bytes(good)
    assert ready.run()[2] == "entrepot: warm\n"


@has_native
@pytest.mark.slow
def test_damaged_table_of_an_image_means_a_cold_run(ready):
    """An image whose table has one wrong bit is not taken over."""
    # The program's own, and that of its first modules where one was made.
    good = {}
    for path in ready.store.glob("*.image"):
        with open(path, "rb") as file:
            good[path] = file.read(8192)
    chance = random.Random(5)
    places = [*range(0, 800, 40), *(chance.randrange(1024, 8192) for _ in range(40))]
    for place in places:
        bit = 1 << chance.randrange(8)
        put_bytes({path: (place, data[place] ^ bit) for path, data in good.items()})
        assert as_python(ready.run()), place
        put_bytes({path: (place, data[place]) for path, data in good.items()})
    assert ready.run()[2] == "entrepot: warm\n"


def put_bytes(places):
    """Overwrite one byte of each file."""
    for path, (place, byte) in places.items():
        with open(path, "r+b") as file:
            file.seek(place)
            file.write(bytes([byte]))


def test_garbage_is_never_unpickled():
    """No file of warm reads pickles; what is unmarshalled comes through a pair of sockets from a process of ours."""
    import entrepot.warm

    texts = {
        path.name: path.read_text()
        for path in Path(entrepot.warm.__file__).parent.rglob("*.py")
        if "pickle" in path.read_text() or "marshal.loads" in path.read_text()
    }
    assert all("import pickle" not in text and "pickle.load" not in text for text in texts.values())
    assert {name for name, text in texts.items() if "marshal.loads" in text} == {"wire.py", "resident.py"}
    assert json.loads(json.dumps(sorted(texts)))
