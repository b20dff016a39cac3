"""Points. It has a function called report, and so has inventory."""

SCORES = {"Ada": 4200, "Grace": 5150}


def report():
    return f"{len(SCORES)} players, {sum(SCORES.values())} points"
