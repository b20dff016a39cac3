"""Which files of a folder are modules, which are not, and what is said of those that cannot be read."""

from __future__ import annotations

import os
import sys

import pytest

from entrepot.program import model, source, tree
from entrepot.program.model import Program


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("ENTREPOT_CACHE", str(tmp_path_factory.mktemp("cache")))


def list_problems(program: Program) -> list[tuple[str, str]]:
    """Return what could not be read, with the path inside of the folder."""
    return [(os.path.relpath(problem.path, program.folder), problem.message) for problem in program.problems]


def test_what_is_in_a_tree_is_what_can_be_imported_from_it(draw):
    """Modules without source are there; environments, other Pythons' libraries and data are not."""
    root = draw(
        {
            "pack/__init__.py": "",
            "pack/left.pyc": b"",
            "pack/left.txt": "",
            "pack/fast.abi3.so": b"",
            "libother.1.so": b"",
            "data/table.csv": "",
            "env/pyvenv.cfg": "",
            "env/deep/inside.py": "",
            "env/script.py": "",
            "node_modules/x.py": "",
            "__init__.py": "",
        }
    )
    program = Program.read(root / "pack")
    assert {name: program.modules[name].kind for name in program.names} == {
        f"{root.name}.pack": "source", f"{root.name}.pack.left": "bytecode", f"{root.name}.pack.fast": "extension",
    }  # fmt: skip

    (root / "__init__.py").unlink()
    assert set(Program.read(root).names) == {"pack", "pack.left", "pack.fast"}


def test_a_folder_that_is_reached_twice_is_read_once(draw, tmp_path):
    """Through links, and a link back up leads nowhere."""
    root = draw({"a.py": "", "real/one.py": ""}, "tree")
    outside = draw({"two.py": ""}, "outside")
    os.symlink(outside, root / "first")
    os.symlink(outside, root / "second")
    os.symlink(root / "real", root / "again")
    os.symlink(tmp_path, root / "up")

    names = Program.read(root).names
    assert len([name for name in names if name.endswith("two")]) == 1
    assert len([name for name in names if name.endswith("one")]) == 1


def test_what_cannot_be_read_is_told_and_the_rest_is_read(draw, monkeypatch):
    """A folder that cannot be listed, folders without end, a file too large, one that vanishes meanwhile."""
    root = draw({"ok.py": "import gone\n", "shut/a.py": "", "huge.py": "", "gone.py": "", "1/2/3/4/5.py": ""})
    os.truncate(root / "huge.py", source.LARGEST_BYTES + 1)
    monkeypatch.setattr(tree, "DEEPEST", 3)
    real = os.scandir

    def scandir(folder):
        if str(folder).endswith("shut"):
            raise PermissionError(13, "Permission denied", folder)
        return real(folder)

    monkeypatch.setattr(tree.os, "scandir", scandir)
    program = Program.read(root, is_kept=False)

    assert list_problems(program) == [
        ("1/2/3/4", "folders nested deeper than 3 are not read"),
        ("huge.py", f"is larger than {source.LARGEST_BYTES} bytes"),
        ("shut", "folder cannot be read: Permission denied"),
    ]
    assert [(arrow.importer, arrow.imported) for arrow in program.list_arrows()] == [("ok", "gone")]
    assert program.modules["huge"].imports() == []


def test_an_entry_that_cannot_be_read_is_told(tmp_path):
    """A pipe is not waited for; a script that is a broken archive, and what it reaches, is looked at as text."""
    os.mkfifo(tmp_path / "pipe.py")
    assert [message for _, message in list_problems(Program.read(tmp_path / "pipe.py"))] == [
        "is not a regular file"
    ]

    (tmp_path / "main").write_text("import one\nif False:\n    import two\nfrom ...beyond import x\n")
    (tmp_path / "one.py").write_bytes(b"\xff")
    (tmp_path / "two.py").write_text("")
    program = Program.read(tmp_path / "main")
    assert program.names == ["__main__", "one"]
    assert [path for path, _ in list_problems(program)] == ["one.py"]


def test_trees_are_kept_for_a_few_modules_only(draw):
    """Whoever goes through all of them does not keep all of them."""
    root = draw({f"m{number}.py": f"x = {number}\ndef f(): pass\n" for number in range(model.MOST_TREES + 3)})
    program = Program.read(root)

    for name in program.names:
        assert program.modules[name].tree() is program.modules[name].tree()
    assert list(program.trees) == program.names[-model.MOST_TREES :]
    assert [b.name for b in program.modules["m0"].definitions()] == ["x", "f"]


def test_the_target_is_the_interpreter_that_runs_it(draw):
    """Where nothing says another."""
    assert Program.read(draw({"a.py": ""})).target.version == sys.version_info[:2]
