"""Files that are damaged, odd, in the way or vanishing: an installed System does what CPython does.

The programs are on the page bad_input.md beside this file. ENTREPOT_FUZZ=20000 tries that many damaged
bytecode files instead of some.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from subprocess import PIPE

import pytest

from both_ways import INSTALLED, PLAIN, make_environment, run
from markdown_blocks import parse_blocks

pytestmark = pytest.mark.slow
FUZZ = Path(__file__).parents[1] / "support" / "fuzz_bytecode.py"
FUZZ_COUNT = os.environ.get("ENTREPOT_FUZZ", "1000")

BEGIN, *PROGRAMS = parse_blocks(Path(__file__).with_name("bad_input.md").read_text(encoding="utf-8"))


@pytest.fixture
def folders():
    """Two empty folders of the same length of name, which everybody may enter."""
    root = Path(tempfile.mkdtemp(prefix="entrepot-bad-"))
    root.chmod(0o755)
    for name in ("a", "b"):
        (root / name).mkdir()
    yield root / "a", root / "b"
    shutil.rmtree(root, ignore_errors=True)


@pytest.mark.parametrize("program", PROGRAMS, ids=[program.heading for program in PROGRAMS])
def test_trouble_ends_as_in_cpython(program, folders):
    """What CPython passes over is passed over, what it raises is raised, and nothing ends the interpreter."""
    outcomes = []
    for way, folder in zip((PLAIN, INSTALLED), folders, strict=True):
        (folder / "main.py").write_text(BEGIN.text + program.text, encoding="utf-8")
        python, *rest = way
        outcome = run([python, "-W", "ignore", *rest, "main.py"], cwd=folder)
        outcomes.append((outcome.status, outcome.text.replace(str(folder), "FOLDER").splitlines()))
    assert outcomes[1] == outcomes[0]
    assert outcomes[0][0] == 0, outcomes[0][1]


@pytest.mark.timeout(180 if FUZZ_COUNT == "1000" else 0)
def test_damaged_bytecode_is_read_as_cpython_reads_it(tmp_path):
    """Thousands of damages: the source is used, or the same exception raised; never a crash of our own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", FUZZ, FUZZ_COUNT, "7", tmp_path], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)

    assert report["differences"] == []
    assert report["tried"] == int(FUZZ_COUNT)
    assert {"module", "code", "ImportError:", "EOFError:", "ValueError:"} <= set(report["found"])


def test_bytecode_written_by_several_processes_at_once_is_whole(draw):
    """Whoever wins, the file is complete, every process gets the module, and nothing is left beside it."""
    lines = "".join(f"def f{i}(a, b={i}):\n    return a + b + {i}\n" for i in range(2000))
    folder = draw({"large.py": lines + "VALUE = f1999(1)\n", "main.py": "import large\nprint(large.VALUE)\n"})
    env = make_environment()
    for _ in range(3):
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
        running = [
            subprocess.Popen([*INSTALLED, "main.py"], cwd=folder, env=env, stdout=PIPE, stderr=PIPE)
            for _ in range(4)
        ]
        for process in running:
            assert process.communicate(timeout=50) == (b"3999\n", b"")
            assert process.returncode == 0
        (kept,) = (folder / "__pycache__").iterdir()
        check = "import sys, marshal; exec(marshal.loads(open(sys.argv[1], 'rb').read()[16:])); print(VALUE)"
        assert run([*PLAIN, "-c", check, str(kept)], cwd=folder).text == "3999\n"


def test_full_disk_leaves_whole_bytecode_or_none(need, tmp_path):
    """Where the disk is full while bytecode is written, the import works and no damaged file stays."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=128k", "none", disk], capture_output=True, check=False
    )
    need(made and made.returncode == 0, "the right to mount a small tmpfs")
    try:
        lines = [f"x{i} = {i}, 'text {i}'\n" for i in range(1500)]
        (disk / "large.py").write_text("".join(lines) + "VALUE = 1\n")
        (disk / "main.py").write_text("import large\nprint(large.VALUE)\n")
        with open(disk / "filler", "wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError:
                pass
            # Room for the folder and a part of the bytecode.
            filler.truncate(filler.tell() - 8192)
        for _ in range(2):
            assert run([*INSTALLED, "main.py"], cwd=disk).text == "1\n"
        assert list((disk / "__pycache__").glob("*")) == []
        (disk / "filler").unlink()
        assert run([*INSTALLED, "main.py"], cwd=disk).text == "1\n"
        assert [path.suffix for path in (disk / "__pycache__").iterdir()] == [".pyc"]
        assert run([*PLAIN, "main.py"], cwd=disk).text == "1\n"
    finally:
        subprocess.run(["umount", disk], check=True)
