"""Every parser of bytes that we own takes any bytes: it answers, or raises what it says that it raises.

Each is given samples of what it reads, changed at random: bytes replaced, cut, doubled, and, where they are JSON or TOML,
values replaced by others. `ENTREPOT_FUZZ_EXAMPLES=20000 pytest --run-slow tests/test_any_bytes.py` tries harder. What
CPython and entrepot both read (sources, bytecode, archives) is compared in tests/core; the store of warm runs is in
tests/warm/test_garbage.py; sources that parse are compared with their trees in tests/program/test_scan.py.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import tomllib
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.cli import main
from entrepot.errors import EntrepotError
from entrepot.program import store
from entrepot.program.conditions import Target
from entrepot.program.kept import read_kept
from entrepot.program.outline import read_outline
from entrepot.program.pieces import CutError, cut_text
from entrepot.program.scan import scan_bytes
from entrepot.program.source import parse_source
from entrepot.program.tokens import split_tokens
from entrepot.refactor import journal
from entrepot.ship import kept as ship_kept
from entrepot.ship.bundle import verify_bundle
from entrepot.ship.manifest import Manifest, pack_blobs, unpack_blobs, unpack_change
from entrepot.studio import text as studio_text
from entrepot.studio.past_runs import RunFolder
from entrepot.studio.security import Gate
from entrepot.studio.state import State
from entrepot.survey.contract_files import read_contracts, read_tach
from entrepot.survey.policy import read_baseline, read_policy
from entrepot.survey.settings import read_settings
from entrepot.survey.test_files import read_test_files
from entrepot.trace.journal.resident import unpack
from entrepot.trace.labels import Labeller
from entrepot.trace.log import read_log
from entrepot.trace.reading import read_record as read_events
from entrepot.trace.records import Record, read_record

EXAMPLES = int(os.environ.get("ENTREPOT_FUZZ_EXAMPLES", "150"))
SOURCE = b'''\
# -*- coding: utf-8 -*-
from __future__ import annotations
import os, shop.cart as cart; from . import (a,  # one
    b as c)
if TYPE_CHECKING:
    from x import *
try: import \\
    y
except ImportError: y = None
TEXT = f"{cart!r:>{os}} {'x'}" + """import no
""" + rb'\\x00'
def f(a: "list[int]" = lambda: (yield)) -> "b.c": import z; return importlib.import_module("w")
class K(b.C, metaclass=M): type X[T] = int
match y:
    case [1, *rest] if rest: pass
'''
TOML = b"""\
[tool.entrepot]
root_package = "shop"
include_external_packages = false
[tool.entrepot.check]
select = ["EP1", "EP8"]
ignore = ["EP201"]
exclude = ["old/*"]
[[tool.entrepot.check.suppress]]
codes = ["EP301"]
path = "a.py"
reason = "why"
[[tool.entrepot.contracts]]
name = "order"
type = "layers"
layers = ["a | b", "(c)"]
containers = ["shop"]
exhaustive = true
ignore_imports = ["shop.* -> shop.c"]
[[tool.entrepot.contracts]]
name = "apart"
type = "independence"
modules = ["shop.*"]
exclude_type_checking_imports = true
[tool.importlinter]
root_packages = ["shop"]
contracts = [
    {name = "x", type = "forbidden", source_modules = ["shop.a"], forbidden_modules = ["shop.b"], as_packages = "false"},
    {type = "protected", protected_modules = ["shop.c"], allowed_importers = ["shop.b"]},
    {type = "acyclic_siblings", ancestors = ["shop"]},
]
[tool.tach]
source_roots = ["."]
exclude = ["tests"]
exact = true
modules = [{path = "shop.a", depends_on = [{path = "shop.b"}], visibility = ["shop"], layer = "ui"}, {path = "x"}]
interfaces = [{expose = ["x.*"], from = ["shop.c"], data_types = "all"}]
layers = ["ui", "core"]
[tool.pytest.ini_options]
testpaths = ["tests"]
python_files = "test_*.py"
norecursedirs = [".*"]
addopts = "--ignore=tests/old"
"""
INI = b"""\
[importlinter]
root_package = shop
[importlinter:contract:one]
name = one
type = layers
layers =
    a
    b
