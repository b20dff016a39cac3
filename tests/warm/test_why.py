"""The store can be asked: warm or cold, what was reused, what was not and why, what changed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from entrepot.warm import eligible
from entrepot.warm.fingerprint import Record, Surroundings
from entrepot.warm.knowledge import Knowledge, has_news, learn, read_knowledge, remember_plan, write_knowledge
from entrepot.warm.lookup import find_base, find_programs, parse_key
from entrepot.warm.observation import Module, Observation
from entrepot.warm.obstacles import resident
from entrepot.warm.record_file import read_record, write_record
from entrepot.warm.recording import make_record
from entrepot.warm.verdict import Again, Never, Plan, Ready, judge
from entrepot.warm.why import Answer, find_answer

HERE = Surroundings(env={"HOME": "/home/me"}, cwd="/work", argv=("main.py",))


def make(tmp_path: Path, **more: object) -> Record:
    source = tmp_path / "a.py"
    source.write_text("x = 1")
    record = make_record(Observation(order=["a", "b"], env={"HOME"}, readers={"$HOME": "a"}), HERE)
    assert isinstance(record, Record)
    return record


def test_a_warm_program_is_said_to_be_warm(tmp_path: Path) -> None:
    """The last decision, the number of modules, and that the next run would be warm too."""
    write_record(str(tmp_path / "k.record"), make(tmp_path))
    (tmp_path / "k.last").write_text("warm")

    answer = find_answer("main.py", str(tmp_path), "k", HERE)

    assert (answer.state, answer.reused, answer.next_state, answer.changed) == ("warm", 2, "warm", "")


def test_the_changed_input_is_named_with_its_reader(tmp_path: Path) -> None:
    """A variable with another value is named, with both values and the module that read it."""
    write_record(str(tmp_path / "k.record"), make(tmp_path))

    answer = find_answer("main.py", str(tmp_path), "k", Surroundings(env={"HOME": "/root"}, cwd="/work"))

    assert answer.changed == "environment variable HOME was '/home/me', is '/root', read by a"


def test_what_is_left_to_the_run_is_named_with_its_reason(tmp_path: Path) -> None:
    """Root causes first; the modules that only import them are counted."""
    write_record(str(tmp_path / "k.record"), make(tmp_path))
    reasons = {"noisy": "prints 'hello'", "user": "imports noisy, which is left to the run"}
    write_knowledge(str(tmp_path / "k.plan"), Knowledge(avoid=reasons))

    text = find_answer("main.py", str(tmp_path), "k", HERE).to_text()

    assert "noisy prints 'hello'" in text
    assert "and 1 that import one of these" in text


def test_a_program_never_run_is_said_to_be_unknown(tmp_path: Path) -> None:
    """Nothing in the store: the answer says so, and that the next run is cold."""
    answer = find_answer("main.py", str(tmp_path), "k", HERE)
    assert (answer.state, answer.next_state) == ("unknown", "cold")
    assert json.loads(answer.to_json())["schema"] == "entrepot-why-1"


def test_the_reason_of_a_cold_run_is_kept(tmp_path: Path) -> None:
    """What the client wrote is what is said."""
    (tmp_path / "k.last").write_text("cold: there is no image yet")
    answer = find_answer("main.py", str(tmp_path), "k", HERE)
    assert (answer.state, answer.reason) == ("cold", "there is no image yet")


def test_a_record_survives_being_written(tmp_path: Path) -> None:
    """Reading gives back the value that was written."""
    record = make(tmp_path)
    write_record(str(tmp_path / "k"), record)
    assert read_record(str(tmp_path / "k")) == record


def test_a_damaged_record_is_no_record(tmp_path: Path) -> None:
    """Cut short anywhere, or of another version, it is not used."""
    path = tmp_path / "k"
    write_record(str(path), make(tmp_path))
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        assert read_record(str(path)) is None
    path.write_bytes(whole.replace(b"record ", b"record 9", 1))
    assert read_record(str(path)) is None


def test_late_imports_are_learned_in_order_and_forgotten_in_the_end() -> None:
    """The newest order leads; what no run imports any more goes after some runs."""
    known = learn(Knowledge(), ["json", "old"])
    for _ in range(7):
        known = learn(known, ["csv", "json"])
        assert known.late == ("csv", "json", "old")
    assert learn(known, ["csv"]).late == ("csv", "json")


def test_a_mended_module_is_tried_again(tmp_path: Path) -> None:
    """The reason for leaving a module to the run ends with a change of its file."""
    noisy = tmp_path / "noisy.py"
    noisy.write_text("print(1)")
    plan = Plan(avoid={"noisy": "prints '1'"})
    known = remember_plan(Knowledge(), plan, {"noisy": str(noisy)})
    write_knowledge(str(tmp_path / "k"), known)
    assert read_knowledge(str(tmp_path / "k")).make_plan().avoid == {"noisy": "prints '1'"}

    noisy.unlink()

    assert read_knowledge(str(tmp_path / "k")).make_plan().avoid == {}


def test_a_module_takes_its_importers_with_it() -> None:
    """What imports a module that is left to the run would initialise it, so it is left too."""
    seen = Observation(
        modules={name: Module(name, "__main__", finished=True) for name in ("noisy", "user", "json")},
        reasons={"noisy": "prints 'x'"},
        edges={"user": {"noisy"}},
        disarmed=True,
    )
    verdict = judge(seen, Plan())
    assert isinstance(verdict, Again)
    assert set(verdict.plan.avoid) == {"noisy", "user"}
    assert verdict.plan.late == ("json",)


def test_the_interpreters_own_start_can_forbid_it() -> None:
    """A .pth file that acts would act once for many runs."""
    assert isinstance(judge(Observation(reasons={"<start>": "prints"}, disarmed=True), Plan()), Never)


def test_nothing_to_say_is_ready() -> None:
    """A preparation that came to its end and did nothing else may serve."""
    assert isinstance(judge(Observation(disarmed=True), Plan()), Ready)


KEYS = {
    ("python3", "file", "-O", "main.py", "/work"): ("file", ("-O",), "/work/main.py"),
    ("python3", "file", "-W", "ignore", "/work/main.py", ""): ("file", ("-W", "ignore"), "/work/main.py"),
    ("python3", "module", "-m", "shop.cart", "/work"): ("module", ("-m",), "shop.cart"),
    ("python3", "module", "-P", "-m", "entrepot.commands.watched", "main.py", "/work"): (
        "watch",
        (),
        "main.py",
    ),
    ("python3", "stdin", "-B", "", "/work"): ("stdin", ("-B",), ""),
    ("python3", "base", "-O"): ("base", ("-O",), ""),
}


@pytest.mark.parametrize(("parts", "expected"), KEYS.items(), ids=[" ".join(parts) for parts in KEYS])
def test_a_key_can_be_taken_apart(parts: tuple[str, ...], expected: tuple[str, tuple[str, ...], str]) -> None:
    """Options, entry point and directory come out as they went in."""
    entry = parse_key("0", "".join(part + "\1" for part in ("/usr/bin/python3", *parts)))
    assert entry is not None
    assert (entry.kind, entry.options, entry.path) == expected


def test_the_program_that_was_run_last_comes_first(tmp_path: Path) -> None:
    """By the time of its last run; then what was only made ready. Damaged files are nobody's."""
    for number, name in enumerate(("early", "late")):
        key = "\1".join(["/usr/bin/python3", "python3", "file", f"{name}.py", "/work", ""])
        (tmp_path / f"{name}.last").write_text(f"cold: there is no image yet\0{key}")
        os.utime(tmp_path / f"{name}.last", (number, number))
    for kind in ("file", "base", "part1"):
        key = "\1".join(
            ["/usr/bin/python3", "python3", kind, *(["ready.py", "/work"] if kind != "base" else []), ""]
        )
        (tmp_path / f"{kind}.checks").write_text(f"entrepot checks 1 0\0k{key}\0")
    (tmp_path / "broken.last").write_bytes(b"warm\0\xff\1")

    programs = find_programs(str(tmp_path))

    assert [program.path for program in programs] == ["/work/late.py", "/work/early.py", "/work/ready.py"]
    assert find_base(str(tmp_path), programs[0]) == "base"
    assert find_answer("late.py", str(tmp_path), "late", HERE).reason == "there is no image yet"


