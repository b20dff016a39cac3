"""Step 3: main.py imports both modules and says which function it means. It prints what step 1 printed."""

import arcade
import inventory

arcade.add_score("Linus", 3500)
player = arcade.best_player()
tickets = arcade.tickets_for(arcade.get_score(player))
print(f"{player} leads with {arcade.get_score(player)} points: {tickets} tickets")
for prize in inventory.affordable(tickets):
    print(f"  can have: {prize}")
inventory.take("plush whale")
print("after taking the whale:", inventory.affordable(tickets))
