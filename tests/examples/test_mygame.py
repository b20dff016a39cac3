"""The ping-pong of examples/mygame: its rules without a terminal, and a match in a real one."""

from __future__ import annotations

import importlib.util
import sys
import termios
from pathlib import Path

import pytest

from both_ways import ENTREPOT, PLAIN
from terminal import Terminal

FOLDER = Path(__file__).parents[2] / "examples" / "mygame"


@pytest.fixture
def modules(monkeypatch):
    """The modules `game` and `draw`, imported for one test, without leaving bytecode behind."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("draw", "game"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
    return sys.modules["game"], sys.modules["draw"]


def test_ball_bounces_off_the_wall(modules):
    """The ball stays in the field and turns back up at the lower wall."""
    game = modules[0].Game()
    game.ball, game.speed = [30, game.height - 1], [1, 1]

    game.step()

    assert (game.ball, game.speed) == ([31, game.height - 2], [1, -1])


def test_paddle_sends_the_ball_back(modules):
    """A ball that meets a paddle turns round; the rim sends it off steeper than the middle."""
    game = modules[0].Game()
    game.paddles[1] = 5
    game.ball, game.speed = [game.width - 2, 8], [1, 0]

    game.step()

    assert game.speed == [-1, 2]
    assert game.score == [0, 0]


def test_missed_ball_is_a_point_for_the_other(modules):
    """The ball past the right paddle is a point for the left, who gets the next serve."""
    game = modules[0].Game()
    game.paddles[1] = 0
    game.ball, game.speed = [game.width - 2, 15], [1, 0]

    game.step()

    assert game.score == [1, 0]
    assert game.ball[0] == game.width // 2
    assert game.speed[0] == -1


def test_paddle_stops_at_the_walls(modules):
    """However long a key is held, the paddle stays in the field."""
    game = modules[0].Game()

    game.move_paddle(0, -100)
    game.move_paddle(1, 100)

    assert game.paddles == [0, game.height - game.paddle_height]


def test_ball_never_leaves_the_field(modules):
    """Whatever the paddles do, the ball is inside after every tick of a whole match."""
    logic, draw = modules
    game = logic.Game()
    while game.winner is None:
        game.move_paddle(game.ticks % 2, 3 if game.ticks % 7 < 3 else -2)
        game.step()
        assert 0 <= game.ball[0] < game.width
        assert 0 <= game.ball[1] < game.height
    assert max(game.score) == logic.POINTS_TO_WIN
    assert {len(line) for line in draw.draw_game(game)} == {game.width + 2}


def test_keys_are_recognised(modules):
    """Letters and both kinds of arrow keys; the rest is passed over."""
    parse = modules[1].parse_keys

    assert parse(b"w\x1b[B\x1bOAxq") == ["up", "down", "up", "quit"]


@pytest.mark.slow
@pytest.mark.parametrize("command", [PLAIN, ENTREPOT], ids=["python", "entrepot"])
def test_game_plays_in_a_terminal(command):
    """It draws, moves the paddle when a key is pressed, pauses, leaves on q and gives the terminal back."""
    with Terminal([*command, "game.py"], cwd=FOLDER, env={"PYTHONDONTWRITEBYTECODE": "1"}) as terminal:
        terminal.wait_for(b"q: leave")
        for _ in range(5):
            terminal.press(b"w")
        # The paddle has reached the upper wall: the first row of the field begins with it.
        terminal.wait_for(b"-+\x1b[K\r\n|#")
        terminal.press(b" ")
        terminal.wait_for(b"paused")
        terminal.press(b"q")
        assert b"\x1b[?1049l" in terminal.wait_for(b"ticks\r\n")
        assert terminal.process.wait(20) == 0
        assert termios.tcgetattr(terminal.slave) == terminal.before
