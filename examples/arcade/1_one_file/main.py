"""Step 1: the whole program in one file. It works, and it is getting long."""

SCORES = {"Ada": 4200, "Grace": 5150, "Linus": 1990}
PRIZES = {"yo-yo": 30, "plush whale": 250, "kite": 120}
STOCK = {"yo-yo": 12, "plush whale": 1, "kite": 0}


def get_score(player):
    return SCORES[player]


def add_score(player, points):
    SCORES[player] = SCORES.get(player, 0) + points


def best_player():
    return max(SCORES, key=get_score)


def tickets_for(score):
    return score // 20


def in_stock(prize):
    return STOCK[prize] > 0


def take(prize):
    if not in_stock(prize):
        raise ValueError(f"no {prize} left")
    STOCK[prize] -= 1


def affordable(tickets):
    return [prize for prize, price in PRIZES.items() if price <= tickets and in_stock(prize)]


add_score("Linus", 3500)
player = best_player()
tickets = tickets_for(get_score(player))
print(f"{player} leads with {get_score(player)} points: {tickets} tickets")
for prize in affordable(tickets):
    print(f"  can have: {prize}")
take("plush whale")
print("after taking the whale:", affordable(tickets))
