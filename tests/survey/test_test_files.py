"""Which files are tests, as pytest's settings say; held against pytest's own collection."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from entrepot.survey.test_files import read_test_files

FILES = {
    "test_a.py": "", "b_test.py": "", "check_c.py": "", "tests.py": "", "app/tests.py": "", "app/test_d.py": "",
    "app/build/test_e.py": "", "app/old/test_f.py": "", "spec/check_g.py": "", "spec/test_h.py": "", "plain.py": "",
}  # fmt: skip
SETTINGS = {
    "none": {},
    "python_files": {"pyproject.toml": '[tool.pytest.ini_options]\npython_files = ["check_*.py", "tests.py"]\n'},
    "testpaths": {"pytest.ini": "[pytest]\ntestpaths = app spec\n"},
    "both, in tox.ini": {"tox.ini": "[pytest]\npython_files = check_* test_*\ntestpaths =\n    spec\n"},
    "setup.cfg": {"setup.cfg": "[tool:pytest]\npython_files = tests.py\n"},
    "pytest.ini comes first": {"pytest.ini": "[pytest]\n", "tox.ini": "[pytest]\npython_files = tests.py\n"},
    "pyproject of another tool": {"pyproject.toml": "[tool.other]\n", "tox.ini": "[pytest]\npython_files = tests.py\n"},
    "ignored": {"pytest.ini": "[pytest]\naddopts = -q --ignore=app/old --ignore spec --ignore-glob=*b_test.py\n"},
    "norecursedirs": {"pytest.ini": "[pytest]\nnorecursedirs = old\n"},
    "a path in the pattern": {"pytest.ini": "[pytest]\npython_files = app/*.py\n"},
    "testpaths that are not there": {"pytest.ini": "[pytest]\ntestpaths = nowhere\n"},
    "a pattern in testpaths": {"pytest.ini": "[pytest]\ntestpaths = sp*\n"},
}  # fmt: skip
_PLUGIN = """
def pytest_collection_finish(session):
    paths = sorted({str(item.path.relative_to(session.config.rootpath)) for item in session.items})
    print("<<<" + ";".join(paths) + ">>>")
"""


@pytest.mark.slow
@pytest.mark.parametrize("case", SETTINGS)
def test_what_pytest_collects_is_a_test(draw, tmp_path, case):
    """The same files as pytest itself, for settings of each kind and place."""
    root = draw({**dict.fromkeys(FILES, "def test_x(): ...\n"), **SETTINGS[case]})
    (tmp_path / "watch_plugin.py").write_text(_PLUGIN)
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "",
    }
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "watch_plugin", "-p", "no:cacheprovider"),
            *("--collect-only", "-q", "-s", "--import-mode=importlib"),
        ],
        cwd=root, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    theirs = done.stdout.partition("<<<")[2].partition(">>>")[0].split(";")

    files = read_test_files(str(root))
    here = os.path.realpath(root)
    ours = [name for name in sorted(FILES) if files.holds(os.path.join(here, name))]

    assert ours == theirs, done.stdout + done.stderr


def test_settings_that_cannot_be_read_are_nobodys(draw):
    """Broken files leave pytest's defaults."""
    root = draw({"pyproject.toml": "[tool.pytest", "tox.ini": "pytest]\n", "setup.cfg": b"\xff\xfe"})
    files = read_test_files(str(root))
    assert files.holds(os.path.join(files.root, "test_x.py"))
    assert not files.holds(os.path.join(files.root, "x.py"))


def test_settings_are_looked_for_upwards(draw):
    """A program in a folder of a project has the project's settings."""
    root = draw({"pytest.ini": "[pytest]\npython_files = check_*.py\n", "app/check_a.py": ""})
    files = read_test_files(str(root / "app"))
    assert files.holds(os.path.realpath(root / "app/check_a.py"))
