"""Prizes. Something is printed while this module is being imported, and main.py cannot tell where from."""

PRIZES = {"yo-yo": 30, "plush whale": 250, "kite": 120}

print("counting prizes...")
print(len(PRIZES), "kinds")


def affordable(tickets):
    return [prize for prize, price in PRIZES.items() if price <= tickets]


if __name__ == "__main__":
    # Runs with `python inventory.py`, and not when another module imports this one.
    print("checking the inventory by itself:", affordable(100))
