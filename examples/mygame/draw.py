"""The screen: shows a game in a terminal, and says which key was pressed.

Plain ANSI escape sequences and termios, nothing else. It knows what a game looks like
(its width, paddles, ball and score) and nothing of its rules.
"""

import os
import select
import shutil
import sys
import termios
import tty

KEYS = {b"w": "up", b"\x1b[A": "up", b"\x1bOA": "up", b"s": "down", b"\x1b[B": "down", b"\x1bOB": "down",
        b"q": "quit", b"\x03": "quit", b"\x04": "quit", b"\x1b": "quit", b"p": "pause", b" ": "pause"}


def draw_game(game):
    """Return the picture of a game as lines of text."""
    score = f" {game.score[0]} : {game.score[1]} "
    lines = ["+" + score.center(game.width, "-") + "+"]
    for y in range(game.height):
        row = [" "] * game.width
        row[game.width // 2] = ":"
        for x, top in ((0, game.paddles[0]), (game.width - 1, game.paddles[1])):
            if top <= y < top + game.paddle_height:
                row[x] = "#"
        if y == game.ball[1]:
            row[game.ball[0]] = "o"
        lines.append("|" + "".join(row) + "|")
    lines.append("+" + "-" * game.width + "+")
    return lines


def fits(game):
    """Say whether the terminal is large enough for a game and the line below it."""
    size = shutil.get_terminal_size()
    return size.columns >= game.width + 2 and size.lines >= game.height + 4


class Screen:
    """The terminal while a game is on: `with Screen() as screen`. Leaving gives everything back."""

    def __enter__(self):
        self.fd = sys.stdin.fileno()
        self.before = termios.tcgetattr(self.fd)
        tty.setraw(self.fd)
        self._write("\x1b[?1049h\x1b[?25l")  # another page, no cursor
        return self

    def __exit__(self, *error):
        self._write("\x1b[?25h\x1b[?1049l")
        termios.tcsetattr(self.fd, termios.TCSADRAIN, self.before)

    def show(self, game, message=""):
        """Draw a game; each line is written over the one that was there."""
        lines = [*draw_game(game), message]
        self._write("\x1b[H" + "".join(line + "\x1b[K\r\n" for line in lines) + "\x1b[J")

    def read_keys(self, seconds):
        """Wait, and return what was pressed meanwhile: "up", "down", "pause", "quit". The end of input is "quit"."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return []
        data = os.read(self.fd, 64)
        return parse_keys(data) if data else ["quit"]

    def _write(self, text):
        sys.stdout.write(text)
        sys.stdout.flush()


def parse_keys(data):
    """Return the names of the keys in what a terminal sent; unknown ones are left out."""
    names = []
    while data:
        length = 3 if data[:2] in (b"\x1b[", b"\x1bO") else 1
        key, data = data[:length], data[length:]
        if key in KEYS:
            names.append(KEYS[key])
    return names
