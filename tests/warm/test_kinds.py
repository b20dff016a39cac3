"""Every kind of program can be warm, and can be asked: scripts without an ending, folders, archives."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

from native import NEEDS_NATIVE
from stored import Stored

pytestmark = NEEDS_NATIVE

SHOW = "import sys, helper\nprint(sys.argv, sys.path[0], helper.x, __name__, __spec__ and __spec__.name)\n"


def test_a_console_script_is_warm_and_followed(tmp_path: Path) -> None:
    """A file without an ending, as pip makes them."""
    with Stored(tmp_path) as place:
        place.write(helper="x = 1")
        (tmp_path / "tool").write_text("#!/usr/bin/env python\n" + SHOW)
        place.prepare("tool", "a")
        warm = place.run("tool", "a")
        assert warm == ("warm", place.plain("tool", "a"))

        place.write(helper="x = 22")

        assert place.run("tool", "a")[1] == place.plain("tool", "a")


def test_a_folder_with_a_main_is_warm_and_followed(tmp_path: Path) -> None:
    """What is edited or added in the folder is seen."""
    with Stored(tmp_path) as place:
        place.write(app__helper="x = 1")
        (tmp_path / "app" / "__main__.py").write_text(SHOW)
        place.prepare("app", "a")
        assert place.run("app", "a") == ("warm", place.plain("app", "a"))
        for edit in ("x = 22", "import json\nx = 333"):
            (tmp_path / "app" / "helper.py").write_text(edit)
            assert place.run("app", "a")[1] == place.plain("app", "a")
        (tmp_path / "app" / "json.py").write_text("")
        assert place.run("app", "a")[1] == place.plain("app", "a")


def test_an_archive_is_warm_and_followed(tmp_path: Path) -> None:
    """A zip file that is written anew is another program."""

    def pack(value: int) -> None:
        with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
            archive.writestr("__main__.py", SHOW)
            archive.writestr("helper.py", f"x = {value}\n")

    with Stored(tmp_path) as place:
        pack(1)
        place.prepare("app.pyz", "a")
        assert place.run("app.pyz", "a") == ("warm", place.plain("app.pyz", "a"))

        pack(2)

        assert place.run("app.pyz", "a")[1] == place.plain("app.pyz", "a")


def test_bytecode_is_run_cold(tmp_path: Path) -> None:
    """A .pyc file as the program is Python's own affair."""
    with Stored(tmp_path) as place:
        place.write(main="print('compiled')")
        compiled = place.plain("-c", "import py_compile; print(py_compile.compile('main.py', 'main.pyc'))")
        assert compiled[0] == 0

        how, outcome = place.run("main.pyc")

    assert how.startswith("cold")
    assert outcome == (0, "compiled\n", "")


def test_run_why_tells_what_why_tells(tmp_path: Path) -> None:
    """After the run, on stderr: the modules reused and the seconds saved, or what changed; as JSON too."""
    with Stored(tmp_path, ENTREPOT_LOG="0") as place:
        place.write(main="import json, sys\nprint(json.dumps(sys.argv))\nsys.exit(3)", own="")
        place.prepare()
        status, out, err = place.run_raw("--why", "main.py", "a", "--why")
        assert (status, out) == (3, '["main.py", "a", "--why"]\n')
        assert err.startswith("entrepot: warm\n")
        assert "reused: " in err
        told = json.loads(place.run_raw("--why=json", "main.py")[2])
        assert (told["schema"], told["state"], told["reused"] > 5) == ("entrepot-why-1", "warm", True)
        place.write(main="import json\nprint(json.dumps(1))")
        edited = place.run_raw("--why", "main.py")
        assert edited[:2] == (0, "1\n")
        assert f"{tmp_path}/main.py" in edited[2]


def test_without_a_program_why_speaks_of_the_last_run(tmp_path: Path) -> None:
    """From wherever it is asked, also of a program that has no image yet, or runs with options."""

    def ask(place: Stored, folder: Path) -> dict[str, object]:
        command = [sys.executable, "-m", "entrepot", "why", "--format", "json"]
        done = subprocess.run(command, cwd=folder, env=place.env, capture_output=True, text=True, timeout=60)
        told = json.loads(done.stdout)
        assert isinstance(told, dict)
        return told

    with Stored(tmp_path) as place:
        place.write(main="import json\nprint(json.dumps(1))", other="print(2)")
        assert ask(place, tmp_path)["program"] == "the last run"
        place.prepare()
        place.run_raw("main.py")
        told = ask(place, Path("/"))
        assert (told["program"], told["state"]) == (str(tmp_path / "main.py"), "warm")
        place.run_raw("-W", "ignore", str(tmp_path / "other.py"))
        told = ask(place, tmp_path)
        assert (told["program"], told["reason"]) == (str(tmp_path / "other.py"), "there is no image yet")
