"""Step 5: the two lines of inventory.py come first, once, however often it is imported."""

import arcade
import inventory

print("main begins")
print(arcade.best_player(), "can have", arcade.prizes_for(arcade.best_player()))

import inventory

print("main ends;", "inventory is arcade's inventory:", inventory is arcade.inventory)