[tool:pytest]
testpaths = tests
addopts = --ignore=old
"""
TARGET = Target()


def in_file(name: str, read: Callable[[str], object]) -> Callable[[bytes, Path], object]:
    """Return a parser of a file: `read` is given its folder where the name is fixed, else its path."""

    def parse(data: bytes, folder: Path) -> object:
        (folder / name).write_bytes(data)
        return read(str(folder / name))

    return parse


def in_folder(name: str, read: Callable[[str], object]) -> Callable[[bytes, Path], object]:
    """Return a parser of a file that has its name, in a folder that `read` is given."""
    return in_file(name, lambda path: read(os.path.dirname(path)))


def read_source(data: bytes, folder: Path) -> object:
    """A file that somebody imports."""
    for is_strict in (False, True):
        scan_bytes(data, "a.py", TARGET, is_strict=is_strict)
    with contextlib.suppress(CutError):
        list(cut_text(data))
    return read_outline(data, TARGET)


def judge_project(data: bytes, folder: Path) -> object:
    """A project whose settings those are, as `entrepot check` judges it."""
    (folder / "pyproject.toml").write_bytes(data)
    (folder / "shop").mkdir(exist_ok=True)
    for name, text in {
        "__init__": "",
        "a": "from shop import b",
        "b": "import shop.c, d",
        "c": "from .a import x",
    }.items():
        (folder / "shop" / f"{name}.py").write_text(text)
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
        status = main(["check", "--all", "--no-cache", str(folder)])
    assert status in (0, 1, 2)
    assert status == 2 or out.getvalue()
    return read_test_files(str(folder)).holds(str(folder / "tests" / "test_a.py"))


def read_tokens(data: bytes, folder: Path) -> object:
    """A source as text: however broken, nothing of it is lost."""
    text = parse_source(data, "a.py").text
    return list(split_tokens(text))


def read_store(data: bytes, folder: Path) -> object:
    """What is kept of a tree: random bytes are told by their hash, values that have another shape by `read_kept`."""
    with changed_environment(ENTREPOT_CACHE=str(folder)):
        for part in ("graph", "scans", "edits"):
            (folder / f"key.{part}").write_bytes(data)
            store.read("key", part)
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return None
        store.write("key", "graph", value)
        store.write("key", "edits", value)
        return read_kept("key")


def read_studio_state(data: bytes, folder: Path) -> object:
    """What the studio remembers: session, unsaved texts, runs."""
    with changed_environment(XDG_STATE_HOME=str(folder)):
        state = State(str(folder))
        try:
            for name in ("session.json", "drafts/a.json"):
                (Path(state.folder) / name).write_bytes(data)
            runs = RunFolder(state.runs_folder)
            (Path(state.runs_folder) / "1.json").write_bytes(data)
            return state._read_session(), state.read_drafts(), runs.read_all()
        finally:
            state.close()


def read_edits(data: bytes, folder: Path) -> object:
    """The records of edits, as `undo` and the command after one that was killed read them."""
    with changed_environment(XDG_STATE_HOME=str(folder / "state")):
        project = folder / "project"
        project.mkdir(exist_ok=True)
        with journal.locked(str(project)) as records:
            for number, state in enumerate(("done", "undone", "swapping")):
                record = Path(records, f"0000{number}.{state}")
                record.mkdir(exist_ok=True)
                (record / "edit.json").write_bytes(data)
                (record / "contents").write_bytes(b"x" * 40)
        try:
            return journal.find_last(str(project))
        finally:
            journal.undo_last(str(project))


def read_lines_with_labels(data: bytes, folder: Path) -> object:
    """Marked output: without marks, what goes in comes out."""
    labeller = Labeller("T0KEN")
    out = labeller.feed(data[:7]) + labeller.feed(data[7:]) + labeller.close()
    if b"\0" not in data:
        lines = [line.split(b"] ", 1)[-1] for line in out.splitlines()]
        assert (
            b"".join(lines).replace(b"\r", b"") == b"".join(data.splitlines()).replace(b"\r", b"")
            or b"] " in data
        )
    return out


def read_pack(data: bytes, folder: Path) -> object:
    """What travels to other machines, and what is kept of it there."""
    with changed_environment(ENTREPOT_KEPT=str(folder), XDG_CACHE_HOME=str(folder)):
        (folder / "0.pack").write_bytes(data)
        ship_kept.find([f"{number:064x}" for number in range(20)])
        return unpack_blobs(data)


def read_editor_text(data: bytes, folder: Path) -> object:
    """A file in the studio's editor goes back as it was."""
    text, form = studio_text.decode(data, is_python=True)
    written = studio_text.encode(text, form)
    # Line ends that are mixed become the most frequent one.
    assert written.replace(b"\r\n", b"\n").replace(b"\r", b"\n") == data.replace(b"\r\n", b"\n").replace(
        b"\r", b"\n"
    )
    assert studio_text.decode(written, is_python=True) == (text, form)
    return text


