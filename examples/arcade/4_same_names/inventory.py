"""Prizes. It has a function called report, and so has arcade."""

STOCK = {"yo-yo": 12, "plush whale": 1}


def report():
    return f"{len(STOCK)} kinds of prizes, {sum(STOCK.values())} in all"
