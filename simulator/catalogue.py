"""What the store sells: products of ten categories, a few of them popular, priced in every currency."""

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from random import Random

import msgspec

from events.types import Item
from simulator.ids import Ids
from simulator.places import CURRENCIES, minor_units

# Median price in dollars, and the spread of its logarithm.
CATEGORIES = {
    "electronics": (190.0, 0.9), "phones": (320.0, 0.6), "fashion": (45.0, 0.6), "perfume": (70.0, 0.6),
    "beauty": (28.0, 0.5), "home": (60.0, 0.8), "toys": (24.0, 0.5), "grocery": (14.0, 0.5),
    "gift_cards": (50.0, 0.5), "sports": (48.0, 0.6),
}  # fmt: skip
PRODUCTS_EACH = 60


class Product(msgspec.Struct, frozen=True):
    sku: str
    title: str
    category: str
    seller_id: str
    dollars: float
    prices: dict[str, int]


class Basket(msgspec.Struct, frozen=True):
    items: tuple[Item, ...]
    amount_minor: int
    currency: str
    seller_id: str


class Catalogue:
    """Popularity inside a category follows Zipf's law."""

    def __init__(self, rng: Random, ids: Ids) -> None:
        sellers = [ids.mint("s") for _ in range(40)]
        one_category = range(PRODUCTS_EACH)
        self.products = {name: [_product(rng, ids, name, sellers) for _ in one_category] for name in CATEGORIES}
        self._popularity = list(accumulate(1 / (rank + 3) for rank in range(PRODUCTS_EACH)))

    def product(self, rng: Random, category: str) -> Product:
        return self.products[category][bisect(self._popularity, rng.random() * self._popularity[-1])]

    def wanted(self, rng: Random, categories: Sequence[str], level: float) -> Product:
        """One of two products seen: the dearer with probability `level`."""
        category = categories[int(rng.random() * len(categories))]
        one, other = self.product(rng, category), self.product(rng, category)
        dearer = rng.random() < level
        return one if (one.dollars > other.dollars) == dearer else other

    def basket(self, rng: Random, categories: Sequence[str], level: float, currency: str) -> Basket:
        """One to four products, mostly one of each; their sum is the order's amount."""
        lines = 1 + (rng.random() < 0.4) + (rng.random() < 0.18) + (rng.random() < 0.08)
        products = [self.wanted(rng, categories, level) for _ in range(lines)]
        return pack(products, [1 + (rng.random() < 0.14) + (rng.random() < 0.05) for _ in products], currency)


def pack(products: Sequence[Product], quantities: Sequence[int], currency: str) -> Basket:
    items = tuple(
        Item(sku=p.sku, title=p.title, category=p.category, quantity=quantity, unit_amount_minor=p.prices[currency])
        for p, quantity in zip(products, quantities, strict=True)
    )
    amount = sum(item.quantity * item.unit_amount_minor for item in items)
    return Basket(items, amount, currency, products[0].seller_id)


def _product(rng: Random, ids: Ids, category: str, sellers: Sequence[str]) -> Product:
    median, spread = CATEGORIES[category]
    dollars = max(2.0, round(median * 2.718281828 ** rng.gauss(0, spread), 1))
    prices = {currency: minor_units(dollars, currency) for currency in CURRENCIES}
    title = f"{category.replace('_', ' ').title()} {rng.randrange(100, 1000)}"
    return Product(ids.mint("sku-"), title, category, rng.choice(sellers), dollars, prices)
