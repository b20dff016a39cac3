"""The command studio: it opens a browser, ends with Ctrl-C, and says what is missing."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from entrepot.cli import main

pytestmark = pytest.mark.slow


def test_it_opens_a_browser_and_ends_as_other_tools_do(tmp_path: Path):
    """The page that the browser is sent to is the one that is printed; Ctrl-C is no error."""
    pytest.importorskip("nicegui")
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {shlex.quote(str(opened))}.new\nmv {opened}.new {opened}\n')
    browser.chmod(0o755)
    (tmp_path / "program").mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "PYTEST"))}
    env |= {"HOME": str(tmp_path), "BROWSER": f"{browser} %s", "ENTREPOT_DIR": str(tmp_path / "store")}
    process = subprocess.Popen(
        [sys.executable, "-m", "entrepot", "studio", "program"],
        cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().removeprefix("entrepot studio: ")
            process.send_signal(signal.SIGINT)
            rest, said = process.communicate(timeout=30)
        finally:
            process.kill()

    assert (process.returncode, rest, said) == (0, "", "")
    assert address.startswith("http://127.0.0.1:")
    assert opened.read_text() == address


def test_without_its_library_it_says_what_to_install(tmp_path: Path):
    """The rest of entrepot works without NiceGUI."""
    code = (
        "import sys; sys.modules['nicegui'] = None; from entrepot.cli import main; sys.exit(main(['studio']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert (
        "entrepot: the studio needs NiceGUI\n  to install it:  pip install 'entrepot[studio]'" in done.stderr
    )


def test_a_folder_that_is_not_there_can_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The message has the line to type, whatever is in the name."""
    assert main(["studio", str(tmp_path / "no such")]) == 2
    assert f"no such folder\n  to make one:  mkdir '{tmp_path}/no such'" in capsys.readouterr().err
