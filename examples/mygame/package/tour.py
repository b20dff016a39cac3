"""Uses the package as a stranger would: what a star import brings, where things come from, a match."""

from mygame import *
import mygame.game

print("star brought:", sorted(name for name in globals() if not name.startswith("_")))
print("Game is", Game, "of", mygame.__name__)
print("bound in the parent:", mygame.game.Game is Game, mygame.draw.draw_game is draw_game)

game = Game()
watch(game)
print(draw_game(game)[0])
