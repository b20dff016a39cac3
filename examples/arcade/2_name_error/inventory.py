"""What can be had for tickets."""

PRIZES = {"yo-yo": 30, "plush whale": 250, "kite": 120}
STOCK = {"yo-yo": 12, "plush whale": 1, "kite": 0}


def in_stock(prize):
    return STOCK[prize] > 0


def take(prize):
    if not in_stock(prize):
        raise ValueError(f"no {prize} left")
    STOCK[prize] -= 1


def affordable(tickets):
    return [prize for prize, price in PRIZES.items() if price <= tickets and in_stock(prize)]
