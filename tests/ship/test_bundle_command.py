"""The command bundle: what it says of what it made, what it looks for, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.cli import main
from entrepot.ship.bytecode import find_interpreter

pytestmark = pytest.mark.slow
Bundle = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bundle(
    draw: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Bundle:
    """`bundle(files, "main.py", ...)` runs the command beside the files; returns status, output and errors."""

    def run(files: dict[str, str | bytes], *words: str) -> tuple[int, str, str]:
        monkeypatch.chdir(draw(files, "program"))
        capsys.readouterr()
        return main(["bundle", "-o", "app.pyz", *words]), *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pkg"], "pkg: there is no __main__.py in this folder"),
        (["-m", "nowhere"], "-m nowhere: no such module"),
        (["-m", "pkg"], "-m pkg: it has no __main__ that could be run"),
        (["-m", "json.tool"], "-m json.tool: it is of the standard library, which is there anyway"),
        (["main.py", "--path", "none"], "none: there is no such folder to look for modules in"),
        (["main.py", "--python", "./main.py"], "--python ./main.py: give a version from 3.11 on"),
        (["main.py", "--python", "./pkg"], "--python ./pkg: give a version from 3.11 on"),
        (["main.py", "--python", "/bin/true"], "--python /bin/true: give a version from 3.11 on"),
        (["main.py", "--python", "./text"], "--python ./text: give a version from 3.11 on"),
        (["main.py", "--python", "/bin/false"], "--python /bin/false: give a version from 3.11 on"),
        (["main.py", "--python", "3.9"], "--python 3.9: give a version from 3.11 on"),
    ],
)
def test_what_cannot_be_bundled_is_refused(
    bundle: Bundle, draw: Callable[..., Path], words: list[str], said: str
):
    """The word that was given, the reason, a way out; nothing is written."""
    os.chmod(draw({"program/text": "no program"}) / "program" / "text", 0o755)
    status, out, err = bundle({"main.py": "", "pkg/__init__.py": ""}, *words)

    assert status in (1, 2)
    assert out == ""
    assert f"entrepot: {said}" in err
    assert not os.path.exists("app.pyz")


def test_what_was_made_is_told_for_people(bundle: Bundle, environment: Path):
    """Size, hash, what is laid out, what must be there, what is missing, and from which line."""
    files = {
        "main.py": "import shop, rates, shop.nothing\nimport rates.nothing\nimport sys\nsys.path.append('none')\n",
        "shop/__init__.py": "here = __file__\n",
        "shop/data.txt": "data",
    }
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    status, out, err = bundle(files, "main.py", "--environment", str(environment), "--python", own, "3.99")

    assert (status, err) == (0, "")
    made = Path("app.pyz").read_bytes()
    assert out.splitlines() == [
        f"app.pyz: 3 files, {len(made) // 1000} kB, bytecode for cpython-{own.replace('.', '')}",
        f"  sha256 {hashlib.sha256(made).hexdigest()}",
        "  laid out as files at the first start: 3",
        "  needed where it runs and not included (--include all): rates==1.2",
        "  no Python 3.99 was found here: it will run from source there",
        "  main.py:1: shop.nothing: there is no such module",
    ]


def test_a_bundle_is_verified_for_people_and_programs(bundle: Bundle, capsys: pytest.CaptureFixture[str]):
    """What it runs, how many files it has, for which Pythons it has bytecode; the hash of each file."""
    assert bundle({"pkg/__init__.py": "", "pkg/__main__.py": ""}, "-m", "pkg", "--shebang", "")[0] == 0
    digest = hashlib.sha256(Path("app.pyz").read_bytes()).hexdigest()
    assert Path("app.pyz").read_bytes()[:2] == b"PK"  # it begins with no shebang

    assert main(["bundle", "--verify", "app.pyz", digest.upper()]) == 0
    tag = f"{sys.implementation.cache_tag}-"
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"app.pyz: whole; 2 files, runs -m pkg.__main__, bytecode for {tag}")
    assert told[1] == f"  sha256 {digest}"
    assert main(["bundle", "--verify", "app.pyz", "--format", "json"]) == 0
    empty = hashlib.sha256(b"").hexdigest()
    assert json.loads(capsys.readouterr().out) == {
        "file": "app.pyz", "sha256": digest,
        "files": {"app/pkg/__init__.py": empty, "app/pkg/__main__.py": empty},
    }  # fmt: skip
    assert main(["bundle", "-o", "app.pyz", str(Path("pkg/__main__.py"))]) == 0
    capsys.readouterr()
    assert main(["bundle", "--verify", "app.pyz"]) == 0
    assert "1 file" in (told := capsys.readouterr().out)
    assert "runs __main__.py" in told


def test_a_file_in_a_bundle_that_is_not_what_it_was_is_found(
    bundle: Bundle, capsys: pytest.CaptureFixture[str]
):
    """Where the hash of the whole was made anew, that of a file that must be real still tells; so does what is no table."""
    picture = os.urandom(3000)  # too small to be packed alone, and already packed
    files = {"main.py": "print(__file__)\n", "data/x.PNG": picture}
    assert bundle(files, "main.py", "--data", "data/x.PNG")[0] == 0
    whole = Path("app.pyz").read_bytes()
    at = whole.index(picture)
    for altered, said in (
        (
            whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 : -64],
            "app/data/x.PNG in it is not what it was",
        ),
        (whole[:-100] + b"g" + whole[-99:-64], "this bundle is of another version of entrepot"),
    ):
        Path("app.pyz").write_bytes(altered + hashlib.sha256(altered).hexdigest().encode())
        assert main(["bundle", "--verify", "app.pyz"]) == 1
        assert f"app.pyz: {said}\n  to make it anew:" in capsys.readouterr().err


def test_a_folder_of_data_is_carried_whole(bundle: Bundle, tmp_path: Path):
    """With what is below it, but for bytecode; a pipe, or a link that leads nowhere, is told."""
    files = {"main.py": "", "conf/a.toml": "", "conf/deep/b.toml": "", "conf/__pycache__/c.pyc": b""}
    (tmp_path / "program" / "conf").mkdir(parents=True)
    (tmp_path / "program" / "conf" / "gone").symlink_to("nowhere")
    os.mkfifo(tmp_path / "program" / "conf" / "pipe")

    told = json.loads(bundle(files, "main.py", "--data", "conf", "--format", "json")[1])
    assert told["files"] == ["app/conf/a.toml", "app/conf/deep/b.toml", "app/main.py"]
    assert [(item["what"], item["reason"]) for item in told["left_out"]] == [
        (f"conf/{name}", "it is no file that could be carried") for name in ("gone", "pipe")
    ]


@pytest.mark.parametrize("where", ["beside", "a folder", "an interpreter"])
def test_what_a_run_imported_is_carried(
    bundle: Bundle, environment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
):
    """Own modules and installed ones that only a run shows; what lies in no folder known here is told with its place."""
    files = {
        "main.py": """
            import sys
            sys.path.append(sys.argv[1])
            for name in ("late", "rates", "far", "json", "broken"):
                try:
                    __import__(name)
                except ImportError as error:
                    assert name == "broken", error
        """,
        "late.py": "",
        "broken.py": "import nowhere_at_all\n",
    }
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "far.py").write_text("")
    options = ["main.py", "--format", "json"]
    if where == "beside":
        shutil.copytree(environment, tmp_path / "program" / ".venv", symlinks=True)
    else:
        options += [
            "--environment",
            str(environment if where == "a folder" else environment / "bin" / "python"),
        ]
    status, out, err = bundle(files, *options, "--trace", str(tmp_path / "away"))

    assert (status, err) == (0, "entrepot bundle: the traced run ended with status 0\n")
    told = json.loads(out)
    assert told["modules"] == ["late"]
    assert told["needed"] == ["rates==1.2"]
    [far] = [item for item in told["left_out"] if item["what"] == "far"]
    assert str(tmp_path / "away" / "far.py") in far["reason"]
    assert "name that with --path" in far["reason"]

    record = [
        "trace",
        "--python",
        str(environment / "bin/python"),
        "--format",
        "json",
        "-o",
        "run.json",
        "main.py",
    ]
    assert main([*record, str(tmp_path / "away")]) == 0
    capsys.readouterr()
    again = json.loads(bundle(files, *options, "--record", "run.json")[1])
    assert {**again, "left_out": None, "sha256": None} == {**told, "left_out": None, "sha256": None}


def test_a_version_is_looked_for_where_pythons_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On PATH, then among pyenv's, the newest first; what is no interpreter or is called what it is not, is none."""
    version = "3.11" if sys.version_info[:2] != (3, 11) else "3.12"

    def write(folder: Path, text: str) -> Path:
        folder.mkdir(parents=True)
        path = folder / ("python" if "versions" in folder.parts else f"python{version}")
        path.write_text(text)
        path.chmod(0o755)
        return path

    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert find_interpreter(version) is None
    write(tmp_path / "bin", "no program")
    write(tmp_path / "versions" / f"{version}.12" / "bin", "#!/bin/sh\necho 3.10.1\n")
    assert find_interpreter(version) is None
    write(tmp_path / "versions" / f"{version}.2" / "bin", f"#!/bin/sh\necho {version}.2\n")
    newest = write(tmp_path / "versions" / f"{version}.10" / "bin", f"#!/bin/sh\necho {version}.10\n")
    assert find_interpreter(version) == str(newest)
    assert re.fullmatch(r"3\.\d+", version)
