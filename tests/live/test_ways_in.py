"""The ways in: the command, the notebook, and what only a process of its own can show."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import entrepot
from entrepot import live
from entrepot.live.inotify import Watch


@pytest.mark.slow
def test_atexit_functions_are_neither_doubled_nor_left(draw: Callable[..., Path]):
    """At the end of the program what the present sources registered runs, once."""
    root = draw({"a.py": "import atexit\ndef bye(): print('bye')\natexit.register(bye)\nx = 1\n"})
    driver = textwrap.dedent("""
        import sys
        from entrepot import live
        sys.path.insert(0, sys.argv[1])
        live.start(paths=[sys.argv[1]])
        import a
        for x, tail in ((2, ""), (3, "boom"), (4, "")):
            with open(a.__file__, "w") as file:
                file.write(f"import atexit\\ndef bye(): print('bye', {x})\\natexit.register(bye)\\nx = {x}\\n{tail}\\n")
            live.refresh()
    """)

    done = subprocess.run(
        [sys.executable, "-B", "-c", driver, str(root)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout == "bye 4\n"


@pytest.mark.slow
def test_watch_applies_a_save_to_the_running_program(draw: Callable[..., Path]):
    """A loop started by the command goes on with new code."""
    root = draw(
        {
            "lib.py": "def word(): return 'old'\n",
            "main.py": """
            import time, lib
            print(lib.word(), flush=True)
            end = time.monotonic() + 20
            while lib.word() == 'old' and time.monotonic() < end:
                time.sleep(0.02)
            print(lib.word(), flush=True)
        """,
        }
    )
    process = subprocess.Popen(
        [sys.executable, "-B", "-m", "entrepot", "watch", str(root / "main.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(0.3)
    (root / "lib.py").write_text("def word(): return 'new'\n")
    out, err = process.communicate(timeout=30)

    assert (first, out, process.returncode) == ("old\n", "new\n", 0)
    assert "lib" in err


@pytest.mark.slow
def test_watch_reports_to_a_file_for_programs(draw: Callable[..., Path]):
    """Each save is a line of JSON there, and the terminal is the program's own."""
    root = draw(
        {
            "lib.py": "def word(): return 'old'\n",
            "main.py": """
            import time, lib
            print(lib.word(), flush=True)
            end = time.monotonic() + 20
            while lib.word() == 'old' and time.monotonic() < end:
                time.sleep(0.02)
        """,
        }
    )
    reports = root.parent / "reports"
    process = subprocess.Popen(
        [sys.executable, "-B", "-m", "entrepot", "watch", "--reports", str(reports), str(root / "main.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.3)
    (root / "lib.py").write_text("def word(): return 'new'\n")
    _, err = process.communicate(timeout=30)

    (report,) = [json.loads(line) for line in reports.read_text().splitlines()]
    assert report["ok"]
    assert report["patched"] == ["lib.word"]
    assert err == ""


@pytest.mark.slow
def test_watch_runs_a_package_as_python_does(draw: Callable[..., Path]):
    """`-m` gives `__main__` its package and spec, so that relative imports work, and the same argv and path."""
    root = draw(
        {
            "pack/__init__.py": "",
            "pack/part.py": "word = 'part'\n",
            "pack/__main__.py": """
            import sys
            from .part import word
            print(word, __package__, __spec__.name, sys.argv[1:], sys.argv[0] == __file__, sys.path[0])
        """,
        }
    )

    plain, ours = (
        subprocess.run(
            [sys.executable, "-B", *command, "-m", "pack", "x"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        for command in ((), ("-m", "entrepot", "watch"))
    )

    assert (ours.stdout, ours.stderr) == (plain.stdout, plain.stderr)
    assert ours.stdout.startswith("part pack pack.__main__ ['x'] True")


@pytest.mark.slow
def test_a_refused_save_restarts_the_program_where_asked(draw: Callable[..., Path]):
    """With `--on-refusal restart` the program begins again, on the files as they are: it fails as it would."""
    root = draw(
        {
            "lib.py": "word = 'old'\n",
            "main.py": """
            import time, lib
            print(lib.word, flush=True)
            end = time.monotonic() + 20
            while lib.word == 'old' and time.monotonic() < end:
                time.sleep(0.02)
        """,
        }
    )
    process = subprocess.Popen(
        [
            sys.executable,
            "-B",
            "-m",
            "entrepot",
            "watch",
            "--on-refusal",
            "restart",
            str(root / "main.py"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    time.sleep(0.3)
    (root / "lib.py").write_text("1 +\n")
    _, err = process.communicate(timeout=30)

    assert first == "old\n"
    assert "SyntaxError" in err
    assert process.returncode == 1


def test_a_notebook_has_edits_before_each_cell(draw: Callable[..., Path], capsys, monkeypatch):
    """Also in names that it took from a module."""
    root = draw({"cells_mod.py": "K = [1]\ndef f(): return 1\n"})
    monkeypatch.chdir(root)
    monkeypatch.syspath_prepend(str(root))
    events: list[Callable[..., None]] = []
    shell = SimpleNamespace(
        user_ns={},
        events=SimpleNamespace(
            register=lambda _, f: events.append(f), unregister=lambda _, f: events.remove(f)
        ),
        register_magic_function=lambda *_: None,
    )
    entrepot.load_ipython_extension(shell)
    try:
        exec("from cells_mod import f, K", shell.user_ns)
        (root / "cells_mod.py").write_text("K = [2]\ndef f(): return 2\n")
        events[0]()

        assert (shell.user_ns["f"](), shell.user_ns["K"]) == (2, [2])
        assert "cells_mod" in capsys.readouterr().out
    finally:
        entrepot.unload_ipython_extension(shell)
        sys.modules.pop("cells_mod", None)
    assert not events


def test_asking_before_the_start_says_what_to_do():
    """An error with the line to write."""
    with pytest.raises(Exception, match=r"live\.start"):
        live.refresh()


class Watched:
    """A program under `entrepot watch`, on a terminal of its own if asked."""

    def __init__(self, root: Path, *options: str, terminal: int | None = None) -> None:
        command = [sys.executable, "-B", "-m", "entrepot", "watch", *options, str(root / "main.py")]
        self.process = subprocess.Popen(
            command,
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if terminal is None else terminal,
            text=True,
            start_new_session=terminal is not None,
        )

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


LOOP = """
import sys, time, lib
def main():
    seen, end = "", time.monotonic() + 20
    while time.monotonic() < end and not lib.is_over():
        if lib.word() != seen:
            seen = lib.word()
            print(seen, flush=True)
        time.sleep(0.01)
main()
"""
LIB = "def word(): return 'one'\ndef is_over(): return False\n"


@pytest.mark.slow
def test_a_refused_save_is_told_and_the_program_goes_on(draw: Callable[..., Path]):
    """By default: the old program runs, stderr says why, and the next good save takes effect."""
    root = draw({"lib.py": LIB, "main.py": LOOP})
    with Watched(root) as watched:
        assert watched.read_line() == "one\n"
        (root / "lib.py").write_text("def word(: return 'two'\n")
        assert watched.process.stderr is not None
        told = [watched.process.stderr.readline() for _ in range(2)]
        (root / "lib.py").write_text(LIB.replace("one", "three"))
        assert watched.read_line() == "three\n"
        (root / "lib.py").write_text(LIB.replace("False", "True"))
        assert watched.process.wait(20) == 0
    assert "nothing was changed" in told[0]
    assert "lib.py:1: SyntaxError" in told[1]


@pytest.mark.slow
def test_half_a_save_is_not_taken(draw: Callable[..., Path]):
    """A file is emptied before it is written, and the disk may be slow: only what was closed counts."""
    root = draw({"lib.py": LIB, "main.py": LOOP})
    with Watched(root) as watched:
        assert watched.read_line() == "one\n"
        for word in ("two", "three"):
            with open(root / "lib.py", "w", encoding="utf-8") as file:
                time.sleep(0.15)
                file.write(LIB.replace("one", word)[:20])
                file.flush()
                time.sleep(0.15)
                file.write(LIB.replace("one", word)[20:])
            assert watched.read_line() == f"{word}\n"
        (root / "lib.py").write_text(LIB.replace("False", "True"))
        assert watched.process.wait(20) == 0


def test_a_closed_watch_reads_nobody_elses_descriptor(tmp_path: Path):
    """When polling takes over, what has the watch's number next is left alone, and no source counts as being written."""
    watch = Watch()
    watch.add([str(tmp_path)])
    with open(tmp_path / "lib.py", "w") as file:
        file.write("x = 1")
        file.flush()
        assert b"lib.py" in watch.take()
        assert watch.writing
        watch.close()
    ends = os.pipe()  # takes the numbers that have become free
    try:
        os.write(ends[1], b"theirs")
        assert watch.take() == set()
        assert not watch.writing
        assert os.read(ends[0], 10) == b"theirs"
    finally:
        for end in ends:
            os.close(end)


@pytest.mark.slow
def test_saves_in_any_rhythm_are_taken_whole(draw: Callable[..., Path]):
    """Whenever a file is emptied, half written and closed, no half of it is run, and the last save counts."""
    root = draw({"lib.py": LIB, "main.py": LOOP.replace("+ 20", "+ 50")})
    chance = random.Random(3)
    pauses = [0, 0.001, 0.01, 0.02, 0.03, 0.1]
    with Watched(root) as watched:
        assert watched.read_line() == "one\n"
        for number in range(60):
            text = LIB.replace("one", str(number))
            with open(root / "lib.py", "w", encoding="utf-8") as file:
                time.sleep(chance.choice(pauses))
                file.write(text[:20])
                file.flush()
                time.sleep(chance.choice(pauses))
                file.write(text[20:])
            if number % 2 or number == 58:
                while (line := watched.read_line()) != f"{number}\n":
                    assert line, "the program ended"
            else:
                time.sleep(chance.uniform(0, 0.05))
        (root / "lib.py").write_text(LIB.replace("False", "True"))
        assert watched.process.wait(20) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "after"), [("y", "fresh"), ("n", "kept")])
def test_on_a_terminal_it_asks_whether_to_restart(draw: Callable[..., Path], answer: str, after: str):
    """With `--on-refusal ask`: yes starts the program again, no goes on with the old one."""
    root = draw({
        "lib.py": LIB,
        "lib_slots.py": "class S:\n    __slots__ = ('a',)\nheld = S()\n",
        "main.py": "import lib_slots\nlabel = 'kept'\n" + LOOP.replace("import sys", "import os, sys"),
    })  # fmt: skip
    outer, inner = os.openpty()
    try:
        with Watched(root, "--on-refusal", "ask", terminal=inner) as watched:
            assert watched.read_line() == "one\n"
            # Cannot be done in place: the layout of a class with a living instance changes.
            (root / "lib_slots.py").write_text("class S:\n    __slots__ = ('a', 'b')\nheld = S()\n")
            asked = b""
            while b"[y/N]" not in asked:
                asked += os.read(outer, 1000)
            os.write(outer, f"{answer}\n".encode())
            if after == "fresh":
                assert watched.read_line() == "one\n"
            (root / "lib.py").write_text(LIB.replace("one", "two"))
            # Kept: the refused file is still refused, so nothing of the next save is applied either.
            expected = "two\n" if after == "fresh" else ""
            if expected:
                assert watched.read_line() == expected
            else:
                asked = b""
                while b"[y/N]" not in asked:
                    asked += os.read(outer, 1000)
                os.write(outer, b"n\n")
                (root / "lib_slots.py").write_text("class S:\n    __slots__ = ('a',)\nheld = S()\n")
                assert watched.read_line() == "two\n"
                (root / "lib.py").write_text(LIB.replace("False", "True"))
                assert watched.process.wait(20) == 0
    finally:
        os.close(outer)
        os.close(inner)


@pytest.mark.slow
def test_an_exception_of_the_program_is_shown_as_python_shows_it(draw: Callable[..., Path]):
    """The same traceback, to the letter, and the same exit status."""
    root = draw({"lib.py": "def f():\n    raise ValueError('no')\n", "main.py": "import lib\nlib.f()\n"})
    plain, ours = (
        subprocess.run(
            [sys.executable, "-B", *command, str(root / "main.py")],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        for command in ((), ("-m", "entrepot", "watch"))
    )

    assert (ours.stderr, ours.returncode) == (plain.stderr, plain.returncode)


def test_without_inotify_the_files_are_looked_at(draw: Callable[..., Path], monkeypatch):
    """On a system that cannot tell, or when its watches are used up."""
    from entrepot.live import background

    def fail(*_: object) -> None:
        raise OSError(28, "no space left on device")

    monkeypatch.setattr(background.Watch, "add", fail)
    assert follow_one_save(draw, monkeypatch, background.refresh_on_change) == 2


class Steps:
    """In the place of the event that ends the thread: whoever waits for it lets the next thing happen."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.left = list(steps)

    def wait(self, _: float) -> bool:
        if self.left:
            self.left.pop(0)()
        return False


def test_half_a_save_is_waited_for_by_looking(draw: Callable[..., Path], monkeypatch):
    """Without inotify: a file that is empty, or still grows, is not taken."""
    from entrepot.live import background

    root = draw({"poll_mod.py": "def f(): return 1\n"})
    file = root / "poll_mod.py"
    monkeypatch.syspath_prepend(str(root))
    live.start(paths=[str(root)])
    try:
        import poll_mod

        tracker = live.session.get_session().tracker
        file.write_text("")
        steps = Steps(
            lambda: None,
            lambda: None,
            lambda: file.write_text("def f("),
            lambda: file.write_text("def f(): return"),
            lambda: file.write_text("def f(): return 22\n"),
        )
        seen = background._wait_until_still(tracker, steps, 0)  # type: ignore[arg-type]

        assert not steps.left
        assert seen[str(file)][1] == len("def f(): return 22\n")
        assert live.refresh().ok
        assert poll_mod.f() == 22
    finally:
        live.stop()
        sys.modules.pop("poll_mod", None)


def test_by_looking_a_refused_save_is_told_once(draw: Callable[..., Path], monkeypatch):
    """Until something else is saved."""
    from entrepot.live import background

    root = draw({"refused_mod.py": "def f(): return 1\n"})
    monkeypatch.syspath_prepend(str(root))
    live.start(paths=[str(root)])
    reports: list[bool] = []
    try:
        import refused_mod

        live.subscribe(lambda report: reports.append(report.ok))
        end = background.refresh_on_change(interval_s=0.005)
        (root / "refused_mod.py").write_text("def f(: return 2\n")
        limit = time.monotonic() + 10
        while not reports and time.monotonic() < limit:
            time.sleep(0.005)
        time.sleep(0.06)
        told = len(reports)
        (root / "refused_mod.py").write_text("def f(): return 3\n")
        while refused_mod.f() == 1 and time.monotonic() < limit:
            time.sleep(0.005)
        end()

        assert (told, reports, refused_mod.f()) == (1, [False, True], 3)
    finally:
        live.stop()
        sys.modules.pop("refused_mod", None)


def test_a_link_is_nothing_that_somebody_writes(tmp_path: Path):
    """Emacs locks a file that it edits by a link beside it; an update does not wait for that to be closed."""
    from entrepot.live.inotify import Watch

    watch = Watch()
    try:
        watch.add([str(tmp_path)])
        (tmp_path / ".#a.py").symlink_to("me@here.1:2")
        assert watch.wait(10)
        assert not watch.writing
        with open(tmp_path / "a.py", "w", encoding="utf-8"):
            assert watch.wait(10)
            assert {name for _, name in watch.writing} == {b"a.py"}
        assert watch.wait(10)
        assert not watch.writing
    finally:
        watch.close()


def test_a_save_is_told_by_the_system(draw: Callable[..., Path], monkeypatch):
    """Without looking at files in between."""
    from entrepot.live import background

    monkeypatch.setattr(background, "INTERVAL_S", 30)
    assert follow_one_save(draw, monkeypatch, background.refresh_on_change) == 2


def test_the_program_chooses_the_moment(draw: Callable[..., Path], monkeypatch):
    """With a safe point the thread only hands over what is to be called."""
    from entrepot.live import background

    waiting: list[Callable[[], object]] = []

    def start() -> Callable[[], None]:
        return background.refresh_on_change(safe_point=waiting.append)

    def step() -> None:
        while waiting:
            waiting.pop(0)()

    assert follow_one_save(draw, monkeypatch, start, step) == 2


def follow_one_save(
    draw: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[[], Callable[[], None]],
    step: Callable[[], None] = lambda: None,
) -> int:
    """Save once, by renaming, under a thread that applies; returns what the program then says."""
    root = draw({"background_mod.py": "def f(): return 1\n"})
    monkeypatch.syspath_prepend(str(root))
    live.start(paths=[str(root)])
    try:
        import background_mod

        end = start()
        (root / "new.tmp").write_text("def f(): return 2\n")
        os.replace(root / "new.tmp", root / "background_mod.py")
        limit = time.monotonic() + 10
        while background_mod.f() == 1 and time.monotonic() < limit:
            step()
            time.sleep(0.005)
        end()
        return int(background_mod.f())
    finally:
        live.stop()
        sys.modules.pop("background_mod", None)


@pytest.mark.slow
def test_a_main_loop_at_top_level_goes_on_with_new_functions(draw: Callable[..., Path]):
    """It is not run a second time, and what stands after it runs when it is its turn."""
    root = draw({
        "lib.py": LIB,
        "main.py": """
            import time, lib
            seen = ""
            while not lib.is_over():
                now = lib.word()
                if now != seen:
                    seen = now
                    print(now, flush=True)
                time.sleep(0.01)
            print("end", seen, flush=True)
        """,
    })  # fmt: skip
    with Watched(root) as watched:
        assert watched.read_line() == "one\n"
        (root / "lib.py").write_text(LIB.replace("one", "two"))
        assert watched.read_line() == "two\n"
        (root / "lib.py").write_text(LIB.replace("one", "two").replace("False", "True"))
        assert watched.read_line() == "end two\n"
        assert watched.process.wait(20) == 0
