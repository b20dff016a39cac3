"""Ping-pong as a package: the names that others may use, gathered from its modules.

    from mygame import *
    game = Game()
    watch(game)
    print(draw_game(game))
"""

from .draw import draw_game
from .game import Game, play, watch

# What `from mygame import *` brings: not the modules, not Screen.
__all__ = ["Game", "draw_game", "play", "watch"]
