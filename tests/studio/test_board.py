"""The runs of pages that come, go and come back: none is lost, none runs on for nobody."""

import asyncio
import json
import os

import pytest
from fastapi import WebSocketDisconnect

from entrepot.studio import run_board
from entrepot.studio.run_board import RunBoard, TooManyRunsError
from entrepot.studio.server import CannotServeError, bind, serve_terminal
from entrepot.studio.studio import Studio

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def play(draw, tmp_path, monkeypatch):
    """Return a function that opens a studio on a folder and plays a scenario with its board."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("ENTREPOT_DIR", str(tmp_path / "warm"))
    monkeypatch.setenv("ENTREPOT_WARM", "0")
    monkeypatch.setattr(run_board, "GRACE_S", 0.05)
    root = draw({"main.py": "print('done')\n", "wait.py": "print('up', flush=True)\ninput()\n"}, "root")

    def run(scenario):
        async def main():
            studio = Studio(str(root))
            board = RunBoard(studio)
            try:
                return await asyncio.wait_for(scenario(board), 100)
            finally:
                await board.close()
                await studio.end()

        return asyncio.run(main())

    return run


async def until(look):
    """Wait until something is so."""
    while not look():
        await asyncio.sleep(0.01)


def read(shown):
    """Return what a run has written."""
    return shown.run.listen(lambda data: None)


def test_runs_follow_the_pages(play):
    """A page that comes back has its own, also where another has shown them meanwhile; the others are told."""

    async def scenario(board):
        board.arrive("first")
        shown = board.start("first", "run", "wait.py")
        await until(lambda: b"up" in read(shown))
        board.leave("first")
        await until(lambda: not shown.run.is_running)
        await until(lambda: not isinstance(shown.run, run_board.Run) and shown.run.elapsed_s)
        assert (shown.run.status, shown.run.ended_with) == (None, "its page")

        board.arrive("second")
        assert board.list_of("second") == [shown]
        told = []
        shown.on_change = told.append
        other = board.start("second", "run", "main.py")
        other.on_change = told.append
        await until(lambda: not other.run.is_running)
        told.clear()
        board.arrive("first")
        assert board.list_of("first") == [shown]
        assert told == [shown, other]
        assert read(shown).startswith(b"up")
        # A third page has nothing of theirs while they are there.
        board.arrive("third")
        assert board.list_of("third") == []

    play(scenario)


def test_a_page_that_comes_back_in_time_keeps_its_program(play, monkeypatch):
    """And one that two browser windows show ends when both have gone."""
    monkeypatch.setattr(run_board, "GRACE_S", 0.3)

    async def scenario(board):
        board.arrive("page")
        board.arrive("page")
        shown = board.start("page", "run", "wait.py")
        board.leave("page")
        board.leave("page")
        board.arrive("page")
        await asyncio.sleep(0.4)
        assert shown.run.is_running
        shown.run.write(b"\n")
        await until(lambda: not shown.run.is_running)
        assert shown.run.status == 0

    play(scenario)


def test_only_so_many_programs_run_and_only_so_many_are_kept(play, monkeypatch):
    """The next is refused; of those that have ended the earliest go, and nothing of them stays on disk."""
    monkeypatch.setattr(run_board, "MOST_OF_A_PAGE", 1)
    monkeypatch.setattr(run_board, "MOST_ENDED", 1)
    monkeypatch.setattr(run_board, "MOST_LEFT", 1)

    async def scenario(board):
        board.arrive("page")
        first = board.start("page", "run", "wait.py")
        with pytest.raises(TooManyRunsError, match="stop one of them first"):
            board.start("page", "run", "main.py")
        await board.drop(first)
        assert board.list_of("page") == []
        assert board.find(first.number) is None
        for _ in range(3):
            last = board.start("page", "run", "main.py")
            await until(lambda: not last.run.is_running)  # noqa: B023
        await until(lambda: len(board.runs) == 2)
        board.leave("page")
        # Nobody looks: one is kept.
        await until(lambda: len(board.runs) == 1)
        return last, board.studio.state.runs_folder

    last, folder = play(scenario)

    assert {name.partition(".")[0] for name in os.listdir(folder)} == {last.number}

    async def again(board):
        return list(board.runs), read(board.runs[last.number])

    assert play(again) == ([last.number], b"done\r\n")


def test_what_is_kept_of_runs_and_makes_no_sense_is_let_go(play):
    """Of another version, or damaged; those that can be read are there."""

    async def folder(board):
        return board.studio.state.runs_folder

    path = play(folder)
    good = {
        "kind": "run",
        "entry": "main.py",
        "arguments": ["a"],
        "began_s": 2.0,
        "status": 3,
        "reports": [{"a": 1}, 2],
    }
    texts = {
        "good": json.dumps(good),
        "other": json.dumps({**good, "kind": "fly"}),
        "words": json.dumps({**good, "arguments": "a"}),
        "early": json.dumps({**good, "began_s": "yesterday"}),
        "list": "[]",
        "cut": '{"kind": "run"',
    }
    for name, text in texts.items():
        with open(os.path.join(path, f"{name}.json"), "w") as file:
            file.write(text)

    async def scenario(board):
        (shown,) = board.runs.values()
        await shown.run.stop()
        await shown.run.close()
        shown.run.write(b"x")
        shown.run.resize(80, 24)
        return shown

    shown = play(scenario)
    assert (shown.number, shown.title, shown.run.status, shown.run.elapsed_s) == ("good", "main.py a", 3, 0.0)
    assert shown.reports == [{"a": 1}]
    assert "other.json" not in os.listdir(path)


def test_reports_of_a_live_run_are_read_as_they_come(play):
    """A line of JSON each; what is none is passed over."""

    async def scenario(board):
        board.arrive("page")
        shown = board.start("page", "live", "wait.py")
        told = []
        shown.on_change = told.append
        # To open it for writing alone would wait for its reader.
        with open(os.open(shown.order.report, os.O_RDWR | os.O_NONBLOCK), "wb", buffering=0) as file:
            file.write(b'{"kind": "x"}\nno json\n[1]\n{"kind": "y"}\n{"kind": ')
            await until(lambda: {"kind": "y"} in shown.reports)
            file.write(b'"z"}\n')
            await until(lambda: {"kind": "z"} in shown.reports)
        assert [report["kind"] for report in shown.reports if report.get("kind") in "xyz"] == ["x", "y", "z"]
        assert told
        await shown.run.stop(patience_s=0.5)

    play(scenario)


class Terminal:
    """A page's socket: what it sends, and what has come."""

    def __init__(self, *messages):
        self.got = b""
        self.closed = 0
        self._messages = asyncio.Queue()
        for message in messages:
            self.say(message)

    def say(self, message):
        """Send a message; None: the page has gone."""
        self._messages.put_nowait(message)

    async def accept(self):
        pass

    async def close(self, code):
        self.closed = code

    async def send_bytes(self, data):
        self.got += data
        await asyncio.sleep(0.01)

    async def receive_text(self):
        message = await self._messages.get()
        if message is None:
            raise WebSocketDisconnect
        return message


