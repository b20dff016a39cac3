"""A large object kept in a module: made once, when the first of its users imports it."""

import time

MADE_AT = time.monotonic_ns()
WORDS = ("amber", "anchor", "barrel", "canvas", "copper", "indigo", "pepper", "silk", "tea", "timber")

# 100,000 articles: number -> (name, price in cents). Every module that imports catalogue uses this one dict.
ARTICLES = {
    number: (f"{WORDS[number % 10]} {number}", 100 + number * 7919 % 9900)
    for number in range(100_000)
}
