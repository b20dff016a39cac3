"""Step 2: the functions have moved to arcade.py and inventory.py, and main.py does not import them yet."""

print("the arcade opens")
add_score("Linus", 3500)
player = best_player()
print(f"{player} leads")