def judge_request(data: bytes, folder: Path) -> object:
    """What a browser, or somebody else, sends to the studio: without the token nothing is let in."""
    query, *lines = data.split(b"\n")
    headers = [line.partition(b": ")[::2] for line in lines]
    gate = Gate(None, port=8000, token="t0ken", secret="s3cret")  # type: ignore[arg-type]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": query, "headers": headers}
    verdict = gate.judge(scope)
    is_known = (
        b"t0ken" in urllib.parse.unquote_to_bytes(query) if verdict.status == 303 else b"s3cret" in data
    )
    assert verdict.status not in (0, 303) or is_known
    return verdict


@contextlib.contextmanager
def changed_environment(**variables: str) -> Iterator[None]:
    """Have other environment variables for a while."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


REQUEST = b"""token=t%30ken&x=1
host: 127.0.0.1:8000
origin: http://127.0.0.1:8000
content-length: 12
sec-fetch-site: same-origin
cookie: a=b; entrepot-8000=s3cret; c="d"
"""
GRAPH = json.dumps({
    "stamp": "x", "names": ["a"], "files": {"a": ["a.py", 1, 2, 3]}, "doubts": {}, "arrows": [[[0, 1, 2]]],
    "problems": {}, "unfollowed": {}, "consulted": ["a"], "scans": {"a": []},
}).encode()  # fmt: skip
EDIT = json.dumps({
    "root": "/p", "title": "t", "made": ["/p/new"], "moves": [["/p/a", "/p/b"]],
    "files": [["/p/a.py", 3, "0" * 64, None, None], ["/p/b.py", None, None, 5, "0" * 64]],
}).encode()  # fmt: skip
STATE = json.dumps({
    "name": "a.py", "base": "x", "text": "y", "began_s": 1.5, "tabs": ["a.py"], "views": {"a": {}}, "expanded": ["p"],
    "secret": "s", "arguments": "", "command": ["a"], "status": 0, "elapsed_s": 1.0,
}).encode()  # fmt: skip
RECORD = Record(command=("main.py",), python="3.11", status=0, wall_s=0.1).to_json().encode()
BLOBS = {"a" * 64 + ".x": b"code"}
CHANGE = Manifest({"a.py": "0" * 64}, ("",)).pack_change(None)
LABELS = b"plain\n\0T0KEN main:3\0text\n\0T0KEN\0\0T0KEN>main:4\0child\r\nend"
LOG = (64).to_bytes(8, "little") + b"".join(
    len(text).to_bytes(4, "little") + kind + text
    for kind, text in ((b"e", b"HOME\0x"), (b"o", b"/a/b\0" + bytes(64)), (b"t", b"12"))
)
# What it is -> a sample, who reads it, and what may be raised beside errors of entrepot's own for people.
PARSERS: dict[str, tuple[bytes, Callable[[bytes, Path], object], tuple[type[Exception], ...]]] = {
    "a source": (SOURCE, read_source, (SyntaxError, UnicodeDecodeError)),
    "a source's tokens": (SOURCE, read_tokens, ()),
    "a file in the editor": (SOURCE, read_editor_text, (ValueError,)),
    "pyproject.toml: settings": (TOML, in_folder("pyproject.toml", read_settings), ()),
    "pyproject.toml: policy": (TOML, in_folder("pyproject.toml", read_policy), ()),
    "pyproject.toml: contracts": (TOML, in_folder("pyproject.toml", read_contracts), ()),
    "pyproject.toml: tach": (TOML, in_folder("pyproject.toml", read_tach), ()),
    "pyproject.toml: tests": (TOML, in_folder("pyproject.toml", read_test_files), ()),
    "pyproject.toml: a whole check": (TOML, judge_project, ()),
    "tach.toml": (TOML.split(b"[tool.tach]\n")[1], in_folder("tach.toml", read_tach), ()),
    ".importlinter": (INI, in_folder(".importlinter", read_contracts), ()),
    "setup.cfg": (
        INI,
        in_folder("setup.cfg", lambda folder: (read_contracts(folder), read_test_files(folder))),
        (),
    ),
    "a baseline": (b'{"version": 1, "findings": {"EP1 a.py x": 2}}', in_file("b.json", read_baseline), ()),
    "a trace's record": (RECORD, in_file("r.json", read_record), ()),
    "a trace's events": (
        b"\xe7\x00" + bytes(40),
        lambda data, _: (list(unpack(data)), read_events(data, (), 0, 0.0)),
        (),
    ),
    "the log of what a process asks for": (LOG, lambda data, _: list(read_log(data)), (ValueError,)),
    "marked output": (LABELS, read_lines_with_labels, ()),
    "what is kept of a tree": (GRAPH, read_store, ()),
    "the records of edits": (EDIT, read_edits, ()),
    "the studio's state": (STATE, read_studio_state, ()),
    "a request to the studio": (REQUEST, judge_request, ()),
    "packed modules": (pack_blobs(BLOBS), read_pack, (ValueError,)),
    "a packed change of state": (CHANGE, lambda data, _: unpack_change(data, None), (ValueError,)),
    "a bundle": (b"#!/usr/bin/env python3\nPK" + bytes(200), in_file("b.pyz", verify_bundle), ()),
}
ODD_VALUES: list[object] = [
    None,
    True,
    -1,
    0,
    2**70,
    1.5,
    "",
    "x",
    "\0",
    "üü",
    "/etc/passwd",
    "..",
    [],
    [[]],
    {},
]
ODD_VALUES += [{"a": 1}, [1, "a", None]]
ODD_PIECES = [
    b"",
    b"\0",
    b"\xff",
    b"\n",
    b"\r",
    b'"',
    b"'",
    b"(",
    b"]",
    b"{",
    b"\\",
    b"=",
    b"[x]",
    b"%(a)s",
    b"1",
    b"-1",
]
ODD_PIECES += [b"true", b"[[1]]", b"\xef\xbb\xbf", b"import ", b"\x0c", b"[" * 3000, b'{"a":' * 3000]


def change(sample: bytes, chance: random.Random) -> bytes:
    """Return a sample with random damage."""
    if chance.random() < 0.5:
        for load, dump in ((json.loads, json.dumps), (load_toml, dump_toml)):
            with contextlib.suppress(ValueError):
                return dump(change_value(load(sample), chance)).encode()
    data = bytearray(sample)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        at = chance.randrange(len(data) + 1)
        upto = min(len(data), at + chance.choice([0, 1, 1, 4, 30]))
        pieces = [*ODD_PIECES, chance.randbytes(chance.randrange(5)), bytes(data[at:upto]) * 2]
        data[at:upto] = chance.choice(pieces)
    return bytes(data)


def load_toml(data: bytes) -> object:
    """Return a value of TOML, without what is not of a test's kind."""
    return tomllib.loads(data.decode())


