"""Three modules, one catalogue: what prices changes, search sees."""

import sys

import prices
import search

print(f"average price: {prices.average():.2f}")
print("cheapest silk:", search.find_cheapest("silk"))

made_at = sys.modules["catalogue"].MADE_AT
prices.raise_all(10)
print(f"average price: {prices.average():.2f}")
print("cheapest silk:", search.find_cheapest("silk"))

import catalogue

print("one object:", search.ARTICLES is prices.catalogue.ARTICLES is catalogue.ARTICLES)
print("made once:", catalogue.MADE_AT == made_at)