def test_resident_code_knows_the_same_families_of_variables() -> None:
    """The stash cannot import the table, so it has a copy; the two agree."""
    assert resident.FAMILIES == eligible.FAMILIES


def test_a_module_that_could_not_be_had_is_left_to_the_run() -> None:
    """A run that found its world changed says so, and the next image is made without the module."""
    known = learn(Knowledge(late=("numpy", "json")), ["!numpy", "json"])
    assert "numpy" in known.avoid
    assert known.make_plan().late == ("json",)


def test_what_a_run_could_not_have_is_news_until_it_is_left_to_the_run() -> None:
    """Although it is known to be imported late."""
    known = Knowledge(late=("numpy", "json"), folders=("/work",))

    assert not has_news(known, ["/work", "json"])
    assert has_news(known, ["yaml"])
    assert has_news(known, ["!numpy", "json"])
    assert not has_news(learn(known, ["!numpy", "json"]), ["!numpy", "json"])


def test_people_read_words_where_the_client_writes_letters() -> None:
    """An input is named by what it is, a number of one thing is singular; JSON keeps what was written."""
    answer = Answer("main.py", "base", "changed: e LANG=C", reused=1, inputs={"files": 1, "directories": 1})
    assert answer.to_text().splitlines() == [
        "main.py: base (only modules that any program may use were ready), changed: environment variable LANG=C",
        "  reused: 1 module",
        "  watched: 1 file, 1 directory",
    ]
    assert '"reason": "changed: e LANG=C"' in answer.to_json()
