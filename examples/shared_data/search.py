"""Looks articles up."""

from catalogue import ARTICLES


def find_cheapest(word):
    return min((price, name) for name, price in ARTICLES.values() if name.startswith(word))