def dump_toml(value: object) -> str:
    """Return a value as TOML: keys of the whole, each with a value on its line."""
    if not isinstance(value, dict):
        return "value = " + dump_inline(value)
    return "".join(f"{json.dumps(key)} = {dump_inline(item)}\n" for key, item in value.items())


def dump_inline(value: object) -> str:
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{json.dumps(key)} = {dump_inline(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(dump_inline, value)) + "]"
    return json.dumps("" if value is None else value)


def change_value(value: object, chance: random.Random) -> object:
    """Return a value of JSON in which something is of another kind, or is missing."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        rest = {name: item for name, item in value.items() if name != key}
        return rest if chance.random() < 0.2 else {**rest, key: change_value(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        return [*value[:at], change_value(value[at], chance), *value[at + 1 :]]
    return chance.choice(ODD_VALUES)


@pytest.mark.slow
@pytest.mark.timeout(0 if EXAMPLES > 150 else 120)
@pytest.mark.parametrize("what", PARSERS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(seed=st.integers(0, 2**32))
def test_any_bytes_are_read_or_refused(what: str, seed: int, tmp_path_factory: pytest.TempPathFactory):
    """A value, or an error that says for whom it is: no other exception, no hang, no half-read value."""
    sample, parse, allowed = PARSERS[what]
    chance = random.Random(seed)
    data = chance.randbytes(chance.randrange(60)) if chance.random() < 0.05 else change(sample, chance)
    folder = tmp_path_factory.mktemp("bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(EntrepotError, *allowed):
            parse(data, folder)


@pytest.mark.parametrize("what", PARSERS)
def test_the_samples_themselves_are_read(what: str, tmp_path: Path):
    """Or the damage would be seen before anything is read."""
    sample, parse, _ = PARSERS[what]
    if what not in ("a bundle", "the records of edits", "the log of what a process asks for"):
        parse(sample, tmp_path)
