"""Who has how many points."""

SCORES = {"Ada": 4200, "Grace": 5150, "Linus": 1990}


def get_score(player):
    return SCORES[player]


def add_score(player, points):
    SCORES[player] = SCORES.get(player, 0) + points


def best_player():
    return max(SCORES, key=get_score)


def tickets_for(score):
    return score // 20
