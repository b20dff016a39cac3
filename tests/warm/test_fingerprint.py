"""What counts as a change of the inputs of initialised modules, one input at a time."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from entrepot.warm.files import FileInput, make_digest, pack_files, read_seen
from entrepot.warm.fingerprint import Change, Record, Surroundings, digest_env
from entrepot.warm.observation import START

ENV = {"HOME": "/home/ada", "SHOP": "harbour", "LC_ALL": "C.UTF-8", "UNREAD": "1"}
RUN = Surroundings(
    env=ENV,
    cwd="/home/ada",
    argv=("main.py",),
    limits={7: (1024, 4096)},
    affinity=(0, 1),
    host="quay",
    day="2026-11-21",
    rights="1000 1000 0000000000000000 1 x86_64 4",
)
RECORD = Record(
    files=(),
    env={"SHOP": "harbour", "DEBUG": None},
    env_names="",
    cwd="/home/ada",
    argv=("main.py",),
    limits={7: (1024, 4096)},
    affinity=(0, 1),
    host="quay",
    day="2026-11-21",
    rights="1000 1000 0000000000000000 1 x86_64 4",
    env_set=(),
    modules=("shop",),
    reasons={},
    readers={"$SHOP": "shop.place", "cwd": "shop.files", "$*": "shop.all", "limits": "shop.big"},
    families={"LC_ALL": "C.UTF-8"},
)


def test_nothing_has_changed():
    """The same surroundings, and no files: the modules may be used."""
    assert RECORD.find_change(RUN) is None


@pytest.mark.parametrize(
    ("run", "kind", "said"),
    [
        (
            replace(RUN, env={**ENV, "SHOP": "market"}),
            "environment",
            "environment variable SHOP was 'harbour', is 'market', read by shop.place",
        ),
        (
            replace(RUN, env={name: value for name, value in ENV.items() if name != "SHOP"}),
            "environment",
            "environment variable SHOP was 'harbour', is not set, read by shop.place",
        ),
        (
            replace(RUN, env={**ENV, "DEBUG": ""}),
            "environment",
            "environment variable DEBUG was not set, is ''",
        ),
        (
            replace(RUN, env={**ENV, "LC_ALL": "C"}),
            "environment",
            "environment variable LC_ALL was 'C.UTF-8', is 'C'",
        ),
        (
            replace(RUN, env={**ENV, "OMP_NUM_THREADS": "1"}),
            "environment",
            "environment variable OMP_NUM_THREADS was not set, is '1'",
        ),
        (replace(RUN, cwd="/tmp"), "cwd", "cwd was /home/ada, is /tmp, read by shop.files"),
        (replace(RUN, argv=("main.py", "-v")), "argv", "argv was ('main.py',), is ('main.py', '-v')"),
        (replace(RUN, host="pier"), "host", "host was quay, is pier"),
        (replace(RUN, day="2026-11-22"), "day", "day was 2026-11-21, is 2026-11-22"),
        (
            replace(RUN, rights="1000 1000 0000000000000000 1 i686 4"),
            "rights",
            "rights was 1000 1000 0000000000000000 1 x86_64 4, is 1000 1000 0000000000000000 1 i686 4",
        ),
        (
            replace(RUN, limits={7: (10, 4096)}),
            "limits",
            "limit 7 was (1024, 4096), is (10, 4096), read by shop.big",
        ),
        (replace(RUN, limits={}), "limits", "limit 7 was (1024, 4096), is (), read by shop.big"),
        (
            replace(RUN, affinity=(0,)),
            "affinity",
            "the set of processors was (0, 1), is (0,)",
        ),
    ],
)
def test_one_input_has_changed(run: Surroundings, kind: str, said: str):
    """It is named, with what it was and is, and who read it."""
    change = RECORD.find_change(run)

    assert change is not None
    assert (change.kind, str(change)) == (kind, said)


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, env={**ENV, "UNREAD": "2"}),
        replace(RUN, env={**ENV, "NEW": "2"}),
        replace(RUN, limits={7: (1024, 4096), 8: (1, 1)}),
        replace(RUN, affinity=()),
    ],
)
def test_what_nobody_read_does_not_count(run: Surroundings):
    """Other variables and limits, and processors where the system does not tell."""
    assert RECORD.find_change(run) is None


def test_inputs_that_no_module_asked_for_do_not_count():
    """cwd, argv, host and day are None then; processors empty."""
    free = replace(RECORD, cwd=None, argv=None, host=None, day=None, rights="", affinity=())
    elsewhere = replace(RUN, cwd="/", argv=(), host="x", day="y", affinity=(3,))

    assert free.find_change(elsewhere) is None


def test_a_module_that_looked_at_the_whole_environment():
    """Any variable counts then, added, changed or removed; their order does not."""
    record = replace(RECORD, env_names=digest_env(ENV))

    assert record.find_change(replace(RUN, env=dict(reversed(ENV.items())))) is None
    for env in ({**ENV, "UNREAD": "2"}, {**ENV, "NEW": ""}, {k: v for k, v in ENV.items() if k != "UNREAD"}):
        change = record.find_change(replace(RUN, env=env))
        assert change == Change(
            "environment", "(all of them)", "another", "read by a module that looks at all", "shop.all"
        )


def test_an_input_whose_reader_is_not_known():
    """It counts all the same, and nobody is named."""
    record = replace(RECORD, readers={}, env_names=digest_env(ENV))
    runs = (
        replace(RUN, env={**ENV, "SHOP": ""}),
        replace(RUN, env={**ENV, "UNREAD": "2"}),
        replace(RUN, cwd="/tmp"),
        replace(RUN, limits={}),
    )

    assert [change and change.reader for change in map(record.find_change, runs)] == ["", "", "", ""]
    least = Surroundings({}, "/")
    assert (least.host, least.day, least.rights) == ("", "", "")  # what is not told is no value


def test_the_digest_of_an_environment_tells_any_two_apart():
    """Names, values and where the one ends and the other begins; bytes that are no text too."""
    digests = [
        digest_env(env)
        for env in (
            {},
            {"A": ""},
            {"A": "1"},
            {"A": "1", "B": "2"},
            {"A": "1B=2"},
            {"A": "\udcff"},
            {"B": "1"},
        )
    ]

    assert len(set(digests)) == len(digests)
    assert digest_env({"A": "1", "B": "2"}) == digest_env({"B": "2", "A": "1"})
    assert len(digests[0]) == 32


def record_of(path: Path, how: str, *names: str) -> Record:
    item = FileInput(
        str(path), how, True, read_seen(str(path), True), make_digest(str(path), how, names), names
    )
    return replace(RECORD, files=(item,), readers={str(path): "shop.data"})


def test_a_file_that_was_read(tmp_path: Path):
    """The same bytes in a new file are no change, other bytes are; so is a file that is gone, or there now."""
    path = tmp_path / "prices.csv"
    path.write_text("1\n")
    record = record_of(path, "content")
    assert record.find_change(RUN) is None
    os.utime(path, (1, 1))
    assert record.find_change(RUN) is None
    path.write_text("2\n")
    change = record.find_change(RUN)
    assert change == Change("file", str(path), "another", "was changed", "shop.data")
    assert str(change) == f"{path} was changed, read by shop.data"
    path.unlink()
    assert str(record.find_change(RUN)) == f"{path} is gone, read by shop.data"
    absent = record_of(path, "kind")
    path.write_text("1\n")
    assert str(absent.find_change(RUN)) == f"{path} is there now, read by shop.data"


def test_a_folder_that_was_searched(tmp_path: Path):
    """Only the names that were searched for count; in one that was listed, all do."""
    searched, listed = record_of(tmp_path, "search", "shop"), record_of(tmp_path, "listing")
    (tmp_path / "other.py").write_text("")
    assert searched.find_change(RUN) is None
    change = listed.find_change(RUN)
    assert change is not None
    assert (change.kind, change.after) == ("directory", "has other entries")
    (tmp_path / "shop.py").write_text("")
    assert str(searched.find_change(RUN)) == f"{tmp_path} has other entries, read by shop.data"


def test_surroundings_are_compared_before_files(tmp_path: Path):
    """They are at hand; files have to be asked for."""
    record = replace(
        record_of(tmp_path, "listing"), files=(FileInput("/gone", "kind", True, read_seen("/", True)),)
    )

    assert str(record.find_change(replace(RUN, day="2026-11-22"))).startswith("day was")
    assert str(record.find_change(RUN)).startswith("/gone is gone")


def test_who_read_at_the_start_is_not_told():
    """That is the interpreter itself."""
    assert str(Change("cwd", "cwd", "/a", "/b", "")) == "cwd was /a, is /b"
    assert str(Change("file", "x", "another", "is gone", START)) == "x is gone"


def test_a_file_whose_reader_is_not_known(tmp_path: Path):
    """It counts, and nobody is named; what `check.c` compares is all files."""
    path = tmp_path / "data.txt"
    path.write_text("one")
    record = replace(record_of(path, "content"), readers={})
    packed = record.pack_files()
    path.write_text("another")

    assert packed == pack_files(record.files)
    assert str(path).encode() in packed
    assert record.find_file_change("/") == Change("file", str(path), "another", "was changed", "")
