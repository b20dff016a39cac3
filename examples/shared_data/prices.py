"""Changes prices, in place."""

import catalogue


def average():
    return sum(price for _, price in catalogue.ARTICLES.values()) / len(catalogue.ARTICLES)


def raise_all(percent):
    for number, (name, price) in catalogue.ARTICLES.items():
        catalogue.ARTICLES[number] = (name, price + price * percent // 100)