def test_a_terminal_shows_what_was_written_and_takes_what_is_typed(play):
    """From the beginning, as it comes; who comes later has taken the place of the first; guessed numbers lead nowhere."""

    async def scenario(board):
        nobody = Terminal()
        await serve_terminal(nobody, board, "guessed")
        assert nobody.closed == 4404
        board.arrive("page")
        board.studio.workspace.write(
            "main.py",
            "import os\nfor n in range(50): os.write(1, b'line\\n')\nname = input()\n"
            "print(os.get_terminal_size().columns, name)\n",
            expected=board.studio.workspace.find_digest("main.py"),
        )
        shown = board.start("page", "run", "main.py")
        first = Terminal('{"size": [91, 30]}', '{"shown": 7}', '{"shown": "x"}', "[1]", "{")
        serving = asyncio.create_task(serve_terminal(first, board, shown.number))
        await until(lambda: first.got.count(b"line") == 50)
        second = Terminal('{"input": "Ada\\n"}')
        also = asyncio.create_task(serve_terminal(second, board, shown.number))
        await until(lambda: b"91 Ada" in second.got)
        assert second.got.count(b"line") == 50
        for terminal in (first, second):
            terminal.say(None)
        await asyncio.gather(serving, also)
        return b"91 Ada" in first.got

    assert not play(scenario)


def test_a_program_that_cannot_be_started_is_an_error(play):
    """The run that was to be is none, and nothing is left open."""

    async def scenario(board):
        board.studio.workspace.root += "/gone"
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError, match="No such file"):
            board.start("page", "run", "main.py")
        assert board.runs == {}
        assert len(os.listdir("/proc/self/fd")) == before

    play(scenario)


def test_the_port_is_the_one_asked_for_or_the_last_or_any():
    """One that was asked for and is taken is an error that says so; the last one that is taken is not."""
    with bind(None, 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotServeError, match=rf"port {port}: Address already in use\n  to take any"):
            bind(port, 0)
        with bind(None, port) as other:
            assert other.getsockname()[1] != port
    with bind(None, port) as again:
        assert again.getsockname() == ("127.0.0.1", port)
    with pytest.raises(CannotServeError, match="a port is a number from 1 to 65535"):
        bind(70_000, 0)
