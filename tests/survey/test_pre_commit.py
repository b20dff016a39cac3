"""The hook for pre-commit does what its documentation says, run by pre-commit itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOOKS = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
CONFIGURATION = """
repos:
- repo: {hooks}
  rev: main
  hooks: [{{id: entrepot-check, language: system}}]
"""


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.mark.slow
def test_the_hook_stops_a_commit_with_findings_and_lets_others_pass(tmp_path):
    """The hook file of this repository, in a repository of its own, with entrepot as it is installed here."""
    hooks, project = tmp_path / "hooks", tmp_path / "project"
    for folder in (hooks, project):
        folder.mkdir()
        git(folder, "init", ".")
    (hooks / HOOKS.name).write_bytes(HOOKS.read_bytes())
    (project / ".pre-commit-config.yaml").write_text(CONFIGURATION.format(hooks=hooks))
    (project / "a.py").write_text("import json\n")
    for folder in (hooks, project):
        git(folder, "add", "-A")
        git(folder, "commit", "-m", "start", "--no-verify")
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
        "PRE_COMMIT_HOME": str(tmp_path / "home"),
        "ENTREPOT_CACHE": str(tmp_path / "kept"),
    }

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pre_commit", "run", "--all-files"]
        return subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=False
        )

    found = run()
    assert found.returncode == 1, found.stdout + found.stderr
    assert "a.py:1:8: EP501" in found.stdout
    (project / "a.py").write_text("import json\n\nVALUE = json.loads('1')\n")
    git(project, "add", "-A")
    passed = run()
    assert passed.returncode == 0, passed.stdout + passed.stderr
