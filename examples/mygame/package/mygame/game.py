"""Ping-pong: the rules, and the match between you and the computer.

    python -m mygame            play: w and s or the arrow keys, space to pause, q to leave
    python -m mygame --watch    the computer against itself, without a terminal: prints the last picture

Everything is whole numbers and nothing is random, so a match can be repeated.
"""

import sys
import time

from . import draw

POINTS_TO_WIN = 5


class Game:
    """One match: where the ball and the paddles are, and the score. `step` is one tick."""

    width = 60
    height = 18
    paddle_height = 4

    def __init__(self):
        self.paddles = [self.height // 2 - 2, self.height // 2 - 2]
        self.score = [0, 0]
        self.ticks = 0
        self.serve(direction=1)

    def serve(self, direction):
        """Put the ball in the middle, on its way to one side (1: right, -1: left)."""
        rally = sum(self.score)
        self.ball = [self.width // 2, 3 + rally * 5 % (self.height - 6)]
        self.speed = [direction, 1 if rally % 2 else -1]

    @property
    def winner(self):
        """0 (left) or 1 (right) once somebody has won, else None."""
        for side in (0, 1):
            if self.score[side] >= POINTS_TO_WIN:
                return side
        return None

    def move_paddle(self, side, rows):
        """Move a paddle up (negative) or down, no further than the wall."""
        top = self.paddles[side] + rows
        self.paddles[side] = max(0, min(self.height - self.paddle_height, top))

    def step(self):
        """One tick: the ball moves, bounces off walls and paddles, or is lost."""
        self.ticks += 1
        x, y = self.ball[0] + self.speed[0], self.ball[1] + self.speed[1]
        if not 0 <= y < self.height:
            self.speed[1] = -self.speed[1]
            y = self.ball[1] + self.speed[1]
        if x in (0, self.width - 1):
            side = 0 if x == 0 else 1
            where = y - self.paddles[side]
            if not 0 <= where < self.paddle_height:
                self.score[1 - side] += 1
                self.serve(direction=1 if side == 0 else -1)
                return
            # The rim of a paddle sends the ball off steeper than its middle.
            self.speed = [-self.speed[0], (-2, -1, 1, 2)[where]]
            x += 2 * self.speed[0]
        self.ball = [x, max(0, min(self.height - 1, y))]


def choose_move(game, side):
    """The computer's player: follows the ball when it comes, two ticks out of three."""
    comes = game.speed[0] > 0 if side == 1 else game.speed[0] < 0
    if not comes or game.ticks % 3 == side:
        return 0
    middle = game.paddles[side] + 1
    return (game.ball[1] > middle) - (game.ball[1] < middle)


def play(screen, game, seconds_per_tick=0.04):
    """Play until somebody has won or left; returns whether it was played to its end."""
    paused = False
    while game.winner is None:
        screen.show(game, "paused: space goes on" if paused else "w/s or arrows: move   space: pause   q: leave")
        tick_ends = time.monotonic() + seconds_per_tick
        while (left := tick_ends - time.monotonic()) > 0:
            for key in screen.read_keys(left):
                if key == "quit":
                    return False
                elif key == "pause":
                    paused = not paused
                else:
                    game.move_paddle(0, -2 if key == "up" else 2)
        if not paused:
            game.move_paddle(1, choose_move(game, 1))
            game.step()
    return True


def watch(game, most_ticks=20_000):
    """The computer plays both sides, as fast as it can."""
    while game.winner is None and game.ticks < most_ticks:
        for side in (0, 1):
            game.move_paddle(side, choose_move(game, side))
        game.step()


def main(arguments):
    game = Game()
    if "--watch" in arguments or not (sys.stdin.isatty() and sys.stdout.isatty()):
        watch(game)
        print("\n".join(draw.draw_game(game)))
    elif not draw.fits(game):
        print(f"the terminal is too small: {game.width + 2} columns and {game.height + 4} lines are needed")
        return 1
    else:
        with draw.Screen() as screen:
            play(screen, game)
    print(f"{game.score[0]} : {game.score[1]} after {game.ticks} ticks")
    return 0
